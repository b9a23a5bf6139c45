"""What every adaptation has: it changes the model before a step, and says what it did."""

__all__ = ["Adaptation", "check_tasks", "chosen", "offers", "spread"]

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from continual.extension import Change, Extension, Moment
from continual.models import StackedModel


class Adaptation(Extension):
    """Changes a model while it trains: see `continual.extension.Extension.before_step`.

    Attributes:
        widens: whether it makes room for inputs outside the model's grid, so that tasks may lie there.
        growth: how many times as many parameters the model has in the end, about.
    """

    widens = False
    growth = 1.0

    def before_step(self, moment: Moment) -> Change | None:
        """Changes the model, or leaves it and returns None."""
        raise NotImplementedError


def offers(model: StackedModel, method: str, what: str) -> Any:
    """A method that a model must have.

    Raises:
        ValueError: it has none; `what` needs it.
    """
    found = getattr(model, method, None)
    if found is None:
        raise ValueError(f"{what} needs a model with grids, such as model=kan; {type(model).__name__} has none")
    return found


def chosen(tasks: Sequence[int] | None, task: int) -> bool:
    """Whether a task, counted from 1, is one of those named; all are where none is."""
    return tasks is None or task in tasks


def check_tasks(named: Sequence[int] | None, tasks: int, what: str) -> None:
    """Refuses tasks that there are not, and an empty list of them."""
    if named is not None and (not named or min(named) < 1 or max(named) > tasks):
        raise ValueError(f"{what} names tasks {list(named)}, but there are tasks 1 to {tasks} (null: all of them)")


def spread(values: Tensor) -> str:
    """Numbers of the members as a phrase."""
    known = values[values.isfinite()]  # of members that did not diverge
    largest = float(known.max()) if len(known) else float("nan")
    return f"{largest:.1e}" if len(values) == 1 else f"up to {largest:.1e}"
