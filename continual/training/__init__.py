"""How a stack of members learns a curriculum: the loop, one step of it, evaluations."""

__all__ = [
    "Errors",
    "Evaluator",
    "History",
    "Settings",
    "Training",
    "TrainingStep",
    "baseline_rmse",
    "train",
]

from continual.extension import Settings, Training
from continual.training.evaluation import Errors, Evaluator, baseline_rmse
from continual.training.history import History
from continual.training.loop import train
from continual.training.stepping import TrainingStep
