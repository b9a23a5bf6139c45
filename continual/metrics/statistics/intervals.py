r"""Intervals of a mean, or of whatever else is made of a sample: Student's t, and the bootstrap.

A bootstrap supposes no distribution, but of a handful of values it knows no more than they say: below about ten its
intervals are too short, where Student's are right for a normal sample. So both stand side by side.
"""

__all__ = ["Interval", "bootstrap_interval", "student_interval"]

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from continual.metrics import summarize
from continual.metrics.statistics.samples import DRAWS, Array, as_matrix, as_sample, draws_of


class Interval(NamedTuple):
    """An estimate and the ends of its interval, with what they were made of."""

    estimate: float
    low: float
    high: float
    n: int
    """Values that it is of: runs, where it is of runs and tasks."""
    method: str
    """How it was made: "Student's t", "BCa bootstrap", "percentile bootstrap"."""
    reason: str = ""
    """Why it has no estimate, no ends, or none that say much; "" where all is well."""


Statistic = Callable[..., Array]
"""From an array and its `axis` to an array without it, as `numpy.mean`."""


def student_interval(values: ArrayLike) -> Interval:
    r"""95 % interval of a mean, \(\bar v \pm t_{0.975,n-1} s / \sqrt n\), for a sample of a normal distribution.

    Args:
        values: (n,); NaN does not count.
    """
    sample, method = as_sample(values), "Student's t"
    if reason := _unfit(sample):
        return _without(sample, method, reason)
    mean, half = float(summarize(sample).mean), float(summarize(sample).half_width)
    return Interval(mean, mean - half, mean + half, len(sample), method)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    method: Literal["bca", "percentile"] = "bca",
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
    tasks: bool = False,
) -> Interval:
    r"""Interval of a statistic by bootstrap.

    `percentile` takes the quantiles of the statistic over resamples. `bca` (Efron 1987, bias-corrected and accelerated)
    takes them at \(\Phi\big(z_0 + (z_0 + z_q) / (1 - a (z_0 + z_q))\big)\), with \(z_0\) the normal quantile of the
    share of resamples below the estimate, and the acceleration \(a\) by leaving out one value after the other. Of runs
    on several tasks it is percentiles of the stratified bootstrap, as in rliable.

    Args:
        values: a sample (n,), of which NaN does not count; or scores of n runs on T tasks, (n, T), without NaN.
        statistic: takes an array and `axis`; of scores it takes both axes, `axis=(-2, -1)`.
        method: of a sample; scores have percentiles.
        level: of the interval.
        draws: resamples.
        seed: of the draws.
        tasks: of scores, whether tasks are drawn as well, see `samples.draws_of`.

    Example:
        >>> found = bootstrap_interval([1.0, 2.0, 3.0, 4.0, 10.0], method="percentile")
        >>> found.estimate, found.n, found.low < 4.0 < found.high
        (4.0, 5, True)
    """
    if not 0.0 < level < 1.0 or draws < 1:
        raise ValueError(f"level must be between 0 and 1 and draws at least 1, got {level} and {draws}")
    if method not in ("bca", "percentile"):
        raise ValueError(f"method must be bca or percentile, got {method!r}")
    array = np.asarray(values, dtype=np.float64)
    ends = np.array([0.5 - level / 2, 0.5 + level / 2])
    generator = np.random.default_rng(seed)
    if array.ndim == 2:
        scores, said = as_matrix(array), "percentile bootstrap over runs and tasks" if tasks else "percentile bootstrap"
        undefined = int(np.isnan(scores).any(axis=1).sum())
        reason = f"undefined in {undefined} of {len(scores)} runs" if undefined else _unfit(scores)
        if reason:
            return _without(scores, said, reason, lambda each: statistic(each, axis=(-2, -1)))
        found = statistic(draws_of(scores, draws, generator, tasks), axis=(-2, -1))
        low, high = np.quantile(found, ends)
        return Interval(float(statistic(scores, axis=(-2, -1))), float(low), float(high), len(scores), said)
    sample, said = as_sample(array), "BCa bootstrap" if method == "bca" else "percentile bootstrap"
    if reason := _unfit(sample):
        return _without(sample, said, reason, lambda each: statistic(each, axis=-1))
    estimate = float(statistic(sample, axis=-1))
    if np.ptp(sample) == 0.0:
        return Interval(estimate, estimate, estimate, len(sample), said, "all values are equal")
    found = statistic(sample[generator.integers(len(sample), size=(draws, len(sample)))], axis=-1)
    if method == "bca":
        ends = _corrected(ends, sample, statistic, found, estimate)
    if np.isnan(ends).any():
        return Interval(estimate, np.nan, np.nan, len(sample), said, "no resample is on one side of the estimate")
    low, high = np.quantile(found, ends)
    return Interval(estimate, float(low), float(high), len(sample), said)


def _corrected(ends: Array, sample: Array, statistic: Statistic, found: Array, estimate: float) -> Array:
    """Where among the sorted resamples the ends of a BCa interval stand; NaN where that can't be said."""
    n = len(sample)
    left = np.stack([np.delete(sample, i) for i in range(n)])
    off = statistic(left, axis=-1)
    off = off.mean() - off
    spread = (off**2).sum()
    acceleration = (off**3).sum() / (6.0 * spread**1.5) if spread > 0 else 0.0
    below = ((found < estimate).mean() + (found <= estimate).mean()) / 2
    if not 0.0 < below < 1.0:
        return np.full(2, np.nan)
    z0, z = ndtri(below), ndtri(ends)
    return ndtr(z0 + (z0 + z) / (1.0 - acceleration * (z0 + z)))


def _unfit(values: Array) -> str:
    """Why nothing can be said of a sample's spread; "" where it can."""
    if len(values) == 0:
        return "no value is defined"
    if infinite := int(np.isinf(values).sum()):
        return f"{infinite} of {values.size} values {'is' if infinite == 1 else 'are'} infinite"
    return "an interval needs two values, there is one" if len(values) == 1 else ""


def _without(values: Array, method: str, reason: str, statistic: Callable[[Array], Array] = np.mean) -> Interval:
    """An interval without ends; with an estimate, if all values are finite."""
    known = len(values) > 0 and bool(np.isfinite(values).all())
    return Interval(float(statistic(values)) if known else np.nan, np.nan, np.nan, len(values), method, reason)
