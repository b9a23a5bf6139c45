r"""How fast errors fall as models grow: the exponent \(\alpha\) of error \(\propto N^\alpha\), fitted to every member.

The KAN paper (https://arxiv.org/abs/2404.19756, Section 3.1) expects \(\alpha = -(k + 1)\) of a KAN whose splines have
order k, whatever the number of inputs.
"""

__all__ = ["STUCK", "ScalingFit", "exponents", "fit_scaling", "stuck_members", "write_scaling"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from continual.metrics import Summary, summarize
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval, format_value
from continual.reports.series import MEASURES, Count, Measure, Series, all_series
from continual.reports.tables import markdown_table, raw, write_csv

Array = NDArray[np.float64]

STUCK = 30.0
"""A member is stuck if its best error is so many times the smallest best error in its series.

Members of a series have the same model, budget and kind of data, so where training worked their best errors lie within
a factor of a few, up to about ten where single test samples outside the trained range decide. What misses by one and a
half decades sits in another minimum, which a finer grid can't mend, and says nothing about the law.
"""


def stuck_members(errors: Array, stuck: float = STUCK) -> NDArray[np.bool_]:
    """Which members are stuck, see `STUCK`, or diverged from the start; of errors (M, S), positive where they count."""
    reached = np.where(errors > 0, errors, np.inf).min(axis=1)
    return ~np.isfinite(reached) | (reached > stuck * reached.min())


def exponents(sizes: Array, errors: Array) -> Array:
    """Least-squares slope of log10(error) against log10(size), up to where each member's error stops falling.

    That is the first size at which it is within a factor of two of its smallest. Beyond it a member no longer follows a
    power law: it overfits, or has reached a floor, along which the smallest error may lie anywhere.

    Args:
        sizes: positive and ascending, (S,).
        errors: (M, S); what is NaN does not count.

    Returns:
        One slope a member, (M,); NaN below two different sizes.
    """
    found = np.full(len(errors), np.nan)
    for member, row in enumerate(errors):
        if not np.isfinite(row).any():
            continue
        last = int(np.flatnonzero(row <= 2.0 * np.nanmin(row))[0])
        used = np.isfinite(row[: last + 1]).nonzero()[0]
        x = np.log10(sizes[used])
        x = x - x.mean()
        if (x @ x) > 0:
            found[member] = x @ np.log10(row[used]) / (x @ x)
    return found


@dataclass(frozen=True)
class ScalingFit:
    """How the error of one series falls with its size.

    Args:
        series: what was fitted.
        stuck: which members are stuck or diverged, and left out of the exponents, (M,).
        slopes: exponent of every member by the count of parameters, `intervals` and `trainable`, (M,) each; NaN of the
            stuck.
        best: smallest error of the median member, stuck ones counted; NaN where all diverged.
        best_index: at which size that is.
    """

    series: Series
    stuck: NDArray[np.bool_]
    slopes: Mapping[str, Array]
    best: float
    best_index: int

    def exponent(self, count: Count) -> Summary:
        """Mean exponent over the members that are not stuck, with its 95 % interval."""
        return summarize(self.slopes[count])


def fit_scaling(series: Series, fit_from: int = 5, stuck: float = STUCK) -> ScalingFit:
    """Fits the exponent of every member of a series.

    Args:
        series: errors against sizes.
        fit_from: fewest intervals of the grid that count, for coarser ones do not yet follow the law; models without
            grids count in all sizes.
        stuck: a member is left out if its best error is so many times the smallest of the series, see `STUCK`.
    """
    known = np.where(np.isfinite(series.errors), series.errors, np.inf)
    lost = stuck_members(series.errors, stuck)
    fitted = np.isnan(series.grids) | (series.grids >= fit_from)
    # a member whose smallest error comes before the fit begins has no part that follows a law
    early = ~fitted[known.argmin(axis=1)]
    slopes = {}
    for count in ("intervals", "trainable"):
        slope = exponents(series.sizes(count)[fitted], series.errors[:, fitted])
        slopes[count] = np.where(lost | early, np.nan, slope)
    middle = summarize(series.errors).median
    some = np.isfinite(middle).any()
    index = int(np.nanargmin(middle)) if some else 0
    return ScalingFit(series, lost, slopes, float(middle[index]), index)


HEADER = (
    "function",
    "model",
    "exponent, G an edge",
    "exponent, trained parameters",
    "theory",
    "best error",
    "trained parameters there",
    "stuck",
)


def _cells(fit: ScalingFit) -> list[str]:
    series = fit.series
    known = np.isfinite(fit.best)
    return [
        series.function,
        series.name,
        format_interval(fit.exponent("intervals")),
        format_interval(fit.exponent("trainable")),
        "–" if series.order is None else f"-{series.order}",
        format_value(fit.best),
        format_count(float(series.trained[fit.best_index])) if known else "–",
        f"{int(fit.stuck.sum())} of {len(fit.stuck)}",
    ]


def _numbers(fit: ScalingFit, measure: Measure) -> dict[str, Any]:
    series, index, known = fit.series, fit.best_index, np.isfinite(fit.best)
    content: dict[str, Any] = {
        "function": series.function,
        "series": series.name,
        "family": series.family,
        "in_features": series.in_features,
        "measure": measure,
    }
    for count in ("intervals", "trainable"):
        summary = fit.exponent(count)
        content |= {f"exponent_{count}_{part}": raw(value) for part, value in summary._asdict().items()}
    return content | {
        "theory": "" if series.order is None else -series.order,
        "best": raw(fit.best),
        "best_parameters": int(series.trained[index]) if known else "",
        "best_grid_size": int(series.grids[index]) if known and np.isfinite(series.grids[index]) else "",
        "stuck": int(fit.stuck.sum()),
        "members": len(fit.stuck),
    }


def write_scaling(
    records: Sequence[Record], folder: Path, *, measure: Measure = "rmse", fit_from: int = 5, stuck: float = STUCK
) -> list[Path]:
    """Writes `scaling.csv` (full precision) and `scaling.md` (for people), a row a function and series.

    Args:
        records: finished runs, with `function` and `series` in their sweeps.
        folder: where.
        measure: error to fit, a name of `continual.reports.MEASURES`.
        fit_from: fewest intervals that count, see `fit_scaling`.
        stuck: which members are left out, see `STUCK`.

    Returns:
        The two paths, CSV first; none without records.
    """
    fits = [fit_scaling(series, fit_from, stuck) for series in all_series(records, measure)]
    if not fits:
        return []
    legend = (
        f"Error: {MEASURES[measure]}, in units of the target. Exponent: of error ∝ N^exponent, least squares in "
        f"logarithms for each seed from G = {fit_from} (models without grids: from the smallest) to the first size "
        "within a factor of two of its smallest error; mean ± half width of the 95 % interval over seeds (Student's "
        "t); (9/10): of 9 of 10 seeds. N counts G parameters an edge as the KAN paper does, or all trained ones; "
        "without grids both are the same. Theory: -(k + 1) for splines of order k. Best error: of the median seed, "
        f"stuck ones counted. Stuck seeds, those whose best error is more than {stuck:g} times the smallest of their "
        "row or that diverged, are left out of the exponents. –: undefined."
    )
    text = f"{markdown_table(HEADER, [_cells(fit) for fit in fits], left=2)}\n{legend}\n"
    write_csv([_numbers(fit, measure) for fit in fits], folder / "scaling.csv")
    replace_file(folder / "scaling.md", lambda path: path.write_text(text, encoding="utf-8"))
    return [folder / "scaling.csv", folder / "scaling.md"]
