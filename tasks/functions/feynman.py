"""Feynman equations in dimensionless form: the 27 of the KAN paper's table, and 7 more that are learned in sequence.

In one file: one set of equations, whose ranges follow from one list by one set of rules.
"""

__all__ = ["FEYNMAN_EQUATIONS", "FURTHER_FEYNMAN_EQUATIONS"]

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tasks.functions.target import TargetFunction

Range = tuple[float, float]


def _equation(
    formula: str,
    ranges: Mapping[str, Range],
    function: Callable[..., Tensor],
    kan_shape: tuple[int, ...] | None = None,
) -> TargetFunction:
    """A function of one tensor (..., 1) per variable, in the order of `ranges`, as one of a tensor (..., I)."""
    count = len(ranges)

    def of_inputs(x: Tensor) -> Tensor:
        return function(*x[..., :count].split(1, dim=-1))

    return TargetFunction(formula, tuple(ranges.values()), of_inputs, kan_shape)


def _gaussian(difference: Tensor, width: Tensor) -> Tensor:
    return torch.exp(-0.5 * (difference / width) ** 2) / (math.sqrt(2.0 * math.pi) * width)


def _chord(a: Tensor, theta1: Tensor, theta2: Tensor) -> Tensor:
    # 1 + a² - 2a cos would round below zero where it vanishes
    return torch.hypot(1.0 - a * torch.cos(theta1 - theta2), a * torch.sin(theta1 - theta2))


