"""Grids that move to where the inputs are."""

__all__ = ["GridUpdate"]

from collections.abc import Sequence

from continual.adaptations.adaptation import Adaptation, check_tasks, chosen, offers, spread
from continual.extension import Change, Moment, Training


class GridUpdate(Adaptation):
    """Moves grids to where the inputs are, during chosen tasks; grid points that leave a region forget it.

    Acts before steps 0, `every`, 2 `every`, … below `until` of each chosen task, on all of its training inputs; the
    defaults are pykan's (10 updates in 50 steps), but for the tasks: only the first.

    Args:
        every: steps between updates.
        until: step of a task after which its grids stay.
        tasks: which ones, counted from 1; null for all, which moves the grids away from what earlier tasks used.
        grid_eps: 0 for the inputs' quantiles to 1 for an even grid.
        margin: what is added on either side, as a part of the inputs' range.
        hidden_only: whether the grids of the first layer stay where they are.
        reset_optimizer: whether the optimizer begins anew with each update. Adam may keep its state, which then belongs
            to coefficients of other bases; L-BFGS would combine gradients before and after; Levenberg–Marquardt should
            keep its dampings, or it would spend every step on finding them again.
    """

    def __init__(
        self,
        every: int = 5,
        until: int = 50,
        tasks: Sequence[int] | None = (1,),
        grid_eps: float = 0.02,
        margin: float = 0.0,
        hidden_only: bool = False,
        reset_optimizer: bool = True,
    ) -> None:
        for name, number in (("every", every), ("until", until)):
            if number < 1:
                raise ValueError(f"adaptation.grid_update.{name} must be at least 1, got {number}")
        if not 0.0 <= grid_eps <= 1.0:
            raise ValueError(f"adaptation.grid_update.grid_eps must be between 0 and 1, got {grid_eps}")
        if not 0.0 <= margin < float("inf"):
            raise ValueError(f"adaptation.grid_update.margin must be at least 0, got {margin}")
        self.every, self.until, self.tasks = every, until, tasks
        self.settings = {"grid_eps": grid_eps, "margin": margin, "hidden_only": hidden_only}
        self.reset_optimizer = reset_optimizer

    def check(self, training: Training) -> None:
        """The model must have grids, and the tasks must exist."""
        offers(training.model, "update_grid", "adaptation.grid_update")
        check_tasks(self.tasks, len(training.curriculum), "adaptation.grid_update.tasks")

    def before_step(self, moment: Moment) -> Change | None:
        """One update, where one is due."""
        if not chosen(self.tasks, moment.task) or moment.step >= self.until or moment.step % self.every:
            return None
        moved = offers(moment.model, "update_grid", "adaptation.grid_update")(moment.inputs, **self.settings)
        text = f"grid update from {moment.inputs.shape[1]} samples, predictions moved by {spread(moved)} (RMS)"
        return Change(text, self.reset_optimizer)
