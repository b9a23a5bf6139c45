r"""A network as one picture: nodes, the curve of every edge on axes of its own, and lines as strong as the edges are.

As in the KAN paper (Liu et al., 2024, https://arxiv.org/abs/2404.19756, Fig. 4.1 and section 2.5.1) an edge has the
opacity \(\tanh(\beta \, |\phi|_1)\) with \(\beta = 3\), so that what hardly contributes fades out.

In one file: one picture, whose panels, names and legend are measured against each other.
"""

__all__ = ["Panel", "draw_network", "draw_networks", "opacity", "plot_network"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.pictures.drawing import Formulas, Network, draw
from kan.pictures.layout import arrange
from kan.pictures.style import GREY, SIZE, escape, fitted, number, sheet, styled
from kan.pruning.portraits import portrait

PAD = 0.14
GAP = 0.42
"""Inches around a figure, and between the networks in it."""

NAMED = 40
"""Inputs, or outputs, up to which those are drawn that no edge touches."""


class Panel(NamedTuple):
    """One network of a picture of several; a plain tuple of its first two or three does as well."""

    title: str
    portrait: Mapping[str, NDArray[Any]]
    member: int = 0
    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None
    formulas: Formulas | None = None


def opacity(l1: ArrayLike, beta: float = 3.0) -> NDArray[np.float64]:
    r"""\(\tanh(\beta \, |\phi|_1)\), between 0 and 1; zero where \(|\phi|_1\) is not finite."""
    return np.tanh(beta * np.nan_to_num(np.asarray(l1, dtype=np.float64), nan=0.0, posinf=0.0))


@styled
def draw_network(
    portrait: Mapping[str, NDArray[Any]],
    *,
    member: int = 0,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    title: str = "",
    formulas: Formulas | None = None,
    show_pruned: bool = False,
    beta: float = 3.0,
    max_edges: int = 64,
    width: float = 7.0,
) -> Figure:
    r"""Draws one member of a network from its portrait.

    Every edge that lives has axes of its own (labelled `edge l i o`), framed and scaled to its curve, with lines to
    its two nodes; frame, curve and lines have the opacity \(\tanh(\beta \, |\phi|_1)\).

    Args:
        portrait: what `kan.pruning.portrait` returns; other arrays beside it do not matter.
        member: which of the M members, counted from 0.
        input_names: one a input; x₁, x₂, … by default. A dollar sign is a dollar sign.
        output_names: one a output; y, or y₁, y₂, … by default.
        title: above the picture, one line or several.
        formulas: text for edges that follow a formula; they are drawn in green.
        show_pruned: leave the places of pruned edges, with a faint frame, instead of closing ranks.
        beta: \(\beta\); larger values make weak edges visible.
        max_edges: draw at most so many edges of each layer, those with the largest \(|\phi|_1\).
        width: inches that the picture may take before icons get smaller than 0.3 inches; beyond that it grows.

    Returns:
        The figure.

    Raises:
        ValueError: a portrait without arrays, a member or a number of names that do not fit, a formula for an edge
            that is not there, or `beta` or `max_edges` out of range.
    """
    item = Panel(title, portrait, member, input_names, output_names, formulas)
    return _table([[_network(item, show_pruned, beta, max_edges, width)]], beta)


@styled
def draw_networks(
    rows: Sequence[Sequence[Panel | tuple[Any, ...]]],
    *,
    show_pruned: bool = False,
    beta: float = 3.0,
    max_edges: int = 64,
    width: float = 7.0,
) -> Figure:
    """Draws several networks as a table: for each row, say, one function, and its network before and after pruning.

    Args:
        rows: a list of `Panel`, or of (title, portrait, member), for each row; icons of a row have one size.
        show_pruned: see `draw_network`.
        beta: see `draw_network`.
        max_edges: see `draw_network`.
        width: inches that each row may take before icons get smaller than 0.3 inches.

    Returns:
        The figure.

    Raises:
        ValueError: no networks, or see `draw_network`.
    """
    panels = [[Panel(*item) for item in row] for row in rows if row]
    if not panels:
        raise ValueError("there is no network to draw")
    columns = max(map(len, panels))
    networks = [[_network(item, show_pruned, beta, max_edges, np.inf) for item in row] for row in panels]
    wanted = [max(row[c].layout.width for row in networks if c < len(row)) for c in range(columns)]
    widths = _shares(wanted, width - GAP * (columns - 1))
    return _table([_evened(row, widths) for row in networks], beta)


def plot_network(model: EdgeNetwork, x: Tensor, **settings: Any) -> Figure:
    """Draws a network as it is at these inputs: `draw_network(portrait(model, x), ...)`.

    Args:
        model: a network of M members.
        x: inputs (M, B, I), or (B, I) shared by all members; curves are drawn over what they make each edge see.
        settings: of `draw_network`.

    Returns:
        The figure.

    Raises:
        ValueError: a wrong shape of `x`, or see `draw_network`.
    """
    return draw_network(portrait(model, x), **settings)


def _outputs(count: int) -> list[str]:
    return ["$y$"] if count == 1 else [f"$y_{{{o + 1}}}$" for o in range(count)]


def _network(item: Panel, show_pruned: bool, beta: float, max_edges: int, width: float) -> Network:
    """One panel, checked and placed."""
    arrays = item.portrait
    depth = sum(name.startswith("edge_l1_") for name in arrays)
    if not depth:
        raise ValueError("this is no portrait of a network: it has no array edge_l1_0")
    if max_edges < 1:
        raise ValueError(f"max_edges must be at least 1, got {max_edges}")
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    members = len(arrays["edge_l1_0"])
    if not 0 <= item.member < members:
        raise ValueError(f"member must be between 0 and {members - 1}, got {item.member}")

    def layers(name: str) -> list[NDArray[Any]]:
        return [arrays[f"edge_{name}_{layer}"][item.member] for layer in range(depth)]

    l1, live = layers("l1"), [each.astype(bool) for each in layers("live")]
    formulas = item.formulas or {}
    for (layer, i, o), text in formulas.items():
        if not (0 <= layer < depth and 0 <= i < l1[layer].shape[0] and 0 <= o < l1[layer].shape[1]):
            raise ValueError(f"there is no edge {(layer, i, o)} for the formula {text!r}")
    drawn = [_strongest(size, alive, max_edges) for size, alive in zip(l1, live, strict=True)]
    whole = show_pruned and max(each.size for each in live) <= max_edges
    shown = [np.ones_like(each) for each in live] if whole else drawn
    ends = len(l1[0]), l1[-1].shape[1]
    names = (
        _names("input", item.input_names, [f"$x_{{{i + 1}}}$" for i in range(ends[0])]),
        _names("output", item.output_names, _outputs(ends[1])),
    )
    return Network(
        x=layers("x"),
        y=layers("y"),
        opacity=[opacity(each, beta) for each in l1],
        drawn=drawn,
        shown=shown,
        names=names,
        formulas=formulas,
        title=item.title,
        hidden=sum(int(a.sum()) - int(b.sum()) for a, b in zip(live, drawn, strict=True)),
        layout=arrange(shown, width, all_ends=max(ends) <= NAMED),
    )


def _names(what: str, names: Sequence[str] | None, default: list[str]) -> list[str]:
    if names is None:
        return default
    if isinstance(names, str) or len(names) != len(default):
        raise ValueError(f"{what}_names must be {len(default)} names, got {names!r}")
    return [escape(str(name)) for name in names]


def _strongest(l1: NDArray[Any], live: NDArray[Any], most: int) -> NDArray[Any]:
    """The live edges of a layer, or the largest `most` of them; those that are not finite count as the largest."""
    if live.sum() <= most:
        return live
    sizes = np.where(live, np.nan_to_num(l1, nan=np.inf), -1.0).ravel()
    chosen = np.zeros(sizes.size, dtype=bool)
    chosen[np.argsort(-sizes, kind="stable")[:most]] = True
    return chosen.reshape(live.shape)


def _shares(wanted: Sequence[float], total: float) -> list[float]:
    """A total cut for several: none gets more than wanted, and those that can't have it get the same."""
    given, left = [0.0] * len(wanted), total
    order = sorted(range(len(wanted)), key=lambda c: wanted[c])
    for position, c in enumerate(order):
        given[c] = min(wanted[c], left / (len(order) - position))
        left -= given[c]
    return given


def _evened(row: list[Network], widths: Sequence[float]) -> list[Network]:
    """The networks of a row on these widths, with icons of one size, and stretched towards one height."""

    def again(network: Network, width: float, **settings: float) -> Network:
        all_ends = max(map(len, network.names)) <= NAMED
        return replace(network, layout=arrange(network.shown, width, all_ends=all_ends, **settings))

    placed = list(zip(row, widths, strict=False))
    side = min(again(network, width).layout.side for network, width in placed)
    height = max(again(network, width, largest=side).layout.height for network, width in placed)
    return [again(network, width, largest=side, height=height) for network, width in placed]


def _table(rows: list[list[Network]], beta: float) -> Figure:
    """A table of networks: columns as wide as their widest, rows as high as their highest, a note below."""
    networks = [network for row in rows for network in row]
    columns = max(map(len, rows))
    widths = [max(row[c].size[0] for row in rows if c < len(row)) for c in range(columns)]
    heights = [max(network.size[1] for network in row) for row in rows]
    note = (
        f"Opacity of an edge: tanh({number(beta)} |φ|₁), with |φ|₁ the mean of |φ| over the samples. "
        "Each curve fills its own frame."
    )
    if any(network.formulas for network in networks):
        note += " Green: edges that follow a formula."
    if any(
        a.sum() > b.sum() for row in rows for network in row for a, b in zip(network.shown, network.drawn, strict=True)
    ):
        note += " Dotted: pruned."
    if hidden := sum(network.hidden for network in networks):
        note += f" {hidden} weaker edges are not drawn."
    inner = sum(widths) + GAP * (columns - 1)
    W = max(inner + 2 * PAD, 3.4)
    lines = fitted(note, W - 2 * PAD, SIZE - 1.5)
    H = 2 * PAD + sum(heights) + GAP * (len(rows) - 1) + 0.12 + 0.105 * len(lines)
    figure = sheet(W, H)
    top = PAD
    for row, height in zip(rows, heights, strict=True):
        left = 0.5 * (W - inner)
        for network, width in zip(row, widths, strict=False):
            draw(figure, network, left + 0.5 * width, top, height)
            left += width + GAP
        top += height + GAP
    figure.text(
        PAD / W, PAD / H, "\n".join(lines), fontsize=SIZE - 1.5, color=GREY, va="bottom", linespacing=1.2, gid="note"
    )
    return figure
