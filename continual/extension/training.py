"""One object for a training: all that `continual.training.train` needs, checked to fit together."""

__all__ = ["MakeOptimizer", "Penalty", "Training"]

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from continual.extension.protocol import hooks, owner
from continual.extension.settings import Settings
from continual.models import StackedModel
from continual.records.checkpoint import Checkpoint
from tasks import Curriculum

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]

Penalty = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""From a stack and inputs (M, B, I) to predictions (M, B, O) and what is added to the loss of each member, (M,)."""


@dataclass(frozen=True)
class Training:
    """Everything that a training needs.

    Args:
        model: M members; trained in place.
        curriculum: T tasks for M members, in the model's dtype and on its device.
        make: builds the optimizer; Adam, SGD and `continual.optimizers.LBFGS` all step through one closure, which
            returns the losses (M,).
        strategy: an extension, or several, that also say whether the optimizer begins anew with each task
            (`reset_optimizer`, true where one does not say), see `continual.strategies`.
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
        if isinstance(self.strategy, list):
            object.__setattr__(self, "strategy", tuple(self.strategy))
        model, curriculum = self.model, self.curriculum
        ours = (model.members, model.in_features, model.out_features)
        if ours != (curriculum.members, curriculum.in_features, curriculum.out_features):
            raise ValueError("model and curriculum must have the same members, input and output features")

    @property
    def strategies(self) -> tuple[Any, ...]:
        """What `strategy` names, one or several."""
        return self.strategy if isinstance(self.strategy, tuple) else (self.strategy,)

    @property
    def reset_optimizer(self) -> bool:
        """Whether each task begins with a fresh optimizer: unless a strategy says otherwise."""
        return all(getattr(each, "reset_optimizer", True) for each in self.strategies)

    @property
    def extensions(self) -> tuple[Any, ...]:
        """All that extend the loop, in the order in which it calls them."""
        return (*self.strategies, *self.adaptations, *self.observers)

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
        choosing, predicting = (
            [owner(each).partition(".")[0] for each in self.hooks(name)] for name in ("task_data", "predictor")
        )
        for names, what in ((choosing, "choose what a task trains on"), (predicting, "say what predicts a task")):
            if len(names) > 1:
                raise ValueError(f"{' and '.join(names)} both {what}; use one of them")
        for task in self.curriculum.tasks:
            task.measured_on(self.settings.evaluate_on)
        if self.curriculum.stream is None:
            return
        bound = [type(each).__name__ for each in self.extensions if getattr(each, "needs_boundaries", False)]
        if bound or predicting:
            raise ValueError(
                f"{(bound or predicting)[0]} has to be told where a task ends, and {self.curriculum.name} is a stream "
                "without boundaries"
            )
        if choosing:
            raise ValueError(f"{choosing[0]} chooses what a task trains on, and {self.curriculum.name} is a stream")
        if self.settings.batch_size is not None:
            raise ValueError(
                f"batch_size has no use on a stream: {self.curriculum.name} draws the samples of each step"
            )
