"""One run from model and curriculum to its record, or on from where it stopped."""

__all__ = ["BusyError", "execute"]

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from continual.records.checkpoint import Checkpoint
from continual.records.files import UnusableFileError, partials, remove_partials
from continual.records.lock import FolderLock
from continual.records.record import Record, UnknownFormatError, damaged_files, done_at, is_done, read_record
from continual.records.states import note_failure
from continual.records.versions import code_differences, code_version
from continual.run.logs import log_file
from continual.run.outcome import finish, pictures, say_result, write_config
from continual.run.ready import Run
from continual.stopping import LimitReachedError, StopSignals
from continual.trackers.progress import Progress
from continual.trackers.tracker import Clocked
from continual.training.history import History
from continual.training.loop import train

log = logging.getLogger(__name__)


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
        LimitReachedError: it has taken more than its limits allow; the same. It counts as failed.
        OSError: a file can't be written; what was saved before is still there.
        UnknownFormatError: the record is of another version.
    """
    folder = run.info.folder
    record = None if _left_over(run) else _found(run)
    if record is not None:  # nothing to write: also for who may only read
        return _skipped(run, record)
    with _locked(run, wait):
        remove_partials(folder)
        record = _found(run)
        if record is not None:  # another process was faster, or was killed just before it had cleaned up
            (folder / _CHECKPOINT).unlink(missing_ok=True)
            if not run.tracker.ended(folder):
                log.info("telling the tracker again of %s, which it had not heard to its end", run.info.name)
                Clocked(run.tracker).complete(record, run.info, pictures(record))
            return _skipped(run, record)
        return _train_and_record(run)


class BusyError(RuntimeError):
    """Another process trains the run."""


def _left_over(run: Run) -> bool:
    """Whether a process that was killed may have left something to clean up, or the tracker has yet to hear of it."""
    folder = run.info.folder
    traces = (folder / _CHECKPOINT).exists() or (folder / ".lock").exists() or any(partials(folder))
    return traces or not run.tracker.ended(folder)


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
    with StopSignals() as stop, log_file(folder / "log.txt"):
        log.debug("%s, %d seeds, identity %s", run.info.name, len(run.info.seeds), run.info.identity)
        if run.info.command:
            log.debug("command: %s", run.info.command)
        write_config(run)
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
            record = finish(run, history, checkpoint)
            tracker.finish(record, pictures(record))
        except BaseException as error:
            tracker.abort()
            if isinstance(error, Exception):
                why = str(error) if isinstance(error, LimitReachedError) else f"{type(error).__name__}: {error}"
                with suppress(OSError):  # the disk may be what failed
                    note_failure(folder, why)
            raise
        say_result(record)
        checkpoint.remove()
    return record


def _train(run: Run, checkpoint: Checkpoint, stop: StopSignals, tracker: Clocked) -> History:
    training = run.training
    with Progress(run.info.name, len(training.curriculum), training.settings.steps) as progress:
        exceeded = run.limits.watch(checkpoint.seconds)
        observers = [*training.observers, tracker, progress]
        return train(replace(training, observers=observers, checkpoint=checkpoint, stop=stop, exceeded=exceeded))
