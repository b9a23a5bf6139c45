"""Addresses inside numba kernels, and what all kernels of the spline operation share.

Kernels take addresses of contiguous tensors instead of arrays, because a view costs a microsecond each and the whole
work of a small layer is ten; `kan.local` checks shapes before. Numba's cache notices changes of a kernel's own file
only: after a change in this file, touch those of the kernels.

Samples go in blocks of `BLOCK`. What is known about one block of one input is a *record* of `record_rows(k)` rows of
`BLOCK` numbers: index of the first live basis (-k to K), the place within its interval (or x), b(x), b'(x), the k + 1
values, the k + 1 slopes. Forward fills the records, backward reads them.
"""

__all__ = [
    "BLOCK",
    "exact",
    "inlined",
    "load",
    "multiply_add",
    "offset_by",
    "pointer",
    "record_rows",
    "store",
    "sums",
    "total",
    "zeros",
]

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

BLOCK = 64

# the first for what is compared with the reference; sums may be reordered and fused, which leaves NaN and inf alone
exact = numba.njit(cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True)
inlined = numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, forceinline=True)
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


@intrinsic
def multiply_add(typing_context: Any, factor: Any, vector: Any, summand: Any) -> Any:
    """Computes factor · vector + summand, the factor a number or a vector."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        by, vector, summand = arguments
        if not isinstance(factor, Vector):
            by = _splat(builder, by, vector.type)
        return builder.fadd(builder.fmul(by, vector, flags=["contract"]), summand, flags=["contract"])

    return summand(factor, vector, summand), code


@intrinsic
def total(typing_context: Any, vector: Any) -> Any:
    """The sum of the lanes."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        lanes = [builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), i)) for i in range(vector.lanes)]
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [builder.fadd(a, b) for a, b in zip(lanes[:half], lanes[half:], strict=True)]
        return lanes[0]

    return vector.number(vector), code
