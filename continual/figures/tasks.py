"""The tasks of every curriculum: curves of one input, maps of two with the tasks' outlines, projections and slices."""

__all__ = ["draw_tasks", "tasks"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.style import GREY, escape, message, sheet, styled, write, write_notes
from continual.figures.parts.task_panels import (
    colours_of,
    draw_outline,
    draw_samples,
    draw_target,
    few_ticks,
    finish_panel,
    number_tasks,
    outlines_of,
    target_norm,
)
from continual.figures.parts.task_view import TaskView
from continual.records.record import Record
from continual.reports.wrapping import shorten_name

LEFT, SIDE, GAP, HEAD, BELOW, WIDTH = 0.55, 1.3, 0.42, 0.48, 0.42, 11.0
MOST = 16
"""Curricula of a figure."""

DOTS = 40
NOTES = (
    "Colours and numbers: the tasks in the order in which they are learned, as the first seed has them. Dots: training "
    "samples. Grey: the target, dark where it is high. "
)
OF_ONE = "Of one input: the target, and shaded where each task has its samples. "
OF_TWO = "Lines around samples: what a task shows. "
OF_MORE = (
    "Of more than two inputs: the samples of all tasks, projected, then slices: the target in the plane of inputs 1 "
    "and 2 through the middle of a task, with the outline of its samples. "
)


@styled
def tasks(records: Sequence[Record]) -> Figure:
    """The tasks of all curricula of some records, a row each, whatever models learned them; at most 16 curricula.

    Args:
        records: finished runs; those that have kept no tasks, being older, are left out.
    """
    found: list[tuple[TaskView, list[Record]]] = []
    for record in records:
        view = TaskView.of(record)
        if view is not None:
            known = next((group for other, group in found if view.same_tasks(other)), None)
            found.append((view, [record])) if known is None else known.append(record)
    if not found:
        return message("Nothing to draw: no run has kept what its tasks look like.")
    said = _said([group for _, group in found])
    return draw_tasks([view for view, _ in found], said)


def _said(groups: Sequence[Sequence[Record]]) -> list[str]:
    """What the sweep says of each group of records and not of all."""

    def common(records: Sequence[Record]) -> dict[str, Any]:
        first: Mapping[str, Any] = records[0].sweep
        return {key: value for key, value in first.items() if all(r.sweep.get(key) == value for r in records)}

    everywhere = common([record for group in groups for record in group])
    own = [{key: value for key, value in common(group).items() if key not in everywhere} for group in groups]
    return [", ".join(f"{key} = {value}" for key, value in each.items()) for each in own]


@styled
def draw_tasks(views: Sequence[TaskView], said: Sequence[str] | None = None) -> Figure:
    """The tasks of some curricula, a row each.

    Args:
        views: of the curricula, at least one; no more than the first 16 are drawn.
        said: of each what else stands above its row.
    """
    notes = NOTES + "".join(
        text
        for text, needed in (
            (OF_ONE, any(view.features == 1 for view in views)),
            (OF_TWO, any(view.features > 1 for view in views)),
            (OF_MORE, any(view.features > 2 for view in views)),
        )
        if needed
    )
    if len(views) > MOST:
        notes += f"The first {MOST} of {len(views)} curricula are drawn."
    lines = note_lines(notes, WIDTH)
    places = _places(views[:MOST])
    figure = sheet(WIDTH, (places[-1][0] + 1) * (HEAD + SIDE + BELOW) + 0.12 * len(lines) + 0.15)
    for index, (view, (row, left)) in enumerate(zip(views, places, strict=False)):
        top = row * (HEAD + SIDE + BELOW)
        count = len(view.task_names)
        parts = [f"{view.features} input{'s' if view.features > 1 else ''}", f"{count} task{'s' if count > 1 else ''}"]
        if len(view.shown) < count:
            parts[-1] += f", {len(view.shown)} of them drawn"
        parts += [said[index]] if said is not None and said[index] else []
        text = shorten_name(f"{view.name}: {', '.join(parts)}", 78 if _is_half(view) else 150)
        write(figure, left + 0.12, top + 0.1, escape(text), fontweight="bold")
        draw = _curves if view.features == 1 else _plane if view.features == 2 else _many
        draw(figure, view, left + LEFT, top + HEAD)
    write_notes(figure, lines)
    return figure


def _is_half(view: TaskView) -> bool:
    """Whether half the sheet is enough: for one input, and for one map and one of samples."""
    return view.features == 1 or (view.features == 2 and (view.maps is None or view.one_target or len(view.maps) < 4))


def _places(views: Sequence[TaskView]) -> list[tuple[int, float]]:
    """Row and left edge of each curriculum, two that are half as wide beside each other."""
    found: list[tuple[int, float]] = []
    for index, view in enumerate(views):
        row, left = found[-1] if found else (-1, 0.0)
        beside = index > 0 and left == 0.0 and _is_half(view) and _is_half(views[index - 1])
        found.append((row, WIDTH / 2) if beside else (row + 1, 0.0))
    return found


def _grid(left: float, top: float, count: int) -> Grid:
    return Grid(left, top, [SIDE] * count, [SIDE], (GAP, 0.0))


def _curves(figure: Figure, view: TaskView, left: float, top: float) -> None:
    """One input: the target, where each task lies, and its samples."""
    axes = Grid(left, top, [WIDTH / 2 - LEFT - 0.2], [SIDE], (0.0, 0.0)).panel(figure, 0, 0)
    low, high = (float(end) for end in view.box[0])
    x = np.linspace(low, high, view.maps.shape[1]) if view.maps is not None else None
    places = []
    for place, colour in enumerate(colours_of(view)):
        values, targets = view.inputs[place, :, 0], view.targets[place]
        curve = view.map_of(place)
        if x is not None and curve is not None and (place == 0 or not view.one_target):
            axes.plot(x, curve, color=GREY if view.one_target else colour, linewidth=0.8, gid="target")
        if view.one_target or x is None or curve is None:  # parts of one function lie beside each other
            axes.axvspan(float(values.min()), float(values.max()), color=colour, alpha=0.13, linewidth=0, gid="task")
            places.append(float(values.mean()))
        else:
            places.append(float(x[np.nan_to_num(np.abs(curve)).argmax()]))
        every = -(-len(values) // DOTS)
        axes.plot(values[::every], targets[::every], ".", color=colour, markersize=3, gid="samples")
    axes.set_xlim(low, high)
    number_tasks(axes, [(at, 1.0) for at in places], view, upright=True)
    few_ticks(axes, 6)
    axes.set_xlabel("input", labelpad=1)
    axes.set_ylabel("target", labelpad=2)


def _plane(figure: Figure, view: TaskView, left: float, top: float) -> None:
    """Two inputs: one map with the outlines of all tasks and one with their samples, or a map for each target."""
    norm = target_norm(view)
    if view.one_target or view.maps is None:
        grid = _grid(left, top, 2)
        for column in range(2):
            axes = grid.panel(figure, 0, column)
            draw_target(axes, view, 0, norm)
            for place in range(len(view.shown)):
                draw_outline(axes, view, place, 0)
                if column == 1:
                    draw_samples(axes, view, place, 1)
            if column == 0:
                number_tasks(axes, [tuple(each[0].mean(axis=0)) for each in outlines_of(view)], view)
            finish_panel(axes, view, 1, column == 0)
            axes.set_title("tasks" if column == 0 else "samples", pad=3)
        return
    places = _some(len(view.shown), 5)
    grid = _grid(left, top, len(places))
    for column, place in enumerate(places):
        axes = grid.panel(figure, 0, column)
        draw_target(axes, view, place, norm)
        draw_outline(axes, view, place, 0)
        finish_panel(axes, view, 1, column == 0)
        axes.set_title(escape(shorten_name(_title(view, place), 26)), pad=3)


def _many(figure: Figure, view: TaskView, left: float, top: float) -> None:
    """More inputs: samples of all tasks, projected, then slices through the middles of some tasks."""
    pairs = len(view.columns) - 1
    places = _some(len(view.shown), 6 - pairs) if view.maps is not None else []
    grid, norm = _grid(left, top, pairs + len(places)), target_norm(view)
    for pair in range(pairs):
        axes = grid.panel(figure, 0, pair)
        for place in range(len(view.shown)):
            draw_samples(axes, view, place, pair + 1)
            draw_outline(axes, view, place, pair)
        number_tasks(axes, [tuple(each[pair].mean(axis=0)) for each in outlines_of(view)], view)
        finish_panel(axes, view, pair + 1, True)
        axes.set_title("samples, projected" if pair == 0 else "", pad=3)
    for column, place in enumerate(places):
        axes = grid.panel(figure, 0, pairs + column)
        draw_target(axes, view, place, norm)
        draw_outline(axes, view, place, 0)
        finish_panel(axes, view, 1, column == 0)
        axes.set_title(f"slice through task {view.shown[place] + 1}", pad=3)


def _some(count: int, most: int) -> list[int]:
    """At most so many places, evenly chosen from the first to the last."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


def _title(view: TaskView, place: int) -> str:
    index = view.shown[place]
    return f"{index + 1}: {view.task_names[index]}"
