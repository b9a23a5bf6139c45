"""Metrics against one axis of a sweep: a column of panels for each value of other axes, a line for each model."""

__all__ = ["lines"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from continual.figures.parts.axes import SweepAxis, standing_at
from continual.figures.parts.panels import label_panel, panel_sheet, series_entry
from continual.figures.parts.scales import Scale, metric_scale
from continual.figures.parts.style import GREY, ModelStyle, looks, message, styled
from continual.metrics import Summary, metric_names, summarize
from continual.records.record import Record
from continual.reports.numbers import undefined_notes

SIZE = (1.55, 1.3)
NOTES = (
    "Markers: mean over seeds; bars: 95 % interval (Student's t), cut at the edge of the panel; hollow: not defined "
    "for all seeds; missing: for none. Dashed: the RMSE of predicting each task's mean. Models stand beside each other "
    "so that their bars can be told apart."
)


@styled
def lines(
    records: Sequence[Record],
    axis: str,
    panels: Sequence[str] = (),
    series: str = "series",
    metrics: Sequence[str] = ("retention", "learned_rmse", "final_rmse"),
    where: Mapping[str, Any] | None = None,
) -> Figure:
    """Metrics against an axis of a sweep, from `record.sweep`.

    A row of panels for each metric, a column for each combination of values of the axes `panels`, a line for each
    value of `series`, in the style of its position in its family. A run that lacks an axis of the panels stands in all
    of them. The scale of a metric is that of all its panels.

    Args:
        records: finished runs.
        axis: name of the axis across; runs that lack it are level lines.
        panels: names of axes that have panels of their own.
        series: name of the axis that tells lines apart; the name of the run where it lacks it.
        metrics: names of `METRICS`.
        where: only runs with these values of axes.

    Raises:
        ValueError: a metric that does not exist.
    """
    metric_names(metrics)
    records = standing_at(records, where)
    if not records:
        return message("Nothing to draw: there are no runs.")
    across = SweepAxis.of(axis, records)
    columns = _columns(records, panels)
    told = SweepAxis.of(series, records)
    names = {record.folder: (record.family, _name(record, told)) for record in records}
    look = looks(names.values())
    notes = " ".join([NOTES, *undefined_notes(records, metrics)])
    entries = [series_entry(*style, name) for (_, name), style in look.items()]
    figure, sheet = panel_sheet(
        len(metrics) * len(columns), len(columns), SIZE, (0.22, 0.42), entries, notes, head=0.1 if panels else 0.0
    )
    for row, metric in enumerate(metrics):
        summaries = {record.folder: summarize(record.metrics[metric]) for record in records}
        scale = _scale(metric, list(summaries.values()))
        for column, (title, chosen) in enumerate(columns.items()):
            axes = sheet[row * len(columns) + column]
            across.apply(axes)
            scale.apply(axes.yaxis, ticks=5)
            if row == 0 and title:
                label_panel(axes, title, SIZE[0])
            if column == 0:
                axes.set_ylabel(scale.label, fontsize=6.5)
            else:
                axes.tick_params(labelleft=False)
            if row < len(metrics) - 1:
                axes.set_xlabel("")
            shown = [record for record in records if _belongs(_place(record, panels), chosen)]
            for index, (name, style) in enumerate(look.items()):
                own = [record for record in shown if names[record.folder] == name]
                _draw(axes, across, own, summaries, style, (index + 0.5) / len(look) - 0.5)
            if metric.endswith("_rmse"):
                _draw_baseline(axes, shown)
    return figure


def _name(record: Record, series: SweepAxis) -> str:
    """What a line is called: numbers with the name of their axis, words alone."""
    value = SweepAxis.value(series.name, record)
    if value is None:
        return record.name
    return f"{series.title} {series.label(value)}" if series.numeric else str(value)


def _place(record: Record, panels: Sequence[str]) -> tuple[Any, ...]:
    return tuple(SweepAxis.value(name, record) for name in panels)


def _belongs(place: tuple[Any, ...], column: tuple[Any, ...]) -> bool:
    return all(own is None or own == wanted for own, wanted in zip(place, column, strict=True))


def _columns(records: Sequence[Record], panels: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Title and place of each column of panels, in the order of the axes' values."""
    axes = [SweepAxis.of(name, records) for name in panels]
    found = {_place(record, panels) for record in records}
    places = sorted(
        {place for place in found if None not in place} or found,
        key=lambda place: [each.values.index(value) for each, value in zip(axes, place, strict=True)],
    )
    return {
        ", ".join(
            f"{each.title} {each.label(value)}" if each.numeric else each.label(value)
            for each, value in zip(axes, place, strict=True)
        ): place
        for place in places
    }


def _scale(metric: str, summaries: Sequence[Summary]) -> Scale:
    """Of all means: an interval that is wider than all of them says so by ending at the edge."""
    return metric_scale(metric, [float(summary.mean) for summary in summaries])


def _draw(
    axes: Axes,
    across: SweepAxis,
    records: Sequence[Record],
    summaries: dict[Any, Summary],
    style: ModelStyle,
    beside: float,
) -> None:
    """One line; `beside` moves its points off their place, from -0.5 to 0.5 of what there is room for."""
    colour = style.colour
    points = []
    for record in records:
        summary = summaries[record.folder]
        value = SweepAxis.value(across.name, record)
        if not summary.defined:
            continue
        if value is None:
            axes.axhline(float(summary.mean), color=colour, linewidth=0.9)
        else:
            points.append((_moved(axes, across.place(value), beside), summary))
    if not points:
        return
    points.sort(key=lambda point: point[0])
    x = np.array([place for place, _ in points])
    mean = np.array([float(summary.mean) for _, summary in points])
    half = np.nan_to_num([float(summary.half_width) for _, summary in points])
    whole = np.array([summary.defined == summary.members for _, summary in points])
    axes.plot(x, mean, color=colour, linewidth=0.9, alpha=0.8)
    axes.plot(x[whole], mean[whole], style.marker, color=colour, markersize=2.8)
    axes.plot(x[~whole], mean[~whole], style.marker, color=colour, markersize=2.8, markerfacecolor="white")
    low, high = axes.get_ylim()
    axes.vlines(x, *np.clip([mean - half, mean + half], low, high), color=colour, linewidth=0.7, alpha=0.6)


def _moved(axes: Axes, place: float, beside: float) -> float:
    """A place moved by a share of a fortieth of the axis, on its scale."""
    transform = axes.xaxis.get_transform()
    low, high = transform.transform(np.array(axes.get_xlim()))
    at = transform.transform(np.array([place]))[0] + beside * 0.05 * (high - low)
    return float(transform.inverted().transform(np.array([at]))[0])


def _draw_baseline(axes: Axes, records: Sequence[Record]) -> None:
    """The error of predicting each task's mean, averaged over all runs of a panel."""
    level = float(np.mean([record.baseline.mean() for record in records]))
    axes.axhline(level, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1, gid="baseline")
