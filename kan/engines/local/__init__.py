"""The spline operation through the local CPU kernels, as one differentiable torch function.

In one file: all that surrounds the call of a kernel, from the question whether it may run to the gradients.
"""

__all__ = ["local_gradients", "local_sum", "local_usable"]

import functools
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kan.engines.dense import Base, dense_gradients
from kan.engines.plain import is_plain
from kan.splines import uniform_polynomials

log = logging.getLogger(__name__)

_PROCESS = os.getpid()
_KINDS = {"zero": 0, "identity": 1, "silu": 2}
_ONES = {torch.float32: np.float32(1), torch.float64: np.float64(1)}
_WORTH_A_THREAD = 1 << 19  # edges and inputs: about 0.2 ms, several times what it takes to wake a thread


@functools.cache
def _kernels() -> ModuleType:
    """What needs numba, imported at first use: it takes some tenths of a second that not everybody needs."""
    import numba

    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    from kan.engines.local import kernels

    return kernels


_usable: bool | None = None  # not known yet


def local_usable() -> bool:
    """Whether there are compiled kernels: numba can be told to compile nothing (`NUMBA_DISABLE_JIT`), or be broken."""
    global _usable  # noqa: PLW0603 # a plain name is all that a tracer can read here
    if _usable is None:
        try:
            _kernels()
            _usable = True
        except Exception as error:  # whatever numba and llvmlite raise while they load
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("no compiled kernels (%s): splines are computed by the slower dense engine", why)
            _usable = False
    return _usable


@functools.cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process; a fork starts with its own, because threads do not survive one."""
    return ThreadPoolExecutor(workers, thread_name_prefix=f"kan-{process}")


def _spread(kernel: Callable[..., None], arguments: tuple[Any, ...], items: int, work: int) -> None:
    """Runs the kernel over 0..items, in as many threads as torch has if that pays: torch's own, or ours where not.

    Items write to places of their own, each in one fixed order: who computes which does not change a bit.
    """
    threads = min(torch.get_num_threads(), items) if work > _WORTH_A_THREAD else 1
    if threads < 2:
        kernel(*arguments, 0, items)
        return
    # in a process forked off, OpenMP's threads are not there and would be waited for in vain
    if os.getpid() == _PROCESS and _kernels().run_in_team(kernel, arguments, items, threads):
        return
    ends = [items * part // threads for part in range(threads + 1)]
    pool = _pool(os.getpid(), threads - 1)
    others: list[Future[None]] = [
        pool.submit(kernel, *arguments, start, stop) for start, stop in zip(ends[1:-1], ends[2:], strict=True)
    ]
    kernel(*arguments, 0, ends[1])
    for other in others:
        other.result()


class _Records:
    """A buffer of records that goes back to where it came from when nobody needs it any more.

    Fresh memory costs more than filling it: the system hands it out page by page, and every step would ask anew.
    """

    _free: ClassVar[dict[tuple[int, torch.dtype], list[Tensor]]] = {}
    _kept: ClassVar[int] = 4  # of one size, about as many as layers of one network are alike
    _largest: ClassVar[int] = 1 << 24  # numbers; whoever needs more has other costs

    def __init__(self, numbers: int, x: Tensor) -> None:
        self.place = (numbers, x.dtype)
        try:
            self.tensor = self._free[self.place].pop()
        except (KeyError, IndexError):
            self.tensor = x.new_empty(numbers)

    def __del__(self) -> None:
        if self.place[0] <= self._largest:
            free = self._free.setdefault(self.place, [])
            if len(free) < self._kept:
                free.append(self.tensor)


def _addresses(tensors: tuple[Tensor | None, ...]) -> tuple[int, ...]:
    return tuple([0 if tensor is None else tensor.data_ptr() for tensor in tensors])  # a list is faster to fill


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
) -> tuple[Tensor, _Records]:
    """Outputs, and the records that the backward kernel reads, complete if they are to be kept."""
    kernels = _kernels()
    members, batch, inputs = x.shape
    outputs = coefficients.shape[-1]
    blocks = -(-batch // kernels.BLOCK)
    rows, stride = _rows(x)
    t, c, s = knots.contiguous(), coefficients.contiguous(), scale.contiguous()
    w = None if base_weight is None else base_weight.contiguous()
    polynomials = uniform_polynomials(spline_order, 0, x.dtype, x.device)
    y = x.new_empty((members, batch, outputs))
    count = members * blocks * (inputs if keep else 1)
    records = _Records(count * kernels.record_rows(spline_order) * kernels.BLOCK, x)
    tensors = (rows, t, c, s, w, polynomials, records.tensor, y)
    kind = 0 if w is None else _KINDS[base]
    sizes = (batch, inputs, t.shape[-1], outputs, spline_order, int(uniform), kind, int(slopes), int(keep))
    arguments = (_ONES[x.dtype], _addresses(tensors), stride, sizes)
    _spread(kernels.forward, arguments, members * blocks, members * batch * inputs * (outputs + 32))
    return y, records


def _gradients(
    saved: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None],
    settings: tuple[int, bool, Base],
    records: _Records,
    upstream: Tensor,
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Gradients in inputs, coefficients, scales and base weights, as far as needed of x, knots, c, s and w."""
    x, knots, coefficients, scale, base_weight = saved
    spline_order, _, base = settings
    need_x, _, need_c, need_s, need_w = needed
    members, batch, inputs = x.shape
    outputs = upstream.shape[-1]
    c, s, g = coefficients.contiguous(), scale.contiguous(), upstream.contiguous()
    w = None if base_weight is None else base_weight.contiguous()
    gx = torch.empty_like(x, memory_format=torch.contiguous_format) if need_x else None
    gc = torch.empty_like(c) if need_c or need_s else None
    gs = torch.empty_like(s) if need_s else None
    gw = torch.empty_like(s) if need_w else None
    tensors = (c, s, w, records.tensor, g, gx, gc, gs, gw)
    sizes = (batch, inputs, knots.shape[-1], outputs, spline_order, 0 if w is None else _KINDS[base])
    arguments = (_ONES[x.dtype], _addresses(tensors), sizes)
    _spread(_kernels().backward, arguments, members * inputs, 2 * members * batch * inputs * (outputs + 32))
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
