"""Matching a model to the budget of another one: the size that comes closest in parameters or FLOPs."""

__all__ = [
    "Budget",
    "Reference",
    "closest_size",
    "closest_width",
    "matched",
    "matched_mlp",
    "matched_spline_mlp",
    "matched_width",
]

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, Protocol

import torch
from torch import Generator, nn

from kan.engines.dense import Base
from kan.members import layer_sizes, passes_on
from mlp_baselines.activations import expansion_of
from mlp_baselines.affine import LayerNorm, parameter_count, product_flops
from mlp_baselines.mlp import MLP, Activation
from mlp_baselines.spline_mlp import SplineMLP, unit_costs

Budget = Literal["parameters", "flops"]


class Reference(Protocol):
    """Builds the model whose budget is matched."""

    def __call__(self, *, in_features: int, out_features: int) -> nn.Module:
        """One member of the model."""
        ...


def closest_width(cost: Callable[[int], int], budget: int) -> int:
    """The width ≥ 1 whose cost comes closest to the budget, the smaller one of two equally close.

    Args:
        cost: strictly increasing in the width.
        budget: what to come close to, in units of the cost.

    Example:
        >>> closest_width(lambda width: 3 * width + 1, 203)
        67
    """
    cost = cache(cost)  # counting may mean building
    low, high = 0, 1
    while cost(high) < budget:
        low, high = high, max(_guess(cost, low, high, budget), high + 1) if low else 2
    guess = True
    while high - low > 1:  # the first width that reaches the budget
        middle = min(max(_guess(cost, low, high, budget), low + 1), high - 1) if guess else (low + high) // 2
        for probe in (middle, middle - 1 if cost(middle) >= budget else middle + 1):
            if low < probe < high:
                low, high = (probe, high) if cost(probe) < budget else (low, probe)
        guess = not guess  # halving bounds their number where the cost is far from a straight line
    return low if low and budget - cost(low) <= cost(high) - budget else high


