"""Bands of an image: a function of two inputs, learned in rows or columns of pixels, as in pykan's issue 227."""

__all__ = ["IMAGES", "image_bands"]

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Split, Task, View, check_tasks
from tasks.sampling import Order, add_noise, arrange, plane, quasi_random_points, task_orders
from tasks.slabs import Slab

Along = Literal["rows", "columns"]


def _joint(x: Tensor) -> Tensor:
    """A ridge that winds across the diagonal, with a spot on it: no sum and no product of functions of one input."""
    first, second = x.split(1, dim=-1)
    spot = torch.exp(-8.0 * ((first - 0.4) ** 2 + (second + 0.3) ** 2))
    return 0.5 * torch.sin(torch.pi * (first + second + first * second)) + spot


def _additive(x: Tensor) -> Tensor:
    first, second = x.split(1, dim=-1)
    return 0.5 * torch.sin(torch.pi * first) + 0.5 * torch.cos(1.5 * torch.pi * second)


def _separable(x: Tensor) -> Tensor:
    first, second = x.split(1, dim=-1)
    return torch.sin(torch.pi * first) * torch.cos(1.5 * torch.pi * second)


IMAGES: dict[str, Callable[[Tensor], Tensor]] = {"joint": _joint, "additive": _additive, "separable": _separable}
"""Smooth images on [-1, 1]², (..., 2) → (..., 1): x1 to the right, x2 upwards."""

_A_SIDE = 41
"""Points along each side of the view."""


def image_bands(
    generators: Sequence[Generator],
    *,
    image: str = "joint",
    bands: int = 5,
    along: Along = "rows",
    size: int = 100,
    points_per_task: int | None = None,
    test_points: int = 1000,
    noise: float = 0.0,
    order: Order = "left_to_right",
    overlap: float = 1.0,
) -> Curriculum:
    """An image as a function of two inputs on [-1, 1]², its pixels shown band by band.

    In pykan's issue 227 (https://github.com/KindXiaoming/pykan/issues/227) a KAN loses the bands it saw before: the
    image depends on both inputs jointly, and the bands share all values of one of them.

    A task's training points are the centres of the pixels of its band. Test and validation points are scrambled Sobol
    points between them, at which a built-in image is its formula, and an array is interpolated linearly both ways.

    Args:
        generators: one a member, for noise, random order and random pixels; all else is the same for all members.
        image: "joint", "additive", "separable", or a file: an array of two axes as .npy, numbers as .csv or .txt, or
            a picture, whose brightness from 0 to 1 is learned. The first row is on top.
        bands: number of tasks T.
        along: "rows": bands lie one above the other, the lowest first; "columns": side by side.
        size: pixels along each side of a built-in image; a file has its own.
        points_per_task: so many pixels of a band, drawn without replacement, each member's its own; None for all.
        test_points: test points of a band; as many for validation.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right", "right_to_left", or "random": each member its own permutation.
        overlap: width of what a task shows over the width of a band, about the same middle and within the image.

    Raises:
        ValueError: a file that can't be read as an image, more bands than rows, a count below 1, or an overlap that is
            not positive.
    """
    check_tasks(bands, "bands")
    for name, count in (("size", size), ("test_points", test_points), ("points_per_task", points_per_task)):
        if count is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if along not in get_args(Along):
        raise ValueError(f"along must be one of {', '.join(get_args(Along))}, got {along!r}")
    if not 0.0 < overlap < float("inf"):
        raise ValueError(f"overlap must be positive and finite, got {overlap}")
    if image in IMAGES:
        function, rows, columns = IMAGES[image], size, size
    else:
        pixels = _read(image)
        function, (rows, columns) = _Interpolated(pixels), pixels.shape
    axis, lines = (1, rows) if along == "rows" else (0, columns)
    if bands > lines:
        raise ValueError(f"bands={bands} are more than the {lines} {along} of the image")

    members = len(generators)
    orders = task_orders(order, bands, generators)
    low, high = -torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    across, up = ((2.0 * torch.arange(n, dtype=torch.float64) + 1.0) / n - 1.0 for n in (columns, rows))
    grid = plane(across, up)
    slabs = [Slab.along(axis, index, bands, overlap, low, high) for index in range(bands)]

    def task(slab: Slab) -> Task:
        own = grid[(grid[:, axis] >= slab.low) & ((grid[:, axis] < slab.high) | (slab.high == 1.0))]
        if not len(own):
            raise ValueError(f"overlap={overlap} leaves a band without a pixel; take more of it, or fewer bands")
        train = own.expand(members, -1, -1)
        if points_per_task is not None and points_per_task < len(own):
            train = torch.stack([own[torch.randperm(len(own), generator=g)[:points_per_task]] for g in generators])
        begin, end = low.clone(), high.clone()
        begin[axis], end[axis] = slab.low, slab.high

        def measured(split: Split) -> tuple[Tensor, Tensor]:
            points = quasi_random_points(begin, end, test_points, split)
            return points.expand(members, -1, -1), function(points).expand(members, -1, -1)

        targets = add_noise(function(train), noise, generators)
        return Task(slab.name, train, targets, *measured("test"), *measured("validation"))

    tasks = [task(slab) for slab in slabs]
    shared = [slab.shares(each.train_inputs, slabs, low, high) for slab, each in zip(slabs, tasks, strict=True)]
    side = torch.linspace(-1.0, 1.0, _A_SIDE, dtype=torch.float64)
    seen = plane(side, side)
    return Curriculum(
        f"bands of {image if image in IMAGES else Path(image).name}",
        arrange(tasks, orders),
        (-1.0, 1.0),
        View(seen, function(seen)),
        overlap=torch.stack(shared).mean(dim=0) if bands > 1 else None,
        target=lambda index, x: function(x),
    )


