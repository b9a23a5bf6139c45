r"""Continual-learning metrics of a test-RMSE matrix.

Every metric takes R of shape (..., T+1, T): R[i, j] is the RMSE on task j after training on tasks 1..i, and row 0 is
the untrained model. In code tasks count from zero, so the RMSE on task j right after learning it is `R[j + 1, j]`.
The result keeps the leading axes, usually the members (M,).

A value that has no meaning (forgetting of a single task, anything of a diverged member) is NaN, never zero.
"""

__all__ = [
    "all_metrics",
    "backward_transfer",
    "final_rmse",
    "forgetting",
    "forward_transfer",
    "learned_rmse",
    "retention",
    "rmse",
]

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.metrics.metric import Measured, Metric, Undefined

Array = NDArray[np.float64]


def matrix_of(R: ArrayLike) -> Array:
    """R as an array, of a shape that it may have."""
    matrix = np.asarray(R, dtype=np.float64)
    if matrix.ndim < 2 or matrix.shape[-2] != matrix.shape[-1] + 1 or matrix.shape[-1] < 1:
        raise ValueError(f"R must have shape (..., T+1, T) with T ≥ 1, got {matrix.shape}")
    return matrix


def _undefined(matrix: Array) -> Array:
    return np.full(matrix.shape[:-2], np.nan)


def learned_of(matrix: Array) -> Array:
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
    return matrix_of(R)[..., -1, :].mean(axis=-1)


def learned_rmse(R: ArrayLike) -> Array:
    r"""Mean over all tasks of the RMSE right after learning it, \(\frac1T \sum_j R_{j,j}\). Lower is better."""
    return learned_of(matrix_of(R)).mean(axis=-1)


def forgetting(R: ArrayLike) -> Array:
    r"""How far tasks end above their best, \(\frac{1}{T-1} \sum_{j<T} (R_{T,j} - \min_{j \le l < T} R_{l,j})\).

    Positive is worse. NaN for a single task. The form of Chaudhry et al. (2018, https://arxiv.org/abs/1801.10112)
    with its sign turned for an error.
    """
    matrix = matrix_of(R)
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
    matrix = matrix_of(R)
    if matrix.shape[-1] < 2:
        return _undefined(matrix)
    return (learned_of(matrix) - matrix[..., -1, :])[..., :-1].mean(axis=-1)


def forward_transfer(R: ArrayLike) -> Array:
    r"""What earlier tasks did for one not yet seen, \(\frac{1}{T-1} \sum_{j \ge 2} (R_{0,j} - R_{j-1,j})\).

    Positive is better: the task starts below the untrained model's error. NaN for a single task.
    """
    matrix = matrix_of(R)
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
    matrix = matrix_of(R)
    if matrix.shape[-1] < 2:
        return _undefined(matrix)
    s = np.broadcast_to(np.asarray(baseline, dtype=np.float64), matrix[..., 0, :].shape)
    gained = s - learned_of(matrix)
    kept = s - matrix[..., -1, :]
    share = np.divide(kept, gained, out=np.full_like(kept, np.nan), where=gained > 0)
    return np.clip(share, 0.0, 1.0)[..., :-1].mean(axis=-1)


def all_metrics(R: ArrayLike, baseline: ArrayLike) -> dict[str, Array]:
    """All metrics of R alone by name, each of shape (...)."""
    return {
        "learned_rmse": learned_rmse(R),
        "final_rmse": final_rmse(R),
        "forgetting": forgetting(R),
        "backward_transfer": backward_transfer(R),
        "forward_transfer": forward_transfer(R),
        "retention": retention(R, baseline),
    }


def several_tasks(run: Measured) -> Array:
    """R of a run, where there is more than one task.

    Raises:
        Undefined: there is one only.
    """
    if run.R.shape[-1] < 2:
        raise Undefined("one task only")
    return run.R


MEASURES = (
    Metric(
        "learned_rmse",
        "learned RMSE",
        False,
        "mean over all tasks of the test RMSE right after learning the task: mean over j of R[j, j]. Always read it "
        "beside forgetting: a model that learns nothing forgets nothing.",
        lambda run: learned_rmse(run.R),
        "RMSE, units of the target",
        kind="error",
    ),
    Metric(
        "final_rmse",
        "final RMSE",
        False,
        "mean over all tasks of the test RMSE at the very end: mean over j of R[T, j].",
        lambda run: final_rmse(run.R),
        "RMSE, units of the target",
        kind="error",
    ),
    Metric(
        "forgetting",
        "forgetting",
        False,
        "how far each task but the last ends above the best it ever reached since it was learned: mean over j < T of "
        "(R[T, j] − smallest R[l, j] with j ≤ l < T). Positive is worse.",
        lambda run: forgetting(several_tasks(run)),
        "positive = worse",
    ),
    Metric(
        "backward_transfer",
        "backward transfer",
        True,
        "what later tasks did to the RMSE of earlier ones: mean over j < T of (R[j, j] − R[T, j]). Positive is better.",
        lambda run: backward_transfer(several_tasks(run)),
        "positive = better",
    ),
    Metric(
        "forward_transfer",
        "forward transfer",
        True,
        "how far below the untrained model a task starts thanks to the tasks before it: mean over j ≥ 2 of "
        "(R[0, j] − R[j−1, j]). Positive is better.",
        lambda run: forward_transfer(several_tasks(run)),
        "positive = better",
    ),
    Metric(
        "retention",
        "retention",
        True,
        "share of what was learned that is left at the end: mean over j < T of (s[j] − R[T, j]) / (s[j] − R[j, j]), "
        "held between 0 and 1, with s[j] the RMSE of predicting the mean of task j. 1 keeps everything, 0 keeps "
        "nothing; undefined where a task was not learned (R[j, j] ≥ s[j]).",
        lambda run: retention(several_tasks(run), run.baseline),
        "1 keeps all",
        "a task was not learned",
        "share",
    ),
)
"""Metrics of R alone."""
