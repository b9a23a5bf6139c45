"""The first question to ask of anything that is to learn: does it bring one small batch to no error at all?"""

__all__ = ["OverfitError", "one_batch", "overfitted"]

import copy
import functools
import logging
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from continual.extension import MakeOptimizer, Training
from continual.models import jacobian
from continual.optimizers import LBFGS, LevenbergMarquardt
from continual.records.record import Record
from continual.reports.numbers import format_value
from continual.run.execution import execute
from continual.run.ready import Run
from continual.strategies import FineTune
from continual.training.loop import train
from tasks import Curriculum, Task

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

_STEPS = 200
"""Of the optimizer that is to show what a model can do."""

_STILL = 0.99
"""Where so much of the untrained model's error is left, nothing was learned."""


class OverfitError(RuntimeError):
    """A model could not bring one batch to (nearly) no error; the message says how far it came."""


def one_batch(curriculum: Curriculum, samples: int = 8) -> Curriculum:
    """One batch of the first task: learned, and judged by, the same few samples.

    Args:
        curriculum: T tasks for M members.
        samples: of the batch, spread evenly over those of the task; all that it has, if it has fewer.

    Raises:
        ValueError: no samples.
    """
    if samples < 1:
        raise ValueError(f"debug.curriculum.samples must be at least 1, got {samples}")
    task = curriculum.tasks[0]
    count = task.train_inputs.shape[1]
    chosen = torch.linspace(0, count - 1, min(samples, count), device=task.train_inputs.device).round().long()
    inputs, targets = task.train_inputs[:, chosen], task.train_targets[:, chosen]
    batch = Task(
        f"{len(chosen)} samples of {task.name}",
        inputs,
        targets,
        inputs,
        targets,
        loss=task.loss,
        columns=task.columns,
    )
    return replace(curriculum, tasks=[batch], view=None, overlap=None, stream=None)


def overfitted(run: Run, *, wait: bool = True, tolerance: float = 0.01) -> Record:
    """Trains a run on its one batch, and says whether that was learned, and if not, what it is that can't.

    Where the run's own optimizer does not get there, the model is trained once more from the same start by
    Levenberg–Marquardt, which is cheap on few samples, or by L-BFGS where the model has no Jacobian: what even these
    can't learn the model can't hold; what they can is a question of the optimizer's rate and steps, which is said. That
    training leaves nothing behind.

    Args:
        run: whose curriculum is that of `one_batch`.
        wait: see `execute`.
        tolerance: the largest RMSE that counts as none, over that of predicting the mean.

    Raises:
        OverfitError: neither brings a member's error below that, or the run's own optimizer has learned nothing at
            all; the message is the verdict.
    """
    start = copy.deepcopy(run.training.model)
    record = execute(run, wait=wait)
    baseline = record.baseline[:, 0]
    own, untrained = record.R[:, -1, 0], record.R[:, 0, 0]
    where = f"{record.name}, {record.task_names[0]}"
    if _all_good(own, baseline, tolerance):
        log.info("overfits one batch: %s: %s %s", where, *_said(own, baseline, tolerance))
        return record
    name, other = _by_another(replace(run.training, model=start))
    can = _all_good(other, baseline, tolerance)
    count, left = _said(own, baseline, tolerance)
    others, others_left = _said(other, baseline, tolerance)
    said = f"{where}: {count} by the run's own optimizer {left}; {others} by {name} from the same start {others_left}"
    finite = np.isfinite(own)
    still = not finite.any() or float(np.median(own[finite] / untrained[finite])) > _STILL
    if not can:
        mend = "look at the model's size, the grid's range and the data"
        raise OverfitError(f"does NOT overfit one batch: {said}; {mend}")
    if still:
        raise OverfitError(f"does NOT overfit one batch: {said}; the optimizer learns nothing: look at its rate")
    log.warning("overfits one batch, but not by its own optimizer: %s; look at its rate and steps", said)
    return record


def _all_good(rmse: Array, baseline: Array, tolerance: float) -> bool:
    """Whether all members have learned the batch; NaN, of one that diverged, has not."""
    return bool((rmse <= tolerance * baseline).all())


def _said(rmse: Array, baseline: Array, tolerance: float) -> tuple[str, str]:
    """How many seeds have learned the batch, and what is left of the error of predicting the mean."""
    left = rmse / baseline
    finite = np.isfinite(left)
    count = f"{int((left <= tolerance).sum())} of {len(left)} seeds come below {100.0 * tolerance:g} %"
    if not finite.any():
        return count, "(all diverged)"
    lost = "" if finite.all() else ", some diverged"
    return count, (
        f"(median RMSE {format_value(float(np.median(rmse[finite])))}, of predicting the mean "
        f"{format_value(float(np.median(baseline)))}: {100.0 * np.median(left[finite]):.2g} % is left, "
        f"worst {100.0 * left[finite].max():.2g} %{lost})"
    )


def _by_another(training: Training) -> tuple[str, Array]:
    """RMSE of each member, (M,), after training by an optimizer that fits small batches exactly, and its name."""
    make: MakeOptimizer
    name, make = "Levenberg–Marquardt", functools.partial(LevenbergMarquardt, max_iter=5)
    if not _is_least_squares(training):
        name, make = "L-BFGS", functools.partial(LBFGS, max_iter=20)
    changed = replace(
        training,
        make=make,
        strategy=FineTune(),
        adaptations=(),
        penalty=None,
        observers=(),
        settings=replace(training.settings, steps=_STEPS, evaluate_every=_STEPS, batch_size=None, penalty_steps=None),
    )
    return name, train(changed).matrix()[:, -1, 0]


def _is_least_squares(training: Training) -> bool:
    """Whether the model has what Levenberg–Marquardt asks of one."""
    try:
        jacobian(training.model, training.curriculum.tasks[0].train_inputs[:, :1])
    except (ValueError, RuntimeError):  # of torch, where it is not made of what can be differentiated so
        return False
    return True
