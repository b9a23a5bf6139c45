"""Orthogonal gradient descent: no step along what moves the predictions of earlier tasks."""

__all__ = ["OGD", "orthonormal"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Moment, Session, Training
from continual.models import StackedModel
from continual.strategies.memory.reservoir import pick
from continual.strategies.strategy import Strategy
from continual.strategies.vectors import check_shapes_stay, gradient_of, put_gradient, slopes, vector_bytes


def _without(vector: Tensor, basis: Tensor) -> Tensor:
    """Vectors (M, P) without their parts along orthonormal rows (M, K, P); twice, against rounding."""
    for _ in range(2):
        vector = vector - (basis.mT @ (basis @ vector.unsqueeze(2))).squeeze(2)
    return vector


def _significant(rest: Tensor, whole: Tensor) -> Tensor:
    """Whether what is left of vectors (M, P) is more than rounding, (M, 1)."""
    noise = 100.0 * torch.finfo(whole.dtype).eps * whole.norm(dim=1, keepdim=True)
    return rest.norm(dim=1, keepdim=True) > noise


def orthonormal(vectors: Tensor, basis: Tensor) -> Tensor:
    """Extends an orthonormal basis (M, K, P) by vectors (M, V, P) to (M, K + V, P); by zeros where they add nothing."""
    for vector in vectors.unbind(dim=1):
        rest = _without(vector, basis)
        added = torch.where(_significant(rest, vector), rest / rest.norm(dim=1, keepdim=True), 0.0)
        basis = torch.cat([basis, added.unsqueeze(1)], dim=1)
    return basis


class OGD(Strategy):
    r"""Takes from each gradient what lies in the span of the gradients of predictions on samples of earlier tasks.

    .. math::
        \tilde g = g - \sum_{v \in S} (g \cdot v) v, \qquad
        S = \mathrm{orthonormal}\,\{\nabla_\theta f_o(x_i)\}

    with the gradients of every output o of the task, at the end of it, for some of its samples. A plain gradient step
    moves no prediction of these samples to first order; Adam's, which is scaled parameter by parameter, may, and so
    does momentum where it lasts. K stored gradients take K numbers for each parameter.

    Farajtabar et al., Orthogonal Gradient Descent for Continual Learning (2020), https://arxiv.org/abs/1910.07104:
    this is their OGD-ALL; of classes they mostly store the gradient of the true class's logit alone, OGD-GTL, of 200
    samples a task.

    Args:
        samples: of each task; 0 is fine-tuning.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative number of samples.
    """

    surgery = True
    needs_boundaries = True

    def __init__(self, samples: int = 20, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        if samples < 0:
            raise ValueError(f"ogd.samples must be at least 0, got {samples}")
        self.samples = samples

    def check(self, training: Training) -> None:
        """Refuses adaptations."""
        check_shapes_stay(self, training, from_task=2)

    def begin(self, session: Session) -> None:
        """Nothing is stored yet, unless a state comes."""
        self._generators = session.generators("ogd")
        self._basis: Tensor | None = None

    def memory(self, training: Training, members: int) -> int:
        """The stored gradients."""
        counts = sum(min(self.samples, task.train_inputs.shape[1]) for task in training.curriculum.tasks)
        return counts * training.curriculum.out_features * vector_bytes(training.model, members)

    def gradients(self, model: StackedModel) -> None:
        """The projection; what would be left of rounding alone is zero."""
        if self._basis is None:
            return
        gradient = gradient_of(model)
        rest = _without(gradient, self._basis)
        put_gradient(model, torch.where(_significant(rest, gradient), rest, 0.0))

    def after_task(self, moment: Moment) -> None:
        """Stores the gradients of some samples' predictions."""
        if self.samples == 0:
            return
        inputs, targets = pick([moment.inputs, moment.targets], self.samples, self._generators)
        vectors = torch.cat([found.flatten(1, 2) for _, found in slopes(moment.model, inputs, targets)], dim=1)
        self._basis = orthonormal(vectors, vectors[:, :0] if self._basis is None else self._basis)

    def state_dict(self) -> dict[str, Any]:
        """The stored gradients, and the generators' states."""
        return {"basis": self._basis, "generators": [generator.get_state() for generator in self._generators]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        self._basis = state["basis"]
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
