"""What models predict while they learn, all of an experiment in one film: predictions, and the errors beneath."""

__all__ = ["predictions"]

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from continual.figures.films.files import Film, Frame
from continual.figures.films.panels import Image, Line, Panel
from continual.figures.films.reel import Reel
from continual.figures.films.scene import Scene
from continual.figures.parts.panels import note_lines
from continual.figures.parts.style import (
    BAND,
    FAINT,
    RC,
    Array,
    escape,
    model_styles,
    panel,
    sheet,
    task_colours,
    write,
    write_notes,
)
from continual.probes.film import EXPONENT
from continual.records.record import Record
from continual.reports.wrapping import shorten_name

ACROSS, WIDTH, STRIP = 4, 2.2, 0.5
LEFT, TOP, RIGHT = 0.52, 0.62, 0.12
TITLE, BETWEEN, GAP = 0.2, 0.06, 0.12
HEIGHTS = {1: 0.95, 2: 1.75}
"""Inches of a panel of predictions, by the inputs that the tasks have."""

STEP, PAUSE, END = 90, 1000, 2500
"""Milliseconds of a frame, of one at the end of a task, and of the last."""

LEGEND = (
    f"Line: median of the seeds, band: {100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} % of them; grey line: target; grey "
    "field: where the model is trained now; ▲▼: how far it goes outside the panel. ",
    "Image: median of the seeds; frame: where the model is trained now. ",
)
BENEATH = (
    "Beneath, log scale: RMSE at the film's points in each task's region, median of the seeds, lines in the colours of "
    "the tasks above. Each task takes the same time, its first steps most of it."
)


def predictions(records: Sequence[Record]) -> Film | None:
    """A film of what models predict through all tasks, in which time is the same share of a task for all of them.

    Args:
        records: finished runs; those that were not filmed, have other tasks or inputs than the first, or more than two
            inputs, are left out.

    Returns:
        The film; None where no run was filmed.
    """
    found = [reel for record in records if (reel := Reel.of(record)) is not None]
    if not found:
        return None
    alike = [reel for reel in found if reel.regions.shape == found[0].regions.shape]
    times = max((reel.times for reel in alike), key=len).round(9)
    shown = [STEP if time % 1.0 else PAUSE for time in times.tolist()]
    return Film(lambda: _frames(alike, times.tolist()), [*shown[:-1], END])


@dataclass(frozen=True)
class _Cell:
    """One model: its predictions, and the errors that are drawn as far as time has come."""

    reel: Reel
    above: Panel
    lines: LineCollection
    errors: Array

    def show(self, time: float) -> None:
        index = self.reel.frame(time)
        task = min(max(math.ceil(time) - 1, 0), len(self.reel.regions) - 1)
        self.above.show(index, task)
        past = self.reel.times[: index + 1]
        self.lines.set_segments([np.column_stack([past, errors[: index + 1]]) for errors in self.errors.T])

    @property
    def moving(self) -> list[Artist]:
        return [*self.above.moving, self.lines]


