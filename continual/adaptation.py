"""What changes a model while it trains: grids that move or grow, pruning, formulas. Each acts before a training step.

An adaptation is asked before every step and either leaves the model alone or changes it in place and says what it did.
The optimizer begins anew after every change (unless told otherwise): its moments and directions belong to parameters
that are no longer there, or no longer mean the same.
"""

__all__ = ["Adaptation", "Change", "DomainExtension", "GridSchedule", "GridUpdate", "Moment", "Once"]

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from continual.models import StackedModel, portrait


@dataclass(frozen=True)
class Moment:
    """Where training stands before a step.

    Args:
        model: may be changed in place.
        task: in training, counted from 1.
        step: steps already done within the task.
        total: steps already done over all tasks.
        inputs: training inputs of the task, (M, N, I).
    """

    model: StackedModel
    task: int
    step: int
    total: int
    inputs: Tensor


@dataclass(frozen=True)
class Change:
    """What was done to the model.

    Args:
        text: a line for the log and the record.
        reset_optimizer: whether the optimizer begins anew.
        portrait: arrays that show what the model was before, see `continual.models.portrait`; none to keep none.
    """

    text: str
    reset_optimizer: bool = True
    portrait: Mapping[str, NDArray[Any]] | None = None


class Adaptation:
    """Changes a model while it trains.

    Attributes:
        widens: whether it makes room for inputs outside the model's grid, so that tasks may lie there.
        growth: how many times as many parameters the model has in the end, about.
    """

    widens = False
    growth = 1.0

    def check(self, model: StackedModel, steps: int, tasks: int) -> None:
        """Refuses what can't work, before any work is done.

        Args:
            model: untrained.
            steps: of each task.
            tasks: number of tasks T.

        Raises:
            ValueError: in one line.
        """

    def __call__(self, moment: Moment) -> Change | None:
        """Changes the model, or leaves it and returns None."""
        raise NotImplementedError


def _offers(model: StackedModel, method: str, what: str) -> Any:
    found = getattr(model, method, None)
    if found is None:
        raise ValueError(f"{what} needs a model with grids, such as model=kan; {type(model).__name__} has none")
    return found


def _chosen(tasks: Sequence[int] | None, task: int) -> bool:
    return tasks is None or task in tasks


def _check_tasks(chosen: Sequence[int] | None, tasks: int, what: str) -> None:
    if chosen is not None and (not chosen or min(chosen) < 1 or max(chosen) > tasks):
        raise ValueError(f"{what} names tasks {list(chosen)}, but there are tasks 1 to {tasks} (null: all of them)")


def _spread(values: Tensor) -> str:
    """Numbers of the members as a phrase."""
    known = values[values.isfinite()]  # of members that did not diverge
    largest = float(known.max()) if len(known) else float("nan")
    return f"{largest:.1e}" if len(values) == 1 else f"up to {largest:.1e}"


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

    def check(self, model: StackedModel, steps: int, tasks: int) -> None:
        """The model must have grids, and the tasks must exist."""
        _offers(model, "update_grid", "adaptation.grid_update")
        _check_tasks(self.tasks, tasks, "adaptation.grid_update.tasks")

    def __call__(self, moment: Moment) -> Change | None:
        """One update, where one is due."""
        if not _chosen(self.tasks, moment.task) or moment.step >= self.until or moment.step % self.every:
            return None
        moved = _offers(moment.model, "update_grid", "adaptation.grid_update")(moment.inputs, **self.settings)
        text = f"grid update from {moment.inputs.shape[1]} samples, predictions moved by {_spread(moved)} (RMS)"
        return Change(text, self.reset_optimizer)


