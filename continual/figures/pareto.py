"""The best error for every number of parameters: a panel a function, a front a group (KAN paper, Fig. 3.2)."""

__all__ = ["pareto"]

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.parts.panels import label_panel, panel_sheet, series_entry
from continual.figures.parts.scales import error_axis, size_axis
from continual.figures.parts.style import INK, ModelStyle, band, looks, message, styled
from continual.records.record import Record
from continual.reports.series import function_of
from continual.reports.stages import pareto_front, stages

Looks = dict[tuple[str, str], ModelStyle]
Paper = Mapping[str, Mapping[str, float | None]]
DASHES = ((4, 2), (1, 1.5), (5, 2, 1, 2))
SIZE = (1.75, 1.45)


class _Point(NamedTuple):
    """A stage of a run: trained parameters, and quantiles of the test RMSE over the seeds."""

    size: float
    low: float
    middle: float
    high: float


@styled
def pareto(
    records: Sequence[Record], paper: Paper | None = None, groups: Sequence[str] | None = None, across: int = 5
) -> Figure:
    """Test RMSE of the median seed against trained parameters, and the front of what is best for its size.

    Every stage of every run is a point. Points of one group, `group` of the sweep or the family of the model, have one
    front.

    Args:
        records: finished runs, with `function` in their sweeps.
        paper: by function the test RMSE that others reached, by family of models (`KAN`, `MLP`); what is missing,
            None, or no family of these records is not drawn.
        groups: the groups to draw; None for all.
        across: panels in a row.
    """
    records = [record for record in records if groups is None or _group(record)[1] in groups]
    if not records:
        return message("Nothing to draw: there are no runs.")
    functions = list(dict.fromkeys(function_of(record) for record in records))
    look = looks(_group(record) for record in records)
    drawn = {record.family for record in records}
    published = {function: _known((paper or {}).get(function) or {}, drawn) for function in functions}
    families = list(dict.fromkeys(family for found in published.values() for family in found))
    entries = [series_entry(*style, name) for (_, name), style in look.items()]
    colours = {family: _colour(family, look) for family in families}
    dashes = {family: DASHES[index % len(DASHES)] for index, family in enumerate(families)}
    entries += [
        (Line2D([], [], color=colours[family], dashes=dashes[family], linewidth=1.0), f"best {family}, published")
        for family in families
    ]
    notes = (
        "Pale points: every size of every run, test RMSE of the median seed against trained parameters. Large markers "
        "and steps: those that no other of their colour beats in both; bars: 10–90 % of the seeds."
    )
    if families:
        notes += " Dashed levels: the lowest test RMSE that was published, whatever its number of parameters."
    figure, panels = panel_sheet(len(functions), across, SIZE, (0.5, 0.72), entries, notes)
    for index, (axes, function) in enumerate(zip(panels, functions, strict=True)):
        here = [record for record in records if function_of(record) == function]
        shown = _draw(axes, here, look)
        for family, level in published[function].items():
            axes.axhline(level, color=colours[family], dashes=dashes[family], linewidth=0.9, zorder=1.5, gid="paper")
            shown.append(level)
        error_axis(axes.yaxis, shown, ticks=5)
        label_panel(axes, function, SIZE[0] + 0.4)
        axes.set_xlabel("trained parameters" if index + across >= len(functions) else "", labelpad=1)
        if index % across == 0:
            axes.set_ylabel("test RMSE,\nunits of the target", labelpad=2)
    return figure


def _group(record: Record) -> tuple[str, str]:
    return record.family, str(record.sweep.get("group") or record.family)


def _known(levels: Mapping[str, float | None], drawn: set[str]) -> dict[str, float]:
    return {
        family: float(level)
        for family, level in levels.items()
        if family in drawn and level is not None and math.isfinite(level)
    }


def _colour(family: str, look: Looks) -> str:
    """The colour of the family's first group, or the one that it would have."""
    return (
        next((style.colour for (kind, _), style in look.items() if kind == family), None)
        or looks([(family, family)])[family, family].colour
    )


def _points(records: Sequence[Record]) -> list[_Point]:
    """Every stage with a median seed."""
    found = [(stage.parameters, *band(stage.rmse)) for record in records for stage in stages(record)]
    return [_Point(*map(float, point)) for point in found if point[2] > 0]


def _draw(axes: Axes, records: Sequence[Record], look: Looks) -> list[float]:
    """Points and fronts of one function; returns the errors that the axis has to show."""
    shown: list[float] = []
    sizes: list[float] = []
    for group in dict.fromkeys(_group(record) for record in records):
        colour, marker = look[group]
        points = _points([record for record in records if _group(record) == group])
        sizes += [point.size for point in points]
        shown += [point.middle for point in points]
        x, y = [point.size for point in points], [point.middle for point in points]
        axes.plot(x, y, ".", color=colour, markersize=3.5, markeredgewidth=0, alpha=0.35, zorder=1, gid="points")
        front = [points[index] for index in pareto_front([(point.size, point.middle) for point in points])]
        if not front:
            continue
        array = np.array(front)
        axes.vlines(array[:, 0], array[:, 1], array[:, 3], color=colour, linewidth=0.8, alpha=0.7, zorder=2)
        axes.plot(
            array[:, 0],
            array[:, 2],
            marker=marker,
            color=colour,
            drawstyle="steps-post",
            markersize=3.4,
            markeredgecolor="white",
            markeredgewidth=0.3,
            linewidth=1.1,
            zorder=3,
            gid="front",
        )
        shown += [*array[:, 1], *array[:, 3]]
    if sizes:
        size_axis(axes, sizes, ticks=4)
    else:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "all seeds diverged", transform=axes.transAxes, ha="center", color=INK)
    return shown
