"""Matching an MLP to the budget of another model: the width that comes closest in parameters or FLOPs."""

__all__ = ["Budget", "closest_width", "matched_mlp"]

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Generator, nn

from kan.members import layer_sizes
from mlp_baselines.mlp import MLP, Activation, parameter_count

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


def matched_mlp(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int = 2,
    activation: Activation = "silu",
    *,
    budget: Budget = "parameters",
    omega: float = 30.0,
    members: int = 1,
    generators: Sequence[Generator] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
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
        omega: see `MLP`.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Raises:
        ValueError: an unknown budget, or what `MLP` raises.
    """
    if budget not in ("parameters", "flops"):
        raise ValueError(f"budget must be parameters or flops, got {budget!r}")
    model: Any = reference(in_features=in_features, out_features=out_features)

    def cost(width: int) -> int:
        sizes = layer_sizes(in_features, out_features, width, depth)
        if budget == "flops":
            return MLP(in_features, out_features, layer_sizes=sizes, device=torch.device("meta")).flops()
        return parameter_count(sizes)

    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    target = int(model.flops()) if budget == "flops" else trainable
    return MLP(
        in_features,
        out_features,
        width=closest_width(cost, target) if depth > 1 else 1,
        depth=depth,
        activation=activation,
        omega=omega,
        members=members,
        generators=generators,
        dtype=dtype,
        device=device,
    )
