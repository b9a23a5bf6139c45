"""Which runs a sweep consists of, under the names and at the places that its command gives them.

A run is what its config makes it; what it is called and where it stands on an axis belongs to the command that asks.
`results/<experiment>/runs.jsonl` holds a line that says which sweep follows, then one line a run; the last sweep is the
experiment's. Others may still be running in the same folder, and keep their lists.
"""

__all__ = ["Entry", "add_entry", "begin_list", "read_list", "read_lists", "read_sweep"]

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from continual.records.files import UnusableFileError, replace_file
from continual.records.lock import FolderLock
from continual.records.record import Record, is_done, read_record

_LIST = "runs.jsonl"
_KEPT = 8  # sweeps whose lists stay, which as many processes may be at
_FIRST_LIST = "runs.txt"  # of the first version: numbers and folders, names stood in the records


@dataclass(frozen=True)
class Entry:
    """A run as one sweep sees it.

    Args:
        number: its place in the sweep.
        folder: its folder's name.
        model: the option of the model group that it was made with.
        name: what the sweep calls it; None for the model and what varies.
        sweep: its values on the axes, by the shortest names that tell them apart.
        overrides: the command line of this run alone.
    """

    number: int
    folder: str
    model: str = ""
    name: str | None = None
    sweep: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()


def begin_list(experiment: Path, sweep: str, entries: Sequence[Entry] = ()) -> None:
    """Makes a sweep the experiment's last one. What its list holds already stays: another process may run it too.

    A list that is damaged begins anew.

    Args:
        experiment: results/<experiment>; earlier sweeps' runs stay there.
        sweep: what tells one sweep from another.
        entries: its runs, as far as they are known.
    """

    def change(sweeps: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
        own = sweeps.pop(sweep, [])
        others = dict(list(sweeps.items())[1 - _KEPT :])
        return {**others, sweep: [*own, *(entry for entry in entries if entry not in own)]}

    _change(experiment, change, anew=True)


def add_entry(experiment: Path, entry: Entry, sweep: str | None = None) -> None:
    """Notes that a run belongs to a sweep, the last one by default.

    Raises:
        UnusableFileError: the list is damaged.
    """

    def change(sweeps: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
        which = next(reversed(sweeps), "") if sweep is None else sweep
        before = sweeps.get(which, [])
        return sweeps if entry in before else {**sweeps, which: [*before, entry]}

    _change(experiment, change)


def _change(
    experiment: Path, change: Callable[[dict[str, list[Entry]]], dict[str, list[Entry]]], anew: bool = False
) -> None:
    """Reads the lists, changes them and writes them in one rename, while no other process does."""
    lock, path = FolderLock(experiment), experiment / _LIST
    while not lock.acquire():
        time.sleep(0.01)
    try:
        try:
            before = _read(path) if path.is_file() else {}
        except UnusableFileError:
            if not anew:
                raise
            before = {}
        after = change(dict(before))
        if after != before or list(after) != list(before) or not path.is_file():
            lines = [line for sweep, entries in after.items() for line in ({"sweep": sweep}, *map(asdict, entries))]
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            replace_file(path, text.encode())
    finally:
        lock.release()


def _read(path: Path) -> dict[str, list[Entry]]:
    """The lists of all sweeps, the last one's last.

    Raises:
        UnusableFileError: the file is damaged.
    """
    sweeps: dict[str, list[Entry]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            content = json.loads(line)
            if content.keys() == {"sweep"}:
                sweeps[content["sweep"]] = []
            else:
                next(reversed(sweeps.values())).append(_checked(Entry(**content)))
    except (ValueError, TypeError, AttributeError, StopIteration) as error:
        raise _damaged(path) from error
    return sweeps


def _checked(entry: Entry) -> Entry:
    if not (isinstance(entry.sweep, dict) and isinstance(entry.number, int) and _is_name(entry.folder)):
        raise ValueError("no entry")
    return replace(entry, overrides=tuple(entry.overrides))


def _damaged(path: Path) -> UnusableFileError:
    return UnusableFileError(f"{path} is damaged; run the experiment's command again, what is done stays")


def read_lists(experiment: Path) -> dict[str, list[Entry]]:
    """The runs of all sweeps that an experiment's folder knows of, the last sweep's last, under their names.

    Raises:
        UnusableFileError: the list is damaged.
    """
    path = experiment / _LIST
    return {sweep: _named(entries) for sweep, entries in _read(path).items()} if path.is_file() else {}


def read_list(experiment: Path) -> list[Entry]:
    """The runs of an experiment's last sweep in its order, each once, with the names that they are to be shown under.

    Raises:
        FileNotFoundError: no sweep was run there.
        UnusableFileError: the list is damaged.
    """
    path = experiment / _LIST
    if path.is_file():
        entries = next(reversed(_read(path).values()), [])
        unique = {entry.folder: entry for entry in sorted(entries, key=lambda entry: -entry.number)}
        return _named(sorted(unique.values(), key=lambda entry: entry.number))
    first = experiment / _FIRST_LIST
    if first.is_file():
        try:
            pairs = [line.split(maxsplit=1) for line in first.read_text(encoding="utf-8").splitlines()]
            old = [_checked(Entry(int(number), folder)) for number, folder in pairs]
        except ValueError as error:
            raise _damaged(first) from error
        return sorted(old, key=lambda entry: entry.number)
    raise FileNotFoundError(
        f"{experiment} holds no sweep, or has lost its list ({_LIST}): run its command, what is done is skipped"
    )


def _is_name(folder: object) -> bool:
    """Whether it names a folder beside the list, and none elsewhere."""
    return isinstance(folder, str) and folder not in ("", ".", "..") and not set(folder) & {"/", "\\", "\0"}


def _named(entries: Sequence[Entry]) -> list[Entry]:
    """Each with a name: its own, or the model and its values on those axes on which the runs of the sweep differ."""
    axes = dict.fromkeys(axis for entry in entries for axis in entry.sweep)
    varied = [axis for axis in axes if len({str(entry.sweep.get(axis)) for entry in entries}) > 1]

    def name(entry: Entry) -> str:
        parts = [f"{axis}={entry.sweep[axis]}" for axis in varied if axis in entry.sweep and axis != "model"]
        return ", ".join([entry.model, *parts])

    return [entry if entry.name is not None else replace(entry, name=name(entry)) for entry in entries]


def read_sweep(experiment: Path) -> tuple[list[Record], list[Entry], list[str]]:
    """Reads the runs of an experiment's last sweep, in its order.

    Returns:
        The finished runs, under the names and with the values that the sweep gives them; the entries of those that are
        not done; and a line for each record that can't be read.

    Raises:
        FileNotFoundError: no sweep was run there.
        UnusableFileError: the list is damaged.
    """
    records, missing, damaged = [], [], []
    for entry in read_list(experiment):
        folder = experiment / entry.folder
        if not is_done(folder):
            missing.append(entry)
            continue
        try:
            record = read_record(folder)
        except (UnusableFileError, OSError) as error:
            damaged.append(str(error))
            continue
        if entry.name is not None:
            record = replace(record, label=entry.name, axes=dict(entry.sweep), of=experiment.name)
        records.append(record)
    return records, missing, damaged
