r"""A spline as the sum of its bases times their coefficients, and what changes when the grid is refined: no curve.

De Boor, A Practical Guide to Splines (1978), chapters IX and XI; what is drawn is what `kan.splines` and `kan.grids`
compute.
"""

__all__ = ["greville", "plot_refinement", "plot_spline_curve"]

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from kan.grids import insert_knots, refined_grid
from kan.pictures.bases import even_knots, values_at
from kan.pictures.style import BLUE, CYCLE, FIELD, GREY, INK, once, panel, sheet, styled, tidy

Array = NDArray[np.float64]

EXAMPLE = (0.4, -0.5, 0.9, 1.3, 0.1, -0.9, 0.5, 1.1)
"""Coefficients of the cubic spline that is drawn by default, on five intervals."""


def greville(knots: ArrayLike, spline_order: int) -> Array:
    r"""Greville points, \(\frac1k (t_{i+1} + \dots + t_{i+k})\): where each coefficient acts, shape (*, N) to (*, K).

    A spline whose coefficients are these points is the identity.

    Example:
        >>> greville([0.0, 1.0, 2.0, 3.0, 4.0], 2).tolist()
        [1.5, 2.5]
    """
    t = np.asarray(knots, dtype=np.float64)
    count = t.shape[-1] - spline_order - 1
    shifted = [t[..., 1 + n : 1 + n + count] for n in range(spline_order)]
    return np.asarray(sum(shifted) / spline_order)


@styled
def plot_spline_curve(
    coefficients: Sequence[float] = EXAMPLE, spline_order: int = 3, grid_range: tuple[float, float] = (-1.0, 1.0)
) -> Figure:
    r"""A spline as the sum of its bases, each times its coefficient.

    Args:
        coefficients: \(c_0, \dots, c_{K-1}\), at least k + 1 of them; they set G = K - k.
        spline_order: order k ≥ 1.
        grid_range: ends of the grid.

    Returns:
        The figure: lines `term i` are \(c_i B_i\), `spline` their sum, `coefficients` stand at the Greville points.

    Raises:
        ValueError: an order below 1 or too few coefficients.
    """
    c = np.asarray(coefficients, dtype=np.float64)
    knots = _spline_knots(c, spline_order, grid_range)
    figure = sheet(7.2, 2.8)
    axes = panel(figure, 0.45, 0.4, 6.55, 2.1)
    _draw_spline(axes, knots, c, spline_order, (min(0.0, c.min()), max(0.0, c.max())))
    axes.legend(*once(axes), loc="lower left", ncols=5, handlelength=1.4, columnspacing=1.2, bbox_to_anchor=(0, 1.0))
    return figure


@styled
def plot_refinement(
    coefficients: Sequence[float] = EXAMPLE, spline_order: int = 3, grid_range: tuple[float, float] = (-1.0, 1.0)
) -> Figure:
    r"""One spline on G and on 2G intervals: knot insertion changes the coefficients and not the curve.

    Args:
        coefficients: of the coarse spline, at least k + 1 of them; they set G = K - k.
        spline_order: order k ≥ 1.
        grid_range: ends of the grid.

    Returns:
        The figure, the coarse grid above the fine one, with the largest difference between both curves in words.

    Raises:
        ValueError: an order below 1 or too few coefficients.
    """
    c = np.asarray(coefficients, dtype=np.float64)
    coarse = _spline_knots(c, spline_order, grid_range)
    grid_size = len(c) - spline_order
    fine = refined_grid(coarse, spline_order, 2 * grid_size)
    finer = insert_knots(torch.from_numpy(c)[:, None], coarse, fine, spline_order)[:, 0].numpy()
    x = np.linspace(*grid_range, 2001, dtype=np.float64)
    difference = np.abs(values_at(x, fine, spline_order) @ finer - values_at(x, coarse, spline_order) @ c).max()
    bound = int(np.floor(np.log10(max(float(difference), 1e-300)))) + 1
    figure = sheet(7.2, 4.7)
    low, high = min(0.0, c.min(), finer.min()), max(0.0, c.max(), finer.max())
    for row, (knots, values) in enumerate(((coarse, c), (fine, finer))):
        axes = panel(figure, 0.45, 0.6 + 2.05 * row, 6.55, 1.65)
        _draw_spline(axes, knots, values, spline_order, (low, high))
        text = f"G = {(row + 1) * grid_size} intervals, {len(values)} coefficients"
        if row:
            text += f"; on the grid the curves differ by less than 1e{bound}".replace("-", "−")
        axes.set_title(text, loc="left", fontweight="bold", pad=5)
        margin = 1.5 * float(coarse[1] - coarse[0])
        axes.set_xlim(grid_range[0] - margin, grid_range[1] + margin)
    lines, labels = once(axes)
    figure.legend(
        lines, labels, loc="upper left", bbox_to_anchor=(0.05, 1.0), ncols=5, handlelength=1.4, columnspacing=1.2
    )
    return figure


