"""The edges of one layer, each with what it is made of: weighted basis functions, coefficients, grid and inputs."""

__all__ = ["plot_edges"]

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from kan.edge_layer import EdgeLayer
from kan.edge_network import EdgeNetwork
from kan.layer import KANLayer
from kan.pictures.spline_curves import greville
from kan.pictures.style import BLUE, CYCLE, FIELD, GREEN, GREY, INK, SIZE, once, panel, sheet, styled, tidy, write

Array = NDArray[np.float64]

COLUMNS = 3
BARS = 40
POINTS = 401
ORDER = ("edge", "edge with a formula", "weighted bases", "base function", "coefficients", "inputs")
"""Of the legend."""


class _Edge(NamedTuple):
    """One edge as arrays: P points, F features."""

    x: Array
    y: Array
    terms: Array
    """Features times their weights, (P, F); the base function of a `KANLayer` is not among them."""
    base: Array | None
    window: tuple[float, float]
    grid: Array
    places: Array
    coefficients: Array
    live: bool
    symbolic: bool


@styled
def plot_edges(
    model: EdgeNetwork,
    x: Tensor | None = None,
    layer: int = 0,
    member: int = 0,
    *,
    edges: Sequence[tuple[int, int]] | None = None,
    max_panels: int = 12,
) -> Figure:
    r"""Draws edges of one layer, \(\phi_{i,o}\), as sums of their weighted basis functions.

    B-spline edges also show their coefficients \(w^s c_n\) at the Greville points and the grid points as ticks; the
    field is the grid, or the inputs that another kind of edge is made for.

    Args:
        model: a network of M members.
        x: inputs of the network, (M, B, I) or (B, I): the histogram of what enters each edge is drawn below it.
        layer: which layer, counted from 0.
        member: which member, counted from 0.
        edges: which edges, (i, o) counted from 0; all by default.
        max_panels: without `edges`, draw at most so many, the first ones.

    Returns:
        The figure, a panel labelled `edge l i o` for each edge: lines `edge`, `term n`, `base`, `coefficients`.

    Raises:
        ValueError: a layer, member or edge that is not there, no edges, or a wrong shape of `x`.
    """
    if not 0 <= layer < model.depth:
        raise ValueError(f"layer must be between 0 and {model.depth - 1}, got {layer}")
    if not 0 <= member < model.members:
        raise ValueError(f"member must be between 0 and {model.members - 1}, got {member}")
    source = model.layer(layer)
    every = [(i, o) for i in range(source.in_features) for o in range(source.out_features)]
    chosen = every[:max_panels] if edges is None else list(edges)
    if not chosen:
        raise ValueError("there are no edges to draw")
    for pair in chosen:
        if pair not in every:
            raise ValueError(f"layer {layer} has no edge {pair}: it has {source.in_features} → {source.out_features}")
    with torch.no_grad():
        seen = None if x is None else model.activations(x)[layer][member].double().cpu().numpy()
        alone = source.select([member])
        found = [_edge(alone, i, o, None if seen is None else seen[:, i]) for i, o in chosen]
    columns = min(COLUMNS, len(chosen))
    width, height, gap_x, gap_y = 2.1 if columns > 1 else 3.4, 1.45, 0.42, 0.5
    rows = -(-len(chosen) // columns)
    figure = sheet(0.5 + columns * (width + gap_x) - gap_x + 0.15, 0.42 + rows * (height + gap_y))
    for position, ((i, o), edge) in enumerate(zip(chosen, found, strict=True)):
        row, column = divmod(position, columns)
        axes = panel(
            figure,
            0.5 + column * (width + gap_x),
            0.5 + row * (height + gap_y),
            width,
            height,
            label=f"edge {layer} {i} {o}",
        )
        axes.set_title(rf"$\phi_{{{i}{{,}}{o}}}$", loc="left", pad=3, fontsize=SIZE + 1.5)
        _draw(axes, edge, None if seen is None else seen[:, i])
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        handles.update(zip(*reversed(once(axes)), strict=True))
    names = [name for name in ORDER if name in handles]
    figure.legend(
        [handles[name] for name in names],
        names,
        loc="upper left",
        bbox_to_anchor=(0.4 / figure.get_size_inches()[0], 1.0),
        ncols=len(handles) if columns > 1 else 3,
        handlelength=1.5,
        columnspacing=1.4,
    )
    if len(chosen) < len(every) and edges is None:
        note = f"{len(chosen)} of {len(every)} edges"
        write(figure, 0.5, figure.get_size_inches()[1] - 0.16, note, fontsize=SIZE - 1, color=GREY)
    return figure


def _edge(alone: EdgeLayer, i: int, o: int, seen: Array | None) -> _Edge:
    """One edge of a layer of one member."""
    edge = alone.select([0], torch.tensor([[i]]), torch.tensor([[o]]))
    low, high = (float(end) for end in edge.input_window())
    window = low, high
    none: Array = np.zeros(0)
    grid, places, coefficients = none, none, none
    weights = edge.edge_weights()[0, 0, :, 0].double().cpu().numpy()
    with_base = isinstance(edge, KANLayer) and edge.base_weight is not None
    if isinstance(edge, KANLayer):
        knots = edge.knots[0, 0].double().cpu().numpy()
        k = edge.spline_order
        grid, places = knots[k : len(knots) - k], greville(knots, k)
        coefficients = weights[: len(places)]
        low, high = min(low, places[0]), max(high, places[-1])
    if seen is not None and np.isfinite(seen).any():
        finite = seen[np.isfinite(seen)]
        # what lies far outside is left to the histogram's last bars
        reach = window[1] - window[0]
        low, high = (
            min(low, max(float(finite.min()), window[0] - reach)),
            max(high, min(float(finite.max()), window[1] + reach)),
        )
    margin = 0.03 * (high - low)
    x = np.linspace(low - margin, high + margin, POINTS, dtype=np.float64)
    points = torch.from_numpy(x)[None, :, None].to(next(edge.parameters()))
    terms = edge.edge_features(points)[0, :, 0].double().cpu().numpy() * weights
    return _Edge(
        x=x,
        y=edge.edge_values(points)[0, :, 0, 0].double().cpu().numpy(),
        terms=terms[:, :-1] if with_base else terms,
        base=terms[:, -1] if with_base else None,
        window=window,
        grid=grid,
        places=places,
        coefficients=coefficients,
        live=bool(edge.live_edges()),
        symbolic=edge.symbolic is not None and bool(edge.symbolic.fixed),
    )


def _draw(axes: Axes, edge: _Edge, seen: Array | None) -> None:
    axes.axvspan(*edge.window, color=FIELD, linewidth=0, zorder=0)
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    shown = [edge.y, np.zeros(1)]
    if edge.live and not edge.symbolic:
        for n, term in enumerate(edge.terms.T):
            colour = CYCLE[1 + n % (len(CYCLE) - 1)]
            axes.fill_between(edge.x, term, color=colour, alpha=0.13, linewidth=0)
            there = term != 0
            label = "weighted bases"
            axes.plot(edge.x[there], term[there], color=colour, linewidth=0.7, gid=f"term {n}", label=label)
        if edge.base is not None:
            style = (0, (3, 2))
            axes.plot(edge.x, edge.base, color=INK, linewidth=0.8, linestyle=style, gid="base", label="base function")
            shown.append(edge.base)
        if len(edge.places):
            label = "coefficients"
            axes.plot(edge.places, edge.coefficients, "o", color=INK, ms=2.6, zorder=4, gid=label, label=label)
        shown += [edge.terms.ravel(), edge.coefficients]
    colour = GREEN if edge.symbolic else BLUE
    if edge.live:
        label = "edge with a formula" if edge.symbolic else "edge"
        axes.plot(edge.x, edge.y, color=colour, linewidth=1.8, zorder=3, gid="edge", label=label)
    else:
        axes.text(0.5, 0.5, "pruned", transform=axes.transAxes, ha="center", va="center", color=GREY)
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    span = (high - low) or 1.0
    floor = low - (0.36 if seen is not None else 0.12) * span
    axes.set(xlim=(edge.x[0], edge.x[-1]), ylim=(floor, high + 0.1 * span))
    if seen is not None:
        finite = seen[np.isfinite(seen)].clip(edge.x[0], edge.x[-1])
        counts, ends = np.histogram(finite, bins=BARS, range=(edge.x[0], edge.x[-1]))
        axes.bar(
            ends[:-1],
            0.2 * span * counts / max(int(counts.max()), 1),
            np.diff(ends),
            bottom=floor,
            align="edge",
            color=GREY,
            alpha=0.55,
            linewidth=0,
            zorder=2,
            label="inputs",
        )
    axes.plot(
        edge.grid, np.full_like(edge.grid, floor), "|", color=INK, ms=5, clip_on=False, zorder=6, gid="grid points"
    )
    tidy(axes, 4, 4)
    axes.tick_params(axis="x", pad=3)
