"""Digits as tasks: a few classes at a time, or all of them with their pixels permuted or turned."""

__all__ = ["digits"]

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tasks.benchmarks.pictures import SOURCES, Source, read_pictures
from tasks.curriculum import Curriculum, Task, check_tasks
from tasks.losses import LOSSES, LossName

Scenario = Literal["class", "task", "domain", "permuted", "rotated"]
CLASSES = 10


def digits(
    generators: Sequence[Generator],
    *,
    source: Source = "digits",
    folder: str = "data/mnist",
    scenario: Scenario = "class",
    tasks: int = 5,
    loss: LossName = "cross_entropy",
    points_per_class: int = 100,
    test_points: int = 37,
    degrees: float = 144.0,
) -> Curriculum:
    """Digits in the scenarios of continual learning; pixels are inputs from -1 to 1.

    * class, task, domain: 10 / T classes a task, in their order, see `gaussian_classes`.
    * permuted: all classes in each task, whose pixels change places: the first task's stay, each member has
      permutations of its own.
    * rotated: all classes, turned by evenly spaced angles from 0 to `degrees`.

    Each member draws its own samples, training, test and validation from one shuffle, as many of each class. Of MNIST,
    test samples are from its test files.

    Args:
        generators: one a member, for samples and permutations.
        source: "digits", of scikit-learn, or "mnist".
        folder: where MNIST's files are; they are never downloaded.
        scenario: see above.
        tasks: T.
        loss: "cross_entropy", or "squared_error_of_classes" for regression of one-hot targets.
        points_per_class: training samples of each class.
        test_points: test samples of each class, and as many for validation.
        degrees: of rotated digits, by how much the last task's are turned, anticlockwise.

    Raises:
        ValueError: an unknown setting, one out of range, samples that are not there, or see `read_pictures`.
    """
    check_tasks(tasks, "tasks")
    for name, value, valid in (("scenario", scenario, get_args(Scenario)), ("source", source, SOURCES)):
        if value not in valid:
            raise ValueError(f"{name} must be one of {', '.join(valid)}, got {value!r}")
    if loss not in LOSSES or loss == "mean_squared_error":
        raise ValueError(f"loss must be cross_entropy or squared_error_of_classes, got {loss!r}")
    for name, count in (("points_per_class", points_per_class), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    split = scenario in ("class", "task", "domain")
    if split and (CLASSES % tasks or tasks > CLASSES // 2):
        raise ValueError(f"tasks must be 1, 2 or 5, with as many of the {CLASSES} classes in each; got {tasks}")
    if not abs(degrees) <= 360.0:
        raise ValueError(f"degrees must be from -360 to 360, got {degrees}")
    sets = _shuffled(source, folder, (points_per_class, test_points), generators)
    side = sets[0].shape[-1]
    own = CLASSES // tasks if split else CLASSES
    outputs = own if scenario == "domain" else CLASSES
    places = [_permutations(side * side, generators, first=not index) for index in range(tasks)]

    def samples(index: int, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (M, N, I) and targets (M, N, O) of a task, from pictures (M, classes, n, side, side)."""
        chosen = range(index * own, (index + 1) * own) if split else range(CLASSES)
        pictures = pictures[:, chosen.start : chosen.stop]
        if scenario == "rotated":
            pictures = _turned(pictures, degrees * index / max(tasks - 1, 1))
        inputs = 2.0 * pictures.flatten(3).flatten(1, 2) - 1.0
        if scenario == "permuted":
            inputs = inputs.gather(2, places[index].unsqueeze(1).expand_as(inputs))
        labels = torch.tensor([label % outputs for label in chosen]).repeat_interleave(pictures.shape[2])
        targets = F.one_hot(labels, outputs).double()
        return inputs, targets.expand(len(generators), -1, -1)

    def task(index: int) -> Task:
        train, test, validation = (samples(index, pictures) for pictures in sets)
        first = index * own
        name = {
            "permuted": f"permutation {index + 1}",
            "rotated": f"turned by {degrees * index / max(tasks - 1, 1):.4g}°",
        }.get(scenario, f"{first} to {first + own - 1}")
        columns = tuple(range(first, first + own)) if scenario == "task" else None
        return Task(name, *train, *test, *validation, loss=loss, columns=columns)

    return Curriculum(
        f"{'MNIST' if source == 'mnist' else 'digits'}, {scenario}{'-incremental' if split else ''}",
        [task(index) for index in range(tasks)],
        (-1.0, 1.0),
    )


def _shuffled(source: Source, folder: str, counts: tuple[int, int], generators: Sequence[Generator]) -> list[Tensor]:
    """Training, test and validation pictures, (M, classes, n, side, side) each, each member's own.

    Raises:
        ValueError: there are not so many.
    """
    many, few = counts
    if source == "digits":
        pictures, labels = read_pictures(source, folder, "train")
        train, test, validation = _drawn(pictures, labels, (many, few, few), generators)
    else:
        train, validation = _drawn(*read_pictures(source, folder, "train"), (many, few), generators)
        (test,) = _drawn(*read_pictures(source, folder, "test"), (few,), generators)
    return [train, test, validation]


def _drawn(
    pictures: np.ndarray, labels: np.ndarray, counts: tuple[int, ...], generators: Sequence[Generator]
) -> list[Tensor]:
    """Of each class so many for each of some sets, without one twice: (M, classes, n, side, side) each."""
    found = []
    for label in range(CLASSES):
        own = torch.from_numpy(pictures[labels == label])
        if len(own) < sum(counts):
            raise ValueError(
                f"there are {len(own)} pictures of a {label}, and points_per_class and test_points ask for "
                f"{sum(counts)}"
            )
        orders = [torch.randperm(len(own), generator=generator)[: sum(counts)] for generator in generators]
        found.append(own[torch.stack(orders)])
    return list(torch.stack(found, dim=1).split(list(counts), dim=2))


def _permutations(pixels: int, generators: Sequence[Generator], first: bool) -> Tensor:
    """A permutation of the pixels for each member, (M, pixels); as they are in the first task."""
    if first:
        return torch.arange(pixels).expand(len(generators), -1)
    return torch.stack([torch.randperm(pixels, generator=generator) for generator in generators])


def _turned(pictures: Tensor, degrees: float) -> Tensor:
    """Pictures (..., side, side) turned anticlockwise about their middles, between pixels linear both ways."""
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    cos, sin = angle.cos(), angle.sin()
    back = torch.stack([torch.stack([cos, -sin, 0 * cos]), torch.stack([sin, cos, 0 * cos])])  # y points downwards
    flat = pictures.reshape(1, -1, *pictures.shape[-2:])
    grid = F.affine_grid(back.unsqueeze(0), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).reshape(pictures.shape)
