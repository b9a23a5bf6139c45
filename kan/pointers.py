"""Addresses inside numba kernels, and what all kernels of the spline operation share.

Kernels take addresses of contiguous tensors instead of arrays, because a view costs a microsecond each and the whole
work of a small layer is ten; `kan.local` checks shapes before.

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
    "load",
    "load_first",
    "multiply_add",
    "multiply_then_add",
    "offset_by",
    "plus",
    "pointer",
    "record_rows",
    "smooth",
    "sorts",
    "splat",
    "store",
    "store_first",
    "sums",
    "sums_inside",
    "total",
    "zeros",
]

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

BLOCK = 64
_LLVM_NAMES = {types.float32: "f32", types.float64: "f64"}

_files = [Path(__file__).with_name(f"{name}.py") for name in ("pointers", "local_forward", "local_backward")]
SOURCES = hashlib.sha256(b"".join(file.read_bytes() for file in _files)).hexdigest()


def cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with a cache that any change of any kernel's file makes void: numba only looks at a function's own.

    A kernel of today with a part of yesterday's would read and write where it must not.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(cache=True, **options)(function)
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


def sorts(knots: int, outputs: int) -> bool:
    """Whether samples are taken in the order of their intervals, so that coefficients stay in registers for a while.

    It pays where a block has several samples an interval and a sample work enough.
    """
    return knots <= BLOCK and outputs >= 8


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


class Vector(types.Type):
    """Some numbers next to each other that are computed with at once."""

    def __init__(self, number: Any, lanes: int) -> None:
        super().__init__(name=f"Vector({number}, {lanes})")
        self.number = number
        self.lanes = lanes


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(manager[vector.number].get_value_type(), vector.lanes))


def _splat(builder: ir.IRBuilder, scalar: Any, vector: Any) -> Any:
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


@intrinsic(prefer_literal=True)
def zeros(typing_context: Any, one: Any, lanes: Any) -> Any:
    """A vector of `lanes` zeros."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(one, lanes.literal_value)(one, lanes), code


@intrinsic
def load(typing_context: Any, pointer: Any, like: Any) -> Any:
    """The vector at an address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        return builder.load(
            builder.bitcast(arguments[0], vector.as_pointer()), align=vector.element.get_abi_size(context.target_data)
        )

    return like(pointer, like), code


@intrinsic
def store(typing_context: Any, pointer: Any, vector: Any) -> Any:
    """Writes the vector to an address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = builder.bitcast(arguments[0], arguments[1].type.as_pointer())
        builder.store(arguments[1], at, align=arguments[1].type.element.get_abi_size(context.target_data))
        return context.get_dummy_value()

    return types.void(pointer, vector), code


def _first_lanes(builder: ir.IRBuilder, count: Any, lanes: int) -> Any:
    """A mask that is true in the first `count` lanes."""
    vector = ir.VectorType(count.type, lanes)
    return builder.icmp_signed("<", ir.Constant(vector, list(range(lanes))), _splat(builder, count, vector))


@intrinsic
def load_first(typing_context: Any, pointer: Any, count: Any, like: Any) -> Any:
    """The vector at an address of which only the first `count` numbers are read, with zeros for the others."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        at = builder.bitcast(arguments[0], vector.as_pointer())
        mask = _first_lanes(builder, arguments[1], vector.count)
        align = ir.Constant(ir.IntType(32), vector.element.get_abi_size(context.target_data))
        kind = ir.FunctionType(vector, [at.type, align.type, mask.type, vector])
        name = f"llvm.masked.load.v{vector.count}{_LLVM_NAMES[signature.return_type.number]}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [at, align, mask, ir.Constant(vector, None)])

    return like(pointer, count, like), code


@intrinsic
def store_first(typing_context: Any, pointer: Any, count: Any, vector: Any) -> Any:
    """Writes the first `count` numbers of the vector to an address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        value = arguments[2]
        at = builder.bitcast(arguments[0], value.type.as_pointer())
        mask = _first_lanes(builder, arguments[1], value.type.count)
        align = ir.Constant(ir.IntType(32), value.type.element.get_abi_size(context.target_data))
        kind = ir.FunctionType(ir.VoidType(), [value.type, at.type, align.type, mask.type])
        name = f"llvm.masked.store.v{value.type.count}{_LLVM_NAMES[vector.number]}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [value, at, align, mask])
        return context.get_dummy_value()

    return types.void(pointer, count, vector), code


@intrinsic
def splat(typing_context: Any, number: Any, like: Any) -> Any:
    """A vector of one number."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0], context.get_value_type(signature.return_type))

    return like(number, like), code


def _multiply_add(factor: Any, flags: list[str]) -> Any:
    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        by, vector, added = arguments
        if not isinstance(factor, Vector):
            by = _splat(builder, by, vector.type)
        return builder.fadd(builder.fmul(by, vector, flags=flags), added, flags=flags)

    return code


@intrinsic
def multiply_add(typing_context: Any, factor: Any, vector: Any, summand: Any) -> Any:
    """Computes factor · vector + summand, the factor a number or a vector; may round once or twice."""
    return summand(factor, vector, summand), _multiply_add(factor, ["contract"])


@intrinsic
def multiply_then_add(typing_context: Any, factor: Any, vector: Any, summand: Any) -> Any:
    """The same, rounded twice, as the reference does: what is 0 there is 0 here."""
    return summand(factor, vector, summand), _multiply_add(factor, [])


@intrinsic
def plus(typing_context: Any, left: Any, right: Any) -> Any:
    """The sum of two vectors."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.fadd(arguments[0], arguments[1])

    return left(left, right), code


@intrinsic
def total(typing_context: Any, vector: Any) -> Any:
    """The sum of the lanes."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        sums, lanes = arguments[0], vector.lanes
        while lanes > 1:
            lanes //= 2
            halves = (ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(i, i + lanes))) for i in (0, lanes))
            undefined = ir.Constant(sums.type, ir.Undefined)
            sums = builder.fadd(*(builder.shuffle_vector(sums, undefined, half) for half in halves))
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return vector.number(vector), code


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
