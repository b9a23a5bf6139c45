"""Memory aware synapses: a parameter matters as much as the predictions' size changes with it."""

__all__ = ["MAS"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Moment, Session
from continual.models import StackedModel
from continual.strategies.memory.reservoir import pick
from continual.strategies.regularisation.importance import Importance
from continual.strategies.vectors import slopes


def sensitivity(model: StackedModel, inputs: Tensor, targets: Tensor) -> Tensor:
    r"""The mean over samples of \(|\partial \|f(x)\|^2 / \partial \theta| = |2 J^T f|\), (M, P).

    Args:
        model: M members.
        inputs: (M, B, I).
        targets: (M, B, O), of which only those that are NaN matter: their columns take no part.
    """
    pieces = slopes(model, inputs, targets)
    sums = [(found * predictions.unsqueeze(3)).sum(dim=2).abs().sum(dim=1) for predictions, found in pieces]
    return torch.stack(sums).sum(dim=0) * (2.0 / inputs.shape[1])


class MAS(Importance):
    r"""Holds parameters by how much they change the size of the predictions, which needs no targets.

    .. math::
        \Omega_k \leftarrow \Omega_k + \frac1N \sum_{i=1}^N \Big| \frac{\partial \|f_\theta(x_i)\|^2}{\partial \theta_k}
        \Big|, \qquad P = \lambda \sum_k \Omega_k (\theta_k - \theta^*_k)^2

    at the end of each task, on some of its samples; f are logits, of classes. Where predictions are 0 nothing matters:
    targets that are 0 in places are held badly there.

    Aljundi et al., Memory Aware Synapses: Learning what (not) to forget (2018), https://arxiv.org/abs/1711.09601. The
    absolute value is each sample's, as in the paper's equation; the authors' code takes it of a batch's sum. Avalanche
    takes it of a batch's mean of norms without the square, averages old and new importance, and has λ/2.

    Args:
        weight: λ; 0 is fine-tuning.
        samples: of each task on which Ω is computed; None for all. The Jacobian is computed there.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative weight, or no samples.
    """

    vectors = 5

    def __init__(self, weight: float = 0.1, samples: int | None = 200, reset_optimizer: bool = True) -> None:
        super().__init__("mas", weight, reset_optimizer)
        if samples is not None and samples < 1:
            raise ValueError(f"mas.samples must be at least 1, or null for all, got {samples}")
        self.samples = samples

    def begin(self, session: Session) -> None:
        """See `Importance`."""
        super().begin(session)
        self._generators = session.generators("mas")

    def after_task(self, moment: Moment) -> None:
        """Brings the importance up to date."""
        inputs, targets = pick([moment.inputs, moment.targets], self.samples, self._generators)
        importance = sensitivity(self._model, inputs, targets)
        self.hold(importance if self.importance is None else importance + self.importance)

    def state_dict(self) -> dict[str, Any]:
        """Importance, anchor, and the generators' states."""
        return {**super().state_dict(), "generators": [generator.get_state() for generator in self._generators]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        super().load_state_dict(state)
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
