"""Steps of Adam on a member's parameters, to the last bit what torch's fused kernel for the CPU computes."""

__all__ = ["adam"]

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from kan.engines.local.pointers import cast, exact, offset_by, pointer

PARAMETER = 6
# integers of one: addresses of it, its gradient, both running means and its count of steps; its numbers of a member


@intrinsic
def _fused(typing_context: Any, factor: Any, other: Any, summand: Any) -> Any:
    """Product and sum, rounded once."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        name = f"llvm.fma.f{summand.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return summand(factor, other, summand), code


@exact
def adam(one: Any, parameters: Any, count: int, m: int, members: int, lanes: int, hyper: Any, ahead: int) -> None:
    """Moves the parameters of member m.

    Which product is fused with the sum in the mean of squares is torch's compiler's choice: one in whole vectors, the
    other in the numbers that are left over at the end of a parameter.

    Args:
        one: 1 in the dtype of the parameters.
        parameters: `PARAMETER` integers for each.
        count: parameters.
        m: member.
        members: of the stack.
        lanes: of torch's vectors.
        hyper: learning rate, both betas and epsilon, float64.
        ahead: how many steps are not counted yet.
    """
    rate, beta1, beta2, eps = hyper[0], hyper[1], hyper[2], cast(hyper[3], one)
    new1, keep2, new2 = cast(1.0 - beta1, one), cast(beta2, one), cast(1.0 - beta2, one)
    for index in range(count):
        at = offset_by(parameters, index * PARAMETER)
        n, step = at[5], float(pointer(at[4], np.float32(1))[0]) + float(ahead)
        move = cast(-(rate / (1.0 - beta1**step)), one)
        root = cast(math.sqrt(1.0 - beta2**step), one)
        start = m * n
        p, g = offset_by(pointer(at[0], one), start), offset_by(pointer(at[1], one), start)
        mean, square = offset_by(pointer(at[2], one), start), offset_by(pointer(at[3], one), start)
        whole = min(max(members * n // lanes * lanes - start, 0), n)
        for i in range(whole):
            up = g[i]
            mean[i] = _fused(new1, up - mean[i], mean[i])
            square[i] = _fused(new2 * up, up, square[i] * keep2)
            p[i] = p[i] + move * mean[i] / (np.sqrt(square[i]) / root + eps)
        for i in range(whole, n):
            up = g[i]
            mean[i] = _fused(new1, up - mean[i], mean[i])
            square[i] = _fused(square[i], keep2, new2 * up * up)
            p[i] = p[i] + move * mean[i] / (np.sqrt(square[i]) / root + eps)
