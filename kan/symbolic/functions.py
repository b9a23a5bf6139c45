r"""The functions of one variable that a formula is written with, as torch, as SymPy, and with the symmetries they have.

An edge that follows a formula is \(c \, f(a x + b) + d\) with f from the library (Liu et al., 2024, section 2.5.1,
https://arxiv.org/abs/2404.19756). Every f here has a value and a slope for every number, never NaN; where its formula
has none (the logarithm of a negative number), f goes on as at the nearest argument that has, and no fit reaches there.
"""

__all__ = ["LIBRARY", "SymbolicFunction", "add_function", "find_function", "function_of"]

import difflib
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import scipy.special
import torch
from torch import Tensor

Affine = tuple[float, float]
r"""Factor s and offset o of a relation between values, \(f(\cdot) = s f(u) + o\)."""

_TINY = 1e-24  # roots of it are far below what is resolved in float64, and its inverse is finite in float32


@dataclass(frozen=True)
class SymbolicFunction:
    r"""A function of one variable, and what is known about it.

    Args:
        name: what it is called, unique in the library.
        function: elementwise and differentiable, NaN for no argument.
        formula: the same for SymPy expressions.
        complexity: what choosing it costs, in the units of `kan.symbolic.suggest`.
        low: lowest argument at which the function equals its formula.
        high: highest such argument.
        gap: arguments nearer to 0 than this are too near to a pole.
        stretch: for k > 0 the s and o of \(f(k u) = s f(u) + o\), if there are any; then only the sign of a matters.
        shift: the s and o of \(f(u + k) = s f(u) + o\), if there are any; then b is not needed.
        mirror: the s and o of \(f(-u) = s f(u) + o\), if there are any; then a can be positive.
        antiperiod: the p of \(f(u + p) = -f(u)\), if there is one.
        oscillates: whether it has more than two turning points, so that a fit has to try many frequencies.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    formula: Callable[[Any], Any]
    complexity: float = 3.0
    low: float = -math.inf
    high: float = math.inf
    gap: float = 0.0
    stretch: Callable[[float], Affine] | None = None
    shift: Callable[[float], Affine] | None = None
    mirror: Affine | None = None
    antiperiod: float | None = None
    oscillates: bool = False

    @property
    def code(self) -> int:
        """What stands for the function in a state dict: its name's CRC-32, the same in every session."""
        return zlib.crc32(self.name.encode())

    def __call__(self, u: Tensor) -> Tensor:
        """Values at any arguments."""
        return self.function(u)

    def contains(self, u: Tensor) -> Tensor:
        """Where the function equals its formula, bool."""
        inside = torch.ones_like(u, dtype=torch.bool)
        if self.low > -math.inf:
            inside &= u >= self.low
        if self.high < math.inf:
            inside &= u <= self.high
        return inside & (u.abs() >= self.gap) if self.gap else inside


