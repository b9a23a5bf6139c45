"""What probes say against what is forgotten, one point a model, and response profiles."""

__all__ = ["probe_against_forgetting", "response_profiles"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from continual.figures.parts.axes import standing_at
from continual.figures.parts.panels import label_panel, panel_sheet, series_entry, spread_line
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import GREY, looks, message, model_styles, styled
from continual.metrics import metric_names, summarize
from continual.records.record import Record
from continual.reports.correlation import probe_numbers, probe_values, rank_correlation
from continual.reports.numbers import format_value

SHOWN = ("response/mean_half_radius", "interference/mean_overlap")
SIZE = (2.9, 2.3)
DIRECTIONS = ("along the diagonal", "along an axis", "random directions")
LABELS = {
    "response/mean_half_radius": "response radius (half), units of the inputs",
    "response/half_radius/diagonal": "response radius (half) along the diagonal",
    "response/half_radius/axis": "response radius (half) along an axis",
    "interference/mean_overlap": "kernel overlap of tasks, 0–1",
    "interference/mean_cosine": "cosine of the tasks' gradients",
    "support/mean_published": "support overlap, 0–1",
    "support/mean_weighted": "support overlap, weighted, 0–1",
    "drift/mean_moved": "share of parameters moved in a task",
    "drift/earlier": "movement of hidden activations",
}


@styled
def probe_against_forgetting(
    records: Sequence[Record],
    probes: Sequence[str] = SHOWN,
    metric: str = "forgetting",
    series: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> Figure:
    """A panel a probe: its value against forgetting, one point a run, with the rank correlation of the means.

    Args:
        records: finished runs; those without a probe are left out of its panel.
        probes: numbers at the boundaries, "NAME/KEY" or "NAME/KEY/DIRECTION"; see `continual.probes`.
        metric: what is compared with, a name of `continual.metrics.METRICS`.
        series: an axis of the sweep whose values have a look each, and are drawn as a whole in the bootstrap: models
            that learned several curricula. None where every run is a model of its own.
        where: only runs with these values of axes.

    Raises:
        ValueError: an unknown metric.
    """
    metric_names([metric])
    records = standing_at(records, where)
    here = {
        probe: [r for r in records if probe in probe_numbers(r) and not np.isnan(probe_values(r, probe)).all()]
        for probe in probes
    }
    shown = [record for record in records if any(record in each for each in here.values())]
    if not shown:
        return message("Nothing to draw: no run has these probes; probe=[response,interference] measures them.")
    names = {r.folder: (r.family, r.name if series is None else str(r.sweep.get(series, r.name))) for r in records}
    styles = looks(names.values())
    entries = [
        series_entry(*styles[name], name[1], linestyle="") for name in dict.fromkeys(names[r.folder] for r in shown)
    ]
    notes = (
        "Points: means over seeds, of the probe at the boundaries of tasks; bars: 95 % intervals, cut at the edge. "
        "ρ: Spearman's rank correlation of the points, in brackets its 95 % interval by a bootstrap over models and "
        "seeds. ∞: a seed's response falls to a half nowhere in the box, so the mean is infinite; these runs tie at "
        "the highest rank."
    )
    scale = metric_scale(metric, [summarize(r.metrics[metric]).mean for r in shown])
    figure, panels = panel_sheet(len(probes), 3, SIZE, (0.62, 0.72), entries, notes, head=0.12)
    for axes, probe in zip(panels, probes, strict=True):
        xs = [probe_values(r, probe) for r in here[probe]]
        ys = [r.metrics[metric] for r in here[probe]]
        middles = [np.inf if np.isinf(x).any() else float(summarize(x).mean) for x in xs]
        infinity = _limit(axes, middles)
        for record, x, y, middle in zip(here[probe], xs, ys, middles, strict=True):
            up = summarize(y)
            colour, marker = styles[names[record.folder]]
            wide = np.nan if np.isinf(middle) else summarize(x).half_width
            bars = [None if np.isnan(each) else float(each) for each in (wide, up.half_width)]
            axes.errorbar(
                infinity if np.isinf(middle) else middle,
                float(up.mean), xerr=bars[0], yerr=bars[1], color=colour, marker=marker,
                markersize=4 if series is None else 2.5, linewidth=0.8 if series is None else 0.4, gid="model",
            )  # fmt: skip
        found = rank_correlation(xs, ys, None if series is None else [names[r.folder] for r in here[probe]])
        rho, low, high = (format_value(each) for each in found[:3])
        beyond = f", {found.infinite} at ∞" if found.infinite else ""
        label_panel(axes, f"ρ = {rho} [{low}, {high}], {found.models} runs{beyond}", SIZE[0])
        scale.apply(axes.yaxis)
        axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
        axes.set_xlabel(LABELS.get(probe, probe), labelpad=1)
        axes.set_ylabel(scale.label, labelpad=2, fontsize=6.5)
    return figure


def _limit(axes: Axes, means: Sequence[float]) -> float:
    """Makes the axis across that of the means, a wide interval ending at its edge: where infinite ones stand."""
    known = [mean for mean in means if np.isfinite(mean)] or [0.0]
    low, high = min(known), max(known)
    span = high - low or abs(high) or 1.0
    some = any(np.isinf(mean) for mean in means)
    infinity = high + 0.15 * span
    axes.set_xlim(low - 0.06 * span, (infinity if some else high) + 0.06 * span)
    if some:
        places = [place for place in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high) if place <= high]
        places = [place for place in places if place >= low - 0.06 * span]
        axes.set_xticks([*places, infinity], [*(f"{place:g}" for place in places), "∞"])
        axes.axvline((high + infinity) / 2.0, color=GREY, linewidth=0.5, linestyle=":", gid="infinity")
    return infinity


@styled
def response_profiles(records: Sequence[Record]) -> Figure:
    """A panel a kind of directions: the response profile of every model after the last task.

    Args:
        records: finished runs; those without the probe `response` are left out.
    """
    shown = [record for record in records if "response/profile" in record.probes]
    if not shown:
        return message("Nothing to draw: no run has response profiles; probe=response measures them.")
    styles = model_styles(records)
    kinds = sorted({int(kind) for record in shown for kind in record.probes["response/kinds"]})
    entries = [series_entry(*styles[record.name], record.name) for record in shown]
    notes = (
        "How far the function moves at a distance from a sample that is trained on, by one small step, ÷ how far it "
        "moves there; after the last task, median over seeds and 10–90 % of them. Grey: a half and a hundredth."
    )
    figure, panels = panel_sheet(len(kinds), 3, SIZE, (0.62, 0.72), entries, notes)
    for kind, axes in zip(kinds, panels, strict=True):
        for record in shown:
            radii, profile = record.probes["response/radii"][1:], record.probes["response/profile"]
            colour, marker = styles[record.name]
            for place in np.flatnonzero(record.probes["response/kinds"] == kind):
                spread_line(axes, radii, profile[:, -1, place, 1:], colour, marker=marker, markersize=2, gid="profile")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-4, 3.0)
        for level in (0.5, 0.01):
            axes.axhline(level, color=GREY, linewidth=0.5, zorder=0)
        label_panel(axes, DIRECTIONS[kind], SIZE[0])
        axes.set_xlabel("distance, units of the inputs", labelpad=1)
        axes.set_ylabel("response ÷ response at 0", labelpad=2)
    return figure
