"""Experiment trackers: where a run's settings, curves, metrics and figures go besides its own folder.

A tracker only ever receives: a run is complete without one, and no failure of a tracker's service stops training.
"""

from __future__ import annotations

__all__ = ["RunInfo", "Tracker"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records import Record


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run before it trains.

    Attributes:
        experiment: name of the experiment that the run belongs to.
        name: label of the run in tables and figures.
        identity: hash of the resolved config, without the parts that can't change the result.
        folder: the run's folder.
        config: the resolved config in plain containers, opaque here.
        parameters: "trainable" and "total" parameters of one member.
        task_names: names of the tasks in the order in which they are learned, (T,).
        seeds: one seed a member, (M,).
        family: family of the model, "KAN" or "MLP".
    """

    experiment: str
    name: str
    identity: str
    folder: Path
    config: Mapping[str, Any]
    parameters: Mapping[str, int]
    task_names: Sequence[str]
    seeds: Sequence[int]
    family: str


class Tracker:
    """A tracker that does nothing, and the interface of those that do.

    One tracker follows one run at a time: `start`, then any number of `evaluation` and `task_done`, then `finish` or
    `abort`. `report` stands alone. Shapes: M members, T tasks.
    """

    def start(self, run: RunInfo) -> None:
        """Opens the run."""

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Takes one evaluation along training.

        Args:
            step: training steps done, over all tasks.
            task: index from 0 of the task in training, -1 before the first.
            loss: training loss, (M,).
            rmse: test RMSE on every task, (M, T), in units of the target.
        """

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Takes the row of R that belongs to a number of tasks learned.

        Args:
            index: tasks learned so far, 0 (untrained) to T.
            rmse: test RMSE on every task, (M, T), in units of the target.
        """

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Takes the finished run and closes it.

        Args:
            record: the run as written to its folder.
            figures: draws its figures, by name; called only by a tracker that shows them.
        """

    def abort(self) -> None:
        """Closes a run that was interrupted or failed, marked as such; without a run does nothing."""

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Takes what an experiment ends with.

        Args:
            experiment: its name.
            folder: its folder.
            figures: paths of its figures (PNG) by name.
            table: path of its table (CSV, with a header).
        """
