"""Ctrl-C and SIGTERM, heard at the end of a training step instead of in its middle."""

__all__ = ["PARENT", "StopSignals", "Stopped", "is_orphan", "leave_to_workers"]

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

PARENT = "KAN_CONTINUAL_PARENT"
"""Environment variable with the process whose workers end when it does."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


class Stopped(KeyboardInterrupt):
    """Training was asked to stop, and has saved where it was.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class StopSignals:
    """While it is entered, the first SIGINT or SIGTERM is only noted; calling it says which one came, or None.

    Whoever trains asks after each step and raises `Stopped` once all is saved; if nobody did, leaving raises it. A
    second signal of the kind acts at once. A worker of a parallel sweep also stops when its parent is gone. Outside
    the main thread, which alone hears signals, nothing is changed.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}
        parent = _parent()
        self._parent = parent if parent == os.getppid() else None
        if self._parent is None and is_orphan():
            self._number = signal.SIGTERM  # it ended between two runs of this worker

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
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
        for number, handler in self._before.items():
            signal.signal(number, handler)
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
