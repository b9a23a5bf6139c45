"""What W&B is shown as pictures and tables, bound to the files of the run that shows them."""

from __future__ import annotations

__all__ = ["matrix", "pictures", "read_table", "tables"]

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import wandb
    from matplotlib.figure import Figure

    from continual.records.record import Record


def tables(run: wandb.Run, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Rows as W&B tables of the run, in parts where wandb would cut a long one short.

    They are bound to the run's own files here, for wandb would otherwise make artifacts of them as well. Those need
    the server's answer when they are logged online, and offline they lie outside the run's folder.
    """
    import wandb

    limit = wandb.Table.MAX_ROWS
    typical = [next((cell for cell in cells if cell is not None), None) for cells in zip(*rows, strict=True)]
    tables = {}
    for part, start in enumerate(range(0, max(len(rows), 1), limit), start=1):
        # one row says what kind each column is of; wandb takes a millisecond to look at each further one
        table = wandb.Table(columns=list(columns), data=[typical] if rows else [])
        table.data = [list(row) for row in rows[start : start + limit]]
        name = key if part == 1 else f"{key}_{part}"
        table.bind_to_run(run, name, run.step)
        tables[name] = table
    return tables


def matrix(run: wandb.Run, record: Record, members: Sequence[int]) -> dict[str, Any]:
    """R of some members as a table, a line an entry; and the matrix of accuracies where there is one."""
    found = {"R": ("rmse", record.R)} | ({} if record.accuracy is None else {"A": ("accuracy", record.accuracy)})
    shown: dict[str, Any] = {}
    for key, (name, values) in found.items():
        rows = [
            [record.seeds[m], i, j + 1, float(value) if np.isfinite(value) else None]
            for m in members
            for (i, j), value in np.ndenumerate(values[m])
        ]
        shown |= tables(run, key, ["seed", "tasks_learned", "task", name], rows)
    return shown


def pictures(figures: Mapping[str, Callable[[], Figure]], folder: Path) -> dict[str, Any]:
    """Figures drawn as PNG files into a folder that is W&B's own, as what `wandb.Run.log` takes."""
    import wandb

    found = {}
    for number, (name, draw) in enumerate(figures.items()):
        path = folder / f"picture_{number}.png"
        draw().savefig(path, format="png")
        found[f"figures/{name}"] = wandb.Image(str(path))
    return found


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
