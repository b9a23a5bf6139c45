"""Rank correlation of what a probe says with what is forgotten, and its interval by bootstrap."""

__all__ = ["RankCorrelation", "probe_numbers", "probe_values", "rank_correlation", "spearman"]

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.probes.response import Direction
from continual.records.record import Record

Array = NDArray[np.float64]


class RankCorrelation(NamedTuple):
    """Spearman's rank correlation and the ends of its 95 % interval, all from -1 to 1, NaN where undefined."""

    rho: float
    low: float
    high: float
    models: int
    """How many models it is of: those with a value of both."""
    infinite: int = 0
    """Of how many of them the first value's mean is infinite: they share the highest rank."""


def probe_numbers(record: Record) -> dict[str, Array]:
    """What a run's probes say in one number at every boundary, (M, T+1), by name.

    "interference/mean_overlap" say; and of what a probe measures in several directions, each of them by itself:
    "response/half_radius/diagonal".
    """
    found: dict[str, Array] = {}
    for key, values in record.probes.items():
        kinds = record.probes.get(f"{key.partition('/')[0]}/kinds")
        if values.shape == record.R.shape[:2]:
            found[key] = values
        elif kinds is not None and values.shape == (*record.R.shape[:2], len(kinds)):
            found |= {f"{key}/{get_args(Direction)[int(kind)]}": values[..., i] for i, kind in enumerate(kinds)}
    return found


def probe_values(record: Record, name: str) -> Array:
    """What a probe says of each member of a run, (M,): the mean over the boundaries after the first task.

    Before the last of them, since what is seen there has nothing left to forget; the last where it is the only one.
    NaN does not count; where one of the values is infinite, a response that never falls to a half, so is the mean.

    Args:
        record: a finished run.
        name: see `probe_numbers`.

    Raises:
        ValueError: the run has no such.
    """
    known = probe_numbers(record)
    if name not in known:
        there = ", ".join(known) or "none: it was run without probes"
        raise ValueError(f"{record.name} has no probe value {name!r}; there are {there}")
    values = np.asarray(known[name], dtype=np.float64)
    after_a_task = values[:, 1:-1] if values.shape[1] > 2 else values[:, 1:]
    present = ~np.isnan(after_a_task)
    total = np.where(present, after_a_task, 0.0).sum(axis=1)
    return np.where(present.any(axis=1), total / np.maximum(present.sum(axis=1), 1), np.nan)


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    r"""Spearman's \(\rho\): the correlation of ranks, equal values sharing the mean of theirs.

    Args:
        x: (n,); infinite values have ranks, NaN does not count, nor its partner.
        y: (n,).

    Returns:
        From -1 to 1; NaN below two pairs, or where all of x or all of y are equal.

    Example:
        >>> round(spearman([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0]), 6)
        0.8
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a rank correlation needs as many of the one as of the other, got {a.shape} and {b.shape}")
    present = ~(np.isnan(a) | np.isnan(b))
    if present.sum() < 2:
        return float("nan")
    ranks = [_ranks(each[present]) for each in (a, b)]
    ranks = [each - each.mean() for each in ranks]
    scale = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float((ranks[0] * ranks[1]).sum() / scale) if scale > 0.0 else float("nan")


def _ranks(values: Array) -> Array:
    """Ranks from 1 on, equal values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Array = (ends - (counts - 1) / 2.0)[places]
    return shared


def rank_correlation(
    x: list[Array], y: list[Array], groups: Sequence[Any] | None = None, draws: int = 2000, seed: int = 0
) -> RankCorrelation:
    r"""Spearman's \(\rho\) of the models' means, with a 95 % interval by percentiles of a two-stage bootstrap.

    Each draw takes models with replacement, and of each of them members with replacement, a member's two values
    together; then the means, then their ranks. It is of models as they were chosen: no interval makes a few of them
    more than a few. An infinite value of one member makes the model's mean infinite, and all infinite means tie.

    Args:
        x: of each model the values of its members, (M,) each; NaN does not count.
        y: the same of something else, of the same members.
        groups: which models belong together, and are drawn as a whole: one kind of model on several curricula is not
            as many independent ones. None where each stands for itself.
        draws: how many.
        seed: of the draws.

    Raises:
        ValueError: not as many of x as of y, or of groups.
    """
    if groups is not None and len(groups) != len(x):
        raise ValueError(f"a rank correlation needs a group of each model, got {len(groups)} of {len(x)}")
    if len(x) != len(y) or any(len(a) != len(b) for a, b in zip(x, y, strict=False)):
        raise ValueError("a rank correlation needs the same models and members on both sides")
    both = [(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)) for a, b in zip(x, y, strict=True)]
    kept = [np.stack([a, b])[:, ~(np.isnan(a) | np.isnan(b))] for a, b in both]
    names = [name for name, each in zip(groups or range(len(kept)), kept, strict=True) if each.shape[1]]
    kept = [each for each in kept if each.shape[1]]
    if not kept:
        return RankCorrelation(np.nan, np.nan, np.nan, 0)
    middle = np.array([each.mean(axis=1) for each in kept])
    rho = spearman(*middle.T)
    generator = np.random.default_rng(seed)
    means = []
    for each in kept:  # members of every model in every draw, whether the model is drawn or not
        chosen = generator.integers(each.shape[1], size=(draws, each.shape[1]))
        means.append(each[:, chosen].mean(axis=2))
    table = np.stack(means, axis=2)  # (2, draws, models)
    members_of = [np.flatnonzero([name == each for name in names]) for each in dict.fromkeys(names)]
    drawn = generator.integers(len(members_of), size=(draws, len(members_of)))
    places = [np.concatenate([members_of[group] for group in row]) for row in drawn]
    found = np.array([spearman(*table[:, i, place]) for i, place in enumerate(places)])
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.025, 0.975]) if len(found) else (np.nan, np.nan)
    return RankCorrelation(rho, float(low), float(high), len(kept), int(np.isinf(middle[:, 0]).sum()))
