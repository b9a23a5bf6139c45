"""The Weights & Biases tracker, online or offline, which no failure of its service can stop.

In one file: the life of a run at W&B, and all that may go wrong in it.
"""

from __future__ import annotations

__all__ = ["WandbTracker"]

import io
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from continual.metrics import summarize
from continual.records.files import replace_file
from continual.trackers.tracker import MARKER, RunInfo, Tracker
from continual.trackers.wandb_content import finite, read_table, summary, tables

if TYPE_CHECKING:
    import wandb
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from continual.records.record import Record

logger = logging.getLogger(__name__)

FINISH_TIMEOUT = 20.0
"""Seconds that the end of an online run may wait for its upload; what is left then is still on disk."""

_FAILURES = (Exception, SystemExit)
"""What wandb may raise: its import, its settings, its service, the network and the disk have no list of their own."""

_NAME = r"[^/\\#?%:\x00-\x1f]{1,128}"
_FORBIDDEN = r"/ \ # ? % :"

_NOT_OURS = (
    "WANDB_MODE",
    "WANDB_RUN_ID",
    "WANDB_RESUME",
    "WANDB_SWEEP_ID",
    "WANDB_RUN_GROUP",
    "WANDB_JOB_TYPE",
    "WANDB_NAME",
    "WANDB_DIR",
    "WANDB_FORK_FROM",
    "WANDB_RESUME_FROM",
)
_UNFINISHED = ".tracking"


