"""Pulls all parameters alike: to zero, to their initial values, or to those after the last task."""

__all__ = ["L2"]

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from continual.extension import Moment, Quadratic, Session, Training
from continual.models import columns_of
from continual.strategies.regularisation.importance import check_weight
from continual.strategies.strategy import Strategy
from continual.strategies.vectors import check_shapes_stay, parameters_of, vector_bytes

Towards = Literal["zero", "initial", "last"]


class L2(Strategy):
    r"""Adds the squared distance of a member's parameters from where they are to stay.

    .. math::
        P(\theta) = w \sum_k (\theta_k - \theta'_k)^2

    with θ' = 0, the usual L2 penalty, which keeps parameters small and so trainable; or the initial values, of which
    Kumar et al., Maintaining Plasticity in Continual Learning via Regenerative Regularization (2023),
    https://arxiv.org/abs/2308.11958, say that it keeps them more so ("L2 Init"); or the values after the last task,
    the baseline of Kirkpatrick et al. (2017), https://arxiv.org/abs/1612.00796, EWC with all importances equal. Adam's
    `weight_decay` is θ' = 0 too, with w half of it. Neither Avalanche nor mammoth has the latter two as strategies.

    Args:
        weight: w; 0 is fine-tuning.
        towards: "zero", "initial" or "last".
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative weight, or no such place.
    """

    def __init__(self, weight: float = 1e-3, towards: Towards = "zero", reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        check_weight("l2.weight", weight)
        if towards not in get_args(Towards):
            raise ValueError(f"l2.towards must be one of {', '.join(get_args(Towards))}, got {towards!r}")
        self.weight, self.towards = weight, towards
        self.needs_boundaries = towards == "last"
        self.capturable = towards != "last"  # the term of a step stays what it is

    def check(self, training: Training) -> None:
        """Refuses adaptations, unless all is pulled to zero."""
        if self.towards != "zero":
            check_shapes_stay(self, training, from_task=2 if self.towards == "last" else 1)

    def begin(self, session: Session) -> None:
        """Keeps the initial values, unless a state comes."""
        self._model = session.model
        self._pull(parameters_of(session.model) if self.towards == "initial" else None)

    def memory(self, training: Training, members: int) -> int:
        """Place and weight of each parameter."""
        return 2 * vector_bytes(training.model, members)

    def _pull(self, anchor: Tensor | None) -> None:
        self._anchor, self._quadratic = anchor, None
        if anchor is not None:
            self._quadratic = Quadratic(anchor, diagonal=torch.full_like(anchor, 2.0 * self.weight))

    def after_task(self, moment: Moment) -> None:
        """From now on, pulls to the present values if those of the last task are asked for."""
        if self.towards == "last":
            self._pull(parameters_of(self._model))

    def quadratics(self) -> Sequence[Quadratic]:
        """The term."""
        if self.weight == 0.0:
            return ()
        if self.towards == "zero":
            count = columns_of(self._model)
            if self._quadratic is None or self._quadratic.anchor.shape[1] != count:  # after an adaptation
                self._pull(torch.zeros_like(parameters_of(self._model)))
        return () if self._quadratic is None else (self._quadratic,)

    def state_dict(self) -> dict[str, Any]:
        """The place, unless it is zero."""
        return {"anchor": None if self.towards == "zero" else self._anchor}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives it back."""
        self._pull(state["anchor"])
