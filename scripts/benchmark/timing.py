"""Paired timing: contenders take turns in one process, so that what disturbs one disturbs the others too."""

__all__ = ["STAGES", "Job", "Ratio", "network_job", "paired", "ratio", "work_job"]

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from continual.optimizers.adam import Adam
from continual.training.stepping import TrainingStep

Job = Callable[[int], float]
"""Does its work so many times and returns the seconds of all of them together."""

STAGES = ("forward", "forward+backward", "step")


def network_job(model: nn.Module, inputs: Tensor, targets: Tensor, stage: str) -> Job:
    """A forward pass without graph; or one with the gradients of all parameters; or a whole training step with Adam."""
    work: Callable[[], Any]
    if stage == "forward":

        @torch.no_grad()
        def work() -> None:
            model(inputs)

    elif stage == "forward+backward":
        parameters = list(model.parameters())

        def work() -> None:
            for parameter in parameters:
                parameter.grad = None
            model(inputs).backward(targets)

    else:
        step: Any = TrainingStep(model, Adam(model.parameters()))  # type: ignore[arg-type]

        def work() -> None:
            step(inputs, targets)

    return work_job(work, inputs.device)


def work_job(work: Callable[[], Any], device: torch.device) -> Job:
    """A job of doing some work on a device, which it waits for."""

    def job(calls: int) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(calls):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return job


def paired(jobs: Mapping[str, Job], rounds: int = 15, span: float = 0.02) -> dict[str, NDArray[np.float64]]:
    """Seconds a call of each job, one value a round; in a round every job runs for about `span` seconds.

    Each round starts with another job. Jobs that take much longer than the span run once a round, and then there are
    fewer rounds, at least five. With a span of 0 nothing is tried beforehand.
    """
    calls = dict.fromkeys(jobs, 1)
    for name, job in jobs.items() if span else ():
        job(2)
        once = min(job(1), job(1))
        calls[name] = max(1, int(span / max(once, 1e-9)))
        if once > 10 * span:
            rounds = max(min(5, rounds), min(rounds, int(150 * span / once)))
    names = list(jobs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        start = index % len(names)
        for name in names[start:] + names[:start]:
            seconds[name].append(jobs[name](calls[name]) / calls[name])
    return {name: np.array(values) for name, values in seconds.items()}


class Ratio(NamedTuple):
    """A ratio of medians, and the quartiles of the ratios of the rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> Ratio:
    """How many times as long the first takes as the second."""
    low, high = np.quantile(over / under, [0.25, 0.75])
    return Ratio(float(np.median(over) / np.median(under)), float(low), float(high))
