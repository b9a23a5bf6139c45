"""The run's own log file."""

__all__ = ["log_file"]

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path


class _LogFile(WatchedFileHandler):
    """A log that is there again after its file or folder was removed, and whose failures stop nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk shows where the run itself is written."""


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Adds what this package logs to the run's `log.txt`, with the time."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("continual")
    package.addHandler(handler)
    before, package.level = package.level, logging.DEBUG
    try:
        yield
    finally:
        package.level = before
        package.removeHandler(handler)
        handler.close()
