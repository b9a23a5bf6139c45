"""One progress line a run, on a terminal only."""

__all__ = ["Progress"]

import sys
import time
from types import TracebackType

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

    def __init__(self, name: str, tasks: int, steps: int) -> None:
        self._tasks, self._steps = tasks, steps
        self._shown = 0.0
        self._on = sys.stderr.isatty()
        self._bar = tqdm(total=tasks * steps, desc=name, unit="step", leave=False, disable=not self._on)

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
        self._bar.n = task * self._steps + step
        self._bar.set_postfix_str(f"task {task + 1}/{self._tasks}, loss {float(losses.nanmedian()):.2e}", refresh=True)