def _guess(cost: Callable[[int], int], low: int, high: int, budget: int) -> int:
    """Where a straight line through two costs reaches the budget."""
    return low + -(-(budget - cost(low)) * (high - low) // (cost(high) - cost(low)))


def closest_size(
    costs: Callable[[int], tuple[int, int]],
    reference: Reference,
    in_features: int,
    out_features: int,
    budget: Budget,
) -> int:
    """The size ≥ 1, a width or a grid's, of which a model comes closest to the reference's budget.

    Args:
        costs: trained parameters and FLOPs of one member at a size, both strictly increasing.
        reference: builds the model to match from `in_features` and `out_features`.
        in_features: input features I.
        out_features: output features O.
        budget: which of the two to match.

    Raises:
        ValueError: an unknown budget.
    """
    if budget not in ("parameters", "flops"):
        raise ValueError(f"budget must be parameters or flops, got {budget!r}")
    model: Any = reference(in_features=in_features, out_features=out_features)
    if budget == "flops":
        return closest_width(lambda size: costs(size)[1], int(model.flops()))
    return closest_width(lambda size: costs(size)[0], sum(p.numel() for p in model.parameters() if p.requires_grad))


def matched_width(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int,
    budget: Budget,
    unit_parameters: int = 0,
    unit_flops: int = 1,
    expansion: int = 1,
) -> int:
    """The width whose MLP comes closest to the reference's budget, given what a hidden unit costs; see `closest_size`.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: builds the model to match.
        depth: layers with parameters; there is no width to choose where it is 1.
        budget: what to match.
        unit_parameters: trained parameters of each hidden unit, besides weights and bias.
        unit_flops: FLOPs of each hidden unit.
        expansion: numbers that each hidden unit passes on.
    """

    def costs(width: int) -> tuple[int, int]:
        sizes = layer_sizes(in_features, out_features, width, max(depth, 2))
        units = sum(sizes[1:-1])
        parameters = parameter_count(sizes, expansion) + unit_parameters * units
        return parameters, product_flops(sizes, expansion) + unit_flops * units

    width = closest_size(costs, reference, in_features, out_features, budget)
    return width if depth > 1 else 1


class Sized(Protocol):
    """Builds a model of some size, which is one of its settings."""

    def __call__(self, *, in_features: int, out_features: int, **settings: Any) -> nn.Module:
        """The model."""
        ...


def matched(
    in_features: int,
    out_features: int,
    reference: Reference,
    model: Sized,
    size: str = "width",
    *,
    budget: Budget = "parameters",
    members: int = 1,
    generators: Sequence[Generator] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> nn.Module:
    """Any model with one setting, a number of 1 or more, of which it comes closest to the reference's budget.

    For families that have no matched form of their own: KANs by their grids, polynomials by their degree. Models are
    built to be counted, so nothing has to be known of them.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: builds the model to match from `in_features` and `out_features`.
        model: builds the model, given its size too.
        size: the setting that is solved, in which the budget grows.
        budget: what to match, trainable "parameters" of a member, or "flops" of a forward pass of one sample.
        members: see the model.
        generators: see the model.
        dtype: see the model.
        device: see the model.

    Raises:
        ValueError: an unknown budget, one that the size does not change, or what the model raises.
    """

    def costs(number: int) -> tuple[int, int]:
        built: Any = model(in_features=in_features, out_features=out_features, **{size: number})
        return sum(p.numel() for p in built.parameters() if p.requires_grad), int(built.flops())

    if budget in ("parameters", "flops") and costs(1)[budget == "flops"] >= costs(2)[budget == "flops"]:
        raise ValueError(f"{size} does not change the {budget} of the model: match another setting, or another budget")
    number = closest_size(costs, reference, in_features, out_features, budget)
    passed = {"members": members, "generators": generators, "dtype": dtype, "device": device}
    return model(in_features=in_features, out_features=out_features, **{size: number}, **passed)


@passes_on(MLP, "width", "layer_sizes")
def matched_mlp(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int = 2,
    activation: Activation | nn.Module = "silu",
    *,
    layer_norm: bool = False,
    budget: Budget = "parameters",
    **mlp: Any,
) -> MLP:
    """An `MLP` of this depth with the width that comes closest to the reference's budget.

    At depth 1 there is no width to choose: the MLP is the affine map, whatever the budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: builds the model to match from `in_features` and `out_features`.
        depth: layers with parameters of the MLP.
        activation: see `MLP`.
        layer_norm: see `MLP`.
        budget: what to match, trainable "parameters" of a member, or "flops" of a forward pass of one sample.
        mlp: what else `MLP` takes: `omega`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: an unknown budget, or what `MLP` raises.
    """
    expansion = expansion_of(activation)
    norm = (2, LayerNorm.FLOPS) if layer_norm else (0, 0)
    width = matched_width(in_features, out_features, reference, depth, budget, norm[0], expansion + norm[1], expansion)
    return MLP(in_features, out_features, width, depth, activation, layer_norm=layer_norm, **mlp)


@passes_on(SplineMLP, "width", "layer_sizes")
def matched_spline_mlp(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int = 2,
    grid_size: int = 10,
    spline_order: int = 3,
    *,
    budget: Budget = "parameters",
    base: Base = "silu",
    train_base_weight: bool = True,
    **mlp: Any,
) -> SplineMLP:
    """A `SplineMLP` of this depth and grid with the width that comes closest to the reference's budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: builds the model to match from `in_features` and `out_features`.
        depth: layers with weights of the MLP.
        grid_size: see `SplineMLP`.
        spline_order: see `SplineMLP`.
        budget: see `matched_mlp`.
        base: see `SplineMLP`.
        train_base_weight: see `SplineMLP`.
        mlp: what else `SplineMLP` takes: `grid_range`, `initialization`, `engine`, `members`, `generators`, `dtype`,
            `device`.

    Raises:
        ValueError: an unknown budget, or what `SplineMLP` raises.
    """
    costs = unit_costs(grid_size, spline_order, base, train_base_weight)
    return SplineMLP(
        in_features,
        out_features,
        matched_width(in_features, out_features, reference, depth, budget, *costs),
        depth,
        grid_size,
        spline_order,
        base=base,
        train_base_weight=train_base_weight,
        **mlp,
    )
