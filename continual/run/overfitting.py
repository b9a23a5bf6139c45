"""The first question to ask of anything that is to learn: does it bring one small batch to no error at all?"""

__all__ = ["OverfitError", "one_batch", "overfitted"]

import logging
from dataclasses import replace

import numpy as np
import torch

from continual.records.record import Record
from continual.run.execution import execute
from continual.run.ready import Run
from tasks import Curriculum, Task

log = logging.getLogger(__name__)


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
    return replace(curriculum, tasks=[batch], view=None)


def overfitted(run: Run, *, wait: bool = True, tolerance: float = 0.01) -> Record:
    """Trains a run on its one batch, and says whether that was learned.

    Args:
        run: whose curriculum is that of `one_batch`.
        wait: see `execute`.
        tolerance: the largest RMSE that counts as none, over that of predicting the mean.

    Raises:
        OverfitError: a member's error is larger; the message is the verdict.
    """
    record = execute(run, wait=wait)
    left = record.R[:, -1, 0] / np.asarray(record.fields["baseline_rmse"], dtype=float)[:, 0]
    good = int((left <= tolerance).sum())  # NaN, of a member that diverged, is not
    finite = left[np.isfinite(left)]
    far = (
        f"median {100.0 * np.median(finite):.2g} %, worst {100.0 * finite.max():.2g} %" if len(finite) else "none left"
    )
    said = (
        f"{record.name}, {record.task_names[0]}: {good} of {len(left)} seeds come below {100.0 * tolerance:g} % of the "
        f"error of predicting the mean ({far}{', some diverged' if 0 < len(finite) < len(left) else ''})"
    )
    if good < len(left):
        mend = "look at the optimizer's rate and steps, the grid's range and the model's size"
        raise OverfitError(f"does NOT overfit one batch: {said}; {mend}")
    log.info("overfits one batch: %s", said)
    return record