class GridSchedule(Adaptation):
    """Grid extension: grids of more and more intervals, each trained for a number of steps.

    Steps count over all tasks; the last grid stays. Where a size is a multiple of the one before, nothing that was
    learned changes.

    Args:
        steps: trained on each grid before the next.
        sizes: intervals G, increasing; the first is that of the model.
        on_samples: whether grids reach out to the task's inputs that lie outside, and refinements that can't be exact
            keep the function on these inputs first; otherwise on the whole grid alike, which earlier tasks need.
    """

    def __init__(self, steps: int = 200, sizes: Sequence[int] = (3, 5, 10, 20, 50), on_samples: bool = False) -> None:
        if steps < 1:
            raise ValueError(f"adaptation.grid_schedule.steps must be at least 1, got {steps}")
        if not sizes or sizes[0] < 1 or any(b <= a for a, b in zip(sizes[:-1], sizes[1:], strict=True)):
            raise ValueError(f"adaptation.grid_schedule.sizes must increase from at least 1, got {list(sizes)}")
        self.steps, self.sizes, self.on_samples = steps, list(sizes), on_samples
        self.growth = sizes[-1] / sizes[0]

    def check(self, model: StackedModel, steps: int, tasks: int) -> None:
        """The model must have a grid of the first size, and there must be time for the last."""
        _offers(model, "refine", "adaptation.grid_schedule")
        size = model.describe().get("grid_size")
        if size != self.sizes[0]:
            raise ValueError(f"adaptation.grid_schedule.sizes must begin with model.grid_size={size}, got {self.sizes}")
        begins = self.steps * (len(self.sizes) - 1)
        if begins >= steps * tasks:
            raise ValueError(
                f"adaptation.grid_schedule reaches size {self.sizes[-1]} after {begins} steps, but there are only "
                f"{steps * tasks}; raise training.steps"
            )

    def __call__(self, moment: Moment) -> Change | None:
        """Refines the grids when the next size is due."""
        index, rest = divmod(moment.total, self.steps)
        if rest or not 0 < index < len(self.sizes):
            return None
        refine = _offers(moment.model, "refine", "adaptation.grid_schedule")
        moved = refine(self.sizes[index], moment.inputs, on_samples=self.on_samples)
        return Change(f"grid extension to {self.sizes[index]} intervals, predictions moved by {_spread(moved)} (RMS)")


class DomainExtension(Adaptation):
    """Adds intervals when a task's inputs fall outside the grids, which changes nothing that was learned.

    Acts at the beginning of each task, and on hidden layers, whose inputs move as the network learns, again every so
    many steps.

    Args:
        every: steps between further looks within a task; null for none.
        margin: how far beyond the inputs the grids shall reach, in units of the inputs.
    """

    widens = True

    def __init__(self, every: int | None = None, margin: float = 0.0) -> None:
        if every is not None and every < 1:
            raise ValueError(f"adaptation.domain_extension.every must be at least 1, got {every}")
        if not 0.0 <= margin < float("inf"):
            raise ValueError(f"adaptation.domain_extension.margin must be at least 0, got {margin}")
        self.every, self.margin = every, margin

    def check(self, model: StackedModel, steps: int, tasks: int) -> None:
        """The model must have grids."""
        _offers(model, "extend_domain", "adaptation.domain_extension")

    def __call__(self, moment: Moment) -> Change | None:
        """Extends the domain where it is left."""
        if moment.step and (self.every is None or moment.step % self.every):
            return None
        extend = _offers(moment.model, "extend_domain", "adaptation.domain_extension")
        added = extend(moment.inputs, margin=self.margin)
        return Change(f"domain extension by {added} intervals") if added else None


class Once(Adaptation):
    """Does something to a network of edges once in each chosen task: prunes it, say, or turns edges into formulas.

    Args:
        operation: called with the model and the task's training inputs; changes the model in place and says what it
            did. Before training it is tried on a copy of one member with a few points, for the sake of its errors.
        at: before which step of the task, counted from 0.
        tasks: which ones, counted from 1; null for all.
    """

    def __init__(
        self, operation: Callable[[Any, Tensor], str], at: int = 0, tasks: Sequence[int] | None = (1,)
    ) -> None:
        if at < 0:
            raise ValueError(f"adaptation: at must be at least 0, got {at}")
        self.operation, self.at, self.tasks = operation, at, tasks

    def check(self, model: StackedModel, steps: int, tasks: int) -> None:
        """The model must be a network of edges; the step and the tasks must exist."""
        if not hasattr(model, "live_parameters"):
            raise ValueError(
                f"adaptation: pruning and formulas need a network of edges, such as model=kan; {type(model).__name__} "
                "is none"
            )
        if self.at >= steps:
            raise ValueError(f"adaptation: at={self.at} is never reached with training.steps={steps}")
        _check_tasks(self.tasks, tasks, "adaptation: tasks")
        # whatever is wrong with the operation's settings shows on a copy now, and not after hours of training
        trial: Any = copy.deepcopy(model)
        trial = trial.member(0)
        like = next(iter(trial.parameters()))
        points = torch.linspace(0.05, 0.95, 16 * model.in_features, dtype=like.dtype, device=like.device)
        with torch.no_grad():
            self.operation(trial, points.view(16, model.in_features))

    def __call__(self, moment: Moment) -> Change | None:
        """The operation, when it is due."""
        if moment.step != self.at or not _chosen(self.tasks, moment.task):
            return None
        before = portrait(moment.model, moment.inputs)
        with torch.no_grad():
            return Change(self.operation(moment.model, moment.inputs), portrait=before)
