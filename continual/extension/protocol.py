r"""The one protocol by which a training is extended.

Strategies, adaptations, probes and trackers are `Extension`s:
they implement as many of its methods as they need. The loop calls them in this order, the strategy first, then the
adaptations, then the observers, each in the order given:

| method | when | what it may do |
|---|---|---|
| `check` | before any work | refuse what can't work, in one line |
| `begin` | when a session begins, before its state is given back | keep hold of the model and what trains it |
| `before_task` | before the first step of a task | anything |
| `task_data` | after that | choose the samples of the task; the task's own by default |
| `before_step` | before every step | change the model in place |
| `changed` | after another extension has changed it | adapt to what parameters mean now |
| `step_data` | with the batch of every step | change it, or add to it: a replay |
| `loss_term` | in every evaluation of the loss | add a term to each member's loss |
| `loss_gradients` | after each backward pass | look at the gradients of the loss and its terms |
| `quadratics` | in every evaluation of the loss | add quadratic terms to it |
| `gradients` | after that | change the gradients in place, those of quadratic terms with them |
| `after_step` | after every step | look at the losses |
| `after_task` | after the last step of a task | anything: keep what the next one needs |
| `predictor` | in every evaluation of a task | say what predicts it, if not the model as it is |
| `evaluation` | after every evaluation of all tasks | look at the errors |
| `accuracies` | after that, where tasks are classification | look at them |
| `task_done` | when a row of R is there, the untrained one too | look at it |
| `state_dict`, `load_state_dict` | around a checkpoint | keep what a resumption needs, to the last bit |

What an extension does not override is never called, and a step without extensions costs what a step costs. Everything
keeps the member axis: what one member computes must not depend on who else is in the stack. No method is shown test
data.

Arguments are looked at, not changed in place, but for the model and its gradients where that is the purpose. A model's
parameters are asked for when they are needed: after a resumption, a refinement or pruning they are other tensors. Where
they are, the optimizer begins anew, whatever was asked.

A curriculum that is a stream is one long task to all of them: `before_task` comes before its first step, `after_task`
after its last, and nobody may choose what it trains on. Only evaluations tell where its stretches end.

In one file: the protocol, which is read as a whole.
"""

__all__ = ["Extension", "hooks", "owner"]

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from continual.extension.moments import Change, Moment, Session
from continual.extension.quadratic import Quadratic
from continual.models import StackedModel
from tasks import Task

if TYPE_CHECKING:
    from continual.extension.training import Training


