"""What a network of formulas computes, as SymPy expressions with few and readable numbers."""

__all__ = ["formula"]

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.symbolic.functions import SymbolicFunction

_EXPANDED_TERMS = 64  # powers of sums with more terms than this are not multiplied out


def formula(
    model: LayeredNetwork,
    member: int = 0,
    names: Sequence[Any] | None = None,
    digits: int | None = None,
) -> list[Any]:
    """The outputs of one member as SymPy expressions of the inputs.

    Symmetries of the functions leave as few numbers as possible: slopes of powers move into their factors, offsets of
    exponentials too; phases are taken modulo π, signs pulled out, and a sine a quarter period off is a cosine. Edges
    that do not follow a formula appear as undefined functions, phi_0_1_2 for layer 0, input 1, output 2.

    Args:
        model: a network, most of whose live edges should be fixed to formulas (`kan.symbolic`).
        member: which member.
        names: names, or SymPy symbols, of the inputs; x1, x2, … if None.
        digits: decimals that numbers are rounded to, and then products multiplied out where that is shorter; None
            keeps all digits, so that the expressions equal the network in float64.

    Returns:
        One expression for each output.

    Raises:
        ValueError: there is no such member, or not one name for each input.

    Example:
        >>> from kan import KAN
        >>> from kan.symbolic.edges import fix_symbolic
        >>> model = KAN(2, 1, depth=1)
        >>> fix_symbolic(model, 0, 0, 0, "sin", affine=(-3.0, 3.1416, 2.0, 0.0))
        >>> fix_symbolic(model, 0, 1, 0, "x^2", affine=(2.0, 0.0, 0.25, 1.0))
        >>> formula(model, names=["x", "y"], digits=4)
        [y**2 + 2*sin(3*x) + 1]
    """
    sympy = import_module("sympy")
    if not 0 <= member < model.members:
        raise ValueError(f"member must be between 0 and {model.members - 1}, got {member}")
    if names is None:
        names = [f"x{i + 1}" for i in range(model.in_features)]
    if len(names) != model.in_features:
        raise ValueError(f"expected a name for each of {model.in_features} inputs, got {len(names)}")
    nodes = [sympy.Symbol(name) if isinstance(name, str) else name for name in names]
    tolerance = 1e-12 if digits is None else 0.5 * 10.0**-digits
    for index, layer in enumerate(model.each_layer()):
        nodes = _layer_outputs(layer, index, member, nodes, tolerance)
    return nodes if digits is None else [_shortest(node, digits) for node in nodes]


def _layer_outputs(layer: EdgeLayer, index: int, member: int, nodes: list[Any], tolerance: float) -> list[Any]:
    sympy = import_module("sympy")
    live = layer.live_edges()[member].tolist()
    affine = None if layer.symbolic is None else layer.symbolic.affine[member].detach().double().tolist()
    outputs = []
    for o in range(layer.out_features):
        terms = []
        for i, node in enumerate(nodes):
            if not live[i][o]:
                continue
            function = None if layer.symbolic is None else layer.symbolic.function_at(member, i, o)
            if function is None or affine is None:
                terms.append(sympy.Function(f"phi_{index}_{i}_{o}")(node))
            else:
                terms.append(_edge(function, affine[i][o], node, tolerance))
        outputs.append(sympy.Add(*terms))
    return outputs


def _edge(function: SymbolicFunction, affine: Sequence[float], node: Any, tolerance: float) -> Any:
    """The expression c f(a node + b) + d in its plainest form."""
    sympy = import_module("sympy")
    a, b, c, d = affine
    if not all(map(math.isfinite, affine)):
        return sympy.nan  # of a member that diverged
    if c == 0.0 or a == 0.0 or function.name == "0" or node.is_number:
        at = torch.tensor(a * float(node) + b if node.is_number else b, dtype=torch.float64)
        return sympy.Float(c * float(function(at)) + d)
    offset, rest = sympy.expand_mul(sympy.Float(a) * node + sympy.Float(b)).as_coeff_Add()
    shift = float(offset)
    if function.shift is not None and function.stretch is None and abs(shift) < 300.0:
        factor, extra = function.shift(shift)
        c, d, shift = c * factor, d + c * extra, 0.0
    if function.stretch is not None:
        size = max(abs(float(term.as_coeff_Mul()[0])) for term in sympy.Add.make_args(rest))
        factor, extra = function.stretch(size)
        c, d, shift, rest = c * factor, d + c * extra, shift / size, _scaled(rest, 1.0 / size)
    if function.mirror is not None and rest.could_extract_minus_sign():
        factor, extra = function.mirror
        c, d, shift, rest = c * factor, d + c * extra, -shift, _scaled(rest, -1.0)
    symbol = function.formula
    if function.antiperiod is not None:
        half_turns = round(shift / function.antiperiod)
        c, shift = c * (-1.0) ** half_turns, shift - half_turns * function.antiperiod
        quarter = math.copysign(0.5 * math.pi, shift)
        if function.name in ("sin", "cos") and abs(shift - quarter) < tolerance:
            c = c * math.copysign(1.0, shift) * (1.0 if function.name == "sin" else -1.0)
            symbol, shift = (sympy.cos if function.name == "sin" else sympy.sin), shift - quarter
    return sympy.expand_mul(sympy.Float(c) * symbol(rest + sympy.Float(shift)) + sympy.Float(d))


def _scaled(expression: Any, factor: float) -> Any:
    """A sum with every term multiplied, and factors of exactly 1 left out."""
    sympy = import_module("sympy")
    terms = []
    for term in sympy.Add.make_args(expression):
        coefficient, others = term.as_coeff_Mul()
        size = float(coefficient) * factor
        terms.append(others if size == 1.0 else -others if size == -1.0 else sympy.Float(size) * others)
    return sympy.Add(*terms)


def _shortest(expression: Any, digits: int) -> Any:
    """The expression rounded, multiplied out if that is shorter."""
    sympy = import_module("sympy")
    rounded = _rounded(expression, digits)
    if max((_terms(power) for power in expression.atoms(sympy.Pow)), default=1) > _EXPANDED_TERMS:
        return rounded
    expanded = _rounded(sympy.expand(expression, power_exp=False, power_base=False, log=False), digits)
    return min((rounded, expanded), key=lambda candidate: candidate.count_ops())


def _terms(power: Any) -> int:
    """How many terms a power of a sum has when multiplied out, 1 if it can't be."""
    base, exponent = power.as_base_exp()
    if not (base.is_Add and exponent.is_Integer and exponent > 1):
        return 1
    return math.comb(len(base.args) + int(exponent) - 1, int(exponent))


def _rounded(expression: Any, digits: int) -> Any:
    sympy = import_module("sympy")
    numbers = {}
    for number in expression.atoms(sympy.Float):
        if not math.isfinite(float(number)):
            continue  # beyond float64: it stays as it is
        value = round(float(number), digits)
        numbers[number] = sympy.Integer(value) if value == int(value) else sympy.Float(value)
    return expression.xreplace(numbers)
