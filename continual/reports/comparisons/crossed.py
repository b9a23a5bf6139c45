"""Runs as a table of what is compared (models, strategies) by what it is compared on (curricula, dimensions)."""

__all__ = ["Crossed", "crossed", "known_axes", "model_of"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from continual.records.record import Record

Array = NDArray[np.float64]


def model_of(record: Record) -> str:
    """The model's part of a record's name: "KAN" of "KAN: J0(20x)" where "J0(20x)" is a value of its sweep."""
    for value in record.sweep.values():
        if isinstance(value, str) and record.name.endswith(f": {value}"):
            return record.name.removesuffix(f": {value}")
    return record.name


@dataclass(frozen=True)
class Crossed:
    """Runs by what is compared and what it is compared on.

    Args:
        names: what is compared, in the order of the runs.
        places: what it is compared on: "" alone, or a curriculum each.
        runs: by (place, name); not every place needs to have all.
    """

    names: Sequence[str]
    places: Sequence[str]
    runs: Mapping[tuple[str, str], Record]

    @property
    def whole(self) -> list[str]:
        """The places with a run of every name."""
        return [place for place in self.places if all((place, name) in self.runs for name in self.names)]

    def by_seed(self, place: str, name: str, metric: str) -> dict[int, float]:
        """A metric of one run by seed."""
        record = self.runs[place, name]
        return dict(zip(record.seeds, record.metrics[metric].tolist(), strict=True))

    def shared_seeds(self) -> list[int]:
        """Seeds that all runs of whole places have, ascending."""
        found = [set(self.runs[place, name].seeds) for place in self.whole for name in self.names]
        return sorted(set.intersection(*found)) if found else []

    def scores(self, name: str, metric: str) -> Array:
        """A metric of one name over shared seeds and whole places, (n, T)."""
        columns = [self.by_seed(place, name, metric) for place in self.whole]
        return np.array([[column[seed] for column in columns] for seed in self.shared_seeds()], dtype=np.float64)


def known_axes(records: Sequence[Record], axes: Sequence[str]) -> None:
    """Refuses an axis that no run has.

    Raises:
        ValueError: with the axes that there are.
    """
    there = dict.fromkeys(axis for record in records for axis in record.sweep)
    for axis in axes:
        if axis not in there:
            raise ValueError(f"no run has an axis {axis}; there are {', '.join(there) or 'none'}")


def crossed(
    records: Sequence[Record], what: str = "name", over: Sequence[str] = (), leave_out: Sequence[str] = ()
) -> Crossed:
    """Finds what is compared, and on what.

    Args:
        records: finished runs.
        what: an axis of the sweep whose values are compared, `strategy` say; or `name` for the runs' names, without
            the place.
        over: axes whose values together are a place, of a run those that it has; none where all runs stand at one.
        leave_out: what is not compared: of places where something is missing there are no ranks.

    Raises:
        ValueError: no run has the axis `what`, or two runs of one name stand at one place.
    """
    if what != "name":
        known_axes(records, [what])
    runs: dict[tuple[str, str], Record] = {}
    for record in records:
        called = model_of(record) if over else record.name
        name = called if what == "name" else str(record.sweep.get(what, "none"))
        place = ", ".join(f"{axis} {record.sweep[axis]}" for axis in over if axis in record.sweep)
        if name in leave_out:
            continue
        if (place, name) in runs:
            raise ValueError(
                f"{runs[place, name].name} and {record.name} are both {name}{f' at {place}' if place else ''}; "
                "name the axes that tell them apart in `what` and `over`"
            )
        runs[place, name] = record
    places, names = (list(dict.fromkeys(key[i] for key in runs)) for i in (0, 1))
    return Crossed(names, places, runs)
