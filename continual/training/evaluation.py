"""Errors of every member on every task, pooled over whole test sets: RMSE, and accuracy where there are classes."""

__all__ = ["Errors", "Evaluator", "baseline_rmse"]

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from continual.metrics import rmse
from continual.models import StackedModel
from tasks import Curriculum
from tasks.curriculum import Split

Predictor = Callable[[Tensor], Tensor]


class Errors(NamedTuple):
    r"""Errors of every member on every task, (M, T) each, in units of the target; NaN where one is not finite.

    Of classes the targets are probabilities, and so is what is taken for the predictions, the softmax: RMSE is then the
    root of the mean over samples and classes of \((p - y)^2\), Brier's score over the number of classes.
    """

    rmse: NDArray[np.float64]
    """Root of the mean squared error, pooled over the set of a task."""
    median: NDArray[np.float64]
    """Root of the median squared error: what is typical, whatever a few points do."""
    accuracy: NDArray[np.float64] | None
    """Share of samples whose class is the right one; None where there are no classes."""


class Evaluator:
    """Evaluates a stack on all tasks of a curriculum at once.

    Args:
        curriculum: T tasks for M members.
        chunk: points that go through the model at a time; bounds the memory and does not change the result beyond
            rounding.
        split: which set of each task errors are measured on.
    """

    def __init__(self, curriculum: Curriculum, chunk: int = 4096, split: Split = "test") -> None:
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {chunk}")
        self._chunk = chunk
        self._tasks, self._loss = curriculum.tasks, curriculum.loss
        sets = [task.measured_on(split) for task in curriculum.tasks]
        self._inputs = torch.cat([inputs for inputs, _ in sets], dim=1)
        self._targets = torch.cat([targets for _, targets in sets], dim=1)
        self._lengths = [inputs.shape[1] for inputs, _ in sets]

    @torch.no_grad()
    def __call__(self, model: StackedModel, predictors: Sequence[Predictor | None] | None = None) -> Errors:
        """Errors on the sets of all tasks.

        Args:
            model: predicts them all.
            predictors: of each task what predicts it in the model's place, None where nothing does.
        """
        squares, hits = [], []
        for predict, inputs, targets in self._sets(model, predictors):
            for x, y in zip(inputs.split(self._chunk, dim=1), targets.split(self._chunk, dim=1), strict=True):
                predictions, wanted = predict(x).double(), y.double()
                squares.append((self._loss.estimate(predictions, wanted) - wanted).square())
                hits.append(self._loss.hits(predictions, wanted))
        own = zip(self._tasks, self._by_task(squares), strict=True)
        columns = [task.own(each).flatten(1) for task, each in own]
        means = [rmse(each.sum(dim=1).cpu().numpy(), each.shape[1]) for each in columns]
        medians = [rmse(each.median(dim=1).values.cpu().numpy(), 1) for each in columns]
        shares = [each.mean(dim=1).cpu().numpy() for each in self._by_task([hit for hit in hits if hit is not None])]
        return Errors(
            np.stack(means, axis=-1), np.stack(medians, axis=-1), np.stack(shares, axis=-1) if shares else None
        )

    def _sets(
        self, model: Predictor, predictors: Sequence[Predictor | None] | None
    ) -> Iterable[tuple[Predictor, Tensor, Tensor]]:
        """What predicts which inputs and targets: all at once, unless some tasks have predictors of their own."""
        if predictors is None:
            return [(model, self._inputs, self._targets)]
        each = [model if predictor is None else predictor for predictor in predictors]
        return zip(each, self._by_task([self._inputs]), self._by_task([self._targets]), strict=True)

    def _by_task(self, pieces: Sequence[Tensor]) -> Sequence[Tensor]:
        """What belongs to the samples of each task, of pieces along all of them; nothing of nothing."""
        return torch.cat(list(pieces), dim=1).split(self._lengths, dim=1) if pieces else []

    @torch.no_grad()
    def predict(self, model: StackedModel, inputs: Tensor) -> Tensor:
        """Predictions (M, P, O) at inputs (P, I) shared by all members."""
        return torch.cat([model(x) for x in inputs.split(self._chunk)], dim=1)


def baseline_rmse(curriculum: Curriculum, split: Split = "test") -> NDArray[np.float64]:
    """RMSE of predicting the mean of the targets of each task's set, s of shape (M, T): what knowing nothing costs.

    Of classes that mean is their frequencies.
    """
    columns = []
    for task in curriculum.tasks:
        y = task.own(task.measured_on(split)[1]).double()
        centered = y - y.mean(dim=1, keepdim=True)
        columns.append(rmse(centered.square().sum(dim=(1, 2)).cpu().numpy(), y.shape[1] * y.shape[2]))
    return np.stack(columns, axis=-1)
