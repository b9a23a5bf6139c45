"""One optimizer after another: a first one that finds the region, and another that finishes."""

__all__ = ["Staged"]

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from continual.optimizers.eager import Eager
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt

MakeStage = Callable[[Iterable[Tensor]], Optimizer]


class Staged(Eager):
    """Takes its first steps with one optimizer and all others with another, which begins fresh at the switch.

    Adam followed by L-BFGS is the usual pair for fits that shall become exact (Rathore et al., 2024,
    https://arxiv.org/abs/2402.01868): quasi-Newton steps need a good region, and end in the nearest minimum where they
    find none. More than two stages are a `Staged` as the second one.

    Steps are those of the stages: one of Adam is one gradient, one of `continual.optimizers.LBFGS` up to `max_iter`
    iterations. A new `Staged`, as for each task of a strategy that resets the optimizer, begins with the first stage
    again; one that is kept has no way back.

    `param_groups` and `state` are those of the present stage. `state_dict` holds the steps done and the present stage's
    state dict, and nothing of a stage that is over or has not begun.

    Args:
        params: parameters, in one group.
        first: builds the first stage from the parameters.
        then: builds the second stage.
        switch_at: steps of the first stage, ≥ 1.

    Raises:
        ValueError: no step for the first stage, several groups, a learning rate that is not positive, what a stage
            raises, or `LevenbergMarquardt`, which takes no closure.

    Example:
        >>> import functools, torch
        >>> from continual.optimizers.adam import Adam
        >>> from continual.optimizers.lbfgs import LBFGS
        >>> weights = torch.nn.Parameter(torch.zeros(10, 3))
        >>> Staged([weights], functools.partial(Adam, lr=0.01), LBFGS, switch_at=500).stage
        0
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        first: MakeStage,
        then: MakeStage,
        switch_at: int,
    ) -> None:
        if switch_at < 1:
            raise ValueError(f"switch_at must be at least 1, the steps of the first optimizer, got {switch_at}")
        super().__init__(params, {})
        self.switch_at = switch_at
        self._makers = (first, then)
        self._parameters: list[Tensor] = self.param_groups[0]["params"]
        self._begin(0)

    def _begin(self, steps: int) -> None:
        """Builds both stages, without state, and takes up the one that comes after that many steps."""
        self._stages = [make(self._parameters) for make in self._makers]
        for name, stage in zip(("first", "then"), self._stages, strict=True):
            if isinstance(stage, LevenbergMarquardt):
                raise ValueError(f"{name}: LevenbergMarquardt can't be a stage, for it takes no closure: use it alone")
            for group in stage.param_groups:
                if not 0.0 < float(group.get("lr", 1.0)) < math.inf:
                    raise ValueError(f"{name}: the learning rate must be positive and finite, got lr={group['lr']}")
        self.steps = steps
        self._take_up()

    def _take_up(self) -> None:
        self.param_groups, self.state = self.active.param_groups, self.active.state

    @property
    def stage(self) -> int:
        """0 before the switch, 1 after it."""
        return int(self.steps >= self.switch_at)

    @property
    def stages(self) -> tuple[Optimizer, ...]:
        """Both, in order."""
        return tuple(self._stages)

    @property
    def active(self) -> Optimizer:
        """The optimizer that takes the next step."""
        return self._stages[self.stage]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds the one group of parameters.

        Args:
            param_group: the group, as for every optimizer of torch.

        Raises:
            ValueError: if there is a group already.
        """
        if self.param_groups:
            raise ValueError("Staged takes one group of parameters: each stage has its own settings")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the present stage.

        Args:
            closure: as that stage wants it; see `continual.optimizers.LBFGS` for one that serves all of them.

        Returns:
            What that stage returns.
        """
        result = self.active.step(closure)
        self.steps += 1
        if self.steps == self.switch_at:
            self._stages[0].state.clear()
            self._take_up()
        return result

    step.hooked = True  # type: ignore[attr-defined]  # the stage's own step has torch's profiling and hooks

    def state_dict(self) -> dict[str, Any]:
        """Steps done, and the state of the present stage; refers to the live state, as in every optimizer of torch."""
        return {"steps": self.steps, "active": self.active.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a state dict, at its stage.

        Args:
            state_dict: of a `Staged` with the same settings.
        """
        self._begin(state_dict["steps"])
        self.active.load_state_dict(state_dict["active"])
        self._take_up()  # loading replaces groups and state
