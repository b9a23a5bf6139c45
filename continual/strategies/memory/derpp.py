"""Dark experience replay: samples of the past with what was predicted of them when they were seen."""

__all__ = ["DERPP"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Session, Training
from continual.models import StackedModel
from continual.strategies.memory.rehearsal import check_size
from continual.strategies.memory.reservoir import Reservoir
from continual.strategies.strategy import Strategy
from tasks.losses import MeanSquaredError


class DERPP(Strategy):
    r"""Adds two terms to the loss of a step, on two batches R' and R'' of a memory of inputs, targets and predictions.

    .. math::
        L(f_\theta, B) + \alpha \, \overline{\big(f_\theta(x') - z'\big)^2} + \beta \, L(f_\theta, R''), \qquad
        (x', z') \in R', \; (x'', y'') \in R''

    The memory is a `Reservoir` past which the batch of every step goes, with the predictions z of that moment (logits,
    of classes), so that samples of the present task come back too, and streams need no boundary. The mean is over
    samples and outputs; where tasks have columns of their own, over a sample's own ones.

    Buzzega et al., Dark Experience for General Continual Learning (2020), https://arxiv.org/abs/2004.07211, as their
    code and mammoth's `derpp` do it: two batches, z from before the step. Avalanche's `DER` draws one batch for both
    terms, and computes z anew after the task. β = 0 is DER.

    Args:
        size: samples of a member; 0 is fine-tuning.
        alpha: α, ≥ 0.
        beta: β, ≥ 0.
        batch: samples in each of R' and R''; None for as many as the step has.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative size or weight, or a batch below 1.
    """

    def __init__(
        self,
        size: int = 200,
        alpha: float = 0.5,
        beta: float = 0.5,
        batch: int | None = None,
        reset_optimizer: bool = True,
    ) -> None:
        super().__init__(reset_optimizer)
        check_size("derpp", size)
        for name, weight in (("alpha", alpha), ("beta", beta)):
            if weight < 0.0:
                raise ValueError(f"derpp.{name} must be at least 0, got {weight}")
        if batch is not None and batch < 1:
            raise ValueError(f"derpp.batch must be at least 1, or null for the size of a step's batch, got {batch}")
        self.size, self.alpha, self.beta, self.batch = size, alpha, beta, batch

    def begin(self, session: Session) -> None:
        """An empty memory, unless a state comes."""
        self._loss = session.loss
        self._distance = MeanSquaredError(session.loss.masked)
        self._kept = Reservoir(self.size, session.generators("derpp"))

    def memory(self, training: Training, members: int) -> int:
        """Inputs, targets and predictions."""
        curriculum = training.curriculum
        numbers = curriculum.in_features + 2 * curriculum.out_features
        return members * self.size * numbers * curriculum.tasks[0].train_inputs.element_size()

    def step_data(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Draws both batches, once for all evaluations of the loss in a step."""
        self._batch = inputs, targets
        self._seen: Tensor | None = None
        count = self.batch or inputs.shape[1]
        self._drawn = [self._kept.draw(count) for _ in range(2)] if self._kept.filled else []
        return inputs, targets

    def loss_term(self, model: StackedModel, inputs: Tensor, predictions: Tensor) -> Tensor:
        """Both terms; the first evaluation is that of the moment, whose predictions are kept."""
        if self._seen is None:
            own = self._batch[0]
            with torch.no_grad():  # another extension may have added to the batch
                self._seen = (predictions if inputs is own else model(own)).detach()
        if not self._drawn or self.alpha == self.beta == 0.0:
            return predictions.new_zeros(model.members)
        (first, _, seen), (second, targets, _) = self._drawn
        there = first.shape[1]
        found = model(torch.cat([first, second], dim=1))
        matched = self._distance.differentiable(found[:, :there], seen)
        return self.alpha * matched + self.beta * self._loss.differentiable(found[:, there:], targets)

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Lets the step's samples go by the memory; columns of other tasks are NaN, as in the targets."""
        assert self._seen is not None
        inputs, targets = self._batch
        self._kept.add(inputs, targets, self._seen.masked_fill(targets.isnan(), torch.nan))

    def state_dict(self) -> dict[str, Any]:
        """The memory."""
        return self._kept.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives the memory back."""
        self._kept.load_state_dict(state)
