"""Classes that are Gaussian clouds, a few of them shown at a time: small classification in which nothing is unclear."""

__all__ = ["gaussian_classes"]

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task, check_tasks
from tasks.geometry import centers

Scenario = Literal["class", "task", "domain"]

REACH = 3.0
"""Standard deviations from its centre, along each axis, at which a cloud ends: so inputs have a range."""


def gaussian_classes(
    generators: Sequence[Generator],
    *,
    scenario: Scenario = "class",
    classes: int = 10,
    tasks: int = 5,
    dimension: int = 2,
    spread: float = 0.25,
    points_per_class: int = 100,
    test_points: int = 200,
) -> Curriculum:
    r"""Classes split over tasks, each a cloud of points: the three scenarios of van de Ven et al. on a small scale.

    Class k has the centre \(c_k\) in [-1, 1]^d, and inputs \(c_k + \sigma z\) with z normal on each axis, cut at
    \(\pm 3\). Centres are apart on every axis, by evenly spaced levels: in order on the first, so that a task's classes
    are neighbours there, and in a random order of each member's own on the others (a Latin hypercube).

    With C / T classes a task, what is to be told (https://doi.org/10.1038/s42256-022-00568-3, table 1):

    * class: the class, of all C outputs, whichever task it was in. Outputs of classes to come are there from the start
      and take part, so that a task also teaches that they are not meant.
    * task: the class, of the outputs of its task: the others take no part, see `Task.columns`.
    * domain: the place of the class in its task, of C / T outputs that all tasks share.

    Args:
        generators: one a member, for centres and points.
        scenario: "class", "task" or "domain".
        classes: C, of all tasks.
        tasks: T.
        dimension: d, inputs.
        spread: standard deviation \(\sigma\) of a cloud over the distance of neighbouring centres on an axis; above
            1/6 clouds overlap there.
        points_per_class: training points of each class.
        test_points: test points of each class, and as many for validation.

    Raises:
        ValueError: an unknown scenario, counts or a spread out of range, or classes that are not the same number, of
            two or more, in each task.
    """
    check_tasks(tasks, "tasks")
    if scenario not in get_args(Scenario):
        raise ValueError(f"scenario must be one of {', '.join(get_args(Scenario))}, got {scenario!r}")
    if classes < 2 * tasks or classes % tasks:
        raise ValueError(f"classes must be 2 or more for each of {tasks} tasks and as many in each, got {classes}")
    for name, count in (("dimension", dimension), ("points_per_class", points_per_class), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if not 0.0 < spread < float("inf"):
        raise ValueError(f"spread must be positive and finite, got {spread}")
    spacing = 1.0 / ((classes - 1) / 2.0 + REACH * spread)
    places = centers("diagonal" if dimension == 1 else "random", classes, dimension, spacing, generators)
    middles = places.expand(len(generators), -1, -1)  # (M, C, d)
    each = classes // tasks
    outputs = each if scenario == "domain" else classes

    def samples(own: range, count: int) -> tuple[Tensor, Tensor]:
        """Of each class of a task so many: inputs (M, N, d) and one-hot targets (M, N, O)."""
        clouds = torch.stack([_cloud(each * count, dimension, generator) for generator in generators])
        inputs = middles[:, own].repeat_interleave(count, dim=1) + spread * spacing * clouds
        labels = torch.tensor([label % outputs for label in own]).repeat_interleave(count)
        targets = torch.nn.functional.one_hot(labels, outputs).double()
        return inputs, targets.expand(len(generators), -1, -1)

    def task(index: int) -> Task:
        own = range(index * each, (index + 1) * each)
        sets = [samples(own, count) for count in (points_per_class, test_points, test_points)]
        return Task(
            f"classes {own[0] + 1} to {own[-1] + 1}",
            *sets[0],
            *sets[1],
            *sets[2],
            loss="cross_entropy",
            columns=tuple(own) if scenario == "task" else None,
        )

    return Curriculum(
        f"{classes} Gaussian classes, {scenario}-incremental", [task(index) for index in range(tasks)], (-1.0, 1.0)
    )


def _cloud(count: int, dimension: int, generator: Generator) -> Tensor:
    """Points with normal coordinates, cut at `REACH`, by the inverse of their distribution: (count, dimension)."""
    uniform = torch.rand(count, dimension, generator=generator, dtype=torch.float64)
    tail = torch.special.ndtr(torch.tensor(-REACH, dtype=torch.float64))
    return torch.special.ndtri(tail + uniform * (1.0 - 2.0 * tail)).clamp(-REACH, REACH)
