"""Tables of an experiment's runs: aligned text for the terminal, CSV and Markdown."""

__all__ = [
    "LEGEND",
    "Row",
    "aligned_table",
    "header",
    "legend",
    "markdown_table",
    "raw",
    "rows",
    "shown",
    "text_table",
    "write_csv",
    "write_tables",
]

import csv
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continual.metrics import METRICS, Summary, summarize
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval, undefined_notes
from continual.reports.wrapping import wrap_name

SHOWN = ("learned_rmse", "final_rmse", "forgetting", "retention")
"""Metrics of the tables for people; the CSV holds all of them."""

CLASSES = ("learned_accuracy", "final_accuracy", "accuracy_forgetting", "final_rmse")
"""The same where all runs are classification."""

LEGEND = (
    "Mean ± half width of the 95 % interval over seeds (Student's t). ↓ lower is better, ↑ higher is better; "
    "forgetting > 0 is worse. Parameters are trainable ones; FLOPs are those of a forward pass; seconds are wall-clock "
    "time of all seeds together. (9/10): defined for 9 of 10 seeds; –: undefined."
)
"""How to read a table."""

OF_CLASSES = "RMSEs of classifications are those of the predicted probabilities."
"""What is said below it where there are some."""


@dataclass(frozen=True)
class Row:
    """One run as a table shows it."""

    record: Record
    metrics: Mapping[str, Summary]
    """Every metric of `METRICS`, summarised over the members."""

    @property
    def flops(self) -> float | None:
        """FLOPs of a forward pass, None where they were not counted."""
        return self.record.fields.get("flops")

    @property
    def seeds(self) -> str:
        """Number of seeds and, where there are any, of the diverged: `10`, `10 (2 diverged)`."""
        lost = int(self.record.diverged.sum())
        return f"{len(self.record.seeds)} ({lost} diverged)" if lost else f"{len(self.record.seeds)}"

    @property
    def chosen(self) -> dict[str, str]:
        """Settings that trials chose, by key; with a note where the best one was the lowest or highest tried."""
        tuned = self.record.fields.get("tuned") or {}
        return {
            key: f"{raw(value)} (at the end)" if key in tuned["at_end"] else f"{raw(value)}"
            for key, value in tuned.get("chosen", {}).items()
        }

    def cells(self, with_total: bool, metrics: Sequence[str] = SHOWN) -> list[str]:
        """The row as text, one cell for each entry of `header`."""
        total = [format_count(self.record.total_parameters)] if with_total else []
        return [
            self.record.name,
            format_count(self.record.trainable_parameters),
            *total,
            format_count(self.flops),
            *(format_interval(self.metrics[name]) if name in self.metrics else "–" for name in metrics),
            f"{self.record.seconds:.3g}" if self.record.seconds < 1000 else f"{self.record.seconds:.0f}",
            self.seeds,
        ]

    def reasons(self, with_total: bool, metrics: Sequence[str] = SHOWN) -> list[str]:
        """For each of `cells` why it is undefined, wholly or in some seeds; "" where it is not."""
        before = ["", "", *([""] if with_total else []), ""]
        return [*before, *(self.record.metrics.reason(name) for name in metrics), "", ""]


def shown(records: Sequence[Record]) -> tuple[str, ...]:
    """Metrics of a table for people: accuracies where there are some, in place of RMSEs where all runs have them."""
    classes = [record.accuracy is not None for record in records]
    return CLASSES if classes and all(classes) else (*SHOWN, *(("final_accuracy",) if any(classes) else ()))


def legend(records: Sequence[Record]) -> str:
    """How to read their table."""
    return f"{LEGEND} {OF_CLASSES}" if any(record.accuracy is not None for record in records) else LEGEND


def rows(records: Sequence[Record]) -> list[Row]:
    """One row a run, in the order given, its metrics summarised over the members."""
    return [Row(r, {name: summarize(values) for name, values in r.metrics.items()}) for r in records]


def has_frozen(records: Sequence[Record]) -> bool:
    """Whether any run has parameters that are not trained, so that a column for the total is worth its place."""
    return any(record.total_parameters != record.trainable_parameters for record in records)


def header(with_total: bool, metrics: Sequence[str] = SHOWN) -> list[str]:
    """Titles of the columns; the arrows point to the better side."""
    total = ["total"] if with_total else []
    return ["model", "params", *total, "FLOPs", *(METRICS[name] for name in metrics), "seconds", "seeds"]


