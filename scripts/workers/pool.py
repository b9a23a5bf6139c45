"""Processes that train runs of a sweep and draw its figures: each imports everything once, the longest runs come first.

By loky, as Hydra's launcher for joblib does, which sends a copy of all it knows with every run and back, starts after
all runs are checked, and takes them in the order of the sweep: the longest may be left to the end, and to one worker.
"""

__all__ = ["Workers"]

import io
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from functools import lru_cache
from typing import Any

import torch
from hydra import version
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import configure_log
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context
from omegaconf import DictConfig

from continual.stopping import end_with_parent
from continual.trackers.progress import Progress
from scripts.attempts import SWEEP, train_listed
from scripts.forecast import measured_seconds
from scripts.workers.display import Display

_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables by which libraries learn how many threads are theirs."""

_QUIET = "ignore:resource_tracker:UserWarning"
"""The process that outlives one that a signal ends, and cleans up behind it, need not warn that it had to."""


class Workers:
    """Processes of this machine, which begin to import what a run needs as soon as they are made.

    Args:
        count: how many.
        threads: of each.
        rehearsed: config of a run whose first steps each tries, so that the first run does not wait for kernels.
    """

    def __init__(self, count: int, threads: int, rehearsed: Mapping[str, Any] | None = None) -> None:
        self.count = count
        self._live = sys.stderr.isatty()
        filters = os.environ.get("PYTHONWARNINGS", "")
        if _QUIET not in filters:
            os.environ["PYTHONWARNINGS"] = f"{filters},{_QUIET}".lstrip(",")
        context = get_context()
        self._queue = context.SimpleQueue() if self._live else None
        self._executor = ProcessPoolExecutor(
            max_workers=count,
            context=context,
            env=dict.fromkeys(_LIBRARIES, str(threads)),
            initializer=_begin,
            initargs=(self._queue,),
        )
        for _ in range(count):
            self._executor.submit(_rehearse, threads, rehearsed)

    def train(self, config: DictConfig, runs: Mapping[int, Sequence[str]], expected: Mapping[int, float]) -> None:
        """Trains runs, the longest first, and shows how far they are.

        Args:
            config: of the sweep.
            runs: the command line of each alone, by its place in the sweep.
            expected: seconds that each is expected to take.

        Raises:
            Exception: a process was ended from outside.
        """
        state = pickle.dumps(
            (os.environ[SWEEP], str(version.getbase()), GlobalHydra.instance().config_loader(), config)
        )
        order = sorted(runs, key=lambda number: -expected[number])  # as in the sweep where they are equal
        with Display(expected, self.count, self._live) as display:
            listener = threading.Thread(target=self._listen, args=(display,), daemon=True)
            listener.start()
            futures = {self._executor.submit(_train, state, number, tuple(runs[number])): number for number in order}
            try:
                for future in as_completed(futures):
                    future.result()
                    if self._queue is None:
                        display.ended(futures[future])
            finally:
                if self._queue is not None:
                    self._queue.put(None)
                    listener.join()

    def begin(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Future[Any]]:
        """Calls of a function with each of some arguments."""
        return [self._executor.submit(function, *each) for each in arguments]

    def close(self, *, kill: bool = False) -> None:
        """Ends the processes once they have nothing left to do, or at once."""
        self._executor.shutdown(kill_workers=kill)

    def _listen(self, display: Display) -> None:
        """Shows what workers tell, on this one thread alone."""
        while self._queue is not None and (told := self._queue.get()) is not None:
            what, *rest = told
            getattr(display, what)(*rest)


def _begin(queue: Any) -> None:
    """What a process does first; where a terminal shows lines that stay, all it says goes through them."""
    if queue is None:
        return
    _Told.queue = queue
    Progress.listener = _Told.progress
    sys.stdout = sys.stderr = _Told()


def _rehearse(threads: int, values: Mapping[str, Any] | None) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    if values is not None:
        measured_seconds(values)


class _Told(io.TextIOBase):
    """A stream whose lines the process that owns the terminal writes; nobody hears them once that has gone."""

    queue: Any = None
    number = 0
    """Place of the present run in the sweep."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        """As of a stream."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.report("say", line)
        return len(text)

    @classmethod
    def report(cls, *what: Any) -> None:
        try:
            cls.queue.put(what)
        except OSError:
            return

    @classmethod
    def progress(cls, name: str, share: float, more: str) -> None:
        cls.report("at", os.getpid(), cls.number, name, share, more)


@lru_cache(maxsize=1)
def _enter(state: bytes) -> None:
    """Takes over what the sweep's own process knows, once."""
    os.environ[SWEEP], base, loader, config = pickle.loads(state)
    version.setbase(base)
    GlobalHydra.instance().clear()
    GlobalHydra.instance().initialize(Hydra(task_name=config.hydra.job.name, config_loader=loader))
    configure_log(config.hydra.job_logging, config.hydra.verbose)


def _train(state: bytes, number: int, overrides: tuple[str, ...]) -> None:
    """Trains one run; one that another process is at is left to it."""
    _enter(state)
    _Told.number = number
    train_listed(overrides, wait=False, number=number)
    if _Told.queue is not None:
        _Told.report("ended", number)
