"""One run from model and curriculum to its record, or on from where it stopped."""

__all__ = ["BusyError", "Run", "execute", "save_summary"]

from continual.run.execution import BusyError, execute
from continual.run.outcome import save_summary
from continual.run.parts import Run
