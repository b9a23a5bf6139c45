r"""What one number of a model does to its function: a coefficient of a spline moves k + 1 intervals, a weight all.

The basis function \(B_n\) of a KAN layer is zero outside \((t_n, t_{n+k+1})\), so its coefficient can change nothing
elsewhere (de Boor, A Practical Guide to Splines, 1978, chapter IX).
"""

__all__ = ["Move", "moved", "moved_share", "plot_locality"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call

from kan.edge_network import EdgeNetwork
from kan.layer import KANLayer
from kan.pictures.style import BLUE, GREY, INK, SIZE, escape, fitted, number, panel, sheet, styled, tidy, write

Array = NDArray[np.float64]

POINTS = 2000
"""Points of the domain; shares are counted on them."""


@dataclass(frozen=True)
class Move:
    """One number of a model that is moved.

    Args:
        model: any module that maps (P, 1) to (P, 1), or to (M, P, 1) with the member axis of the suite.
        parameter: its name, as in `model.named_parameters()`.
        index: of the number in the parameter; where the model has members, the first one says which is drawn.
        amount: what is added to the number.
        name: what the picture calls the model.
        colour: of the curve after the move.
    """

    model: nn.Module
    parameter: str
    index: tuple[int, ...]
    amount: float
    name: str = ""
    colour: str = BLUE


def moved(move: Move, x: Array) -> tuple[Array, Array]:
    """The model's outputs before and after the move, (P,) each, at inputs (P,); the model is left as it is.

    Raises:
        ValueError: no such parameter or number, or a model that is not of one input and one output.
    """
    parameters = dict(move.model.named_parameters())
    if move.parameter not in parameters:
        raise ValueError(f"the model has no parameter {move.parameter!r}: it has {', '.join(parameters)}")
    value = parameters[move.parameter].detach()
    if len(move.index) != value.dim() or not all(
        0 <= n < size for n, size in zip(move.index, value.shape, strict=True)
    ):
        raise ValueError(f"{move.parameter} has shape {tuple(value.shape)}, there is no number {move.index} in it")
    changed = value.clone()
    changed[move.index] += move.amount
    points = torch.from_numpy(x)[:, None].to(value)
    found = []
    with torch.no_grad():
        for numbers in (value, changed):
            y = functional_call(move.model, {move.parameter: numbers}, (points,))
            y = y[move.index[0]] if y.dim() == 3 else y
            if y.shape != points.shape:
                raise ValueError(f"a model of one output is needed, got outputs of shape {tuple(y.shape)}")
            found.append(y[:, 0].double().cpu().numpy())
    return found[0], found[1]


def moved_share(before: Array, after: Array, least: float = 0.0) -> float:
    """The share of the points, from 0 to 1, at which two curves differ by more than `least` times their largest change.

    With 0 every last bit counts.
    """
    change = np.abs(after - before)
    return float((change > least * change.max()).mean())


def _spline_layer(move: Move) -> KANLayer | None:
    """The layer whose coefficient is moved, if the model's input goes right into it."""
    path, _, leaf = move.parameter.rpartition(".")
    layer = move.model.get_submodule(path)
    first = move.model.layer(0) if isinstance(move.model, EdgeNetwork) else move.model
    return layer if leaf == "coefficients" and layer is first and isinstance(layer, KANLayer) else None


@styled
def plot_locality(moves: Sequence[Move], x_range: tuple[float, float] = (-1.0, 1.0)) -> Figure:
    """Moves one number of each model and shows its curve before and after, the difference, and where it is not zero.

    Args:
        moves: one a column.
        x_range: ends of the domain, in units of the input.

    Returns:
        The figure: for each move the curves (lines `before` and `after`), below them their difference (line
        `difference`) and the measured share of the domain that moved, which is shaded.

    Raises:
        ValueError: no moves, an empty domain, or see `moved`.
    """
    if not moves:
        raise ValueError("there is no move to draw")
    low, high = x_range
    if not low < high:
        raise ValueError(f"x_range must be two increasing numbers, got [{low}, {high}]")
    # in the middle of each of many equal cells, so that a share is a share of the length
    x = low + (high - low) * (np.arange(POINTS) + 0.5) / POINTS
    curves = [moved(move, x) for move in moves]
    width, gap, heights = 2.15, 0.22, (1.45, 0.95)
    figure = sheet(0.72 + len(moves) * (width + gap), 3.85)
    limits = _limits([each for pair in curves for each in pair]), _limits([after - before for before, after in curves])
    for column, (move, (before, after)) in enumerate(zip(moves, curves, strict=True)):
        left = 0.65 + column * (width + gap)
        write(figure, left, 0.14, escape(move.name), fontweight="bold", color=move.colour)
        write(figure, left, 0.30, escape(_in_words(move)), fontsize=SIZE - 1, color=GREY)
        upper = panel(figure, left, 0.55, width, heights[0])
        lower = panel(figure, left, 0.55 + heights[0] + 0.14, width, heights[1])
        difference = after - before
        for axes in (upper, lower):
            _shade(axes, x, difference != 0, move.colour, 0.5 * (high - low) / POINTS)
            _mark_grid(axes, move)
        upper.plot(x, before, color=GREY, linewidth=1.1, gid="before", label="before")
        upper.plot(x, after, color=move.colour, linewidth=1.6, gid="after", label="after")
        lower.axhline(0, color=GREY, linewidth=0.6)
        lower.fill_between(x, difference, color=move.colour, alpha=0.3, linewidth=0)
        lower.plot(x, difference, color=move.colour, linewidth=1.2, gid="difference")
        if column == 0:
            upper.legend(loc="best", handlelength=1.2, labelspacing=0.2, borderaxespad=0.2)
        for axes, reach in zip((upper, lower), limits, strict=True):
            axes.set(xlim=x_range, ylim=reach)
            # no label at a corner, where it would meet that of the next panel
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))
            tidy(axes, y=4)
            axes.tick_params(labelleft=column == 0)
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("$x$", labelpad=0)
        if column == 0:
            for axes, label in ((upper, "output"), (lower, "difference")):
                axes.set_ylabel(label)
                axes.yaxis.set_label_coords(-0.16, 0.5)
        text = f"{_percent(moved_share(before, after))} of the domain moved"
        layer = _spline_layer(move)
        if layer is not None:
            n, k = move.index[2], layer.spline_order
            inside = min(n + k + 1, layer.grid_size + k) - max(n, k)
            text += f"; the basis has {inside} of {layer.grid_size} intervals"
        much = _percent(moved_share(before, after, 0.01))
        text += f"; {much} moved by more than 1 % of the largest change"
        lines = "\n".join(fitted(text, 0.97 * width, SIZE - 1))
        write(figure, left, 3.36, lines, fontsize=SIZE - 1, linespacing=1.3, gid="share")
    return figure