class Extension:
    """What takes part in a training, and does nothing: subclasses override what they need. See the module.

    Attributes:
        capturable: whether `loss_term`, `quadratics` and `gradients` may be recorded in a CUDA graph and replayed: they
            ask the host for nothing, and do the same in every step of a task, after each of which it is recorded anew.
            Steps stay ordinary ones otherwise.
        needs_boundaries: whether it does something where a task ends or begins, and can't be used on a stream.
        surgery: whether `gradients` makes of them what is no gradient of the loss any more, so that optimizers which
            search along a line, or solve for the minimum, can't be used.
        one_gradient: whether a step has to follow one gradient, which those optimizers don't either.
        lags: whether `after_step` looks at nothing but what it is given, and may hear of several steps after the last
            of them: small networks then take many in one call.
    """

    capturable = False
    needs_boundaries = False
    surgery = False
    one_gradient = False
    lags = False

    def check(self, training: "Training") -> None:
        """Refuses what can't work, before any work is done.

        Args:
            training: its model is untrained, and may have fewer members than the run will.

        Raises:
            ValueError: in one line.
        """

    def begin(self, session: Session) -> None:
        """A session begins, of a training that is new or goes on; `load_state_dict` comes after that."""

    def memory(self, training: "Training", members: int) -> float:
        """Bytes that it will hold beside the model and its data, about: for the forecast of a run.

        Args:
            training: see `check`.
            members: how many there will be.
        """
        return 0.0

    def before_task(self, moment: Moment) -> None:
        """Before the first step of a task, and before `task_data`; the moment holds the task's own data."""

    def task_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """Inputs (M, N, I) and targets (M, N, O) that task `index`, counted from 0, trains on.

        One extension at most says so. Of `tasks` only the training data, and none after `index`, are its business.
        Asked again when a training goes on within the task: what is random here has to come from state that is kept.
        """
        return tasks[index].train_inputs, tasks[index].train_targets

    def before_step(self, moment: Moment) -> Change | None:
        """Changes the model in place and says what it did, or leaves it and returns None."""
        return None

    def changed(self, moment: Moment, change: "Change") -> None:
        """Another extension has changed the model before this step: parameters may have other shapes and meanings."""

    def step_data(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The samples of one step, from those drawn of the task's data: (M, B, I) and (M, B, O), both ways."""
        return inputs, targets

    def loss_term(self, model: StackedModel, inputs: Tensor, predictions: Tensor) -> Tensor:
        """What is added to the loss of each member, (M,); without a graph it has no gradient."""
        raise NotImplementedError

    def loss_gradients(self, model: StackedModel) -> None:
        """Looks at the `grad` of the model's parameters, before quadratic terms are added."""

    def quadratics(self) -> Sequence[Quadratic]:
        """Quadratic terms of each member's loss; only this way does Levenberg–Marquardt take any."""
        return ()

    def gradients(self, model: StackedModel) -> None:
        """Changes the `grad` of the model's parameters in place, after a backward pass and before they are used."""

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """A step was done: task from 0, steps done within it, losses before it (M,), on the model's device."""

    def after_task(self, moment: Moment) -> None:
        """The last step of a task was done; its row of R is not there yet."""

    def predictor(self, task: int) -> Callable[[Tensor], Tensor] | None:
        """What predicts a task, counted from 0, when errors on it are measured: (M, B, I) → (M, B, O).

        None for the model as it is. One extension at most has this; it makes of the task's index an oracle, and there
        is none on a stream.
        """
        return None

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """All tasks were evaluated.

        Args:
            step: training steps done, over all tasks.
            task: index from 0 of the task in training, -1 before the first.
            loss: training loss, (M,).
            rmse: test RMSE on every task, (M, T), in units of the target.
        """

    def accuracies(self, step: int, task: int, accuracy: NDArray[np.float64]) -> None:
        """All tasks were evaluated, which are classification.

        Args:
            step: training steps done, over all tasks.
            task: index from 0 of the task in training, -1 before the first.
            accuracy: share of the test samples whose class is right, on every task, (M, T).
        """

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """The row of R that belongs to a number of tasks learned is there.

        Args:
            index: tasks learned so far, 0 (untrained) to T.
            rmse: test RMSE on every task, (M, T), in units of the target.
        """

    def state_dict(self) -> dict[str, Any]:
        """What a resumption needs, in tensors and plain types.

        An extension that has no state hears all evaluations again instead when a training goes on.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


def owner(hook: Any) -> str:
    """Whose method it is, and which: "Replay.step_data"."""
    name = getattr(hook, "__name__", type(hook).__name__)
    bound = getattr(hook, "__self__", None)
    if bound is None:
        return str(getattr(hook, "__qualname__", name)).rpartition("<locals>.")[2]
    return f"{bound.__name__ if isinstance(bound, type) else type(bound).__name__}.{name}"


def hooks(extensions: Iterable[Any], name: str) -> list[Any]:
    """The bound methods of that name of those extensions that have one of their own, in order.

    Whatever has the method will do: nobody has to inherit from `Extension`.
    """
    found = []
    for extension in extensions:
        method = getattr(extension, name, None)
        if method is not None and getattr(method, "__func__", None) is not getattr(Extension, name):
            if not callable(method):
                raise ValueError(f"{type(extension).__name__}.{name} must be a method, got {method!r}")
            found.append(method)
    return found
