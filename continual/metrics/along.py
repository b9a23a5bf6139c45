r"""Metrics of evaluations along training: what happens between the ends of tasks.

De Lange et al. (2023, https://arxiv.org/abs/2205.13452) evaluate every few steps and see that a task's accuracy falls
when the next one begins and partly comes back: the ends of tasks alone hide it. They report the minimum; what came back
has a number of its own here. How much is seen depends on how often was evaluated (`training.evaluate_every`).

Scores \(a_{n,j}\) of task j after n steps are errors, or with `higher` something of which more is better.
"""

__all__ = ["learning_curve_area", "stability_gap", "worst_case", "worst_since_learned"]

import numpy as np
from numpy.typing import NDArray

from continual.metrics.matrix import several_tasks
from continual.metrics.metric import Evaluations, Measured, Metric, Undefined

Array = NDArray[np.float64]


def _as_errors(found: Evaluations, higher: bool) -> Array:
    """Scores with their sign turned where more is better, (M, E, T); refuses shapes that do not fit."""
    scores = np.asarray(found.scores, dtype=np.float64)
    if scores.ndim != 3 or scores.shape[1:] != (len(found.step), len(found.boundaries)):
        raise ValueError(
            f"scores must have shape (M, {len(found.step)}, {len(found.boundaries)}), as many as there are "
            f"evaluations and tasks, got {scores.shape}"
        )
    return -scores if higher else scores


def _spans(found: Evaluations, between: bool = True) -> list[tuple[int, int]]:
    """Of each task the indices of the evaluations before its first step and after its last.

    Raises:
        Undefined: one is missing there, or `between` them.
    """
    step = np.asarray(found.step)
    ends = np.searchsorted(step, [0, *found.boundaries], side="right") - 1
    if (ends < 0).any() or (step[ends] != np.array([0, *found.boundaries])).any():
        raise Undefined("no evaluation at the end of a task")
    spans = list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    if between and any(last - first < 2 for first, last in spans):
        raise Undefined("no evaluation between the ends of tasks (training.evaluate_every)")
    return spans


def stability_gap(found: Evaluations, higher: bool = False) -> Array:
    r"""How far tasks get worse while another one is learned, and come back from,
    \(\frac{2}{T(T-1)} \sum_{j<i} \big(\max_{n \in i} e_{n,j} - \max(e_{b_{i-1},j}, e_{b_i,j})\big)\).

    Task i is trained from step \(b_{i-1}\) to \(b_i\). What stays lost is forgetting and does not count, nor does
    what only gets better: 0 where every curve is monotonic. NaN for a single task.

    Args:
        found: evaluations, some of them within every task.
        higher: whether more is better.

    Returns:
        (M,), in units of the score; lower is better.

    Raises:
        Undefined: nothing was evaluated between the ends of tasks.
    """  # noqa: D205
    errors = _as_errors(found, higher)
    gaps = []
    for i, (first, last) in enumerate(_spans(found)):
        for j in range(i):
            curve = errors[:, first : last + 1, j]
            gaps.append(curve.max(axis=1) - np.maximum(curve[:, 0], curve[:, -1]))
    return np.mean(gaps, axis=0) if gaps else np.full(len(errors), np.nan)


def worst_since_learned(found: Evaluations, higher: bool = False) -> Array:
    r"""Mean over tasks but the last of the worst score since it was learned, \(\frac{1}{T-1} \sum_{j<T} \max_{n \ge
    b_j} e_{n,j}\).

    De Lange et al.'s min-ACC: of an accuracy (`higher`) the minimum. NaN for a single task.

    Args:
        found: evaluations.
        higher: whether more is better.

    Returns:
        (M,), in units of the score.
    """  # noqa: D205
    errors = _as_errors(found, higher)
    ends = [last for _, last in _spans(found, between=False)][:-1]
    if not ends:
        return np.full(len(errors), np.nan)
    worst = np.mean([errors[:, last:, j].max(axis=1) for j, last in enumerate(ends)], axis=0)
    return -worst if higher else worst


def worst_case(found: Evaluations, higher: bool = False) -> Array:
    r"""The last task at the end and the others at their worst,
    \(\frac1T e_{b_T,T} + (1 - \frac1T) \, \mathrm{worst}\), with `worst_since_learned`.

    De Lange et al.'s WC-ACC: learning and the worst of forgetting in one number. NaN for a single task.

    Args:
        found: evaluations.
        higher: whether more is better.

    Returns:
        (M,), in units of the score.
    """  # noqa: D205
    T = len(found.boundaries)
    scores = np.asarray(found.scores, dtype=np.float64)
    return scores[:, _spans(found, between=False)[-1][1], -1] / T + (1 - 1 / T) * worst_since_learned(found, higher)


def learning_curve_area(found: Evaluations) -> Array:
    r"""Mean score of a task while it is learned, \(\frac1T \sum_j \frac{1}{b_j - b_{j-1}} \int_{b_{j-1}}^{b_j} a_{n,j}
    \, dn\), by the trapezoidal rule.

    Chaudhry et al.'s area under the learning curve (2019, https://arxiv.org/abs/1812.00420) over all steps of a task
    in place of the first batches: of two that learn the same, the faster one has the better area.

    Args:
        found: evaluations, some of them within every task.

    Returns:
        (M,), in units of the score: for an error lower is better.

    Raises:
        Undefined: nothing was evaluated between the ends of tasks.
    """  # noqa: D205
    scores = _as_errors(found, False)
    areas = []
    for j, (first, last) in enumerate(_spans(found)):
        step = np.asarray(found.step[first : last + 1], dtype=np.float64)
        curve = scores[:, first : last + 1, j]
        areas.append((0.5 * (curve[:, 1:] + curve[:, :-1]) * np.diff(step)).sum(axis=1) / (step[-1] - step[0]))
    return np.mean(areas, axis=0)


def _of_several(run: Measured) -> Evaluations:
    several_tasks(run)
    return run.evaluations


_UNIT = "RMSE, units of the target"

MEASURES = (
    Metric(
        "stability_gap",
        "stability gap",
        False,
        "how far tasks get worse while a later one is learned, and come back from: mean over j < i of (largest RMSE on "
        "task j while task i was learned − the larger of those before and after it). 0 where nothing comes back; what "
        "stays lost is forgetting. It sees what was evaluated, see training.evaluate_every.",
        lambda run: stability_gap(_of_several(run)),
        "0 = none",
        needs="curves",
    ),
    Metric(
        "maximum_rmse",
        "maximum RMSE",
        False,
        "mean over all tasks but the last of the largest RMSE since the task was learned, over all evaluations.",
        lambda run: worst_since_learned(_of_several(run)),
        _UNIT,
        kind="error",
        needs="curves",
    ),
    Metric(
        "worst_case_rmse",
        "worst-case RMSE",
        False,
        "the last task at the end, all others at their worst since they were learned: R[T, T] / T + (1 − 1/T) · "
        "maximum RMSE.",
        lambda run: worst_case(_of_several(run)),
        _UNIT,
        kind="error",
        needs="curves",
    ),
    Metric(
        "learning_curve_area",
        "learning-curve area",
        False,
        "mean RMSE on a task over the steps in which it was learned, mean over the tasks: of two models that learn the "
        "same, the faster one has less.",
        lambda run: learning_curve_area(run.evaluations),
        _UNIT,
        kind="error",
        needs="curves",
    ),
)
"""Metrics of the evaluations along training."""
