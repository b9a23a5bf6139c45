"""A composed config in plain containers, checked, and what identifies it: hash, folder, label, place in a sweep."""

__all__ = [
    "check_places",
    "entry_of",
    "experiment_folder",
    "folder_name",
    "label",
    "plain",
    "put",
    "shortest",
    "swept_values",
]

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from continual.records.listing import Entry
from scripts.config.identity import identity
from scripts.config.needs import check_seeds
from scripts.config.schema import ConfigError, check_config
from scripts.config.tuning import check_tune
from tasks.functions import target_function

_OF_THE_COMMAND = ("debug", "experiment", "jobs", "limits", "tracker", "results", "report", "sweep", "rerun", "tune")
"""How keys begin that are no axes of a sweep, and no part of a run's name."""


def _kan_shape(function: str) -> list[int]:
    """Layer sizes of the KAN that the paper builds for a function by hand: `${kan_shape:exp_sin}` in a config."""
    shape = target_function(function).kan_shape
    if shape is None:
        raise ValueError(f"the paper has no KAN made by hand for {function}")
    return list(shape)


def _cases(*options: Sequence[str]) -> str:
    """All combinations of options of a group, as a sweep: `${cases:[kan,mlp],[d1,d2]}` is "[kan,d1],[kan,d2],…"."""
    return ",".join(f"[{','.join(map(str, chosen))}]" for chosen in product(*options))


def _steps_on(each: int, grids: Sequence[int]) -> int:
    """Training steps for so many on each of some grids: `${steps_on:20,${values.sizes}}` in a config."""
    return each * len(grids)


OmegaConf.register_new_resolver("cases", _cases, replace=True)
OmegaConf.register_new_resolver("kan_shape", _kan_shape, replace=True)
OmegaConf.register_new_resolver("steps_on", _steps_on, replace=True)


def plain(config: DictConfig) -> dict[str, Any]:
    """The config resolved, in plain containers, without Hydra's own node, and checked.

    Raises:
        ConfigError: see `scripts.config.schema`; also a value that is missing or refers to nothing.
    """
    try:
        values = {str(key): _resolved(config[key]) for key in config if key != "hydra"}
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from None
    settings = OmegaConf.select(config, "debug.settings")
    if isinstance(settings, DictConfig):  # whatever else it is, the check refuses
        put(values, OmegaConf.to_container(settings, resolve=True))
    check_config(values)
    if isinstance(values["seeds"], int):
        check_seeds(values["seeds"])
        values["seeds"] = list(range(values["seeds"]))
    check_tune(values)
    if values["device"] == "auto":
        values["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return values


def _resolved(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True) if OmegaConf.is_config(node) else node


def put(values: Any, settings: Any) -> None:
    """Puts settings in place of those of a config that are there and in use; a number keeps so many of a list.

    Example:
        >>> values = {"seeds": 10, "optimizer": {"lr": 0.1}, "adaptation": {"grid_schedule": {"sizes": [3, 5, 9]}}}
        >>> put(values, {"seeds": 2, "optimizer": {"max_iter": 3}, "adaptation": {"grid_schedule": {"sizes": 2}}})
        >>> values
        {'seeds': 2, 'optimizer': {'lr': 0.1}, 'adaptation': {'grid_schedule': {'sizes': [3, 5]}}}
    """
    for key, setting in settings.items():
        value = values.get(key)
        if isinstance(value, dict) and isinstance(setting, dict):
            put(value, setting)
        elif isinstance(value, list) and isinstance(setting, int):
            values[key] = value[:setting]
        elif value is not None and not isinstance(value, dict):
            values[key] = setting


def experiment_folder(config: DictConfig) -> Path:
    """results/<experiment>."""
    return Path(str(config.results)) / str(config.experiment_name)


def swept_values(hydra: Any) -> dict[str, Any]:
    """The values that were set for this run on the command line or by a sweep, by the shortest form of their keys."""
    chosen = {}
    for override in hydra.overrides.task:
        key, _, text = override.lstrip("+").partition("=")
        if not key.startswith(_OF_THE_COMMAND):
            try:
                value = OmegaConf.from_dotlist([f"value={text}"]).value  # read as YAML, as Hydra does
            except (YAMLError, OmegaConfBaseException):  # or nearly so: a lone * or @ is a string to Hydra
                value = text
            chosen[key] = value if isinstance(value, int | float | str) else text
    return dict(zip(shortest(list(chosen)), chosen.values(), strict=True))


def shortest(keys: Sequence[str]) -> list[str]:
    """The last parts of dotted keys, as many of them as tell each key from the others.

    Example:
        >>> shortest(["model.grid_size", "optimizer.first.lr", "optimizer.then.lr"])
        ['grid_size', 'first.lr', 'then.lr']
    """
    found = []
    for key in keys:
        parts = key.split(".")
        others = [f".{other}" for other in keys if other != key]
        endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        found.append(next((end for end in endings if not any(o.endswith(f".{end}") for o in others)), key))
    return found


def label(values: dict[str, Any], hydra: Any, swept: dict[str, Any]) -> str:
    """The run's name: the configured one, or the model and whatever was set on the command line."""
    if values["name"]:
        return str(values["name"])
    groups = dict(hydra.runtime.choices)
    shown = [
        str(value) if groups.get(key) == value else f"{key}={value}"
        for key, value in swept.items()
        if key not in ("model", "seeds")
    ]
    return ", ".join([str(hydra.runtime.choices.model), *shown])


def check_places(hydra: Any) -> None:
    """Refuses what would make relative paths mean something else in a run than in its report.

    Raises:
        ConfigError: a change of the working directory.
    """
    if hydra.job.chdir:
        raise ConfigError("hydra.job.chdir has no use here: results=… says where results go")


def entry_of(values: dict[str, Any], hydra: Any, number: int) -> Entry:
    """How a sweep sees one of its runs.

    Args:
        values: the run's plain config.
        hydra: Hydra's own node of it.
        number: its place in the sweep.
    """
    return Entry(
        number=number,
        folder=folder_name(values, hydra),
        model=str(hydra.runtime.choices.model),
        name=values["name"],
        sweep={**swept_values(hydra), **values["sweep"]},
        overrides=tuple(hydra.overrides.task),
    )


def folder_name(values: dict[str, Any], hydra: Any) -> str:
    """Of a run, in its experiment's folder: the model's option and the identity."""
    return f"{hydra.runtime.choices.model}-{identity(values)}"
