"""From a config that Hydra composed to a run that is ready to start."""

__all__ = ["build_run", "train_run"]

import time
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from continual.models import parameter_counts
from continual.records.record import Record
from continual.records.versions import own_sources
from continual.run import Run, execute
from continual.trackers.tracker import RunInfo
from scripts.config.composed import (
    WITHOUT_EFFECT,
    check_places,
    experiment_folder,
    folder_name,
    identity,
    label,
    named_code,
    plain,
    swept_values,
)
from scripts.config.needs import vast
from scripts.config.parts import build_parts, try_parts

_BEGAN = time.time()


def build_run(config: DictConfig) -> Run:
    """Everything that a run needs, from the config that Hydra composed for it.

    Raises:
        ConfigError: whatever is wrong with the config, in one line.
    """
    values = plain(config)
    hydra: Any = HydraConfig.get()
    check_places(hydra)
    if vast(values):
        try_parts(values)
    parts = build_parts(values)
    swept = {**swept_values(hydra), **values["sweep"]}
    info = RunInfo(
        experiment=values["experiment_name"],
        name=label(values, hydra, swept),
        identity=identity(values),
        folder=experiment_folder(config) / folder_name(values, hydra),
        config=values,
        parameters=parameter_counts(parts.training.model),
        task_names=[task.name for task in parts.training.curriculum.tasks],
        seeds=values["seeds"],
        family=str(parts.training.model.describe()["family"]),
    )
    return Run(
        info,
        parts.training,
        parts.tracker,
        swept,
        own_sources(named_code({key: value for key, value in values.items() if key not in WITHOUT_EFFECT})),
        _BEGAN if values["rerun"] else None,
        parts.limits,
    )


def train_run(run: Run, *, wait: bool = True) -> Record:
    """Trains a run, or finds its record: `execute`, or what a debug preset has in its place.

    Raises:
        Exception: see `execute`.
    """
    runner = run.info.config["debug"].get("runner")
    return (instantiate({**runner, "_partial_": True}) if runner else execute)(run, wait=wait)
