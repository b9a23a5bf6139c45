r"""One object for a training, and the one protocol by which it is extended.

`Training` is all that `continual.training.train` needs. Strategies, adaptations, probes and trackers are `Extension`s:
they implement as many of its methods as they need. The loop calls them in this order, the strategy first, then the
adaptations, then the observers, each in the order given:

| method | when | what it may do |
|---|---|---|
| `check` | before any work | refuse what can't work, in one line |
| `before_task` | before the first step of a task | anything |
| `task_data` | after that | choose the samples of the task; the task's own by default |
| `before_step` | before every step | change the model in place |
| `changed` | after another extension has changed it | adapt to what parameters mean now |
| `step_data` | with the batch of every step | change it, or add to it: a replay |
| `loss_term` | in every evaluation of the loss | add a term to each member's loss |
| `gradients` | after each backward pass | change the gradients in place |
| `after_step` | after every step | look at the losses |
| `after_task` | after the last step of a task | anything: keep what the next one needs |
| `evaluation` | after every evaluation of all tasks | look at the errors |
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

In one file: what is extended, and by what, are one subject, and half of it is said in words.
"""

__all__ = ["Change", "Extension", "MakeOptimizer", "Moment", "Penalty", "Settings", "Training", "hooks", "owner"]

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from continual.models import StackedModel
from continual.records.checkpoint import Checkpoint
from tasks import Curriculum, Task
from tasks.curriculum import Split

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]

