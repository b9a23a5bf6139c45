"""TensorBoard: a run's event files in its own folder."""

from __future__ import annotations

__all__ = ["TensorBoardTracker"]

import json
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from continual.records.store import flat, is_number
from continual.trackers import scalars
from continual.trackers.marker import Marker
from continual.trackers.tracker import RunInfo, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records.record import Record

PLACE = "tensorboard"
"""Folder of the event files in that of a run or an experiment: `tensorboard --logdir results` finds all of them."""


class TensorBoardTracker(Tracker):
    """Writes curves, rows of R, settings and metrics as TensorBoard reads them.

    Curves have the number of training steps as their axis, `task/...` the number of tasks learned. Settings and metrics
    are hyperparameters there, for its table and parallel coordinates. A run that is begun again is told from the start,
    in place of what an earlier attempt has left.

    Args:
        figures: whether the run's picture is drawn, a third of a second's work.

    Raises:
        ValueError: TensorBoard isn't installed.
    """

    def __init__(self, figures: bool = False) -> None:
        if find_spec("tensorboard") is None:
            raise ValueError("tracker=tensorboard needs a package that is not installed: pip install tensorboard")
        self.figures = figures
        self._writer: Any = None

    def start(self, run: RunInfo) -> None:
        """Opens the event file."""
        self._open(run.folder)
        self._settings = {
            key: value if isinstance(value, bool | str) or is_number(value) else json.dumps(value, default=str)
            for key, value in flat(scalars.settings(run)).items()
        }
        self._writer.add_text("command", run.command)

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Writes mean and 95 % interval of loss and RMSE over the members, at the training step."""
        for name, value in (scalars.curve_row(loss, rmse) | {"train/task": task + 1}).items():
            self._writer.add_scalar(name, value, step)

    def accuracies(self, step: int, task: int, accuracy: NDArray[np.float64]) -> None:
        """Writes mean and 95 % interval of the accuracy on every task, at the training step."""
        for name, value in scalars.accuracy_row(accuracy).items():
            self._writer.add_scalar(name, value, step)

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Writes the mean RMSE on every task, and over the tasks seen so far, at the number of tasks learned."""
        for name, value in scalars.task_row(index, rmse).items():
            self._writer.add_scalar(name, value, index)

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Writes settings and metrics, and the picture where it is wanted; then closes the file."""
        self._writer.add_hparams(self._settings, scalars.summary(record), run_name=".")
        for name, draw in figures.items() if self.figures else ():
            self._writer.add_figure(name, draw())
        self._close()

    def abort(self) -> None:
        """Closes the file; the run is not marked as ended."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Writes the experiment's figures, and its table as text."""
        self._open(folder)
        for name, path in figures.items():
            with Image.open(path) as picture:
                self._writer.add_image(name, np.asarray(picture.convert("RGB")), dataformats="HWC")
        header, *lines = [line.replace(",", " | ") for line in table.read_text(encoding="utf-8").splitlines()]
        self._writer.add_text("table", "  \n".join([header, "|".join(["---"] * (header.count("|") + 1)), *lines]))
        self._close()

    def _open(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._marker = Marker(folder, "tensorboard")
        self._marker.write(ended=False)
        shutil.rmtree(folder / PLACE, ignore_errors=True)
        self._writer = SummaryWriter(str(folder / PLACE))

    def _close(self) -> None:
        self.abort()
        self._marker.write(ended=True)
