"""One run: what it needs (`ready`), how it goes (`execution`), what it leaves behind (`outcome`, `logs`)."""

__all__ = ["BusyError", "Run", "execute", "save_summary"]

from continual.run.execution import BusyError, execute
from continual.run.outcome import save_summary
from continual.run.ready import Run
