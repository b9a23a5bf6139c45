"""Whether code that reads memory by address may run: in plain eager execution only."""

__all__ = ["is_exporting", "is_plain", "is_plain_type", "is_transformed"]

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

_PLAIN = (Tensor, nn.Parameter)
_frames = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)
_compiler_waits = getattr(_frames, "get_eval_frame_callback", lambda: None)


def is_transformed() -> bool:
    """Whether a `torch.func` transform, forward-mode differentiation or `torch.jit.trace` is under way.

    Tensors then stand for more than their memory holds: a batch of values, a value and its tangent, a trace.
    """
    return (
        torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    )


def is_plain(x: Tensor) -> bool:
    """Whether nothing stands between a tensor and its memory.

    Neither a compiler nor an exporter that traces, no transform (see `is_transformed`), no mode that watches every
    operation, no subclass of tensors.
    """
    return not (
        torch.compiler.is_compiling()
        or _compiler_waits() is not None  # where it gave up on a function it goes on with those that this one calls
        or is_transformed()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.is_legacy_batchedtensor(x)  # of torch.autograd's own batches of gradients
        or not is_plain_type(x)
    )


def is_plain_type(x: Tensor) -> bool:
    """Whether a tensor is none of a subclass, which may have no memory at all."""
    return type(x) in _PLAIN


def is_exporting() -> bool:
    """Whether `torch.export` traces; releases of torch that can't tell say no."""
    asked = getattr(torch.compiler, "is_exporting", None)
    return asked is not None and bool(asked())
