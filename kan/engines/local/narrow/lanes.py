"""What vectors of samples need beside `kan.engines.local.vectors`: choices, halves and exponentials, lane by lane.

A vector of samples is as wide as one register of 256 bits (`slim`) or as two of them (`wide`): fixed, so that results
are the same to the last bit on processors with wider registers.
"""

__all__ = ["at_least", "equal", "exponential", "folded", "lanes_of", "larger", "minus", "over", "slim", "times", "wide"]

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kan.engines.local.vectors import Vector, lanewise, splat_scalar

_REGISTER = 256


def _zeros(registers: int) -> Any:
    def typed(typing_context: Any, one: Any) -> Any:
        def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            return ir.Constant(context.get_value_type(signature.return_type), None)

        return Vector(one, registers * _REGISTER // one.bitwidth, whole=True)(one), code

    return intrinsic(typed)


slim = _zeros(1)
wide = _zeros(2)


@intrinsic
def lanes_of(typing_context: Any, vector: Any) -> Any:
    """How many lanes a vector has, as a number that the compiler knows."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.int64, vector.lanes)

    return types.int64(vector), code


@intrinsic
def times(typing_context: Any, left: Any, right: Any) -> Any:
    """The product of two vectors."""
    return left(left, right), lanewise("fmul", "contract")


@intrinsic
def minus(typing_context: Any, left: Any, right: Any) -> Any:
    """The difference of two vectors."""
    return left(left, right), lanewise("fsub")


@intrinsic
def over(typing_context: Any, left: Any, right: Any) -> Any:
    """The quotient of two vectors."""
    return left(left, right), lanewise("fdiv")


@intrinsic
def folded(typing_context: Any, vector: Any) -> Any:
    """The sum of a vector's halves, a vector of half as many lanes."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        half = vector.lanes // 2
        undefined = ir.Constant(arguments[0].type, ir.Undefined)
        places = (ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(i, i + half))) for i in (0, half))
        return builder.fadd(*(builder.shuffle_vector(arguments[0], undefined, place) for place in places))

    return Vector(vector.number, vector.lanes // 2, whole=True)(vector), code


def _choice(sign: str) -> Any:
    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector, number, chosen, otherwise = arguments
        chosen, otherwise = (
            splat_scalar(builder, each, vector.type) if each.type != vector.type else each
            for each in (chosen, otherwise)
        )
        number = splat_scalar(builder, number, vector.type) if number.type != vector.type else number
        return builder.select(builder.fcmp_ordered(sign, vector, number), chosen, otherwise)

    return code


@intrinsic
def equal(typing_context: Any, vector: Any, number: Any, chosen: Any, otherwise: Any) -> Any:
    """Lanes of `chosen` where the vector equals `number`, of `otherwise` elsewhere; each a vector or a number."""
    return vector(vector, number, chosen, otherwise), _choice("==")


@intrinsic
def at_least(typing_context: Any, vector: Any, number: Any, chosen: Any, otherwise: Any) -> Any:
    """The same where the vector is not below `number`; NaN is below everything."""
    return vector(vector, number, chosen, otherwise), _choice(">=")


@intrinsic
def larger(typing_context: Any, vector: Any, number: Any) -> Any:
    """The larger of a vector's lanes and a number; the number where a lane is NaN."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        number = splat_scalar(builder, arguments[1], arguments[0].type)
        return builder.select(builder.fcmp_ordered(">", arguments[0], number), arguments[0], number)

    return vector(vector, number), code


@intrinsic
def exponential(typing_context: Any, vector: Any) -> Any:
    """Exp of every lane; 0 and inf beyond the normal numbers, NaN of NaN.

    With x = n log 2 + r and |r| ≤ log(2)/2 it is 2 to the power n times the power series of exp in r. log 2 comes in
    two parts, of which the first has so few digits that its product with n is exact.
    """
    double = vector.number == types.float64
    bits, digits, bias, terms, largest = (64, 52, 1023, 13, 708.0) if double else (32, 23, 127, 7, 87.0)
    upper = 0.693147180369123816490 if double else 0.693145751953125
    lower = math.log(2.0) - upper if not double else 1.90821492927058770002e-10

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        kind, whole = x.type, ir.VectorType(ir.IntType(bits), vector.lanes)

        def number(value: float) -> Any:
            return ir.Constant(kind, [value] * vector.lanes)

        def fused(factor: Any, other: Any, summand: Any) -> Any:
            return builder.fadd(builder.fmul(factor, other, flags=["contract"]), summand, flags=["contract"])

        def chosen(sign: str, bound: float, inside: Any, beyond: Any) -> Any:
            return builder.select(builder.fcmp_unordered(sign, x, number(bound)), inside, beyond)

        inside = chosen("<", largest, x, number(largest))
        inside = builder.select(builder.fcmp_ordered(">", inside, number(-largest)), inside, number(-largest))
        name = f"llvm.nearbyint.v{vector.lanes}f{bits}"
        nearest = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        n = builder.call(nearest, [builder.fmul(inside, number(1.4426950408889634))])
        r = fused(n, number(-lower), fused(n, number(-upper), inside))
        result = number(1.0 / math.factorial(terms))
        for power in range(terms - 1, -1, -1):
            result = fused(result, r, number(1.0 / math.factorial(power)))
        # 2 to the power n, by writing the exponent's bits: of n plus a number so large that its last digit is 1
        shift = 1.5 * 2.0**digits
        placed = builder.bitcast(builder.fadd(n, number(shift + bias)), whole)
        power_of_two = builder.shl(placed, ir.Constant(whole, [digits] * vector.lanes))
        result = builder.fmul(result, builder.bitcast(power_of_two, kind))
        result = chosen("<", largest, result, number(math.inf))
        result = builder.select(builder.fcmp_ordered("<=", x, number(-largest)), number(0.0), result)
        return builder.select(builder.fcmp_ordered("==", x, x), result, x)

    return vector(vector), code
