"""Test error against the number of parameters, and how fast it falls: a panel a function (KAN paper, Fig. 3.1)."""

__all__ = ["scaling"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.parts.panels import label_panel, panel_sheet, series_entry, spread_line
from continual.figures.parts.scales import error_axis, size_axis
from continual.figures.parts.style import GREY, INK, ModelStyle, band, looks, message, styled
from continual.records.record import Record
from continual.reports.numbers import format_interval
from continual.reports.scaling_law import STUCK, ScalingFit, fit_scaling
from continual.reports.series import MEASURES, Count, Measure, Series, all_series

COUNTS = {"intervals": "parameters (KANs: G an edge)", "trainable": "trained parameters"}
SLOPE = 0.12
"""Inches a line of text with a slope."""
Looks = dict[tuple[str, str], ModelStyle]


@styled
def scaling(
    records: Sequence[Record],
    measure: Measure = "rmse",
    count: Count = "intervals",
    fit_from: int = 5,
    stuck: float = STUCK,
    across: int = 5,
) -> Figure:
    """Test error of the median seed against parameters, a panel a function and a line a series.

    Functions and series are `function` and `series` of the sweep. Fitted exponents stand in the panels for series
    whose grids grow; those of the others are in the table of `write_scaling`.

    Args:
        records: finished runs.
        measure: `rmse`, or `median` for the root of the median squared error.
        count: `intervals` counts G parameters an edge of a KAN, as the paper does; `trainable` counts all trained
            ones.
        fit_from: fewest intervals from which the exponent is fitted.
        stuck: seeds are left out of the fit if their best error is so many times the smallest of their series.
        across: panels in a row.

    Raises:
        ValueError: a measure or a count that does not exist.
    """
    if count not in COUNTS:
        raise ValueError(f"count must be one of {', '.join(COUNTS)}, got {count}")
    found = all_series(records, measure)
    if not found:
        return message("Nothing to draw: there are no runs.")
    look = looks((series.family, series.name) for series in found)
    functions = list(dict.fromkeys(series.function for series in found))
    entries = [series_entry(*style, name) for (_, name), style in look.items()]
    powers = sorted({series.order for series in found if series.order is not None})
    if powers:
        named = " or ".join(str(power) for power in powers)
        entries.append((Line2D([], [], color=INK, linestyle="--", linewidth=0.8), f"$N^{{-{named}}}$"))
        if any(series.in_features > 1 and series.order for series in found):
            guide = Line2D([], [], color=GREY, linestyle=":", linewidth=1.0)
            entries.append((guide, f"$N^{{-{named}/d}}$, $d$ inputs of the function"))
    notes = (
        f"Lines: median over all seeds; bands: 10–90 % of those not stuck; thin lines: stuck seeds, their best error "
        f"more than {stuck:g} times the smallest of their series. Slope: exponent of error ∝ N^slope, least squares "
        f"in logarithms for each seed from G = {fit_from} to the first size within a factor of two of its smallest "
        "error; mean ± half width of the 95 % interval over the seeds that are not stuck (Student's t); (k/M): of k of "
        "M seeds. "
        f"{_COUNTED[count]} Dashed and dotted lines begin at the first median that is fitted."
    )
    size = (2.05, 2.05) if min(across, len(functions)) > 3 else (2.8, 2.4)
    head = SLOPE * max(sum(series.grows for series in found if series.function == name) for name in functions)
    figure, panels = panel_sheet(len(functions), across, size, (0.5, 0.75), entries, notes, head)
    for index, (axes, function) in enumerate(zip(panels, functions, strict=True)):
        here = [series for series in found if series.function == function]
        fits = [fit_scaling(series, fit_from, stuck) for series in here]
        _draw(axes, fits, look, count, fit_from)
        label_panel(axes, function, size[0], head)
        if index % across == 0:
            axes.set_ylabel(f"{MEASURES[measure]},\nunits of the target", labelpad=2)
    return figure


_COUNTED = {
    "intervals": "N: G parameters an edge of a KAN, as its paper counts; trained parameters of other models.",
    "trainable": "N: trained parameters, those of KANs with all coefficients and trained scales.",
}


def _draw(axes: Axes, fits: Sequence[ScalingFit], look: Looks, count: Count, fit_from: int) -> None:
    shown: list[float] = []
    for fit in fits:
        series, sizes = fit.series, fit.series.sizes(count)
        style = look[series.family, series.name]
        drawn = spread_line(
            axes,
            sizes,
            series.errors,
            style.colour,
            stuck=fit.stuck,
            gid=series.name,
            marker=style.marker,
            markersize=3.2,
            markeredgewidth=0,
        )
        shown += list(drawn)
    size_axis(axes, [float(size) for fit in fits for size in fit.series.sizes(count)], COUNTS[count], ticks=4)
    error_axis(axes.yaxis, shown)
    if any(np.isfinite(shown)):
        _draw_guides(axes, [fit.series for fit in fits], count, fit_from)
    growing = [fit for fit in fits if fit.series.grows]
    for line, fit in enumerate(reversed(growing)):
        said = format_interval(fit.exponent(count)).replace("-", "\N{MINUS SIGN}")
        axes.annotate(
            f"slope {said}",
            (0.5, 1.0),
            xycoords="axes fraction",
            xytext=(0, 2 + 72 * SLOPE * line),
            textcoords="offset points",
            ha="center",
            color=look[fit.series.family, fit.series.name].colour,
            fontsize=6.5,
            gid="slope",
        )


def _draw_guides(axes: Axes, found: Sequence[Series], count: Count, fit_from: int) -> None:
    """The lines that theory expects of splines and of smooth functions of d inputs, from a series' first fitted median.

    They begin at the series with splines that comes lowest; without any there is nothing to compare with.
    """
    splines = [each for each in found if each.order is not None and np.isfinite(each.errors).any()]
    if not splines:
        return
    series = min(splines, key=lambda each: np.nanmin(band(each.errors)[1]))
    assert series.order is not None
    sizes, middle = series.sizes(count), band(series.errors)[1]
    known = np.flatnonzero(np.isfinite(middle) & ~(series.grids < fit_from))
    if not len(known):
        return
    limits = axes.get_xlim(), axes.get_ylim()
    x = np.geomspace(sizes[known[0]], limits[0][1], 50)
    guides = [(series.order, "--", INK, 0.8), (series.order / series.in_features, ":", GREY, 1.0)]
    for power, dashes, colour, width in guides[: 1 if series.in_features == 1 else 2]:
        y = middle[known[0]] * (x / x[0]) ** -power
        axes.plot(x, y, linestyle=dashes, color=colour, linewidth=width, zorder=2.5, gid="guide")
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
