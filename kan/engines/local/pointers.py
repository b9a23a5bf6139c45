"""Addresses inside numba kernels, and what all kernels of the spline operation share.

Kernels take addresses of contiguous tensors instead of arrays, because a view costs a microsecond each and the whole
work of a small layer is ten; `kan.engines.local` checks shapes before.

Samples go in blocks of `BLOCK`. What is known about one block of one input is a *record* of `record_rows(k)` rows of
`BLOCK` numbers: index of the first live basis (-k to K), the place within its interval (or x), b(x), b'(x), the order
of the samples by interval (32-bit integers), the k + 1 values, the k + 1 slopes. Forward fills the records, backward
reads them.
"""

__all__ = [
    "BLOCK",
    "SOURCES",
    "cached",
    "cast",
    "exact",
    "exp",
    "inlined",
    "integers",
    "offset_by",
    "pointer",
    "record_rows",
    "scratch",
    "smooth",
    "sums",
    "sums_inside",
]

import functools
import hashlib
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

log = logging.getLogger(__name__)

BLOCK = 64

_names = ("pointers", "vectors", "forward", "backward", "normal")
_folder = Path(__file__).parent
_files = [*(_folder / f"{name}.py" for name in _names), *sorted((_folder / "narrow").glob("*.py"))]
SOURCES = hashlib.sha256(b"".join(file.read_bytes() for file in _files)).hexdigest()


@functools.cache
def _say_no_cache() -> None:
    log.warning(
        "compiled kernels can't be kept (set NUMBA_CACHE_DIR to a folder that can be written to): "
        "they are compiled anew in every process, which takes some seconds"
    )


def cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with a cache that any change of any kernel's file makes void: numba only looks at a function's own.

    A kernel of today with a part of yesterday's would read and write where it must not.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            dispatcher = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no place to write to: neither beside the file nor in the user's home
            _say_no_cache()
            return numba.njit(**options)(function)
        dispatcher._cache._cache_file._source_stamp = SOURCES
        return dispatcher

    return decorate


# intervals are found by the comparisons of the reference, bit for bit; elsewhere products and sums may be fused, and
# sums reordered, which leaves NaN and inf alone
exact = cached(nogil=True, error_model="numpy", no_cpython_wrapper=True)
smooth = cached(nogil=True, error_model="numpy", no_cpython_wrapper=True, fastmath={"contract"})
inlined = numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, forceinline=True)
sums_inside = numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, fastmath={"reassoc", "contract"})
sums = cached(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


def record_rows(spline_order: int) -> int:
    """Rows of a record."""
    return 2 * spline_order + 7


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


@intrinsic
def scratch(typing_context: Any, one: Any) -> Any:
    """The address of `BLOCK` numbers that live as long as the function that asks."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return cgutils.alloca_once(builder, context.get_value_type(signature.args[0]), size=BLOCK)

    return types.CPointer(one)(one), code


@intrinsic
def integers(typing_context: Any, pointer: Any) -> Any:
    """The same address as one of 32-bit integers."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int32)(pointer), code


@intrinsic
def cast(typing_context: Any, value: Any, one: Any) -> Any:
    """A number in the type of `one`; the product with `one` would be float64, because an integer or a literal is."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], signature.args[0], signature.return_type)

    return one(value, one), code


@intrinsic
def _power_of_two(typing_context: Any, exponent: Any, one: Any) -> Any:
    """2 to an integer power that gives a normal number, by writing the exponent's bits."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        number = context.get_value_type(signature.return_type)
        double = signature.return_type == types.float64
        bits, digits, bias = (64, 52, 1023) if double else (32, 23, 127)
        integer = ir.IntType(bits)
        value = arguments[0]
        if value.type.width < bits:
            value = builder.sext(value, integer)
        shifted = builder.shl(builder.add(value, ir.Constant(integer, bias)), ir.Constant(integer, digits))
        return builder.bitcast(shifted, number)

    return one(exponent, one), code


@intrinsic
def _terms(typing_context: Any, one: Any) -> Any:
    """Degree at which the power series of exp on ±log(2)/2 is exact to the last digit but one."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.int64, 13 if signature.args[0] == types.float64 else 7)

    return types.int64(one), code


@intrinsic
def _largest(typing_context: Any, one: Any) -> Any:
    """Where exp leaves the normal numbers, rounded towards 0."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return context.get_constant(signature.return_type, 708.0 if signature.args[0] == types.float64 else 87.0)

    return one(one), code


@numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, fastmath={"contract"}, forceinline=True)
def exp(x: Any, one: Any) -> Any:
    """The exponential without a branch, so that loops over it become vectors; 0 and inf beyond the normal numbers.

    With x = n log 2 + r and |r| ≤ log(2)/2 it is 2 to the power n times the power series of exp in r. log 2 comes in
    two parts, of which the first has so few digits that its product with n is exact.
    """
    largest, log2e = _largest(one), cast(1.4426950408889634, one)
    inside = x if x < largest else largest
    inside = inside if inside > -largest else -largest  # and NaN is -largest
    n = np.int32(
        np.int32(inside * log2e + cast(1024.5, one)) - np.int32(1024)
    )  # rounds, because what it cuts is positive
    whole = cast(n, one)
    r = inside - whole * cast(0.693145751953125, one) - whole * cast(1.4286068203094172e-06, one)
    result = one
    for p in range(_terms(one), 0, -1):
        result = one + result * r * (one / cast(p, one))
    result = result * _power_of_two(n, one)
    result = result if x < largest else cast(math.inf, one)
    result = result if x > -largest else one - one
    return result if x == x else x
