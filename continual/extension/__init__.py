"""What a training is, and the one protocol by which it is extended: see `continual.extension.protocol`."""

__all__ = [
    "Change",
    "Extension",
    "MakeOptimizer",
    "Moment",
    "Penalty",
    "Quadratic",
    "Session",
    "Settings",
    "Training",
    "hooks",
    "owner",
]

from continual.extension.moments import Change, Moment, Session
from continual.extension.protocol import Extension, hooks, owner
from continual.extension.quadratic import Quadratic
from continual.extension.settings import Settings
from continual.extension.training import MakeOptimizer, Penalty, Training
