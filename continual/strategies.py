"""How a model meets the tasks: which data it trains on at each one, and what of the optimizer survives a boundary."""

__all__ = ["Cumulative", "FineTune", "Strategy"]

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks import Task


class Strategy:
    r"""What happens at each task of a curriculum.

    Args:
        reset_optimizer: whether every task begins with a fresh optimizer. This decides about locality as much as the
            model does: the gradient of a task is exactly zero at every coefficient that its samples do not reach, but
            an optimizer with memory moves such coefficients all the same. Adam keeps stepping along its decaying
            first moment, \(\Delta\theta = -\eta \, \hat m / (\sqrt{\hat v} + \epsilon)\), for dozens of steps into
            the next task; L-BFGS combines directions of the old loss; weight decay moves everything for ever. Plain
            SGD has no memory and keeps locality exactly, reset or not.
    """

    def __init__(self, reset_optimizer: bool = True) -> None:
        self.reset_optimizer = reset_optimizer

    def training_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """Inputs (M, N, I) and targets (M, N, O) to train on at task `index`, counted from 0."""
        raise NotImplementedError


class FineTune(Strategy):
    """Trains on each task's own data only and does nothing against forgetting: what the KAN paper does."""

    def training_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """The data of task `index`."""
        return tasks[index].train_inputs, tasks[index].train_targets


class Cumulative(Strategy):
    """Trains on the data of all tasks so far: not continual learning, but the bound that it is measured against."""

    def training_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """The data of tasks 0 to `index`, joined along the samples."""
        seen = tasks[: index + 1]
        return torch.cat([t.train_inputs for t in seen], dim=1), torch.cat([t.train_targets for t in seen], dim=1)
