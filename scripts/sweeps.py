"""Checks every run of a sweep before the first one starts."""

__all__ = ["check_sweep"]

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from scripts.schema import ConfigError

MANY = 100
"""Runs from which not every combination is checked, but every value in one: a quarter of a second each adds up."""


def check_sweep(config: DictConfig) -> None:
    """Composes each run and builds it, for one seed, of a basic sweep; other sweepers choose their runs as they go.

    Of `MANY` runs or more, only so many that every value of every axis has been in one.

    Raises:
        ConfigError: what is wrong with a run, and which one it is.
    """
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return
    from scripts.config import build_parts, plain

    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*swept, *config.hydra.overrides.task])
    varied = {override.get_key_element() for override in overrides if override.is_sweep_override()}
    jobs = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
    seen: set[str] = set()
    for job in jobs:
        if len(jobs) >= MANY and seen.issuperset(job):
            continue
        seen.update(job)
        try:
            values = plain(compose("train", overrides=list(job)))
            build_parts({**values, "seeds": values["seeds"][:1]})
        except ConfigError as error:
            which = ", ".join(part for part in job if part.partition("=")[0] in varied)
            raise ConfigError(f"{error} (in the run with {which})" if which else str(error)) from None
