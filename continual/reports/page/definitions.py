"""What the numbers of a page mean, in words and formulas."""

__all__ = ["DEFINITIONS", "MATRIX"]

from collections.abc import Mapping

from continual.metrics import ACCURACIES, METRICS, find_metric

DEFINITIONS: Mapping[str, str] = {name: find_metric(name).definition for name in (*METRICS, *ACCURACIES)}
"""Formulas in words, one for each of `METRICS` and `ACCURACIES`."""

MATRIX = (
    "R[i, j] is the test RMSE on task j after training on tasks 1 to i, in units of the target, pooled over a test set "
    "that is never the training set; row 0 is the untrained model, T is the number of tasks."
)
