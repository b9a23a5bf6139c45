r"""B-spline bases, order by order, and the recursion that makes each from two of the order below.

De Boor, A Practical Guide to Splines (1978), chapter IX; what is drawn is what `kan.splines` computes.
"""

__all__ = ["even_knots", "plot_bspline_basis", "plot_recursion", "values_at"]

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kan.pictures.style import (
    BLUE,
    CYCLE,
    FAINT,
    FIELD,
    GREY,
    INK,
    ORANGE,
    SIZE,
    SKY,
    once,
    panel,
    sheet,
    styled,
    write,
)
from kan.splines import basis, extend_grid, uniform_grid

Array = NDArray[np.float64]


def even_knots(grid_size: int, spline_order: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """Knots (G+2k+1,) of an even grid; order 0 has none outside."""
    grid = uniform_grid(low, high, grid_size, dtype=torch.float64)
    return extend_grid(grid, spline_order) if spline_order else grid


def values_at(x: Array, knots: torch.Tensor, spline_order: int) -> Array:
    """All bases at some points: (P, K)."""
    return basis(torch.from_numpy(x)[:, None], knots[None], spline_order)[:, 0].numpy()


def _draw_knots(axes: Axes, knots: Array, spline_order: int) -> None:
    """The grid as a pale field, its points as ticks on the axis, and the k knots beside it as fainter ones."""
    axes.axvspan(knots[spline_order], knots[-1 - spline_order], color=FIELD, linewidth=0, zorder=0, gid="grid")
    inside = knots[spline_order : len(knots) - spline_order]
    for points, colour in ((knots, "#c9c9c9"), (inside, INK)):
        axes.plot(
            points,
            np.zeros_like(points),
            "|",
            color=colour,
            markersize=6,
            markeredgewidth=0.9,
            clip_on=False,
            zorder=5,
            gid="knots" if points is knots else "grid points",
        )


@styled
def plot_bspline_basis(orders: Sequence[int] = (0, 1, 2, 3, 4), grid_size: int = 5) -> Figure:
    """The B-spline bases of several orders on one even grid, each with its extended knots and its sum.

    Args:
        orders: which, each at least 0.
        grid_size: intervals G of the grid.

    Returns:
        The figure, a panel for each order: lines `basis i`, one of them filled to show its k + 1 intervals, and
        `sum`, which is 1 on the whole grid (the partition of unity).

    Raises:
        ValueError: no orders, one below 0, or no intervals.
    """
    if not orders or min(orders) < 0:
        raise ValueError(f"orders must be one or more of at least 0, got {list(orders)}")
    if grid_size < 1:
        raise ValueError(f"grid_size must be at least 1 interval, got {grid_size}")
    height, gap, most = 0.82, 0.3, max(orders)
    figure = sheet(7.2, 0.3 + len(orders) * (height + gap))
    step = 1.0 / grid_size
    reach = max(most, 1) * step
    for row, order in enumerate(orders):
        axes = panel(figure, 1.15, 0.3 + row * (height + gap), 5.9, height)
        knots = even_knots(grid_size, order)
        t = knots.numpy()
        _draw_knots(axes, t, order)
        count = grid_size + order
        chosen = count // 2
        x = np.linspace(t[0], t[-1], 100 * (len(t) - 1) + 1)
        values = values_at(x, knots, order) if order else None
        for i in range(count):
            colour = CYCLE[i % len(CYCLE)]
            if values is None:  # its two jumps, drawn as such
                across, line = t[[i, i, i + 1, i + 1]], np.array([0.0, 1.0, 1.0, 0.0])
            else:
                alive = (x >= t[i] - 1e-9) & (x <= t[i + order + 1] + 1e-9)
                across, line = x[alive], values[alive, i]
            axes.plot(across, line, color=colour, gid=f"basis {i}")
            if i == chosen:
                axes.fill_between(across, line, color=colour, alpha=0.22, linewidth=0, gid="support")
        x, total = (t, np.ones_like(t)) if values is None else (x, values.sum(-1))
        axes.plot(x, total, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4, gid="sum")
        axes.set(xlim=(-reach - 0.02, 1 + reach + 0.02), ylim=(0, 1.1), yticks=[0, 1])
        axes.spines["bottom"].set_color(FAINT)
        axes.set_xticks([])
        if row == len(orders) - 1:
            names = [f"$t_{{{order}}}$", f"$t_{{{order + grid_size}}}$"]
            axes.set_xticks([0, 1], names)
            if order:
                axes.set_xticks([t[0], 0, 1, t[-1]], ["$t_0$", *names, f"$t_{{{len(t) - 1}}}$"])
            axes.tick_params(axis="x", length=0, pad=5)
        middle = 0.3 + row * (height + gap) + 0.5 * height
        write(figure, 0.14, middle - 0.17, f"order $k$ = {order}", fontweight="bold")
        alive_text = f"{count} bases\n{order + 1} alive at a point"
        write(figure, 0.14, middle, alive_text, fontsize=SIZE - 1, color=GREY, linespacing=1.3)
    figure.axes[0].set_title(f"the grid, G = {grid_size} intervals", fontsize=SIZE - 1, pad=3)
    figure.axes[-1].text(0.5, 0.97, "their sum", va="top", ha="center", fontsize=SIZE - 1)
    return figure


@styled
def plot_recursion(order: int = 3) -> Figure:
    r"""How \(B_{i,k}\) is made: two neighbours of order k - 1, one on a rising ramp and one on a falling ramp.

    Args:
        order: the highest order drawn, at least 1.

    Returns:
        The figure, a panel for each order d from 1: lines `left` and `right` are \(B_{i,d-1}\) and \(B_{i+1,d-1}\),
        `left part` and `right part` these on their ramps, and `sum` is \(B_{i,d}\).

    Raises:
        ValueError: an order below 1.
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}")
    unit, gap, height = 0.68, 0.22, 1.6
    widths = [unit * (d + 1.16) for d in range(1, order + 1)]
    figure = sheet(0.5 + sum(widths) + gap * order, 2.3)
    for d, width in enumerate(widths, start=1):
        axes = panel(figure, 0.4 + sum(widths[: d - 1]) + (d - 1) * gap, 0.35, width, height)
        x = np.linspace(0.0, d + 1.0, 200 * (d + 1) + 1, dtype=np.float64)
        inner = x[:-1] + 1e-12  # values from the right, where order 0 jumps
        t = np.arange(d + 2.0)
        lower = _cardinal(inner, d - 1), _cardinal(inner - 1.0, d - 1)
        parts = inner / d * lower[0], (d + 1 - inner) / d * lower[1]
        for before, part, colour, side in zip(lower, parts, (ORANGE, SKY), ("left", "right"), strict=True):
            there = before > 0
            axes.plot(
                inner[there],
                before[there],
                color=colour,
                linewidth=0.9,
                linestyle=(0, (3, 2)),
                gid=side,
                label="two neighbours",
            )
            axes.fill_between(
                inner, part, color=colour, alpha=0.35, linewidth=0, gid=f"{side} part", label="times their ramps"
            )
        axes.plot(inner, parts[0] + parts[1], color=BLUE, linewidth=1.8, gid="sum", label="sum")
        axes.set(xlim=(-0.08, d + 1.08), ylim=(0, 1.14), yticks=[0, 0.5, 1])
        axes.set_xticks(t, ["$t_i$", *(f"$t_{{i+{n}}}$" for n in range(1, d + 2))])
        axes.tick_params(labelleft=d == 1)
        axes.set_title(f"order {d} from order {d - 1}", fontweight="bold", loc="left", pad=6)
        peak = 0.5 * (d + 1)
        axes.annotate(
            f"$B_{{i{{,}}{d}}}$",
            (peak, float(_cardinal(np.array([peak]), d)[0])),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color=BLUE,
            fontsize=SIZE + 0.5,
        )
    axes.legend(*once(axes), loc="upper right", handlelength=1.6, labelspacing=0.3, borderaxespad=0)
    return figure


def _cardinal(x: Array, order: int) -> Array:
    """The B-spline on the knots 0, 1, …, k + 1."""
    if order == 0:
        return ((x >= 0) & (x < 1)).astype(np.float64)
    return values_at(x, torch.arange(order + 2.0, dtype=torch.float64), order)[:, 0]
