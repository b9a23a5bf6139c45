"""Where points, orders and noise come from: generators derived from seeds, even and quasi-random points."""

__all__ = [
    "Order",
    "add_noise",
    "arrange",
    "even_points",
    "generators_from",
    "plane",
    "quasi_random_points",
    "task_orders",
]

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Generator, Tensor

from tasks.curriculum import Split, Task

Order = Literal["left_to_right", "right_to_left", "random"]


def generators_from(seeds: Sequence[int], stream: str) -> list[Generator]:
    """One generator a seed, independent between streams: data, initial values and batches never share random numbers.

    Args:
        seeds: one non-negative seed a member.
        stream: what the numbers are for, for example "model".
    """
    tag = int.from_bytes(stream.encode(), "big")
    states = [np.random.SeedSequence([seed, tag]).generate_state(1, np.uint64)[0] for seed in seeds]
    return [Generator().manual_seed(int(state) >> 1) for state in states]


def even_points(low: float, high: float, count: int, split: Split = "test") -> Tensor:
    r"""Points \(l + (h - l)(n + \varphi) / N\), n = 0 … N-1, with \(\varphi\) the golden ratio's fraction: (N,).

    Evenly spread like a lattice, and by the irrational offset never one of a task's evenly spaced training points;
    those of a validation set have \(2\varphi - 1\) for an offset.
    """
    offset = (5.0**0.5 - 1.0) / 2.0 if split == "test" else 5.0**0.5 - 2.0
    return low + (high - low) * (torch.arange(count, dtype=torch.float64) + offset) / count


def quasi_random_points(low: Tensor, high: Tensor, count: int, split: Split = "test") -> Tensor:
    """Scrambled Sobol points in a box with corners `low` and `high` of shape (I,): (count, I), the same every time.

    Those of a validation set are scrambled in another way.
    """
    engine = torch.quasirandom.SobolEngine(len(low), scramble=True, seed=0 if split == "test" else 1)
    return low + (high - low) * engine.draw(count, dtype=torch.float64)


def plane(first: Tensor, second: Tensor) -> Tensor:
    """All pairs of values (A,) of the first input and (B,) of the second, the first changing fastest: (A B, 2)."""
    return torch.stack([first.repeat(len(second)), second.repeat_interleave(len(first))], dim=1)


def task_orders(order: Order, tasks: int, generators: Sequence[Generator]) -> Tensor:
    """Which task each member learns when, (M, T): left to right, reversed, or a permutation of each member's own.

    Raises:
        ValueError: an unknown order.
    """
    if order not in get_args(Order):
        raise ValueError(f"order must be one of {', '.join(get_args(Order))}, got {order!r}")
    if order == "random":
        return torch.stack([torch.randperm(tasks, generator=generator) for generator in generators])
    forward = torch.arange(tasks)
    return (forward if order == "left_to_right" else forward.flip(0)).expand(len(generators), tasks)


def arrange(tasks: Sequence[Task], orders: Tensor) -> list[Task]:
    """Puts tasks into each member's order (M, T).

    Raises:
        ValueError: tasks of different columns in orders that differ.
    """
    arranged = []
    for position in range(len(tasks)):
        chosen = orders[:, position].tolist()

        first = tasks[chosen[0]]
        if len(set(chosen)) == 1:
            arranged.append(first)
            continue
        if len({tasks[index].columns for index in chosen}) > 1:
            raise ValueError("members can't have orders of their own where tasks have different columns of outputs")
        fields: dict[str, Any] = {
            name: torch.stack([getattr(tasks[index], name)[member] for member, index in enumerate(chosen)])
            for name in first.tensors()
        }
        arranged.append(replace(first, name=f"task {position + 1} (order differs)", **fields))
    return arranged


def add_noise(targets: Tensor, noise: float, generators: Sequence[Generator]) -> Tensor:
    """Adds Gaussian noise of this standard deviation to targets (M, N, O), each member's from its own generator.

    Raises:
        ValueError: a negative or infinite standard deviation.
    """
    if not 0.0 <= noise < float("inf"):
        raise ValueError(f"noise must be a standard deviation of at least 0, got {noise}")
    if noise == 0.0:
        return targets
    draws = [torch.randn(*targets.shape[1:], generator=g, dtype=torch.float64) for g in generators]
    return targets + noise * torch.stack(draws)