class WandbTracker(Tracker):
    """Tracks runs with Weights & Biases, offline unless told otherwise; its files stay in the run's folder.

    A run has one W&B run, under one id that `tracking.json` holds, however often it is interrupted. Offline it lies in
    `.tracking/` until it is finished and then moves to `wandb/`, which holds nothing unfinished for `wandb sync` to
    find. What an earlier attempt has left is removed when the run starts again; so is an earlier report.

    The environment variable `WANDB_MODE` can only make this more private: "disabled" and "offline" win over `mode`,
    "online" doesn't. A server that doesn't answer, a missing or a wrong key cost one warning and up to `init_timeout`
    a process: this run and later ones are then kept offline, and `wandb sync` uploads them whenever it suits.

    Args:
        mode: "offline" needs neither account nor network; "disabled" doesn't even import wandb.
        project: W&B project.
        entity: W&B user or team; None is the account's default.
        init_timeout: seconds to wait for the server at the start of an online run.

    Raises:
        ValueError: `mode` is none of the three, `init_timeout` isn't positive, or `project` or `entity` isn't a name
            that W&B takes.
    """

    _offline_only = False  # of the process: once the server failed, no later run waits for it

    def __init__(
        self,
        mode: Literal["online", "offline", "disabled"] = "offline",
        project: str = "kan-continual",
        entity: str | None = None,
        init_timeout: float = 6.0,
    ) -> None:
        if mode not in ("online", "offline", "disabled"):
            raise ValueError(f"tracker.mode must be online, offline or disabled, got {mode!r}")
        if not init_timeout > 0:
            raise ValueError(f"tracker.init_timeout must be positive seconds, got {init_timeout}")
        for key, name in (("project", project), ("entity", entity)):
            if name is not None and not (isinstance(name, str) and re.fullmatch(_NAME, name)):
                raise ValueError(f"tracker.{key} must be 1 to 128 characters without {_FORBIDDEN}, got {name!r}")
        if project is None:
            raise ValueError("tracker.project must be a name, got None")
        self.mode = mode
        self.project = project
        self.entity = entity
        self.init_timeout = init_timeout
        self._run: wandb.Run | None = None
        self._folder = Path()

    def start(self, run: RunInfo) -> None:
        """Opens the run, online or offline."""
        self._open(
            run.folder,
            group=run.experiment,
            name=run.name,
            job_type="train",
            tags=[run.family],
            config={
                "identity": run.identity,
                "seeds": list(run.seeds),
                "task_names": list(run.task_names),
                **run.config,
                "parameters": dict(run.parameters),
            },
        )
        if self._run is None:
            return
        with self._surviving() as opened:
            for axis, values in {"train/step": ["train/task", "curve/*"], "task/index": ["task/*"]}.items():
                opened.define_metric(axis)
                for name in values:
                    opened.define_metric(name, step_metric=axis)

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """Logs mean and 95 % interval of loss and RMSE over the members against `train/step`."""
        if self._run is None:
            return
        names = ["curve/loss", *(f"curve/rmse/task_{j + 1}" for j in range(rmse.shape[1]))]
        along = summarize(finite(np.column_stack([loss, rmse])))
        row: dict[str, float] = {"train/step": step, "train/task": task + 1}
        row["curve/diverged"] = int((~np.isfinite(rmse)).any(axis=1).sum())
        for name, mean, half in zip(names, along.mean, along.half_width, strict=True):
            row[f"{name}/mean"] = float(mean)
            if along.members > 1:  # one member has no interval
                row[f"{name}/low"] = float(mean - half)
                row[f"{name}/high"] = float(mean + half)
        with self._surviving() as run:
            run.log(row)

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """Logs the mean RMSE on every task, and over the tasks seen so far, against `task/index`."""
        if self._run is None:
            return
        values = finite(rmse)
        row: dict[str, float] = {"task/index": index}
        for j, mean in enumerate(summarize(values).mean):
            row[f"task/rmse/task_{j + 1}"] = float(mean)
        if index > 0:
            row["task/seen_rmse"] = float(summarize(values[:, :index].mean(axis=1)).mean)
        with self._surviving() as run:
            run.log(row)

    def finish(self, record: Record, figures: Mapping[str, Callable[[], Figure]]) -> None:
        """Logs R as a table, the figures, and every metric into the run's summary; then closes the run."""
        if self._run is None:
            return
        rows = [
            [record.seeds[m], i, j + 1, float(value) if np.isfinite(value) else None]
            for (m, i, j), value in np.ndenumerate(record.R)
        ]
        with self._surviving() as run:
            import wandb

            pictures = {name: io.BytesIO() for name in figures}
            for name, draw in figures.items():
                draw().savefig(pictures[name], format="png")
            run.summary.update(summary(record))
            run.log({f"figures/{name}": wandb.Image(Image.open(png)) for name, png in pictures.items()})
            run.log(tables(run, "R", ["seed", "tasks_learned", "task", "rmse"], rows))
        self._close(exit_code=0)

    def abort(self) -> None:
        """Closes the run as failed."""
        self._close(exit_code=1)

    def report(self, experiment: str, folder: Path, figures: Mapping[str, Path], table: Path) -> None:
        """Logs the experiment's figures and table as a run of its own in the experiment's group."""
        self._open(folder, group=experiment, name=f"{experiment} report", job_type="report", tags=[], config={})
        if self._run is None:
            return
        with self._surviving() as run:
            import wandb

            columns, rows = read_table(table)
            run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in figures.items()})
            run.log(tables(run, "table", columns, rows))
        self._close(exit_code=0)

    def _open(self, folder: Path, **about: Any) -> None:
        """Sets the current run; None where tracking is disabled, or fails even offline."""
        modes = {self.mode, os.environ.get("WANDB_MODE", "")}
        if "disabled" in modes:
            return
        try:
            key = self._prepare(folder)
        except OSError as error:
            self._give_up(error)
            return
        if modes <= {"online", ""} and not WandbTracker._offline_only:
            try:
                self._run = self._init("online", key, about)
            except _FAILURES as error:
                for remains in (self._folder / "wandb").glob(f"run-*-{key}"):
                    shutil.rmtree(remains, ignore_errors=True)  # `wandb sync` would upload it as an empty run
                self._go_offline(f"no W&B server could be used ({_first_line(error)})")
                _forget()
        for own_settings in (True, False):
            if self._run is not None:
                return
            try:
                self._run = self._init("offline", key, about, own_settings=own_settings)
            except _FAILURES as error:
                self._remove(unfinished_only=True)
                if "wandb" not in sys.modules or not own_settings:
                    self._give_up(error)
                    return
                logger.warning(
                    "W&B did not start (%s): once more without its settings; training goes on", _first_line(error)
                )
                _forget()

    def _prepare(self, folder: Path) -> str:
        """Makes room for the one W&B run of a folder, and notes that it has begun; returns its id."""
        self._folder = folder.resolve()
        marker = self._folder / MARKER
        try:
            key = str(json.loads(marker.read_text(encoding="utf-8"))["id"])
        except (OSError, ValueError, KeyError, TypeError):
            key = ""
        self._key = key if re.fullmatch("[0-9a-f]{8}", key) else token_hex(4)
        self._mark(ended=False)
        self._remove()
        return self._key

    def _mark(self, ended: bool) -> None:
        text = json.dumps({"tracker": "wandb", "id": self._key, "ended": ended})
        replace_file(self._folder / MARKER, f"{text}\n".encode())

    def _remove(self, unfinished_only: bool = False) -> None:
        """Removes the W&B runs of the folder, whatever became of them."""
        shutil.rmtree(self._folder / _UNFINISHED, ignore_errors=True)
        for kind in () if unfinished_only else ("run-*", "offline-run-*"):
            for old in (self._folder / "wandb").glob(kind):
                shutil.rmtree(old, ignore_errors=True)

    def _init(
        self, mode: Literal["online", "offline"], key: str, about: Mapping[str, Any], own_settings: bool = True
    ) -> wandb.Run:
        root = self._folder if mode == "online" else self._folder / _UNFINISHED
        root.mkdir(exist_ok=True)
        with _environment(root, mode, own_settings):
            import wandb

            # silent from the first moment on: then wandb can't ask for a key
            wandb.setup(settings=wandb.Settings(silent=True, mode=mode))
            return wandb.init(
                id=key,
                mode=mode,
                project=self.project,
                entity=self.entity,
                dir=str(root),
                reinit="create_new",
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    use_dot_wandb=False,
                    init_timeout=self.init_timeout,
                    finish_timeout=FINISH_TIMEOUT,
                    finish_timeout_raises=True,
                    disable_git=True,
                    disable_code=True,
                    disable_job_creation=True,
                    save_code=False,
                    label_disable=True,
                    x_disable_meta=True,
                    x_disable_machine_info=True,
                    x_disable_stats=True,
                    x_disable_viewer=True,
                    x_save_requirements=False,
                ),
                **about,
            )

    def _close(self, exit_code: int) -> None:
        if self._run is None:
            return
        with self._surviving() as run:
            try:
                run.finish(exit_code=exit_code)
            except TimeoutError:
                self._go_offline(f"W&B did not take the whole run within {FINISH_TIMEOUT:g} s")
            if exit_code == 0:
                self._publish()
        self._run = None

    def _publish(self) -> None:
        """Moves a finished offline run to where it is looked for, and notes that all is done."""
        for done in (self._folder / _UNFINISHED / "wandb").glob("offline-run-*"):
            (self._folder / "wandb").mkdir(exist_ok=True)
            os.replace(done, self._folder / "wandb" / done.name)
        shutil.rmtree(self._folder / _UNFINISHED, ignore_errors=True)
        self._mark(ended=True)

    @contextmanager
    def _surviving(self) -> Iterator[wandb.Run]:
        """Yields the current run; a failure of wandb ends its tracking and nothing else."""
        assert self._run is not None
        try:
            yield self._run
        except _FAILURES as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        self._run = None
        logger.warning("W&B tracks this run no further (%s); training goes on", _first_line(error))
        _forget()

    def _go_offline(self, why: str) -> None:
        if not WandbTracker._offline_only:
            WandbTracker._offline_only = True
            logger.warning(
                "%s: this run and later ones are kept offline. Check the network and `wandb login`; "
                "to upload a run: wandb sync --include-online %s",
                why,
                self._folder / "wandb" / "*run-*",
            )


