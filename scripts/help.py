"""`--help`: the groups with what their files say of each option, and the config with what they say of each key."""

__all__ = ["show_help"]

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from scripts.groups import composed, find, listed, options, without_hydra

_WIDTH = 120
_LINE = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*?)(?: +#\s*(?P<comment>.*))?$")

_SEVERAL = ("adaptation", "probe", "strategy")
"""Groups of which several options may be taken at once."""


def show_help(arguments: Sequence[str]) -> str:
    """The text of `--help` for the config that the other arguments make.

    Args:
        arguments: the overrides of the command line.

    Raises:
        Exception: whatever Hydra says of overrides that are wrong.
    """
    config = composed(arguments, with_hydra=True)
    template = str(OmegaConf.to_container(config.hydra.help, resolve=False)["template"])  # type: ignore[index,call-overload]
    groups = "\n".join(_groups())
    return template.replace("$APP_CONFIG_GROUPS", groups).replace("$CONFIG", "\n".join(_config(config)))


def _groups() -> Iterator[str]:
    """Every group with its options; those of a name alone with what they are, cases of experiments on a line."""
    for group in (item.name for item in listed() if item.is_dir() and item.name not in ("hydra", "__pycache__")):
        names = options(group)
        if not names:
            continue
        width = max(map(len, names)) + 2
        yield group
        for name in names:
            yield from _wrapped(f"  {name:{width}}", _header(_read(f"{group}/{name}.yaml")))
        for folder, cases in _cases(group):
            yield from _wrapped(f"  {folder}: ", ", ".join(cases))


def _wrapped(begin: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=begin, subsequent_indent=" " * min(len(begin), 26)) or [begin]


def _cases(path: str) -> Iterator[tuple[str, list[str]]]:
    for item in listed(path):
        if item.is_dir():
            names = options(f"{path}/{item.name}")
            if names:
                yield f"{path}/{item.name}", names
            yield from _cases(f"{path}/{item.name}")


def _read(path: str) -> str:
    """A file of options; nothing where there is no such."""
    found = find(path)
    return "" if found is None else found.read_text(encoding="utf-8")


def _header(text: str) -> str:
    """The first sentence of a file's own words."""
    words: list[str] = []
    for line in text.splitlines():
        said = line.lstrip("# ")
        if not line.startswith("#") or (not said and words):
            break
        if said and not said.startswith(("@package", "python -m")):
            words.append(said)
    return re.split(r"(?<=\.) (?=[A-Z])", " ".join(words))[0]


def _config(config: DictConfig) -> Iterator[str]:
    """The composed config as YAML, each key with the words of the file it comes from."""
    said = _explanations({**config.hydra.runtime.choices, **dict.fromkeys(_SEVERAL)})
    lines = list(_with_paths(OmegaConf.to_yaml(without_hydra(config))))
    column = min(max((len(line) for path, line in lines if path in said), default=0) + 2, 50)
    for path, line in lines:
        yield f"{line:{column}}# {said[path]}" if path in said else line


def _explanations(choices: Mapping[str, Any]) -> dict[str, str]:
    """What files say of keys, by the keys' paths: the main one, and those of the options that were chosen."""
    found = _comments(_read("train.yaml"), "")
    for group, choice in choices.items():
        # of several at once Hydra tells nothing; their keys have the options' names, and can't be confused
        for option in options(group) if group in _SEVERAL else [choice]:
            text = "" if group.startswith("hydra") else _read(f"{group}/{option}.yaml")
            if text:
                found |= _comments(text, "" if "# @package _global_" in text else f"{group.replace('/', '.')}.")
    return found


def _comments(text: str, prefix: str) -> dict[str, str]:
    return {
        prefix + path: comment
        for path, line in _with_paths(text)
        if path and (comment := (_LINE.match(line) or {"comment": None})["comment"])
    }


def _with_paths(text: str) -> Iterator[tuple[str, str]]:
    """Lines of YAML, each with the path of its key; "" where it has none."""
    stack: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            yield "", line
            continue
        indent = len(match["indent"])
        stack = [*((depth, key) for depth, key in stack if depth < indent), (indent, match["key"])]
        yield ".".join(key for _, key in stack), line
