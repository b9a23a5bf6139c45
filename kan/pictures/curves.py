r"""Bézier curves and Bernstein polynomials: a curve as a weighted mean of a few points, before splines join several.

Farin, Curves and Surfaces for CAGD (5th edition, 2002), chapters 4 and 5.
"""

__all__ = ["bernstein", "de_casteljau", "plot_bernstein", "plot_bezier"]

from collections.abc import Sequence
from math import comb

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from kan.pictures.style import BLUE, CYCLE, GREY, INK, SIZE, SKY, VERMILION, number, panel, sheet, styled, tidy

Array = NDArray[np.float64]

EXAMPLE = ((0.0, 0.0), (0.35, 1.55), (1.75, 1.75), (2.3, 0.2))
"""Control points of the cubic that is drawn by default."""


def bernstein(degree: int, t: ArrayLike) -> Array:
    r"""Bernstein polynomials, \(b_{i,n}(t) = \binom{n}{i} t^i (1 - t)^{n-i}\).

    Args:
        degree: n ≥ 0.
        t: places, any shape (*).

    Returns:
        Shape (*, n+1). They are not negative on [0, 1] and sum to one.

    Raises:
        ValueError: a negative degree.

    Example:
        >>> bernstein(2, 0.5).tolist()
        [0.25, 0.5, 0.25]
    """
    if degree < 0:
        raise ValueError(f"degree must be at least 0, got {degree}")
    places = np.asarray(t, dtype=np.float64)[..., None]
    i = np.arange(degree + 1)
    return np.array([comb(degree, n) for n in i], dtype=np.float64) * places**i * (1 - places) ** (degree - i)


def de_casteljau(points: ArrayLike, t: float) -> list[Array]:
    r"""Repeated interpolation, \(p^r_i = (1 - t) \, p^{r-1}_i + t \, p^{r-1}_{i+1}\), from the control points on.

    Args:
        points: control points \(p^0_i\), shape (n+1, D).
        t: where on the curve, from 0 to 1.

    Returns:
        n + 1 arrays, (n+1, D), (n, D), …, (1, D): the last holds the point of the curve.

    Raises:
        ValueError: no points, or not one row a point.

    Example:
        >>> de_casteljau([[0.0, 0.0], [2.0, 4.0]], 0.5)[-1].tolist()
        [[1.0, 2.0]]
    """
    levels = [np.asarray(points, dtype=np.float64)]
    if levels[0].ndim != 2 or len(levels[0]) == 0:
        raise ValueError(f"control points must have shape (n+1, D), got {levels[0].shape}")
    while len(levels[-1]) > 1:
        levels.append((1 - t) * levels[-1][:-1] + t * levels[-1][1:])
    return levels


@styled
def plot_bezier(points: Sequence[Sequence[float]] = EXAMPLE, t: float = 0.4) -> Figure:
    """A Bézier curve with its control polygon and de Casteljau's construction, beside the Bernstein weights.

    Args:
        points: control points in the plane, (n+1, 2), at least two.
        t: where the construction is shown, between 0 and 1.

    Returns:
        The figure: on the left the curve (line `curve`, construction `level 1` … `level n`), on the right the weights
        of the control points against t.

    Raises:
        ValueError: points that are not at least two in the plane, or `t` outside [0, 1].
    """
    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2:
        raise ValueError(f"control points must be at least two in the plane, shape (n+1, 2), got {corners.shape}")
    if not 0 <= t <= 1:
        raise ValueError(f"t must be between 0 and 1, got {t}")
    degree = len(corners) - 1
    places = np.linspace(0.0, 1.0, 201)
    figure = sheet(7.2, 3.15)
    _draw_construction(panel(figure, 0.1, 0.35, 3.9, 2.6), corners, t, bernstein(degree, places) @ corners)

    axes = panel(figure, 4.55, 0.35, 2.45, 2.35)
    for i, weights in enumerate(bernstein(degree, places).T):
        colour = CYCLE[i % len(CYCLE)]
        axes.plot(places, weights, color=colour, gid=f"weight {i}")
        now = float(bernstein(degree, t)[i])
        axes.plot([t], [now], "o", color=colour, markersize=4, zorder=4)
        # a label at the peak of each polynomial, where it is the largest of all
        peak = i / degree
        axes.annotate(
            f"$b_{{{i}{{,}}{degree}}}$",
            (peak, float(bernstein(degree, peak)[i])),
            xytext=(4 if i == 0 else -4 if i == degree else 0, 3),
            textcoords="offset points",
            ha="left" if i == 0 else "right" if i == degree else "center",
            color=colour,
        )
    axes.axvline(t, color=GREY, linewidth=0.7, linestyle=(0, (2, 2)), zorder=0)
    axes.annotate(
        f"$t$ = {number(t)}",
        (t, 1.0),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        color=GREY,
        fontsize=SIZE - 1,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.12))
    axes.set_title("Its weights: the Bernstein polynomials", loc="left", fontweight="bold", pad=8)
    axes.set_xlabel("$t$", labelpad=1)
    tidy(axes, 5, 5)
    return figure


