"""The stages of a run whose model grows: what it had reached at the end of each, for curves of error against size."""

__all__ = ["Stage", "best_stage", "pareto_front", "stages"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from continual.records.record import Record


@dataclass(frozen=True)
class Stage:
    """The end of a stretch of training in which the size of the model did not change; M members.

    Args:
        step: training steps done.
        parameters: trained parameters of one member.
        grid_size: intervals of the model's finest grid; None where it has no grids.
        rmse: test RMSE, mean over tasks, (M,).
        median: the same with the median over the samples in place of the mean, (M,).
        train: training RMSE before the last step, (M,).
        seconds: wall-clock time in optimizer steps up to here, for all members together.
        own_seconds: the part of it in this stage.
    """

    step: int
    parameters: int
    grid_size: int | None
    rmse: NDArray[np.float64]
    median: NDArray[np.float64]
    train: NDArray[np.float64]
    seconds: float
    own_seconds: float

    @property
    def typical(self) -> float:
        """Test RMSE of the median member; one that diverged counts as infinite."""
        return float(np.median(np.where(np.isfinite(self.rmse), self.rmse, np.inf)))


def stages(record: Record) -> list[Stage]:
    """The stages of a run in order, one for a model that never changed its size.

    A stage ends at the last evaluation before the number of trained parameters or of intervals changes; training has
    to be evaluated there, so `training.evaluate_every` should divide the steps between changes.
    """
    curves = record.curves
    sizes = curves["parameters"]
    grids = curves.get("grid_size")
    along = record.seconds_along
    changes = np.diff(sizes) != 0
    if grids is not None:
        changes |= np.diff(grids) != 0
    ends = [*(int(i) for i in np.flatnonzero(changes) if curves["step"][i] > 0), len(sizes) - 1]
    found = []
    begun = 0.0
    for end in ends:
        done = float(along[end])
        found.append(
            Stage(
                int(curves["step"][end]),
                int(sizes[end]),
                None if grids is None else int(grids[end]),
                curves["rmse"][:, end].mean(axis=1),
                curves["median"][:, end].mean(axis=1),
                np.sqrt(curves["loss"][:, end]),
                done,
                done - begun,
            )
        )
        begun = done
    return found


def best_stage(records: Sequence[Record]) -> tuple[Record, Stage] | None:
    """The stage with the lowest test RMSE of the median member among those of all records; None without records."""
    every = [(record, stage) for record in records for stage in stages(record)]
    return min(every, key=lambda found: found[1].typical) if every else None


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points no other beats: none as small or smaller has as low or lower an error.

    Args:
        points: (size, error) of each; those that are not finite are left out.

    Returns:
        Their indices by ascending size, so that errors fall; of equal points the first.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if np.isfinite(points[index]).all() and (not front or points[index][1] < points[front[-1]][1]):
            front.append(index)
    return front
