"""One network, checked and placed, and how its lines, nodes, names and icons are drawn."""

__all__ = ["Formulas", "Network", "draw"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from kan.pictures.layout import LARGE, Edge, Layout
from kan.pictures.style import BLUE, GREEN, GREY, INK, SIZE, VERMILION, escape, panel, text_width

PALE, DOTS = "#c4c4c4", (0, (1.0, 2.0))
"""How pruned edges are drawn where they are."""

Formulas = Mapping[tuple[int, int, int], str]
"""Text for some edges, by (layer, input, output), all counted from 0."""


@dataclass(frozen=True)
class Network:
    """One member's arrays, a list entry for each layer, and where everything of it stands."""

    x: list[NDArray[Any]]
    y: list[NDArray[Any]]
    opacity: list[NDArray[Any]]
    drawn: list[NDArray[Any]]
    """Edges with an icon."""
    shown: list[NDArray[Any]]
    """Edges with a place: those with an icon, and pruned ones of which a faint frame is left."""
    names: tuple[list[str], list[str]]
    """Of the inputs and outputs, as matplotlib takes them."""
    formulas: Formulas
    title: str
    hidden: int
    """Live edges that are not drawn."""
    layout: Layout

    @property
    def widest(self) -> tuple[float, float]:
        """Inches of the longest name drawn, of the inputs and of the outputs."""
        rows = self.layout.nodes[0], self.layout.nodes[-1]
        found = [
            max((text_width(names[node]) for node in row), default=0.0)
            for names, row in zip(self.names, rows, strict=True)
        ]
        return found[0], found[1]

    @property
    def upright(self) -> tuple[bool, bool]:
        """Whether the names of the inputs, and those of the outputs, are turned to stand side by side."""
        counts = [len(nodes) for nodes in (self.layout.nodes[0], self.layout.nodes[-1])]
        first, last = (n > 1 and w > self.layout.width / n - 0.08 for n, w in zip(counts, self.widest, strict=True))
        return first, last

    @property
    def margins(self) -> tuple[float, float]:
        """Inches that names take below and above."""
        below, above = (
            0.14 + (wide if upright else 0.12) if wide else 0.04
            for wide, upright in zip(self.widest, self.upright, strict=True)
        )
        return below, above

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, with names and title."""
        below, above = self.margins
        titles = escape(self.title).splitlines()
        title = max((text_width(line, bold=True) for line in titles), default=0.0)
        above += 0.06 + 0.14 * len(titles) if titles else 0.0
        lying = [wide for wide, upright in zip(self.widest, self.upright, strict=True) if not upright]
        return max(title, self.layout.width, *lying), below + self.layout.height + above


def draw(figure: Figure, network: Network, centre: float, top: float, height: float) -> None:
    """Draws a network in a box of that height, its title at the upper edge and its inputs at the lower.

    Args:
        figure: where.
        network: what.
        centre: of the box, in inches from the left.
        top: of the box, in inches from above.
        height: of the box, in inches.
    """
    W, H = figure.get_size_inches()
    left, bottom = centre - 0.5 * network.layout.width, H - (top + height) + network.margins[0]
    # a sheet of inches under all icons, for lines, nodes and names
    back = figure.add_axes((0, 0, 1, 1), zorder=0, label="network")
    back.set(xlim=(-left, W - left), ylim=(-bottom, H - bottom))
    back.set_axis_off()
    if network.title:
        place = 0.5 * network.layout.width, H - bottom - top
        back.text(*place, escape(network.title), ha="center", va="top", fontweight="bold")
    _draw_lines(back, network)
    _draw_nodes(back, network)
    side = network.layout.side
    for edge in network.layout.edges:
        if network.drawn[edge.layer][edge.source, edge.target]:
            _draw_icon(figure, network, edge, left + edge.x - 0.5 * side, H - (bottom + edge.y + 0.5 * side))
        else:
            corner = edge.x - 0.5 * side, edge.y - 0.5 * side
            back.add_patch(Rectangle(corner, side, side, facecolor="white", edgecolor=PALE, lw=0.8, ls=DOTS))


def _draw_lines(back: Axes, network: Network) -> None:
    faint, strong = [], []
    for edge in network.layout.edges:
        there = network.drawn[edge.layer][edge.source, edge.target]
        strength = float(network.opacity[edge.layer][edge.source, edge.target])
        for line in (edge.lower, edge.upper):
            if there:
                strong.append((strength, line))
            else:
                faint.append(line)
    pruned = LineCollection(faint, colors=PALE, linewidths=0.8, linestyles=[DOTS], zorder=1, gid="pruned")
    back.add_collection(pruned, autolim=False)
    strong.sort(key=lambda item: item[0])  # what is strong lies over what is weak
    lines = LineCollection(
        [line for _, line in strong],
        colors=[to_rgba(INK, strength) for strength, _ in strong],
        linewidths=0.9,
        capstyle="butt",
        joinstyle="round",
        zorder=2,
        gid="lines",
    )
    back.add_collection(lines, autolim=False)


def _draw_nodes(back: Axes, network: Network) -> None:
    nodes, drawn = network.layout.nodes, network.drawn
    for row, places in enumerate(nodes):
        for node, (x, y) in places.items():
            used = bool(
                (row > 0 and drawn[row - 1][:, node].any()) or (row < len(drawn) and drawn[row][node].any()),
            )
            edge, face = (INK, INK) if used else (GREY, "white")
            back.plot([x], [y], "o", ms=4.2, mfc=face, mec=edge, mew=0.7, zorder=3, gid="node")
    for names, upright, row, way in zip(network.names, network.upright, (0, -1), (-1, 1), strict=True):
        for node, place in nodes[row].items():
            back.annotate(
                names[node],
                place,
                xytext=(0, 5.5 * way),
                textcoords="offset points",
                ha="center",
                va="top" if way < 0 else "bottom",
                rotation=90 if upright else 0,
            )


def _draw_icon(figure: Figure, network: Network, edge: Edge, left: float, top: float) -> None:
    where = edge.layer, edge.source, edge.target
    strength = float(network.opacity[edge.layer][edge.source, edge.target])
    x, y = network.x[edge.layer][edge.source], network.y[edge.layer][edge.source, :, edge.target]
    formula = escape(network.formulas.get(where, ""))
    side = network.layout.side
    axes = panel(figure, left, top, side, side, label=f"edge {where[0]} {where[1]} {where[2]}", zorder=2)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    # one closed frame: four translucent lines would be darker in the corners
    axes.patch.set(facecolor="white", edgecolor=to_rgba(GREEN if formula else INK, strength), linewidth=0.8)
    if not (np.isfinite(x) & np.isfinite(y)).all():
        axes.patch.set_edgecolor(VERMILION)
        axes.text(
            0.5, 0.5, "NaN", transform=axes.transAxes, ha="center", va="center", fontsize=SIZE - 1, color=VERMILION
        )
        return
    low, high = float(y.min()), float(y.max())
    middle = 0.5 * (low + high)
    # a constant is a flat line, whatever its rounding
    half = max(0.5 * (high - low), 1e-3 * abs(middle), 1e-30)
    axes.plot(
        x,
        y,
        color=GREEN if formula else BLUE,
        alpha=strength,
        linewidth=1.4 * (side / LARGE) ** 0.5,
        solid_capstyle="round",
    )
    first, last = float(x.min()), float(x.max())
    pad = 0.07 * (last - first)
    below = 1.95 if formula else 1.25  # the formula stands below the curve
    axes.set(xlim=(first - pad, last + pad), ylim=(middle - below * half, middle + 1.25 * half))
    if formula:
        largest = SIZE - 1
        size = largest * min(1.0, 0.92 * side / text_width(formula, largest))
        axes.text(0.5, 0.05, formula, transform=axes.transAxes, ha="center", va="bottom", fontsize=size, color=GREEN)
