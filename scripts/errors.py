"""One line for each mistake that a user can make on the command line, with the nearest valid name."""

__all__ = ["answered", "arguments_or_usage", "explain", "speak_anywhere"]

import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from continual.stopping import LimitReachedError
from scripts.config.schema import ConfigError, nearest, settings
from scripts.groups import composed, listed, options, overrides_of

_GROUPS = (
    "model",
    "curriculum",
    "optimizer",
    "strategy",
    "adaptation",
    "penalty",
    "probe",
    "tracker",
    "debug",
    "experiment",
)


def explain(error: BaseException, arguments: Sequence[str]) -> str | None:
    """The message for a mistake of the user's; None if the error is no such thing and deserves its traceback.

    Args:
        error: what was raised while composing or building.
        arguments: the command line after the script's name.

    Returns:
        One line, whatever the values that it shows hold.
    """
    message = _message(error, arguments)
    return None if message is None else " ".join(line.strip() for line in message.splitlines())


def _message(error: BaseException, arguments: Sequence[str]) -> str | None:
    if isinstance(error, ConfigError):
        return str(error)
    if _says_it_all(error):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{(error.strerror or type(error).__name__)[:1].lower()}{(error.strerror or '')[1:]}"
    if isinstance(error, FileNotFoundError):  # our own, which name the way out
        return str(error)
    if isinstance(error, MissingConfigException):
        return _missing_option(str(error))
    if isinstance(error, ConfigCompositionException):
        return _unknown_key(error, arguments)
    if isinstance(error, OverrideParseException):
        return _quoting(str(error.override))
    if isinstance(error, ValueError) and "Config group override must be" in str(error):
        return _no_option(arguments)
    if isinstance(error, ValueError) and "for integer string conversion" in str(error):
        longest = max(arguments, key=len, default="")
        return f"{longest.partition('=')[0]} has too many digits for a number"
    if isinstance(error, MemoryError):
        return "the run needs more memory than there is; take fewer seeds or a smaller model"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _first_line(error)
    if type(error).__module__.partition(".")[0] in _LAUNCHERS:
        return f"a job ended before its work was done ({_first_line(error)}); the same command goes on"
    return None


_LAUNCHERS = ("joblib", "ray", "submitit")
"""Packages that run others' work, and tell of it when that, or its process, is gone."""


