"""What a sweep will take, said before its first run: runs, steps, memory, and the time by a step that was measured."""

__all__ = ["Forecast", "measured_seconds", "shown_seconds"]

import time
from collections.abc import Mapping
from typing import Any

import torch

from continual.optimizers.making import make_optimizer
from continual.training.stepping import TrainingStep
from scripts.config.needs import Needs, shown_bytes
from scripts.config.parts import build_parts
from scripts.config.tuning import number_of_trials

_LOOK = 5.0
"""Seconds of measuring, about: runs after that are taken to be like those before."""


def shown_seconds(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> shown_seconds(100.0), shown_seconds(5400.0)
        ('1.7 min', '1.5 h')
    """
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(seconds, 1.0):.0f} s"


class Forecast:
    """Adds up what the runs of a sweep will take.

    Args:
        runs: of the sweep; those that are not added are taken to be like those that are to be trained, for whether they
            are done is seen when their turn comes.
    """

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self._done: set[int] = set()
        self._steps: dict[int, int] = {}
        self._seconds: dict[int, float] = {}
        self._memory = self._looked = 0.0

    def add_done(self, number: int) -> None:
        """A run that has its record, by its place in the sweep."""
        self._done.add(number)

    def add(self, values: Mapping[str, Any], needs: Needs, number: int) -> None:
        """A run that is to be trained.

        Args:
            values: its config, known to be right.
            needs: what it takes.
            number: its place in the sweep.
        """
        self._steps[number] = needs.steps * (1 + number_of_trials(values))
        self._memory = max(self._memory, needs.memory)
        if self._looked < _LOOK:
            begin = time.perf_counter()
            self._seconds[number] = measured_seconds(values) * (1 + number_of_trials(values))
            self._looked += time.perf_counter() - begin

    @property
    def _share(self) -> float:
        """Runs that are left over those of them that were looked at."""
        return self.left / max(len(self._steps), 1)

    @property
    def left(self) -> int:
        """Runs that are to be trained, at most."""
        return self.runs - len(self._done)

    @property
    def seconds(self) -> float:
        """What they take, one after the other."""
        return self._pace * sum(self._steps.values()) * self._share

    @property
    def _pace(self) -> float:
        """Seconds of a step, over all that were measured."""
        measured = sum(self._steps[number] for number in self._seconds)
        return sum(self._seconds.values()) / measured if measured else 0.0

    def expected(self) -> list[float]:
        """Seconds of each run: as measured or by its steps, the mean where it was not looked at, 0 if it is done."""
        pace = self._pace
        known = {number: self._seconds.get(number, pace * steps) for number, steps in self._steps.items()}
        other = sum(known.values()) / max(len(known), 1)
        return [0.0 if number in self._done else known.get(number, other) for number in range(self.runs)]

    @property
    def memory(self) -> float:
        """Bytes that the largest of them needs."""
        return self._memory

    def sentence(self, jobs: int = 1) -> str:
        """The forecast in one line; "" where nothing is left to do.

        Args:
            jobs: runs at a time.
        """
        if not self._steps:
            return ""
        unknown = self.runs - len(self._done) - len(self._steps)
        least = "at least " if unknown else ""
        done = f", {least}{len(self._done)} of them done" if self._done else ""
        at_a_time = f" with {jobs} runs at a time" if jobs > 1 else ""
        return (
            f"{self.runs} runs{done}; to do: {round(sum(self._steps.values()) * self._share)} steps, about "
            f"{shown_seconds(self.seconds / jobs)}{at_a_time}, memory up to {shown_bytes(self._memory)} a run"
        )


def measured_seconds(values: Mapping[str, Any]) -> float:
    """Seconds of a whole run, about, for all of its seeds: a step and an evaluation are measured."""
    parts = build_parts(dict(values))
    task = parts.training.curriculum.tasks[0]
    size = parts.training.settings.batch_size
    inputs, targets = task.train_inputs[:, :size].contiguous(), task.train_targets[:, :size].contiguous()
    optimizer = make_optimizer(parts.training.make, parts.training.model)
    loss = parts.training.curriculum.loss
    step = TrainingStep(parts.training.model, optimizer, parts.training.penalty, loss=loss, graphs=False)
    step(inputs, targets)  # in which kernels may be compiled
    begin = time.perf_counter()
    step(inputs, targets)
    end = time.perf_counter()
    with torch.no_grad():
        parts.training.model(task.test_inputs)
    evaluation = (time.perf_counter() - end) * len(parts.training.curriculum)
    return (end - begin) * parts.needs.steps + evaluation * parts.needs.evaluations
