r"""Edges that follow formulas, \(\phi_{i,o}(x) = c \, f(a x + b) + d\), in place of their learnable functions.

In one file: the edges that follow formulas, and what makes and releases them.
"""

__all__ = ["SymbolicEdges", "edge_samples", "edge_selection", "fix_symbolic", "release_symbolic", "symbolic_edges"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.members import stacked_input
from kan.symbolic.affine_fit import fit_symbol
from kan.symbolic.functions import SymbolicFunction, find_function, function_of

_IDENTITY = (1.0, 0.0, 1.0, 0.0)


class SymbolicEdges(nn.Module):
    r"""The edges of a layer that follow formulas, with trainable a, b, c, d each.

    Only these edges are evaluated; the gradient of all other entries of `affine` is exactly zero.

    Args:
        members: independent replicas M.
        in_features: input features I.
        out_features: output features O.
        dtype: of the parameters, torch's default if None.
        device: of the parameters.

    Attributes:
        function: code of each edge's function (`kan.symbolic`), -1 where the edge is not fixed, int64 (M, I, O).
        affine: (a, b, c, d) of each edge, (M, I, O, 4).
    """

    AXES: ClassVar[Mapping[str, str]] = {"function": "MIO", "affine": "MIOA"}

    function: Tensor
    affine: nn.Parameter

    def __init__(
        self,
        members: int,
        in_features: int,
        out_features: int,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        shape = (members, in_features, out_features)
        self.register_buffer("function", torch.full(shape, -1, dtype=torch.int64, device=device))
        self.affine = nn.Parameter(torch.tensor(_IDENTITY, dtype=dtype, device=device).repeat(*shape, 1))
        self._listed: _Listed | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_listed": None}  # a copy's tensors have versions of their own

    @property
    def fixed(self) -> Tensor:
        """Which edges follow a formula, bool (M, I, O)."""
        return self.function >= 0

    def function_at(self, member: int, i: int, o: int) -> SymbolicFunction | None:
        """The function that an edge follows, None if it is not fixed."""
        code = int(self.function[member, i, o])
        return None if code < 0 else function_of(code)

    @torch.no_grad()
    def fix(self, edges: Tensor, function: SymbolicFunction, affine: Tensor) -> None:
        """Lets edges, bool (M, I, O), follow a function with the (a, b, c, d) that `affine` (M, I, O, 4) has there."""
        self.function[edges] = function.code
        self.affine[edges] = affine.to(self.affine)[edges]

    @torch.no_grad()
    def release(self, edges: Tensor) -> None:
        """Gives edges, bool (M, I, O), back to their learnable functions."""
        self.function[edges] = -1
        self.affine[edges] = torch.tensor(_IDENTITY).to(self.affine)

    def complete(self, mask: Tensor | None) -> bool:
        """Whether no edge is left to the learnable functions: all are fixed or masked."""
        return self._list(mask).complete

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The sum of the fixed edges that are not masked: inputs (M, B, I) to (M, B, O)."""
        listed = self._list(mask)
        members, _, outputs = self.function.shape
        sums = x.new_zeros(members * outputs, x.shape[1])
        if listed.groups:
            sums = sums.index_add(0, listed.member * outputs + listed.output, self._values(x, listed))
        return sums.view(members, outputs, -1).transpose(1, 2)

    def edge_values(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The same edge by edge, (M, B, I, O), zero for all other edges."""
        listed = self._list(mask)
        values = x.new_zeros(*self.function.shape, x.shape[1])
        if listed.groups:
            places = (listed.member, listed.input, listed.output)
            values = values.index_put(places, self._values(x, listed))
        return values.permute(0, 3, 1, 2)

    def _values(self, x: Tensor, listed: "_Listed") -> Tensor:
        """Values of the listed edges, (edges, B)."""
        a, b, c, d = self.affine[listed.member, listed.input, listed.output].unsqueeze(-1).unbind(1)
        u = a * x.transpose(1, 2)[listed.member, listed.input] + b
        sizes = [count for _, count in listed.groups]
        parts = [f(part) for (f, _), part in zip(listed.groups, u.split(sizes), strict=True)]
        return c * torch.cat(parts) + d

    def _list(self, mask: Tensor | None) -> "_Listed":
        """The edges to evaluate, listed anew after a change of the functions or of the mask."""
        if self._listed is None or not self._listed.describes(self.function, mask):
            self._listed = _Listed(self.function, mask)
        return self._listed


class _Listed:
    """Which edges are evaluated, function by function."""

    def __init__(self, function: Tensor, mask: Tensor | None) -> None:
        self.source = (function, mask)
        self.versions = tuple(_version(tensor) for tensor in self.source)
        fixed = function >= 0
        live = fixed if mask is None else fixed & (mask != 0)
        self.complete = bool((fixed if mask is None else fixed | (mask == 0)).all())
        codes = function[live].unique().tolist()
        places = [(live & (function == code)).nonzero() for code in codes]
        self.groups = [(function_of(code), len(place)) for code, place in zip(codes, places, strict=True)]
        self.member, self.input, self.output = torch.cat([*places, live.new_zeros(0, 3, dtype=torch.int64)]).unbind(1)

    def describes(self, function: Tensor, mask: Tensor | None) -> bool:
        """Whether this is the list of these tensors, and neither has changed since."""
        same = self.source[0] is function and self.source[1] is mask
        return same and self.versions == tuple(_version(tensor) for tensor in self.source)


def _version(tensor: Tensor | None) -> object:
    """Differs after every change in place; of tensors of inference mode, which do not count them, in every call."""
    if tensor is None:
        return 0
    return object() if tensor.is_inference() else tensor._version


def edge_selection(
    model: LayeredNetwork, layer: int, i: int | None = None, o: int | None = None, member: int | None = None
) -> Tensor:
    """One edge of one member, or all of them where an index is None: bool (M, I, O) of that layer.

    Raises:
        ValueError: an index out of range.
    """
    if not 0 <= layer < model.depth:
        raise ValueError(f"layer must be between 0 and {model.depth - 1}, got {layer}")
    chosen = torch.zeros_like(model.layer(layer).live_edges())
    places: list[int | slice] = []
    for label, index, count in zip(("member", "input", "output"), (member, i, o), chosen.shape, strict=True):
        if index is not None and not 0 <= index < count:
            raise ValueError(f"{label} must be between 0 and {count - 1}, got {index}")
        places.append(slice(None) if index is None else index)
    chosen[tuple(places)] = True
    return chosen


def symbolic_edges(layer: EdgeLayer) -> SymbolicEdges:
    """The layer's symbolic edges, made if there are none yet."""
    if layer.symbolic is None:
        like = next(layer.parameters())
        shape = (layer.members, layer.in_features, layer.out_features)
        layer.symbolic = SymbolicEdges(*shape, dtype=like.dtype, device=like.device)
    return layer.symbolic


@torch.no_grad()
def fix_symbolic(
    model: LayeredNetwork,
    layer: int,
    i: int,
    o: int,
    name: str,
    x: Tensor | None = None,
    *,
    affine: Sequence[float] | None = None,
    member: int | None = None,
) -> Tensor | None:
    r"""Lets an edge follow \(c \, f(a x + b) + d\), fitted to what the edge is now or as given.

    The learnable function is kept, silenced, for `release_symbolic`. The first fixed edge of a layer brings a new
    parameter, `symbolic.affine`: an optimizer made before does not train it.

    Args:
        model: changed in place.
        layer: which layer, counted from 0.
        i: which input of the layer.
        o: which output.
        name: f, one of `kan.symbolic.LIBRARY`.
        x: inputs of the network to fit at, (M, B, I) or (B, I).
        affine: a, b, c, d, instead of a fit.
        member: which member, None for all, each with a fit of its own.

    Returns:
        R² of the fits, one a member, or None without a fit.

    Raises:
        ValueError: an unknown function, an index out of range, not exactly one of `x` and `affine`, or a bad one.
    """
    function = find_function(name)
    edges = edge_selection(model, layer, i, o, member)
    if (x is None) == (affine is None):
        raise ValueError("fix_symbolic needs either inputs x to fit at, or affine = (a, b, c, d)")
    r2 = None
    if x is not None:
        fit = fit_symbol(function, *edge_samples(model, layer, i, o, x))
        values = fit.affine.expand(*edges.shape, 4)
        r2 = fit.r2.flatten() if member is None else fit.r2[member].flatten()
    else:
        given = torch.tensor(affine, dtype=torch.float64, device=edges.device)
        if given.shape != (4,) or not bool(given.isfinite().all()):
            raise ValueError(f"affine must be four finite numbers (a, b, c, d), got {affine}")
        values = given.expand(*edges.shape, 4)
    symbolic_edges(model.layer(layer)).fix(edges, function, values)
    return r2


def release_symbolic(
    model: LayeredNetwork, layer: int, i: int | None = None, o: int | None = None, member: int | None = None
) -> None:
    """Gives edges back to their learnable functions, which are what they were when the edges were fixed.

    Args:
        model: changed in place.
        layer: which layer, counted from 0.
        i: which input of the layer, None for all.
        o: which output, None for all.
        member: which member, None for all.

    Raises:
        ValueError: an index out of range.
    """
    edges, target = edge_selection(model, layer, i, o, member), model.layer(layer)
    if target.symbolic is not None:
        target.symbolic.release(edges)
        if not bool(target.symbolic.fixed.any()):
            target.symbolic = None


def edge_samples(model: LayeredNetwork, layer: int, i: int, o: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and values of one edge of every member, where the network's inputs are x: (M, B, 1) and (M, B, 1, 1)."""
    inputs = stacked_input(x, model.members, model.in_features, model.like())
    for before in list(model.each_layer())[:layer]:
        inputs = before(inputs)
    inputs = inputs[..., i : i + 1]
    place = torch.zeros(model.members, 1, dtype=torch.int64, device=inputs.device)
    alone = model.layer(layer).select(range(model.members), inputs=place + i, outputs=place + o)
    return inputs, alone.edge_values(inputs)
