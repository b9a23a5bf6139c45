"""Gaussian peaks in one dimension, shown one after the other: the continual-learning example of the KAN paper."""

__all__ = ["gaussian_peaks"]

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task, View, check_tasks
from tasks.sampling import Order, add_noise, arrange, even_points, task_orders


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
) -> Curriculum:
    r"""One function of several peaks, \(f(x) = \sum_p e^{-a (x - c_p)^2}\), seen one peak at a time.

    Task p shows evenly spaced points on \(c_p \pm\) `half_width`, its ends included. The defaults are Fig. 3.4 of the
    KAN paper (Liu et al., 2024, https://arxiv.org/abs/2404.19756) as in pykan's Example 8: five peaks at -0.8, -0.4,
    0, 0.4 and 0.8 with a = 300, 100 points each on \(c_p \pm 0.2\), so that the tasks tile [-1, 1].

    Args:
        generators: one a member, for noise and random order; both are otherwise the same for all members.
        peaks: number of peaks, and of tasks.
        sharpness: a, in units of x to the power -2; the peak's standard deviation is \(1/\sqrt{2a}\).
        spacing: distance of neighbouring centres; they lie symmetric about 0.
        half_width: half the width of what a task shows; half the spacing by default. Larger means overlap.
        points_per_task: training points N of a task.
        test_points: test points of a task, on the same interval, none of them a training point.
        noise: standard deviation of the Gaussian noise on training targets.
        order: "left_to_right", "right_to_left", or "random": each member its own permutation.

    Raises:
        ValueError: a count below 1, or a length that is not positive.
    """
    check_tasks(peaks, "peaks")
    for name, count in (("points_per_task", points_per_task), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    reach = spacing / 2 if half_width is None else half_width
    for name, length in (("sharpness", sharpness), ("spacing", spacing), ("half_width", reach)):
        if not 0.0 < length < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {length}")

    members = len(generators)
    centers = [spacing * (index - (peaks - 1) / 2) for index in range(peaks)]
    orders = task_orders(order, peaks, generators)

    def target(x: Tensor) -> Tensor:
        return torch.exp(-sharpness * (x - torch.tensor(centers, dtype=torch.float64)) ** 2).sum(-1, keepdim=True)

    def task(center: float) -> Task:
        train = torch.linspace(center - reach, center + reach, points_per_task, dtype=torch.float64)[:, None]
        test = even_points(center - reach, center + reach, test_points)[:, None]
        return Task(
            f"peak at {center:g}",
            train.expand(members, -1, -1),
            add_noise(target(train).expand(members, -1, -1), noise, generators),
            test.expand(members, -1, -1),
            target(test).expand(members, -1, -1),
        )

    low, high = centers[0] - reach, centers[-1] + reach
    seen = torch.linspace(low, high, 200 * peaks + 1, dtype=torch.float64)[:, None]
    return Curriculum(
        "gaussian_peaks",
        arrange([task(round(center, 12)) for center in centers], orders),
        (low, high),
        View(seen, target(seen)),
    )
