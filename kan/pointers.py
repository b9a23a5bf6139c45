"""Addresses inside numba kernels, and what all kernels of the spline operation share.

Kernels take addresses of contiguous tensors instead of arrays, because a view costs a microsecond each and the whole
work of a small layer is ten; `kan.local` checks shapes before. Numba's cache notices changes of a kernel's own file
only: after a change in this file, touch those of the kernels.

Samples go in blocks of `BLOCK`. What is known about one block of one input is a *record* of `record_rows(k)` rows of
`BLOCK` numbers: index of the first live basis (-k to K), the place within its interval (or x), b(x), b'(x), the k + 1
values, the k + 1 slopes. Forward fills the records, backward reads them.
"""

__all__ = ["BLOCK", "exact", "offset_by", "pointer", "record_rows", "sums"]

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BLOCK = 64

# the first for what is compared with the reference; sums may be reordered and fused, which leaves NaN and inf alone
exact = numba.njit(cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True)
sums = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


def record_rows(spline_order: int) -> int:
    """Rows of a record."""
    return 2 * spline_order + 6


@intrinsic
def pointer(typing_context: Any, address: Any, one: Any) -> Any:
    """The address of a number of the type of `one`."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(one)(address, one), code


@intrinsic
def offset_by(typing_context: Any, pointer: Any, offset: Any) -> Any:
    """The address `offset` numbers further on."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, offset), code
