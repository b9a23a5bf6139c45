"""What every statistic begins with: samples as arrays, without what is undefined, and resamples of them."""

__all__ = ["DRAWS", "Array", "as_matrix", "as_sample", "better", "draws_of"]

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

DRAWS = 10_000
"""Resamples of a bootstrap."""


def as_sample(values: ArrayLike) -> Array:
    """The defined values of one sample, (n,): NaN is left out.

    Raises:
        ValueError: it has more axes than one.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"a sample has one axis, got the shape {array.shape}")
    return array[~np.isnan(array)]


def as_matrix(scores: ArrayLike) -> Array:
    """Scores of n runs on T tasks, (n, T); of one task, (n,), as a column.

    Raises:
        ValueError: it is neither, or empty.
    """
    array = np.asarray(scores, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"scores must have shape (runs, tasks) with one of each at least, got {array.shape}")
    return array


def better(scores: ArrayLike, higher: bool) -> Array:
    """Scores of which more is better: as they are, or with their sign turned."""
    array = np.asarray(scores, dtype=np.float64)
    return array if higher else -array


def draws_of(matrix: Array, draws: int, generator: np.random.Generator, tasks: bool = False) -> NDArray[Any]:
    """Resamples of a matrix of runs and tasks, (draws, n, T): runs are drawn with replacement, for each task anew.

    The stratified bootstrap of Agarwal et al. (2021, https://arxiv.org/abs/2108.13264), with tasks as strata.

    Args:
        matrix: (n, T).
        draws: how many.
        generator: of the draws.
        tasks: whether tasks are drawn with replacement as well, for what is to hold for more tasks than these.
    """
    n, T = matrix.shape
    rows = generator.integers(n, size=(draws, n, T))
    columns = generator.integers(T, size=(draws, 1, T)) if tasks else np.arange(T)[None, None]
    return matrix[rows, columns]
