"""Curricula of target functions: one whole, one region after the other, or one function after the other."""

__all__ = ["box_of", "function_fit", "range_of", "toy_regions", "toy_sequence", "view_of"]

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Split, Task, View, check_tasks
from tasks.functions import TargetFunction, target_function
from tasks.sampling import Order, add_noise, arrange, plane, quasi_random_points, task_orders
from tasks.slabs import Slab


def _task(
    name: str,
    target: Callable[[Tensor], Tensor],
    low: Tensor,
    high: Tensor,
    points: int,
    test_points: int,
    noise: float,
    generators: Sequence[Generator],
    slab: Slab | None = None,
) -> Task:
    """Uniformly drawn training points in a box, each member's its own; quasi-random test and validation sets for all.

    Where there is a slab, only points of the box that lie in it.
    """
    for label, count in (("points", points), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{label} must be at least 1, got {count}")

    def first(draw: Callable[[int], Tensor], count: int) -> Tensor:
        return draw(count) if slab is None else slab.first(draw, count, low, high)

    def drawn(generator: Generator) -> Callable[[int], Tensor]:
        return lambda count: low + (high - low) * torch.rand(count, len(low), generator=generator, dtype=torch.float64)

    def spread(split: Split) -> Callable[[int], Tensor]:
        return lambda count: quasi_random_points(low, high, count, split)

    train = torch.stack([first(drawn(generator), points) for generator in generators])
    test, validation = (first(spread(split), test_points) for split in get_args(Split))
    members = len(generators)
    return Task(
        name,
        train,
        add_noise(target(train), noise, generators),
        test.expand(members, -1, -1),
        target(test).expand(members, -1, -1),
        validation.expand(members, -1, -1),
        target(validation).expand(members, -1, -1),
    )


def box_of(target: TargetFunction) -> tuple[Tensor, Tensor]:
    """Lowest and highest values of the inputs of a function, (I,) each."""
    low, high = torch.tensor(target.domain, dtype=torch.float64).unbind(1)
    return low, high


def view_of(target: TargetFunction) -> View | None:
    """A look at the whole of a function of one input or two."""
    if target.in_features > 2:
        return None
    if target.in_features == 1:
        seen = torch.linspace(*target.domain[0], 1001, dtype=torch.float64)[:, None]
    else:
        first, second = (torch.linspace(*sides, 25, dtype=torch.float64) for sides in target.domain)
        seen = plane(first, second)
    return View(seen, target.function(seen))


def range_of(target: TargetFunction) -> tuple[float, float]:
    """The lowest and the highest value that any input takes."""
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
    task = _task(target.formula, target.function, *box_of(target), points, test_points, noise, generators)
    whole = target.function
    return Curriculum(
        f"{function} as a whole",
        [task],
        range_of(target),
        view_of(target),
        scaled_from,
        target=lambda index, x: whole(x),
    )


def toy_regions(
    generators: Sequence[Generator],
    *,
    function: str = "exp_sin",
    regions: int = 5,
    axis: int | Literal["diagonal"] = 0,
    points_per_task: int = 200,
    test_points: int = 1000,
    noise: float = 0.0,
    order: Order = "left_to_right",
    overlap: float = 1.0,
) -> Curriculum:
    """One function, its domain cut into equal parts that are shown one after the other.

    The target never contradicts itself, so a model that is local enough can keep everything.

    Args:
        generators: one a member.
        function: a name of `tasks.functions.FUNCTIONS`.
        regions: number of parts T.
        axis: which input is cut, counted from 0; or "diagonal": the domain is cut across its diagonal, into parts of
            equal volume between planes on which the inputs, each scaled to its domain, have a constant sum.
        points_per_task: training points of a part, uniform in it; the paper has 1000 in all.
        test_points: scrambled Sobol points of a part, the same for all members.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right", "right_to_left", or "random": each member its own permutation.
        overlap: what a task shows over its part, about the same middle and within the domain: below 1 there are gaps,
            above 1 tasks share samples' places. Along a diagonal it is volumes that are compared.

    Raises:
        ValueError: an unknown function or order, a count below 1, an overlap that is not positive, or an axis that the
            function does not have.
    """
    target = target_function(function)
    check_tasks(regions, "regions")
    if isinstance(axis, int) and not 0 <= axis < target.in_features:
        raise ValueError(f"axis must be between 0 and {target.in_features - 1} for {function}, or diagonal; got {axis}")
    if not isinstance(axis, int) and axis != "diagonal":
        raise ValueError(f"axis must be the number of an input, from 0, or diagonal; got {axis!r}")
    if axis == "diagonal" and target.in_features == 1:
        raise ValueError(f"axis=diagonal needs at least 2 inputs, {function} has 1; use axis=0")
    if not 0.0 < overlap < float("inf"):
        raise ValueError(f"overlap must be positive and finite, got {overlap}")
    orders = task_orders(order, regions, generators)
    whole = box_of(target)
    if isinstance(axis, int):
        slabs = [Slab.along(axis, index, regions, overlap, *whole) for index in range(regions)]
    else:
        slabs = Slab.across_diagonal(regions, overlap, *whole)
    tasks = []
    for slab in slabs:
        low, high = (end.clone() for end in whole)
        if slab.axis is not None:  # a box, from which points are drawn as they are
            low[slab.axis], high[slab.axis] = slab.low, slab.high
        cut = slab if slab.axis is None else None
        sizes = (points_per_task, test_points, noise)
        tasks.append(_task(slab.name, target.function, low, high, *sizes, generators, cut))
    shared = torch.stack(
        [slab.shares(task.train_inputs, slabs, *whole) for slab, task in zip(slabs, tasks, strict=True)]
    )
    return Curriculum(
        f"{function} by regions",
        arrange(tasks, orders),
        range_of(target),
        view_of(target),
        overlap=shared.mean(dim=0) if regions > 1 else None,
        target=lambda index, x: target.function(x),
    )


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
    low, high = box_of(widest)
    tasks = [
        _task(target.formula, target.function, low, high, points_per_task, test_points, noise, generators)
        for target in chosen
    ]
    return Curriculum(
        "sequence of functions",
        arrange(tasks, orders),
        range_of(widest),
        target=lambda index, x: chosen[int(orders[0, index])].function(x),
    )
