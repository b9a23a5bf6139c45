"""Experiment trackers: where a run's settings, curves, metrics and figures go besides its own folder.

A tracker only ever receives: a run is complete without one, and no failure of a tracker's service stops training.
"""

from __future__ import annotations

__all__ = ["Clocked", "RunInfo", "Tracker"]

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from continual.extension import Extension
from continual.trackers.marker import tracking_ended

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records.record import Record

logger = logging.getLogger(__name__)


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
        command: trains it alone, or goes on with it; nothing where nobody knows.
        axes: settings that the command line or a sweep chose for it, by short names.
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
    command: str = ""
    axes: Mapping[str, Any] = field(default_factory=dict)


class Tracker(Extension):
    """A tracker that does nothing, and the interface of those that do.

    One tracker follows one run at a time: `start`, then any number of `evaluation`, `accuracies` and `task_done` (see
    `continual.extension.Extension`), then `finish` or `abort`. `report` stands alone. Shapes: M members, T tasks.
    """

    def ended(self, folder: Path) -> bool:
        """Whether a run that is done needs no `complete`; it raises nothing.

        Args:
            folder: the run's.
        """
        return tracking_ended(folder)

    def start(self, run: RunInfo) -> None:
        """Opens the run."""

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Takes the finished run and closes it.

        Args:
            record: the run as written to its folder.
            figures: draws its figures, by name; called only by a tracker that shows them.
        """

    def abort(self) -> None:
        """Closes a run that was interrupted or failed, marked as such; without a run does nothing."""

    def complete(self, record: Record, run: RunInfo, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Takes a run that is done, but whose tracker had not ended: tells it everything again, from the record.

        Args:
            record: the run as written to its folder.
            run: what `start` takes.
            figures: what `finish` takes.
        """
        self.start(run)
        curves = record.curves
        boundaries = [0, *curves["boundaries"].tolist()]
        told = 0
        for e, (step, task) in enumerate(zip(curves["step"].tolist(), curves["task"].tolist(), strict=True)):
            self.evaluation(step, task, curves["loss"][:, e], curves["rmse"][:, e])
            if "accuracy" in curves:
                self.accuracies(step, task, curves["accuracy"][:, e])
            if told < len(boundaries) and step == boundaries[told]:
                self.task_done(told, record.R[:, told])
                told += 1
        self.finish(record, figures)

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Takes what an experiment ends with.

        Args:
            experiment: its name.
            folder: its folder.
            figures: paths of its figures (PNG) by name.
            table: path of its table (CSV, with a header).
        """


class Clocked(Tracker):
    """Any tracker, with a clock, and a guard: whatever it raises ends its tracking of the run, with one warning.

    Only Ctrl-C passes. After a failure the tracker hears no more of the run; `start`, `complete` and `report` begin
    anew.

    Args:
        tracker: the one that is told.

    Attributes:
        seconds: wall-clock seconds in the tracker's methods so far.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.seconds = 0.0
        self._lost = False

    def start(self, run: RunInfo) -> None:
        """Opens the run."""
        self._lost = False
        self._tell(lambda: self.tracker.start(run))

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Takes one evaluation along training."""
        self._tell(lambda: self.tracker.evaluation(step, task, loss, rmse))

    def accuracies(self, step: int, task: int, accuracy: NDArray[np.float64]) -> None:
        """Takes the accuracies of one evaluation along training."""
        self._tell(lambda: self.tracker.accuracies(step, task, accuracy))

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Takes the row of R that belongs to a number of tasks learned."""
        self._tell(lambda: self.tracker.task_done(index, rmse))

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Takes the finished run and closes it."""
        self._tell(lambda: self.tracker.finish(record, figures))

    def complete(self, record: Record, run: RunInfo, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Takes a run that is done, but whose tracker had not ended."""
        self._lost = False
        self._tell(lambda: self.tracker.complete(record, run, figures))

    def abort(self) -> None:
        """Closes a run that was interrupted or failed."""
        self._tell(self.tracker.abort)

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Takes what an experiment ends with."""
        self._lost = False
        self._tell(lambda: self.tracker.report(experiment, folder, figures, table))

    def _tell(self, call: Callable[[], None]) -> None:
        if self._lost:
            return
        began = time.perf_counter()
        try:
            call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a tracker may even exit, or panic in a language of its own
            self._lost = True
            text = " ".join(str(error).split())[:200]
            logger.warning(
                "%s tracks this run no further (%s%s); nothing else is affected",
                type(self.tracker).__name__,
                type(error).__name__,
                f": {text}" if text else "",
            )
        finally:
            self.seconds += time.perf_counter() - began
