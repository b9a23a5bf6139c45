"""One run: what it needs (`ready`), how it goes (`execution`), what it leaves behind (`outcome`, `logs`).

Beside it what is asked of one that is looked into: whether it overfits one batch, and where its time goes.
"""

__all__ = [
    "BusyError",
    "OverfitError",
    "Run",
    "execute",
    "one_batch",
    "overfitted",
    "profiled",
    "save_summary",
    "tasks_seen",
]

from continual.run.execution import BusyError, execute
from continual.run.outcome import save_summary
from continual.run.overfitting import OverfitError, one_batch, overfitted
from continual.run.profiling import profiled
from continual.run.ready import Run
from continual.run.tasks_seen import tasks_seen
