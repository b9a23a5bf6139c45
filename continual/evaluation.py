"""Test RMSE of every member on every task, pooled over whole test sets."""

__all__ = ["Evaluator", "baseline_rmse"]

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from continual.metrics import rmse
from continual.models import StackedModel
from tasks import Curriculum


class Evaluator:
    """Evaluates a stack on all tasks of a curriculum at once.

    Args:
        curriculum: T tasks for M members.
        chunk: points that go through the model at a time; bounds the memory and does not change the result beyond
            rounding.
    """

    def __init__(self, curriculum: Curriculum, chunk: int = 4096) -> None:
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {chunk}")
        self._chunk = chunk
        self._inputs = torch.cat([task.test_inputs for task in curriculum.tasks], dim=1)
        self._targets = torch.cat([task.test_targets for task in curriculum.tasks], dim=1)
        self._lengths = [task.test_inputs.shape[1] for task in curriculum.tasks]

    @torch.no_grad()
    def __call__(self, model: StackedModel) -> NDArray[np.float64]:
        """Test RMSE (M, T), in units of the target; NaN where a prediction is not finite."""
        pieces = zip(self._inputs.split(self._chunk, dim=1), self._targets.split(self._chunk, dim=1), strict=True)
        errors = [(model(x).double() - y.double()).square().sum(dim=2) for x, y in pieces]
        sums = [part.sum(dim=1) for part in torch.cat(errors, dim=1).split(self._lengths, dim=1)]
        outputs = self._targets.shape[2]
        pairs = zip(sums, self._lengths, strict=True)
        return np.stack([rmse(total.cpu().numpy(), length * outputs) for total, length in pairs], axis=-1)

    @torch.no_grad()
    def predict(self, model: StackedModel, inputs: Tensor) -> Tensor:
        """Predictions (M, P, O) at inputs (P, I) shared by all members."""
        return torch.cat([model(x) for x in inputs.split(self._chunk)], dim=1)


def baseline_rmse(curriculum: Curriculum) -> NDArray[np.float64]:
    """RMSE of predicting the mean of each task's test targets, s of shape (M, T): what knowing nothing costs."""
    columns = []
    for task in curriculum.tasks:
        y = task.test_targets.double()
        centered = y - y.mean(dim=1, keepdim=True)
        columns.append(rmse(centered.square().sum(dim=(1, 2)).cpu().numpy(), y.shape[1] * y.shape[2]))
    return np.stack(columns, axis=-1)
