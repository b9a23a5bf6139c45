"""Drift without boundaries: what is shown, or the target itself, moves a little with every step."""

__all__ = ["drift"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Split, Task, View, check_tasks
from tasks.function_curricula import box_of, range_of, view_of
from tasks.functions import target_function
from tasks.sampling import add_noise, quasi_random_points

Moves = Literal["window", "peak"]


def drift(
    generators: Sequence[Generator],
    *,
    moves: Moves = "window",
    function: str = "bessel",
    sharpness: float = 30.0,
    snapshots: int = 5,
    width: float = 0.4,
    points_per_step: int = 100,
    test_points: int = 500,
    noise: float = 0.0,
) -> Curriculum:
    r"""A stream whose samples are drawn anew for each step, from a distribution that moves evenly from left to right.

    With position p growing from 0 to 1 over all steps:

    * window: samples of one function, uniform where its first input lies in a window of `width`, whose middle moves
      from one end of the domain to the other. What is shown moves, the function stays: all of it can be kept.
    * peak: samples uniform on [-1, 1] of \(e^{-a (x - c)^2}\), whose centre c moves from -0.8 to 0.8: the target itself
      moves, so that nothing can be kept, only followed.

    Nothing tells a strategy or an adaptation where it is: a stream is one long task. It is only evaluated at
    `snapshots`: the j-th stretch of training ends where snapshot j is, and R[i, j] is the error on it after stretch i.

    Args:
        generators: one a member, for the sample by which each stretch is shown in pictures.
        moves: "window" or "peak".
        function: of the window, a name of `tasks.functions.FUNCTIONS`.
        sharpness: a of the peak, in units of x to the power -2.
        snapshots: stretches of training T, each of `training.steps` steps.
        width: of the window, in units of the first input.
        points_per_step: samples of a step.
        test_points: scrambled Sobol points of a snapshot, the same for all members; as many for validation.
        noise: standard deviation of the Gaussian noise on training targets.

    Raises:
        ValueError: an unknown function, a count below 1, or a length that is not positive or wider than the domain.
    """
    check_tasks(snapshots, "snapshots")
    for name, count in (("points_per_step", points_per_step), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if moves not in get_args(Moves):
        raise ValueError(f"moves must be one of {', '.join(get_args(Moves))}, got {moves!r}")
    if not 0.0 < sharpness < float("inf"):
        raise ValueError(f"sharpness must be positive and finite, got {sharpness}")
    moving = _Window(function, width) if moves == "window" else _Peak(sharpness)
    stream = _Stream(moving, points_per_step, noise)
    members = len(generators)

    def task(index: int) -> Task:
        end = (index + 1) / snapshots
        positions = torch.linspace(end - 1.0 / snapshots, end, points_per_step, dtype=torch.float64)

        def measured(split: Split) -> tuple[Tensor, Tensor]:
            low, high = moving.box(end)
            points = quasi_random_points(low, high, test_points, split)
            return points.expand(members, -1, -1), moving.target(points, end).expand(members, -1, -1)

        return Task(
            moving.name(end), *stream.samples(positions, generators), *measured("test"), *measured("validation")
        )

    name = f"window over {function}" if moves == "window" else "moving peak"
    return Curriculum(
        name,
        [task(index) for index in range(snapshots)],
        moving.input_range,
        moving.view(),
        stream=stream,
        target=lambda index, x: moving.target(x, (index + 1) / snapshots),
    )


@dataclass(frozen=True)
class _Window:
    """A function of which one window is shown."""

    function: str
    width: float

    def __post_init__(self) -> None:
        low, high = target_function(self.function).domain[0]
        if not 0.0 < self.width <= high - low:
            raise ValueError(f"width must be positive and at most {high - low:g}, the domain's, got {self.width}")

    @property
    def input_range(self) -> tuple[float, float]:
        return range_of(target_function(self.function))

    def view(self) -> View | None:
        return view_of(target_function(self.function))

    def box(self, position: Tensor | float) -> tuple[Tensor, Tensor]:
        """Ends of the box that is shown at positions (N,) or one: (N, I) or (I,) each."""
        low, high = box_of(target_function(self.function))
        at = torch.as_tensor(position, dtype=torch.float64)
        begin = low[0] + at * (high[0] - low[0] - self.width)
        shape = (*at.shape, len(low))
        low, high = low.expand(shape).clone(), high.expand(shape).clone()
        low[..., 0], high[..., 0] = begin, begin + self.width
        return low, high

    def target(self, x: Tensor, position: Tensor | float) -> Tensor:
        return target_function(self.function).function(x)

    def name(self, position: float) -> str:
        low, high = self.box(position)
        return f"x1 in [{float(low[0]):.3g}, {float(high[0]):.3g}]"


@dataclass(frozen=True)
class _Peak:
    """A target that moves over inputs that stay."""

    sharpness: float
    input_range = (-1.0, 1.0)

    def view(self) -> None:
        """There is no function of the inputs alone."""

    def box(self, position: Tensor | float) -> tuple[Tensor, Tensor]:
        one = torch.ones((*torch.as_tensor(position).shape, 1), dtype=torch.float64)
        return -one, one

    def _center(self, position: Tensor | float) -> Tensor:
        return 1.6 * torch.as_tensor(position, dtype=torch.float64)[..., None] - 0.8

    def target(self, x: Tensor, position: Tensor | float) -> Tensor:
        return torch.exp(-self.sharpness * (x - self._center(position)) ** 2)

    def name(self, position: float) -> str:
        return f"peak at {round(float(self._center(position)), 12):g}"


@dataclass(frozen=True)
class _Stream:
    """The samples of each step, see `Curriculum.stream`."""

    moving: _Window | _Peak
    points: int
    noise: float

    def samples(self, positions: Tensor, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
        """Samples at positions (N,) of the stream, each member's own: (M, N, I) and (M, N, 1)."""
        low, high = self.moving.box(positions)
        draws = [torch.rand(low.shape, generator=generator, dtype=torch.float64) for generator in generators]
        inputs = low + (high - low) * torch.stack(draws)
        return inputs, add_noise(self.moving.target(inputs, positions), self.noise, generators)

    def __call__(self, position: float, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
        return self.samples(torch.full((self.points,), position, dtype=torch.float64), generators)
