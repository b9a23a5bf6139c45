"""Pictures of the introduction that show no KAN of the suite: nodes and edges, steps, sums of squares, counts."""

__all__ = ["nodes_and_edges", "parameter_lines", "product_surface", "steps"]

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from kan.pictures.style import BLUE, GREY, INK, SIZE, VERMILION, panel, sheet, styled, tidy

SIZES = (2, 3, 1)
"""Nodes of the two networks."""

SHARES = (0.5, 0.72, 0.25, 0.25, 0.72, 0.5, 0.45, 0.45, 0.45)
"""How far along each edge its function is drawn, so that none is over another."""


@styled
def nodes_and_edges() -> Figure:
    """An MLP and a KAN of the same shape: where their functions sit."""
    figure = sheet(7.2, 2.9)
    for left, title, on_nodes in ((0.1, "MLP: a function at each node", True), (3.7, "KAN: one on each edge", False)):
        axes = panel(figure, left, 0.35, 3.4, 2.3)
        axes.set_axis_off()
        axes.set(xlim=(-0.5, 2.5), ylim=(-0.35, 2.35))
        axes.set_title(title, fontweight="bold", color=VERMILION if on_nodes else BLUE, pad=8)
        _network(axes, on_nodes)
    return figure


def _network(axes: Axes, on_nodes: bool) -> None:
    places = [[(1 + 0.85 * (i - (n - 1) / 2), float(layer)) for i in range(n)] for layer, n in enumerate(SIZES)]
    shapes = [np.tanh, lambda u: u**2 - 0.5, lambda u: np.sin(3 * u), np.abs, lambda u: np.exp(u) / 2 - 1, np.cos]
    edges = [(a, b) for below, above in zip(places[:-1], places[1:], strict=True) for a in below for b in above]
    for number, ((x0, y0), (x1, y1)) in enumerate(edges):
        axes.plot([x0, x1], [y0, y1], color=GREY, linewidth=1.0, zorder=1)
        if not on_nodes:
            share = SHARES[number]
            _icon(axes, x0 + share * (x1 - x0), y0 + share * (y1 - y0), shapes[number % 6], BLUE)
    for layer, row in enumerate(places):
        for x, y in row:
            axes.plot([x], [y], "o", color=INK, markersize=5, zorder=4)
            if on_nodes and layer == 1:
                _icon(axes, x, y, np.tanh, VERMILION)
    for (x, y), name in zip([*places[0], places[-1][0]], ("$x_1$", "$x_2$", "$y$"), strict=True):
        axes.annotate(name, (x, y), xytext=(0, 6 if name == "$y$" else -13), textcoords="offset points", ha="center")


def _icon(axes: Axes, x: float, y: float, function: object, colour: str) -> None:
    """A small frame with a curve in it, around a place."""
    assert callable(function)
    u = np.linspace(-1, 1, 30)
    curve = function(u)
    curve = (curve - curve.min()) / np.ptp(curve) - 0.5
    across, up = 0.095, 0.13
    axes.fill_between([x - across, x + across], y - up, y + up, color="white", zorder=5)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * (across, up) + (x, y)
    axes.plot(*corners.T, color=GREY, linewidth=0.6, zorder=6)
    axes.plot(x + 0.85 * across * u, y + 1.5 * up * curve, color=colour, linewidth=1.2, zorder=7)


@styled
def steps() -> Figure:
    """A cosine by 4 and 16 steps, each of two sigmoids, and the error against the number of units."""
    figure = sheet(7.2, 2.5)
    x = np.linspace(0.0, 1.0, 2001)
    for column, count in enumerate((4, 16)):
        axes = panel(figure, 0.45 + 2.3 * column, 0.35, 2.05, 1.75)
        axes.plot(x, np.cos(2 * np.pi * x), color=GREY, label="cosine")
        axes.plot(x, _stepped(x, count), color=BLUE, label=f"{count} steps")
        axes.set_title(f"{count} steps, {2 * count} units", loc="left", fontweight="bold")
        axes.set(xlim=(0, 1), ylim=(-1.35, 1.35))
        axes.set_xlabel("$x$", labelpad=1)
        tidy(axes, 4, 4)
        axes.legend(loc="upper center", fontsize=SIZE - 1)
    axes = panel(figure, 5.25, 0.35, 1.8, 1.75)
    counts = 2 ** np.arange(1, 8)
    errors = [np.sqrt(np.mean((_stepped(x, int(n)) - np.cos(2 * np.pi * x)) ** 2)) for n in counts]
    axes.loglog(2 * counts, errors, "o-", color=BLUE, markersize=3.5)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title("RMSE against units", loc="left", fontweight="bold")
    axes.set_xlabel("units", labelpad=1)
    return figure


def _stepped(x: np.ndarray, count: int) -> np.ndarray:
    """Sums of gates, each the difference of two sigmoids, whose steepness is 40 of their widths."""
    ends = np.arange(count + 1) / count
    rise = 0.5 * (1 + np.tanh(20.0 * count * (x[:, None] - ends)))
    gates = rise[:, :-1] - rise[:, 1:]
    return np.asarray(gates @ np.cos(np.pi * (ends[:-1] + ends[1:])))


@styled
def product_surface() -> Figure:
    """xy, and the two squares whose difference it is."""
    figure = sheet(7.2, 2.55)
    u = np.linspace(-1, 1, 81)
    x, y = np.meshgrid(u, u)
    for column, (title, values) in enumerate(
        (
            ("$xy$", x * y),
            (r"$\frac{1}{2}(x + y)^2$", 0.5 * (x + y) ** 2),
            (r"$\frac{1}{2}(x^2 + y^2)$", 0.5 * (x**2 + y**2)),
        )
    ):
        axes = panel(figure, 0.45 + 2.3 * column, 0.4, 1.85, 1.85)
        axes.contourf(x, y, values, levels=np.linspace(-2, 2, 17), cmap="RdBu_r")
        axes.set_title(title, pad=5)
        axes.set_xlabel("$x$", labelpad=1)
        axes.tick_params(labelleft=column == 0)
        tidy(axes, 4, 4)
        if column:
            figure.text((0.45 + 2.3 * column - 0.23) / 7.2, 0.47, "=" if column == 1 else "−", fontsize=14, ha="center")
    return figure


@styled
def parameter_lines() -> Figure:
    """Parameters of KANs and MLPs against their width."""
    figure = sheet(7.2, 2.6)
    axes = panel(figure, 0.6, 0.3, 4.4, 1.95)
    widths = np.arange(1, 65)
    layers, order = 3, 3
    for grid, shade in ((5, 1.0), (20, 0.7), (100, 0.45)):
        axes.loglog(widths, widths**2 * layers * (grid + order), color=BLUE, alpha=shade, label=f"KAN, G = {grid}")
    axes.loglog(widths, widths**2 * layers, color=VERMILION, label="MLP")
    axes.set_xlabel("width N", labelpad=1)
    axes.set_ylabel("parameters, L = 3, k = 3")
    axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0))
    return figure
