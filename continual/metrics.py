r"""Continual-learning metrics of a test-RMSE matrix, and their mean and interval over members.

Every metric takes R of shape (..., T+1, T): R[i, j] is the RMSE on task j after training on tasks 1..i, and row 0 is
the untrained model. In code tasks count from zero, so the RMSE on task j right after learning it is `R[j + 1, j]`.
The result keeps the leading axes, usually the members (M,).

A value that has no meaning (forgetting of a single task, anything of a diverged member) is NaN, never zero.
"""

__all__ = [
    "METRICS",
    "Summary",
    "all_metrics",
    "backward_transfer",
    "final_rmse",
    "forgetting",
    "forward_transfer",
    "learned_rmse",
    "retention",
    "rmse",
    "summarize",
]

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]


def _matrix(R: ArrayLike) -> Array:
    matrix = np.asarray(R, dtype=np.float64)
    if matrix.ndim < 2 or matrix.shape[-2] != matrix.shape[-1] + 1 or matrix.shape[-1] < 1:
        raise ValueError(f"R must have shape (..., T+1, T) with T ≥ 1, got {matrix.shape}")
    return matrix


def _undefined(matrix: Array) -> Array:
    return np.full(matrix.shape[:-2], np.nan)


def _learned(matrix: Array) -> Array:
    """R[j, j] in the notation of the formulas: task j right after training on it, shape (..., T)."""
    return np.diagonal(matrix[..., 1:, :], axis1=-2, axis2=-1)


def rmse(squared_error: ArrayLike, count: int) -> Array:
    r"""Root of the pooled mean squared error, \(\sqrt{\sum e^2 / n}\).

    Args:
        squared_error: sum of squared errors over a whole test set, in units of the target squared.
        count: number of values in that sum, samples × output features.

    Returns:
        The RMSE in units of the target; NaN where the sum is not finite or nothing was counted.
    """
    total = np.asarray(squared_error, dtype=np.float64)
    if count < 1:
        return np.full(total.shape, np.nan)
    return np.sqrt(np.where(np.isfinite(total), total, np.nan) / count)


def final_rmse(R: ArrayLike) -> Array:
    r"""Mean over all tasks of the RMSE at the end, \(\frac1T \sum_j R_{T,j}\). Lower is better."""
    return _matrix(R)[..., -1, :].mean(axis=-1)


def learned_rmse(R: ArrayLike) -> Array:
    r"""Mean over all tasks of the RMSE right after learning it, \(\frac1T \sum_j R_{j,j}\). Lower is better."""
    return _learned(_matrix(R)).mean(axis=-1)


def forgetting(R: ArrayLike) -> Array:
    r"""How far tasks end above their best, \(\frac{1}{T-1} \sum_{j<T} (R_{T,j} - \min_{j \le l < T} R_{l,j})\).

    Positive is worse. NaN for a single task. The form of Chaudhry et al. (2018, https://arxiv.org/abs/1801.10112)
    with its sign turned for an error.
    """
    matrix = _matrix(R)
    T = matrix.shape[-1]
    if T < 2:
        return _undefined(matrix)
    best = [matrix[..., j + 1 : T, j].min(axis=-1) for j in range(T - 1)]
    return (matrix[..., -1, : T - 1] - np.stack(best, axis=-1)).mean(axis=-1)


def backward_transfer(R: ArrayLike) -> Array:
    r"""What later tasks did to earlier ones, \(\frac{1}{T-1} \sum_{j<T} (R_{j,j} - R_{T,j})\).

    Positive is better: learning on lowered the error. NaN for a single task. Lopez-Paz & Ranzato (2017,
    https://arxiv.org/abs/1706.08840) with its sign turned for an error.
    """
    matrix = _matrix(R)
    if matrix.shape[-1] < 2:
        return _undefined(matrix)
    return (_learned(matrix) - matrix[..., -1, :])[..., :-1].mean(axis=-1)


