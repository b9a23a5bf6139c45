"""Metrics that hold a run against another one of the same model, curriculum and budget, seed by seed.

The other run is one of the same experiment whose config is the same but for the strategy.
"""

__all__ = ["intransigence", "plasticity"]

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.metrics.matrix import learned_of, matrix_of, several_tasks
from continual.metrics.metric import Measured, Metric

Array = NDArray[np.float64]


def plasticity(R: ArrayLike, fresh: ArrayLike, higher: bool = False) -> Array:
    r"""How much better a task is learned than by a fresh model, \(\frac{1}{T-1} \sum_{j \ge 2} (F_{j,j} - R_{j,j})\).

    Below zero the tasks before have cost the ability to learn. The first task is left out: every model is fresh then.

    Args:
        R: matrix of what was measured, an RMSE say, (..., T+1, T).
        fresh: F, the same of a fresh model for each task, with the same budget.
        higher: whether more of what was measured is better.

    Returns:
        (...), positive is better. NaN for a single task.
    """
    own, others = learned_of(matrix_of(R)), learned_of(matrix_of(fresh))
    if own.shape[-1] < 2:
        return np.full(own.shape[:-1], np.nan)
    gain = (others - own)[..., 1:].mean(axis=-1)
    return -gain if higher else gain


def intransigence(R: ArrayLike, joint: ArrayLike, higher: bool = False) -> Array:
    r"""How much worse a task is learned than by a model of all tasks at once, \(\frac1T \sum_j (R_{j,j} - J_{T,j})\).

    Chaudhry et al. (2018, https://arxiv.org/abs/1801.10112), with its sign turned for an error, and one joint model of
    all tasks as the reference in place of one for each number of tasks.

    Args:
        R: matrix of what was measured, an RMSE say, (..., T+1, T).
        joint: J, the same of a model that trained on all tasks from the start.
        higher: whether more of what was measured is better.

    Returns:
        (...), positive is worse.
    """
    loss = (learned_of(matrix_of(R)) - matrix_of(joint)[..., -1, :]).mean(axis=-1)
    return -loss if higher else loss


def _plasticity(run: Measured) -> Array:
    return plasticity(several_tasks(run), run.reference("independent"))


_UNPAIRED = "the other run lacks this seed, or diverged with it"

MEASURES = (
    Metric(
        "plasticity",
        "plasticity",
        True,
        "how much better tasks are learned than by a fresh model with the same budget: mean over j ≥ 2 of "
        "(F[j, j] − R[j, j]), with F that of the run with strategy=independent in the same experiment, seed by seed. "
        "Below zero the ability to learn was lost.",
        _plasticity,
        "positive = better",
        _UNPAIRED,
        needs="another run",
    ),
    Metric(
        "intransigence",
        "intransigence",
        False,
        "how much worse tasks are learned than by a model that has all of them from the start: mean over j of "
        "(R[j, j] − J[T, j]), with J that of the run with strategy=joint in the same experiment, seed by seed.",
        lambda run: intransigence(run.R, run.reference("joint")),
        "positive = worse",
        _UNPAIRED,
        needs="another run",
    ),
)
"""Metrics against another run."""
