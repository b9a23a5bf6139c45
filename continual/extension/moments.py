"""What extensions are told: where training stands, what was done to the model, what the session is."""

__all__ = ["Change", "Moment", "Session"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.optim import Optimizer

from continual.extension.settings import Settings
from continual.models import StackedModel
from tasks.losses import Loss
from tasks.sampling import generators_from


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


@dataclass(frozen=True)
class Session:
    """The training that an extension takes part in, from now until it ends or is interrupted.

    Args:
        model: M members, whose parameters may become other tensors.
        loss: of the tasks.
        settings: steps, batches, evaluations.
        draws: the training's own generators of batches, one a member; not for others to draw from.
        current: gives the optimizer of the moment.
        stream: whether there are no boundaries: one long task, of which each step has samples of its own.
    """

    model: StackedModel
    loss: Loss
    settings: Settings
    draws: Sequence[Generator]
    current: Callable[[], Optimizer]
    stream: bool = False

    @property
    def optimizer(self) -> Optimizer:
        """As it is now; it begins anew with a task, with a change of the model."""
        return self.current()

    def generators(self, stream: str) -> list[Generator]:
        """One generator a member, which shares random numbers with nothing else; its state is the extension's to keep.

        Args:
            stream: what the numbers are for.
        """
        return generators_from([generator.initial_seed() for generator in self.draws], stream)
