"""The spline operation through Triton kernels on the GPU, as one differentiable torch function.

In one file: sizes of blocks, launches and gradients have to agree with each other.
"""

__all__ = ["triton_gradients", "triton_runs", "triton_sum"]

import functools
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from kan.engines.dense import Base, dense_gradients
from kan.engines.plain import is_plain
from kan.splines import uniform_polynomials

_KINDS = {"zero": 0, "identity": 1, "silu": 2}
_ENOUGH = 512  # programs for one member: several for each multiprocessor of a large GPU
_OPTIONS = {"num_warps": 4, "enable_fp_fusion": True}  # named, because defaults differ between releases


@functools.cache
def _kernels() -> Any:
    """What needs triton, imported at first use: it takes some tenths of a second that not everybody needs."""
    from kan.engines.cuda import kernels

    return kernels


@functools.cache
def _installed() -> bool:
    """Whether there is a triton with tuples of constants (3.4) and products of matrices in float64 (3.5)."""
    try:
        major, minor = version("triton").split(".")[:2]
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= (3, 5)


def triton_runs(x: Tensor) -> bool:
    """Whether the engine takes inputs of this dtype on this device: NVIDIA's since 8.0 multiply float64 matrices."""
    return (
        x.device.type == "cuda"
        and x.dtype in (torch.float32, torch.float64)
        and torch.version.hip is None
        and _installed()
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
    )


@functools.cache
def _pieces(spline_order: int, derivative: int, uniform: bool) -> tuple[tuple[float, ...], ...]:
    """Polynomials of the bases on an interval of uniform knots, as constants for the compiler; others need none."""
    if not uniform:
        return ()
    rows = uniform_polynomials(spline_order, derivative, torch.float64, torch.device("cpu"))
    return tuple(tuple(row) for row in rows.tolist())


