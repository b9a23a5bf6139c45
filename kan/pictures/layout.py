"""Where everything of a network's picture stands: nodes, the icon of every edge, and lines that cross no icon.

As in the KAN paper (Liu et al., 2024, https://arxiv.org/abs/2404.19756, Fig. 4.1) layers are stacked upwards, and the
edges between two rows of nodes stand side by side, those of the first input first. Layers of many edges take two
staggered rows of icons: each edge keeps a column of its own, and the lines of one row run straight through the gaps of
the other, so icons are twice as large on the same width.
"""

__all__ = ["Edge", "Layout", "arrange"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGE, SMALL = 0.7, 0.3
"""Side of an icon in inches, at most and at least."""

STAGGERED = 0.42
"""Side of an icon at most where there are two rows of them."""

ONE_ROW, TWO_ROWS = 1.25, 0.62
"""Distance between the columns of neighbouring edges at least, in sides of an icon."""

STRETCH = 0.35
"""How much higher than needed a fan of lines may be, in inches."""

NODE_PITCH = 0.3
"""Distance between nodes at least, in inches."""


@dataclass(frozen=True)
class Edge:
    """One edge: its icon and its two lines, in inches from the picture's lower left corner."""

    layer: int
    source: int
    target: int
    x: float
    """Centre of the icon."""
    y: float
    lower: Array
    """Corners of the line from the source's node to the icon, shape (n, 2)."""
    upper: Array
    """Corners of the line from the icon to the target's node, shape (n, 2)."""


@dataclass(frozen=True)
class Layout:
    """A network's picture; lengths in inches, the origin in its lower left corner."""

    width: float
    height: float
    side: float
    """Side of every icon."""
    nodes: list[dict[int, tuple[float, float]]]
    """Place of each node that is drawn, by its index, for each of the depth + 1 rows."""
    edges: list[Edge]


def arrange(
    shown: Sequence[NDArray[Any]],
    width: float = 7.0,
    *,
    all_ends: bool = True,
    largest: float = LARGE,
    height: float = 0.0,
) -> Layout:
    """Places the edges that are shown, and the nodes they touch.

    Args:
        shown: for each layer which edges are drawn, bool (I, O).
        width: what the picture may take before icons would be smaller than `SMALL`; in inches.
        all_ends: whether inputs and outputs are drawn even where no edge touches them.
        largest: side of an icon at most, in inches.
        height: what the picture takes at least, if the fans of lines need not grow by more than `STRETCH` for it.

    Returns:
        The layout: no two icons overlap, and no line runs through an icon.
    """
    sizes = [len(shown[0]), *(layer.shape[1] for layer in shown)]
    kept = []
    for row, size in enumerate(sizes):
        used = np.zeros(size, dtype=bool)
        if row:
            used |= shown[row - 1].any(axis=0)
        if row < len(shown):
            used |= shown[row].any(axis=1)
        if all_ends and row in (0, len(sizes) - 1):
            used[:] = True
        kept.append(np.flatnonzero(used))
    pairs = [np.argwhere(layer) for layer in shown]
    most = max([1, *map(len, pairs)])
    side = min(LARGE, width / (ONE_ROW * most))
    if side < SMALL:
        side = min(STAGGERED, max(SMALL, width / (TWO_ROWS * most + 1 - TWO_ROWS)))
    side = min(side, largest)
    total = max(
        *(_needed(len(found), side, width) for found in pairs),
        *(len(found) * NODE_PITCH for found in kept),
        1.6 * side,
    )
    columns = [_spread(len(found), total) for found in kept]
    floors = [
        {int(node): float(x) for node, x in zip(found, row, strict=True)}
        for found, row in zip(kept, columns, strict=True)
    ]
    strips = [_Strip.of(found, floors[layer], floors[layer + 1], side, total) for layer, found in enumerate(pairs)]
    natural = sum(strip.rise + strip.block + strip.fall for strip in strips)
    extra = min(max(height - natural, 0.0) / (2 * len(strips)), STRETCH)
    nodes = [{node: (x, 0.0) for node, x in floors[0].items()}]
    edges: list[Edge] = []
    y = 0.0
    for layer, strip in enumerate(strips):
        below, above = floors[layer], floors[layer + 1]
        bottom = y + strip.rise + extra
        top = bottom + strip.block
        end = top + strip.fall + extra
        for column, ((i, o), x) in enumerate(zip(strip.pairs, strip.places, strict=True)):
            # rows alternate, so that the neighbours of an icon are lines
            low = bottom if column % strip.rows == 0 else top - side
            lower = _corners([(below[i], y), (x, bottom), (x, low)])
            upper = _corners([(x, low + side), (x, top), (above[o], end)])
            edges.append(Edge(layer, i, o, x, low + 0.5 * side, lower, upper))
        y = end
        nodes.append({node: (x, y) for node, x in above.items()})
    return Layout(total, y, side, nodes, edges)


class _Strip(NamedTuple):
    """The edges of one layer between two rows of nodes."""

    pairs: list[tuple[int, int]]
    places: list[float]
    rows: int
    rise: float
    """Height of the lines from the nodes below."""
    block: float
    """Height of the icons."""
    fall: float
    """Height of the lines to the nodes above."""

    @classmethod
    def of(
        cls, found: NDArray[Any], below: dict[int, float], above: dict[int, float], side: float, width: float
    ) -> "_Strip":
        pairs = [(int(i), int(o)) for i, o in found]
        places = [float(x) for x in _spread(len(pairs), width, side)]
        rows = _rows(len(pairs), side, width)
        rise = _height([x - below[i] for x, (i, _) in zip(places, pairs, strict=True)], 2.2, 1.2)
        fall = _height([x - above[o] for x, (_, o) in zip(places, pairs, strict=True)], 3.6, 2.0)
        return cls(pairs, places, rows, rise, side * (rows + 0.14 * (rows - 1)), fall)


def _rows(count: int, side: float, width: float) -> int:
    """Rows that so many icons of that side need on that width."""
    return 1 if count * ONE_ROW * side <= width + 1e-9 else 2


def _height(sideways: Sequence[float], slope: float, most: float) -> float:
    """Height of a fan of lines: enough that its flattest line does not lie down."""
    return min(max(max(map(abs, sideways), default=0.0) / slope, 0.26), most)


def _needed(count: int, side: float, width: float) -> float:
    """Width of so many icons, in one row or two."""
    if _rows(count, side, width) == 1:
        return count * ONE_ROW * side
    return (count * TWO_ROWS + 1 - TWO_ROWS) * side


def _spread(count: int, width: float, side: float = 0.0) -> Array:
    """Centres of columns of one width, so that an icon in the first or last one stays within the picture."""
    margin = max(side - width / max(count, 1), 0.0) / (2 - 2 / count) if count > 1 else 0.0
    return margin + (np.arange(count, dtype=np.float64) + 0.5) * ((width - 2 * margin) / max(count, 1))


def _corners(points: Sequence[tuple[float, float]]) -> Array:
    """The corners of a line without repeated ones."""
    kept = [points[0], *(point for before, point in zip(points[:-1], points[1:], strict=True) if point != before)]
    return np.array(kept)
