"""Learning without forgetting: the model of before says what is to be predicted on the new task's samples."""

__all__ = ["LwF"]

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Moment, Session, Training
from continual.models import StackedModel
from continual.strategies.regularisation.importance import check_weight
from continual.strategies.strategy import Strategy


class LwF(Strategy):
    r"""Adds the distance of the predictions from those of the model after the last task, on the samples of a step.

    .. math::
        L(f_\theta, B) + \alpha \, D(f_\theta(x), f_{\theta^*}(x)), \quad x \in B, \qquad D =
        \overline{(f - f^*)^2} \;\text{ or }\; -\frac1B \sum \sigma(f^* / \tau) \log \sigma(f / \tau)

    by the tasks' loss: mean square, or the cross-entropy of softmaxes σ softened by a temperature τ. Where tasks have
    columns of their own, D is taken over the columns of earlier tasks: the mean square over all of them, the
    cross-entropy as a sum over tasks, each with the softmax of its own columns. What the new task's inputs don't reach
    is not held.

    Li & Hoiem, Learning without Forgetting (2018), https://arxiv.org/abs/1606.09282, without its warm-up of new
    columns and its weight decay. Avalanche's plugin has the Kullback–Leibler divergence, of the same gradient in a
    single head; mammoth's `lwf` the cross-entropy, with α = 0.5 by default.

    Args:
        weight: α; 0 is fine-tuning.
        temperature: τ, > 0; of classes only.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative weight, or a temperature that is not positive.
    """

    needs_boundaries = True

    def __init__(self, weight: float = 1.0, temperature: float = 2.0, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        check_weight("lwf.weight", weight)
        if not temperature > 0.0:
            raise ValueError(f"lwf.temperature must be positive, got {temperature}")
        self.weight, self.temperature = weight, temperature

    def begin(self, session: Session) -> None:
        """There is no earlier model, unless a state comes."""
        self._model, self._classifies = session.model, session.loss.classifies
        self._old: Any = None
        self._heads: list[list[int]] = []
        self._last: tuple[Tensor, Tensor] | None = None

    def memory(self, training: Training, members: int) -> int:
        """A model, and its predictions."""
        model, tasks = training.model, training.curriculum.tasks
        values = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        most = max(task.train_targets[0].numel() for task in tasks) * tasks[0].train_targets.element_size()
        return values // model.members * members + members * most

    def loss_term(self, model: StackedModel, inputs: Tensor, predictions: Tensor) -> Tensor:
        """The distance, 0 in the first task."""
        if self._old is None or self.weight == 0.0:
            return predictions.new_zeros(model.members)
        if self._last is None or self._last[0] is not inputs:  # a step may be evaluated several times
            with torch.no_grad():
                self._last = inputs, self._old(inputs)
        wanted = self._last[1]
        if not self._classifies:
            columns = sorted({column for head in self._heads for column in head})
            distance = (predictions - wanted)[:, :, columns].square().mean(dim=(1, 2))
            return self.weight * distance
        total = predictions.new_zeros(model.members)
        for head in self._heads:
            soft = torch.softmax(wanted[:, :, head] / self.temperature, dim=2)
            logs = torch.log_softmax(predictions[:, :, head] / self.temperature, dim=2)
            total = total - (soft * logs).sum(dim=2).mean(dim=1)
        return self.weight * total

    def after_task(self, moment: Moment) -> None:
        """Keeps the model, and which columns it has learned."""
        head = (~moment.targets[0, 0].isnan()).nonzero().flatten().tolist()
        if head not in self._heads:
            self._heads.append(head)
        self._keep(self._model.state_dict())

    def _keep(self, state: Mapping[str, Any]) -> None:
        """A model with these values, which may have grown since they were written down."""
        self._old, self._last = copy.deepcopy(self._model), None
        fit_to = getattr(self._old, "fit_to", None)
        if fit_to is not None:
            fit_to(state)
        self._old.load_state_dict(state)
        for parameter in self._old.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The earlier model, and its columns."""
        return {"old": None if self._old is None else self._old.state_dict(), "heads": self._heads}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        self._heads = state["heads"]
        if state["old"] is not None:
            self._keep(state["old"])
