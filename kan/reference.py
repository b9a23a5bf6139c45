"""The spline operation in plain torch, a dense basis and one matrix product: what every engine is held to."""

__all__ = ["BASES", "Base", "dense_sum"]

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from kan.splines import basis

Base = Literal["silu", "identity", "zero"]


def _identity(x: Tensor) -> Tensor:
    return x


BASES: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "identity": _identity, "zero": torch.zeros_like}


def dense_sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor | None,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
) -> Tensor:
    """`kan.engines.spline_sum` on any device and in any dtype, differentiable as often as wanted; checks nothing."""
    expanded = basis(x, knots, spline_order, uniform=uniform).flatten(-2)  # (M, B, I·K)
    weight = coefficients if scale is None else coefficients * scale.unsqueeze(-2)
    y = torch.bmm(expanded, weight.flatten(1, 2))
    if base_weight is not None and base != "zero":
        y = torch.baddbmm(y, BASES[base](x), base_weight)
    return y
