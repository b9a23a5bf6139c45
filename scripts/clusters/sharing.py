"""A sweep shared by jobs of a cluster: each trains one run after the other until none is left that nobody is at."""

__all__ = ["Worker", "is_cluster", "is_shared", "share"]

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from continual.records.listing import read_lists
from continual.records.lock import is_locked
from continual.records.record import done_at, is_done
from continual.records.states import note_failure, run_state
from scripts.attempts import SWEEP, train_listed
from scripts.config.composed import experiment_folder

_HERE = ("BasicLauncher", "JoblibLauncher")
"""Launchers whose runs are this process's, or its children's."""


def _launcher(config: DictConfig) -> str:
    return str(config.hydra.launcher._target_).rpartition(".")[2]


def is_cluster(config: DictConfig) -> bool:
    """Whether the runs go to processes that outlive this one, on this machine or others."""
    return _launcher(config) not in _HERE


def is_shared(config: DictConfig) -> bool:
    """Whether a few jobs share the runs; else each run is a job, as Ray takes them where nobody says how many."""
    return is_cluster(config) and (config.jobs != "auto" or _launcher(config) in ("SlurmLauncher", "LocalLauncher"))


@dataclass(frozen=True)
class Worker:
    """What one of the jobs does.

    Args:
        sweep: which one it is, see `scripts.sweeps.sweep_of`.
        runs: the command line of each of its runs alone, in their order.
        jobs: how many share them.
        began: when the sweep did, in seconds since the epoch: older records are trained again with `rerun`.
    """

    sweep: str
    runs: Sequence[Sequence[str]]
    jobs: int
    began: float

    def __call__(self, config: DictConfig) -> None:
        """Trains what is left, from this job's own part of the list on.

        Args:
            config: of the sweep as a whole, as Hydra composes it for each job.
        """
        os.environ[SWEEP] = self.sweep
        experiment = experiment_folder(config)
        for number in self._order(int(HydraConfig.get().job.num)):
            folder = self._folder(experiment, number)
            if folder is None or self._is_left(folder, again=bool(config.rerun)):
                train_listed(self.runs[number], wait=False, number=number, began=self.began)

    def _order(self, job: int) -> Iterator[int]:
        """Places of all runs, beginning where no other job does."""
        first = job % self.jobs * len(self.runs) // self.jobs
        yield from range(first, len(self.runs))
        yield from range(first)

    def _folder(self, experiment: Path, number: int) -> Path | None:
        """Where a run is, if the list says so by now."""
        listed = read_lists(experiment).get(self.sweep, [])
        wanted = list(self.runs[number])
        return next((experiment / entry.folder for entry in listed if list(entry.overrides) == wanted), None)

    def _is_left(self, folder: Path, again: bool) -> bool:
        if is_locked(folder) or run_state(folder) == "failed":
            return False
        return not is_done(folder) or (again and done_at(folder) < self.began)


def share(config: DictConfig, worker: Worker) -> None:
    """Lets Hydra's launcher run the jobs, and waits for them.

    Runs that failed before are tried again.

    Raises:
        Exception: whatever a job ended with, or the launcher.
    """
    experiment = experiment_folder(config)
    experiment.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, experiment / "multirun.yaml")  # as Hydra's sweeper does
    if not worker.jobs:
        return
    for entry in read_lists(experiment).get(worker.sweep, []):
        note_failure(experiment / entry.folder, None)
    loader = GlobalHydra.instance().config_loader()
    given = OverridesParser.create(loader).parse_overrides(list(config.hydra.overrides.task))
    common = [str(override.input_line) for override in given if not override.is_sweep_override()]
    context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=worker, config=config)
    for result in launcher.launch([common] * worker.jobs, initial_job_idx=0):
        _ = result.return_value  # raises what the job ended with
