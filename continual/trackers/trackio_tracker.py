"""trackio: runs in its local database, which `trackio show` displays."""

from __future__ import annotations

__all__ = ["TrackioTracker"]

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from continual.trackers import scalars
from continual.trackers.marker import Marker
from continual.trackers.tracker import RunInfo, Tracker

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records.record import Record


class TrackioTracker(Tracker):
    """Logs curves, rows of R and metrics into trackio's database on this machine; nothing leaves it.

    A run that is begun again is told from the start, in place of what an earlier attempt has left. trackio's place is
    its own, `TRACKIO_DIR` or a folder of the home.

    Args:
        project: trackio project.

    Raises:
        ValueError: trackio isn't installed.
    """

    def __init__(self, project: str = "kan-continual") -> None:
        if find_spec("trackio") is None:
            raise ValueError("tracker=trackio needs a package that is not installed: pip install trackio")
        self.project = project
        self._run: Any = None

    def start(self, run: RunInfo) -> None:
        """Opens the run, under its name and the id in `tracking.json`."""
        import trackio

        self._marker = Marker(run.folder, "trackio")
        self._marker.write(ended=False)
        name = f"{run.name} {self._marker.key}"
        with redirect_stdout(io.StringIO()):
            with suppress(ValueError):  # there is no such project yet
                for old in list(trackio.Api().runs(self.project)):
                    if old.name == name:
                        old.delete()
            self._run = trackio.init(
                self.project,
                name=name,
                group=run.experiment,
                config=scalars.settings(run),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Logs mean and 95 % interval of loss and RMSE over the members, at the training step."""
        self._run.log(scalars.curve_row(loss, rmse) | {"train/task": task + 1}, step=step)

    def accuracies(self, step: int, task: int, accuracy: NDArray[np.float64]) -> None:
        """Logs mean and 95 % interval of the accuracy on every task, at the training step."""
        self._run.log(scalars.accuracy_row(accuracy), step=step)

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Logs the mean RMSE on every task, and over the tasks seen so far, at the number of tasks learned."""
        self._run.log({"task/index": index} | scalars.task_row(index, rmse), step=index)

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Logs every metric, and closes the run."""
        self._run.log(scalars.summary(record))
        self.abort()
        self._marker.write(ended=True)

    def abort(self) -> None:
        """Closes the run; it is not marked as ended."""
        if self._run is not None:
            import trackio

            self._run = None
            with redirect_stdout(io.StringIO()):
                trackio.finish()  # not the run's own, which would be finished once more as Python ends
