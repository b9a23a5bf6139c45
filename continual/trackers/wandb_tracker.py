"""The Weights & Biases tracker, online or offline, which no failure of its service can stop.

In one file: the life of a run at W&B, and all that may go wrong in it.
"""

from __future__ import annotations

__all__ = ["WandbTracker"]

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from continual.trackers import scalars
from continual.trackers.marker import Marker
from continual.trackers.tracker import RunInfo, Tracker
from continual.trackers.wandb_content import matrix, pictures, read_table, tables
from continual.trackers.wandb_folder import WandbFolder
from continual.trackers.wandb_service import FAILURES, Mode, first_line, forget, open_run, trial

if TYPE_CHECKING:
    import numpy as np
    import wandb
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records.record import Record

logger = logging.getLogger(__name__)

WORTH_A_PICTURE = 5.0
"""Seconds of training from which a run's picture, a third of a second's work, is drawn without being asked for."""

_NAME = r"[^/\\#?%:\x00-\x1f]{1,128}"
_FORBIDDEN = r"/ \ # ? % :"


class WandbTracker(Tracker):
    """Tracks runs with Weights & Biases, offline unless told otherwise; its files stay in the run's folder.

    A run has one W&B run, or one a member, under ids that follow from the one in `tracking.json`, however often it is
    interrupted. Offline they lie in `.tracking/` until they are finished and then move to `wandb/`, which holds nothing
    unfinished for `wandb sync` to find. What an earlier attempt has left is removed when the run starts again; so is an
    earlier report. Where `wandb agent` started the process, the run is the agent's trial.

    The environment variable `WANDB_MODE` can only make this more private: "disabled" and "offline" win over `mode`,
    "online" doesn't. A server that doesn't answer, a missing or a wrong key cost one warning and up to `init_timeout`
    a process, one that goes away `finish_timeout`: this run and later ones are then kept offline, and
    `python -m scripts.runs sync` uploads them whenever it suits.

    Args:
        mode: "offline" needs neither account nor network; "disabled" doesn't even import wandb.
        project: W&B project.
        entity: W&B user or team; None is the account's default.
        per_seed: whether each member has a W&B run of its own, in a group named after the run, in place of one for all.
        figures: whether the run's picture is drawn; "auto" for runs that took some seconds, since drawing takes a third
            of one.
        tags: added to those that every run has: the model's family, curriculum, optimizer, strategy.
        notes: put above the command in the run's notes.
        init_timeout: seconds to wait for the server at the start of an online run.
        finish_timeout: seconds that its end may wait for the upload; what is left then is still on disk.

    Raises:
        ValueError: `mode` or `figures` is none of those, a timeout isn't positive, or `project`, `entity` or a tag
            isn't a name that W&B takes.
    """

    _offline_only = False  # of the process: once the server failed, no later run waits for it

    def __init__(
        self,
        mode: Literal["online", "offline", "disabled"] = "offline",
        project: str = "kan-continual",
        entity: str | None = None,
        per_seed: bool = False,
        figures: Literal["auto", "always", "never"] = "auto",
        tags: Sequence[str] = (),
        notes: str | None = None,
        init_timeout: float = 4.0,
        finish_timeout: float = 5.0,
    ) -> None:
        if mode not in ("online", "offline", "disabled"):
            raise ValueError(f"tracker.mode must be online, offline or disabled, got {mode!r}")
        if figures not in ("auto", "always", "never"):
            raise ValueError(f"tracker.figures must be auto, always or never, got {figures!r}")
        for key, seconds in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            if not seconds > 0:
                raise ValueError(f"tracker.{key} must be positive seconds, got {seconds}")
        for key, name in (("project", project), ("entity", entity)):
            if name is not None and not (isinstance(name, str) and re.fullmatch(_NAME, name)):
                raise ValueError(f"tracker.{key} must be 1 to 128 characters without {_FORBIDDEN}, got {name!r}")
        if project is None:
            raise ValueError("tracker.project must be a name, got None")
        for tag in tags:
            if not (isinstance(tag, str) and 1 <= len(tag) <= 64):
                raise ValueError(f"tracker.tags must be of 1 to 64 characters each, got {tag!r}")
        self.mode = mode
        self.project = project
        self.entity = entity
        self.per_seed = per_seed
        self.figures = figures
        self.tags = list(tags)
        self.notes = notes
        self.init_timeout = init_timeout
        self.finish_timeout = finish_timeout
        self._runs: list[tuple[wandb.Run, int | None]] = []  # with the member that it is of; None for all
        self._online = False

    def ended(self, folder: Path) -> bool:
        """Whether W&B has heard everything of a run that is done, and an agent that it was asked for by as well."""
        asked = trial()
        other = asked is not None and Marker(folder, "wandb").read().get("id") != asked.key
        return super().ended(folder) and not (other and self.mode != "disabled")

    def start(self, run: RunInfo) -> None:
        """Opens the run, online or offline."""
        asked = trial()
        chosen = asked.chosen if asked is not None else ()
        split = self.per_seed and asked is None
        abouts = [
            {
                "member": member,
                "group": run.name[:128] if split else run.experiment,
                "name": run.name if member is None else f"{run.name}, seed {run.seeds[member]}",
                "job_type": "train" if member is None else "seed",
                "tags": list(
                    dict.fromkeys([*scalars.tags(run), *([run.experiment[:64]] if split else []), *self.tags])
                ),
                "notes": "\n\n".join(filter(None, [self.notes, run.command])) or None,
                # what a sweep has chosen stays under its name there, and wandb would drop ours
                "config": {
                    f"{key}_settings" if key in chosen else key: value
                    for key, value in scalars.settings(run, member).items()
                },
            }
            for member in (range(len(run.seeds)) if split else (None,))
        ]
        self._open(run.folder, abouts, None if asked is None else asked.key)

        def define(opened: wandb.Run, _: int | None) -> None:
            for axis, values in {"train/step": ["train/task", "curve/*"], "task/index": ["task/*"]}.items():
                opened.define_metric(axis)
                for name in values:
                    opened.define_metric(name, step_metric=axis)

        self._each(define)

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Logs loss and RMSE, mean and 95 % interval over the members or a member's own, against `train/step`."""
        at = {"train/step": step, "train/task": task + 1}

        def log(run: wandb.Run, m: int | None) -> None:
            row = scalars.curve_row(loss, rmse) if m is None else scalars.member_curve_row(loss[m], rmse[m])
            run.log(at | row)

        self._each(log)

    def accuracies(self, step: int, task: int, accuracy: NDArray[np.float64]) -> None:
        """Logs the accuracy on every task as `evaluation` does the RMSE."""
        at = {"train/step": step, "train/task": task + 1}

        def log(run: wandb.Run, m: int | None) -> None:
            run.log(at | (scalars.accuracy_row(accuracy) if m is None else scalars.member_accuracy_row(accuracy[m])))

        self._each(log)

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Logs the mean RMSE on every task, and over the tasks seen so far, against `task/index`."""

        def log(run: wandb.Run, m: int | None) -> None:
            run.log({"task/index": index} | scalars.task_row(index, rmse if m is None else rmse[m : m + 1]))

        self._each(log)

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Logs R as a table, the figures, and every metric into the run's summary; then closes the run."""
        drawn = self.figures == "always" or (self.figures == "auto" and record.seconds >= WORTH_A_PICTURE)

        def log(run: wandb.Run, m: int | None) -> None:
            run.summary.update(scalars.summary(record) if m is None else scalars.member_summary(record, m))
            if drawn and m is None:  # of all members, and so not where each has a run of its own
                with TemporaryDirectory() as folder:
                    run.log(pictures(figures, Path(folder)))
            run.log(matrix(run, record, range(len(record.seeds)) if m is None else [m]))

        self._each(log)
        self._close(exit_code=0)

    def abort(self) -> None:
        """Closes the run as failed."""
        self._close(exit_code=1)

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Logs the experiment's figures and table as a run of its own in the experiment's group."""
        if trial() is not None:  # the agent's run is the trial's
            return
        about = {"group": experiment, "name": f"{experiment} report", "job_type": "report", "tags": self.tags}
        self._open(folder, [{**about, "member": None, "notes": self.notes, "config": {}}])

        def log(run: wandb.Run, _: int | None) -> None:
            import wandb

            columns, rows = read_table(table)
            run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in figures.items()})
            run.log(tables(run, "table", columns, rows))

        self._each(log)
        self._close(exit_code=0)

    def _open(self, folder: Path, abouts: Sequence[Mapping[str, Any]], key: str | None = None) -> None:
        """Sets the current W&B runs; none where tracking is disabled, or fails even offline."""
        self._runs = []
        modes = {self.mode, os.environ.get("WANDB_MODE", "")}
        if "disabled" in modes:
            return
        try:
            self._folder = WandbFolder(folder, key)
        except OSError as error:
            self._give_up(error)
            return
        if modes <= {"online", ""} and not WandbTracker._offline_only:
            try:
                self._init("online", abouts)
                return
            except FAILURES as error:
                why = f"no W&B server could be used ({first_line(error)})"
            forget()
            self._folder.remove(("run-*",))  # `wandb sync` would upload it as an empty run
            self._go_offline(why)
        for own_settings in (True, False):
            try:
                self._init("offline", abouts, own_settings)
                return
            except FAILURES as error:
                self._folder.remove(())
                if "wandb" not in sys.modules or not own_settings:
                    self._give_up(error)
                    return
                logger.warning(
                    "W&B did not start (%s): once more without its settings; training goes on", first_line(error)
                )
                forget()

    def _init(self, mode: Mode, abouts: Sequence[Mapping[str, Any]], own_settings: bool = True) -> None:
        runs: list[tuple[wandb.Run, int | None]] = []
        until = time.monotonic() + self.init_timeout
        for about in abouts:
            rest = {key: value for key, value in about.items() if key != "member"}
            member = about["member"]
            run = open_run(
                self._folder.root(mode),
                mode,
                init_timeout=max(until - time.monotonic(), 0.1) if mode == "online" else self.init_timeout,
                finish_timeout=self.finish_timeout,
                own_settings=own_settings,
                id=self._folder.key if member is None else f"{self._folder.key}-{member}",
                project=self.project,
                entity=self.entity,
                **rest,
            )
            runs.append((run, member))
        self._runs, self._online = runs, mode == "online"

    def _close(self, exit_code: int) -> None:
        if not self._runs:
            return
        sent = self._online
        try:
            try:
                with ThreadPoolExecutor(len(self._runs)) as together:  # so that all wait at the same time
                    for _ in together.map(lambda opened: opened[0].finish(exit_code=exit_code), self._runs):
                        pass
            except TimeoutError:
                sent = False
                self._go_offline(f"W&B did not take the whole run within {self.finish_timeout:g} s")
            if exit_code == 0:
                self._folder.publish(sent=sent)
        except FAILURES as error:
            self._give_up(error)
        self._runs = []

    def _each(self, tell: Callable[[wandb.Run, int | None], None]) -> None:
        """Tells each of the current W&B runs; a failure of wandb ends its tracking of the run, and nothing else."""
        try:
            for run, member in self._runs:
                tell(run, member)
        except FAILURES as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        self._runs = []
        logger.warning("W&B tracks this run no further (%s); training goes on", first_line(error))
        forget()

    def _go_offline(self, why: str) -> None:
        if not WandbTracker._offline_only:
            WandbTracker._offline_only = True
            logger.warning(
                "%s: this run and later ones are kept offline. Check the network and `wandb login`; "
                "to upload them: python -m scripts.runs sync %s",
                why,
                self._folder.path,
            )
