"""What ends a session between two training steps, and not in the middle of one: signals, and limits of a run."""

__all__ = [
    "PARENT",
    "LimitReachedError",
    "Limits",
    "StopSignals",
    "Stopped",
    "end_with_parent",
    "is_orphan",
    "leave_to_workers",
]

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, ClassVar

PARENT = "KAN_CONTINUAL_PARENT"
"""Environment variable with the process whose workers end when it does."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PASSED_ON = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name))
"""Signals by which a cluster says that a job's time is up, to whoever listens: submitit, which queues it again."""


def _parent() -> int | None:
    """The process whose worker this one is; None if it is nobody's."""
    named = os.environ.get(PARENT, "")
    return int(named) if os.name == "posix" and named.isdigit() and int(named) != os.getpid() else None


def is_orphan() -> bool:
    """Whether this is a worker of a parallel sweep whose parent has ended."""
    parent = _parent()
    if parent is None or parent == os.getppid():
        return False
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


@cache
def end_with_parent() -> None:
    """Ends this worker of a parallel sweep once its parent is gone, however that ended; a run is saved before.

    A worker that waits for its next run would wait for ever: nobody tells it.
    """
    parent = _parent()
    if parent is None or parent != os.getppid():
        return

    def watch() -> None:
        while os.getppid() == parent or StopSignals.entered:  # who is in a run hears of it there
            time.sleep(0.5)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


class Stopped(KeyboardInterrupt):
    """Training was asked to stop, and has saved where it was.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class LimitReachedError(RuntimeError):
    """A run took more than it may; its checkpoint was saved. The message says which limit, and what was reached."""


_STATM = Path("/proc/self/statm")
_LOOK = 0.05  # seconds between two looks at the memory, each of which takes some ten microseconds


def resident_memory() -> int | None:
    """Bytes of this process in memory now; None where the system does not tell."""
    try:
        pages = _STATM.read_bytes().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """What a run may take, at most.

    Args:
        seconds: of wall-clock time, of all its sessions together, without those of trackers: the record's `seconds`.
        memory: bytes of its process in main memory, with all that it has imported and that earlier runs of the same
            process have left; looked at between steps, 20 times a second.

    Raises:
        ValueError: a limit of the memory where the system does not tell how much there is in use.
    """

    seconds: float | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "memory"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ValueError(f"limits.{name} must be more than 0, got {value}")
        if self.memory is not None and resident_memory() is None:
            raise ValueError(f"limits.memory needs {_STATM}, which this system does not have; leave it at null")

    def watch(self, seconds: Callable[[], float]) -> Callable[[], str | None] | None:
        """What says which limit is exceeded, if any; None if there is no limit to be asked about.

        Args:
            seconds: says how many the run has taken by now.
        """
        if self.seconds is None and self.memory is None:
            return None
        most_seconds, most_memory = self.seconds, self.memory
        looked = -_LOOK

        def exceeded() -> str | None:
            nonlocal looked
            if most_seconds is not None and (taken := seconds()) > most_seconds:
                return f"limits.seconds={most_seconds:g}: it has taken {taken:.3g} s"
            if most_memory is not None and time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                if (held := resident_memory() or 0) > most_memory:
                    return f"limits.memory={most_memory:g}: its process holds {held / 1e6:.0f} MB"
            return None

        return exceeded


class StopSignals:
    """While it is entered, the first SIGINT or SIGTERM is only noted; calling it says which one came, or None.

    Whoever trains asks after each step and raises `Stopped` once all is saved; if nobody did, leaving raises it. A
    second signal of the kind acts at once. A worker of a parallel sweep also stops when its parent is gone. SIGUSR1
    and SIGUSR2 are heard too where somebody listens to them, who is told when all is saved. Outside the main thread,
    which alone hears signals, nothing is changed.
    """

    entered: ClassVar[int] = 0
    """How many there are within which this process is."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}
        parent = _parent()
        self._parent = parent if parent == os.getppid() else None
        if self._parent is None and is_orphan():
            self._number = signal.SIGTERM  # it ended between two runs of this worker

    def __enter__(self) -> "StopSignals":
        StopSignals.entered += 1
        if threading.current_thread() is threading.main_thread():
            heard = [*_SIGNALS, *(number for number in _PASSED_ON if callable(signal.getsignal(number)))]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number is not None:
            raise Stopped(number)
        self._number = number

    def __call__(self) -> int | None:
        """The signal that came, or SIGTERM if the parent of this worker is gone."""
        if self._number is None and self._parent is not None and os.getppid() != self._parent:
            self._number = signal.SIGTERM
        return self._number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        StopSignals.entered -= 1
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._number is not None and self._number in _PASSED_ON:
            signal.raise_signal(self._number)
        if self._number is not None and kind is None:
            raise Stopped(self._number)


def leave_to_workers(message: str) -> None:
    """From now on SIGINT and SIGTERM end this process at once, so that its workers see it gone, save and end too.

    What runs the workers would kill them in the middle of a step.

    Args:
        message: written to standard error then.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"{message}\n".encode())
        os._exit(128 + number)

    for number in _SIGNALS:
        signal.signal(number, leave)
