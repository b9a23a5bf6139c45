"""Curves and matrices of runs as short texts, within a budget, so that a page of a thousand runs opens at once."""

__all__ = ["CURVES", "MATRICES", "Series", "encode"]

import base64
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.records.files import UnusableFileError
from continual.records.record import Record
from continual.reports.bands import BAND, band

CURVES = 600_000
"""Numbers that the curves of all runs of a page may take, four bytes each."""

MATRICES = 200_000
"""Numbers that the matrices R of all runs of a page may take."""

MOST, FEWEST = 240, 16
"""Evaluations of a run that a page keeps, at most and at least."""


@dataclass(frozen=True)
class Series:
    """What a page embeds of a run's training.

    Args:
        tasks: names of the tasks.
        curves: float32 in base64: the steps (P,), then of each quantity 10 % quantile, median and 90 % quantile over
            the members (3, P); "" where there are none.
        quantities: of the curves: "mean" (of the tasks' RMSEs), "0", "1", … (RMSE on a task), "loss", and of
            classifications "accuracy" (the mean of the tasks').
        points: P.
        evaluations: of which these are some.
        boundaries: steps done when each task ended.
        matrix: float32 in base64: the median over the members of R (T+1, T); "" where there is none.
    """

    tasks: list[str]
    curves: str = ""
    quantities: list[str] = field(default_factory=list)
    points: int = 0
    evaluations: int = 0
    boundaries: list[int] = field(default_factory=list)
    matrix: str = ""


def encode(records: Sequence[Record | None]) -> list[Series | None]:
    """The series of each record; None for None.

    All runs keep the same number of evaluations at most: as many as fit `CURVES`, and at least `FEWEST`. Where these
    do not fit for every task, the mean over the tasks and the loss do; where not even they do, the last runs have no
    curves. Every point is an evaluation that was made; the first, the last and those at the ends of tasks are kept.
    """
    there = [record for record in records if record is not None]
    sizes = [3 * (len(record.task_names) + 2 + (record.accuracy is not None)) + 1 for record in there]
    whole = not sizes or sum(sizes) * FEWEST <= CURVES
    each = sum(sizes) if whole else 7 * len(sizes)
    points = min(max(CURVES // max(each, 1), FEWEST), MOST)
    left, matrices = CURVES, MATRICES
    found: list[Series | None] = []
    for record in records:
        if record is None:
            found.append(None)
            continue
        series = _curves(record, points, whole) if left > 0 else Series(record.task_names)
        left -= series.points * (3 * len(series.quantities) + 1)
        size = record.R[0].size if len(record.R) else 0
        if 0 < size <= matrices:
            matrices -= size
            series = Series(**{**vars(series), "matrix": _text(band(record.R, (0.5,))[0])})
        found.append(series)
    return found


def _curves(record: Record, points: int, whole: bool) -> Series:
    try:
        arrays = record.curves
        steps, tasks, rmse = arrays["step"], arrays["task"], arrays["rmse"]  # (E,), (E,), (M, E, T)
    except (UnusableFileError, OSError, KeyError, zipfile.BadZipFile):
        return Series(record.task_names)
    if rmse.ndim != 3 or not len(steps):
        return Series(record.task_names)
    kept = thinned(tasks, points)
    rmse = rmse[:, kept]
    quantities = {"mean": rmse.mean(axis=-1)} if rmse.shape[-1] > 1 else {}
    if whole or not quantities:
        quantities |= {str(task): rmse[..., task] for task in range(rmse.shape[-1])}
    if "accuracy" in arrays:
        quantities["accuracy"] = arrays["accuracy"][:, kept].mean(axis=-1)
    if "loss" in arrays:
        quantities["loss"] = arrays["loss"][:, kept]
    low, high = BAND
    spread = band(np.stack(list(quantities.values()), axis=1), (low, 0.5, high))  # (3, Q, P)
    return Series(
        record.task_names,
        _text(np.concatenate([steps[kept].astype(np.float64), spread.swapaxes(0, 1).ravel()])),
        list(quantities),
        len(kept),
        len(steps),
        [int(step) for step in arrays.get("boundaries", ())],
    )


def thinned(tasks: NDArray[np.integer], most: int) -> NDArray[np.intp]:
    """Which evaluations to keep: the first, the last, those at the ends of tasks and after, and evenly spaced ones.

    Args:
        tasks: index of the task in training at each evaluation, (E,).
        most: how many, about; all where there are no more.

    Returns:
        Their indices, in order.
    """
    count = len(tasks)
    if count <= most:
        return np.arange(count)
    ends = np.flatnonzero(np.diff(tasks))
    wanted = np.concatenate([[0, count - 1], ends, ends + 1])
    if len(wanted) > most:
        wanted = np.array([0, count - 1])
    even = np.linspace(0, count - 1, max(most - len(np.unique(wanted)), 2)).round().astype(np.intp)
    return np.unique(np.concatenate([wanted, even])).astype(np.intp)


def _text(values: ArrayLike) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
