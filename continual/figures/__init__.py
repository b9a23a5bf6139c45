"""Figures of runs: pure functions from records to a matplotlib Figure, which never train and never read a config."""

__all__ = [
    "comparison",
    "matrices",
    "networks",
    "parameter_count",
    "phases",
    "ranking",
    "run_summary",
    "runtime",
    "save",
    "sweep",
    "task_curves",
]

from continual.figures.comparison import comparison
from continual.figures.curves import task_curves
from continual.figures.matrices import matrices
from continual.figures.networks import networks
from continual.figures.output import save
from continual.figures.parameter_count import parameter_count
from continual.figures.phases import phases
from continual.figures.ranking import ranking
from continual.figures.runtime import runtime
from continual.figures.summary import run_summary
from continual.figures.sweep import sweep