_WORDS = {
    "coefficients": "coefficient",
    "spline_scale": "scale of a spline",
    "base_weight": "weight of the base",
    "weights": "weight",
    "biases": "bias",
}


def _in_words(move: Move) -> str:
    """What is moved, and by how much: "a coefficient of layer 1, raised by 0.8"."""
    parts = move.parameter.split(".")
    numbers = [int(part) for part in parts if part.isdigit()]
    kind = next((_WORDS[part] for part in reversed(parts) if part in _WORDS), parts[-1])
    where = f" of layer {numbers[0] + 1}" if numbers else ""
    return f"a {kind}{where}, {'raised' if move.amount >= 0 else 'lowered'} by {number(abs(move.amount))}"


def _percent(share: float) -> str:
    return "all" if share == 1 else "nothing" if share == 0 else f"{100 * share:.3g} %"


def _limits(curves: Sequence[Array]) -> tuple[float, float]:
    low, high = min(float(c.min()) for c in curves), max(float(c.max()) for c in curves)
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def _shade(axes: Axes, x: Array, where: NDArray[np.bool_], colour: str, half: float) -> None:
    """A pale field over every stretch of the domain that moved."""
    steps = np.diff(np.concatenate([[0], where.astype(int), [0]]))
    for first, last in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1, strict=True):
        axes.axvspan(x[first] - half, x[last] + half, color=colour, alpha=0.1, linewidth=0, zorder=0, gid="moved")


def _mark_grid(axes: Axes, move: Move) -> None:
    layer = _spline_layer(move)
    if layer is None:
        return
    k = layer.spline_order
    points = layer.knots[move.index[0], move.index[1], k : layer.knots.shape[-1] - k].double().cpu().numpy()
    axes.plot(
        points,
        np.zeros_like(points),
        "|",
        color=INK,
        markersize=5,
        clip_on=False,
        zorder=6,
        transform=axes.get_xaxis_transform(),
        gid="grid points",
    )
