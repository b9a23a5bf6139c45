"""What W&B is shown of a run and of an experiment: its numbers and its tables."""

from __future__ import annotations

__all__ = ["finite", "read_table", "summary", "tables"]

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from continual.metrics import summarize

if TYPE_CHECKING:
    import wandb
    from numpy.typing import NDArray

    from continual.records.record import Record


def tables(run: wandb.Run, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Rows as W&B tables of the run, in parts where wandb would cut a long one short.

    They are bound to the run's own files here, for wandb would otherwise make artifacts of them as well. Those need
    the server's answer when they are logged online, and offline they lie outside the run's folder.
    """
    import wandb

    limit = wandb.Table.MAX_ROWS
    tables = {}
    for part, start in enumerate(range(0, max(len(rows), 1), limit), start=1):
        table = wandb.Table(columns=list(columns), data=[list(row) for row in rows[start : start + limit]])
        name = key if part == 1 else f"{key}_{part}"
        table.bind_to_run(run, name, run.step)
        tables[name] = table
    return tables


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values, with NaN for what a diverged member made infinite."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def summary(record: Record) -> dict[str, Any]:
    """The numbers that W&B shows for a run as a whole; NaN where a metric is undefined."""
    numbers: dict[str, Any] = {
        "members": len(record.seeds),
        "diverged": int(record.diverged.sum()),
        "seconds": record.seconds,
        "parameters/trainable": record.trainable_parameters,
        "parameters/total": record.total_parameters,
    }
    if record.fields.get("flops") is not None:
        numbers["flops"] = record.fields["flops"]
    for name, values in record.metrics.items():
        found = summarize(values)
        numbers[f"{name}/mean"] = float(found.mean)
        numbers[f"{name}/half_width"] = float(found.half_width)
        numbers[f"{name}/median"] = float(found.median)
        numbers[f"{name}/defined"] = int(found.defined)
    return numbers


def read_table(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a CSV file; a column is of numbers where every cell is one, or empty for an undefined one."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    columns = [_numbers(cells) for cells in zip(*rows, strict=True)]
    return header, [list(row) for row in zip(*columns, strict=True)]


def _numbers(cells: Sequence[str]) -> list[Any]:
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return list(cells)
