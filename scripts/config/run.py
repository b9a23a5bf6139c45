"""From a config that Hydra composed to a run that is ready to start."""

__all__ = ["build_run", "train_run"]

import time
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from continual.models import parameter_counts
from continual.records.record import Record, is_done
from continual.run import Run, execute
from continual.trackers.tracker import RunInfo
from scripts.config.composed import (
    check_places,
    experiment_folder,
    folder_name,
    label,
    plain,
    swept_values,
)
from scripts.config.identity import identity, own_code
from scripts.config.needs import vast
from scripts.config.parts import build_parts, try_parts
from scripts.config.tuning import choose, is_tuned, with_settings

_BEGAN = time.time()


def build_run(config: DictConfig, values: dict[str, Any] | None = None) -> Run:
    """Everything that a run needs, from the config that Hydra composed for it.

    Where settings are to be chosen, the trials come first, unless the run has its record.

    Args:
        config: as Hydra composed it.
        values: the same in plain containers, if it has been checked already.

    Raises:
        ConfigError: whatever is wrong with the config, in one line.
    """
    asked = values = plain(config) if values is None else values
    hydra: Any = HydraConfig.get()
    check_places(hydra)
    if vast(values):
        try_parts(values)
    swept = {**swept_values(hydra), **values["sweep"]}
    name = label(values, hydra, swept)
    folder = experiment_folder(config) / folder_name(values, hydra)
    tuned: dict[str, Any] | None = None
    if is_tuned(values) and (values["rerun"] or not is_done(folder)):
        tuned = choose(values, str(hydra.runtime.choices.model), folder.parent, name)
        values = with_settings(values, tuned["chosen"])
    parts = build_parts(values)
    info = RunInfo(
        experiment=values["experiment_name"],
        name=name,
        identity=identity(asked),
        folder=folder,
        config=values,
        parameters=parameter_counts(parts.training.model),
        task_names=[task.name for task in parts.training.curriculum.tasks],
        seeds=values["seeds"],
        family=str(parts.training.model.describe()["family"]),
        axes=swept,
    )
    return Run(
        info,
        parts.training,
        parts.tracker,
        swept,
        own_code(values),
        _BEGAN if values["rerun"] else None,
        parts.limits,
        tuned,
    )


def train_run(run: Run, *, wait: bool = True) -> Record:
    """Trains a run, or finds its record: `execute`, or what a debug preset has in its place.

    Raises:
        Exception: see `execute`.
    """
    runner = run.info.config["debug"].get("runner")
    return (instantiate({**runner, "_partial_": True}) if runner else execute)(run, wait=wait)
