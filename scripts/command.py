"""Command lines: what a short form stands for, and how one is written so that it can be pasted into a shell."""

__all__ = ["check_flags", "check_packages", "completed", "train_command"]

import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

from scripts.config.schema import ConfigError
from scripts.groups import find, options


def check_packages() -> None:
    """Says so where another package of the same name hides one of this project's.

    pykan, for one, is imported as `kan` too, and a folder `kan` or `tasks` in which Python is started comes first.

    Raises:
        ConfigError: which one, and where it lies.
    """
    root = Path(__file__).resolve().parent.parent
    for name in ("conf", "continual", "kan", "mlp_baselines", "tasks"):
        found = find_spec(name)
        places = [] if found is None else [*(found.submodule_search_locations or [])]
        if root / name not in [Path(place).resolve() for place in places]:
            where = f"{places[0]} hides it" if places else "it is not there"
            raise ConfigError(
                f"this project's package {name} can't be used: {where}; start from the project's folder, or install "
                "the project into an environment of its own"
            )


def check_flags(arguments: Sequence[str]) -> None:
    """Says what is wrong with the flags of a command line; Hydra would print all that there are.

    Raises:
        ConfigError: in one line.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message and not any(part.startswith("-") for part in unknown.split()):
            flag = next(a for a in reversed(arguments[: -len(unknown.split())]) if a.startswith("-"))
            message = f"flags come first: {flag} before {next(a for a in arguments if not a.startswith('-'))}"
        raise ConfigError(f"{message}; --help shows what there is")

    parser.error = refuse  # type: ignore[method-assign]
    found = vars(parser.parse_args(list(arguments)))
    modes = [name for name in ("run", "multirun", "cfg", "info", "shell_completion") if found.get(name)]
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join('--' + name for name in modes)} can't go together; --cfg shows a single run")


def completed(arguments: Sequence[str]) -> list[str]:
    """The command line with what it leaves out: a case of an experiment comes with the experiment.

    `+experiment/five_peaks=kan` alone is that run of `+experiment=five_peaks`, with all that the experiment sets, and
    found in the experiment's folder. Several cases, or a case where the experiment has further axes of cases, are the
    sweep over those.

    Raises:
        ConfigError: several experiments at once, which have no common figure; or an option that can be none.
    """
    if any(argument.startswith(("--help", "-h")) for argument in arguments):
        return list(arguments)
    parsed = [_parsed(argument) for argument in arguments]
    keys = [None if override is None else override.key_or_group for override in parsed]
    for override in parsed:
        if override is not None and override.key_or_group == "experiment":
            _check_single(override)
        if override is not None:
            _check_options(override)
    if "experiment" in keys:
        return list(arguments)
    named = [key.split("/")[1] for key in keys if key is not None and key.startswith("experiment/")]
    experiment = next((n for n in named if find(f"experiment/{n}.yaml") is not None), None)
    if experiment is None:
        return list(arguments)
    axes = _axes(experiment)
    # in the order in which the experiment's own sweep composes them: its axes, then the experiment
    slots = [index for index, key in enumerate(keys) if key in axes]
    if not slots:
        raise ConfigError(f"+experiment/{experiment}=… needs one of {', '.join(f'+{axis}=…' for axis in axes)}")
    ordered = list(arguments)
    for slot, index in zip(slots, sorted(slots, key=lambda index: axes.index(str(keys[index]))), strict=True):
        ordered[slot] = arguments[index]
    sweeps = any(override is not None and override.is_sweep_override() for override in parsed)
    alone = set(axes) <= set(keys) and not sweeps and "hydra.mode" not in keys
    mode = ["hydra.mode=RUN"] if alone and not {"-m", "--multirun"} & set(arguments) else []
    return [*ordered[: slots[-1] + 1], f"+experiment={experiment}", *mode, *ordered[slots[-1] + 1 :]]


def _parsed(argument: str) -> Override | None:
    """The override that an argument is; None for a flag, its value, and what can't be read, which Hydra answers."""
    if argument.startswith("-") or "=" not in argument:
        return None
    try:
        return OverridesParser.create().parse_override(argument)
    except (HydraException, ValueError):
        return None


def _check_options(override: Override) -> None:
    """Refuses what can't be an option of a group, numbers and truth values, at which Hydra breaks off."""
    group = override.key_or_group
    if "." in group or not (valid := options(group)):
        return
    value = override.value()
    if isinstance(value, ChoiceSweep):
        value = value.list
    for option in value if isinstance(value, list) else [value]:
        if isinstance(option, bool | int | float):
            raise ConfigError(
                f"{group} must be one of {', '.join(valid)}, got {str(override.input_line).partition('=')[2]}"
            )


def _check_single(experiment: Override) -> None:
    """Refuses several experiments in one command, however they are written."""
    value = experiment.value()
    if isinstance(value, ChoiceSweep):
        value = value.list
    elif not isinstance(value, list) and not experiment.is_sweep_override():
        return
    names = " and ".join(f"+experiment={name}" for name in value) if isinstance(value, list) else "them"
    raise ConfigError(f"experiments can't be swept, each has a figure of its own: run {names} one by one")


def _axes(experiment: str) -> list[str]:
    """The groups of cases over which an experiment sweeps, in its order."""
    content = yaml.safe_load(find(f"experiment/{experiment}.yaml").read_text(encoding="utf-8"))
    params = content.get("hydra", {}).get("sweeper", {}).get("params", {})
    return [key.lstrip("+") for key in params if key.startswith("+experiment/")]


def train_command(overrides: Sequence[str], *, sweep: bool) -> str:
    """The command of a run or a sweep, quoted for bash and zsh.

    Args:
        overrides: as Hydra took them.
        sweep: whether it is that of a sweep; experiments bring their own, and one run of theirs has to say so.
    """
    whole = any(item.startswith("+experiment=") for item in overrides)
    flags = ["-m"] if sweep and not whole else []
    mode = ["hydra.mode=RUN"] if whole and not sweep and "hydra.mode=RUN" not in overrides else []
    return " ".join(["python -m scripts.train", *flags, *map(shlex.quote, overrides), *mode])
