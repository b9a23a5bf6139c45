"""Winning subnetworks: each task learns which weights it uses, and moves only those that no earlier one uses."""

__all__ = ["WinningSubnetworks"]

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Moment, Session, Training
from continual.extension.quadratic import flat
from continual.models import StackedModel, trainable
from continual.strategies.isolation.freezing import Freezing, predict_with, weight_columns, without_adaptations
from continual.strategies.layout import layout_of


class WinningSubnetworks(Freezing):
    r"""Winning subnetworks (Kang et al., 2022, https://proceedings.mlr.press/v162/kang22b.html).

    Every weight w has a score s. A task uses the share c of each layer's weights with the largest scores, mask m, and
    predicts with \(w \odot m\). With g the gradient of the loss there,

    .. math::
        \nabla_w = g \odot m \odot (1 - M), \qquad \nabla_s = g \odot w,

    M the weights that any earlier task uses, which stay as they are but may be used again, and the second the
    straight-through gradient. Scores take a step of Adam after each of the weights' optimizer. Each task's mask is kept
    and predicts it: nothing is forgotten, to the last bit. Which task a sample belongs to has to be known.

    Masked is the largest parameter of each layer: weights of an MLP, coefficients of a KAN. All others are trained with
    the first task and stay; the paper's networks have none. Scores are drawn anew for each task, uniform on
    \([0, 0.01]\), and ranked by their value. Between steps the model holds \(w \odot m\) of the present task. Neither
    Avalanche nor mammoth has it.

    Args:
        keep: c, in (0, 1].
        score_lr: learning rate of the scores, > 0.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a setting out of range.
    """

    capturable = False  # a step of the scores asks the host for how many there were
    surgery = True

    def __init__(self, keep: float = 0.5, score_lr: float = 1e-3, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        if not 0.0 < keep <= 1.0:
            raise ValueError(f"strategy.wsn.keep must be above 0 and at most 1, got {keep}")
        if not 0.0 < score_lr < float("inf"):
            raise ValueError(f"strategy.wsn.score_lr must be positive and finite, got {score_lr}")
        self.keep, self.score_lr = keep, score_lr
        self._weights: Tensor | None = None  # w, (M, P)
        self._scores = self._mean = self._square = self._slope = torch.empty(0)  # (M, P) each
        self._mask = self._used = torch.empty(0)  # m and M, bool (M, P)
        self._masks: list[Tensor] = []  # of the tasks learned
        self._count = 0  # steps of the scores

    def check(self, training: Training) -> None:
        """Parameters must stay what they are."""
        super().check(training)
        without_adaptations(training, "WinningSubnetworks")

    def memory(self, training: Training, members: int) -> int:
        """See `Extension`: weights, scores, their moments, and a mask a task."""
        numbers = members * layout_of(training.model).count
        return numbers * (7 * trainable(training.model)[0].element_size() + 3 + len(training.curriculum))

    def begin(self, session: Session) -> None:
        """See `Extension`."""
        super().begin(session)
        self._generators = session.generators
        self._columns = weight_columns(layout_of(session.model))

    @torch.no_grad()
    def before_task(self, moment: Moment) -> None:
        """Draws scores, and begins with the mask that they make."""
        values = flat(parameter.detach() for parameter in trainable(moment.model)).clone()
        if self._weights is None:
            self._weights, self._used = values, torch.zeros_like(values, dtype=torch.bool)
        draws = self._generators(f"wsn {moment.task}")
        drawn = [torch.rand(values.shape[1], generator=draw, dtype=torch.float64) for draw in draws]
        self._scores = (0.01 * torch.stack(drawn)).to(values)
        self._mean, self._square, self._count = torch.zeros_like(values), torch.zeros_like(values), 0
        self._slope = torch.zeros_like(values)
        self.freeze(None)
        self._wear()

    def _wear(self) -> None:
        """Gives the model the weights with the largest scores, and freezes all that the task must not move."""
        assert self._weights is not None
        self._mask = torch.ones_like(self._used)
        for columns in self._columns:
            own = self._scores[:, columns.to(self._scores.device)]
            best = own.topk(max(1, round(self.keep * len(columns))), dim=1).indices
            self._mask[:, columns] = torch.zeros_like(own, dtype=torch.bool).scatter_(1, best, True)
        values = torch.where(self._mask, self._weights, 0.0)
        for parameter, value in zip(trainable(self.model), self.pieces(values), strict=True):
            parameter.copy_(value)
        self.freeze(~self._mask | self._used)

    @torch.no_grad()
    def gradients(self, model: StackedModel) -> None:
        """Keeps g for the scores, and leaves of it what moves the weights."""
        self._slope = flat(torch.zeros_like(p) if p.grad is None else p.grad for p in trainable(model)).clone()
        super().gradients(model)

    @torch.no_grad()
    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Takes over the weights, a step of the scores, and the mask that they make."""
        super().after_step(task, step, losses)
        assert self._weights is not None
        assert self._frozen is not None
        present = flat(parameter.detach() for parameter in trainable(self.model))
        slope = self._slope * self._weights
        self._weights = torch.where(self._frozen, self._weights, present)
        self._count += 1
        self._mean.lerp_(slope, 0.1)
        self._square.mul_(0.999).addcmul_(slope, slope, value=0.001)
        root = (self._square / (1.0 - 0.999**self._count)).sqrt() + 1e-8
        self._scores = self._scores - self.score_lr / (1.0 - 0.9**self._count) * self._mean / root
        self._wear()

    def after_task(self, moment: Moment) -> None:
        """Keeps the mask; what it uses moves no more."""
        self._masks.append(self._mask)
        self._used = self._used | self._mask

    def predictor(self, task: int) -> Callable[[Tensor], Tensor] | None:
        """The weights under the task's own mask, once it was learned."""
        if task >= len(self._masks) or self._weights is None:
            return None
        values = self.pieces(torch.where(self._masks[task], self._weights, 0.0))
        return predict_with(self.model, lambda: values)

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        return {**super().state_dict(), **{name: getattr(self, f"_{name}") for name in _KEPT}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        super().load_state_dict(state)
        for name in _KEPT:
            setattr(self, f"_{name}", state[name])


_KEPT = ("weights", "scores", "mean", "square", "slope", "mask", "used", "masks", "count")
