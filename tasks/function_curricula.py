"""Curricula of target functions: one whole, one region after the other, or one function after the other."""

__all__ = ["function_fit", "toy_regions", "toy_sequence"]

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task, View, check_tasks
from tasks.functions import TargetFunction, target_function
from tasks.sampling import Order, add_noise, arrange, quasi_random_points, task_orders


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
    for label, count in (("points", points), ("test_points", test_points)):
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


def _box(target: TargetFunction) -> tuple[Tensor, Tensor]:
    low, high = torch.tensor(target.domain, dtype=torch.float64).unbind(1)
    return low, high


def _view(target: TargetFunction) -> View | None:
    """A look at the whole of a function of one input or two."""
    if target.in_features > 2:
        return None
    if target.in_features == 1:
        seen = torch.linspace(*target.domain[0], 1001, dtype=torch.float64)[:, None]
    else:
        first, second = (torch.linspace(*sides, 25, dtype=torch.float64) for sides in target.domain)
        seen = torch.stack([first.repeat(25), second.repeat_interleave(25)], dim=1)
    return View(seen, target.function(seen))


def _range(target: TargetFunction) -> tuple[float, float]:
    return min(low for low, _ in target.domain), max(high for _, high in target.domain)


def function_fit(
    generators: Sequence[Generator],
    *,
    function: str = "exp_sin",
    points: int = 1000,
    test_points: int = 4000,
    noise: float = 0.0,
    normalize: bool = False,
) -> Curriculum:
    """One function on its whole domain as the only task: plain regression, as in most of the KAN paper.

    Args:
        generators: one a member.
        function: a name of `tasks.functions.FUNCTIONS`.
        points: training points, uniform on the domain, each member's its own; the paper has 1000.
        test_points: scrambled Sobol points, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        normalize: show models the inputs scaled from the domain to [-1, 1], so that all functions have one input range;
            targets are what they are.

    Raises:
        ValueError: an unknown function, or a count below 1.
    """
    target = target_function(function)
    scaled_from = target.domain if normalize else None
    if normalize:
        target = target.normalized()
    task = _task(target.formula, target.function, *_box(target), points, test_points, noise, generators)
    return Curriculum(f"{function} as a whole", [task], _range(target), _view(target), scaled_from)


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
    """One function, its domain cut along one input into equal parts that are shown one after the other.

    The target never contradicts itself, so a model that is local enough can keep everything.

    Args:
        generators: one a member.
        function: a name of `tasks.functions.FUNCTIONS`.
        regions: number of parts T.
        axis: which input is cut, counted from 0.
        points_per_task: training points of a part, uniform in it; the paper has 1000 in all.
        test_points: scrambled Sobol points of a part, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right", "right_to_left", or "random": each member its own permutation.

    Raises:
        ValueError: an unknown function or order, a count below 1, or an axis that the function does not have.
    """
    target = target_function(function)
    check_tasks(regions, "regions")
    if not 0 <= axis < target.in_features:
        raise ValueError(f"axis must be between 0 and {target.in_features - 1} for {function}, got {axis}")
    orders = task_orders(order, regions, generators)
    tasks = []
    for index in range(regions):
        low, high = _box(target)
        width = (high[axis] - low[axis]) / regions
        low[axis] += index * width
        high[axis] = low[axis] + width
        name = f"x{axis + 1} in [{float(low[axis]):.3g}, {float(high[axis]):.3g}]"
        tasks.append(_task(name, target.function, low, high, points_per_task, test_points, noise, generators))
    return Curriculum(f"{function} by regions", arrange(tasks, orders), _range(target), _view(target))


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
        functions: names of `tasks.functions.FUNCTIONS`, in order; of one domain.
        points_per_task: training points of a function, uniform on the domain.
        test_points: scrambled Sobol points of a function, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right" is the order given; or "right_to_left", or "random".

    Raises:
        ValueError: no functions, an unknown function or order, different domains, or a count below 1.
    """
    if not functions:
        raise ValueError("functions must name at least one function")
    chosen = [target_function(name) for name in functions]
    widest = max(chosen, key=lambda target: target.in_features)
    if any(target.domain != widest.domain[: target.in_features] for target in chosen):
        raise ValueError(f"functions must share one domain, got {', '.join(functions)}")
    orders = task_orders(order, len(chosen), generators)
    low, high = _box(widest)
    tasks = [
        _task(target.formula, target.function, low, high, points_per_task, test_points, noise, generators)
        for target in chosen
    ]
    return Curriculum("sequence of functions", arrange(tasks, orders), _range(widest))
