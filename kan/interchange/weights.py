"""The tensors of one network in one layout, between our stacks of members and the networks of others."""

__all__ = ["LayerWeights", "base_name", "entry", "layers_to_write", "stack"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn

from kan.edge_network import EdgeNetwork
from kan.engines.dense import BASES, Base
from kan.layer import KANLayer
from kan.network import KAN


@dataclass(frozen=True)
class LayerWeights:
    """One layer of one network, in the layout of `KANLayer` without its member axis.

    Attributes:
        name: what errors call the layer.
        knots: shape (I, N), N = G + 2k + 1.
        coefficients: shape (I, K, O), K = G + k.
        spline_scale: shape (I, O).
        base_weight: shape (I, O).
        base: name of the base function.
        live: edges that are not masked, bool (I, O); None for all.
        train_spline_scale: whether the scale of the splines is trained.
        train_base_weight: whether the weight of the base function is trained.

    Raises:
        ValueError: shapes that do not fit together, knots that do not increase, or an unknown base function.
    """

    name: str
    knots: Tensor
    coefficients: Tensor
    spline_scale: Tensor
    base_weight: Tensor
    base: str
    live: Tensor | None = None
    train_spline_scale: bool = True
    train_base_weight: bool = True

    def __post_init__(self) -> None:
        if self.coefficients.dim() != 3 or self.knots.dim() != 2:
            raise ValueError(
                f"{self.name}: coefficients and grid need three and two axes, got shapes "
                f"{tuple(self.coefficients.shape)} and {tuple(self.knots.shape)}"
            )
        if self.knots.shape[0] != self.in_features or self.spline_order < 1 or self.grid_size < 1:
            raise ValueError(
                f"{self.name}: {self.in_features} inputs with {self.coefficients.shape[1]} coefficients an edge do not "
                f"fit a grid of shape {tuple(self.knots.shape)}: G + k coefficients go with G + 2k + 1 knots, k ≥ 1"
            )
        edges = (self.in_features, self.out_features)
        for tensor in (self.spline_scale, self.base_weight, self.live):
            if tensor is not None and tuple(tensor.shape) != edges:
                raise ValueError(
                    f"{self.name}: scales, base weights and mask must have one value for each of {edges} edges, "
                    f"got shape {tuple(tensor.shape)}"
                )
        rising = (self.knots.diff(dim=-1) > 0).all(dim=-1)
        if not bool(rising.all()):  # the others' bases are zero or NaN there
            raise ValueError(
                f"{self.name}: the grid of input {int(rising.int().argmin())} does not strictly increase (was it "
                "updated where that input was constant?)"
            )
        if self.base not in BASES:
            raise ValueError(f"{self.name}: its base function is {self.base}, not one of {', '.join(BASES)}")

    @property
    def in_features(self) -> int:
        """Input features I."""
        return self.coefficients.shape[0]

    @property
    def out_features(self) -> int:
        """Output features O."""
        return self.coefficients.shape[2]

    @property
    def spline_order(self) -> int:
        """Order k = N - K - 1."""
        return self.knots.shape[1] - self.coefficients.shape[1] - 1

    @property
    def grid_size(self) -> int:
        """Intervals G = K - k."""
        return self.coefficients.shape[1] - self.spline_order

    def describe(self) -> str:
        """What layers must share to be members of one stack."""
        frozen = [] if self.train_spline_scale else ["scales"]
        if not self.train_base_weight and self.base != "zero":
            frozen.append("base weights")
        return (
            f"{self.in_features} → {self.out_features} with grid size {self.grid_size}, order {self.spline_order}, "
            f"base {self.base}, {' and '.join(frozen) or 'nothing'} frozen"
        )


def entry(state: Mapping[str, object], name: str, whose: str) -> Tensor:
    """A floating-point tensor of a state dict.

    Raises:
        ValueError: it is missing, or something else.
    """
    value = state.get(name)
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise ValueError(f"this is no state dict of {whose}: it has no floating-point tensor {name}")
    return value.detach()


def base_name(function: object) -> str:
    """Our name of another implementation's base function; of an unknown one, what it is called there."""
    if isinstance(function, str):
        return function
    known = {nn.SiLU: "silu", nn.Identity: "identity"}
    return known.get(type(function), getattr(function, "__name__", type(function).__name__))


def stack(networks: Sequence[Sequence[LayerWeights]], dtype: torch.dtype | None, device: torch.device | None) -> KAN:
    """A network with a member for each of these, in their order; in dtype and on the device of the first by default.

    Raises:
        ValueError: no network, layers that do not follow on each other, or networks that differ in more than values.
    """
    if not networks:
        raise ValueError("there is no network to read: the list is empty")
    first = networks[0]
    for index, network in enumerate(networks):
        if len(network) != len(first):
            raise ValueError(f"members need one shape: source 0 has {len(first)} layers, source {index} {len(network)}")
        for ours, theirs in zip(first, network, strict=True):
            if ours.describe() != theirs.describe():
                raise ValueError(
                    f"members need one shape: {ours.name} is {ours.describe()} in source 0, but {theirs.describe()} "
                    f"in source {index}"
                )
            if dtype is None and ours.coefficients.dtype != theirs.coefficients.dtype:
                raise ValueError(
                    f"source 0 is {ours.coefficients.dtype} and source {index} {theirs.coefficients.dtype}: "
                    "say which by dtype=…"
                )
    kan = KAN(1, 1, depth=1, generators=[Generator()])  # generators of its own: reading weights draws no random numbers
    built = kan.rebuilt([_layer(members, dtype, device) for members in zip(*networks, strict=True)])
    assert isinstance(built, KAN)
    return built


def _layer(members: Sequence[LayerWeights], dtype: torch.dtype | None, device: torch.device | None) -> KANLayer:
    first = members[0]
    layer = KANLayer(
        first.in_features,
        first.out_features,
        first.grid_size,
        first.spline_order,
        base=cast(Base, first.base),
        train_spline_scale=first.train_spline_scale,
        train_base_weight=first.train_base_weight,
        members=len(members),
        generators=[Generator() for _ in members],
        dtype=dtype or first.coefficients.dtype,
        device=device or first.coefficients.device,
    )
    with torch.no_grad():
        for m, weights in enumerate(members):
            layer.knots[m].copy_(weights.knots)
            layer.coefficients[m].copy_(weights.coefficients)
            layer.spline_scale[m].copy_(weights.spline_scale)
            if layer.base_weight is not None:
                layer.base_weight[m].copy_(weights.base_weight)
    live = layer.live_edges().clone()
    for m, weights in enumerate(members):
        if weights.live is not None:
            live[m].copy_(weights.live)
    layer.set_mask(live)
    layer.refresh()
    return layer


def layers_to_write(model: EdgeNetwork, member: int | None, whose: str) -> list[LayerWeights]:
    """One member's layers, copied; a base "zero" has base weights that are zero.

    Args:
        model: a `KAN`.
        member: which member; None for the only one.
        whose: the implementation that is to hold them.

    Raises:
        ValueError: no `KAN`, no such member or none chosen of several, or what no other implementation can hold.
    """
    if not isinstance(model, EdgeNetwork):
        raise ValueError(f"only KANs of B-splines have a form in {whose}, not {type(model).__name__}")
    if member is None and model.members > 1:
        raise ValueError(f"{whose} holds one network, this is a stack of {model.members}: choose one, member=…")
    index = member or 0
    if not 0 <= index < model.members:
        raise ValueError(f"member must be between 0 and {model.members - 1}, got {index}")
    found = []
    for number, layer in enumerate(model.each_layer()):
        name = f"layer {number}"
        if not isinstance(layer, KANLayer):
            raise ValueError(f"{name} is a {type(layer).__name__}: only layers of B-splines have a form in {whose}")
        if layer.symbolic is not None and bool(layer.symbolic.fixed[index].any()):
            raise ValueError(f"{name} has symbolic edges, which are not written to {whose}: release_symbolic first")
        if not layer.coefficients.requires_grad:
            raise ValueError(f"the coefficients of {name} are frozen, which {whose} has no word for; unfreeze them")
        scale = layer.spline_scale.detach()[index].clone()
        weight = layer.base_weight
        found.append(
            LayerWeights(
                name,
                layer.knots[index].clone(),
                layer.coefficients.detach()[index].clone(),
                scale,
                torch.zeros_like(scale) if weight is None else weight.detach()[index].clone(),
                layer.base,
                None if layer.mask is None else layer.live_edges()[index],
                layer.spline_scale.requires_grad,
                weight is not None and weight.requires_grad,
            )
        )
    return found