class _Bessel(torch.autograd.Function):
    """J_n of SciPy; torch's own J0 is off by 2e-7 in float64. On a GPU the numbers pass through the host."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, order: int) -> Tensor:
        ctx.save_for_backward(u)
        ctx.order = order
        points = u.detach().cpu().numpy()
        special = (scipy.special.j0, scipy.special.j1)
        values = special[order](points) if order < 2 else scipy.special.jv(order, points)
        return torch.as_tensor(values, dtype=u.dtype, device=u.device)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        (u,) = ctx.saved_tensors
        slope = -_bessel(u, 1) if ctx.order == 0 else 0.5 * (_bessel(u, ctx.order - 1) - _bessel(u, ctx.order + 1))
        return upstream[0] * slope, None


def _bessel(u: Tensor, order: int) -> Tensor:
    values: Tensor = _Bessel.apply(u, order)
    return values


def _sympy(name: str) -> Callable[..., Any]:
    """A function of SymPy, which is imported when it is first used."""
    return lambda *arguments: getattr(import_module("sympy"), name)(*arguments)


def _away_from_zero(u: Tensor) -> Tensor:
    return torch.where(u.abs() < _GAP, torch.where(u < 0, -_GAP, _GAP).to(u.dtype), u)


def _power(degree: float) -> Callable[[float], Affine]:
    return lambda k: (k**degree, 0.0)


def _root(u: Tensor) -> Tensor:
    return u.clamp(min=_TINY).sqrt()


def _arc(u: Tensor) -> tuple[Tensor, Tensor]:
    """Sine and cosine of the arc sine; what the arc is made of has finite derivatives at ±1 too."""
    sine = u.clamp(-1.0, 1.0)
    return sine, _root((1.0 - sine) * (1.0 + sine))


_GAP = 1e-4
_EVEN, _ODD = (1.0, 0.0), (-1.0, 0.0)
_BUILT_IN = (
    SymbolicFunction(
        "0", lambda u: 0.0 * u, lambda u: 0 * u, 0.0, stretch=_power(0), shift=lambda k: _EVEN, mirror=_EVEN
    ),
    SymbolicFunction("x", lambda u: u, lambda u: u, 1.0, stretch=_power(1), shift=lambda k: (1.0, k), mirror=_ODD),
    SymbolicFunction("x^2", torch.square, lambda u: u**2, 2.0, stretch=_power(2), mirror=_EVEN),
    SymbolicFunction("x^3", lambda u: u**3, lambda u: u**3, 3.0, stretch=_power(3), mirror=_ODD),
    SymbolicFunction("x^4", lambda u: u**4, lambda u: u**4, 3.0, stretch=_power(4), mirror=_EVEN),
    SymbolicFunction("exp", torch.exp, _sympy("exp"), 2.0, shift=lambda k: (math.exp(k), 0.0)),
    SymbolicFunction(
        "log",
        lambda u: u.clamp(min=_TINY).log(),
        _sympy("log"),
        3.0,
        low=_TINY,
        stretch=lambda k: (1.0, math.log(k)),
    ),
    SymbolicFunction("sqrt", _root, _sympy("sqrt"), 3.0, low=0.0, stretch=_power(0.5)),
    SymbolicFunction(
        "1/x", lambda u: 1.0 / _away_from_zero(u), lambda u: 1 / u, 3.0, gap=_GAP, stretch=_power(-1), mirror=_ODD
    ),
    SymbolicFunction(
        "1/x^2", lambda u: _away_from_zero(u) ** -2, lambda u: u**-2, 4.0, gap=_GAP, stretch=_power(-2), mirror=_EVEN
    ),
    SymbolicFunction(
        "1/sqrt",
        lambda u: u.clamp(min=_GAP).rsqrt(),
        lambda u: 1 / _sympy("sqrt")(u),
        4.0,
        low=_GAP,
        stretch=_power(-0.5),
    ),
    SymbolicFunction("sin", torch.sin, _sympy("sin"), 3.0, mirror=_ODD, antiperiod=math.pi, oscillates=True),
    SymbolicFunction("cos", torch.cos, _sympy("cos"), 3.0, mirror=_EVEN, antiperiod=math.pi, oscillates=True),
    SymbolicFunction("tanh", torch.tanh, _sympy("tanh"), 3.0, mirror=_ODD),
    SymbolicFunction("sigmoid", torch.sigmoid, lambda u: 1 / (1 + _sympy("exp")(-u)), 3.0, mirror=(-1.0, 1.0)),
    SymbolicFunction("gaussian", lambda u: torch.exp(-u.square()), lambda u: _sympy("exp")(-(u**2)), 3.0, mirror=_EVEN),
    SymbolicFunction("abs", torch.abs, _sympy("Abs"), 3.0, stretch=_power(1), mirror=_EVEN),
    SymbolicFunction("sign", torch.sign, _sympy("sign"), 3.0, stretch=_power(0), mirror=_ODD),
    SymbolicFunction("tan", torch.tan, _sympy("tan"), 4.0, low=-1.5707, high=1.5707, mirror=_ODD),
    SymbolicFunction("arctan", torch.arctan, _sympy("atan"), 4.0, mirror=_ODD),
    SymbolicFunction("arcsin", lambda u: torch.atan2(*_arc(u)), _sympy("asin"), 4.0, low=-1.0, high=1.0, mirror=_ODD),
    SymbolicFunction(
        "arccos",
        lambda u: torch.atan2(*reversed(_arc(u))),
        _sympy("acos"),
        4.0,
        low=-1.0,
        high=1.0,
        mirror=(-1.0, math.pi),
    ),
    SymbolicFunction(
        "J0",
        lambda u: _bessel(u, 0),
        lambda u: _sympy("besselj")(0, u),
        5.0,
        mirror=_EVEN,
        oscillates=True,
    ),
)

LIBRARY: dict[str, SymbolicFunction] = {function.name: function for function in _BUILT_IN}
"""All functions by name, in the order in which equally good ones are preferred; see `add_function`."""


def add_function(function: SymbolicFunction) -> None:
    """Adds a function to the library, for this process; a state dict that uses it can be loaded after that.

    Raises:
        ValueError: a name that is taken, or whose code is.
    """
    taken = {other.code: name for name, other in LIBRARY.items()}
    if function.code in taken:
        raise ValueError(f"{function.name!r} can't be added to the library: {taken[function.code]!r} has its place")
    LIBRARY[function.name] = function


def find_function(name: str) -> SymbolicFunction:
    """The function of that name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in LIBRARY:
        near = difflib.get_close_matches(name, LIBRARY, n=1, cutoff=0.3)
        hint = f"nearest is {near[0]!r} of" if near else "choose from"
        raise ValueError(f"no function {name!r} in the library: {hint} {', '.join(LIBRARY)}")
    return LIBRARY[name]


def function_of(code: int) -> SymbolicFunction:
    """The function that a code in a state dict stands for.

    Raises:
        ValueError: a function that this process's library does not have.
    """
    for function in LIBRARY.values():
        if function.code == code:
            return function
    raise ValueError(f"an edge follows function number {code}, which the library lacks: add_function it first")