def _draw_construction(axes: Axes, corners: Array, t: float, curve: Array) -> None:
    levels = de_casteljau(corners, t)
    degree = len(corners) - 1
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.plot(*corners.T, color=GREY, linewidth=0.9, gid="level 0", label="control polygon")
    for r, level in enumerate(levels[1:], start=1):
        last = r == degree
        colour = INK if last else (SKY, VERMILION)[(r - 1) % 2]
        axes.plot(
            *level.T,
            "-o",
            color=colour,
            linewidth=1.0,
            markersize=6 if last else 3.6,
            markeredgecolor="white" if last else colour,
            zorder=5 if last else 3,
            gid=f"level {r}",
            label=None if last else f"interpolated {('once', 'twice')[r - 1] if r < 3 else f'{r} times'}",
        )
    axes.plot(*curve.T, color=BLUE, linewidth=2.2, zorder=4, gid="curve", label="curve")
    axes.legend(loc="lower center", handlelength=1.6, labelspacing=0.35, borderaxespad=1.2)
    centre = corners.mean(axis=0)
    for i, corner in enumerate(corners):
        axes.plot(*corner, "o", color=CYCLE[i % len(CYCLE)], markersize=6, zorder=4)
        away = (corner - centre) / max(float(np.linalg.norm(corner - centre)), 1e-12)
        axes.annotate(
            f"$p_{{{i}}}$",
            corner,
            xytext=(11 * away[0], 11 * away[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            color=CYCLE[i % len(CYCLE)],
            fontsize=SIZE + 1,
        )
    axes.annotate(
        f"$c(t)$, $t$ = {number(t)}", levels[-1][0], xytext=(5, -11), textcoords="offset points", zorder=6, color=INK
    )
    span = np.ptp(corners, axis=0).max()
    low, high = corners.min(axis=0) - 0.12 * span, corners.max(axis=0) + 0.12 * span
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.set_title("A Bézier curve and de Casteljau's construction", loc="left", fontweight="bold", pad=8)


@styled
def plot_bernstein(degrees: Sequence[int] = (1, 2, 3, 4, 5)) -> Figure:
    """The Bernstein polynomials of several degrees, one panel each, with their sum.

    Args:
        degrees: which, each at least 1.

    Returns:
        The figure; line `basis i` of a panel is the i-th polynomial, line `sum` their sum.

    Raises:
        ValueError: no degrees, or one below 1.
    """
    if not degrees or min(degrees) < 1:
        raise ValueError(f"degrees must be one or more of at least 1, got {list(degrees)}")
    t = np.linspace(0.0, 1.0, 201)
    width, gap = 1.24, 0.14
    figure = sheet(0.4 + len(degrees) * (width + gap), 1.95)
    for column, degree in enumerate(degrees):
        axes = panel(figure, 0.34 + column * (width + gap), 0.35, width, 1.2)
        values = bernstein(degree, t)
        for i, line in enumerate(values.T):
            axes.plot(t, line, color=CYCLE[i % len(CYCLE)], gid=f"basis {i}")
        axes.plot(t, values.sum(-1), color=INK, linewidth=0.9, linestyle=(0, (4, 2)), gid="sum")
        if column == 0:
            axes.annotate("sum", (0.5, 1.0), xytext=(0, 2.5), textcoords="offset points", ha="center", va="bottom")
        axes.set(xlim=(0, 1), ylim=(0, 1.12), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"], yticks=[0, 0.5, 1])
        axes.tick_params(labelleft=column == 0)
        axes.set_title(f"degree {degree}", fontweight="bold", pad=6)
        axes.set_xlabel("$t$", labelpad=1)
    return figure
