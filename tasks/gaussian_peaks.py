"""Gaussian peaks, shown one after the other: in one dimension the example of the KAN paper, and what becomes of it."""

__all__ = ["gaussian_peaks"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Split, Task, View, check_tasks
from tasks.geometry import (
    Layout,
    box_points,
    centers,
    check_layout,
    levels_by_axis,
    share_in_others,
    turned_range,
    turns,
)
from tasks.sampling import Order, add_noise, arrange, even_points, plane, quasi_random_points, task_orders

Target = Literal["product", "additive"]

_FAINTEST = 1e-6
"""Standard deviation of a peak within its box below which scaling it up makes a few samples of everything."""

_A_SIDE = 41
"""Points along each side of the view of two inputs, which hit the centres of five peaks."""


def gaussian_peaks(
    generators: Sequence[Generator],
    *,
    peaks: int = 5,
    sharpness: float = 300.0,
    spacing: float = 0.4,
    half_width: float | None = None,
    points_per_task: int = 100,
    test_points: int = 500,
    noise: float = 0.0,
    order: Order = "left_to_right",
    dimension: int = 1,
    layout: Layout = "diagonal",
    target: Target = "product",
    rotation: float = 0.0,
    intrinsic_dimension: int | None = None,
    overlap: float | None = None,
    normalize: bool | None = None,
) -> Curriculum:
    r"""One function of several peaks, seen one peak at a time.

    With coordinates u in r dimensions and centres \(c_p\), task p shows the box \(c_p \pm\) `half_width` of

    * product: \(f(u) = \sum_p e^{-a \|u - c_p\|^2}\);
    * additive: \(f(u) = \frac{1}{r} \sum_i \sum_{c \in C_i} e^{-a (u_i - c)^2}\), with \(C_i\) the coordinates that
      centres take on axis i, each counted once: a sum of functions of one input, which a KAN of one layer can hold.

    Models see inputs \(x = Q u / s\) in d dimensions, with Q a rotation or an embedding with orthonormal columns, each
    member's own, and s what keeps them in the range of the coordinates; by default Q is the identity.

    The defaults are Fig. 3.4 of the KAN paper (Liu et al., 2024, https://arxiv.org/abs/2404.19756) as in pykan's
    Example 8: one dimension, five peaks at -0.8, -0.4, 0, 0.4 and 0.8 with a = 300, 100 evenly spaced points each on
    \(c_p \pm 0.2\), ends included, so that the tasks tile [-1, 1]. In more dimensions training points are drawn
    uniformly, each member's its own, and test points are scrambled Sobol points of the box.

    Args:
        generators: one a member, for noise, random order, points, turns and random centres.
        peaks: number of peaks, and of tasks, T.
        sharpness: a, in units of u to the power -2; the peak's standard deviation is \(1/\sqrt{2a}\).
        spacing: distance of neighbouring centres on an axis; they lie symmetric about 0.
        half_width: half the width of what a task shows; half the spacing by default. Larger means overlap.
        points_per_task: training points N of a task.
        test_points: test points of a task, in the same box, none of them a training point; as many for validation.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right" (by the first axis; a lattice by rows), "right_to_left", or "random": each member its
            own.
        dimension: d, inputs of a model.
        layout: where the centres lie, see `tasks.geometry.centers`.
        target: "product" or "additive".
        rotation: how far the axes of function and boxes are turned together against the inputs, from 0 to 1, see
            `tasks.geometry.turns`.
        intrinsic_dimension: r, at most d, which is the default; below it the coordinates are embedded at random.
        overlap: another way to say `half_width`: the width of a task's box over the distance of neighbours; below 1
            there are gaps, above 1 boxes overlap. The share of samples concerned is `Curriculum.overlap`.
        normalize: multiply the function so that its variance within \(c_p \pm\) half the spacing, of one peak alone, is
            that of one dimension's defaults, 0.1155, whatever d, a and target; by default where d > 1.

    Raises:
        ValueError: a count below 1, a length that is not positive, or choices that do not go together.
    """
    check_tasks(peaks, "peaks")
    for name, count in (("points_per_task", points_per_task), ("test_points", test_points), ("dimension", dimension)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if overlap is not None and half_width is not None:
        raise ValueError("overlap and half_width say the same; give one of them")
    reach = spacing / 2 * (1.0 if overlap is None else overlap) if half_width is None else half_width
    named = (("sharpness", sharpness), ("spacing", spacing), ("overlap", 1.0 if overlap is None else overlap))
    for name, length in (*named, ("half_width", reach)):
        if not 0.0 < length < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {length}")
    space = dimension if intrinsic_dimension is None else intrinsic_dimension
    _check_space(dimension, space, rotation, target)
    check_layout(layout, peaks, space)

    orders = task_orders(order, peaks, generators)
    places = centers(layout, peaks, space, spacing, generators)
    turn = turns(rotation, dimension, space, generators)
    largest = float(places.abs().max()) + reach
    scale = (
        _scale(sharpness, spacing / 2, space, target) if (dimension > 1 if normalize is None else normalize) else 1.0
    )
    function = _Peaks(places, levels_by_axis(layout, peaks, space, spacing), sharpness, target, scale)
    if turn is not None:
        turn = turn * (largest / turned_range(turn, places, reach))[:, None, None]
    made = _Making(generators, function, turn, reach, points_per_task, test_points, noise)
    tasks = [made.task(index, _name(places[:, index], index, turn)) for index in range(peaks)]
    samples = [points for points, _ in tasks]
    return Curriculum(
        "gaussian_peaks",
        arrange([task for _, task in tasks], orders),
        (-largest, largest),
        _view(function, largest, peaks) if turn is None and len(places) == 1 else None,
        overlap=share_in_others(samples, places, reach) if peaks > 1 else None,
        target=made.look,
    )


def _check_space(dimension: int, space: int, rotation: float, target: str) -> None:
    if not 1 <= space <= dimension:
        raise ValueError(f"intrinsic_dimension must be between 1 and dimension={dimension}, got {space}")
    if not 0.0 <= rotation <= 1.0:
        raise ValueError(f"rotation must be between 0 and 1, got {rotation}")
    if rotation > 0.0 and space < dimension:
        raise ValueError("rotation changes nothing where intrinsic_dimension embeds at random; leave one of them out")
    if rotation > 0.0 and dimension == 1:
        raise ValueError("rotation needs at least 2 inputs, got dimension=1")
    if target not in get_args(Target):
        raise ValueError(f"target must be one of {', '.join(get_args(Target))}, got {target!r}")


def _moment(sharpness: float, reach: float) -> float:
    r"""Mean of \(e^{-a u^2}\) over \(\pm h\)."""
    root = math.sqrt(sharpness)
    return math.sqrt(math.pi) * math.erf(root * reach) / (2.0 * root * reach)


def _deviation(sharpness: float, reach: float, space: int, target: Target) -> float:
    r"""Standard deviation of one peak over its box: \(\sqrt{m_2^r - m_1^{2r}}\), or \(\sqrt{(m_2 - m_1^2) / r}\)."""
    first, second = _moment(sharpness, reach), _moment(2.0 * sharpness, reach)
    if target == "additive":
        return math.sqrt((second - first**2) / space)
    return math.sqrt(second**space - first ** (2 * space))


def _scale(sharpness: float, reach: float, space: int, target: Target) -> float:
    """What brings the variance within a task to that of one dimension's defaults.

    Raises:
        ValueError: peaks that no sample will see.
    """
    deviation = _deviation(sharpness, reach, space, target)
    if deviation < _FAINTEST:
        raise ValueError(
            f"a {target} of {space} dimensions with sharpness={sharpness:g} is nearly zero in all of its box; take "
            "fewer dimensions, a lower sharpness, or target=additive"
        )
    return _deviation(300.0, 0.2, 1, "product") / deviation


@dataclass(frozen=True)
class _Peaks:
    """The function of the coordinates u, (M, N, r) → (M, N, 1); centres are (M or 1, T, r)."""

    places: Tensor
    levels: Sequence[Tensor]
    sharpness: float
    target: Target
    scale: float

    def __call__(self, u: Tensor) -> Tensor:
        if self.target == "additive":
            axes = [
                torch.exp(-self.sharpness * (u[..., axis, None] - levels) ** 2).sum(-1, keepdim=True)
                for axis, levels in enumerate(self.levels)
            ]
            values = torch.stack(axes).sum(dim=0) / len(axes)
        else:
            distances = (u[..., None, :] - self.places[:, None]).square().sum(-1)
            values = torch.exp(-self.sharpness * distances).sum(-1, keepdim=True)
        return values if self.scale == 1.0 else self.scale * values


@dataclass(frozen=True)
class _Making:
    """What makes the data of one task after the other."""

    generators: Sequence[Generator]
    function: _Peaks
    turn: Tensor | None
    reach: float
    points: int
    test_points: int
    noise: float

    def task(self, index: int, name: str) -> tuple[Tensor, Task]:
        """The coordinates of a task's training points, (M, N, r), and the task."""
        center = self.function.places[:, index]
        if center.shape[-1] == 1:  # of the paper: evenly spaced, the ends included
            low, high = (round(float(center), 12) + sign * self.reach for sign in (-1.0, 1.0))
            train = torch.linspace(low, high, self.points, dtype=torch.float64)[None, :, None]
        else:
            train = box_points(center, self.reach, self.points, self.generators)
        members = len(self.generators)
        targets = add_noise(self.function(train).expand(members, -1, -1), self.noise, self.generators)
        sets = [x for split in ("test", "validation") for x in self.measured(center, split)]
        return train, Task(name, self.seen(train), targets, *sets)

    def measured(self, center: Tensor, split: Split) -> tuple[Tensor, Tensor]:
        """The test set, or the validation set."""
        if center.shape[-1] == 1:
            low, high = (round(float(center), 12) + sign * self.reach for sign in (-1.0, 1.0))
            u = even_points(low, high, self.test_points, split)[None, :, None]
        else:
            one = torch.ones(center.shape[-1], dtype=torch.float64)
            u = center[:, None] + self.reach * quasi_random_points(-one, one, self.test_points, split)
        return self.seen(u), self.function(u).expand(len(self.generators), -1, -1)

    def seen(self, u: Tensor) -> Tensor:
        """Inputs (M, N, d) of coordinates (M or 1, N, r)."""
        x = u if self.turn is None else u @ self.turn.transpose(1, 2)
        return x.expand(len(self.generators), -1, -1)

    def look(self, index: int, x: Tensor) -> Tensor:
        """See `Curriculum.target`: beside an embedding, the function is that of the nearest point in it."""
        if self.turn is None:
            return self.function(x[None])[0]
        turn = self.turn[0]  # orthogonal columns of one length
        return self.function((x @ turn / turn[:, 0].square().sum())[None])[0]


def _name(center: Tensor, index: int, turn: Tensor | None) -> str:
    """By where it is, where that is short to say and the same for all members."""
    if turn is not None or len(center) > 1 or center.shape[-1] > 2:
        return f"peak {index + 1}"
    values = [f"{round(value, 12):g}" for value in center[0].tolist()]
    return f"peak at {values[0]}" if len(values) == 1 else f"peak at ({', '.join(values)})"


def _view(function: _Peaks, largest: float, peaks: int) -> View | None:
    """The whole of the function of one input or two."""
    space = function.places.shape[-1]
    if space == 1:
        seen = torch.linspace(-largest, largest, 200 * peaks + 1, dtype=torch.float64)[:, None]
    elif space == 2:
        side = torch.linspace(-largest, largest, _A_SIDE, dtype=torch.float64)
        seen = plane(side, side)
    else:
        return None
    return View(seen, function(seen[None])[0])
