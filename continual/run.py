"""One run from model and curriculum to its record, or on from where it stopped."""

__all__ = ["BusyError", "Run", "execute", "save_summary"]

import io
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from matplotlib.figure import Figure

from continual.extension import Training
from continual.figures import run_summary, save
from continual.metrics import METRICS, summarize
from continual.models import parameter_counts, portrait
from continual.records.checkpoint import Checkpoint
from continual.records.files import UnusableFileError, remove_partials, replace_file
from continual.records.lock import FolderLock
from continual.records.record import (
    Record,
    UnknownFormatError,
    damaged_files,
    done_at,
    is_done,
    read_record,
    write_record,
)
from continual.records.states import note_failure
from continual.records.versions import code_differences, code_version, package_versions
from continual.stopping import StopSignals
from continual.trackers.progress import Progress
from continual.trackers.tracker import Clocked, RunInfo, Tracker, tracking_ended
from continual.training.evaluation import baseline_rmse
from continual.training.history import History
from continual.training.loop import train
from tasks import Curriculum

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Everything that a run needs, ready to start.

    Args:
        info: names, folder and config of the run; `info.folder` is where its record appears.
        training: model, curriculum and all that trains the one on the other; without observers, checkpoint and stop,
            which are the run's own.
        tracker: told of everything; the files do not depend on it.
        sweep: the values of this run along the axes of its experiment's sweep.
        own_sources: hashes of the code that it is built from and that is not this project's, see
            `continual.records.versions`.
        again: train it again if its record is older than this time in seconds since the epoch; None to keep any record.
    """

    info: RunInfo
    training: Training
    tracker: Tracker
    sweep: Mapping[str, Any]
    own_sources: Mapping[str, str] = field(default_factory=dict)
    again: float | None = None


def execute(run: Run, *, wait: bool = True) -> Record:
    """Trains, evaluates and records a run; reads the record instead if there is one and all its files are whole.

    An interrupted run goes on from its last checkpoint and ends as if it had never stopped, to the last bit. One
    process at a time works in a run's folder. What is damaged is made again.

    Args:
        run: the run.
        wait: whether to wait for another process that has the run, or to leave.

    Raises:
        BusyError: another process has it, and `wait` is False.
        Stopped: SIGINT or SIGTERM came; the checkpoint holds the last step.
        OSError: a file can't be written; what was saved before is still there.
        UnknownFormatError: the record is of another version.
    """
    folder = run.info.folder
    record = None if _left_over(folder) else _found(run)
    if record is not None:  # nothing to write: also for who may only read
        return _skipped(run, record)
    with _locked(run, wait):
        remove_partials(folder)
        record = _found(run)
        if record is not None:  # another process was faster, or was killed just before it had cleaned up
            (folder / _CHECKPOINT).unlink(missing_ok=True)
            if not tracking_ended(folder):
                log.info("telling the tracker again of %s, which it had not heard to its end", run.info.name)
                Clocked(run.tracker).complete(record, run.info, _pictures(record))
            return _skipped(run, record)
        return _train_and_record(run)


class BusyError(RuntimeError):
    """Another process trains the run."""


def _left_over(folder: Path) -> bool:
    """Whether a process that was killed may have left something to clean up."""
    traces = (folder / _CHECKPOINT).exists() or (folder / ".lock").exists() or any(folder.glob(".*.partial*"))
    return traces or not tracking_ended(folder)


def _found(run: Run) -> Record | None:
    """The record of a finished run; None if there is none, or it has to be made again, which is said."""
    folder = run.info.folder
    if not is_done(folder) or _is_outdated(run):
        return None
    try:
        record = read_record(folder)
    except UnknownFormatError:
        raise
    except UnusableFileError as error:
        log.warning("%s: the run is made again", str(error).partition(";")[0])
        return None
    lost = damaged_files(folder, record.fields)
    if lost:
        log.warning("%s is damaged or missing: the run is made again", lost[0])
        return None
    return record


def _is_outdated(run: Run) -> bool:
    """Whether the run is to be trained again, although it has a record; that stays until there is a new one."""
    return run.again is not None and done_at(run.info.folder) < run.again


def _skipped(run: Run, record: Record) -> Record:
    made_by = record.fields.get("code", {})
    other = code_differences(made_by, {**code_version(), "own": run.own_sources}) if made_by.get("sources") else []
    if other:
        text = "skipped, its record exists, made by %s: %s (%s); rerun=true trains it again"
        log.warning(text, ", ".join(other), run.info.name, run.info.folder)
    else:
        log.info("skipped, its record exists: %s (%s)", run.info.name, run.info.folder)
    return record


@contextmanager
def _locked(run: Run, wait: bool) -> Iterator[None]:
    """The run's folder to ourselves."""
    lock = FolderLock(run.info.folder)
    if not lock.acquire():
        if not wait:
            raise BusyError(f"{run.info.name} is being trained by {lock.holder()} ({run.info.folder})")
        log.info("waiting for %s, which trains %s (%s)", lock.holder(), run.info.name, run.info.folder)
        while not lock.acquire():
            time.sleep(_PATIENCE)
    try:
        yield
    finally:
        lock.release()


