"""What models became while they trained: shapes that pruning left, formulas, and whatever else was done to them."""

__all__ = ["HEADER", "Structure", "cells", "outcome", "structures", "write_structures"]

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.numbers import format_value
from continual.reports.tables import markdown_table


@dataclass(frozen=True)
class Structure:
    """What one run's models became.

    Args:
        record: the run.
        shapes: shapes at the end and how many seeds have each, the most frequent first, of equal ones that with the
            lower final RMSE.
        formulas: formulas and how many seeds have each, in the same order; of one output after the other.
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
        model = record.fields["model"]
        final = record.metrics["final_rmse"]
        order = np.argsort(final, kind="stable")  # what is undefined comes last
        shapes = Counter(str(model["shapes"][m] if "shapes" in model else model["layer_sizes"]) for m in order)
        formulas = Counter("; ".join(model["formulas"][m]) for m in order if "formulas" in model)
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


def outcome(record: Record) -> str:
    """What pruning left of a run's models and the formulas that they became, a line each; "" where they did not."""
    structure, model = Structure.of(record), record.fields["model"]
    lines = []
    if structure is not None and "shapes" in model:
        lines.append(f"shape at the end: {phrase(structure.shapes)}")
    if structure is not None and "formulas" in model:
        most = structure.formulas[:_SAID]
        lines += [f"formula: {text} ({count} of {len(record.seeds)} seeds)" for text, count in most]
        more = len(structure.formulas) - len(most)
        lines += [f"{more} more: model.formulas in {record.folder / 'record.json'}"] if more else []
    return "\n".join(lines)


_SAID = 3  # formulas on the console


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
