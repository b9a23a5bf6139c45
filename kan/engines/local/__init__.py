"""The spline operation through the local CPU kernels, as one differentiable torch function.

In one file: all that surrounds the call of a kernel, from the question whether it may run to the gradients.
"""

__all__ = ["local_gradients", "local_sum", "local_usable"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kan.engines.dense import Base, dense_gradients
from kan.engines.local.plan import Call
from kan.engines.local.running import ONES, Memory, compiled, spread
from kan.engines.local.running import usable as local_usable
from kan.engines.local.shapes import BASES, MOST_SAMPLES, spline_shape
from kan.engines.plain import is_plain
from kan.splines import uniform_polynomials


def _addresses(tensors: tuple[Tensor | None, ...]) -> tuple[int, ...]:
    return tuple([0 if tensor is None else tensor.data_ptr() for tensor in tensors])  # a list is faster to fill


def _contiguous(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    return tuple([None if tensor is None else tensor.contiguous() for tensor in tensors])


def _rows(x: Tensor) -> tuple[Tensor, int]:
    """Inputs whose rows (B, I) are contiguous, and the step from member to member: 0 where all share them."""
    _, batch, features = x.shape
    if not x.is_contiguous():
        if x.stride()[1:] == (features, 1) and x.stride(0) >= 0:
            return x, x.stride(0)
        x = x.contiguous()
    return x, batch * features


def _forward(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
    *,
    slopes: bool,
    keep: bool,
) -> tuple[Tensor, Memory | None]:
    """Outputs, and the records that the backward kernel reads, complete if they are to be kept; none of few outputs."""
    members, batch, inputs = x.shape
    outputs = coefficients.shape[-1]
    base = "zero" if base_weight is None else base
    shape = spline_shape(inputs, outputs, coefficients.shape[2], spline_order, uniform, base)
    if shape is not None and 0 < batch <= MOST_SAMPLES:
        rows, stride = _rows(x)
        y = x.new_empty((members, batch, outputs))
        Call((shape,), [_contiguous(knots, coefficients, scale, base_weight)]).run(0, rows, stride, y=y)
        return y, None
    blocks = -(-batch // compiled().BLOCK)
    rows, stride = _rows(x)
    t, c, s = knots.contiguous(), coefficients.contiguous(), scale.contiguous()
    w = None if base_weight is None else base_weight.contiguous()
    polynomials = uniform_polynomials(spline_order, 0, x.dtype, x.device)
    y = x.new_empty((members, batch, outputs))
    count = members * blocks * (inputs if keep else 1)
    records = Memory(count * compiled().record_rows(spline_order) * compiled().BLOCK, x)
    tensors = (rows, t, c, s, w, polynomials, records.tensor, y)
    kind = 0 if w is None else BASES[base]
    sizes = (batch, inputs, t.shape[-1], outputs, spline_order, int(uniform), kind, int(slopes), int(keep))
    arguments = (ONES[x.dtype], _addresses(tensors), stride, sizes)
    spread(compiled().forward, arguments, members * blocks, members * batch * inputs * (outputs + 32))
    return y, records


def _gradients(
    saved: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None],
    settings: tuple[int, bool, Base],
    records: Memory | None,
    upstream: Tensor,
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Gradients in inputs, coefficients, scales and base weights, as far as needed of x, knots, c, s and w."""
    x, knots, coefficients, scale, base_weight = saved
    spline_order, uniform, base = settings
    need_x, _, need_c, need_s, need_w = needed
    members, batch, inputs = x.shape
    outputs = upstream.shape[-1]
    c, s, g = coefficients.contiguous(), scale.contiguous(), upstream.contiguous()
    w = None if base_weight is None else base_weight.contiguous()
    gx = torch.empty_like(x, memory_format=torch.contiguous_format) if need_x else None
    gc = torch.empty_like(c) if need_c or need_s else None
    gs = torch.empty_like(s) if need_s else None
    gw = torch.empty_like(s) if need_w else None
    if records is None:
        base = "zero" if w is None else base
        shape = spline_shape(inputs, outputs, c.shape[2], spline_order, uniform, base)
        assert shape is not None
        rows, stride = _rows(x)
        call = Call((shape,), [_contiguous(knots, c, s, w)])
        call.give([(gc if need_c else None, gs, gw)])
        call.run(1, rows, stride, given=g, gx=gx)
        return gx, gc if need_c else None, gs, gw
    tensors = (c, s, w, records.tensor, g, gx, gc, gs, gw)
    sizes = (batch, inputs, knots.shape[-1], outputs, spline_order, 0 if w is None else BASES[base])
    arguments = (ONES[x.dtype], _addresses(tensors), sizes)
    spread(compiled().backward, arguments, members * inputs, 2 * members * batch * inputs * (outputs + 32))
    return gx, gc if need_c else None, gs, gw


class _LocalSum(torch.autograd.Function):
    """The operation with the gradients that are asked for; gradients of gradients go through the dense reference."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        ctx.settings = arguments[5:]
        y, ctx.records = _forward(*arguments, slopes=ctx.needs_input_grad[0], keep=True)
        ctx.save_for_backward(*arguments[:5])
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or not is_plain(upstream):
            return dense_gradients(ctx, upstream)
        gx, gc, gs, gw = _gradients(ctx.saved_tensors, ctx.settings, ctx.records, upstream, ctx.needs_input_grad[:5])
        return gx, None, gc, gs, gw, None, None, None


def local_gradients(
    upstream: Tensor,
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Gradients of `local_sum` in inputs, coefficients, scales and base weights, computed from nothing but arguments.

    Args:
        upstream: gradient of the outputs, (M, B, O).
        x: and the following: arguments of `local_sum`.
        knots: see there.
        coefficients: see there.
        scale: see there.
        base_weight: see there; None with base "zero".
        spline_order: see there.
        uniform: see there.
        base: see there.
        needed: which gradients are wanted, of x, knots (never), coefficients, scale and base weight.
    """
    saved = (x, knots, coefficients, scale, base_weight)
    _, records = _forward(*saved, spline_order, uniform, base, slopes=needed[0], keep=True)
    return _gradients(saved, (spline_order, uniform, base), records, upstream, needed)


def local_sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor | None,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
) -> Tensor:
    """`kan.engines.spline_sum` on the CPU in float32 or float64; checks nothing.

    Gives no gradient in the knots, and neither forward-mode derivatives nor `torch.func` transforms.
    """
    if scale is None:
        members, inputs, _, outputs = coefficients.shape
        scale = x.new_ones((members, inputs, outputs))
    weight = None if base == "zero" else base_weight
    if knots.requires_grad:
        knots = knots.detach()
    arguments = (x, knots, coefficients, scale, weight, spline_order, uniform, base)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, coefficients, scale, weight)):
        y: Tensor = _LocalSum.apply(*arguments)
        return y
    return _forward(*arguments, slopes=False, keep=False)[0]
