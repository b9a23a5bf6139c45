r"""Errors in units that compare between tasks: shares of a task's own spread, and of the variance that is explained.

With \(s_j\) the RMSE of predicting the mean of task j's test targets, \(R^2_{i,j} = 1 - (R_{i,j} / s_j)^2\) is the
coefficient of determination, pooled over all outputs, and \(R_{i,j} / s_j\) the RMSE normalised by the targets'
standard deviation: 1 is what knowing nothing costs. Undefined where a task's targets are constant.
"""

__all__ = ["avg_r2", "bwt_r2", "coefficient_of_determination", "final_nrmse", "final_r2", "learned_r2"]

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.metrics.matrix import learned_of, matrix_of, several_tasks
from continual.metrics.metric import Metric

Array = NDArray[np.float64]


def _relative(R: ArrayLike, baseline: ArrayLike) -> Array:
    """R[i, j] / s[j], NaN where s[j] is zero."""
    matrix = matrix_of(R)
    s = np.broadcast_to(np.asarray(baseline, dtype=np.float64)[..., None, :], matrix.shape)
    return np.divide(matrix, s, out=np.full_like(matrix, np.nan), where=s > 0)


def coefficient_of_determination(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""\(R^2_{i,j} = 1 - (R_{i,j} / s_j)^2\), of the shape of R: 1 is perfect, 0 predicts the mean, below is worse.

    Args:
        R: test-RMSE matrix, (..., T+1, T).
        baseline: \(s_j\), the RMSE of predicting task j's mean, (..., T).

    Example:
        >>> coefficient_of_determination([[2.0], [1.0]], [2.0]).tolist()
        [[0.0], [0.75]]
    """
    return 1.0 - _relative(R, baseline) ** 2


def final_nrmse(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Mean over all tasks of the normalised RMSE at the end, \(\frac1T \sum_j R_{T,j} / s_j\). Lower is better."""
    return _relative(R, baseline)[..., -1, :].mean(axis=-1)


def final_r2(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Mean over all tasks at the end, \(\frac1T \sum_j R^2_{T,j}\). Higher is better."""
    return coefficient_of_determination(R, baseline)[..., -1, :].mean(axis=-1)


def learned_r2(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Mean over all tasks right after learning it, \(\frac1T \sum_j R^2_{j,j}\). Higher is better."""
    return learned_of(coefficient_of_determination(R, baseline)).mean(axis=-1)


def avg_r2(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Mean over the whole history, \(\frac{2}{T(T+1)} \sum_{i \ge j} R^2_{i,j}\). Higher is better.

    Every task at every boundary since it was learned: AVG_R2 of Lee et al. (AAAI 2025), Díaz-Rodríguez et al.'s
    accuracy (2018, https://arxiv.org/abs/1810.13166) of a regression.
    """
    history = coefficient_of_determination(R, baseline)[..., 1:, :]
    since = np.tri(history.shape[-1], dtype=bool)
    return history[..., since].mean(axis=-1)


def bwt_r2(R: ArrayLike, baseline: ArrayLike) -> Array:
    r"""Backward transfer over the whole history, \(\frac{2}{T(T-1)} \sum_{i > j} (R^2_{i,j} - R^2_{j,j})\).

    Positive is better. BWT_R2 of Lee et al. (AAAI 2025). NaN for a single task.
    """
    history = coefficient_of_determination(R, baseline)[..., 1:, :]
    T = history.shape[-1]
    if T < 2:
        return np.full(history.shape[:-2], np.nan)
    learned = np.diagonal(history, axis1=-2, axis2=-1)
    return (history - learned[..., None, :])[..., np.tri(T, k=-1, dtype=bool)].mean(axis=-1)


_CONSTANT = "a task's targets are constant"
_UNIT = "1 = perfect"

MEASURES = (
    Metric(
        "final_nrmse",
        "final NRMSE",
        False,
        "mean over all tasks of the test RMSE at the end in units of the targets' standard deviation: mean over j of "
        "R[T, j] / s[j]. 1 is what predicting each task's mean costs.",
        lambda run: final_nrmse(run.R, run.baseline),
        "1 = predicting the mean",
        _CONSTANT,
        "error",
    ),
    Metric(
        "learned_r2",
        "learned R²",
        True,
        "share of the variance explained right after learning each task: mean over j of R²[j, j], with R²[i, j] = "
        "1 − (R[i, j] / s[j])².",
        lambda run: learned_r2(run.R, run.baseline),
        _UNIT,
        _CONSTANT,
        "score",
    ),
    Metric(
        "final_r2",
        "final R²",
        True,
        "share of the variance explained at the end: mean over j of R²[T, j].",
        lambda run: final_r2(run.R, run.baseline),
        _UNIT,
        _CONSTANT,
        "score",
    ),
    Metric(
        "avg_r2",
        "R² over the history",
        True,
        "AVG_R2: mean of R²[i, j] over all i ≥ j, each task at each boundary since it was learned.",
        lambda run: avg_r2(run.R, run.baseline),
        _UNIT,
        _CONSTANT,
        "score",
    ),
    Metric(
        "bwt_r2",
        "backward transfer of R²",
        True,
        "BWT_R2: mean of (R²[i, j] − R²[j, j]) over all i > j. Positive is better.",
        lambda run: bwt_r2(several_tasks(run), run.baseline),
        "positive = better",
        _CONSTANT,
    ),
)
"""R² and the normalised RMSE."""
