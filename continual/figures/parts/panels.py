"""Panels in rows and columns, placed by inches, and sheets of them with one legend and the notes below."""

__all__ = ["Entry", "Grid", "label_panel", "label_row", "note_lines", "panel_sheet", "series_entry", "spread_line"]

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from continual.figures.parts.style import GREY, band, escape, legend, panel, sheet, write, write_notes
from continual.reports.wrapping import shorten_name, wrap_name

Entry = tuple[Artist, str]
"""A line of the legend: how it looks, and its text."""

LEFT, TOP, NARROWEST = 0.62, 0.42, 5.2
"""Inches left of the first panel and above it, and of the narrowest sheet."""


@dataclass(frozen=True)
class Grid:
    """Where panels stand: columns and rows of these sizes, from a corner on, all in inches.

    Args:
        left: of the first column, from the figure's left edge.
        top: of the first row, from the figure's upper edge.
        widths: of the columns.
        heights: of the rows.
        gap: between columns, and between rows.
    """

    left: float
    top: float
    widths: Sequence[float]
    heights: Sequence[float]
    gap: tuple[float, float]

    @property
    def right(self) -> float:
        """Where the last column ends."""
        return _along(self.left, self.widths, self.gap[0], len(self.widths)) - self.gap[0]

    @property
    def bottom(self) -> float:
        """Where the last row ends."""
        return _along(self.top, self.heights, self.gap[1], len(self.heights)) - self.gap[1]

    def panel(self, figure: Figure, row: int, column: int) -> Axes:
        """Axes at a place of the grid."""
        left = _along(self.left, self.widths, self.gap[0], column)
        top = _along(self.top, self.heights, self.gap[1], row)
        return panel(figure, left, top, self.widths[column], self.heights[row])


def _along(start: float, sizes: Sequence[float], gap: float, index: int) -> float:
    """Where a column or row begins."""
    if len(set(sizes)) == 1:  # in one product, not to add up rounding
        return start + index * (sizes[0] + gap)
    for size in sizes[:index]:
        start += size + gap
    return start


def note_lines(notes: str | Sequence[str], width: float) -> list[str]:
    """Notes at the foot of a sheet of that width in inches, each beginning a line of its own."""
    texts = [notes] if isinstance(notes, str) else notes
    return [line for text in texts for line in textwrap.wrap(text, int(width / 0.058))]


def panel_sheet(
    count: int,
    across: int,
    size: tuple[float, float],
    gap: tuple[float, float],
    entries: Sequence[Entry],
    notes: str,
    head: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with empty panels, a legend and notes.

    Args:
        count: panels.
        across: of them in a row.
        size: of one, in inches; wider where a few would leave the sheet blank.
        gap: between them, in inches; that below a row has room for its labels and the next row's titles.
        entries: the legend; a dollar sign begins a formula.
        notes: how to read the figure.
        head: inches above each panel for more than its title.

    Returns:
        The figure, and its panels row by row.
    """
    across = max(1, min(across, count))
    top, gap = TOP + head, (gap[0], gap[1] + head)
    down = -(-count // across)
    filling = (NARROWEST - LEFT - 0.2 + gap[0]) / across - gap[0]  # few panels are wider, not half of a sheet
    size = max(size[0], filling), size[1]
    total = LEFT + across * (size[0] + gap[0]) - gap[0] + 0.2
    lines = note_lines(notes, total)
    labels = [shorten_name(text, 72) for _, text in entries]
    columns = max(1, min(len(labels), int(total / (0.45 + 0.064 * max(map(len, labels), default=1)))))
    below = 0.17 * -(-len(labels) // columns)
    grid = Grid(LEFT, top, [size[0]] * across, [size[1]] * down, gap)
    high = top + down * (size[1] + gap[1]) - gap[1] + 0.45
    figure = sheet(total, high + below + 0.12 * len(lines) + 0.18)
    handles = [handle for handle, _ in entries]
    legend(figure, handles, labels, below + 0.12 * len(lines) + 0.18, columns, handlelength=2.4, labelspacing=0.35)
    write_notes(figure, lines)
    return figure, [grid.panel(figure, *divmod(index, across)) for index in range(count)]


def label_panel(axes: Axes, title: str, width: float, head: float = 0.0) -> None:
    """A title of at most two lines above a panel of that width, `head` inches above it."""
    lines = wrap_name(title, int(width / 0.062), 2)
    axes.set_title(escape("\n".join(lines)), pad=4 + 72 * head)


def label_row(figure: Figure, middle: float, name: str, colour: str, below: str, width: int = 21) -> None:
    """What stands at the left of a row of panels: a name in at most three lines, and a smaller line.

    Args:
        figure: on which.
        middle: of the row, inches from the figure's upper edge.
        name: of a model.
        colour: of the name.
        below: the smaller line; nothing if empty.
        width: letters of a line.
    """
    lines = wrap_name(name, width, 3)
    top = middle - 0.5 * (0.125 * len(lines) + (0.12 if below else 0))
    write(figure, 0.12, top, escape("\n".join(lines)), color=colour, fontweight="bold", linespacing=1.15)
    if below:
        write(figure, 0.12, top + 0.125 * len(lines) + 0.02, below, fontsize=6.5, color=GREY)


def spread_line(
    axes: Axes,
    x: ArrayLike,
    values: ArrayLike,
    colour: str,
    *,
    stuck: NDArray[np.bool_] | None = None,
    shade: float = 0.16,
    gid: str = "",
    **line: Any,
) -> NDArray[np.float64]:
    """The median over members as a line, a band of quantiles of those that are not stuck, and the others as lines.

    Args:
        axes: where.
        x: (S,).
        values: (M, S); what is not finite or not positive does not count.
        colour: of everything.
        stuck: members that are no part of the band, (M,); they are part of the median.
        shade: opacity of the band.
        gid: of the line, by which it can be found again.
        line: further settings of the line.

    Returns:
        Every number that was drawn.
    """
    x, array = np.asarray(x), np.asarray(values, dtype=np.float64)
    array = np.where(array > 0, array, np.nan)  # the others have no place on a logarithmic axis
    lost = np.zeros(len(array), dtype=bool) if stuck is None else stuck
    low, _, high = band(array[~lost])
    middle = band(array)[1]
    if (~lost).sum() > 1:
        axes.fill_between(x, low, high, color=colour, alpha=shade, linewidth=0, zorder=1)
    for row in array[lost]:
        axes.plot(x, row, color=colour, linewidth=0.5, alpha=0.4, zorder=1, gid="stuck")
    axes.plot(x, middle, color=colour, gid=gid or None, **line)
    return np.concatenate([low, middle, high, array[lost].ravel()])


def series_entry(colour: str, marker: str, label: str, **line: Any) -> Entry:
    """The legend's entry of a line with markers."""
    return Line2D([], [], color=colour, marker=marker, markersize=3.5, linewidth=1.2, **line), escape(label)
