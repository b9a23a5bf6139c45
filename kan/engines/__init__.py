r"""One differentiable spline operation and the engines that compute it; all agree within rounding.

"dense" is plain torch: all K bases of every input, then one matrix product. It runs on every device and in every
floating dtype, can be differentiated any number of times, and is what the others are held to. "local" is a compiled
CPU kernel that touches only the k + 1 bases alive at an input: O(k) operations an edge whatever the grid size.
"triton" does the same on CUDA devices, but for the gradients of coefficients, which are products of small matrices.
"""

__all__ = ["ENGINES", "Engine", "choose_engine", "spline_sum"]

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from kan.engines.cuda import triton_runs, triton_sum
from kan.engines.dense import BASES, Base, dense_sum
from kan.engines.local import local_sum, local_usable
from kan.engines.operators import opaque_sum
from kan.engines.plain import is_exporting, is_plain, is_plain_type, is_transformed

Engine = Literal["auto", "dense", "local", "triton"]

ENGINES: dict[str, Callable[..., Tensor]] = {"dense": dense_sum, "local": local_sum, "triton": triton_sum}


def choose_engine(x: Tensor) -> str:
    """The engine that "auto" stands for: in float32 and float64 "local" on the CPU and "triton" on CUDA devices.

    "dense" in everything else, and where Triton is missing or too old, or the device is.
    """
    if _local_runs(x):
        return "local"
    return "triton" if triton_runs(x) else "dense"


def _local_runs(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and local_usable()


def spline_sum(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    spline_order: int,
    *,
    uniform: bool = False,
    scale: Tensor | None = None,
    base: Base = "zero",
    base_weight: Tensor | None = None,
    engine: Engine = "auto",
) -> Tensor:
    r"""Splines of all inputs, summed for every output, with the base functions beside them.

    .. math::
        y_{m,b,o} = \sum_i \Big( s_{m,i,o} \sum_{n=0}^{K-1} c_{m,i,n,o} B_{m,i,n}(x_{m,b,i})
            + w_{m,i,o} \, \beta(x_{m,b,i}) \Big)

    Differentiable in everything but the knots; gradients of gradients go through the dense reference. The gradient
    of a coefficient whose support misses the samples is exactly zero. NaN inputs give NaN outputs.

    Args:
        x: inputs, shape (M, B, I).
        knots: nondecreasing knots of every input, shape (M, I, N), N = K + k + 1.
        coefficients: c, shape (M, I, K, O).
        spline_order: order k ≥ 1.
        uniform: whether the knots are evenly spaced (see `kan.splines.is_uniform`).
        scale: s, shape (M, I, O); 1 if left out.
        base: β, one of "silu", "identity", "zero".
        base_weight: w, shape (M, I, O); not used with base "zero".
        engine: "dense", "local", "triton", or "auto" for `choose_engine`.

    Returns:
        y, shape (M, B, O).

    Raises:
        ValueError: shapes, dtypes or devices that do not fit together, an unknown name, or an engine that does not
            run on this device or in this dtype.

    Example:
        >>> knots = torch.linspace(-2.0, 2.0, 9).expand(1, 2, 9)
        >>> spline_sum(torch.rand(1, 7, 2), knots, torch.rand(1, 2, 5, 4), 3).shape
        torch.Size([1, 7, 4])
    """
    _check(x, knots, coefficients, spline_order, scale, base, base_weight)
    if engine == "auto":
        engine_name = choose_engine(x)
    elif engine == "local" and not _local_runs(x):
        raise ValueError(
            f"engine 'local' needs float32 or float64 on the CPU and numba, got {x.dtype} on {x.device}; use 'auto'"
        )
    elif engine == "triton" and not triton_runs(x):
        raise ValueError(
            "engine 'triton' needs float32 or float64 on a CUDA device of capability 8.0 or more, and Triton 3.5 or "
            f"newer, got {x.dtype} on {x.device}; use 'auto'"
        )
    elif engine in ENGINES:
        engine_name = engine
    else:
        raise ValueError(f"engine must be one of {', '.join(get_args(Engine))}, got {engine!r}")
    arguments = (x, knots, coefficients, scale, base_weight, spline_order, uniform, base)
    if engine_name == "dense" or (is_plain(x) and is_plain_type(coefficients)):
        return ENGINES[engine_name](*arguments)
    if is_transformed() or is_exporting():
        if engine != "auto":
            raise ValueError(
                f"engine {engine!r} has no rules for torch.func transforms, forward-mode derivatives, torch.jit.trace "
                "and torch.export; use 'auto' or 'dense'"
            )
        return dense_sum(*arguments)
    return opaque_sum(*arguments, engine_name)


def _check(
    x: Tensor,
    knots: Tensor,
    coefficients: Tensor,
    spline_order: int,
    scale: Tensor | None,
    base: str,
    base_weight: Tensor | None,
) -> None:
    """Shapes, dtypes and devices, before anything reads memory by address."""
    if spline_order < 1:
        raise ValueError(f"spline_order must be at least 1, got {spline_order}")
    if base not in BASES:
        raise ValueError(f"base must be one of {', '.join(BASES)}, got {base!r}")
    if x.dim() != 3 or coefficients.dim() != 4:
        raise ValueError(
            f"expected x (M, B, I) and coefficients (M, I, K, O), got {tuple(x.shape)} and {tuple(coefficients.shape)}"
        )
    members, inputs, count, outputs = coefficients.shape
    if x.shape[0] != members or x.shape[2] != inputs:
        raise ValueError(
            f"coefficients {tuple(coefficients.shape)} want x ({members}, B, {inputs}), got {tuple(x.shape)}"
        )
    if knots.shape != (members, inputs, count + spline_order + 1) or count < 1:
        raise ValueError(
            f"{count} coefficients of order {spline_order} want knots ({members}, {inputs}, "
            f"{count + spline_order + 1}), got {tuple(knots.shape)}"
        )
    if base != "zero" and base_weight is None:
        raise ValueError(f"base {base!r} needs a base_weight of shape ({members}, {inputs}, {outputs})")
    for name, tensor in (("scale", scale), ("base_weight", base_weight)):
        if tensor is not None and tensor.shape != (members, inputs, outputs):
            raise ValueError(f"{name} must have shape ({members}, {inputs}, {outputs}), got {tuple(tensor.shape)}")
    for name, tensor in (
        ("knots", knots),
        ("coefficients", coefficients),
        ("scale", scale),
        ("base_weight", base_weight),
    ):
        if tensor is not None and (tensor.dtype != x.dtype or tensor.device != x.device):
            raise ValueError(f"{name} is {tensor.dtype} on {tensor.device}, but x is {x.dtype} on {x.device}")
