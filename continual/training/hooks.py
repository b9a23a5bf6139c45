"""What extensions do in a training, called in order, and what they return, checked: a mistake names who made it."""

__all__ = ["Hooks", "checked_term"]

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from continual.extension import Change, Extension, Moment, Session, Training, hooks, owner
from continual.models import StackedModel
from tasks import Task

Term = Callable[[StackedModel, Tensor, Tensor], Tensor]


class Hooks:
    """The extensions of a training, asked once who does what: nothing is called that nobody has.

    Args:
        training: whose extensions.
    """

    def __init__(self, training: Training) -> None:
        self._extensions = training.extensions
        self._device = next(iter(training.model.parameters())).device
        self._members = training.model.members
        self._chooser = next(iter(training.hooks("task_data")), None)
        self._before_step, self._step_data = training.hooks("before_step"), training.hooks("step_data")
        self._changed, self._after_step = training.hooks("changed"), training.hooks("after_step")
        self._before_task, self._after_task = training.hooks("before_task"), training.hooks("after_task")
        self._evaluation, self._task_done = training.hooks("evaluation"), training.hooks("task_done")
        self._begin, self._predictor = training.hooks("begin"), next(iter(training.hooks("predictor")), None)
        self._accuracies = training.hooks("accuracies")
        waiting = [each for each in self._after_step if not getattr(getattr(each, "__self__", each), "lags", False)]
        self.intervene = bool(self._before_step or self._step_data or waiting)
        """Whether anybody has to be asked between two steps."""

    @property
    def change_models(self) -> bool:
        """Whether anybody may change the model before a step."""
        return bool(self._before_step)

    def begin(self, session: Session) -> None:
        """See `Extension.begin`."""
        for take in self._begin:
            take(session)

    def predictors(self, tasks: int) -> list[Callable[[Tensor], Tensor] | None] | None:
        """What predicts each task, see `Extension.predictor`; None where the model does all of them."""
        return None if self._predictor is None else [self._predictor(index) for index in range(tasks)]

    def before_task(self, moment: Moment) -> None:
        """See `Extension.before_task`."""
        for begin in self._before_task:
            begin(moment)

    def task_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """See `Extension.task_data`.

        Raises:
            ValueError: no data of these members.
        """
        if self._chooser is None:
            return Extension().task_data(tasks, index)
        return self._samples(self._chooser, self._chooser(tasks, index), Extension().task_data(tasks, index))

    def step_data(self, batch: tuple[Tensor, Tensor], own: bool) -> tuple[Tensor, Tensor]:
        """See `Extension.step_data`.

        Args:
            batch: inputs and targets that were drawn.
            own: whether they are the task's own tensors, which nobody must change.

        Raises:
            ValueError: no data of these members.
        """
        if self._step_data and own:
            batch = batch[0].clone(), batch[1].clone()
        for change in self._step_data:
            batch = self._samples(change, change(*batch), batch)
        return batch

    def _samples(self, hook: Any, given: Any, like: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        good = isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(x, Tensor) for x in given)
        shapes = [tuple(x.shape) for x in given] if good else []
        count = shapes[0][1] if good and len(shapes[0]) == 3 else 0
        wanted = [(self._members, count, x.shape[-1]) for x in like]
        if count < 1 or shapes != wanted:
            raise ValueError(
                f"{owner(hook)} must give inputs ({self._members}, B, {like[0].shape[-1]}) and targets "
                f"({self._members}, B, {like[1].shape[-1]}) with B ≥ 1, got "
                f"{' and '.join(map(str, shapes)) if good else type(given).__name__}"
            )
        return given[0], given[1]

    def changes(self, moment: Moment) -> list[tuple[Any, Change]]:
        """What is done to the model before a step, and by whom; all others are told of it.

        Raises:
            ValueError: something else than a `Change` or None was returned.
        """
        found = []
        for ask in self._before_step:
            change = ask(moment)
            if change is None:
                continue
            if not isinstance(change, Change):
                raise ValueError(f"{owner(ask)} must return a Change or None, got {change!r}")
            found.append((ask, change))
            for tell in self._changed:
                if getattr(tell, "__self__", tell) is not getattr(ask, "__self__", ask):
                    tell(moment, change)
        return found

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """See `Extension.after_step`."""
        for look in self._after_step:
            look(task, step, losses)

    def after_task(self, moment: Moment) -> None:
        """See `Extension.after_task`."""
        for end in self._after_task:
            end(moment)

    def evaluation(
        self,
        step: int,
        task: int,
        loss: NDArray[np.float64],
        rmse: NDArray[np.float64],
        accuracy: NDArray[np.float64] | None = None,
    ) -> None:
        """See `Extension.evaluation` and, where there is an accuracy, `Extension.accuracies`."""
        for tell in self._evaluation:
            tell(step, task, _readonly(loss), _readonly(rmse))
        if accuracy is not None:
            for tell in self._accuracies:
                tell(step, task, _readonly(accuracy))

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """See `Extension.task_done`."""
        for tell in self._task_done:
            tell(index, _readonly(rmse))

    def deaf(self) -> "Hooks":
        """The same, but only those without a state of their own, who are told again what they missed."""
        other = object.__new__(Hooks)
        other.__dict__.update(self.__dict__)
        without = [each for each in self._extensions if not hooks([each], "state_dict")]
        other._evaluation, other._task_done = hooks(without, "evaluation"), hooks(without, "task_done")
        other._accuracies = hooks(without, "accuracies")
        return other

    def states(self) -> list[Any]:
        """What a checkpoint keeps of each extension: its kind, and its state if it has one.

        Raises:
            ValueError: a state that a checkpoint can't give back.
        """
        found: list[Any] = []
        for extension in self._extensions:
            for save in hooks([extension], "state_dict"):
                state = save()
                strange = _strange(state)
                if strange is not None:
                    raise ValueError(
                        f"{owner(save)} holds {strange}, which no checkpoint gives back: keep tensors, numbers, "
                        "strings, None, and lists, tuples, sets and dicts of them"
                    )
                found.append([type(extension).__name__, state])
        return found

    def load_states(self, states: Sequence[Any]) -> None:
        """Gives the states of a checkpoint back, tensors on the model's device.

        Raises:
            ValueError: they are other extensions' states.
        """
        stateful = [each for each in self._extensions if hooks([each], "state_dict")]
        kinds = [type(each).__name__ for each in stateful]
        if kinds != [kind for kind, _ in states]:
            raise ValueError(
                f"the checkpoint holds the states of {[kind for kind, _ in states]}, and this training has {kinds}"
            )
        for extension, (_, state) in zip(stateful, states, strict=True):
            extension.load_state_dict(_moved(state, self._device))


