"""Config groups and their options: ours, and those of the folder that `--config-dir` names."""

__all__ = ["composed", "find", "listed", "options", "overrides_of", "without_hydra"]

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf


def _parsed(arguments: Sequence[str]) -> Any:
    return get_args_parser().parse_known_args(list(arguments))[0]


def overrides_of(arguments: Sequence[str]) -> list[str]:
    """What a command line sets, without its flags and their values."""
    return list(_parsed(arguments).overrides)


def _own_folder() -> Path | None:
    """The user's folder of options, of the command that this process answers."""
    named = _parsed([a for a in sys.argv[1:] if a not in ("-h", "--help")]).config_dir
    return Path(named).absolute() if named else None


def _roots() -> list[Any]:
    """The folders in which Hydra looks for options, in its order."""
    own = _own_folder()
    return [files("conf"), *([own] if own is not None and own.is_dir() else [])]


def listed(group: str = "") -> list[Any]:
    """What lies in the folders of a group, by name; nothing if there is no such."""
    folders = [root.joinpath(group) if group else root for root in _roots()]
    found: dict[str, Any] = {}
    for folder in folders:
        if folder.is_dir():
            found = {**{item.name: item for item in folder.iterdir()}, **found}
    return [found[name] for name in sorted(found)]


def options(group: str) -> list[str]:
    """Names of a group's options."""
    return [item.name.removesuffix(".yaml") for item in listed(group) if item.name.endswith(".yaml")]


def find(path: str) -> Any:
    """A file of options, such as "model/kan.yaml"; None if there is no such."""
    places = [root.joinpath(path) for root in _roots()]
    return next((place for place in places if place.is_file()), None)


def composed(overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """The config that overrides make, apart from any run.

    Raises:
        HydraException: whatever Hydra says of overrides that are wrong.
    """
    own = _own_folder()
    search = [] if own is None else [f"hydra.searchpath=['file://{own}']"]
    with initialize_config_module("conf", version_base="1.3"):
        return compose("train", overrides=[*search, *overrides], return_hydra_config=with_hydra)


def without_hydra(config: DictConfig) -> DictConfig:
    """A composed config without Hydra's own node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
