"""Vectors inside numba kernels: several numbers computed with at once, as the processor does and numba's types cannot.

Loops over the outputs of a layer are written with them, because the compiler makes vectors of a loop only where it can
prove that what is read is not written.
"""

__all__ = [
    "Vector",
    "load",
    "multiply_add",
    "multiply_then_add",
    "plus",
    "some_zeros",
    "splat",
    "splat_scalar",
    "store",
    "total",
    "zeros",
]

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

_LLVM_NAMES = {types.float32: "f32", types.float64: "f64"}


class Vector(types.Type):
    """Some numbers next to each other that are computed with at once.

    A vector that is not `whole` may be wider than what is there: of such only the first lanes are read and written.
    """

    def __init__(self, number: Any, lanes: int, whole: bool) -> None:
        super().__init__(name=f"Vector({number}, {lanes}, {whole})")
        self.number = number
        self.lanes = lanes
        self.whole = whole


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(manager[vector.number].get_value_type(), vector.lanes))


def splat_scalar(builder: ir.IRBuilder, scalar: Any, vector: Any) -> Any:
    """A vector of one number, as LLVM writes it."""
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


@intrinsic(prefer_literal=True)
def zeros(typing_context: Any, one: Any, lanes: Any) -> Any:
    """A whole vector of `lanes` zeros."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(one, lanes.literal_value, whole=True)(one, lanes), code


@intrinsic(prefer_literal=True)
def some_zeros(typing_context: Any, one: Any, lanes: Any) -> Any:
    """The same of a vector that is not whole."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(one, lanes.literal_value, whole=False)(one, lanes), code


def _masked(context: Any, builder: ir.IRBuilder, name: str, vector: Any, result: Any, parts: list[Any]) -> Any:
    """Calls one of LLVM's operations on the first lanes of a vector; parts end with how many."""
    *values, count = parts
    places = ir.VectorType(count.type, vector.lanes)
    mask = builder.icmp_signed(
        "<", ir.Constant(places, list(range(vector.lanes))), splat_scalar(builder, count, places)
    )
    align = ir.Constant(ir.IntType(32), context.get_value_type(vector.number).get_abi_size(context.target_data))
    values += [align, mask]
    if name == "load":
        values.append(ir.Constant(result, None))  # the other lanes
    kind = ir.FunctionType(result, [value.type for value in values])
    full = f"llvm.masked.{name}.v{vector.lanes}{_LLVM_NAMES[vector.number]}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), values)


@intrinsic
def load(typing_context: Any, pointer: Any, room: Any, like: Any) -> Any:
    """The vector at an address; zeros in lanes from `room` on, if it is not whole."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(like)
        at = builder.bitcast(arguments[0], vector.as_pointer())
        if not like.whole:
            return _masked(context, builder, "load", like, vector, [at, arguments[1]])
        return builder.load(at, align=vector.element.get_abi_size(context.target_data))

    return like(pointer, room, like), code


@intrinsic
def store(typing_context: Any, pointer: Any, room: Any, vector: Any) -> Any:
    """Writes the vector to an address; only lanes before `room`, if it is not whole."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at, count, value = arguments
        at = builder.bitcast(at, value.type.as_pointer())
        if vector.whole:
            builder.store(value, at, align=value.type.element.get_abi_size(context.target_data))
        else:
            _masked(context, builder, "store", vector, ir.VoidType(), [value, at, count])
        return context.get_dummy_value()

    return types.void(pointer, room, vector), code


@intrinsic
def splat(typing_context: Any, number: Any, like: Any) -> Any:
    """A vector of one number."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return splat_scalar(builder, arguments[0], context.get_value_type(signature.return_type))

    return like(number, like), code


def _multiply_add(factor: Any, flags: list[str]) -> Any:
    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        by, vector, added = arguments
        if not isinstance(factor, Vector):
            by = splat_scalar(builder, by, vector.type)
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


def lanewise(operation: str, *flags: str) -> Any:
    """What an intrinsic does that is one instruction of LLVM on two vectors."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return getattr(builder, operation)(*arguments, flags=flags)

    return code


@intrinsic
def plus(typing_context: Any, left: Any, right: Any) -> Any:
    """The sum of two vectors."""
    return left(left, right), lanewise("fadd")


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
