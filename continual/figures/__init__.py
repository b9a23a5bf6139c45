"""Figures of runs: pure functions from records to a matplotlib Figure, which never train and never read a config."""

__all__ = [
    "comparison",
    "critical_difference",
    "drift_by_layer",
    "extension",
    "forgetting_budgets",
    "heat_map",
    "interference_matrices",
    "lines",
    "maps",
    "matrices",
    "networks",
    "online",
    "parameter_count",
    "pareto",
    "performance_profiles",
    "phases",
    "probe_against_forgetting",
    "probe_figures",
    "ranking",
    "response_profiles",
    "run_summary",
    "runtime",
    "save",
    "scaling",
    "support_by_layer",
    "sweep",
    "task_curves",
    "tasks",
]

from continual.figures.budgets import forgetting_budgets
from continual.figures.comparison import comparison
from continual.figures.curves import task_curves
from continual.figures.grid_extension import extension
from continual.figures.heat_map import heat_map
from continual.figures.interference import interference_matrices
from continual.figures.layers import drift_by_layer, support_by_layer
from continual.figures.lines import lines
from continual.figures.maps import maps
from continual.figures.matrices import matrices
from continual.figures.networks import networks
from continual.figures.online import online
from continual.figures.parameter_count import parameter_count
from continual.figures.pareto import pareto
from continual.figures.parts.output import save
from continual.figures.phases import phases
from continual.figures.probe_figures import probe_figures
from continual.figures.probes import probe_against_forgetting, response_profiles
from continual.figures.profiles import performance_profiles
from continual.figures.rank_distances import critical_difference
from continual.figures.ranking import ranking
from continual.figures.runtime import runtime
from continual.figures.scaling import scaling
from continual.figures.summary import run_summary
from continual.figures.sweep import sweep
from continual.figures.tasks import tasks
