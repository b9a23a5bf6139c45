"""One run from model and curriculum to its record, or on from where it stopped."""

__all__ = ["Run", "execute", "save_summary"]

import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

from continual.adaptation import Adaptation
from continual.evaluation import baseline_rmse
from continual.figures import run_summary, save
from continual.history import History
from continual.metrics import METRICS, summarize
from continual.models import StackedModel, parameter_counts, portrait
from continual.progress import Progress
from continual.records import Record, is_done, read_record, replace_file, write_record
from continual.stepping import Penalty
from continual.strategies import Strategy
from continual.trackers import RunInfo, Tracker
from continual.training import MakeOptimizer, Settings, train
from tasks import Curriculum

log = logging.getLogger(__name__)

_PACKAGES = ("kan-continual", "torch", "numpy", "scipy", "hydra-core", "wandb")


@dataclass(frozen=True)
class Run:
    """Everything that a run needs, ready to start.

    Args:
        info: names, folder and config of the run; `info.folder` is where its record appears.
        model: M members, freshly initialised.
        curriculum: in the model's dtype and on its device.
        make: builds the optimizer from the trainable parameters.
        strategy: see `continual.strategies`.
        settings: see `continual.training`.
        tracker: told of everything; the files do not depend on it.
        generators: one a member, for drawing batches.
        sweep: the values of this run along the axes of its experiment's sweep.
        adaptations: what may change the model while it trains, see `continual.adaptation`.
        penalty: added to the loss, see `continual.stepping`.
    """

    info: RunInfo
    model: StackedModel
    curriculum: Curriculum
    make: MakeOptimizer
    strategy: Strategy
    settings: Settings
    tracker: Tracker
    generators: list[Generator]
    sweep: Mapping[str, Any]
    adaptations: Sequence[Adaptation] = ()
    penalty: Penalty | None = None


def execute(run: Run) -> Record:
    """Trains, evaluates and records a run; reads the record instead if there is one.

    An interrupted run goes on from its last checkpoint and ends as if it had never stopped, to the last bit.
    """
    folder = run.info.folder
    if is_done(folder):
        log.info("skipped, its record exists: %s (%s)", run.info.name, folder)
        return read_record(folder)
    with _log_file(folder / "log.txt"):
        log.debug("%s, %d seeds, identity %s", run.info.name, len(run.info.seeds), run.info.identity)
        began = time.perf_counter()
        run.tracker.start(run.info)
        try:
            record = _finish(run, _train(run), began)
            run.tracker.finish(record, {"summary": lambda: run_summary(record)})
        except BaseException:
            run.tracker.abort()
            raise
        _say_result(record)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    return record


def _train(run: Run) -> History:
    checkpoint = run.info.folder / "checkpoint.pt"
    if checkpoint.is_file():
        log.info("going on from %s", checkpoint)
    with Progress(run.info.name, len(run.curriculum), run.settings.steps) as progress:
        return train(
            run.model,
            run.curriculum,
            run.make,
            run.strategy,
            run.settings,
            generators=run.generators,
            adaptations=run.adaptations,
            penalty=run.penalty,
            observers=[run.tracker],
            tick=progress,
            checkpoint=checkpoint,
        )


def _finish(run: Run, history: History, began: float) -> Record:
    """Writes what the run leaves behind; `record.json` comes last."""
    info, folder = run.info, run.info.folder
    state = {"format": 1, "model": run.model.state_dict(), "describe": dict(run.model.describe())}
    state["seeds"] = list(info.seeds)
    replace_file(folder / "model.pt", lambda path: torch.save(state, path))
    device = next(iter(run.model.parameters())).device
    fields = {
        "status": "done",
        "experiment": info.experiment,
        "name": info.name,
        "identity": info.identity,
        "sweep": dict(run.sweep),
        "seeds": list(info.seeds),
        "diverged": ~history.alive,
        "model": dict(run.model.describe()),
        "parameters": parameter_counts(run.model),
        "flops": run.model.flops(),
        "curriculum": run.curriculum.name,
        "task_names": list(info.task_names),
        "R": history.matrix(),
        "outside": history.outside[-1].mean(axis=0) if history.outside else None,
        "events": [{"step": step, "text": text} for step, text in history.events],
        "baseline_rmse": baseline_rmse(run.curriculum),
        "seconds": {"total": time.perf_counter() - began, "train": history.train_seconds, "along": history.seconds},
        "device": _hardware(device),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    return write_record(folder, fields, {**history.curves(), **_view(run.curriculum), **_portrait(run)})


def _portrait(run: Run) -> dict[str, np.ndarray[Any, Any]]:
    """The functions on the edges of the trained model, where it has such."""
    inputs = torch.cat([task.train_inputs for task in run.curriculum.tasks], dim=1)
    return {f"portrait/{name}": values for name, values in (portrait(run.model, inputs) or {}).items()}


def _view(curriculum: Curriculum) -> dict[str, np.ndarray[Any, Any]]:
    """What a picture of one-dimensional tasks needs besides the predictions."""
    if curriculum.view is None:
        return {}
    return {
        "view_inputs": curriculum.view.inputs[:, 0].cpu().numpy(),
        "view_targets": curriculum.view.targets.cpu().numpy(),
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


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


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


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Adds what this package logs to the run's `log.txt`, with the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
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