def text_table(records: Sequence[Record], width: int = 120) -> str:
    """The table as aligned plain text for a terminal.

    Names and titles are wrapped, and counts in parentheses stand below their number, so that it fits.

    Args:
        records: runs, one row each.
        width: columns to fit into; names keep at least 14.
    """
    with_total, metrics = has_frozen(records), shown(records)
    said = (legend(records), *undefined_notes(records, metrics))
    notes = [line for note in said for line in textwrap.wrap(note, width)]
    cells = [row.cells(with_total, metrics) for row in rows(records)]
    return "\n".join([*aligned_table(header(with_total, metrics), cells, width), "", *notes]) + "\n"


def aligned_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table whose first column is wrapped so that it fits; counts stand below their number."""
    titles = [title.replace(" RMSE", "\nRMSE").replace(" accuracy", "\naccuracy").split("\n") for title in header]
    body = [
        [[row[0]], *(cell.replace(" diverged", " div.").replace(" (", "\n(").split("\n") for cell in row[1:])]
        for row in rows
    ]
    widths = [max(len(line) for cells in [titles, *body] for line in cells[i]) for i in range(len(titles))]
    widths[0] = min(widths[0], max(width - sum(widths[1:]) - 2 * len(widths[1:]), 14))
    for cells in body:
        name = cells[0][0]
        first, *more = [name] if len(name) <= widths[0] else wrap_name(name, widths[0] - 2)
        cells[0] = [first, *(f"  {line}" for line in more)]

    height = max(map(len, titles))
    lines = _aligned([[""] * (height - len(title)) + title for title in titles], widths)
    lines.append("─" * (sum(widths) + 2 * len(widths[1:])))
    for cells in body:
        lines.extend(_aligned(cells, widths))
    return lines


def _aligned(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """One row of cells of several lines each: the first column to the left, numbers to the right."""
    lines = []
    for i in range(max(map(len, cells))):
        name, *numbers = (cell[i] if i < len(cell) else "" for cell in cells)
        padded = [name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(numbers, widths[1:], strict=True))]
        lines.append("  ".join(padded).rstrip())
    return lines


def markdown_table(titles: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown, the first `left` columns to the left and the others, numbers, to the right."""
    lines = [titles, ["---"] * left + ["---:"] * (len(titles) - left), *body]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def raw(value: Any) -> Any:
    """A number as a CSV holds it: every digit, and an empty field for NaN."""
    number = value.item() if hasattr(value, "item") else value
    return "" if isinstance(number, float) and math.isnan(number) else number


def write_csv(content: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Writes rows of the same columns as a CSV, in one rename."""

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]) if content else ["model"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(content)

    replace_file(target, write)


def _csv_row(row: Row, axes: Sequence[str]) -> dict[str, Any]:
    record = row.record
    content: dict[str, Any] = {
        "model": record.name,
        "family": record.family,
        "run": record.folder.name,
        **{f"sweep_{axis}": record.sweep.get(axis, "") for axis in axes},
        "parameters": record.trainable_parameters,
        "total_parameters": record.total_parameters,
        "flops": "" if row.flops is None else row.flops,
        "seconds": record.seconds,
        "seeds": len(record.seeds),
        "diverged": int(record.diverged.sum()),
    }
    content |= {f"chosen_{key}": value for key, value in (record.fields.get("tuned") or {}).get("chosen", {}).items()}
    for name, summary in row.metrics.items():
        content |= {f"{name}_{part}": raw(value) for part, value in summary._asdict().items()}
    return content


def write_tables(records: Sequence[Record], folder: Path) -> list[Path]:
    """Writes `table.csv` (every metric, full precision) and `table.md` (for people) into a folder.

    The CSV has the columns `<metric>_mean`, `_half_width` (95 %), `_median`, `_defined` and `_members` for every
    metric, and `sweep_<axis>` for every axis of the sweep; an undefined number is an empty field.

    Returns:
        The two paths, CSV first.
    """
    axes = list(dict.fromkeys(axis for record in records for axis in record.sweep))
    content = [_csv_row(row, axes) for row in rows(records)]
    columns = dict.fromkeys(column for line in content for column in line)  # those chosen differ between models
    write_csv([{column: line.get(column, "") for column in columns} for line in content], folder / "table.csv")
    with_total, metrics = has_frozen(records), shown(records)
    chosen = list(dict.fromkeys(key for row in rows(records) for key in row.chosen))
    table = markdown_table(
        [*header(with_total, metrics), *(f"{key}, chosen" for key in chosen)],
        [[*row.cells(with_total, metrics), *(row.chosen.get(key, "") for key in chosen)] for row in rows(records)],
    )
    text = "\n\n".join([table.rstrip(), " ".join([legend(records), *undefined_notes(records, metrics)])]) + "\n"
    replace_file(folder / "table.md", lambda path: path.write_text(text, encoding="utf-8"))
    return [folder / "table.csv", folder / "table.md"]
