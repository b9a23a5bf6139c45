"""Target functions of figures 3.1 and 4.1 of the KAN paper: those of its toy and its interpretable examples."""

__all__ = ["PAPER_FUNCTIONS"]

import math
from collections.abc import Mapping

import scipy.special
import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.functions.target import TargetFunction


def _bessel(x: Tensor) -> Tensor:
    # torch.special.bessel_j0 is off by 2e-7 in places (torch 2.13, float64), far above what a spline can reach
    return torch.from_numpy(scipy.special.j0(20.0 * x[..., :1].numpy()))


def _exp_sin(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(math.pi * x[..., :1]) + x[..., 1:2] ** 2)


def _product(x: Tensor) -> Tensor:
    return x[..., :1] * x[..., 1:2]


def _high_dimensional(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(0.5 * math.pi * x[..., :100]).square().mean(-1, keepdim=True))


def _two_radii(x: Tensor) -> Tensor:
    first = torch.sin(math.pi * x[..., 0:2].square().sum(-1, keepdim=True))
    second = torch.sin(math.pi * x[..., 2:4].square().sum(-1, keepdim=True))
    return torch.exp(0.5 * (first + second))


def _quotient(x: Tensor) -> Tensor:
    return x[..., :1] / x[..., 1:2]


def _first_digit(x: Tensor) -> Tensor:
    digit = (10.0 * x[..., 0]).floor().clamp(0.0, 9.0).long()
    return F.one_hot(digit, 10).to(x.dtype)


def _exp_bessel(x: Tensor) -> Tensor:
    return torch.exp(_bessel(x) + x[..., 1:2] ** 2)


def _phase_transition(x: Tensor) -> Tensor:
    return torch.tanh(5.0 * (x[..., :3].pow(4).sum(-1, keepdim=True) - 1.0))


def _distance(x: Tensor) -> Tensor:
    return torch.hypot(x[..., :1] - x[..., 1:2], x[..., 2:3] - x[..., 3:4])


def _cube(dimensions: int) -> tuple[tuple[float, float], ...]:
    return ((-1.0, 1.0),) * dimensions


PAPER_FUNCTIONS: Mapping[str, TargetFunction] = {
    # Fig. 3.1
    "bessel": TargetFunction("J0(20x)", _cube(1), _bessel, (1, 1)),
    "exp_sin": TargetFunction("exp(sin(πx) + y²)", _cube(2), _exp_sin, (2, 1, 1)),
    "product": TargetFunction("xy", _cube(2), _product, (2, 2, 1)),
    "two_radii": TargetFunction("exp(½(sin π(x1²+x2²) + sin π(x3²+x4²)))", _cube(4), _two_radii, (4, 4, 2, 1)),
    "high_dimensional": TargetFunction(
        "exp(Σ sin²(πx_i/2)/100), 100 inputs", _cube(100), _high_dimensional, (100, 1, 1)
    ),
    # Fig. 4.1; of the quotient the paper says that its numbers are positive, not which
    "quotient": TargetFunction("x/y", ((0.25, 1.0), (0.25, 1.0)), _quotient),
    "first_digit": TargetFunction("first decimal digit of x, one-hot", ((0.0, 1.0),), _first_digit),
    "exp_bessel": TargetFunction("exp(J0(20x) + y²)", _cube(2), _exp_bessel),
    "phase_transition": TargetFunction("tanh(5(x1⁴+x2⁴+x3⁴-1))", _cube(3), _phase_transition),
    "distance": TargetFunction("√((x1-x2)² + (x3-x4)²)", _cube(4), _distance),
}
"""Functions of Liu et al. (2024), https://arxiv.org/abs/2404.19756, figures 3.1 and 4.1."""
