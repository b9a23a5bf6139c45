"""What a parallel sweep shows while it runs: a line a worker on a terminal, how much is left, plain lines elsewhere."""

__all__ = ["Display"]

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm

from scripts.forecast import shown_seconds

_BETWEEN = 30.0
"""Seconds between two lines where nobody watches a terminal."""

_WIDTH = 20
"""Signs of a bar."""


class Display:
    """Lines on standard error: on a terminal one for each worker and one for all, which stay where they are.

    Args:
        expected: seconds that each run was expected to take, by its place in the sweep; only their ratios count.
        workers: how many there are.
        live: whether to redraw lines in place.
    """

    def __init__(self, expected: Mapping[int, float], workers: int, live: bool) -> None:
        self._expected, self._live = dict(expected), live
        self._left = set(self._expected)
        self._part: dict[int, float] = {}  # of the runs that are at work, by their places
        self._rows: list[int | None] = [None] * workers  # whose line is which, by process
        self._began = self._said = time.monotonic()
        self._bars = [
            tqdm(total=0, position=row, bar_format="{desc}", leave=False, file=sys.stderr) if live else None
            for row in range(workers + 1)
        ]
        self._show_all()

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in reversed(self._bars):
            if bar is not None:
                bar.close()

    def say(self, text: str) -> None:
        """A line of a worker, above those that stay."""
        tqdm.write(text, file=sys.stdout)

    def at(self, worker: int, number: int, name: str, share: float, more: str) -> None:
        """Where a worker is.

        Args:
            worker: its process.
            number: the run's place in the sweep.
            name: the run's.
            share: of its steps that are done.
            more: further words.
        """
        self._part[number] = share
        if worker not in self._rows and None in self._rows:
            self._rows[self._rows.index(None)] = worker
        if worker in self._rows and (bar := self._bars[self._rows.index(worker)]) is not None:
            full = int(_WIDTH * share)
            bar.set_description_str(f"{'█' * full}{'·' * (_WIDTH - full)} {share:4.0%}  {name}{more and ', '}{more}")
        self._show_all()

    def ended(self, number: int) -> None:
        """A run has ended, however it did."""
        self._left.discard(number)
        self._part.pop(number, None)
        self._show_all()
        if not self._live and self._left and time.monotonic() - self._said >= _BETWEEN:
            self._said = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def line(self) -> str:
        """How many runs are done, and how long the others take at the pace so far."""
        whole = sum(self._expected.values())
        open_ones = sum(seconds for number, seconds in self._expected.items() if number in self._left)
        done = whole - open_ones + sum(self._expected[n] * share for n, share in self._part.items() if n in self._left)
        counts = f"{len(self._expected) - len(self._left)} of {len(self._expected)} runs have ended"
        if done <= 0.0:
            return counts
        pace = (time.monotonic() - self._began) / done
        return f"{counts}, about {shown_seconds(pace * (whole - done))} left"

    def _show_all(self) -> None:
        if (bar := self._bars[-1]) is not None:
            bar.set_description_str(self.line())
