"""Runs chosen by their settings, metrics and states."""

__all__ = ["check_known", "chosen_runs"]

from collections.abc import Sequence
from pathlib import Path

import yaml

from continual.records.store import StoredRun, find_runs
from scripts.config.schema import nearest


def chosen_runs(places: Sequence[Path], where: Sequence[str], states: Sequence[str] | None) -> list[StoredRun]:
    """The runs in some folders that have all these values and one of these states.

    Args:
        places: folders of results.
        where: filters, "KEY=VALUE" each.
        states: None for all.

    Raises:
        ValueError: a filter that is none, or names what no run has.
        FileNotFoundError: a folder that is not there.
    """
    runs = list(find_runs(places))
    for text in where:
        key, sign, wanted = text.partition("=")
        if not sign:
            raise ValueError(f"a filter is KEY=VALUE, got {text!r}")
        check_known(runs, key)
        value = yaml.safe_load(wanted)
        runs = [run for run in runs if run.value(key) == value or str(run.value(key)) == wanted]
    return [run for run in runs if not states or run.state in states]


def check_known(runs: Sequence[StoredRun], key: str) -> None:
    """Refuses a key that none of some runs has a value for.

    Raises:
        ValueError: with the nearest that they have.
    """
    if runs and all(run.value(key) is None for run in runs):
        names = {name for run in runs for name in run.values}
        if key in names or any(name.endswith(f".{key}") for name in names):
            raise ValueError(f"{key} is null in all runs: there is nothing to tell them apart by")
        raise ValueError(f"no run has {key}; {nearest(key, [*names, *(name.rpartition('.')[2] for name in names)])}")