def _resonance(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return a * torch.sinc((b - c) / (2.0 * math.pi)) ** 2  # sinc(x) = sin(πx)/(πx), 1 at 0


_ANGLE = (0.0, 2.0 * math.pi)
_UNIT = (0.0, 1.0)
_BOTH = (-1.0, 1.0)
_HALF_TO_TWO = (0.5, 2.0)

# Where ranges come from: the paper states only one, (-1, 1) for the velocities of I.16.6. pykan's list of equations
# (kan/feynman.py) has ranges of the variables with units, and these follow from them:
#   1. A variable of the original equation has its range there.
#   2. A ratio of two like quantities has the range that the ratio of their ranges spans; where the denominator's range
#      reaches 0, the numerator's.
#   3. A group of several quantities (given at the equation) has the range of its numerator, the denominator being 1.
# What departs from these rules says so.
FEYNMAN_EQUATIONS: Mapping[str, TargetFunction] = {
    # I.6.2 and I.6.2b are pykan's I.6.20 and I.6.20b
    "feynman_I_6_2": _equation("exp(-θ²/2σ²)/√(2πσ²)", {"θ": _BOTH, "σ": _HALF_TO_TWO}, _gaussian, (2, 2, 1, 1)),
    "feynman_I_6_2b": _equation(
        "exp(-(θ-θ1)²/2σ²)/√(2πσ²)",
        {"θ": (-1.5, 1.5), "θ1": (-1.5, 1.5), "σ": _HALF_TO_TWO},
        lambda theta, theta1, sigma: _gaussian(theta - theta1, sigma),
        (3, 2, 2, 1, 1),
    ),
    # a is G m1 m2/x1²; b, c, e are x2, y2, z2 and d, f are y1, z1, all over x1: the bodies stay apart, and so does the
    # denominator from 0, by 4.25
    "feynman_I_9_18": _equation(
        "a/((b-1)² + (c-d)² + (e-f)²)",
        {"a": _BOTH, "b": (-2.0, -0.5), "c": (-2.0, -0.5), "d": (0.5, 2.0), "e": (-2.0, -0.5), "f": (0.5, 2.0)},
        lambda a, b, c, d, e, f: a / ((b - 1.0) ** 2 + (c - d) ** 2 + (e - f) ** 2),
        (6, 4, 2, 1, 1),
    ),
    # a is Bv/E
    "feynman_I_12_11": _equation(
        "1 + a sin θ", {"a": _BOTH, "θ": _ANGLE}, lambda a, theta: 1.0 + a * torch.sin(theta), (2, 2, 2, 1)
    ),
    # a is G m1 m2/r1, b is r2/r1
    "feynman_I_13_12": _equation(
        "a(1/b - 1)", {"a": _UNIT, "b": (0.25, 4.0)}, lambda a, b: a * (1.0 / b - 1.0), (2, 2, 1)
    ),
    # a is ut/x, b is u/c; pykan's ranges let b reach the pole at 1, so here 0.9, as fast as pykan has it in I.15.10
    "feynman_I_15_3x": _equation(
        "(1 - a)/√(1 - b²)",
        {"a": _BOTH, "b": (-0.9, 0.9)},
        lambda a, b: (1.0 - a) / torch.sqrt(1.0 - b**2),
        (2, 2, 1, 1),
    ),
    # a is u/c, b is v/c; pykan's ranges, because on the paper's (-1, 1) it jumps at two corners, (1, -1) and (-1, 1)
    "feynman_I_16_6": _equation(
        "(a + b)/(1 + ab)",
        {"a": (-0.8, 0.8), "b": (-0.8, 0.8)},
        lambda a, b: (a + b) / (1.0 + a * b),
        (2, 2, 2, 2, 2, 1),
    ),
    # a is m2/m1, b is r2/r1
    "feynman_I_18_4": _equation(
        "(1 + ab)/(1 + a)",
        {"a": _HALF_TO_TWO, "b": _BOTH},
        lambda a, b: (1.0 + a * b) / (1.0 + a),
        (2, 2, 2, 1, 1),
    ),
    "feynman_I_26_2": _equation(
        "arcsin(n sin θ2)",
        {"n": (0.0, 0.99), "θ2": _ANGLE},
        lambda n, theta2: torch.arcsin(n * torch.sin(theta2)),
        (2, 2, 2, 1, 1),
    ),
    # a is d1/d2, b is n
    "feynman_I_27_6": _equation(
        "1/(1 + ab)", {"a": (0.25, 2.0), "b": _HALF_TO_TWO}, lambda a, b: 1.0 / (1.0 + a * b), (2, 2, 1, 1)
    ),
    # a is x2/x1; zero with a kink where a = ±1 and the points meet
    "feynman_I_29_16": _equation(
        "√(1 + a² - 2a cos(θ1-θ2))", {"a": _BOTH, "θ1": _ANGLE, "θ2": _ANGLE}, _chord, (3, 2, 2, 3, 2, 1, 1)
    ),
    # sin(θ/2) ≥ 0.58
    "feynman_I_30_3": _equation(
        "sin²(nθ/2)/sin²(θ/2)",
        {"n": (0.0, 4.0), "θ": (0.4 * math.pi, 1.6 * math.pi)},
        lambda n, theta: (torch.sin(0.5 * n * theta) / torch.sin(0.5 * theta)) ** 2,
        (2, 3, 2, 2, 1, 1),
    ),
    # a is λ/d; infinite slope at the corners with a = ±1, n = 1
    "feynman_I_30_5": _equation(
        "arcsin(a/n)", {"a": _BOTH, "n": (1.0, 1.5)}, lambda a, n: torch.arcsin(a / n), (2, 1, 1)
    ),
    # a is I2/I1
    "feynman_I_37_4": _equation(
        "1 + a + 2√a cos δ",
        {"a": (0.1, 10.0), "δ": _ANGLE},
        lambda a, delta: 1.0 + a + 2.0 * torch.sqrt(a) * torch.cos(delta),
        (2, 3, 2, 1),
    ),
    # a is mgx/kT
    "feynman_I_40_1": _equation("n0 exp(-a)", {"n0": _UNIT, "a": _BOTH}, lambda n0, a: n0 * torch.exp(-a), (2, 1, 1)),
    # n for nkT, a is V2/V1
    "feynman_I_44_4": _equation("n ln a", {"n": _UNIT, "a": (0.25, 4.0)}, lambda n, a: n * torch.log(a), (2, 2, 1)),
    # a is ωt
    "feynman_I_50_26": _equation(
        "cos a + α cos² a",
        {"a": _ANGLE, "α": _UNIT},
        lambda a, alpha: torch.cos(a) + alpha * torch.cos(a) ** 2,
        (2, 2, 3, 1),
    ),
    # a is T2/T1, b is κ T1 A/d
    "feynman_II_2_42": _equation("(a - 1)b", {"a": _UNIT, "b": _UNIT}, lambda a, b: (a - 1.0) * b, (2, 2, 1)),
    # a is x/r, b is y/r, c is 3 p z/(ε r⁴)
    "feynman_II_6_15a": _equation(
        "c√(a² + b²)/4π",
        {"a": (0.0, 2.0), "b": (0.0, 2.0), "c": _UNIT},
        lambda a, b, c: c * torch.hypot(a, b) / (4.0 * math.pi),
        (3, 2, 2, 2, 1),
    ),
    # a is pE/kT; in pykan II.11.17
    "feynman_II_11_7": _equation(
        "n0(1 + a cos θ)",
        {"n0": _UNIT, "a": _BOTH, "θ": _ANGLE},
        lambda n0, a, theta: n0 * (1.0 + a * torch.cos(theta)),
        (3, 3, 3, 2, 2, 1),
    ),
    # the denominator stays above 1/3
    "feynman_II_11_27": _equation(
        "nα/(1 - nα/3)",
        {"n": _UNIT, "α": (0.0, 2.0)},
        lambda n, alpha: n * alpha / (1.0 - n * alpha / 3.0),
        (2, 2, 1, 2, 1),
    ),
    # a is μB/kT
    "feynman_II_35_18": _equation(
        "n0/(exp(a) + exp(-a))",
        {"n0": _UNIT, "a": _UNIT},
        lambda n0, a: n0 / (torch.exp(a) + torch.exp(-a)),
        (2, 1, 1),
    ),
    # a is μB/kT, b is μM/(εc²kT)
    "feynman_II_36_38": _equation(
        "a + αb", {"a": _UNIT, "α": _UNIT, "b": _UNIT}, lambda a, alpha, b: a + alpha * b, (3, 3, 1)
    ),
    # a is YAx, b is d
    "feynman_II_38_3": _equation("a/b", {"a": _UNIT, "b": _HALF_TO_TWO}, lambda a, b: a / b, (2, 1, 1)),
    # a is pEt/ħ, b is ωt, c is ω0 t
    "feynman_III_9_52": _equation(
        "a sin²((b-c)/2)/((b-c)/2)²",
        {"a": _UNIT, "b": (0.0, math.pi), "c": (0.0, math.pi)},
        _resonance,
        (3, 2, 3, 1, 1),
    ),
    # a is By/Bx, b is Bz/Bx
    "feynman_III_10_19": _equation(
        "√(1 + a² + b²)", {"a": _UNIT, "b": _UNIT}, lambda a, b: torch.sqrt(1.0 + a**2 + b**2), (2, 1, 1)
    ),
    "feynman_III_17_37": _equation(
        "β(1 + α cos θ)",
        {"α": _UNIT, "β": _UNIT, "θ": _ANGLE},
        lambda alpha, beta, theta: beta * (1.0 + alpha * torch.cos(theta)),
        (3, 3, 3, 2, 2, 1),
    ),
}
"""Equations of Liu et al. (2024), https://arxiv.org/abs/2404.19756, table 2, by their numbers in the Feynman dataset.

Inputs are in the order of the table, and KAN shapes are its "human-constructed" ones."""

FURTHER_FEYNMAN_EQUATIONS: Mapping[str, TargetFunction] = {
    # pykan's I.8.4; a is x2/x1, b is y1/x1, c is y2/x1; a kink where the points meet
    "feynman_I_8_14": _equation(
        "√((1-a)² + (b-c)²)", {"a": _BOTH, "b": _BOTH, "c": _BOTH}, lambda a, b, c: torch.hypot(1.0 - a, b - c)
    ),
    # a is x2/x1, b is y2/y1, c is x3/x1, d is y3/y1
    "feynman_I_11_19": _equation(
        "1 + ab + cd",
        {"a": _BOTH, "b": _BOTH, "c": _BOTH, "d": _BOTH},
        lambda a, b, c, d: 1.0 + a * b + c * d,
    ),
    # a is ux/c²t, b is u/c, which ends before the pole as in I.15.3x, whose form this has
    "feynman_I_15_3t": _equation(
        "(1 - a)/√(1 - b²)",
        {"a": _BOTH, "b": (-0.9, 0.9)},
        lambda a, b: (1.0 - a) / torch.sqrt(1.0 - b**2),
    ),
    # α is εcE²r², a is ω/ω0, which ends before the pole at 1
    "feynman_I_32_17": _equation(
        "4πα a⁴/3(1 - a²)²",
        {"α": _UNIT, "a": (0.0, 0.9)},
        lambda alpha, a: 4.0 * math.pi / 3.0 * alpha * a**4 / (1.0 - a**2) ** 2,
    ),
    "feynman_II_11_28": _equation(
        "1 + nα/(1 - nα/3)",
        {"n": _UNIT, "α": (0.0, 2.0)},
        lambda n, alpha: 1.0 + n * alpha / (1.0 - n * alpha / 3.0),
    ),
    # a is J/ħ, b is μB
    "feynman_II_34_29b": _equation("gab", {"g": _UNIT, "a": (0.0, 2.0), "b": _UNIT}, lambda g, a, b: g * a * b),
    # α is s, N is n
    "feynman_III_15_27": _equation(
        "2πα/N", {"α": _UNIT, "N": _HALF_TO_TWO}, lambda alpha, count: 2.0 * math.pi * alpha / count
    ),
}
"""Equations that are learned in sequence besides those above, see `tasks.feynman_sequence`; same names, same rules."""
