"""Series: the runs that make up one line of error against size, their members aligned by seed."""

__all__ = ["MEASURES", "Count", "Measure", "Series", "all_series", "function_of", "series_of"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from continual.models import edges
from continual.records.record import Record
from continual.reports.stages import stages

Array = NDArray[np.float64]

Measure = Literal["rmse", "median"]
Count = Literal["intervals", "trainable"]

MEASURES: Mapping[str, str] = {"rmse": "test RMSE", "median": "root of the median squared test error"}
"""Errors of a stage by name, in units of the target, with their labels."""


def function_of(record: Record) -> str:
    """What the run learned: `function` of its sweep, or its name."""
    return str(record.sweep.get("function") or record.name)


def series_of(record: Record) -> str:
    """The line that the run belongs to: `series` of its sweep, or its name without the function."""
    return str(record.sweep.get("series") or record.name.removesuffix(f": {function_of(record)}"))


@dataclass(frozen=True)
class Series:
    """One line of error against size: the stages of one run that grows, or of several runs of different sizes.

    M members (all seeds of its runs), S sizes in ascending order of trained parameters.

    Args:
        function: what was learned.
        name: of the series.
        records: its runs.
        trained: trained parameters at each size, (S,).
        grids: intervals of the grid G at each size, (S,); NaN for models without grids.
        counted: parameters as the KAN paper (https://arxiv.org/abs/2404.19756) counts them: G an edge of a KAN, and
            the trained ones of other models, (S,).
        errors: of every member at every size, (M, S); NaN where it diverged or where no run has that seed.
    """

    function: str
    name: str
    records: tuple[Record, ...]
    trained: Array
    grids: Array
    counted: Array
    errors: Array

    @classmethod
    def of(cls, records: Sequence[Record], measure: Measure = "rmse", name: str | None = None) -> "Series":
        """The series of these runs, at least one; see `all_series`. Its name is that of their series by default."""
        found = [(record, stage) for record in records for stage in stages(record)]
        found.sort(key=lambda each: each[1].parameters)
        seeds = sorted({seed for record in records for seed in record.seeds})
        errors = np.full((len(seeds), len(found)), np.nan)
        for column, (record, stage) in enumerate(found):
            errors[[seeds.index(seed) for seed in record.seeds], column] = getattr(stage, measure)
        errors[~(np.isfinite(errors) & (errors > 0))] = np.nan
        trained = np.array([stage.parameters for _, stage in found], dtype=np.float64)
        grids = np.array([np.nan if stage.grid_size is None else stage.grid_size for _, stage in found])
        # grids of other families are not on their connections, as those of an MLP with splines in its units
        on_edges = np.array([_edges(record) for record, _ in found])
        paper = on_edges * grids
        return cls(
            function_of(records[0]),
            name or series_of(records[0]),
            tuple(records),
            trained,
            grids,
            np.where(np.isnan(paper), trained, paper),
            errors,
        )

    @property
    def family(self) -> str:
        """Family of its models."""
        return self.records[0].family

    @property
    def in_features(self) -> int:
        """Inputs of the function."""
        return int(self.records[0].fields["model"]["layer_sizes"][0])

    @property
    def order(self) -> int | None:
        """Exponent k + 1 at which splines of order k approach a smooth function; None for models without splines."""
        order = self.records[0].fields["model"].get("spline_order")
        return None if order is None else int(order) + 1

    @property
    def grows(self) -> bool:
        """Whether it has models whose grids grew while they trained."""
        return bool(len(self.trained) > len(self.records) and np.isfinite(self.grids).any())

    def sizes(self, count: Count) -> Array:
        """Parameters by one of two counts, (S,): `intervals` as the paper counts, `trainable` all that are trained.

        Raises:
            ValueError: for any other count.
        """
        if count not in ("intervals", "trainable"):
            raise ValueError(f"count must be intervals or trainable, got {count}")
        return self.counted if count == "intervals" else self.trained


def all_series(records: Sequence[Record], measure: Measure = "rmse") -> list[Series]:
    """The series of all runs, in the order in which their functions and names first appear.

    Models with grids make one line by their grids; where there are several shapes of them, each is a series of its own,
    and its name says which.

    Args:
        records: finished runs.
        measure: error to take, a name of `MEASURES`.

    Raises:
        ValueError: a measure that does not exist.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure}")
    found: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in records:
        shapes = found.setdefault((function_of(record), series_of(record)), {})
        shapes.setdefault(_shape(record), []).append(record)
    functions = list(dict.fromkeys(function for function, _ in found))
    ordered = sorted(found, key=lambda key: functions.index(key[0]))
    return [
        Series.of(runs, measure, f"{key[1]}, {shape}" if len(found[key]) > 1 else None)
        for key in ordered
        for shape, runs in found[key].items()
    ]


def _edges(record: Record) -> float:
    return edges(record.fields["model"]["layer_sizes"]) if record.family == "KAN" else np.nan


def _shape(record: Record) -> str:
    """Layer sizes of a model with grids; nothing for others, which vary in width along a series."""
    return str(record.fields["model"]["layer_sizes"]) if "grid_size" in record.curves else ""