def forward_transfer(R: ArrayLike) -> Array:
    r"""What earlier tasks did for one not yet seen, \(\frac{1}{T-1} \sum_{j \ge 2} (R_{0,j} - R_{j-1,j})\).

    Positive is better: the task starts below the untrained model's error. NaN for a single task.
    """
    matrix = _matrix(R)
    if matrix.shape[-1] < 2:
        return _undefined(matrix)
    before = np.diagonal(matrix[..., :-1, :], axis1=-2, axis2=-1)
    return (matrix[..., 0, :] - before)[..., 1:].mean(axis=-1)


def retention(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Share of what was learned that is still there,
    \(\frac{1}{T-1} \sum_{j<T} \mathrm{clip}\big(\frac{s_j - R_{T,j}}{s_j - R_{j,j}}, 0, 1\big)\).

    1 keeps everything, 0 keeps nothing.

    Args:
        R: test-RMSE matrix, shape (..., T+1, T).
        baseline: \(s_j\), the RMSE of predicting task j's mean, shape (..., T).

    Returns:
        Shape (...). NaN for a single task, and where any task before the last was not learned
        (\(R_{j,j} \ge s_j\)): of what was never there nothing can be kept.
    """  # noqa: D205
    matrix = _matrix(R)
    if matrix.shape[-1] < 2:
        return _undefined(matrix)
    s = np.broadcast_to(np.asarray(baseline, dtype=np.float64), matrix[..., 0, :].shape)
    gained = s - _learned(matrix)
    kept = s - matrix[..., -1, :]
    share = np.divide(kept, gained, out=np.full_like(kept, np.nan), where=gained > 0)
    return np.clip(share, 0.0, 1.0)[..., :-1].mean(axis=-1)


METRICS: Mapping[str, str] = {
    "learned_rmse": "learned RMSE ↓",
    "final_rmse": "final RMSE ↓",
    "forgetting": "forgetting ↓",
    "backward_transfer": "backward transfer ↑",
    "forward_transfer": "forward transfer ↑",
    "retention": "retention ↑",
}
"""Every metric by name, with its label; the arrow points to the better side."""


def all_metrics(R: ArrayLike, baseline: ArrayLike) -> dict[str, Array]:
    """All metrics of `METRICS` by name, each of shape (...)."""
    return {
        "learned_rmse": learned_rmse(R),
        "final_rmse": final_rmse(R),
        "forgetting": forgetting(R),
        "backward_transfer": backward_transfer(R),
        "forward_transfer": forward_transfer(R),
        "retention": retention(R, baseline),
    }


class Summary(NamedTuple):
    """Mean, half width of its 95 % interval and median over the members in which a value is defined."""

    mean: Array
    half_width: Array
    median: Array
    defined: NDArray[np.int64]
    members: int


def summarize(values: ArrayLike, axis: int = 0) -> Summary:
    r"""Mean over members with its 95 % interval, \(\bar v \pm t_{0.975, n-1} \, s / \sqrt n\) (Student's t).

    Undefined values (NaN) are left out of the mean and counted: `defined` of `members` must be shown wherever the
    two differ. The half width is NaN below two values, the mean below one.

    Args:
        values: numbers with the members along `axis`.
        axis: which axis that is.

    Returns:
        A `Summary` whose arrays lack that axis.
    """
    array = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    present = ~np.isnan(array)
    n = present.sum(axis=0)
    some = np.maximum(n, 1)
    mean = np.where(n > 0, np.where(present, array, 0.0).sum(axis=0) / some, np.nan)
    squares = (np.where(present, array - mean, 0.0) ** 2).sum(axis=0)
    freedom = np.maximum(n - 1, 1)
    half = np.where(n > 1, stdtrit(freedom, 0.975) * np.sqrt(squares / freedom / some), np.nan)
    # numpy's nanmedian warns where nothing is defined, which is no surprise here
    ordered = np.sort(np.where(present, array, np.inf), axis=0)
    if len(ordered):
        low = np.take_along_axis(ordered, ((some - 1) // 2)[None], axis=0)[0]
        high = np.take_along_axis(ordered, (some // 2)[None], axis=0)[0]
        median = np.where(n > 0, 0.5 * (low + high), np.nan)
    else:
        median = mean
    return Summary(mean, half, median, n, array.shape[0])
