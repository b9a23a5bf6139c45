r"""Differences between two runs on the same seeds, which share their data: tests of them, and Holm's correction.

A difference of means over seeds hides that seeds are hard or easy for both; the mean of the differences does not.
"""

__all__ = ["ALL_ZERO", "PValue", "PairedDifference", "holm", "paired_difference", "sign_flip_test", "wilcoxon_test"]

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wilcoxon

from continual.metrics.statistics.aggregates import probability_of_improvement
from continual.metrics.statistics.intervals import Interval, bootstrap_interval, student_interval
from continual.metrics.statistics.samples import Array, as_sample

EXACT = 20
"""Up to so many pairs every combination of signs is counted."""

ALL_ZERO = "all differences are zero"
"""Why a test has a p of 1 that says something: there is no difference in any pair."""


class PValue(NamedTuple):
    """A two-sided test of no difference."""

    p: float
    """NaN where it can't be made."""
    n: int
    """Differences that took part."""
    method: str
    reason: str = ""
    """Why there is no p, or none that says much."""


def sign_flip_test(differences: ArrayLike, *, draws: int = 100_000, seed: int = 0) -> PValue:
    r"""Whether the mean difference is zero, by flipping signs (Fisher's randomisation test of paired samples).

    If neither run is better, each difference could as well have the other sign: p is the share of all \(2^n\)
    combinations whose mean is as far from zero as the one that was seen. Up to 20 differences all are counted; of more
    `draws` are drawn, and p is \((1 + \text{as far}) / (1 + \text{draws})\). No p is below \(2^{1-n}\): with five
    seeds none is below 0.0625.

    Args:
        differences: (n,); NaN does not count.
        draws: combinations, where not all are counted.
        seed: of the draws.

    Example:
        >>> sign_flip_test([1.0, 2.0, 3.0]).p
        0.25
    """
    d = as_sample(differences)
    n, method = len(d), "exact sign flips" if len(d) <= EXACT else f"{draws} random sign flips"
    if reason := _untestable(d):
        return PValue(np.nan, n, method, reason)
    if not d.any():
        return PValue(1.0, n, method, ALL_ZERO)
    scale = np.abs(d).sum()
    least = abs(d.sum()) - 1e-12 * scale  # sums in another order differ by rounding
    if n <= EXACT:
        sums = d[:1]  # with all signs turned, a sum has the other sign: half of the combinations are enough
        for each in d[1:]:
            sums = np.concatenate([sums + each, sums - each])
        return PValue(float((np.abs(sums) >= least).mean()), n, method, _coarse(n))
    generator = np.random.default_rng(seed)
    as_far = 0
    for begun in range(0, draws, 10_000):
        signs = generator.integers(2, size=(min(10_000, draws - begun), n)) * 2 - 1
        as_far += int((np.abs(signs @ d) >= least).sum())
    return PValue((1 + as_far) / (1 + draws), n, method)


def wilcoxon_test(differences: ArrayLike) -> PValue:
    """Whether differences are symmetric about zero, by Wilcoxon's signed ranks; scipy's `wilcoxon`.

    Exact where no two differences are equally large and none is zero, up to 50 of them; by the normal approximation
    otherwise. Zeros do not count. It hears less of outliers than `sign_flip_test`, and can take infinite differences.

    Args:
        differences: (n,); NaN does not count.
    """
    d = as_sample(differences)
    kept = d[d != 0.0]
    plain = len(kept) == len(np.unique(np.abs(kept))) and len(kept) == len(d) and len(kept) <= 50
    method = f"Wilcoxon's signed ranks, {'exact' if plain else 'approximate'}"
    if len(d) == 0:
        return PValue(np.nan, 0, method, "no pair is defined")
    if len(kept) == 0:
        return PValue(1.0, len(d), method, ALL_ZERO)
    size = np.where(np.isinf(kept), np.sign(kept) * 2.0 * np.abs(kept[np.isfinite(kept)]).max(initial=1.0), kept)
    found = wilcoxon(size, method="exact" if plain else "approx")
    return PValue(float(found.pvalue), len(kept), method, _coarse(len(kept)))


def _untestable(d: Array) -> str:
    if len(d) == 0:
        return "no pair is defined"
    return "a difference is infinite: use ranks (test=wilcoxon)" if np.isinf(d).any() else ""


def _coarse(n: int) -> str:
    return "" if n > 5 else f"with n = {n} no p is below {2.0 ** (1 - n):.3g}"


def holm(p: ArrayLike) -> Array:
    r"""P adjusted for all tests of a table (Holm 1979): the chance of any false difference stays below the level.

    Sorted from the least, \(\tilde p_{(i)} = \max_{k \le i} \min(1, (m - k + 1) \, p_{(k)})\).

    Args:
        p: of m tests, any shape; NaN, a test that could not be made, is none of them and stays.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    known = given[~np.isnan(given)]
    if ((known < 0.0) | (known > 1.0)).any():
        raise ValueError("p must be between 0 and 1")
    order = np.argsort(known, kind="stable")
    raised = np.minimum(known[order] * np.arange(len(known), 0, -1), 1.0)
    adjusted = np.empty_like(known)
    adjusted[order] = np.maximum.accumulate(raised) if len(raised) else raised
    found = np.full(given.shape, np.nan)
    found[~np.isnan(given)] = adjusted
    return found


class PairedDifference(NamedTuple):
    """How one run differs from another on the same seeds, first − second."""

    student: Interval
    """Of the mean difference."""
    bootstrap: Interval
    """The same by BCa bootstrap."""
    median: float
    sign_flip: PValue
    wilcoxon: PValue
    better: int
    """Seeds on which the first is better."""
    equal: int
    worse: int
    improvement: Interval
    """How probably a run of the first beats one of the second, whatever their seeds."""
    pairs: int
    """Seeds that both have."""
    reason: str
    """Why there is no difference, or of fewer pairs; "" where all are."""

    @property
    def n(self) -> int:
        """Pairs in which both are defined."""
        return self.student.n


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], higher: bool, *, seed: int = 0
) -> PairedDifference:
    """Compares two runs on the seeds that both have.

    Args:
        first: a value by seed; NaN where it is undefined.
        second: of the run that it is compared with.
        higher: whether more is better.
        seed: of the bootstraps, and of the draws where there are more than 20 pairs.
    """
    shared = [each for each in first if each in second]
    a, b = (np.array([each[s] for s in shared], dtype=np.float64) for each in (first, second))
    with np.errstate(invalid="ignore"):  # infinity − infinity says nothing, and is NaN
        d = a - b
    known = as_sample(d)
    gains = known if higher else -known
    said = [] if shared else ["no seed in common"]
    if lost := len(d) - len(known):
        said.append(f"undefined on {lost} of {len(d)} seeds")
    whole = ~np.isnan(d)
    median = float(np.median(known)) if len(known) else np.nan
    if len(known):
        improvement = probability_of_improvement(a[whole], b[whole], higher, draws=2000, seed=seed)
    else:
        improvement = Interval(np.nan, np.nan, np.nan, 0, "percentile bootstrap", "no pair is defined")
    return PairedDifference(
        student_interval(d),
        bootstrap_interval(d, seed=seed),
        median,
        sign_flip_test(d, seed=seed),
        wilcoxon_test(d),
        int((gains > 0).sum()),
        int((gains == 0).sum()),
        int((gains < 0).sum()),
        improvement,
        len(shared),
        "; ".join(said),
    )
