"""Where the time of a run goes, by phase, and within each by operators of torch."""

__all__ = ["Phases", "profiled"]

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from continual.optimizers import Adam
from continual.records.checkpoint import Checkpoint
from continual.records.files import replace_file
from continual.records.record import Record
from continual.run import execution
from continual.run.ready import Run
from continual.trackers.tracker import Clocked
from continual.training import loop
from continual.training.evaluation import Evaluator
from continual.training.hooks import Hooks
from continual.training.stepping import TrainingStep

log = logging.getLogger(__name__)

PHASES = (
    "data",
    "adaptation",
    "forward",
    "backward",
    "fit",
    "optimizer",
    "evaluation",
    "records",
    "trackers",
    "the rest",
)
"""In the order in which they are shown; "fit" is forward, backward and Adam's steps of small networks in one call of a
kernel, or the attempt, and "optimizer" all of a step that is none of those before it."""

_WHOLE = ("adaptation", "evaluation", "records", "trackers")
"""Phases whose parts are not told apart: a forward pass of an evaluation is evaluation."""

_MARK = "phase: "


class Phases:
    """A clock that always belongs to one phase: what is measured adds up to all the time there was.

    Args:
        whole: phases whose parts are not told apart.

    Attributes:
        seconds: of each phase, without those of phases inside it.
        calls: of each phase.
    """

    def __init__(self, whole: Sequence[str] = _WHOLE) -> None:
        self._whole = whole
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._inside = ["the rest"]
        self._since = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time that belongs to a phase, unless it is within one that is taken as a whole."""
        if self._inside[-1] in self._whole:
            yield
            return
        self.take()
        self._inside.append(name)
        self.calls[name] += 1
        try:
            with record_function(f"{_MARK}{name}"):
                yield
        finally:
            self.take()
            self._inside.pop()

    def take(self) -> None:
        """Gives the time since the last change to the phase that it belongs to."""
        now = time.perf_counter()
        self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    def of(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function whose calls belong to a phase."""

        @wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*arguments, **options)

        return measured


def _places(run: Run) -> list[tuple[Any, str, str]]:
    """What is measured: whose attribute, its name, and the phase."""
    return [
        (loop, "_batch", "data"),
        (Hooks, "task_data", "data"),
        (Hooks, "step_data", "data"),
        (Hooks, "changes", "adaptation"),
        (run.training.model, "forward", "forward"),
        (torch.autograd, "backward", "backward"),
        (torch.autograd, "grad", "backward"),
        (TrainingStep, "_fitted", "fit"),
        (Adam, "fitted", "fit"),
        (TrainingStep, "__call__", "optimizer"),
        (Evaluator, "__call__", "evaluation"),
        (Evaluator, "predict", "evaluation"),
        (Checkpoint, "save", "records"),
        (execution, "finish", "records"),
        (execution, "write_config", "records"),
        (Clocked, "_tell", "trackers"),
    ]


def profiled(run: Run, *, wait: bool = True) -> Record:
    """Trains a run, whether or not it has a record, says where its time went, and keeps that as `profile.txt`.

    The seconds are those with torch's profiler at work, which makes small operators slower than they are without.

    Args:
        run: the run; of few steps, since every operator's every call is kept until its end.
        wait: see `execute`.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with ExitStack() as stack:
        phases = Phases()
        for owner, name, phase in _places(run):
            stack.enter_context(patch.object(owner, name, phases.of(getattr(owner, name), phase)))
        with profile(activities=activities) as profiler:
            record = execution.execute(replace(run, again=time.time()), wait=wait)
            phases.take()
    text = _table(phases, _operators(profiler.events() or []))
    replace_file(run.info.folder / "profile.txt", text.encode())
    log.info("%s", text)
    return record


def _operators(events: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Seconds of each operator itself, without those that it calls, by phase."""
    found: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in events:
        if event.name.startswith(_MARK) or event.self_cpu_time_total <= 0.0:
            continue
        above = event.cpu_parent
        while above is not None and not above.name.startswith(_MARK):
            above = above.cpu_parent
        phase = "the rest" if above is None else above.name.removeprefix(_MARK)
        found[phase][event.name] += event.self_cpu_time_total / 1e6
    return {phase: dict(each) for phase, each in found.items()}


def _longest(item: tuple[str, float]) -> float:
    return -item[1]


def _table(phases: Phases, operators: dict[str, dict[str, float]]) -> str:
    total = sum(phases.seconds.values())
    rows = [("phase", "calls", "seconds", "share", "in operators", "most of it")]
    for name in sorted(phases.seconds, key=PHASES.index):
        inside = operators.get(name, {})
        most = ", ".join(f"{each} {seconds:.2g} s" for each, seconds in sorted(inside.items(), key=_longest)[:3])
        seconds = phases.seconds[name]
        share = f"{min(sum(inside.values()) / seconds, 1.0):.0%}" if seconds else "–"
        calls = str(phases.calls[name]) if phases.calls[name] else "–"
        rows.append((name, calls, f"{seconds:.3f}", f"{seconds / total:.1%}", share, most))
    rows.append(("all", "", f"{total:.3f}", "100.0%", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = (1, 2, 3, 4)
    lines = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
