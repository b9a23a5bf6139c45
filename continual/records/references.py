"""Runs of one experiment that are the same but for their strategy, found by their configs."""

__all__ = ["find_reference"]

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ALIKE = ("model", "curriculum", "optimizer", "training", "adaptation", "penalty", "dtype")
"""Groups of a config that two runs must have in common to be compared: the same model, tasks and budget."""
_FREE = ("evaluate_every", "checkpoint_seconds")


def find_reference(folder: Path, strategy: str, chosen: Iterable[str] = ()) -> list[Path]:
    """Finished runs beside a run that differ from it in nothing but the strategy, sorted by name.

    Args:
        folder: the run's.
        strategy: the other runs' only one, by its name in `conf/strategy/`.
        chosen: keys that trials chose for each run, which may differ.

    Raises:
        LookupError: there is none, in a few words.
    """
    experiment = folder.resolve().parent
    others = _with_strategy(experiment, experiment.stat().st_mtime_ns, strategy)
    own = _config(folder) if others else {}
    if own is None:
        raise LookupError("its config.yaml is missing or damaged")
    drop = frozenset(chosen)
    found = [
        path
        for path, config in others
        if path.name != folder.name and (path / "record.json").is_file() and _key(config, drop) == _key(own, drop)
    ]
    if not found:
        raise LookupError(f"no finished run beside it with strategy={strategy}, all else the same")
    return found


@lru_cache(maxsize=32)
def _with_strategy(experiment: Path, changed: int, strategy: str) -> list[tuple[Path, Mapping[str, Any]]]:
    """The runs of an experiment with that strategy; `changed`, when runs were last added, keeps the answer fresh."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    for path in sorted(experiment.iterdir()):
        try:
            if strategy not in (path / "config.yaml").read_text(encoding="utf-8").lower():
                continue
        except (OSError, UnicodeDecodeError):
            continue
        config = _config(path)
        if config is not None and _strategies(config.get("strategy")) == [strategy]:
            found.append((path, config))
    return found


def _config(folder: Path) -> dict[str, Any] | None:
    try:
        found = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _strategies(node: Any) -> list[str]:
    """Names of what a config's group `strategy` builds, one node or several by name."""
    if not isinstance(node, dict):
        return []
    nodes = [node] if "_target_" in node else [each for each in node.values() if isinstance(each, dict)]
    return [str(each.get("_target_", "")).rpartition(".")[2].lower() for each in nodes]


def _key(config: Mapping[str, Any], drop: frozenset[str]) -> str:
    """What two runs have in common if they may be compared."""
    return repr([_pruned(config.get(group), group, drop) for group in _ALIKE])


def _pruned(node: Any, path: str, drop: frozenset[str]) -> Any:
    if not isinstance(node, dict):
        return node
    return {
        key: _pruned(node[key], f"{path}.{key}", drop)
        for key in sorted(node)
        if f"{path}.{key}" not in drop and not (path == "training" and key in _FREE)
    }