_PATIENCE = 0.2  # seconds between two looks whether a lock is free
_CHECKPOINT = "checkpoint.pt"


def _train_and_record(run: Run) -> Record:
    folder = run.info.folder
    note_failure(folder, None)
    with StopSignals() as stop, _log_file(folder / "log.txt"):
        log.debug("%s, %d seeds, identity %s", run.info.name, len(run.info.seeds), run.info.identity)
        _write_config(run)
        tracker = Clocked(run.tracker)
        checkpoint = Checkpoint(
            folder / _CHECKPOINT,
            run.info.identity,
            aside=lambda: tracker.seconds,
            own=run.own_sources,
            same_code=run.again is not None,
        )
        if is_done(folder) and checkpoint.path.is_file() and checkpoint.path.stat().st_mtime <= done_at(folder):
            checkpoint.remove()  # of the training that the record is of, not of one that is to replace it
        tracker.start(run.info)
        try:
            history = _train(run, checkpoint, stop, tracker)
            record = _finish(run, history, checkpoint)
            tracker.finish(record, _pictures(record))
        except BaseException as error:
            tracker.abort()
            if isinstance(error, Exception):
                with suppress(OSError):  # the disk may be what failed
                    note_failure(folder, f"{type(error).__name__}: {error}")
            raise
        _say_result(record)
        checkpoint.remove()
    return record


def _write_config(run: Run) -> None:
    text = yaml.safe_dump(dict(run.info.config), sort_keys=False, allow_unicode=True)
    replace_file(run.info.folder / "config.yaml", text.encode())


def _pictures(record: Record) -> dict[str, Callable[[], Figure]]:
    return {"summary": lambda: run_summary(record)}


def _train(run: Run, checkpoint: Checkpoint, stop: StopSignals, tracker: Clocked) -> History:
    training = run.training
    with Progress(run.info.name, len(training.curriculum), training.settings.steps) as progress:
        return train(replace(training, observers=[tracker, progress], checkpoint=checkpoint, stop=stop))


def _finish(run: Run, history: History, checkpoint: Checkpoint) -> Record:
    """Writes what the run leaves behind; `record.json` comes last."""
    info, folder = run.info, run.info.folder
    model, curriculum = run.training.model, run.training.curriculum
    state = {"format": 2, "model": model.state_dict(), "describe": dict(model.describe())}
    state["seeds"] = list(info.seeds)
    state["build"] = info.config.get("model")  # what `continual.records.trained` builds it from, opaque here
    state["inputs"] = _inputs(curriculum)
    content = io.BytesIO()
    torch.save(state, content)
    replace_file(folder / "model.pt", content.getvalue())
    if not (folder / "config.yaml").is_file():  # somebody removed the folder meanwhile
        _write_config(run)
    device = next(iter(model.parameters())).device
    sessions = checkpoint.sessions()
    fields = {
        "status": "done",
        "experiment": info.experiment,
        "name": info.name,
        "identity": info.identity,
        "sweep": dict(run.sweep),
        "seeds": list(info.seeds),
        "diverged": ~history.alive,
        "model": dict(model.describe()),
        "parameters": parameter_counts(model),
        "flops": model.flops(),
        "curriculum": curriculum.name,
        "task_names": list(info.task_names),
        "R": history.matrix(),
        "outside": history.outside[-1].mean(axis=0) if history.outside else None,
        "events": [{"step": step, "text": text} for step, text in history.events],
        "baseline_rmse": baseline_rmse(curriculum),
        "seconds": {
            "total": sum(s["seconds"] for s in sessions),
            "train": history.train_seconds,
            "along": history.seconds,
        },
        "device": _hardware(device),
        "threads": torch.get_num_threads(),
        "versions": package_versions(),
        "code": checkpoint.code(),
        "sessions": sessions,
    }
    curves = {**history.curves(), **_view(curriculum), **_portrait(run)}
    return write_record(folder, fields, curves, ("model.pt", "config.yaml"))


