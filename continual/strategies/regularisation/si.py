"""Synaptic intelligence: a parameter matters as much as its way has lowered the loss."""

__all__ = ["SI"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Moment, Session
from continual.models import StackedModel
from continual.strategies.regularisation.importance import Importance
from continual.strategies.vectors import gradient_of, parameters_of


class SI(Importance):
    r"""Adds up along training what each parameter's steps have taken off the loss, and holds parameters by it.

    .. math::
        \omega_k = -\sum_t g_k(t) \, \big(\theta_k(t+1) - \theta_k(t)\big), \qquad
        \Omega_k \leftarrow \max\Big(0, \Omega_k + \frac{\omega_k}{(\theta_k - \theta_k^{start})^2 + \xi}\Big), \qquad
        P = c \sum_k \Omega_k (\theta_k - \theta^*_k)^2

    with g the gradient of the loss without P, as it was before the step; ω begins anew with each task, at whose end Ω
    is brought up to date.

    Zenke, Poole & Ganguli, Continual Learning Through Synaptic Intelligence (2017), https://arxiv.org/abs/1703.04200;
    that Ω is never below 0 and g is without P is what the authors' code (`pathint`) does. Avalanche's plugin takes the
    gradient with the penalty's, c = λ/2 with Ω scaled by 0.0015 and at most 0.001, and ξ = 1e-7; mammoth's `si` steps
    along gradients clipped to ±1. Neither bounds Ω from below.

    Args:
        weight: c; 0 is fine-tuning.
        damping: ξ, in units of squared parameters, > 0.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative weight, or a damping that is not positive.
    """

    one_gradient = True
    from_task = 1
    vectors = 9

    def __init__(self, weight: float = 0.1, damping: float = 0.1, reset_optimizer: bool = True) -> None:
        super().__init__("si", weight, reset_optimizer)
        if not damping > 0.0:
            raise ValueError(f"si.damping must be positive, got {damping}")
        self.damping = damping

    def begin(self, session: Session) -> None:
        """See `Importance`."""
        super().begin(session)
        self._start = self._path = torch.empty(0)

    def before_task(self, moment: Moment) -> None:
        """A new way begins."""
        self._start = parameters_of(self._model)
        self._path = torch.zeros_like(self._start)

    def loss_gradients(self, model: StackedModel) -> None:
        """Keeps the gradient of the loss, and where it was taken."""
        self._before, self._gradient = parameters_of(model), gradient_of(model)

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Adds the step to the way."""
        self._path = self._path - self._gradient * (parameters_of(self._model) - self._before)

    def after_task(self, moment: Moment) -> None:
        """Brings the importance up to date."""
        moved = parameters_of(self._model) - self._start
        importance = self._path / (moved.square() + self.damping)
        if self.importance is not None:
            importance = importance + self.importance
        self.hold(importance.clamp(min=0.0))

    def state_dict(self) -> dict[str, Any]:
        """Importance, anchor, and the way so far."""
        return {**super().state_dict(), "start": self._start, "path": self._path}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        super().load_state_dict(state)
        self._start, self._path = state["start"], state["path"]