def checked_term(term: Term, model: StackedModel, inputs: Tensor, predictions: Tensor) -> Tensor:
    """A term of the loss.

    Raises:
        ValueError: no tensor with a number for each member.
    """
    added = term(model, inputs, predictions)
    if not isinstance(added, Tensor) or added.shape != (model.members,):
        shape = tuple(added.shape) if isinstance(added, Tensor) else type(added).__name__
        raise ValueError(f"{owner(term)} must give a number for each member, shape ({model.members},), got {shape}")
    return added


def _readonly(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """A view that can't be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)


def _strange(state: Any) -> str | None:
    """The kind of something in a state that `torch.load(weights_only=True)` refuses; None where there is none."""
    if type(state) in _PLAIN or isinstance(state, Tensor):
        return None
    if type(state) in (dict, OrderedDict):
        return next((s for item in state.items() for each in item if (s := _strange(each)) is not None), None)
    if type(state) in (list, tuple, set):
        return next((s for each in state if (s := _strange(each)) is not None), None)
    return f"a {type(state).__module__}.{type(state).__name__}"


def _moved(state: Any, device: torch.device) -> Any:
    if isinstance(state, Tensor):
        return state.to(device)
    if isinstance(state, dict):
        return type(state)((key, _moved(value, device)) for key, value in state.items())
    if isinstance(state, list | tuple | set):
        return type(state)(_moved(each, device) for each in state)
    return state
