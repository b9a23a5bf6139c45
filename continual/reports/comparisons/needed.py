"""How much of something is needed to keep what was learned: memory, or the weight of a penalty."""

__all__ = ["Needed", "needed", "write_needed"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from continual.metrics import summarize
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.numbers import format_interval, format_value
from continual.reports.tables import markdown_table, raw, write_csv


@dataclass(frozen=True)
class Needed:
    """Runs that differ in an amount only, and the first of them that keeps enough.

    Args:
        where: the values of the other axes.
        tried: amounts, ascending.
        first: the run with the least amount whose mean retention is high enough; None where none is.
        amount: of that run.
        best: the run with the highest mean retention.
    """

    where: tuple[Any, ...]
    tried: Sequence[float]
    first: Record | None
    amount: float | None
    best: Record


def needed(records: Sequence[Record], axis: str, over: Sequence[str], keep: float = 0.9) -> list[Needed]:
    """The least amount that keeps a share of what was learned, for all that is told apart by other axes.

    Retention is averaged over the members in which it is defined, half of them at least; a run in which fewer have
    learned anything keeps nothing.

    Args:
        records: finished runs.
        axis: name of the axis of amounts, numbers, in `record.sweep`; runs without it are left out.
        over: names of the axes that tell apart.
        keep: share of what was learned, in mean retention.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        if isinstance(record.sweep.get(axis), int | float):
            groups.setdefault(tuple(record.sweep.get(name) for name in over), []).append(record)
    found = []
    for where, runs in groups.items():
        runs.sort(key=lambda run: run.sweep[axis])
        kept = [_kept(run) for run in runs]
        first = next((run for run, mean in zip(runs, kept, strict=True) if mean >= keep), None)
        amount = None if first is None else float(first.sweep[axis])
        tried = [float(run.sweep[axis]) for run in runs]
        found.append(Needed(where, tried, first, amount, runs[int(np.argmax(kept))]))
    return found


def _kept(record: Record) -> float:
    summary = summarize(record.metrics["retention"])
    return float(summary.mean) if 2 * int(summary.defined) >= summary.members else -1.0


def write_needed(
    records: Sequence[Record],
    folder: Path,
    axis: str,
    over: Sequence[str] = ("series",),
    keep: float = 0.9,
    name: str = "needed",
) -> list[Path]:
    """Writes a table of the least amounts that keep a share of what was learned, as `NAME.md` and `NAME.csv`.

    Args:
        records: finished runs.
        folder: where.
        axis: see `needed`.
        over: see `needed`.
        keep: see `needed`.
        name: of the files.
    """
    lines: list[list[str]] = []
    rows: list[dict[str, Any]] = []
    for each in needed(records, axis, over, keep):
        run = each.best if each.first is None else each.first
        values = [summarize(run.metrics[metric]) for metric in ("retention", "learned_rmse", "final_rmse")]
        amount = f"none up to {format_value(each.tried[-1])}" if each.amount is None else format_value(each.amount)
        lines.append([*(str(value) for value in each.where), amount, *(format_interval(value) for value in values)])
        rows.append(
            {
                **dict(zip(over, (raw(value) for value in each.where), strict=True)),
                axis: each.amount,
                "tried": " ".join(f"{value:g}" for value in each.tried),
                "retention_mean": float(values[0].mean),
                "retention_half_width": float(values[0].half_width),
                "learned_rmse_mean": float(values[1].mean),
                "final_rmse_mean": float(values[2].mean),
                "seeds": values[0].members,
            }
        )
    titles = [*(each.replace("_", " ") for each in over), axis.replace("_", " "), "retention", "learned", "final"]
    text = markdown_table(titles, lines, left=len(over)) + (
        f"\nThe least {axis.replace('_', ' ')} tried with a mean retention of at least {keep:g}, and what that run "
        "keeps and learns; where there is none, the run that keeps most. Mean ± 95 % interval over seeds.\n"
    )
    replace_file(folder / f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
    write_csv(rows, folder / f"{name}.csv")
    return [folder / f"{name}.md", folder / f"{name}.csv"]