def _read(path: str) -> Tensor:
    """An array of two axes from a file, its last row first, so that rows go upwards.

    Raises:
        ValueError: it is no image.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"image must be one of {', '.join(IMAGES)}, or a file; there is no file {path}")
    try:
        if file.suffix == ".npy":
            array = np.load(file, allow_pickle=False)
        elif file.suffix in (".csv", ".txt"):
            array = np.loadtxt(file, delimiter="," if file.suffix == ".csv" else None, ndmin=2)
        else:
            with Image.open(file) as picture:
                array = np.asarray(picture.convert("L"), dtype=np.float64) / 255.0
        values = torch.from_numpy(np.array(array[::-1], dtype=np.float64))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is neither an array (.npy, .csv, .txt) nor a picture that can be read") from None
    except (ValueError, TypeError, OSError, EOFError, IndexError) as error:
        raise ValueError(f"{path} can't be read as an image: {' '.join(str(error).split())}") from None
    if values.dim() != 2 or min(values.shape) < 2:
        raise ValueError(f"{path} must hold an array of two axes with 2 values or more each, got {tuple(values.shape)}")
    if not bool(values.isfinite().all()):
        raise ValueError(f"{path} holds values that are not finite")
    return values


class _Interpolated:
    """Between the centres of pixels linear both ways, beyond the outermost constant: (..., 2) → (..., 1)."""

    def __init__(self, pixels: Tensor) -> None:
        self._pixels = pixels

    def __call__(self, x: Tensor) -> Tensor:
        near, share = [], []
        for axis, count in ((1, self._pixels.shape[0]), (0, self._pixels.shape[1])):
            place = ((x[..., axis] + 1.0) * count / 2.0 - 0.5).clamp(0.0, count - 1.0)
            place = torch.where((place - place.round()).abs() < 1e-9, place.round(), place)  # a pixel is its own value
            near.append(place.floor().clamp(max=count - 2).long())
            share.append(place - near[-1])
        (row, column), (up, across) = near, share
        below = torch.lerp(self._pixels[row, column], self._pixels[row, column + 1], across)
        above = torch.lerp(self._pixels[row + 1, column], self._pixels[row + 1, column + 1], across)
        return torch.lerp(below, above, up)[..., None]