def _forget() -> None:
    """Drops wandb's service process and settings, which a failure may leave dead or half read."""
    with suppress(*_FAILURES):  # it exits when the service ended badly
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()


@contextmanager
def _environment(folder: Path, mode: Literal["online", "offline"], own_settings: bool = True) -> Iterator[None]:
    """Sets what wandb takes from environment variables alone, and puts it back.

    Its service logs into the run's folder instead of the home, and reports no usage to the server: waiting for one
    that is out of reach would delay the end of the process. Offline it sees no key, for it would refuse to start with
    a malformed one. It never sees what would make this run another one. Without the user's own settings, which it may
    refuse, it sees none of its variables and files.
    """
    wanted: dict[str, str | None] = {"WANDB_ERROR_REPORTING": "false"}
    if "WANDB_CACHE_DIR" not in os.environ:
        wanted["WANDB_CACHE_DIR"] = str(folder / "wandb" / "cache")
    wanted.update(dict.fromkeys(_NOT_OURS))
    if mode == "offline":
        wanted["WANDB_API_KEY"] = None
    if not own_settings:
        theirs = {name for name in os.environ if name.startswith("WANDB_")}
        wanted = {**dict.fromkeys(theirs), **wanted, "WANDB_CONFIG_DIR": str(folder / "wandb")}
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