def _spline_knots(c: Array, spline_order: int, grid_range: tuple[float, float]) -> torch.Tensor:
    if spline_order < 1:
        raise ValueError(f"spline_order must be at least 1, got {spline_order}")
    if c.ndim != 1 or len(c) < spline_order + 1:
        raise ValueError(f"a spline of order {spline_order} needs at least {spline_order + 1} coefficients in a row")
    return even_knots(len(c) - spline_order, spline_order, *grid_range)


def _draw_spline(axes: Axes, knots: torch.Tensor, c: Array, spline_order: int, reach: tuple[float, float]) -> None:
    """The terms, the curve and the coefficients of a spline, on a value axis with room for `reach`."""
    t = knots.numpy()
    axes.axvspan(t[spline_order], t[-1 - spline_order], color=FIELD, linewidth=0, zorder=0)
    x = np.linspace(t[0], t[-1], 60 * (len(t) - 1) + 1)
    slack = 1e-9 * float(t[-1] - t[0])  # points at knots may be off by rounding
    terms = values_at(x, knots, spline_order) * c
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    for i, line in enumerate(terms.T):
        colour = CYCLE[1 + i % (len(CYCLE) - 1)]
        alive = (x >= t[i] - slack) & (x <= t[i + spline_order + 1] + slack)
        axes.fill_between(x[alive], line[alive], color=colour, alpha=0.16, linewidth=0)
        axes.plot(x[alive], line[alive], color=colour, linewidth=0.9, gid=f"term {i}", label="$c_i B_i$, a colour each")
    inside = (x >= t[spline_order] - slack) & (x <= t[-1 - spline_order] + slack)
    outside = r"$\Sigma_i \, c_i B_i$ outside the grid"
    axes.plot(x, terms.sum(-1), color=BLUE, linewidth=0.9, linestyle=(0, (2, 1.5)), zorder=3, label=outside)
    axes.plot(
        x[inside],
        terms.sum(-1)[inside],
        color=BLUE,
        linewidth=2.2,
        zorder=4,
        gid="spline",
        label=r"$\Sigma_i \, c_i B_i$",
    )
    places = greville(t, spline_order)
    axes.plot(places, c, color=GREY, linewidth=0.8, zorder=2, label="control polygon")
    axes.plot(places, c, "o", color=INK, markersize=3.6, zorder=5, gid="coefficients", label="coefficients $c_i$")
    span = max(reach[1] - reach[0], 1e-12)
    low, high = reach[0] - 0.12 * span, reach[1] + 0.14 * span
    axes.set(ylim=(low, high), xlim=(t[0], t[-1]))
    tidy(axes, 6, 4)
    axes.tick_params(axis="x", pad=4)
    grid = t[spline_order : len(t) - spline_order]
    axes.plot(grid, np.full_like(grid, low), "|", color=INK, markersize=7, clip_on=False, zorder=6, gid="grid points")