def _blocks(whole: int, block: int) -> int:
    return -(-whole // block)


def _power(number: int, low: int, high: int) -> int:
    """The smallest power of two that is not below the number, between two others."""
    return min(max(1 << max(number - 1, 0).bit_length(), low), high)


def _tile(x: Tensor, outputs: int) -> dict[str, int]:
    """Samples and outputs of one program: 4 KiB, about what fits into registers with what leads there."""
    block = _power(outputs, 1, 64)
    return {"BLOCK_B": _power(x.shape[1], 1, 4096 // x.element_size() // block), "BLOCK_O": block}


def _splits(programs: int, most: int) -> int:
    """Into how many parts to divide each sum, a power of two: none if the sums alone make programs enough.

    Without regard to the number of members, so that a member is the same to the last bit alone.
    """
    parts = min(_ENOUGH // programs, most, 64)
    return 1 << max(parts.bit_length() - 1, 0)


def _packed(tensor: Tensor | None) -> Tensor | None:
    """Contiguous, at an address that suits every kernel: others are compiled anew, and may sum in another order."""
    if tensor is None:
        return None
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % 16 else tensor


def _total(parts: Tensor) -> Tensor:
    """The sum over the first axis."""
    splits, size = len(parts), parts[0].numel()
    if splits == 1:
        return parts[0]
    out = torch.empty_like(parts[0])
    _kernels().add_parts[_blocks(size, 256),](parts, out, size, SPLITS=splits, BLOCK=256, **_OPTIONS)
    return out


def _search(knots: Tensor) -> int:
    """Halvings that leave one of all intervals."""
    return (knots.shape[-1] - 2).bit_length()


def _forward(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
) -> Tensor:
    members, batch, inputs = x.shape
    outputs = coefficients.shape[-1]
    if members * batch * outputs == 0:
        return x.new_empty((members, batch, outputs))
    tile = _tile(x, outputs)
    programs = _blocks(batch, tile["BLOCK_B"]) * _blocks(outputs, tile["BLOCK_O"])
    splits = _splits(programs, inputs // 8)
    parts = x.new_empty((splits, members, batch, outputs))
    tensors = (x, *map(_packed, (knots, coefficients, scale, base_weight)), parts)
    sizes = (*x.stride(), batch, inputs, knots.shape[-1], outputs, _search(knots), _blocks(inputs, splits))
    with torch.cuda.device_of(x):
        _kernels().forward[programs, splits, members](
            *tensors,
            *sizes,
            ORDER=spline_order,
            UNIFORM=uniform,
            PIECES=_pieces(spline_order, 0, uniform),
            KIND=0 if base_weight is None else _KINDS[base],
            **tile,
            **_OPTIONS,
        )
        return _total(parts)


def _backward_inputs(arguments: tuple[Any, ...], upstream: Tensor) -> Tensor:
    x, knots, coefficients, scale, base_weight, spline_order, uniform, base = arguments
    members, batch, inputs = x.shape
    outputs = coefficients.shape[-1]
    out = x.new_empty(x.shape)
    tile = _tile(x, outputs)
    tensors = (x, *map(_packed, (knots, coefficients, scale, base_weight, upstream)), out)
    _kernels().backward_inputs[_blocks(batch, tile["BLOCK_B"]) * inputs, 1, members](
        *tensors,
        *x.stride(),
        batch,
        inputs,
        knots.shape[-1],
        outputs,
        _search(knots),
        ORDER=spline_order,
        UNIFORM=uniform,
        PIECES=_pieces(spline_order, 1, uniform),
        KIND=0 if base_weight is None else _KINDS[base],
        **tile,
        **_OPTIONS,
    )
    return out


def _backward_weights(
    arguments: tuple[Any, ...], upstream: Tensor, need_c: bool, need_s: bool, need_w: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    x, knots, coefficients, scale, _, spline_order, uniform, base = arguments
    members, batch, inputs = x.shape
    _, _, count, outputs = coefficients.shape
    kind = _KINDS[base] if need_w else 0
    rows = count + 1 if kind else count
    tile = {"BLOCK_B": 32, "BLOCK_N": _power(rows, 16, 32), "BLOCK_O": _power(outputs, 16, 64)}
    programs = inputs * _blocks(rows, tile["BLOCK_N"]) * _blocks(outputs, tile["BLOCK_O"])
    splits = _splits(programs, batch // (4 * tile["BLOCK_B"]))
    share = _blocks(_blocks(batch, tile["BLOCK_B"]), splits)
    parts = x.new_empty((splits, members, inputs, rows, outputs))
    _kernels().backward_weights[programs, splits, members](
        x,
        _packed(knots),
        _packed(upstream),
        parts,
        *x.stride(),
        batch,
        inputs,
        knots.shape[-1],
        outputs,
        _search(knots),
        share,
        ORDER=spline_order,
        UNIFORM=uniform,
        PIECES=_pieces(spline_order, 0, uniform),
        KIND=kind,
        **tile,
        **_OPTIONS,
    )
    gc = x.new_empty(coefficients.shape) if need_c else None
    gs = x.new_empty(scale.shape) if need_s else None
    gw = x.new_empty(scale.shape) if need_w else None
    block = _power(outputs, 1, 32)
    _kernels().finish_weights[members * inputs, _blocks(outputs, block)](
        _total(parts),
        _packed(coefficients),
        _packed(scale),
        gc,
        gs,
        gw,
        count,
        outputs,
        NEED_C=need_c,
        NEED_S=need_s,
        NEED_W=need_w,
        BLOCK_N=32,
        BLOCK_O=block,
        **_OPTIONS,
    )
    return gc, gs, gw


class _TritonSum(torch.autograd.Function):
    """The operation with the gradients that are asked for; gradients of gradients go through the dense reference."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        ctx.settings = arguments[5:]
        ctx.save_for_backward(*arguments[:5])
        return _forward(*arguments)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or not is_plain(upstream):
            return dense_gradients(ctx, upstream)
        x, knots, c, s, w = ctx.saved_tensors
        spline_order, uniform, base = ctx.settings
        needed = ctx.needs_input_grad[:5]
        gx, gc, gs, gw = triton_gradients(upstream, x, knots, c, s, w, spline_order, uniform, base, needed)
        return gx, None, gc, gs, gw, None, None, None


def triton_gradients(
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
    """Gradients of `triton_sum`; see `kan.engines.local.local_gradients`."""
    tensors = (x, knots, coefficients, scale, base_weight)
    need_x, _, *need_weights = needed
    if upstream.numel() == 0 or x.numel() == 0:
        zeros = [
            torch.zeros_like(t) if need and t is not None else None for t, need in zip(tensors, needed, strict=True)
        ]
        return zeros[0], *zeros[2:]
    arguments = (*tensors, spline_order, uniform, base)
    with torch.cuda.device_of(x):
        gx = _backward_inputs(arguments, upstream) if need_x else None
        weights = _backward_weights(arguments, upstream, *need_weights) if any(need_weights) else (None,) * 3
    return gx, *weights


def triton_sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    scale: Tensor | None,
    base_weight: Tensor | None,
    spline_order: int,
    uniform: bool,
    base: Base,
) -> Tensor:
    """`kan.engines.spline_sum` on a CUDA device in float32 or float64; checks nothing.

    Gives no gradient in the knots, and neither forward-mode derivatives nor `torch.func` transforms. Never waits for
    the device, nor do launches depend on data: once everything is compiled, a CUDA graph can take it.
    """
    if scale is None:
        members, inputs, _, outputs = coefficients.shape
        scale = x.new_ones((members, inputs, outputs))
    weight = None if base == "zero" else base_weight
    arguments = (x, knots.detach(), coefficients, scale, weight, spline_order, uniform, base)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, coefficients, scale, weight)):
        y: Tensor = _TritonSum.apply(*arguments)
        return y
    return _forward(*arguments)
