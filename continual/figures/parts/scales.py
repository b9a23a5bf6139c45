"""Scales of metrics: logarithmic for errors, symmetric-logarithmic for what can be negative, linear for shares."""

__all__ = ["Scale", "error_axis", "metric_scale", "round_numbers", "size_axis"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from continual.metrics import find_metric
from continual.reports.numbers import format_count, format_value

DECADES = 8
"""A symmetric-logarithmic scale is logarithmic over at most so many decades."""


@dataclass(frozen=True)
class Scale:
    """How one metric is laid out, on axes and in colours."""

    kind: str
    """`log`, `symlog` or `linear`."""
    low: float
    high: float
    threshold: float
    """Where a `symlog` scale becomes linear, in units of the metric."""
    metric: str

    @property
    def label(self) -> str:
        """Text for the axis: the metric, the better side, the unit, and where the scale is linear."""
        metric = find_metric(self.metric)
        parts = [metric.sign]
        if self.kind == "symlog":
            parts.append(f"linear within ±{format_value(self.threshold, 1)}")
        return f"{metric.label}\n({'; '.join(parts)})"

    @property
    def norm(self) -> Normalize:
        """The scale for colours."""
        if self.kind == "log":
            return LogNorm(self.low, self.high)
        if self.kind == "symlog":
            return SymLogNorm(self.threshold, vmin=self.low, vmax=self.high, base=10)
        return Normalize(self.low, self.high)

    def apply(self, axis: Axis, ticks: int = 6) -> None:
        """Sets scale, limits and at most about `ticks` ticks of an axis."""
        horizontal = axis is axis.axes.xaxis
        set_scale = axis.axes.set_xscale if horizontal else axis.axes.set_yscale
        if self.kind == "symlog":
            set_scale("symlog", linthresh=self.threshold, linscale=0.5)
        else:
            set_scale(self.kind)
        transform = axis.get_transform()
        low, high = transform.transform(np.array([self.low, self.high]))
        margin = 0.05 * (high - low)
        low, high = transform.inverted().transform(np.array([low - margin, high + margin]))
        (axis.axes.set_xlim if horizontal else axis.axes.set_ylim)(low, high)
        if self.kind != "linear":
            places = self._ticks(ticks, axis)
            axis.set_major_locator(FixedLocator(places))
            axis.set_major_formatter(FixedFormatter([_written(place) for place in places]))
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())

    def _ticks(self, count: int, axis: Axis) -> list[float]:
        if self.kind == "log":
            return round_numbers(self.low, self.high, count)
        up = round_numbers(self.threshold, self.high, count - 1) if self.high > self.threshold else []
        down = round_numbers(self.threshold, -self.low, count - 1) if -self.low > self.threshold else []
        kept: list[float] = []
        span = axis.get_transform().transform(np.array([self.low, self.high]))
        for place in [0.0, *up[::-1], *(-place for place in down[::-1])]:
            at = axis.get_transform().transform(np.array([place, *kept]))
            if not kept or np.abs(at[1:] - at[0]).min() > 0.8 * np.ptp(span) / count:
                kept.append(place)
        return sorted(kept)


