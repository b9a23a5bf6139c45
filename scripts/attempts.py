"""One run of a sweep: whatever it fails with is said in a line, kept in its folder, and ends no other run."""

__all__ = ["SWEEP", "one_of_many", "set_threads", "train_listed"]

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from omegaconf import DictConfig

from continual.records.listing import add_entry, read_list
from continual.records.states import note_failure
from continual.run import BusyError
from continual.stopping import Stopped, end_with_parent, is_orphan
from scripts.command import train_command
from scripts.config.composed import entry_of, experiment_folder, plain
from scripts.config.run import build_run, train_run
from scripts.config.schema import MOST_THREADS
from scripts.errors import explain

SWEEP = "KAN_CONTINUAL_SWEEP"
"""Environment variable that names the running sweep to those of its runs that other processes train."""


def set_threads(config: DictConfig) -> None:
    """As many threads as the config says; what it may say is checked with the rest of it."""
    wanted = config.get("threads")
    number = wanted if isinstance(wanted, int) else 1
    torch.set_num_threads(number if 0 < number <= MOST_THREADS else 1)


def one_of_many(config: DictConfig, number: int) -> None:
    """One run of a sweep; a run that another process is at is left to it: `finish_sweep` looks again."""
    end_with_parent()
    _attempt(config, wait=False, number=number)


def train_listed(
    overrides: Sequence[str], *, wait: bool, number: int | None = None, began: float | None = None
) -> None:
    """Trains a run that Hydra has not composed.

    Args:
        overrides: its command line alone.
        wait: see `one_of_many`, which does not.
        number: its place in the sweep, if that does not list it yet.
        began: when the sweep did that wants it trained again, if it is not this process's.
    """
    before: Any = HydraConfig.instance().cfg
    try:
        alone = compose("train", overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(alone)
        with env_override(dict(alone.hydra.job.env_set)):
            _attempt(alone, wait=wait, number=number, began=began)
    finally:
        HydraConfig.instance().cfg = before


def _attempt(config: DictConfig, *, wait: bool, number: int | None = None, began: float | None = None) -> None:
    """Builds and trains a run. Whatever it fails with is said in a line, kept in its folder, and ends no other run.

    Args:
        config: of the run.
        wait: whether to wait for another process that has it.
        number: its place in the sweep, whose list it is added to; None where the list has it.
        began: see `train_listed`.
    """
    set_threads(config)
    experiment = experiment_folder(config)
    folder: Path | None = None
    try:
        values = plain(config)
        entry = entry_of(values, HydraConfig.get(), number or 0)
        if number is not None:
            add_entry(experiment, entry, os.environ.get(SWEEP))
        folder = experiment / entry.folder
        ready = build_run(config, values)
        names = {listed.folder: listed.name for listed in read_list(experiment)}
        name = names.get(entry.folder) or ready.info.name  # by what varies in this sweep
        info = replace(ready.info, name=name, command=train_command(entry.overrides, sweep=False))
        again = ready.again if began is None or ready.again is None else began
        train_run(replace(ready, info=info, again=again), wait=wait)
    except BusyError as error:
        print(f"left for now: {error}", file=sys.stderr)
    except Stopped as error:
        if is_orphan():  # a worker whose parent is gone: nobody else will end it
            os._exit(128 + error.number)
        raise
    except Exception as error:
        why = explain(error, ())
        if why is None:
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}"
        if folder is not None:
            with suppress(OSError):  # the disk may be what failed
                note_failure(folder, why)
        print(f"failed: {' '.join(why.split())}", file=sys.stderr)
