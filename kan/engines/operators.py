r"""The spline operation as registered operators of torch, for everything that traces instead of running.

`torch.compile` and its kin take `kan::spline_sum` and `kan::spline_sum_backward` as they are: what they know of them is
the shape of the results (the fake kernels) and that one is the gradient of the other. Both compute by the engine that
eager execution would take, so that compiled equals eager to the last bit. Plain eager code does not come here: as
registered operators forward and backward cost a tenth of a millisecond more, as much as a small layer takes.
"""

__all__ = ["ENGINES_BEHIND", "opaque_sum"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kan.engines.cuda import triton_gradients, triton_sum
from kan.engines.dense import dense_gradients
from kan.engines.local import local_gradients, local_sum

ENGINES_BEHIND: dict[str, tuple[Callable[..., Tensor], Callable[..., tuple[Tensor | None, ...]]]] = {
    "local": (local_sum, local_gradients),
    "triton": (triton_sum, triton_gradients),
}
"""Engines that tracers can't look into: values and gradients."""

_SUM = (
    "(Tensor x, Tensor knots, Tensor coefficients, Tensor scale, Tensor? base_weight, int spline_order, bool uniform, "
    "str base, str engine) -> Tensor"
)


@torch.library.custom_op("kan::spline_sum", mutates_args=(), schema=_SUM)
def _sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: str,
    engine: str,
) -> Tensor:
    with torch.no_grad():
        return ENGINES_BEHIND[engine][0](x, knots, coefficients, scale, base_weight, spline_order, uniform, base)


@_sum.register_fake
def _(x: Tensor, knots: Tensor, coefficients: Tensor, *others: Any) -> Tensor:
    return x.new_empty((x.shape[0], x.shape[1], coefficients.shape[-1]))


@torch.library.custom_op(
    "kan::spline_sum_backward",
    mutates_args=(),
    schema=f"(Tensor upstream, {_SUM[1:].partition(')')[0]}, bool[] needed) -> Tensor[]",
)
def _backward(
    upstream: Tensor,
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: str,
    engine: str,
    needed: Sequence[bool],
) -> list[Tensor]:
    tensors = (x, knots, coefficients, scale, base_weight)
    with torch.no_grad():
        found = ENGINES_BEHIND[engine][1](upstream, *tensors, spline_order, uniform, base, needed)
    return [gradient for gradient in found if gradient is not None]


@_backward.register_fake
def _(upstream: Tensor, *arguments: Any) -> list[Tensor]:
    x, _, coefficients, scale, base_weight = arguments[:5]
    needed = arguments[-1]
    pairs = zip((x, coefficients, scale, base_weight), (needed[0], *needed[2:]), strict=True)
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t, need in pairs if need]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.settings = inputs[5:]


def _differentiate(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    if torch.is_grad_enabled():  # gradients of gradients
        return *dense_gradients(ctx, upstream), None
    needed = [bool(need) for need in ctx.needs_input_grad[:5]]
    needed[1] = False  # the knots are no function's argument
    found = iter(torch.ops.kan.spline_sum_backward(upstream.contiguous(), *ctx.saved_tensors, *ctx.settings, needed))
    return *[next(found) if need else None for need in needed], None, None, None, None


_sum.register_autograd(_differentiate, setup_context=_keep)


def opaque_sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor | None,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: str,
    engine: str,
) -> Tensor:
    """`kan.engines.spline_sum` by the operator, with an engine of `ENGINES_BEHIND`; checks nothing."""
    if scale is None:
        scale = x.new_ones((coefficients.shape[0], coefficients.shape[1], coefficients.shape[-1]))
    weight = None if base == "zero" else base_weight
    y: Tensor = torch.ops.kan.spline_sum(x, knots, coefficients, scale, weight, spline_order, uniform, base, engine)
    return y
