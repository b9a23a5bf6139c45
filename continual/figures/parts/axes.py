"""An axis of a sweep: its values in order, their labels, and where they stand on a drawn axis."""

__all__ = ["SweepAxis", "standing_at"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from continual.figures.parts.style import escape
from continual.records.record import Record
from continual.reports.wrapping import wrap_name


@dataclass(frozen=True)
class SweepAxis:
    """One axis of a sweep."""

    name: str
    values: tuple[Any, ...]
    """What the runs have on it: numbers in ascending order, then words in the order of the runs, then None."""

    @classmethod
    def of(cls, name: str, records: Sequence[Record]) -> "SweepAxis":
        """The axis as these records have it; None is the value of a record that lacks it."""
        found = list(dict.fromkeys(cls.value(name, record) for record in records))
        numbers = sorted(value for value in found if _is_number(value))
        words = [value for value in found if value is not None and not _is_number(value)]
        return cls(name, (*numbers, *words, *([None] if None in found else [])))

    @staticmethod
    def value(name: str, record: Record) -> Any:
        """A record's value, made hashable: a list such as [1, 5, 1] becomes its text."""
        value = record.sweep.get(name)
        return value if value is None or isinstance(value, int | float | str) else str(value)

    @property
    def title(self) -> str:
        """The name in words."""
        return escape(self.name.replace("_", " "))

    def label(self, value: Any, width: int = 28, lines: int = 1) -> str:
        """A value as it is written, in at most so many lines of so many characters."""
        text = "none" if value is None else f"{value:g}" if _is_number(value) else str(value)
        return escape("\n".join(wrap_name(text, max(width, 4), lines)))

    def labels(self, values: Sequence[Any], inches: float) -> list[str]:
        """Labels that fit side by side below a panel of that width."""
        return [self.label(value, int(inches / 0.07 / max(len(values), 1)), 2) for value in values]

    @property
    def present(self) -> tuple[Any, ...]:
        """The values but None."""
        return tuple(value for value in self.values if value is not None)

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, so that distances between them mean something."""
        return all(_is_number(value) for value in self.present)

    def place(self, value: Any) -> float:
        """Where a value stands: a number at itself, a word at its position."""
        return float(value) if self.numeric else float(self.present.index(value))

    def apply(self, axes: Axes) -> None:
        """Makes the x axis this one: logarithmic for positive numbers that span a factor of eight."""
        places = [self.place(value) for value in self.present]
        if not places:
            axes.set_xticks([])
        elif self.numeric and places[0] > 0 and places[-1] >= 8 * places[0]:
            axes.set_xscale("log")
            margin = (places[-1] / places[0]) ** 0.05
            axes.set_xlim(places[0] / margin, places[-1] * margin)
        else:
            margin = (0.05 * (places[-1] - places[0]) if self.numeric else 0.5) or 0.5
            axes.set_xlim(places[0] - margin, places[-1] + margin)
        shown = self._apart(self.present[:: max(math.ceil(len(places) / 8), 1)], axes)
        figure = axes.get_figure(root=True)
        inches = axes.get_position().width * (figure.get_size_inches()[0] if figure else 1.0)
        axes.set_xticks([self.place(value) for value in shown], self.labels(shown, inches))
        axes.set_xticks([], minor=True)
        axes.set_xlabel(self.title, labelpad=1)

    def _apart(self, values: Sequence[Any], axes: Axes) -> list[Any]:
        """Those values whose labels do not meet the one before: a twentieth of the axis apart."""
        scale, (low, high) = axes.xaxis.get_transform(), axes.get_xlim()
        ends = [float(end) for end in scale.transform([low, high])]
        shown: list[Any] = []
        at = -math.inf
        for value in values:
            place = (float(scale.transform([self.place(value)])[0]) - ends[0]) / (ends[1] - ends[0])
            if place - at >= 0.05:
                shown.append(value)
                at = place
        return shown


def standing_at(records: Sequence[Record], where: Mapping[str, Any] | None) -> list[Record]:
    """The records that have these values on these axes of their sweep; all where nothing is asked."""
    return [record for record in records if all(record.sweep.get(key) == value for key, value in (where or {}).items())]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
