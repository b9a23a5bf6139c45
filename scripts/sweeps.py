"""Runs of a sweep: all checked before the first one starts, each kept from ending the others, and none left over."""

__all__ = [
    "SWEEP",
    "CheckedSweep",
    "begin_sweep",
    "check_sweep",
    "finish_sweep",
    "one_of_many",
    "set_threads",
    "sweep_of",
    "train_listed",
]

import math
import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from continual.records.listing import Entry, add_entry, begin_list, read_list
from continual.records.lock import is_locked
from continual.records.record import is_done
from continual.records.states import note_failure, run_state
from continual.run import BusyError
from continual.stopping import Stopped, end_with_parent, is_orphan
from scripts.command import train_command
from scripts.config.composed import check_places, entry_of, experiment_folder, plain
from scripts.config.needs import A_PROCESS, available_memory
from scripts.config.parts import try_parts
from scripts.config.run import build_run, train_run
from scripts.config.schema import MOST_THREADS, ConfigError
from scripts.config.tuning import check_trials
from scripts.effects import chosen_keys, without_effect
from scripts.errors import explain
from scripts.forecast import Forecast

_OF_THE_SWEEP = (
    "experiment_name",
    "jobs",
    "limits",
    "debug",
    "name",
    "results",
    "report",
    "hydra",
    "tracker",
    "threads",
    "rerun",
)

SWEEP = "KAN_CONTINUAL_SWEEP"
"""Environment variable that names the running sweep to those of its runs that other processes train."""

MANY = 100
"""Runs from which not every combination is checked, but every value in one: a quarter of a second each adds up."""


def sweep_of(config: DictConfig) -> str:
    """What tells a sweep from any other one in the same folder: all that its command and its experiment set."""
    swept = sorted(f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items())
    return " ".join([*swept, "|", *config.hydra.overrides.task])


def _values(job: Sequence[str]) -> set[str]:
    """The values of a run on the axes of its sweep; of a list of options each one is a value."""
    found = set()
    for override in job:
        key, _, value = override.partition("=")
        several = value.startswith("[") and "/" in key
        found |= {f"{key}={each}" for each in (value.strip("[]").split(",") if several else [value])}
    return found


class CheckedSweep(NamedTuple):
    """What is known of a sweep before its first run."""

    entries: list[Entry]
    """The runs that were looked at, as the sweep lists them."""
    lines: list[str]
    """To be said: settings that change nothing, and what the runs will take."""
    jobs: int
    """Runs at a time."""
    runs: list[list[str]]
    """The command line of each run alone; none where a sweeper chooses its runs as it goes."""
    left: int
    """Runs that are to be trained."""


def check_sweep(config: DictConfig) -> CheckedSweep:
    """Composes each run and builds it, for one seed, of a basic sweep; other sweepers choose their runs as they go.

    Of `MANY` runs or more, only so many that every value of every axis has been in one.

    Raises:
        ConfigError: what is wrong with a run, and which one it is.
    """
    check_places(config.hydra)
    if Path(str(config.hydra.sweep.dir)) != Path(str(config.results)) / str(config.experiment_name):
        raise ConfigError(
            "hydra.sweep.dir follows from the results' place: set results=… and experiment_name=… instead"
        )
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return CheckedSweep([], [], config.jobs if isinstance(config.jobs, int) else 1, [], 0)
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())  # which glob() looks options up in
    overrides = parser.parse_overrides([*swept, *config.hydra.overrides.task])
    varied = {override.get_key_element() for override in overrides if override.is_sweep_override()}
    for override in overrides:
        key = override.get_key_element().lstrip("+")
        if override.is_sweep_override() and key.partition(".")[0].partition("/")[0] in _OF_THE_SWEEP:
            raise ConfigError(f"{key} can't be swept: it belongs to the sweep as a whole")
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise ConfigError(f"{override.input_line} has no end of values; name them: {key}=1,2,3 or range(1,4)")
    jobs = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
    if not jobs:
        empty = next((key for key in sorted(varied)), "it")
        raise ConfigError(f"the sweep has no runs: {empty} has no values")
    seen: set[str] = set()
    entries = []
    lines: list[str] = []
    set_threads(config)  # for what is measured
    forecast = Forecast(len(jobs))
    for number, job in enumerate(jobs):
        if len(jobs) >= MANY and seen.issuperset(_values(job)):
            continue
        seen.update(_values(job))
        try:
            composed = compose("train", overrides=list(job), return_hydra_config=True)
            values = plain(composed)
            parts = try_parts(values)
            check_trials(values)
            entries.append(entry_of(values, composed.hydra, number))
            if number == 0:  # those after it differ in what the sweep is about
                lines += without_effect(values, chosen_keys(config.hydra.overrides.task))
            if is_done(Path(str(config.hydra.sweep.dir)) / entries[-1].folder) and not values["rerun"]:
                forecast.add_done()
            else:
                forecast.add(values, parts.needs)
        except (ConfigError, HydraException, OmegaConfBaseException) as error:
            which = ", ".join(part for part in job if part.partition("=")[0] in varied)
            message = explain(error, job) or str(error)
            raise ConfigError(f"{message} (in the run with {which})" if which else message) from None
    named = any(override.get_key_element() == "name" for override in overrides)
    alike = Counter(entry.name for entry in entries if named)
    lines += [
        f"{count} runs are called {name}: leave name out, and they are named by what varies"
        for name, count in alike.items()
        if count > 1
    ]
    at_a_time = _jobs(config, forecast)
    lines = [line for line in (*lines, forecast.sentence(at_a_time)) if line]
    return CheckedSweep(entries, lines, at_a_time, [list(job) for job in jobs], forecast.left)


