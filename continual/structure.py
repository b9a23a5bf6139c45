"""What models became while they trained: shapes that pruning left, formulas, and whatever else was done to them."""

__all__ = ["HEADER", "Structure", "cells", "structures", "write_structures"]

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from continual.files import replace_file
from continual.records import Record
from continual.tables import format_value, markdown_table


@dataclass(frozen=True)
class Structure:
    """What one run's models became.

    Args:
        record: the run.
        shapes: shapes at the end and how many seeds have each, the most frequent first.
        formulas: formulas and how many seeds have each, the most frequent first; of one output after the other.
        rmse: final RMSE of the median and of the worst seed.
    """

    record: Record
    shapes: list[tuple[str, int]]
    formulas: list[tuple[str, int]]
    rmse: tuple[float, float]

    @classmethod
    def of(cls, record: Record) -> "Structure | None":
        """The structure of a run; None where nothing changed the model."""
        if not record.events:
            return None
        model, members = record.fields["model"], len(record.seeds)
        shapes = Counter(str(shape) for shape in model.get("shapes", [model["layer_sizes"]] * members))
        formulas = Counter("; ".join(outputs) for outputs in model.get("formulas", []))
        final = record.metrics["final_rmse"]
        known = final[np.isfinite(final)]
        rmse = (float(np.median(known)), float(known.max())) if len(known) else (np.nan, np.nan)
        return cls(record, shapes.most_common(), formulas.most_common(), rmse)


def structures(records: Sequence[Record]) -> list[Structure]:
    """The structures of those runs in which something changed the model."""
    found = (Structure.of(record) for record in records)
    return [structure for structure in found if structure is not None]


def phrase(counted: Sequence[tuple[str, int]], most: int = 4) -> str:
    """The most frequent ones, with their numbers: "[2, 2, 1] × 9, [2, 3, 1]"; "–" for none."""
    said = [f"{text} × {count}" if count > 1 else text for text, count in counted[:most]]
    more = len(counted) - most
    return ", ".join([*said, f"{more} more"] if more > 0 else said) or "–"


HEADER = ("run", "shape at the end", "formula", "RMSE, median", "RMSE, worst", "what was done")


def cells(structure: Structure) -> list[str]:
    """One row of the table."""
    done = "; ".join(f"step {step}: {text}" for step, text in structure.record.events[:3])
    more = len(structure.record.events) - 3
    return [
        structure.record.name,
        phrase(structure.shapes),
        phrase(structure.formulas, 3),
        *(format_value(value, 2) for value in structure.rmse),
        f"{done}; {more} more" if more > 0 else done,
    ]


def write_structures(records: Sequence[Record], folder: Path) -> Path | None:
    """Writes `structure.md`, a table of what models became; nothing where none changed.

    Returns:
        The file, or None.
    """
    found = structures(records)
    if not found:
        return None
    text = markdown_table(HEADER, [cells(structure) for structure in found], left=len(HEADER))
    target = folder / "structure.md"
    replace_file(target, lambda path: path.write_text(text, encoding="utf-8"))
    return target
