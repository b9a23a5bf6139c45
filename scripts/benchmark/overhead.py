"""What a sweep of short runs costs besides their training, by part: in one worker, without a tracker and with W&B."""

__all__ = ["write_overhead"]

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from continual.records import listing
from continual.records.checkpoint import Checkpoint
from continual.records.files import replace_file
from continual.run import execution
from continual.run.profiling import Phases
from continual.trackers.tracker import Clocked
from continual.training.evaluation import Evaluator
from continual.training.stepping import TrainingStep
from scripts import attempts, drawing, sweeps, train
from scripts.benchmark.report import machine
from scripts.forecast import Forecast

_ROUNDS = 3
_STEPS = 100
_TRACKERS = {"no tracker": "none", "W&B offline": "wandb"}

_TRAINING = ("training steps", "evaluation")
_PLACES: dict[str, list[tuple[Any, str]]] = {
    "composing configs": [(ConfigLoaderImpl, "load_configuration"), (attempts, "plain"), (sweeps, "plain")],
    "checks and forecast": [(sweeps, "try_parts"), (sweeps, "without_effect"), (Forecast, "add")],
    "building": [(attempts, "build_run")],
    "training steps": [(TrainingStep, "__call__")],
    "evaluation": [(Evaluator, "__call__"), (Evaluator, "predict")],
    "records": [
        (execution, "finish"),
        (execution, "write_config"),
        (Checkpoint, "save"),
        (listing, "_change"),
    ],
    "tracker": [(Clocked, "_tell")],
    "figures": [(drawing, "_draw")],
    "tables and page": [
        (drawing, name) for name in ("_runs", "write_tables", "write_structures", "write_page", "text_table")
    ],
}
"""Whose attributes each part of the time is spent in."""

PARTS = ("start", *_PLACES, "the rest")


def _arguments(runs: int, tracker: str, folder: Path) -> list[str]:
    rates = ",".join(f"{0.001 + 0.0001 * run:.4f}" for run in range(runs))
    return [
        "-m",
        "jobs=1",
        f"training.steps={_STEPS}",
        f"tracker={tracker}",
        f"optimizer.lr={rates}",
        f"results={folder}",
    ]


def _measure(began: float, output: Path, arguments: Sequence[str]) -> None:
    """Runs a sweep in this process, and writes the seconds of each part.

    Args:
        began: when this process was started, in seconds since the epoch.
        output: a JSON file.
        arguments: of `scripts.train`.
    """
    with ExitStack() as stack:
        phases = Phases(tuple(_PLACES))
        phases.seconds["start"] = time.time() - began
        for part, places in _PLACES.items():
            for owner, name in places:
                stack.enter_context(patch.object(owner, name, phases.of(getattr(owner, name), part)))
        stack.enter_context(patch.object(sys, "argv", ["train", *arguments]))
        train.main()
        phases.take()
    output.write_text(json.dumps(phases.seconds), encoding="utf-8")


def write_overhead(runs: int, folder: Path) -> None:
    """Measures a sweep with each tracker in turn, several times, prints the medians and writes overhead.md.

    Args:
        runs: of the sweep, each of ten seeds and a hundred steps a task.
        folder: where the table goes.

    Raises:
        OSError: it can't be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in _TRACKERS}
    for _ in range(_ROUNDS):
        for name, tracker in _TRACKERS.items():
            with tempfile.TemporaryDirectory() as place:
                output = Path(place) / "parts.json"
                arguments = _arguments(runs, tracker, Path(place) / "results")
                command = [sys.executable, "-m", "scripts.benchmark.overhead", str(time.time()), str(output)]
                subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
                rounds[name].append(json.loads(output.read_text(encoding="utf-8")))
    text = _table(runs, rounds)
    replace_file(folder / "overhead.md", text.encode())
    print(f"{text}\n{folder / 'overhead.md'}")


def _table(runs: int, rounds: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Medians over rounds of the seconds of each part, and what they are of all.

    Args:
        runs: of each sweep.
        rounds: seconds of each part in each round, by tracker.
    """
    lines = [
        f"# What a sweep of {runs} short runs costs\n",
        f"`python -m scripts.benchmark --overhead {runs}`: the default model and curriculum, ten seeds, {_STEPS} steps "
        f"a task, one worker; medians of {len(next(iter(rounds.values())))} rounds, which the two take in turns.\n",
        f"{machine(torch.device('cpu'))}\n",
        f"| part | {' | '.join(f'{name}, s | s a run | share' for name in rounds)} |",
        f"| --- | {' | '.join(['---: | ---: | ---:'] * len(rounds))} |",
    ]
    found = {name: {p: median(each.get(p, 0.0) for each in several) for p in PARTS} for name, several in rounds.items()}
    for part in PARTS:
        lines.append(_line(part, [(found[name][part], sum(found[name].values())) for name in rounds], runs))
    besides = [
        (sum(seconds for part, seconds in parts.items() if part not in _TRAINING), sum(parts.values()))
        for parts in found.values()
    ]
    lines.append(_line("all but training and evaluation", besides, runs))
    lines.append(_line("all", [(sum(parts.values()),) * 2 for parts in found.values()], runs))
    lines.append(
        "\n“Start” is Python and what it imports; it, the first checks, figures and page come once a sweep, all else "
        "with each run."
    )
    return "\n".join(lines) + "\n"


def _line(part: str, columns: Sequence[tuple[float, float]], runs: int) -> str:
    cells = [f"{seconds:.2f} | {seconds / runs:.3f} | {seconds / whole:.0%}" for seconds, whole in columns]
    return f"| {part} | {' | '.join(cells)} |"


if __name__ == "__main__":
    _measure(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
