"""Command lines: what a short form stands for, and how one is written so that it can be pasted into a shell."""

__all__ = ["check_packages", "completed", "train_command"]

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from scripts.schema import ConfigError


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


def completed(arguments: Sequence[str]) -> list[str]:
    """The command line with what it leaves out: a case of an experiment comes with the experiment.

    `+experiment/five_peaks=kan` alone is that run of `+experiment=five_peaks`, with all that the experiment sets, and
    found in the experiment's folder.

    Raises:
        ConfigError: several experiments at once, which have no common figure.
    """
    keys = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        if key == "experiment" and "," in value:
            names = " and ".join(f"+experiment={name}" for name in value.split(","))
            raise ConfigError(f"experiments can't be swept, each has a figure of its own: run {names} one by one")
    if "experiment" in keys or any(argument.startswith(("--help", "-h")) for argument in arguments):
        return list(arguments)
    for index, argument in enumerate(arguments):
        found = re.fullmatch(r"\+experiment/(\w+)=([^,\[\]()]+)", argument)
        if found and files("conf").joinpath("experiment", f"{found[1]}.yaml").is_file():
            # in the order in which the experiment's own sweep composes them: the case, then the experiment
            return [*arguments[: index + 1], f"+experiment={found[1]}", "hydra.mode=RUN", *arguments[index + 1 :]]
    return list(arguments)


def train_command(overrides: Sequence[str], *, sweep: bool) -> str:
    """The command of a run or a sweep, quoted for bash and zsh."""
    whole = sweep and not any(item.startswith("+experiment=") for item in overrides)
    return " ".join(["python -m scripts.train", *(["-m"] if whole else []), *map(shlex.quote, overrides)])
