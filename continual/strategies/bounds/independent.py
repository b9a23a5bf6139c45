"""A model of its own for each task, which is told which task it is asked about."""

__all__ = ["Independent"]

import copy
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from continual.extension import Moment, Session, Training
from continual.strategies.strategy import Strategy


class Independent(Strategy):
    r"""Begins anew with each task, from the same initial values, and predicts each task with what was trained on it.

    .. math::
        f_j = \mathrm{train}(\theta_0, D_j), \qquad \hat y = f_j(x) \text{ for a sample of task } j

    Neither forgetting nor transfer, at T times the parameters and with the task's index as an oracle: what single
    tasks can be learned to, and what a strategy has to share to be better ("independent", "single-task" or "one model
    a task"; the column of experts in Lopez-Paz & Ranzato, 2017, https://arxiv.org/abs/1706.08840, has T smaller models
    instead). A task that was not trained on yet is predicted by the untrained model. The model that the run leaves
    behind, its picture and its probes are those of the last task.
    """

    def check(self, training: Training) -> None:
        """Refuses what would last from one task to the next."""
        others = [type(each).__name__ for each in (*training.strategies, *training.adaptations) if each is not self]
        if others:
            raise ValueError(f"Independent begins anew with each task, where {others[0]} has no meaning: use it alone")
        if not training.reset_optimizer:
            raise ValueError("Independent begins anew with each task, the optimizer too: reset_optimizer must be true")

    def begin(self, session: Session) -> None:
        """Takes the model as it is for the untrained one, unless a state comes."""
        self._model, self._task = session.model, -1
        self._untrained = self._copied(session.model.state_dict())
        self._trained: list[Any] = []

    def memory(self, training: Training, members: int) -> int:
        """One model a task, and the untrained one."""
        model = training.model
        values = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        return values // model.members * members * (len(training.curriculum) + 1)

    def before_task(self, moment: Moment) -> None:
        """Puts the initial values back."""
        self._task = moment.task - 1
        self._model.load_state_dict(self._untrained.state_dict())

    def after_task(self, moment: Moment) -> None:
        """Keeps the model."""
        self._trained.append(self._copied(self._model.state_dict()))

    def predictor(self, task: int) -> Callable[[Tensor], Tensor] | None:
        """The model of the task, as far as it is."""
        if task < len(self._trained):
            found: Callable[[Tensor], Tensor] = self._trained[task]
            return found
        return None if task == self._task else self._untrained

    def state_dict(self) -> dict[str, Any]:
        """All models."""
        trained = [model.state_dict() for model in self._trained]
        return {"task": self._task, "untrained": self._untrained.state_dict(), "trained": trained}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives the models back."""
        self._task, self._untrained = state["task"], self._copied(state["untrained"])
        self._trained = [self._copied(each) for each in state["trained"]]

    def _copied(self, state: Mapping[str, Any]) -> Any:
        """Another model with these values."""
        found = copy.deepcopy(self._model)
        found.load_state_dict(state)
        for parameter in found.parameters():
            parameter.grad = None
        return found
