"""Results as a whole: brought together from several machines, and freed of what nobody needs."""

__all__ = ["clean", "leftovers", "merge"]

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from continual.records.files import UnusableFileError, partials
from continual.records.listing import begin_list, read_lists
from continual.records.lock import FolderLock
from continual.records.store import StoredRun, experiments_below


def merge(source: Path, target: Path) -> Iterator[str]:
    """Brings the finished runs of another machine's results folder into this one, and its sweeps' lists.

    A run that both have stays as it is here. What is copied appears in one rename.

    Args:
        source: results of the other machine; stays as it is.
        target: results of this one.

    Yields:
        A line for each run that was brought, or differs from the one that is here.
    """
    for experiment, folders in experiments_below(source):
        ours = target / experiment.relative_to(source) if experiment != source else target
        for folder in folders:
            run = StoredRun(folder)
            if run.record is None:
                continue
            there = ours / folder.name
            here = StoredRun(there).record if there.is_dir() else None
            if here is None:
                _bring(folder, there)
                yield f"brought: {there}"
            elif not np.array_equal(here.R, run.record.R, equal_nan=True):
                yield f"kept, and the other one differs: {there}"
        for sweep, entries in read_lists(experiment).items():
            ours.mkdir(parents=True, exist_ok=True)
            begin_list(ours, sweep, entries)
        for path in experiment.glob("multirun.yaml"):
            if not (ours / path.name).is_file():
                shutil.copy2(path, ours / path.name)


def _bring(folder: Path, there: Path) -> None:
    """Copies a run's folder, all or nothing; what was begun here and not finished goes."""
    there.parent.mkdir(parents=True, exist_ok=True)
    partial = there.with_name(f".{there.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial, ignore=shutil.ignore_patterns(".*", "checkpoint.pt"))
    if there.is_dir():
        lock = FolderLock(there)
        if not lock.acquire():
            shutil.rmtree(partial)
            raise UnusableFileError(f"{there} is being trained: merge when it has ended")
        lock.release()
        shutil.rmtree(there)
    partial.rename(there)


def leftovers(run: StoredRun, *, unfinished: bool = False) -> Iterator[Path]:
    """What a run has left that nobody needs: partial files, the checkpoint beside a record; of a dead run everything.

    Args:
        run: a run that nobody is at.
        unfinished: whether a run without a record goes, which its command would otherwise go on with.
    """
    if run.state == "running":
        return
    if unfinished and run.state in ("failed", "interrupted"):
        yield run.folder
        return
    yield from partials(run.folder)
    if run.state == "done" and (run.folder / "checkpoint.pt").exists():
        yield run.folder / "checkpoint.pt"


def clean(paths: Sequence[Path]) -> int:
    """Removes files and folders; returns how many bytes they took."""
    total = 0
    for path in paths:
        inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        total += sum(p.stat().st_size for p in inside if p.exists())
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return total
