"""Something done to a network once: pruning, formulas."""

__all__ = ["Once"]

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from continual.adaptations.adaptation import Adaptation, check_tasks, chosen
from continual.extension import Change, Moment, Training
from continual.models import portrait


class Once(Adaptation):
    """Does something to a network of edges once in each chosen task: prunes it, say, or turns edges into formulas.

    Args:
        operation: called with the model and the task's training inputs; changes the model in place and says what it
            did. Before training it is tried on a copy of one member with a few points, for the sake of its errors.
        at: before which step of the task, counted from 0.
        tasks: which ones, counted from 1; null for all.
    """

    def __init__(
        self, operation: Callable[[Any, Tensor], str], at: int = 0, tasks: Sequence[int] | None = (1,)
    ) -> None:
        if at < 0:
            raise ValueError(f"adaptation: at must be at least 0, got {at}")
        self.operation, self.at, self.tasks = operation, at, tasks

    def check(self, training: Training) -> None:
        """The model must be a network of edges; the step and the tasks must exist."""
        model, steps = training.model, training.settings.steps
        if not hasattr(model, "live_parameters"):
            raise ValueError(
                f"adaptation: pruning and formulas need a network of edges, such as model=kan; {type(model).__name__} "
                "is none"
            )
        if self.at >= steps:
            raise ValueError(f"adaptation: at={self.at} is never reached with training.steps={steps}")
        check_tasks(self.tasks, len(training.curriculum), "adaptation: tasks")
        # whatever is wrong with the operation's settings shows on a copy now, and not after hours of training
        trial: Any = copy.deepcopy(model)
        trial = trial.member(0)
        like = next(iter(trial.parameters()))
        points = torch.linspace(0.05, 0.95, 16 * model.in_features, dtype=like.dtype, device=like.device)
        with torch.no_grad():
            self.operation(trial, points.view(16, model.in_features))

    def before_step(self, moment: Moment) -> Change | None:
        """The operation, when it is due."""
        if moment.step != self.at or not chosen(self.tasks, moment.task):
            return None
        before = portrait(moment.model, moment.inputs)
        with torch.no_grad():
            return Change(self.operation(moment.model, moment.inputs), portrait=before)