_LADDERS = ((1, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5))
"""First digits of round numbers, those that stand most closely first."""


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """Round numbers in [low, high], both positive, at about even distances on a logarithmic axis.

    At most `count` where single digits do, else powers of ten and one more number at each end that they leave bare;
    evenly spaced ones where low and high are too close for either.
    """
    span = float(np.log10(high / low))
    apart = 0.8 * span / max(count, 1)
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))

    def rungs(digits: Sequence[int]) -> list[float]:
        every = [d * 10.0**p for p in range(first - 1, last + 1) for d in digits]
        return [place for place in every if low * 0.999 <= place <= high * 1.001]

    for digits in _LADDERS:
        found = rungs(digits)
        if 2 <= len(found) <= count and np.diff(np.log10(found)).min() >= apart:
            return found
    coarse = rungs(_LADDERS[-1])
    if len(coarse) < 2:
        even = MaxNLocator(max(count - 1, 1), steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [float(place) for place in even if low <= place <= high]
    step = -(-(last - first + 1) // max(count, 1))
    found = [10.0**p for p in range(last, first - 1, -step)][::-1] or coarse[:1]
    ends = [place for place in (coarse[0], coarse[-1]) if np.abs(np.log10(np.array(found) / place)).min() >= apart]
    return sorted([*found, *ends])


def _written(place: float) -> str:
    """A tick in as few digits as say it."""
    digits = next((n for n in (1, 2, 3) if np.isclose(float(f"{place:.{n - 1}e}"), place, rtol=1e-6, atol=0)), 3)
    return format_value(place, digits, smallest=-2)


def metric_scale(metric: str, values: ArrayLike, typical: ArrayLike | None = None) -> Scale:
    """The scale that shows all these values of a metric.

    Args:
        metric: a name of `METRICS`, which decides the kind of scale.
        values: what will be drawn, any shape; what is not finite does not count.
        typical: the values that a `symlog` scale must tell from zero; by default all of them.
    """
    array = np.asarray(values, dtype=np.float64)
    found = array[np.isfinite(array)]
    kind = find_metric(metric).kind
    if kind == "share" or (kind == "score" and (found >= -1).all()):
        low = min(float(found.min()), 0.0) if found.size else 0.0
        return Scale("linear", low if kind == "score" else 0.0, 1.0, 0.0, metric)
    if kind == "error" and (found > 0).all():
        low, high = (found.min(), found.max()) if found.size else (0.1, 1.0)
        if high < 4 * low:
            low, high = low / 2, high * 2
        return Scale("log", float(low), float(high), 0.0, metric)
    size = np.abs(found)
    if not size.any():
        return Scale("symlog", -0.1, 1.0, 0.1, metric)
    low, high = min(float(found.min()), 0.0), max(float(found.max()), 0.0)
    smallest = np.abs(np.asarray(found if typical is None else typical, dtype=np.float64))
    smallest = smallest[np.isfinite(smallest) & (smallest > 0)]
    least = float(smallest.min()) if smallest.size else float(size.max())
    threshold = 10.0 ** max(np.floor(np.log10(least)), np.floor(np.log10(size.max())) - DECADES)
    return Scale("symlog", low, max(high, threshold), threshold, metric)


def round_ticks(
    axis: Axis,
    limits: tuple[float, float],
    count: int,
    written: Callable[[float], str],
    within: tuple[float, float] | None = None,
) -> None:
    """Makes an axis logarithmic with these limits, and ticks at about so many round numbers.

    Args:
        axis: which.
        limits: both positive.
        count: of ticks.
        written: how a tick is labelled.
        within: where ticks stand, if not everywhere between the limits.
    """
    places = round_numbers(*(within or limits), count)
    along = "x" if isinstance(axis, XAxis) else "y"
    axis.axes.set(**{f"{along}scale": "log", f"{along}lim": limits})
    axis.set_ticks(places, [written(place) for place in places])
    axis.set_minor_locator(NullLocator())


def error_axis(axis: Axis, values: ArrayLike, ticks: int = 6) -> None:
    """Makes an axis logarithmic for errors or seconds; what is not positive does not count."""
    array = np.asarray(values, dtype=np.float64)
    metric_scale("final_rmse", array[np.isfinite(array) & (array > 0)]).apply(axis, ticks)


def size_axis(axes: Axes, counts: Sequence[float], label: str = "trainable parameters", ticks: int = 6) -> None:
    """Makes the x axis a logarithmic one of counts, at least one of them, such as parameters."""
    low, high = max(min(counts), 1), max(counts)
    margin = max((high / low) ** 0.05, 1.2)
    low, high = low / margin, high * margin
    found = round_numbers(low, high, ticks)
    places = [place for place in found if place == round(place)] or found  # nothing has half a parameter
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(places, [format_count(place) for place in places])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label, labelpad=1)
