"""What finer grids do along training: errors in steps, errors and seconds against the grid (KAN paper, Fig. 2.3)."""

__all__ = ["extension"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from continual.figures.parts.panels import Entry, label_panel, panel_sheet, series_entry, spread_line
from continual.figures.parts.scales import error_axis, size_axis
from continual.figures.parts.style import GREY, INK, ModelStyle, band, looks, message, styled
from continual.models import edges
from continual.records.record import Record
from continual.reports.scaling_law import STUCK, stuck_members
from continual.reports.series import function_of, series_of
from continual.reports.stages import Stage, stages

Array = NDArray[np.float64]
Looks = dict[tuple[str, str], ModelStyle]
SIZE = (2.6, 1.75)


@styled
def extension(records: Sequence[Record], samples: int = 1000, fit_from: int = 5) -> Figure:
    """A column for each function and shape of network, the series of `record.sweep` on top of each other in it.

    From above: training and test error along training, with a line wherever a grid changes; test error at the end of
    each stage against its grid, as root of the mean and of the median squared error; seconds of each stage.

    Args:
        records: finished runs of models whose grids grow; others have a line in the upper row only.
        samples: training samples, for where a model has as many parameters as there are numbers to learn.
        fit_from: intervals from which the dashed and dotted lines begin.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    columns: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        shape = str(record.fields["model"]["layer_sizes"])
        columns.setdefault((function_of(record), shape), []).append(record)
    look = looks((record.family, series_of(record)) for record in records)
    orders = [record.fields["model"].get("spline_order") for record in records]
    order = next((int(k) for k in orders if k is not None), 3)
    notes = (
        "Lines: median over all seeds; bands: 10–90 % of those not stuck; thin lines: stuck seeds, their best error "
        f"more than {STUCK:g} times the smallest. Above: test error, and fainter the training error; vertical lines: a "
        "new grid, with its number of intervals G. Where series take different numbers of steps for the same grids, "
        "every stage has the same width. Middle: test error at the end of each stage; filled markers: root of the mean "
        "squared error; hollow ones: of the median squared error, which a few points outside the trained range can't "
        f"spoil; dashed: G^-{order + 1} and dotted: G^-{order} from the lowest medians at G ≥ {fit_from}; vertical: "
        f"as many trained parameters as numbers to learn ({samples} samples × outputs). Below: wall-clock time "
        "of all training steps on a grid, divided by the number of seeds trained side by side."
    )
    across = len(columns)
    figure, panels = panel_sheet(3 * across, across, SIZE, (0.65, 0.62), _entries(look, order), notes)
    for column, ((function, shape), here) in enumerate(columns.items()):
        above, middle, below = panels[column::across]
        label_panel(above, f"{function}, {shape}", SIZE[0])
        _draw_training(above, here, look)
        _draw_errors(middle, here, look, samples, order, fit_from)
        _draw_seconds(below, here, look)
        if column == 0:
            above.set_ylabel("RMSE, units of the target", labelpad=2)
            middle.set_ylabel("test error, units of the target", labelpad=2)
            below.set_ylabel("seconds on this grid, one seed", labelpad=2)
    return figure


def _entries(look: Looks, order: int) -> list[Entry]:
    entries = [series_entry(*style, name) for (_, name), style in look.items()]
    grey: dict[str, Any] = {"color": INK, "markersize": 3.5, "linewidth": 0.9}
    return [
        *entries,
        (Line2D([], [], marker="o", **grey), "mean-based"),
        (Line2D([], [], marker="o", markerfacecolor="white", **grey), "median-based"),
        (Line2D([], [], color=INK, linestyle="--", linewidth=0.8), f"$G^{{-{order + 1}}}$"),
        (Line2D([], [], color=GREY, linestyle=":", linewidth=1.0), f"$G^{{-{order}}}$"),
        (Line2D([], [], color=GREY, linestyle="-.", linewidth=0.8), "parameters = numbers to learn"),
    ]


def _style(record: Record, look: Looks) -> ModelStyle:
    return look[record.family, series_of(record)]


def _progress(steps: Array, found: Sequence[Stage]) -> Array:
    """Steps as stages: the end of the i-th is i, whatever number of steps it took."""
    ends = [0, *(stage.step for stage in found)]
    return np.interp(steps, ends, np.arange(len(ends)))


def _draw_training(axes: Axes, records: Sequence[Record], look: Looks) -> None:
    schedules = [stages(record) for record in records]
    steps = {tuple(stage.step for stage in found) for found in schedules}
    grids = {tuple(stage.grid_size for stage in found) for found in schedules}
    aligned = len(steps) > 1 and len(grids) == 1
    shown: list[float] = []
    for record, found in zip(records, schedules, strict=True):
        curves, colour = record.curves, _style(record, look).colour
        x = curves["step"].astype(np.float64)
        x = _progress(x, found) if aligned else x
        train = np.sqrt(np.where(curves["loss"] > 0, curves["loss"], np.nan))
        axes.plot(x, band(train)[1], color=colour, linewidth=0.9, alpha=0.4, zorder=1.5, gid="train")
        stuck = stuck_members(np.stack([stage.rmse for stage in found], axis=1))
        test = curves["rmse"].mean(axis=-1)
        shown += [*spread_line(axes, x, test, colour, stuck=stuck, gid="test", linewidth=1.2), *band(train)[1]]
    error_axis(axes.yaxis, shown)
    last = float(len(schedules[0])) if aligned else max(float(record.curves["step"][-1]) for record in records)
    axes.set_xlim(0.0, last)
    axes.set_xlabel("stages of training, each with its grid" if aligned else "training steps", labelpad=1)
    if aligned:
        axes.set_xticks(range(len(schedules[0]) + 1))
    longest = max(schedules, key=len)
    begin, free = 0.0, -1.0
    for index, stage in enumerate(longest):
        if begin and stage.grid_size is not None:
            axes.axvline(begin, color=GREY, linewidth=0.4, alpha=0.7, zorder=0, gid="grid")
        if stage.grid_size is not None and begin / last >= free:
            text = f"G={stage.grid_size}" if index == 0 else f"{stage.grid_size}"
            axes.annotate(
                text,
                (begin, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(1.5, -1),
                textcoords="offset points",
                va="top",
                fontsize=6,
                color=GREY,
            )
            free = begin / last + (len(text) + 1) * 0.06 / SIZE[0]
        begin = float(index + 1) if aligned else float(stage.step)


def _growing(records: Sequence[Record]) -> list[tuple[Record, list[Stage], Array]]:
    """Runs of models with grids, with their stages and the grids of these."""
    found = [(record, stages(record)) for record in records]
    return [
        (record, each, np.array([stage.grid_size for stage in each], dtype=np.float64))
        for record, each in found
        if all(stage.grid_size is not None for stage in each)
    ]


def _none(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "no grids", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _draw_errors(axes: Axes, records: Sequence[Record], look: Looks, samples: int, order: int, fit_from: int) -> None:
    found = _growing(records)
    if not found:
        return _none(axes)
    shown: list[float] = []
    for record, each, grids in found:
        colour, marker = _style(record, look)
        settings: dict[str, Any] = {"marker": marker, "markersize": 3.4, "markeredgewidth": 0.7}
        mean = np.stack([stage.rmse for stage in each], axis=1)
        median = np.stack([stage.median for stage in each], axis=1)
        stuck = stuck_members(mean)
        shown += list(spread_line(axes, grids, mean, colour, stuck=stuck, gid="rmse", **settings))
        settings |= {"markerfacecolor": "white", "linewidth": 0.8}
        shown += list(spread_line(axes, grids, median, colour, stuck=stuck, gid="median", shade=0.1, **settings))
    size_axis(axes, [grid for _, _, grids in found for grid in grids], "intervals of the grid, G")
    error_axis(axes.yaxis, shown)
    limits = axes.get_xlim(), axes.get_ylim()
    _, each, grids = min(found, key=lambda one: min(stage.typical for stage in one[1]))
    starts = [band(np.stack([getattr(stage, kind) for stage in each], axis=1))[1] for kind in ("median", "rmse")]
    for start, power, dashes, colour in zip(starts, (order + 1, order), ("--", ":"), (INK, GREY), strict=True):
        known = np.flatnonzero((start > 0) & (grids >= fit_from))
        if len(known):
            x = np.array([grids[known[0]], limits[0][1]])
            axes.plot(x, start[known[0]] * (x / x[0]) ** -power, dashes, color=colour, linewidth=0.9, gid="guide")
    for place in {_threshold(record, each[-1], samples) for record, each, _ in found}:
        axes.axvline(place, color=GREY, linestyle="-.", linewidth=0.8, zorder=0.5, gid="threshold")
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def _threshold(record: Record, stage: Stage, samples: int) -> float:
    """The grid at which there are as many trained parameters as numbers to learn: each interval costs one an edge."""
    assert stage.grid_size is not None
    sizes = record.fields["model"]["layer_sizes"]
    return stage.grid_size + (samples * sizes[-1] - stage.parameters) / edges(sizes)


def _draw_seconds(axes: Axes, records: Sequence[Record], look: Looks) -> None:
    found = _growing(records)
    if not found:
        return _none(axes)
    shown: list[float] = []
    for record, each, grids in found:
        colour, marker = _style(record, look)
        seconds = np.array([stage.own_seconds for stage in each]) / len(record.seeds)
        axes.plot(grids, seconds, color=colour, marker=marker, markersize=3.4, markeredgewidth=0, gid="seconds")
        shown += list(seconds)
    size_axis(axes, [grid for _, _, grids in found for grid in grids], "intervals of the grid, G")
    error_axis(axes.yaxis, shown)
