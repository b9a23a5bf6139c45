"""A sweep as a file for W&B: `wandb agent` trains one run a trial, and the file runs here without W&B as well."""

__all__ = ["sweep_file", "trials"]

import argparse
import itertools
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from continual.metrics import METRICS, find_metric
from continual.records.files import replace_file
from scripts.command import completed
from scripts.config.schema import ConfigError, nearest
from scripts.sweeps import check_sweep

_ARGUMENTS = "${args_no_hyphens}"
_ENTRY = ["${env}", "python", "-m", "scripts.train"]


def sweep_file(options: argparse.Namespace) -> int:
    """Writes a sweep's file, after every run of it has been checked.

    Args:
        options: `file` to write; `overrides`, what `python -m scripts.train -m` takes, `interval(a,b)` for a range that
            `method` searches; `method`, `metric` and `project` of the sweep.
    """
    if options.metric not in METRICS or find_metric(options.metric).needs == "another run":
        raise ValueError(f"--metric {options.metric} is no metric; {nearest(options.metric, METRICS)}")
    if options.file.suffix not in (".yaml", ".yml"):
        raise ValueError(f"{options.file} must end in .yaml")
    overrides = [item for item in completed(options.overrides) if item not in ("-m", "--multirun")]
    for item in overrides:
        if item.startswith("-"):
            raise ValueError(f"{item} has no place in a sweep's file: it holds overrides, KEY=VALUE")
    with initialize_config_module("conf", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(
            "train", overrides, run_mode=RunMode.MULTIRUN, with_log_configuration=False, from_shell=False
        )
        parser = OverridesParser.create(hydra.config_loader)
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        parsed = parser.parse_overrides([*swept, *overrides])
        axes = [override for override in parsed if override.is_sweep_override()]
        if not axes:
            raise ValueError("nothing is swept: give a key several values, as in model.grid_size=5,20")
        parameters = {str(axis.input_line).partition("=")[0]: _parameter(axis) for axis in axes}
        if options.method == "grid" and (ranges := [key for key, node in parameters.items() if "values" not in node]):
            raise ValueError(f"{ranges[0]} is a range, which a grid has no values of; --method random or bayes")
        with read_write(config.hydra), open_dict(config.hydra):
            _check(config, parsed)
    fixed = [str(each.input_line) for each in parsed[len(swept) :] if not each.is_sweep_override()]
    fixed = [*(str(each.input_line) for each in parsed[: len(swept)] if not each.is_sweep_override()), *fixed]
    experiments = [item for item in fixed if item.startswith("+experiment=")]
    if experiments and any(key.startswith("+experiment/") for key in parameters):
        fixed = [item for item in fixed if item not in experiments]  # its cases bring it, in the order that it needs
    elif experiments:
        fixed.append("hydra.mode=RUN")
    mode = [] if any(item.startswith("tracker") for item in fixed) else ["tracker.mode=online"]
    content = {
        "name": str(config.experiment_name),
        "project": options.project,
        "method": options.method,
        "metric": {"name": f"{options.metric}/mean", "goal": "maximize" if _higher(options.metric) else "minimize"},
        "command": [*_ENTRY, _ARGUMENTS, *fixed, *mode],
        "parameters": parameters,
    }
    replace_file(options.file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120).encode())
    file = shlex.quote(str(options.file))
    count = len(list(_combinations(parameters))) if all("values" in node for node in parameters.values()) else None
    print(f"{options.file}: {'a search' if count is None else f'{count} runs'}, {len(parameters)} settings")
    print(f"with W&B: wandb sweep {file}, and what it prints, wandb agent …, on as many machines as there are")
    if count is not None:
        print(f"without: python -m scripts.runs trials {file} --go")
    return 0


def _higher(metric: str) -> bool:
    """Whether more of a metric is better."""
    return find_metric(metric).higher


def _parameter(axis: Override) -> dict[str, Any]:
    """What W&B takes of a swept setting; numbers stay numbers, for its axes."""
    sweep = axis.value()
    if isinstance(sweep, IntervalSweep):
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        if "log" in sweep.tags:
            kind = "q_log_uniform_values" if whole else "log_uniform_values"
        else:
            kind = "int_uniform" if whole else "uniform"
        return {"distribution": kind, "min": sweep.start, "max": sweep.end}
    if not axis.is_discrete_sweep():
        raise ConfigError(f"{axis.input_line} has no end of values; name them: {axis.key_or_group}=1,2,3")
    return {"values": [_value(text) for text in axis.sweep_string_iterator()]}


def _value(text: str) -> Any:
    """A value as a number where Hydra reads the number back as this very text, and as Hydra's own text otherwise."""
    for kind in (int, float):
        try:
            if str(kind(text)) == text:
                return kind(text)
        except ValueError:
            continue
    return text


def _check(config: DictConfig, parsed: Sequence[Override]) -> None:
    """Checks every run, as a sweep does before its first; of a range, the runs at its ends."""
    params: Mapping[str, Any] = config.hydra.sweeper.params or {}
    ends = {}
    for each in parsed:
        value = each.value() if each.is_sweep_override() else None
        if isinstance(value, IntervalSweep):
            ends[str(each.input_line).partition("=")[0]] = f"{value.start},{value.end}"
    config.hydra.sweeper.params = OmegaConf.create({key: ends.get(key, value) for key, value in params.items()})
    task = [str(item) for item in config.hydra.overrides.task]
    config.hydra.overrides.task = [
        f"{key}={ends[key]}" if (key := item.partition("=")[0]) in ends else item for item in task
    ]
    for line in check_sweep(config)[1]:
        print(line)


def trials(options: argparse.Namespace) -> int:
    """Shows the command of each trial of a grid, as `wandb agent` would call it, or runs them here.

    Args:
        options: `file` of the sweep; `go`, whether they are run, in this order and as W&B is configured here: finished
            runs are skipped, so that what was interrupted goes on.
    """
    status = 0
    for command in _commands(options.file):
        print(shlex.join(command), flush=True)
        if options.go:
            status = subprocess.run([sys.executable, *command[1:]], check=False).returncode or status
    return status


def _commands(file: Path) -> Iterator[list[str]]:
    """The command of each trial; a run that W&B has no part in is tracked offline."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        words = [str(word) for word in content["command"]]
        parameters = {str(key): dict(node) for key, node in content["parameters"].items()}
    except (UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{file} is no sweep's file; python -m scripts.runs sweep-file writes one") from None
    if words[: len(_ENTRY)] != _ENTRY or _ARGUMENTS not in words:
        raise ValueError(f"{file}: its command is not this project's; python -m scripts.runs sweep-file writes one")
    if any("values" not in node for node in parameters.values()):
        raise ValueError(f"{file} is a search, whose trials W&B chooses: wandb sweep {shlex.quote(str(file))}")
    words = ["tracker.mode=offline" if word == "tracker.mode=online" else word for word in words[1:]]
    for chosen in _combinations(parameters):
        place = words.index(_ARGUMENTS)
        yield [*words[:place], *(f"{key}={value}" for key, value in chosen.items()), *words[place + 1 :]]


def _combinations(parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*(node["values"] for node in parameters.values())):
        yield dict(zip(parameters, values, strict=True))
