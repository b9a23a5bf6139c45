"""What strategies share that hold parameters by how much each of them mattered."""

__all__ = ["Importance", "check_weight"]

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from continual.extension import Quadratic, Session, Training
from continual.strategies.strategy import Strategy
from continual.strategies.vectors import check_shapes_stay, parameters_of, vector_bytes


def check_weight(key: str, weight: float) -> None:
    """Refuses a weight below 0.

    Raises:
        ValueError: in one line.
    """
    if weight < 0.0:
        raise ValueError(f"{key} must be at least 0, got {weight}")


class Importance(Strategy):
    r"""Pulls each parameter to what it was after the last task, by its importance for all tasks so far.

    .. math::
        P(\theta) = w \sum_k \Omega_k (\theta_k - \theta^*_k)^2

    A `Quadratic`, which every optimizer can use. Subclasses say what \(\Omega\) is, and call `hold`.

    Args:
        name: of the strategy in a config.
        weight: w; 0 is fine-tuning.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative weight.
    """

    needs_boundaries = True
    vectors = 3
    """Numbers that are kept for each parameter, at most: importance, twice for the quadratic, and anchor."""
    from_task = 2
    """In which numbers are kept first."""

    def __init__(self, name: str, weight: float, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        check_weight(f"{name}.weight", weight)
        self.name, self.weight = name, weight

    def check(self, training: Training) -> None:
        """Refuses adaptations, but those of the first task alone where nothing is kept before its end."""
        check_shapes_stay(self, training, self.from_task)

    def begin(self, session: Session) -> None:
        """Nothing is held yet, unless a state comes."""
        self._model = session.model
        self.importance: Tensor | None = None
        self.anchor: Tensor | None = None
        self._quadratics: tuple[Quadratic, ...] = ()

    def memory(self, training: Training, members: int) -> int:
        """Some numbers for each parameter."""
        return self.vectors * vector_bytes(training.model, members)

    def hold(self, importance: Tensor) -> None:
        """From now on, pulls to the present parameters with this importance (M, P), that of earlier tasks included."""
        self._pull(importance, parameters_of(self._model))

    def _pull(self, importance: Tensor, anchor: Tensor) -> None:
        self.importance, self.anchor = importance, anchor
        self._quadratics = (Quadratic(anchor, diagonal=2.0 * self.weight * importance),) if self.weight else ()

    def quadratics(self) -> Sequence[Quadratic]:
        """The term, once there is a task to be held."""
        return self._quadratics

    def state_dict(self) -> dict[str, Any]:
        """Importance and anchor."""
        return {"importance": self.importance, "anchor": self.anchor}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        if state["importance"] is not None:
            self._pull(state["importance"], state["anchor"])
