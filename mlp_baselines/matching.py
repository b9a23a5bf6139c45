"""Matching an MLP to the budget of another model: the width that comes closest in parameters or FLOPs."""

__all__ = ["Budget", "closest_width", "matched_mlp", "matched_spline_mlp"]

from collections.abc import Callable
from typing import Any, Literal, Protocol

from torch import nn

from kan.engines.dense import Base
from kan.members import layer_sizes, passes_on
from mlp_baselines.affine import parameter_count, product_flops
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
    high = 1
    while cost(high) < budget:
        high *= 2
    low = max(high // 2, 1)
    while low < high:  # the first width that reaches the budget
        middle = (low + high) // 2
        low, high = (middle + 1, high) if cost(middle) < budget else (low, middle)
    return high - 1 if high > 1 and budget - cost(high - 1) <= cost(high) - budget else high


def _matched_width(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int,
    budget: Budget,
    unit_parameters: int,
    unit_flops: int,
) -> int:
    """The width whose cost comes closest to the reference's, given what the activation of a hidden unit costs."""
    if budget not in ("parameters", "flops"):
        raise ValueError(f"budget must be parameters or flops, got {budget!r}")
    model: Any = reference(in_features=in_features, out_features=out_features)

    def cost(width: int) -> int:
        sizes = layer_sizes(in_features, out_features, width, depth)
        units = sum(sizes[1:-1])
        if budget == "flops":
            return product_flops(sizes) + unit_flops * units
        return parameter_count(sizes) + unit_parameters * units

    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    target = int(model.flops()) if budget == "flops" else trainable
    return closest_width(cost, target) if depth > 1 else 1


@passes_on(MLP, "width", "layer_sizes")
def matched_mlp(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int = 2,
    activation: Activation = "silu",
    *,
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
        budget: what to match, trainable "parameters" of a member, or "flops" of a forward pass of one sample.
        mlp: what else `MLP` takes: `omega`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: an unknown budget, or what `MLP` raises.
    """
    return MLP(
        in_features,
        out_features,
        width=_matched_width(in_features, out_features, reference, depth, budget, 0, 1),
        depth=depth,
        activation=activation,
        **mlp,
    )


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
        _matched_width(in_features, out_features, reference, depth, budget, *costs),
        depth,
        grid_size,
        spline_order,
        base=base,
        train_base_weight=train_base_weight,
        **mlp,
    )
