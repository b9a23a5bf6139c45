"""What changes a model while it trains: grids that move or grow, pruning, formulas. Each acts before a training step.

An adaptation is asked before every step and either leaves the model alone or changes it in place and says what it did.
The optimizer begins anew after every change (unless told otherwise): its moments and directions belong to parameters
that are no longer there, or no longer mean the same.
"""

__all__ = [
    "Adaptation",
    "Change",
    "DomainExtension",
    "GridSchedule",
    "GridUpdate",
    "LocalRefinement",
    "Moment",
    "Once",
]

from continual.adaptations.adaptation import Adaptation
from continual.adaptations.domain_extension import DomainExtension
from continual.adaptations.grid_schedule import GridSchedule
from continual.adaptations.grid_update import GridUpdate
from continual.adaptations.local_refinement import LocalRefinement
from continual.adaptations.once import Once
from continual.extension import Change, Moment
