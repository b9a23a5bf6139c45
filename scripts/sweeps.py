"""Checks every run of a sweep before the first one starts."""

__all__ = ["check_sweep"]

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from scripts.schema import ConfigError


def check_sweep(config: DictConfig) -> None:
    """Composes and builds each run of a basic sweep; other sweepers choose their runs as they go.

    Raises:
        ConfigError: what is wrong with a run, and which one it is.
    """
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return
    from scripts.config import plain

    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*swept, *config.hydra.overrides.task])
    for batch in BasicSweeper.split_arguments(overrides, None):
        for job in batch:
            composed = compose("train", overrides=list(job))
            with open_dict(composed):
                composed.pop("hydra", None)
            try:
                plain(OmegaConf.create(OmegaConf.to_container(composed)))
            except ConfigError as error:
                varied = ", ".join(part for part in job if part.partition("=")[0] in " ".join(swept)) or " ".join(job)
                raise ConfigError(f"{error} (in the run with {varied})") from None
