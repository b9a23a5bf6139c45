"""All runs below some folders, each with all that it can be filtered, sorted, compared and plotted by."""

__all__ = ["TRIALS", "StoredRun", "experiments_below", "find_runs", "flat", "is_number"]

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from continual.metrics import CORE, METRICS, summarize
from continual.records.files import UnusableFileError
from continual.records.listing import Entry, read_lists
from continual.records.record import Record, is_done, read_record
from continual.records.states import RunState, failure, run_state

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast where it was built


def flat(node: Any, path: str = "") -> dict[str, Any]:
    """A nested container by dotted keys; lists stay whole.

    Example:
        >>> flat({"model": {"depth": 2}, "seeds": [0, 1]})
        {'model.depth': 2, 'seeds': [0, 1]}
    """
    if not isinstance(node, Mapping) or not node:
        return {path: node} if path else {}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


@dataclass(frozen=True)
class StoredRun:
    """A run as its folder tells of it.

    Args:
        folder: results/<experiment>/<model>-<identity>.
        entry: how the experiment's sweep sees it, if one does.
    """

    folder: Path
    entry: Entry | None = None

    @property
    def state(self) -> RunState:
        """What has become of it."""
        return run_state(self.folder)

    @cached_property
    def record(self) -> Record | None:
        """Its record, under the name that its sweep gives it; None where it has none that can be read."""
        found, _ = self._read
        if found is None or self.entry is None or self.entry.name is None:
            return found
        return Record(self.folder, found.fields, self.entry.name, dict(self.entry.sweep), self.folder.parent.name)

    @property
    def problem(self) -> str:
        """Why it has no record that can be read; nothing where there is no reason but that it is not done."""
        return self._read[1] or failure(self.folder) or ""

    @cached_property
    def _read(self) -> tuple[Record | None, str]:
        """What its record holds, and why it can't be read."""
        try:
            return (read_record(self.folder) if is_done(self.folder) else None), ""
        except (UnusableFileError, OSError) as error:
            return None, str(error)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its resolved config; nothing where that is damaged or gone."""
        try:
            found = yaml.load((self.folder / "config.yaml").read_text(encoding="utf-8"), Loader=_LOADER)
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """What its sweep calls it, or its own command did."""
        if self.entry is not None and self.entry.name is not None:
            return self.entry.name
        return self.record.name if self.record is not None else self.folder.name

    @cached_property
    def values(self) -> dict[str, Any]:
        """What it can be filtered, sorted and plotted by: settings by dotted keys, metrics of R, costs, state.

        Other metrics are made when `value` is asked for them.
        """
        record = self.record
        found = flat(self.config)
        if self.entry is not None:
            found |= dict(self.entry.sweep)
        found |= {
            "experiment": self.folder.parent.name,
            "name": self.name,
            "state": self.state,
            "folder": str(self.folder),
        }
        if record is None:  # no setting whose key ends so stands for it
            found |= dict.fromkeys(("family", "parameters", "flops", "seconds", "diverged", *CORE))
        else:
            found |= {
                "family": record.family,
                "parameters": record.trainable_parameters,
                "flops": record.fields.get("flops"),
                "seconds": record.seconds,
                "diverged": int(record.diverged.sum()),
                **{name: float(summarize(record.metrics[name]).mean) for name in CORE},
            }
        return found

    def value(self, key: str) -> Any:
        """A value by its name, or by the last parts of a dotted key where they tell it from all others.

        Raises:
            KeyError: several keys end so.
        """
        if key in self.values:
            return self.values[key]
        if self.record is not None and key in METRICS:
            return float(summarize(self.record.metrics[key]).mean)
        ending = [name for name in self.values if name.endswith(f".{key}")]
        if len(ending) > 1:
            raise KeyError(f"{key} may be {' or '.join(ending)}")
        return self.values[ending[0]] if ending else None

    def row(self, keys: Sequence[str]) -> dict[str, Any]:
        """What a table of numbers says of it: chosen values, and of each metric mean, half width, median and count."""
        found = {key: self.values.get(key) for key in keys}
        for name, values in () if self.record is None else self.record.metrics.items():
            summary = summarize(values)
            found |= {
                f"{name}_mean": float(summary.mean),
                f"{name}_half_width": float(summary.half_width),
                f"{name}_median": float(summary.median),
                f"{name}_defined": int(summary.defined),
            }
        return found

    def member_rows(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """The same, a row for each seed."""
        if self.record is None:
            return []
        chosen = {key: self.values.get(key) for key in keys}
        return [
            {**chosen, "seed": seed, **{name: float(values[m]) for name, values in self.record.metrics.items()}}
            for m, seed in enumerate(self.record.seeds)
        ]


TRIALS = "trials"
"""Folder of an experiment with the runs by which settings of its own were chosen."""


def find_runs(places: Sequence[Path]) -> Iterator[StoredRun]:
    """Every run in some folders, or below them, sorted by experiment, place in its sweep, and folder.

    Trials, by which settings of other runs were chosen, are found where their folder is named.

    Args:
        places: results, results/<experiment>, its `TRIALS`, or a run's own folder.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    seen: set[Path] = set()
    for place in places:
        if not place.is_dir():
            raise FileNotFoundError(f"{place} is no folder")
        for experiment, folders in experiments_below(place):
            if experiment.name == TRIALS and experiment not in (place, place.parent):
                continue
            try:
                entries = {e.folder: e for entries in read_lists(experiment).values() for e in entries}
            except UnusableFileError:
                entries = {}
            unlisted = Entry(number=len(entries), folder="")
            for folder in sorted(folders, key=lambda f: (entries.get(f.name, unlisted).number, f.name)):
                if folder.resolve() not in seen:
                    seen.add(folder.resolve())
                    yield StoredRun(folder, entries.get(folder.name))


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file() or (folder / "record.json").is_file()


def experiments_below(place: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Folders of runs below a place, by the experiments' folders."""
    if _is_run(place):
        yield place.parent, [place]
        return
    inside = sorted(p for p in place.iterdir() if p.is_dir() and not p.is_symlink() and p.name[0] != ".")
    runs = [path for path in inside if _is_run(path)]
    if runs:
        yield place, runs
    for path in inside:
        if path not in runs:
            yield from experiments_below(path)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
