r"""Ranks of several models over many curricula, and which of them differ (Demšar 2006, JMLR 7).

On each curriculum the best model has rank 1, equal ones share the mean of theirs. Friedman's test asks whether mean
ranks differ at all; by Nemenyi's two models differ where their mean ranks are at least the critical difference apart.
Curricula that are variants of each other are not as many independent ones.
"""

__all__ = ["RankTable", "critical_difference", "rank_table"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc
from scipy.stats import chi2, rankdata, studentized_range

from continual.metrics.statistics.samples import Array, better


@lru_cache(maxsize=64)
def _quantile(models: int, level: float) -> float:
    return float(studentized_range.ppf(1.0 - level, models, np.inf))


def critical_difference(models: int, curricula: int, level: float = 0.05) -> float:
    r"""Nemenyi's critical difference of mean ranks, \(q_\alpha \sqrt{K (K + 1) / (6 N)}\).

    \(q_\alpha\) is the upper quantile of the studentized range of K models with infinite degrees of freedom, over
    \(\sqrt 2\).

    Args:
        models: K, at least two.
        curricula: N, at least one.
        level: alpha.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    if models < 2 or curricula < 1 or not 0.0 < level < 1.0:
        raise ValueError(
            "a critical difference needs two models, a curriculum and a level between 0 and 1, "
            f"got {models}, {curricula} and {level}"
        )
    return float(_quantile(models, level)) * math.sqrt(models * (models + 1) / (12.0 * curricula))


@dataclass(frozen=True)
class RankTable:
    """Ranks of K models on N curricula.

    Args:
        models: names, (K,).
        ranks: on each curriculum, (N, K); 1 is the best.
        mean: over the curricula, (K,).
        friedman: chi square of Friedman's test with its p, corrected for ties; NaN where it can't be made.
        iman_davenport: F of Iman and Davenport's form, which is less conservative, with its p; the same order on
            all curricula makes it infinite, without a p.
        distance: critical difference of mean ranks at `level`; NaN where there is none.
        level: alpha.
        reason: why there is no test; "" where there is.
    """

    models: Sequence[str]
    ranks: Array
    mean: Array
    friedman: tuple[float, float]
    iman_davenport: tuple[float, float]
    distance: float
    level: float
    reason: str = ""

    @property
    def curricula(self) -> int:
        """N."""
        return len(self.ranks)

    def groups(self) -> list[list[int]]:
        """Models that do not differ, as the largest groups of neighbours in the order of mean ranks, by index.

        A model that differs from all others is in none.
        """
        if np.isnan(self.distance):
            return []
        order = [int(i) for i in np.argsort(self.mean, kind="stable")]
        found: list[list[int]] = []
        reached = 0
        for start in range(len(order)):
            end = start
            while end + 1 < len(order) and self.mean[order[end + 1]] - self.mean[order[start]] < self.distance:
                end += 1
            if end > start and end > reached:
                found.append(order[start : end + 1])
                reached = end
        return found


def rank_table(scores: ArrayLike, models: Sequence[str], higher: bool, level: float = 0.05) -> RankTable:
    """Ranks of models on curricula, and Friedman's and Nemenyi's tests of them.

    Args:
        scores: (N, K), a line a curriculum; what is NaN is worse than all others on its curriculum.
        models: names, (K,).
        higher: whether more is better.
        level: alpha of the critical difference.
    """
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(models) or matrix.size == 0:
        raise ValueError(
            f"scores must have shape (curricula, {len(models)}), of one curriculum at least, got {matrix.shape}"
        )
    goodness = np.where(np.isnan(matrix), -np.inf, better(matrix, higher))
    ranks = np.asarray(rankdata(-goodness, axis=1), dtype=np.float64)
    N, K = ranks.shape
    mean = ranks.mean(axis=0)

    def untested(reason: str, distance: float = np.nan) -> RankTable:
        nothing = (np.nan, np.nan)
        return RankTable(models, ranks, mean, nothing, nothing, distance, level, reason)

    if K < 2 or N < 2:
        return untested("ranks need two models" if K < 2 else "a test of ranks needs two curricula, there is one")
    distance = critical_difference(K, N, level)
    spread = (ranks**2).sum() - N * K * (K + 1) ** 2 / 4.0  # N K (K² − 1) / 12 without ties
    if spread <= 0.0:
        return untested("all models are equal on all curricula", distance)
    square = (K - 1) * N**2 * ((mean - (K + 1) / 2.0) ** 2).sum() / spread
    friedman = (float(square), float(chi2.sf(square, K - 1)))
    rest = N * (K - 1) - square
    if rest <= 1e-9 * square:
        return RankTable(models, ranks, mean, friedman, (np.inf, np.nan), distance, level)
    F = (N - 1) * square / rest
    p = float(fdtrc(K - 1, (K - 1) * (N - 1), F))
    return RankTable(models, ranks, mean, friedman, (float(F), p), distance, level)