_WORTH = 20.0
"""Seconds of training from which a sweep is spread by itself: a process takes three of a core's to import torch."""


_A_JOB = 600.0
"""Seconds of training for which a job of Slurm is worth its wait in the queue."""


def _jobs(config: DictConfig, forecast: Forecast) -> int:
    """How many runs at a time: as told, or one for each core that has memory, on the CPU, where it pays."""
    wanted, launcher = config.jobs, str(config.hydra.launcher._target_).rpartition(".")[2]
    if wanted != "auto":
        return max(min(int(wanted), forecast.left), 1)
    if launcher == "SlurmLauncher":
        return max(min(math.ceil(forecast.seconds / _A_JOB), forecast.left), 1)
    if config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available()):
        return 1
    if launcher != "LocalLauncher" and (forecast.seconds < _WORTH or launcher != "BasicLauncher"):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = available_memory()
    room = cores if memory is None else int(memory // max(forecast.memory + A_PROCESS, 1.0))
    return max(min(cores // max(config.threads, 1), room, forecast.left), 1)


def _spread(config: DictConfig, jobs: int) -> None:
    """Lets Hydra launch the runs in so many processes, each of which imports everything once."""
    if jobs > 1 and str(config.hydra.launcher._target_).endswith("BasicLauncher"):
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.launcher = OmegaConf.structured(JobLibLauncherConf(n_jobs=jobs))


def set_threads(config: DictConfig) -> None:
    """As many threads as the config says; what it may say is checked with the rest of it."""
    wanted = config.get("threads")
    number = wanted if isinstance(wanted, int) else 1
    torch.set_num_threads(number if 0 < number <= MOST_THREADS else 1)


def one_of_many(config: DictConfig, number: int) -> None:
    """One run of a sweep; a run that another process is at is left to it: `finish_sweep` looks again."""
    end_with_parent()
    _attempt(config, wait=False, number=number)


def begin_sweep(config: DictConfig) -> CheckedSweep:
    """Checks a sweep, lists its runs, and tells them which sweep they belong to.

    Raises:
        ConfigError: see `check_sweep`.
    """
    checked = check_sweep(config)
    _spread(config, checked.jobs)
    begin_list(experiment_folder(config), sweep_of(config), checked.entries)
    os.environ[SWEEP] = sweep_of(config)
    return checked


def finish_sweep(config: DictConfig) -> bool:
    """Waits for the runs of the sweep that other processes are at, and trains those that were left by them.

    Returns:
        Whether all its runs are done.
    """
    experiment = experiment_folder(config)
    begin_list(experiment, sweep_of(config))  # another one may have begun there meanwhile
    for entry in read_list(experiment):
        folder = experiment / entry.folder
        if run_state(folder) in ("done", "failed") and not is_locked(folder):  # a finished one may be trained again
            continue
        train_listed(entry.overrides, wait=True)
    return all(run_state(experiment / entry.folder) == "done" for entry in read_list(experiment))


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
        entry = entry_of(plain(config), HydraConfig.get(), number or 0)
        if number is not None:
            add_entry(experiment, entry, os.environ.get(SWEEP))
        folder = experiment / entry.folder
        ready = build_run(config)
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
