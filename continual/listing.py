"""Which runs a sweep consists of, under the names and at the places that its command gives them.

A run is what its config makes it; what it is called and where it stands on an axis belongs to the command that asks.
`results/<experiment>/runs.jsonl` holds one line a run, after a first one that says which sweep it is.
"""

__all__ = ["Entry", "add_entry", "begin_list", "read_list", "read_sweep"]

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from continual.files import UnusableFileError, replace_file
from continual.lock import FolderLock
from continual.records import Record, is_done, read_record

_LIST = "runs.jsonl"
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


def begin_list(experiment: Path, sweep: str) -> None:
    """Starts the list of a sweep; another process that runs the same one goes on with the list that is there.

    Args:
        experiment: results/<experiment>; earlier sweeps' runs stay there.
        sweep: what tells one sweep from another.
    """
    lock = FolderLock(experiment)
    while not lock.acquire():
        time.sleep(0.01)
    try:
        path = experiment / _LIST
        head = json.dumps({"sweep": sweep})
        if not path.is_file() or path.read_text(encoding="utf-8").partition("\n")[0] != head:
            replace_file(path, f"{head}\n".encode())
    finally:
        lock.release()


def add_entry(experiment: Path, entry: Entry) -> None:
    """Notes that a run belongs to the sweep; short appends of several processes don't mix."""
    line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
    with (experiment / _LIST).open("ab") as file:
        file.write(line.encode())


def read_list(experiment: Path) -> list[Entry]:
    """The runs of an experiment's last sweep in its order, each once, with the names that they are to be shown under.

    Raises:
        FileNotFoundError: no sweep was run there.
        UnusableFileError: the list is damaged.
    """
    path = experiment / _LIST
    if path.is_file():
        damaged = UnusableFileError(f"{path} is damaged; run the experiment's command again, what is done stays")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()[1:]
            entries = [Entry(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as error:
            raise damaged from error
        if not all(isinstance(e.sweep, dict) and isinstance(e.number, int) and _is_name(e.folder) for e in entries):
            raise damaged
        unique = {entry.folder: entry for entry in sorted(entries, key=lambda entry: -entry.number)}
        return _named(sorted(unique.values(), key=lambda entry: entry.number))
    if (experiment / _FIRST_LIST).is_file():
        lines = (experiment / _FIRST_LIST).read_text(encoding="utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines]
        return [Entry(int(number), folder) for number, folder in sorted(pairs, key=lambda pair: int(pair[0]))]
    raise FileNotFoundError(f"{experiment} holds no sweep; run one with python -m scripts.train +experiment=…")


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
