"""Runs of a few steps, built as the command line builds them, for tests of what happens to a run's folder."""

__all__ = ["CONFIGS", "compare", "listing", "short_run"]

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_module

from continual.models import parameter_counts
from continual.records.record import Record
from continual.run import Run
from continual.trackers.tracker import RunInfo, Tracker
from scripts.config.composed import plain
from scripts.config.parts import build_parts

_SHORT = [
    "seeds=2",
    "dtype=float64",
    "curriculum.peaks=2",
    "curriculum.points_per_task=30",
    "curriculum.test_points=40",
    "training.steps=3",
    "training.evaluate_every=1",
    "training.checkpoint_seconds=1e-9",
    "tracker=none",
]

_SMALL = ["model.grid_size=4", "model.width=2"]

CONFIGS: dict[str, list[str]] = {
    "adam": [*_SMALL, "optimizer=adam"],
    "adam, kept, batches": [*_SMALL, "strategy.reset_optimizer=false", "training.batch_size=7"],
    "sgd": [*_SMALL, "optimizer=sgd"],
    "lbfgs": [*_SMALL, "optimizer=lbfgs", "optimizer.max_iter=3"],
    "adam, then lbfgs": [*_SMALL, "optimizer=adam_lbfgs", "optimizer.switch_at=1", "optimizer.then.max_iter=2"],
    "levenberg_marquardt": ["model=kan_local", "model.grid_size=4", "optimizer=levenberg_marquardt"],
    "cumulative": [*_SMALL, "strategy=cumulative"],
    "replay and si": [*_SMALL, "strategy=[replay,si]"],
    "lwf": [*_SMALL, "strategy=lwf"],
    "grid_update": [*_SMALL, "adaptation=grid_update", "adaptation.grid_update.every=1"],
    "grid_schedule": [
        *_SMALL,
        "adaptation=grid_schedule",
        "adaptation.grid_schedule.sizes=[4,8]",
        "adaptation.grid_schedule.steps=1",
    ],
    "domain_extension": [*_SMALL, "model.grid_range=[-1,-0.5]", "adaptation=domain_extension"],
    "pruning": [*_SMALL, "adaptation=pruning", "adaptation.pruning.at=2", "penalty=sparsity"],
    "symbols": [
        *_SMALL,
        "adaptation=symbols",
        "adaptation.symbols.at=2",
        'adaptation.symbols.operation.library=["x","sin"]',
        "adaptation.symbols.operation.r2_threshold=0.0",
    ],
    "mlp": ["model=mlp", "model.width=3"],
    "spline_mlp": ["model=spline_mlp", "model.width=3", "model.grid_size=4"],
    "rbf": ["model=kan_rbf", *_SMALL],
    "chebyshev": ["model=kan_chebyshev", "model.width=2"],
    "fourier": ["model=kan_fourier", "model.width=2"],
}
"""Every optimizer, strategy, adaptation and family once, by name."""


def short_run(folder: Path, overrides: Sequence[str] = (), *, tracker: Tracker | None = None) -> Run:
    """A run of two tasks of three steps, ready to start in that folder, with a checkpoint after every step."""
    with initialize_config_module("conf", version_base="1.3"):
        values = plain(compose("train", [*_override_order(overrides)]))
    parts = build_parts(values)
    info = RunInfo(
        experiment="short",
        name="short",
        identity="-".join(overrides)[:200],
        folder=folder,
        config=values,
        parameters=parameter_counts(parts.training.model),
        task_names=[task.name for task in parts.training.curriculum.tasks],
        seeds=values["seeds"],
        family=str(parts.training.model.describe()["family"]),
    )
    return Run(info, parts.training, tracker or Tracker(), {})


def _override_order(overrides: Sequence[str]) -> list[str]:
    """Groups first: an optimizer's own number of steps must not win over the short one."""
    chosen = {item.partition("=")[0] for item in overrides}
    return [*overrides, *(item for item in _SHORT if item.partition("=")[0] not in chosen)]


_OF_A_SESSION = {"command", "peak_memory", "seconds", "sessions", "sha256", "files", "events_seen"}


def compare(found: Record, expected: Record) -> None:
    """Asserts that two runs left the same, to the bit, but for how long they took."""
    for key in expected.fields.keys() - _OF_A_SESSION:
        assert found.fields[key] == expected.fields[key], key
    assert found.curves.keys() == expected.curves.keys()
    for name, values in expected.curves.items():
        assert np.array_equal(found.curves[name], values, equal_nan=values.dtype.kind == "f"), name
    ours, theirs = (torch.load(record.folder / "model.pt", weights_only=True) for record in (found, expected))
    assert ours["model"].keys() == theirs["model"].keys()
    for name, tensor in theirs["model"].items():
        assert torch.equal(ours["model"][name], tensor), name


def listing(folder: Path) -> set[str]:
    """Everything that lies in a folder, by its path in there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


class Ticked:
    """An observer that calls a function after every step: task from 0, step, losses."""

    def __init__(self, tick) -> None:
        if tick is not None:
            self.after_step = tick
