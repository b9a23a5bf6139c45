"""How far a run is: one line on a terminal, or told to whoever shows several runs at a time."""

__all__ = ["Progress"]

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

from torch import Tensor
from tqdm import tqdm

from continual.extension import Extension


class Progress(Extension):
    """Shows task, step and loss of a run on one line of a terminal, and nothing in a pipe.

    Args:
        name: label of the run.
        tasks: T.
        steps: steps a task.
    """

    lags = True
    listener: ClassVar[Callable[[str, float, str], None] | None] = None
    """Who is told instead of the terminal: a run's label, the share of its steps that are done, task and loss."""

    def __init__(self, name: str, tasks: int, steps: int) -> None:
        self._name, self._tasks, self._steps = name, tasks, steps
        self._shown = 0.0
        told = type(self).listener is not None
        self._on = told or sys.stderr.isatty()
        bar = self._on and not told
        self._bar = tqdm(total=tasks * steps, desc=name, unit="step", leave=False, disable=not bar)
        self._show(0, "")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Redraws a few times a second, since reading the loss waits for the device."""
        if not self._on or time.monotonic() - self._shown < 0.2:
            return
        self._shown = time.monotonic()
        self._show(task * self._steps + step, f"task {task + 1}/{self._tasks}, loss {float(losses.nanmedian()):.2e}")

    def _show(self, done: int, more: str) -> None:
        listener = type(self).listener
        if listener is not None:
            listener(self._name, done / (self._tasks * self._steps), more)
        elif self._on and done:
            self._bar.n = done
            self._bar.set_postfix_str(more, refresh=True)
