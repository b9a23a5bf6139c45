"""The spline operation in plain torch, a dense basis and one matrix product: what every engine is held to."""

__all__ = ["BASES", "Base", "dense_gradients", "dense_sum"]

from collections.abc import Callable
from typing import Any, Literal

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


def dense_gradients(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients of the dense reference in the backward pass of another engine, differentiable where that is asked.

    Args:
        ctx: of a function whose first eight arguments are those of `dense_sum`: five saved tensors, and `settings` for
            the others.
        upstream: gradient of the outputs.
    """
    inputs = ctx.saved_tensors
    wanted = [index for index, needed in enumerate(ctx.needs_input_grad[:5]) if needed]
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        y = dense_sum(*inputs, *ctx.settings[:3])
    gradients = torch.autograd.grad(
        y, [inputs[index] for index in wanted], upstream, create_graph=again, materialize_grads=True
    )
    out: list[Tensor | None] = [None] * 8
    for index, gradient in zip(wanted, gradients, strict=True):
        out[index] = gradient
    return tuple(out)
