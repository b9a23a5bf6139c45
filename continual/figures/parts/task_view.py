"""The tasks of a record, or of a curriculum that nothing has learned yet: what their picture is drawn from."""

__all__ = ["TaskView"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from continual.figures.parts.style import Array
from continual.records.record import Record

PREFIX = "tasks/"


@dataclass(frozen=True)
class TaskView:
    """Some tasks of a curriculum, as its first member has them; shapes as in `continual.run.tasks_seen`."""

    name: str
    """Of the curriculum."""
    task_names: Sequence[str]
    """Of all its tasks."""
    features: int
    """Inputs."""
    shown: Sequence[int]
    """Which tasks, from 0."""
    columns: Sequence[int]
    """Which inputs, from 0."""
    box: Array
    inputs: Array
    targets: Array
    outlines: Array | None
    maps: Array | None

    @classmethod
    def made_of(cls, name: str, task_names: Sequence[str], arrays: Mapping[str, Any]) -> "TaskView":
        """From the arrays of `continual.run.tasks_seen`."""

        def numbers(key: str) -> Array:
            values = np.asarray(arrays[key], dtype=np.float64)
            return np.where(np.isfinite(values), values, np.nan)

        return cls(
            name,
            list(task_names),
            int(arrays["features"]),
            [int(each) for each in arrays["shown"]],
            [int(each) for each in arrays["columns"]],
            numbers("box"),
            numbers("inputs"),
            numbers("targets"),
            numbers("outlines") if "outlines" in arrays else None,
            numbers("maps") if "maps" in arrays else None,
        )

    @classmethod
    def of(cls, record: Record) -> "TaskView | None":
        """The tasks of a record; None where it has kept none."""
        arrays = {name.removeprefix(PREFIX): a for name, a in record.curves.items() if name.startswith(PREFIX)}
        return cls.made_of(str(record.fields.get("curriculum", "")), record.task_names, arrays) if arrays else None

    @property
    def one_target(self) -> bool:
        """Whether all tasks are parts of one function that can be drawn as a whole."""
        return self.maps is not None and len(self.maps) == 1

    def map_of(self, place: int) -> Array | None:
        """What is drawn of the target of one of the tasks shown."""
        return None if self.maps is None else self.maps[0 if self.one_target else place]

    def same_tasks(self, other: "TaskView") -> bool:
        """Whether the pictures of both would be the same."""
        if (self.name, self.task_names, self.features) != (other.name, other.task_names, other.features):
            return False
        pairs = [(getattr(self, key), getattr(other, key)) for key in ("box", "inputs", "outlines", "maps")]
        return all(
            (a is None) == (b is None)
            and (a is None or (a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)))
            for a, b in pairs
        )