@contextmanager
def answered(arguments: Sequence[str], also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Ends the process with one line where a user's mistake is met, and leaves everything else as it is.

    Args:
        arguments: see `explain`.
        also: errors whose own words are the line.
    """
    try:
        yield
    except Exception as error:
        message = str(error.args[0]) if isinstance(error, also) else explain(error, arguments)
        if message is None:
            raise
        sys.exit(f"error: {message}")


def arguments_or_usage(usage: str) -> list[str]:
    """The command line after the script's name; where there is none, or help is asked for, the usage and the end."""
    speak_anywhere()
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(usage)
        sys.exit(0 if arguments else 2)
    return arguments


def speak_anywhere() -> None:
    """Lets what is printed reach whatever listens, or nobody, without ending the work.

    Signs that the encoding of a terminal or file lacks become question marks. Once the reader of a pipe has gone
    (`| head`, a terminal that was closed), the rest is said to nobody.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
            setattr(sys, name, _Steady(stream))


class _Steady:
    """A stream that goes silent where another would break."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of a stream."""
        return self._do(lambda: self._stream.write(text), len(text))

    def flush(self) -> None:
        """As of a stream."""
        self._do(self._stream.flush, None)

    def _do(self, act: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return act()
        except BrokenPipeError:  # what is still buffered goes there too, now or when Python ends
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            return otherwise


def _says_it_all(error: BaseException) -> bool:
    """Asked once something has gone wrong: what knows the answer imports torch, which --help need not wait for."""
    from continual.records.files import UnusableFileError
    from continual.run import OverfitError

    return isinstance(error, UnusableFileError | LimitReachedError | OverfitError)


_EXTRAS = {
    "joblib": "pip install -e '.[parallel]'",
    **dict.fromkeys(("submitit_local", "submitit_slurm"), "pip install -e '.[slurm]'"),
    "ray": "pip install -e '.[ray]'",
}


def _quoting(override: str) -> str:
    """What can't be read, and the same in the quotes that Hydra and the shell want, if that is all it lacks."""
    key, sign, value = override.partition("=")
    if not override.isprintable():
        return f"can't read {override!r}; signs that can't be printed, line breaks among them, have no place here"

    def quoted(text: str) -> str:
        return '"' + text.strip().strip("'\"").replace("\\", "\\\\").replace('"', '\\"') + '"'

    inner = value.strip()
    if inner.startswith("[") and inner.endswith("]"):
        inner = "[" + ",".join(quoted(item) for item in inner[1:-1].split(",")) + "]"
    else:
        inner = quoted(inner)
    proposed = f"{key}={inner}"
    try:
        OverridesParser.create().parse_override(proposed)
    except HydraException:
        sign = ""
    if not sign:
        return f"can't read {override!r}; write key=value"
    return f"can't read {override!r}; in quotes: {shlex.quote(proposed)}"


def _no_option(arguments: Sequence[str]) -> str:
    """Which group was set to nothing."""
    for argument in arguments:
        group, _, value = argument.lstrip("+").partition("=")
        valid = options(group)
        if valid and value in ("null", "", "~"):
            return f"{group} must be one of {', '.join(valid)}, got {value or 'nothing'}"
    return "a group of the config must be set to one of its options, got null"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _missing_option(text: str) -> str:
    """Hydra's page on an option that no file offers, as a line."""
    found = re.search(r"Could not (?:find|load) '([^']+)'", text)
    if found is None:
        return text.splitlines()[0]
    group, _, option = found[1].rpartition("/")
    if group == "hydra/launcher":
        return f"{group}={option} needs a package that is not installed; {_EXTRAS.get(option, 'see Hydra: launchers')}"
    return f"{group}={option} is not an option; {nearest(option, options(group))}"


def _unknown_key(error: ConfigCompositionException, arguments: Sequence[str]) -> str:
    """The key that composition refused, with what it may have been meant to be."""
    found = re.search(r"Could not (?:override|append to config|delete from config)\S* '([^'=]+)", str(error))
    if found is None:
        cause = error.__cause__
        return _first_line(cause if cause is not None else error)
    key = found[1].split("@")[0].rstrip(".")
    if "No match in the defaults list" in str(error) and key in ("experiment", *_experiments()):
        return f"{key} is chosen with a plus: +{key}=…"
    parent, _, last = key.rpartition(".")
    others = [a for a in overrides_of(arguments) if a.lstrip("+~").partition("=")[0] != key]
    config = _composed([a for a in others if not _is_swept(a)])
    sweeps = any(a in ("-m", "--multirun") or a.startswith("+experiment=") for a in arguments)
    hint = f"; if the runs of the sweep have it, ++{key}=…" if sweeps else ""
    node = config if not parent else OmegaConf.select(config, parent) if config is not None else None
    if not isinstance(node, DictConfig):
        return f"{key} is not a config key; {nearest(parent or key, [str(k) for k in config or ()])}{hint}"
    if last in node:
        return _first_line(error.__cause__ or error)
    offered = settings(node)
    if last in offered:
        return f"{key} is left at its default by the config; set it with a plus, +{key}=…{hint}"
    if parent and "_target_" in node and not offered:
        return f"{key} is not a config key; {node['_target_']} has no settings{hint}"
    names = [str(k) for k in node if k != "hydra" and not str(k).startswith("_")]
    names += [name for name in offered if name not in names]
    return f"{key} is not a config key; {nearest(last, names + (list(_GROUPS) if not parent else []))}{hint}"


def _is_swept(argument: str) -> bool:
    try:
        return OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False


def _experiments() -> tuple[str, ...]:
    return tuple(f"experiment/{item.name}" for item in listed("experiment") if item.is_dir())


def _composed(overrides: Sequence[str]) -> DictConfig | None:
    """The config without the override that was refused, to look up what would have been valid."""
    GlobalHydra.instance().clear()
    try:
        return composed(overrides)
    except HydraException:
        return None
