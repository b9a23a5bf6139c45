"""The five toy functions of the KAN paper, as curricula: region by region, or one function after the other."""

__all__ = ["FUNCTIONS", "ToyFunction", "toy_regions", "toy_sequence"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import scipy.special
import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task, View
from tasks.sampling import Order, add_noise, arrange, quasi_random_points, task_orders


@dataclass(frozen=True)
class ToyFunction:
    """A function of the first `in_features` inputs, (..., I) → (..., 1), with its formula in plain text."""

    formula: str
    in_features: int
    function: Callable[[Tensor], Tensor]


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


FUNCTIONS: Mapping[str, ToyFunction] = {
    "bessel": ToyFunction("J0(20x)", 1, _bessel),
    "exp_sin": ToyFunction("exp(sin(πx) + y²)", 2, _exp_sin),
    "product": ToyFunction("xy", 2, _product),
    "two_radii": ToyFunction("exp(½(sin π(x1²+x2²) + sin π(x3²+x4²)))", 4, _two_radii),
    "high_dimensional": ToyFunction("exp(Σ sin²(πx_i/2)/100), 100 inputs", 100, _high_dimensional),
}
"""Fig. 3.1 of Liu et al. (2024), https://arxiv.org/abs/2404.19756, on [-1, 1]^d."""


def _function(name: str) -> ToyFunction:
    if name not in FUNCTIONS:
        raise ValueError(f"function must be one of {', '.join(FUNCTIONS)}, got {name!r}")
    return FUNCTIONS[name]


def _task(
    name: str,
    target: Callable[[Tensor], Tensor],
    low: Tensor,
    high: Tensor,
    points: int,
    test_points: int,
    noise: float,
    generators: Sequence[Generator],
) -> Task:
    """Uniformly drawn training points in a box, each member's its own; one quasi-random test set for all."""
    for label, count in (("points_per_task", points), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{label} must be at least 1, got {count}")
    draws = [torch.rand(points, len(low), generator=g, dtype=torch.float64) for g in generators]
    train = low + (high - low) * torch.stack(draws)
    test = quasi_random_points(low, high, test_points)
    return Task(
        name,
        train,
        add_noise(target(train), noise, generators),
        test.expand(len(generators), -1, -1),
        target(test).expand(len(generators), -1, -1),
    )


def toy_regions(
    generators: Sequence[Generator],
    *,
    function: str = "exp_sin",
    regions: int = 5,
    axis: int = 0,
    points_per_task: int = 200,
    test_points: int = 1000,
    noise: float = 0.0,
    order: Order = "left_to_right",
) -> Curriculum:
    """One function, its domain [-1, 1]^d cut along one input into equal parts that are shown one after the other.

    The target never contradicts itself, so a model that is local enough can keep everything.

    Args:
        generators: one a member.
        function: a name of `FUNCTIONS`.
        regions: number of parts T.
        axis: which input is cut, counted from 0.
        points_per_task: training points of a part, uniform in it; the paper has 1000 in all.
        test_points: scrambled Sobol points of a part, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right", "right_to_left", or "random": each member its own permutation.

    Raises:
        ValueError: an unknown function or order, a count below 1, or an axis that the function does not have.
    """
    toy = _function(function)
    if regions < 1:
        raise ValueError(f"regions must be at least 1, got {regions}")
    if not 0 <= axis < toy.in_features:
        raise ValueError(f"axis must be between 0 and {toy.in_features - 1} for {function}, got {axis}")
    orders = task_orders(order, regions, generators)
    tasks = []
    for index in range(regions):
        low, high = -torch.ones(toy.in_features, dtype=torch.float64), torch.ones(toy.in_features, dtype=torch.float64)
        low[axis], high[axis] = -1.0 + 2.0 * index / regions, -1.0 + 2.0 * (index + 1) / regions
        name = f"x{axis + 1} in [{float(low[axis]):.3g}, {float(high[axis]):.3g}]"
        tasks.append(_task(name, toy.function, low, high, points_per_task, test_points, noise, generators))
    view = None
    if toy.in_features == 1:
        seen = torch.linspace(-1.0, 1.0, 1001, dtype=torch.float64)[:, None]
        view = View(seen, toy.function(seen))
    return Curriculum(f"{function} by regions", arrange(tasks, orders), (-1.0, 1.0), view)


def toy_sequence(
    generators: Sequence[Generator],
    *,
    functions: Sequence[str] = ("exp_sin", "product"),
    points_per_task: int = 1000,
    test_points: int = 1000,
    noise: float = 0.0,
    order: Order = "left_to_right",
) -> Curriculum:
    """Different functions of the same inputs, one after the other, with nothing that tells them apart.

    The targets contradict each other at the same inputs, so no single-output model can keep all: the control in which
    locality cannot help. Every function sees as many inputs as the widest needs and uses its first ones.

    Args:
        generators: one a member.
        functions: names of `FUNCTIONS`, in order.
        points_per_task: training points of a function, uniform on [-1, 1]^d.
        test_points: scrambled Sobol points of a function, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right" is the order given; or "right_to_left", or "random".

    Raises:
        ValueError: no functions, an unknown function or order, or a count below 1.
    """
    if not functions:
        raise ValueError("functions must name at least one function")
    chosen = [_function(name) for name in functions]
    orders = task_orders(order, len(chosen), generators)
    high = torch.ones(max(toy.in_features for toy in chosen), dtype=torch.float64)
    tasks = [
        _task(toy.formula, toy.function, -high, high, points_per_task, test_points, noise, generators) for toy in chosen
    ]
    return Curriculum("sequence of functions", arrange(tasks, orders), (-1.0, 1.0))