def _inputs(curriculum: Curriculum) -> dict[str, Any]:
    """Range of each input in the training data, in its own units, and the box that was scaled to [-1, 1] if any."""
    seen = torch.cat([task.train_inputs.flatten(0, 1) for task in curriculum.tasks]).double().cpu()
    low, high = seen.amin(dim=0), seen.amax(dim=0)
    if curriculum.scaled_from is not None:
        box = torch.tensor(curriculum.scaled_from, dtype=torch.float64)
        center, half = box.mean(dim=1), (box[:, 1] - box[:, 0]) / 2.0
        low, high = center + half * low, center + half * high
    scaled = None if curriculum.scaled_from is None else [list(ends) for ends in curriculum.scaled_from]
    return {"low": low.tolist(), "high": high.tolist(), "scaled_from": scaled}


def _portrait(run: Run) -> dict[str, np.ndarray[Any, Any]]:
    """The functions on the edges of the trained model, where it has such."""
    inputs = torch.cat([task.train_inputs for task in run.training.curriculum.tasks], dim=1)
    return {f"portrait/{name}": values for name, values in (portrait(run.training.model, inputs) or {}).items()}


def _view(curriculum: Curriculum) -> dict[str, np.ndarray[Any, Any]]:
    """What a picture of tasks of one or two inputs needs besides the predictions."""
    if curriculum.view is None:
        return {}
    targets = curriculum.view.targets.cpu().numpy()
    if curriculum.in_features == 2:
        bounds = [task.train_inputs[0].aminmax(dim=0) for task in curriculum.tasks]
        return {
            "surface_inputs": curriculum.view.inputs.cpu().numpy(),
            "surface_targets": targets,
            "surface_regions": np.stack([torch.stack([low, high]).cpu().numpy() for low, high in bounds]),
        }
    return {
        "view_inputs": curriculum.view.inputs[:, 0].cpu().numpy(),
        "view_targets": targets,
        "train_inputs": np.stack([task.train_inputs[..., 0].cpu().numpy() for task in curriculum.tasks], axis=1),
        "train_targets": np.stack([task.train_targets.cpu().numpy() for task in curriculum.tasks], axis=1),
    }


def _say_result(record: Record) -> None:
    names = ("learned_rmse", "final_rmse", "forgetting") if len(record.task_names) > 1 else ("final_rmse",)
    values = [f"{METRICS[name][:-2]} {summarize(record.metrics[name]).mean:.2e}" for name in names]
    lost = int(record.diverged.sum())
    log.info(
        "%s: %s, %.1f s%s%s",
        record.name,
        ", ".join(values),
        record.seconds,
        f", {lost} of {len(record.seeds)} members diverged" if lost else "",
        _outside(record),
    )


def _outside(record: Record) -> str:
    """Where many inputs have left a grid, which layer's."""
    left = [f"{share:.1%} of layer {layer}'s" for layer, share in enumerate(record.outside, start=1) if share >= 1e-3]
    return f"; inputs outside the grid: {', '.join(left)}" if left else ""


def _hardware(device: torch.device) -> str:
    """What the run ran on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    table = Path("/proc/cpuinfo")
    if table.is_file():
        lines = (line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("model name"))
        name = next(lines, f": {name}").partition(":")[2].strip()
    return f"{name}, {os.cpu_count()} cores"


class _LogFile(WatchedFileHandler):
    """A log that is there again after its file or folder was removed, and whose failures stop nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk shows where the run itself is written."""


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Adds what this package logs to the run's `log.txt`, with the time."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("continual")
    package.addHandler(handler)
    before, package.level = package.level, logging.DEBUG
    try:
        yield
    finally:
        package.level = before
        package.removeHandler(handler)
        handler.close()


def save_summary(record: Record) -> Path:
    """Draws `figure.png` and `.pdf` into the run's own folder."""
    return save(run_summary(record), record.folder, "figure")[0]
