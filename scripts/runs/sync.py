"""Uploads what W&B has not got yet, found below folders of results, by W&B's own `wandb sync`."""

__all__ = ["sync"]

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from continual.records.store import experiments_below
from continual.trackers.wandb_folder import unsent
from scripts.runs.chosen import chosen_runs

_AT_ONCE = 100
"""Runs that one call of `wandb sync` is given: its command line has an end."""


def sync(options: argparse.Namespace) -> int:
    """Finds finished W&B runs and reports that no server has, and hands them to `wandb sync`.

    Args:
        options: `places`, `where` and `state` choose runs, `list` only shows what there is; `project` and `entity` to
            upload to in place of those of the runs; `patience`, seconds without a run uploaded after which to give up.

    Returns:
        0 where a server has everything now.
    """
    if not options.patience > 0:
        raise ValueError(f"--patience must be positive seconds, got {options.patience}")
    runs = chosen_runs(options.places, options.where, options.state)
    folders = [run.folder for run in runs]
    if not options.where and not options.state:  # then reports of whole experiments as well
        for place in options.places:
            found = [experiment for experiment, _ in experiments_below(place)]
            folders += [e for e in dict.fromkeys(found) if place in (e, *e.parents) and e not in folders]
    paths = [path.resolve() for folder in folders for path in unsent(folder)]
    if options.list:
        for path in paths:
            print(path)
        print(f"{len(paths)} W&B runs to upload")
        return 0
    if not paths:
        print("nothing to upload")
        return 0
    target = [f"--{key}={value}" for key in ("project", "entity") if (value := getattr(options, key))]
    for start in range(0, len(paths), _AT_ONCE):
        if not _upload(paths[start : start + _AT_ONCE], target, options.patience):
            break  # the server will not answer for the others either
    left = sum(not _synced(path) for path in paths)
    print(f"{len(paths) - left} W&B runs uploaded" + (f", {left} left: the same command goes on" if left else ""))
    return 1 if left else 0


def _upload(paths: Sequence[Path], target: Sequence[str], patience: float) -> bool:
    """Calls `wandb sync`, which asks a server that is out of reach for hours; says whether it came to an end."""
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "--include-online", *target, *map(str, paths)]
    with TemporaryDirectory() as folder:  # where it leaves its logs
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder)
        try:
            done, since = 0, time.monotonic()
            while process.poll() is None:
                count = sum(map(_synced, paths))
                if count > done:
                    done, since = count, time.monotonic()
                if time.monotonic() - since > patience:
                    print(f"no run was uploaded in {patience:g} s: given up; is the server reachable?", file=sys.stderr)
                    return False
                time.sleep(0.1)
            return process.returncode == 0
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _synced(path: Path) -> bool:
    return any(path.glob("*.wandb.synced"))
