"""Runs of a sweep: all checked before the first one starts, each kept from ending the others, and none left over."""

__all__ = [
    "CheckedSweep",
    "begin_sweep",
    "check_sweep",
    "finish_sweep",
    "is_local",
    "sweep_of",
    "train_here",
]

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import configure_log
from hydra.errors import HydraException
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from continual.records.listing import Entry, begin_list, read_list
from continual.records.lock import is_locked
from continual.records.record import is_done
from continual.records.states import run_state
from continual.stopping import leave_to_workers
from scripts.attempts import SWEEP, set_threads, train_listed
from scripts.config.composed import check_places, entry_of, experiment_folder, plain
from scripts.config.effects import chosen_keys, without_effect
from scripts.config.loading import SweepLoader
from scripts.config.needs import A_PROCESS, available_memory
from scripts.config.parts import try_parts
from scripts.config.schema import ConfigError
from scripts.config.tuning import check_trials
from scripts.errors import explain
from scripts.forecast import Forecast
from scripts.workers import Workers

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
    expected: list[float]
    """Seconds that each of them takes, about."""
    workers: Workers | None = None
    """Processes that are to train them, which have begun to import what they need."""


def check_sweep(
    config: DictConfig, meanwhile: Callable[[Forecast, dict[str, Any]], object] = lambda *_: None
) -> CheckedSweep:
    """Composes each run and builds it, for one seed, of a basic sweep; other sweepers choose their runs as they go.

    Of `MANY` runs or more, only so many that every value of every axis has been in one.

    Args:
        config: of the sweep.
        meanwhile: is told what is known so far, whenever a run that is to be trained has been looked at, and its
            config.

    Raises:
        ConfigError: what is wrong with a run, and which one it is.
    """
    check_places(config.hydra)
    if Path(str(config.hydra.sweep.dir)) != Path(str(config.results)) / str(config.experiment_name):
        raise ConfigError(
            "hydra.sweep.dir follows from the results' place: set results=… and experiment_name=… instead"
        )
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return CheckedSweep([], [], config.jobs if isinstance(config.jobs, int) else 1, [], 0, [])
    hydra: Any = GlobalHydra.instance().hydra
    hydra.config_loader = SweepLoader(hydra.config_loader)  # from now on
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
                forecast.add_done(number)
            else:
                forecast.add(values, parts.needs, number)
                meanwhile(forecast, values)
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
    return CheckedSweep(entries, lines, at_a_time, [list(job) for job in jobs], forecast.left, forecast.expected())


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


def is_local(config: DictConfig) -> bool:
    """Whether the runs are this process's or its children's, and nobody else's callbacks want to hear of each."""
    return str(config.hydra.launcher._target_).endswith("BasicLauncher") and set(config.hydra.callbacks) == {"report"}


def _spread(config: DictConfig, jobs: int) -> None:
    """Lets Hydra launch runs that only its sweeper or its callbacks know in so many processes."""
    if jobs > 1 and str(config.hydra.launcher._target_).endswith("BasicLauncher"):
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.launcher = OmegaConf.structured(JobLibLauncherConf(n_jobs=jobs))


def begin_sweep(config: DictConfig) -> CheckedSweep:
    """Checks a sweep, lists its runs, and tells them which sweep they belong to.

    Raises:
        ConfigError: see `check_sweep`.
    """
    found: list[Workers] = []

    def meanwhile(forecast: Forecast, values: dict[str, Any]) -> None:
        if not found and is_local(config) and (jobs := _jobs(config, forecast)) > 1:
            found.append(Workers(jobs, config.threads, values))

    try:
        checked = check_sweep(config, meanwhile)
        if found and found[0].count != checked.jobs:  # there are fewer runs left, or less memory, than it seemed
            found.pop().close(kill=True)
            found += [Workers(checked.jobs, config.threads)] if checked.jobs > 1 else []
        begin_list(experiment_folder(config), sweep_of(config), checked.entries)
    except BaseException:
        for workers in found:
            workers.close(kill=True)
        raise
    if not (checked.runs and is_local(config)):
        _spread(config, checked.jobs)
    os.environ[SWEEP] = sweep_of(config)
    return checked._replace(workers=found[0] if found else None)


def train_here(config: DictConfig, checked: CheckedSweep) -> None:
    """Trains the runs of a sweep in this process or its workers, as Hydra's launchers would, for less.

    Those compose each run once more before the first one starts, and copy its config three times when it does.

    Raises:
        Exception: a worker was ended from outside.
    """
    experiment = experiment_folder(config)
    experiment.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, experiment / "multirun.yaml")  # as Hydra's sweeper does
    configure_log(config.hydra.job_logging, config.hydra.verbose)
    if checked.workers is not None:
        leave_to_workers("interrupted; the same command goes on where this one stopped")
        checked.workers.train(config, dict(enumerate(checked.runs)), dict(enumerate(checked.expected)))
        return
    for number, overrides in enumerate(checked.runs):
        train_listed(overrides, wait=False, number=number)


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
