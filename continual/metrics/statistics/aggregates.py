"""One number of many runs on many tasks, as rliable has them (Agarwal et al. 2021, https://arxiv.org/abs/2108.13264).

Scores have shape (runs, tasks); an error is a score of which less is better, and its aggregates are as well.
"""

__all__ = ["interquartile_mean", "optimality_gap", "performance_profile", "probability_of_improvement", "profile_band"]

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from continual.metrics.statistics.intervals import Interval
from continual.metrics.statistics.samples import DRAWS, Array, as_matrix, better, draws_of

_CHUNK = 2**22  # numbers at a time


def interquartile_mean(scores: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Array:
    """Mean of the middle half: of n values sorted, without the n // 4 lowest and the n // 4 highest.

    Less moved by a member that got stuck than the mean, and less noisy than the median.

    Args:
        scores: numbers; NaN makes it NaN.
        axis: over which; None for all.

    Example:
        >>> float(interquartile_mean([1.0, 2.0, 3.0, 100.0]))
        2.5
    """
    array = np.asarray(scores, dtype=np.float64)
    axes = tuple(range(array.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    kept = tuple(i for i in range(array.ndim) if i not in {a % array.ndim for a in axes})
    flat = np.transpose(array, (*kept, *(a % array.ndim for a in axes))).reshape(*(array.shape[i] for i in kept), -1)
    n = flat.shape[-1]
    if n == 0:
        return np.full(flat.shape[:-1], np.nan)
    cut = n // 4
    ordered = np.sort(flat, axis=-1)  # NaN comes last
    return np.where(np.isnan(flat).any(axis=-1), np.nan, ordered[..., cut : n - cut].mean(axis=-1))


def optimality_gap(scores: ArrayLike, target: float, higher: bool = True) -> float:
    """How far scores stay behind a target on average, where what is beyond it does not count: 0 reaches it always.

    Args:
        scores: (runs, tasks).
        target: gamma of rliable.
        higher: whether more is better.
    """
    behind = better(np.full(1, target), higher) - better(as_matrix(scores), higher)
    return float(np.maximum(behind, 0.0).mean())


def _wins(x: Array, y: Array) -> Array:
    r"""\(P(X > Y) + P(X = Y) / 2\) of each task, for (..., n, T) and (..., k, T), by ranks: (..., T)."""
    n, k = x.shape[-2], y.shape[-2]
    ranks = rankdata(np.concatenate([x, y], axis=-2), axis=-2)[..., :n, :].sum(axis=-2)
    return (ranks - n * (n + 1) / 2) / (n * k)


def probability_of_improvement(
    x: ArrayLike, y: ArrayLike, higher: bool, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    r"""How probably a run of X beats one of Y, \(\frac1T \sum_t P(X_t > Y_t) + \frac12 P(X_t = Y_t)\).

    Mann and Whitney's U over all pairs of runs, whatever their seeds: 1/2 where neither is better, and blind to how
    much better. The 95 % interval is by percentiles of a bootstrap in which runs of X and of Y are drawn for each task.

    Args:
        x: scores of X, (n, T) or (n,); a run of which any is NaN loses: it counts as worse than all others there.
        y: scores of Y, (k, T).
        higher: whether more is better.
        draws: resamples.
        seed: of the draws.

    Example:
        >>> probability_of_improvement([1.0, 2.0], [2.0, 3.0], higher=False).estimate
        0.875
    """
    first, second = (better(as_matrix(each), higher) for each in (x, y))
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"both must have the same tasks, got {first.shape[1]} and {second.shape[1]}")
    first, second = (np.where(np.isnan(each), -np.inf, each) for each in (first, second))
    estimate, n = float(_wins(first, second).mean()), min(len(first), len(second))
    method = "percentile bootstrap"
    if n < 2:
        return Interval(estimate, np.nan, np.nan, n, method, "an interval needs two runs of each")
    generator = np.random.default_rng(seed)
    found = []
    at_once = max(1, _CHUNK // (first.size + second.size))
    for begun in range(0, draws, at_once):
        count = min(at_once, draws - begun)
        pair = (draws_of(each, count, generator) for each in (first, second))
        found.append(_wins(*pair).mean(axis=-1))
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975])
    return Interval(estimate, float(low), float(high), n, method)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike, higher: bool) -> Array:
    r"""Share of all runs and tasks beyond each threshold, \(\frac{1}{nT} \#\{x_{m,t} > \tau\}\); of an error below it.

    The score distribution of rliable. A model whose profile is above another's everywhere is better everywhere.

    Args:
        scores: (n, T); NaN is beyond nothing.
        thresholds: tau, (P,).
        higher: whether more is better.

    Returns:
        Shares, (P,).

    Example:
        >>> performance_profile([[0.1], [0.3]], [0.05, 0.2, 0.5], higher=False).tolist()
        [0.0, 0.5, 1.0]
    """
    matrix = better(as_matrix(scores), higher)
    levels = better(np.asarray(thresholds, dtype=np.float64), higher)
    return (matrix[..., None] > levels).mean(axis=(0, 1))


def profile_band(
    scores: ArrayLike, thresholds: ArrayLike, higher: bool, *, draws: int = 2000, seed: int = 0
) -> tuple[Array, Array]:
    """Ends of the 95 % interval of a profile at each threshold, (P,) each: percentiles of the stratified bootstrap.

    NaN for a single run, of which nothing can be drawn.
    """
    matrix = better(as_matrix(scores), higher)
    levels = better(np.asarray(thresholds, dtype=np.float64), higher)
    if len(matrix) < 2:
        return np.full(levels.shape, np.nan), np.full(levels.shape, np.nan)
    drawn = draws_of(matrix, draws, np.random.default_rng(seed)).reshape(draws, -1)
    shares = np.stack([(drawn > level).mean(axis=1) for level in levels], axis=1)
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    return low, high
