"""What a panel of tasks is made of: the target, outlines, samples, the tasks' numbers, and its axes."""

__all__ = [
    "colours_of",
    "draw_outline",
    "draw_samples",
    "draw_target",
    "few_ticks",
    "finish_panel",
    "number_tasks",
    "outlines_of",
    "target_norm",
]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from continual.figures.parts.style import INK, task_colours
from continual.figures.parts.task_view import TaskView


def colours_of(view: TaskView) -> list[str]:
    """The colour of each task that is shown."""
    colours = task_colours(len(view.task_names))
    return [colours[index] for index in view.shown]


def outlines_of(view: TaskView) -> Any:
    """Corners of each task's samples in the planes of pairs of inputs."""
    assert view.outlines is not None, "tasks of several inputs have outlines"
    return view.outlines


def target_norm(view: TaskView) -> Normalize:
    """One scale for all maps of a curriculum."""
    values = view.targets if view.maps is None else view.maps
    known = values[np.isfinite(values)]
    return Normalize(float(known.min()), float(known.max())) if len(known) else Normalize(0.0, 1.0)


def draw_target(axes: Axes, view: TaskView, place: int, norm: Normalize) -> None:
    """The target in the plane of the first two inputs, if anybody knows it."""
    values = view.map_of(place)
    if values is not None:
        extent: Any = (*view.box[0], *view.box[1])
        axes.imshow(values, cmap="Greys", norm=norm, alpha=0.8, origin="lower", extent=extent, aspect="auto")


def draw_outline(axes: Axes, view: TaskView, place: int, pair: int) -> None:
    """The outline of a task's samples in the plane of a pair of inputs."""
    corners = outlines_of(view)[place, pair]
    closed = np.concatenate([corners, corners[:1]])
    axes.plot(closed[:, 0], closed[:, 1], color=colours_of(view)[place], linewidth=1.1, gid="task")


def draw_samples(axes: Axes, view: TaskView, place: int, column: int) -> None:
    """Training samples of a task in the plane of the first input and another."""
    x, y = view.inputs[place, :, 0], view.inputs[place, :, column]
    axes.plot(x, y, ".", color=colours_of(view)[place], markersize=1.6, gid="samples")


def number_tasks(axes: Axes, places: Sequence[tuple[float, ...]], view: TaskView, *, upright: bool = False) -> None:
    """The number of each task where it lies; above the panel where there is but one input."""
    taken: list[tuple[float, ...]] = []
    span = view.box[:, 1] - view.box[:, 0]
    for (x, y), index in zip(places, view.shown, strict=True):
        if any(abs(x - a) < 0.02 * span[0] and (upright or abs(y - b) < 0.05 * np.abs(span).max()) for a, b in taken):
            continue  # another one stands there
        taken.append((x, y))
        where: Any = {"transform": axes.get_xaxis_transform(), "va": "bottom"} if upright else {"va": "center"}
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.65, "pad": 0.3}
        text = axes.text(x, y, str(index + 1), ha="center", fontsize=6.5, color=INK, gid="number", **where)
        if not upright:
            text.set_bbox(box)


def finish_panel(axes: Axes, view: TaskView, column: int, first: bool) -> None:
    """Limits and labels of a plane of the first input and another."""
    for name, ends in (("x", view.box[0]), ("y", view.box[column])):
        margin = 0.03 * (ends[1] - ends[0]) or 0.1
        axes.set(**{f"{name}lim": (ends[0] - margin, ends[1] + margin)})
    few_ticks(axes, 3)
    axes.set_xlabel(f"input {view.columns[0] + 1}", labelpad=1)
    axes.tick_params(labelleft=first)
    if first:
        axes.set_ylabel(f"input {view.columns[column] + 1}", labelpad=0)


def few_ticks(axes: Axes, count: int) -> None:
    """About so many round ticks within the limits of either axis."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        places = MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high)
        axis.set_ticks([place for place in places if low <= place <= high])