def _draw(reels: Sequence[Reel]) -> tuple[Figure, list["_Cell | _Head"]]:
    """The figure with everything that stands still, and the parts of it that move."""
    inputs = reels[0].inputs.shape[1]
    height, total = HEIGHTS[inputs], len(reels[0].regions)
    across = min(ACROSS, len(reels)) if len(reels) != 5 else 3
    down = -(-len(reels) // across)
    size = TITLE + height + BETWEEN + STRIP
    width = LEFT + RIGHT + across * WIDTH + (across - 1) * GAP
    notes = note_lines([LEGEND[inputs - 1] + BENEATH], width)
    figure = sheet(width, TOP + down * (size + GAP) + 0.2 + 0.12 * len(notes) + 0.1)
    write_notes(figure, notes)
    styles, colours = model_styles([reel.record for reel in reels]), task_colours(total)
    errors = [reel.errors() for reel in reels]
    low, high = _limits(errors)
    parts: list[_Cell | _Head] = [_Head(figure, reels[0], colours, width)]
    for place, (reel, error) in enumerate(zip(reels, errors, strict=True)):
        row, column = divmod(place, across)
        left, top = LEFT + column * (WIDTH + GAP), TOP + row * (size + GAP)
        colour = styles[reel.record.name].colour
        name = shorten_name(reel.record.name, 33)
        write(figure, left, top + 0.03, escape(name), color=colour, fontweight="bold")
        axes = panel(figure, left, top + TITLE, WIDTH, height)
        above = (Line if inputs == 1 else Image)(axes, reels, reel, colour)
        strip = panel(figure, left, top + TITLE + height + BETWEEN, WIDTH, STRIP)
        lines = _strip(strip, total, colours, (low, high))
        last = row == down - 1 or place + across >= len(reels)
        axes.tick_params(labelleft=column == 0 and inputs == 1)
        strip.tick_params(labelleft=column == 0, labelbottom=last)
        if last:
            strip.set_xlabel("task", labelpad=1)
        parts.append(_Cell(reel, above, lines, error))
    return figure, parts


class _Head:
    """Which task is on, and how far: a bar in the colours of the tasks."""

    def __init__(self, figure: Figure, reel: Reel, colours: Sequence[str], width: float) -> None:
        self.names = reel.record.task_names
        total = len(self.names)
        self.text = write(figure, LEFT, 0.1, "", fontsize=9, fontweight="bold")
        axes = panel(figure, LEFT, 0.33, width - LEFT - RIGHT, 0.1)
        axes.set(xlim=(0, total), ylim=(0, 1))
        axes.set_axis_off()
        for index, colour in enumerate(colours):
            axes.axvspan(index + 0.004, index + 0.996, color=colour, alpha=0.22, linewidth=0)
        self.done = [axes.axvspan(index, index, color=colour, linewidth=0) for index, colour in enumerate(colours)]

    def show(self, time: float) -> None:
        task = min(max(math.ceil(time) - 1, 0), len(self.names) - 1)
        share = 100.0 * (time - task) ** EXPONENT
        written = f"{share:.0f}" if share >= 10 else f"{share:.2g}"
        said = f"phase {task + 1} of {len(self.names)}: {self.names[task]}, {written} % of its steps"
        self.text.set_text(escape(said) if time > 0 else "before training")
        for index, patch in enumerate(self.done):
            patch.set(x=index + 0.004, width=max(min(time - index, 1.0) - 0.008, 0.0))

    @property
    def moving(self) -> list[Artist]:
        return [self.text, *self.done]


def _limits(errors: Sequence[Array]) -> tuple[float, float]:
    """Of the axis of errors, which all models share: at most eight decades."""
    known = np.concatenate([each[np.isfinite(each) & (each > 0)] for each in errors])
    high = 10.0 ** math.ceil(math.log10(min(known.max(initial=1e-3), 1e3)))
    low = 10.0 ** math.floor(math.log10(max(known.min(initial=high), 1e-8 * high)))
    return low, high


def _strip(axes: Axes, tasks: int, colours: Sequence[str], limits: tuple[float, float]) -> LineCollection:
    """Empty lines of errors on a logarithmic axis, the ends of tasks marked."""
    for end in range(1, tasks):
        axes.axvline(end, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_yscale("log")
    axes.set(xlim=(0, tasks), ylim=limits, xticks=np.arange(tasks) + 0.5)
    axes.set_xticklabels([str(index + 1) for index in range(tasks)])
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(LogLocator(numticks=1))
    lines = LineCollection([], colors=list(colours), linewidths=1.1, gid="errors")
    axes.add_collection(lines, autolim=False)
    return lines


def _frames(reels: Sequence[Reel], times: Sequence[float]) -> Iterator[Frame]:
    with mpl.rc_context(RC):
        figure, parts = _draw(reels)
        scene = Scene(figure, [artist for part in parts for artist in part.moving])
    for time in times:
        for part in parts:
            part.show(time)
        yield scene.frame()
