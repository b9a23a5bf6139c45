"""Metrics over two axes of a sweep: heat maps per family, and lines against an axis and against parameters."""

__all__ = ["sweep"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.parts.axes import SweepAxis
from continual.figures.parts.cells import draw_cells
from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.scales import Scale, metric_scale, size_axis
from continual.figures.parts.style import GREY, MARKERS, legend, message, shades, sheet, styled, write_notes
from continual.metrics import METRICS, Summary, metric_names, summarize
from continual.records.record import Record
from continual.reports.numbers import undefined_notes

LINES = ("-", "--", ":", "-.")
LEGEND = (
    "Cells and markers: mean over seeds; bars: 95 % interval (Student's t), cut at the edge of the panel. Grey cells "
    "“–”: no run, or undefined; asterisk or hollow marker: not defined for all seeds. A run that lacks the axis is a "
    "level line."
)
Place = tuple[str, Any, Any]
"""Family, value on the first axis, value on the second."""


@dataclass(frozen=True)
class _Plan:
    """The runs by their place in the sweep, and how each series is drawn."""

    families: Sequence[str]
    first: SweepAxis
    second: SweepAxis
    runs: dict[Place, list[Record]]

    @classmethod
    def of(cls, records: Sequence[Record], axes: tuple[str, str]) -> "_Plan":
        runs: dict[Place, list[Record]] = {}
        for record in records:
            place = (record.family, *(SweepAxis.value(name, record) for name in axes))
            runs.setdefault(place, []).append(record)
        first, second = (SweepAxis.of(name, records) for name in axes)
        return cls(list(dict.fromkeys(record.family for record in records)), first, second, runs)

    def summaries(self, metric: str) -> dict[Place, Summary]:
        """One metric at each place, over the members of all runs there."""
        return {
            place: summarize(np.concatenate([run.metrics[metric] for run in found]))
            for place, found in self.runs.items()
        }

    def look(self, family: str, value: Any) -> dict[str, Any]:
        """Colour, marker and line of a family at a value of the second axis."""
        index = self.second.values.index(value)
        return {
            "color": shades(self.families, len(self.second.values))[family][index],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": LINES[self.families.index(family) % len(LINES)],
        }

    def pooled(self) -> list[str]:
        """A sentence on axes along which runs differ that stand at one place, if there are such."""
        names = dict.fromkeys(name for found in self.runs.values() for name in _varying(found))
        words = ", ".join(SweepAxis(name, ()).title for name in names)
        return [f"Runs at one place that differ in {words} are pooled."] if names else []

    def series(self) -> list[tuple[str, Any]]:
        """Every family and value of the second axis that has runs."""
        found = {(family, value) for family, _, value in self.runs}
        return [(family, value) for value in self.second.values for family in self.families if (family, value) in found]


def _varying(records: Sequence[Record]) -> list[str]:
    """The axes along which records differ, in their order."""
    names = dict.fromkeys(name for record in records for name in record.sweep)
    return [name for name in names if len({SweepAxis.value(name, record) for record in records}) > 1]


def _axes(records: Sequence[Record]) -> tuple[str, str]:
    """The two axes of a sweep that nobody named: what varies first, then what does not, then what most models have."""
    varying, models = _varying(records), {SweepAxis.value("model", record) for record in records}
    if len(models) == len({record.family for record in records}):  # then families tell models apart already
        varying = [name for name in varying if name != "model"]
    others = [name for record in records for name in record.sweep if name != "model"]
    first, second, *_ = dict.fromkeys([*sorted(varying, key=lambda name: name == "model"), *others, *_USUAL])
    return first, second


_USUAL = ("grid_size", "depth")


@styled
def sweep(
    records: Sequence[Record],
    axes: tuple[str, str] | None = None,
    metrics: Sequence[str] = ("forgetting", "learned_rmse", "final_rmse"),
) -> Figure:
    """Metrics over two axes of a sweep, from `record.sweep`.

    Above, one heat map per family and metric (first axis across, second down, one colour scale per metric); in the
    middle, lines against the first axis, one for each family and value of the second; below, the same lines against
    the number of trainable parameters. Records that lack an axis have "none" there; several at one place are pooled.

    Args:
        records: finished runs of one or more families.
        axes: names of two axes, with numbers or words on them; None for the first two along which the records differ,
            the model last, since families have maps of their own. Over `parameters` there are no other lines.
        metrics: names of `METRICS`, a column each.

    Raises:
        ValueError: a metric that does not exist.
    """
    metric_names(metrics)
    if not records:
        return message("Nothing to draw: there are no runs.")
    plan = _Plan.of(records, axes or _axes(records))
    wide = min(max(0.42 * len(plan.first.values), 2.5), 5.0)
    high = max(0.3 * len(plan.second.values), 0.6)
    left, top, gap, lines, between = 0.95, 0.3, 0.95, 1.8, 0.55
    maps = len(plan.families) * (high + 0.32) + 0.35
    total = left + len(metrics) * (wide + gap) - gap + 0.2
    notes = note_lines([" ".join([LEGEND, *plan.pooled()]), *undefined_notes(records, metrics)], total)
    labels = [f"{family}, {plan.second.title} {plan.second.label(value)}" for family, value in plan.series()]
    across = len({value for _, value in plan.series()})
    across = max(1, min(across, int(total / (0.6 + 0.06 * max(map(len, labels))))))
    foot = 0.17 * -(-len(labels) // across) + 0.12 * len(notes) + 0.2
    against = (True,) if plan.first.name == "parameters" else (False, True)
    figure = sheet(total, top + maps + len(against) * (lines + between) + foot)
    above = Grid(left, top, [wide] * len(metrics), [high] * len(plan.families), (gap, 0.32))
    beneath = Grid(left, top + maps, [wide] * len(metrics), [lines] * len(against), (gap, between))
    for column, metric in enumerate(metrics):
        summaries = plan.summaries(metric)
        panels = [above.panel(figure, row, column) for row in range(len(plan.families))]
        _draw_maps(panels, wide, plan, summaries, metric, column == 0)
        scale = _line_scale(metric, list(summaries.values()))
        for row, parameters in enumerate(against):
            axis = beneath.panel(figure, row, column)
            _draw_lines(axis, plan, summaries, scale, parameters=parameters)
    legend(
        figure,
        [Line2D([], [], linewidth=1.2, markersize=4, **plan.look(*series)) for series in plan.series()],
        labels,
        foot - 0.05,
        across,
        handlelength=3.0,
    )
    write_notes(figure, notes, 0.08)
    return figure


def _line_scale(metric: str, summaries: Sequence[Summary]) -> Scale:
    """The scale for means and the upper ends of their intervals.

    A lower end near or below zero would take up most of a logarithmic axis: it is cut at the edge of the panel.
    """
    means = np.array([float(summary.mean) for summary in summaries])
    half = np.nan_to_num([float(summary.half_width) for summary in summaries])
    low = np.where(means - half > np.abs(means) / 10, means - half, means)
    return metric_scale(metric, np.concatenate([means, means + half, low]), means)


def _draw_maps(
    panels: Sequence[Axes],
    wide: float,
    plan: _Plan,
    summaries: dict[Place, Summary],
    metric: str,
    labelled: bool,
) -> None:
    norm = metric_scale(metric, [float(summary.mean) for summary in summaries.values()]).norm
    first, second = plan.first, plan.second
    for row, (axes, family) in enumerate(zip(panels, plan.families, strict=True)):
        values = np.full((len(second.values), len(first.values)), np.nan)
        partial = np.zeros(values.shape, dtype=bool)
        for i, down in enumerate(second.values):
            for j, across in enumerate(first.values):
                if (found := summaries.get((family, across, down))) is not None:
                    values[i, j] = found.mean
                    partial[i, j] = 0 < found.defined < found.members
        draw_cells(axes, values, norm, partial=partial)
        colour = shades(plan.families, 1)[family][0]
        axes.set_title(f"{family}: {METRICS[metric]}", pad=3, color=colour, fontweight="bold")
        axes.set_yticks(range(len(second.values)), [second.label(value, 14) for value in second.values])
        last = row == len(plan.families) - 1
        axes.set_xticks(range(len(first.values)), first.labels(first.values, wide) if last else [])
        if last:
            axes.set_xlabel(first.title, labelpad=1)
        if labelled:
            axes.set_ylabel(second.title, labelpad=2)


def _draw_lines(axes: Axes, plan: _Plan, summaries: dict[Place, Summary], scale: Scale, *, parameters: bool) -> None:
    """One line per family and value of the second axis, against the first axis or the trainable parameters."""
    scale.apply(axes.yaxis, ticks=6)
    bottom, top = axes.get_ylim()
    if scale.kind == "symlog":
        axes.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    if parameters:
        size_axis(axes, [run.trainable_parameters for found in plan.runs.values() for run in found])
    else:
        plan.first.apply(axes)
    axes.set_ylabel(scale.label, fontsize=6.5)
    for family, value in plan.series():
        look = plan.look(family, value)
        points = []
        for (_, across, _), summary, found in (
            (place, summaries[place], runs)
            for place, runs in plan.runs.items()
            if place[0] == family and place[2] == value and summaries[place].defined
        ):
            if parameters:
                points.append((float(np.mean([run.trainable_parameters for run in found])), summary))
            elif across is None:
                axes.axhline(float(summary.mean), color=look["color"], linestyle=look["linestyle"], linewidth=1.0)
            else:
                points.append((plan.first.place(across), summary))
        points.sort(key=lambda point: point[0])
        x = [place for place, _ in points]
        axes.plot(
            x,
            [float(s.mean) for _, s in points],
            gid=f"{family} {value}",
            markersize=3.5,
            linewidth=1.1,
            **look,
        )
        if hollow := [(place, float(s.mean)) for place, s in points if s.defined < s.members]:
            axes.plot(*zip(*hollow, strict=True), look["marker"], color=look["color"], mfc="white", markersize=3.5)
        half = np.array([float(s.half_width) for _, s in points])
        mean = np.array([float(s.mean) for _, s in points])
        ends = np.clip([mean - half, mean + half], bottom, top)
        known = np.isfinite(half)
        if known.any():
            axes.vlines(np.array(x)[known], *ends[:, known], color=look["color"], linewidth=0.9, alpha=0.7)
