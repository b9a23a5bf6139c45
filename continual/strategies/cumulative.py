"""Training on everything seen so far: the bound."""

__all__ = ["Cumulative"]

from collections.abc import Sequence

import torch
from torch import Tensor

from continual.strategies.strategy import Strategy
from tasks import Task


class Cumulative(Strategy):
    """Trains on the data of all tasks so far: not continual learning, but the bound that it is measured against."""

    def task_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """The data of tasks 0 to `index`, joined along the samples."""
        seen = tasks[: index + 1]
        return torch.cat([t.train_inputs for t in seen], dim=1), torch.cat([t.train_targets for t in seen], dim=1)