Penalty = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""From a stack and inputs (M, B, I) to predictions (M, B, O) and what is added to the loss of each member, (M,)."""


@dataclass(frozen=True)
class Settings:
    """How long and on what to train.

    Args:
        steps: optimizer steps a task; one step of L-BFGS is up to `max_iter` inner iterations.
        batch_size: samples of a step, drawn anew for each step without replacement, for each member of its own; None
            for all of them.
        evaluate_every: steps between evaluations of all tasks; also evaluated before training and after each task.
        checkpoint_seconds: least time between checkpoints within a task; there is always one after each task, and where
            training is asked to stop.
        penalty_steps: steps of each task whose loss has the penalty, if there is one; None for all.
        evaluate_on: which set of each task errors are measured on: "test", or "validation" for runs by which something
            is chosen.

    Raises:
        ValueError: a number below 1, or no such set.
    """

    steps: int
    batch_size: int | None = None
    evaluate_every: int = 100
    checkpoint_seconds: float = 30.0
    penalty_steps: int | None = None
    evaluate_on: Split = "test"

    def __post_init__(self) -> None:
        if self.evaluate_on not in get_args(Split):
            raise ValueError(f"evaluate_on must be one of {', '.join(get_args(Split))}, got {self.evaluate_on!r}")
        for name in ("steps", "batch_size", "evaluate_every", "penalty_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class Moment:
    """Where training stands.

    Args:
        model: may be changed in place.
        task: in training, counted from 1.
        step: steps already done within the task.
        total: steps already done over all tasks.
        inputs: training inputs of the task, (M, N, I).
        targets: training targets of the task, (M, N, O).
    """

    model: StackedModel
    task: int
    step: int
    total: int
    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Change:
    """What was done to the model.

    Args:
        text: a line for the log and the record.
        reset_optimizer: whether the optimizer begins anew.
        portrait: arrays that show what the model was before, see `continual.models.portrait`; none to keep none.
    """

    text: str
    reset_optimizer: bool = True
    portrait: Mapping[str, NDArray[Any]] | None = None


class Extension:
    """What takes part in a training, and does nothing: subclasses override what they need. See the module.

    Attributes:
        capturable: whether `loss_term` and `gradients` may be recorded in a CUDA graph and replayed: they ask the host
            for nothing, and do the same in every step. Steps stay ordinary ones otherwise.
    """

    capturable = False

    def check(self, training: "Training") -> None:
        """Refuses what can't work, before any work is done.

        Args:
            training: its model is untrained, and may have fewer members than the run will.

        Raises:
            ValueError: in one line.
        """

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

    def gradients(self, model: StackedModel) -> None:
        """Changes the `grad` of the model's parameters in place, after a backward pass and before they are used."""

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """A step was done: task from 0, steps done within it, losses before it (M,), on the model's device."""

    def after_task(self, moment: Moment) -> None:
        """The last step of a task was done; its row of R is not there yet."""

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """All tasks were evaluated.

        Args:
            step: training steps done, over all tasks.
            task: index from 0 of the task in training, -1 before the first.
            loss: training loss, (M,).
            rmse: test RMSE on every task, (M, T), in units of the target.
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


@dataclass(frozen=True)
class Training:
    """Everything that a training needs.

    Args:
        model: M members; trained in place.
        curriculum: T tasks for M members, in the model's dtype and on its device.
        make: builds the optimizer; Adam, SGD and `continual.optimizers.LBFGS` all step through one closure, which
            returns the losses (M,).
        strategy: an extension that also says whether the optimizer begins anew with each task (`reset_optimizer`, true
            where it does not say), see `continual.strategies`.
        settings: steps, batches, evaluations.
        generators: one a member, for drawing batches.
        adaptations: what may change the model before a step, in this order; see `continual.adaptations`.
        penalty: added to the loss; the optimizer begins anew where it comes or goes.
        observers: trackers, probes, progress lines; told of every evaluation, also of those before a resumption.
        checkpoint: what to write while running, and to go on from if it is there.
        stop: asked after each step for the signal that came, if any, see `continual.stopping`.
        exceeded: asked after each step, and before the first of a session that goes on, which limit is exceeded, if
            any, in words.

    Raises:
        ValueError: model and curriculum do not fit together.
    """

    model: StackedModel
    curriculum: Curriculum
    make: MakeOptimizer
    strategy: Any
    settings: Settings
    generators: Sequence[Generator]
    adaptations: Sequence[Any] = ()
    penalty: Penalty | None = None
    observers: Sequence[Any] = ()
    checkpoint: Checkpoint | None = None
    stop: Callable[[], int | None] | None = None
    exceeded: Callable[[], str | None] | None = None

    def __post_init__(self) -> None:
        for name in ("adaptations", "observers"):  # also of a generator
            object.__setattr__(self, name, tuple(getattr(self, name)))
        model, curriculum = self.model, self.curriculum
        ours = (model.members, model.in_features, model.out_features)
        if ours != (curriculum.members, curriculum.in_features, curriculum.out_features):
            raise ValueError("model and curriculum must have the same members, input and output features")

    @property
    def extensions(self) -> tuple[Any, ...]:
        """All that extend the loop, in the order in which it calls them."""
        return (self.strategy, *self.adaptations, *self.observers)

    def hooks(self, name: str) -> list[Any]:
        """See `hooks`, of all extensions."""
        return hooks(self.extensions, name)

    def check(self) -> None:
        """Asks every extension whether it can work.

        Raises:
            ValueError: one can't, is there twice, or is none; two want to say what a task trains on, or one where it is
                a stream; or a task has no set to measure errors on.
        """
        for place, extension in enumerate(self.extensions):
            name = extension.__name__ if isinstance(extension, type) else type(extension).__name__
            if isinstance(extension, type):
                raise ValueError(f"{name} is a class: give an instance of it")
            if any(extension is other for other in self.extensions[:place]):
                raise ValueError(f"{name} takes part twice: make another one")
            if len({len(hooks([extension], each)) for each in ("state_dict", "load_state_dict")}) > 1:
                raise ValueError(f"{name} needs both state_dict and load_state_dict")
        for check in self.hooks("check"):
            check(self)
        choosing = [owner(each).partition(".")[0] for each in self.hooks("task_data")]
        if len(choosing) > 1:
            raise ValueError(f"{' and '.join(choosing)} both choose what a task trains on; use one of them")
        for task in self.curriculum.tasks:
            task.measured_on(self.settings.evaluate_on)
        if self.curriculum.stream is None:
            return
        if choosing:
            raise ValueError(f"{choosing[0]} chooses what a task trains on, and {self.curriculum.name} is a stream")
        if self.settings.batch_size is not None:
            raise ValueError(
                f"batch_size has no use on a stream: {self.curriculum.name} draws the samples of each step"
            )
