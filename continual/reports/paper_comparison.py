"""A table of ours beside the paper's: for each function and kind of model the best that was reached."""

__all__ = ["write_comparison"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from continual.metrics import summarize
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.numbers import format_count, format_value
from continual.reports.stages import Stage, best_stage
from continual.reports.tables import markdown_table, raw, write_csv

Paper = Mapping[str, Mapping[str, float | None]]
"""The paper's test RMSE by function and column; None where it is not known."""

Columns = Mapping[str, Mapping[str, Sequence[Any]]]
"""Which runs belong to a column: those whose sweep has one of the values given, for each axis given."""

_TOLERANCE = 0.005
"""Relative: the paper gives three digits, so a number that rounds to the same is as good."""

_LEGEND = (
    "Test RMSE of the median seed at the best size of each column, chosen on the test set, for all columns alike; in "
    "brackets the model's shape, its grid and its trained parameters. Seeds that diverged count as infinite."
)
_STAR = " * as good as in the paper, or better."

_NUMBERS = (
    *("rmse_median", "rmse_mean", "rmse_half_width", "rmse_lowest", "rmse_highest", "median_error", "seeds"),
    *("diverged", "layer_sizes", "grid_size", "parameters", "seconds", "run", "name"),
)


@dataclass(frozen=True)
class _Best:
    """The best that the runs of one column reached on one function."""

    record: Record
    stage: Stage

    @property
    def lowest(self) -> float:
        """Test RMSE of the best seed."""
        return float(np.nanmin(self.stage.rmse))


Table = Mapping[tuple[str, str], _Best | None]


def write_comparison(
    records: Sequence[Record],
    folder: Path,
    *,
    columns: Columns | None = None,
    paper: Paper | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    name: str = "paper",
) -> list[Path]:
    """Writes `paper.md`, for people, and `paper.csv`, with every digit: one row a function.

    Of the several runs of a column, and the several stages of runs that grow, the one with the lowest test RMSE of the
    median seed is shown.

    Args:
        records: finished runs; those without `sweep.function` are left out.
        folder: of the experiment.
        columns: by title, which runs they hold; by default one for each value of `sweep.group`.
        paper: the paper's numbers by function and column.
        pairs: of columns, to count on how many functions the first is below the second.
        name: of the two files.

    Returns:
        The two paths, Markdown first.
    """
    paper = paper or {}
    chosen = [record for record in records if "function" in record.sweep]
    functions = list(dict.fromkeys(str(record.sweep["function"]) for record in chosen))
    if columns is None:
        columns = {str(r.sweep["group"]): {"group": [r.sweep["group"]]} for r in chosen if "group" in r.sweep}
    table = {
        (function, title): _best([r for r in chosen if r.sweep["function"] == function and _belongs(r, wanted)])
        for function in functions
        for title, wanted in columns.items()
    }
    known = [title for title in columns if any(title in row for row in paper.values())]
    titles = ["function"]
    for title in columns:
        titles += [f"{title}, paper"] * (title in known) + [title]
    body = []
    for function in functions:
        cells = [function]
        for title in columns:
            theirs = paper.get(function, {}).get(title)
            if title in known:
                cells.append("–" if theirs is None else format_value(theirs, 3))
            cells.append(_cell(table[function, title], theirs))
        body.append(cells)
    notes = [*_counts(table, functions, known, paper), *_pairs(table, functions, pairs), _origin(chosen)]
    text = "\n\n".join([markdown_table(titles, body).strip(), _LEGEND + _STAR * bool(known), *notes]) + "\n"
    replace_file(folder / f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
    rows = [_row(*place, best, paper.get(place[0], {}).get(place[1])) for place, best in table.items()]
    write_csv(rows, folder / f"{name}.csv")
    return [folder / f"{name}.md", folder / f"{name}.csv"]


def _belongs(record: Record, wanted: Mapping[str, Sequence[Any]]) -> bool:
    return all(record.sweep.get(axis) in values for axis, values in wanted.items())


def _best(records: Sequence[Record]) -> _Best | None:
    found = best_stage(records)
    return None if found is None or not np.isfinite(found[1].typical) else _Best(*found)


def _as_good(ours: float, theirs: float) -> bool:
    return ours <= theirs * (1 + _TOLERANCE)


def _cell(best: _Best | None, theirs: float | None) -> str:
    if best is None:
        return "–"
    shape = "[" + ",".join(map(str, best.record.fields["model"]["layer_sizes"])) + "]"
    grid = "" if best.stage.grid_size is None else f" G={best.stage.grid_size}"
    mark = "*" if theirs is not None and _as_good(best.stage.typical, theirs) else ""
    return f"{format_value(best.stage.typical)}{mark} ({shape}{grid}, {format_count(best.stage.parameters)})"


def _counts(table: Table, functions: Sequence[str], known: Sequence[str], paper: Paper) -> list[str]:
    lines = []
    for title in known:
        given = [(table[f, title], paper.get(f, {}).get(title)) for f in functions]
        both = [(best, theirs) for best, theirs in given if best is not None and theirs is not None]
        if not both:  # none of these was run
            continue
        typical = sum(_as_good(best.stage.typical, theirs) for best, theirs in both)
        lowest = sum(_as_good(best.lowest, theirs) for best, theirs in both)
        lines.append(
            f"{title}: as good as in the paper or better in {typical} of {len(both)} rows by the median seed, "
            f"in {lowest} by the best."
        )
    return lines


def _pairs(table: Table, functions: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for first, second in pairs:
        both = [(table.get((f, first)), table.get((f, second))) for f in functions]
        ratios = [a.stage.typical / b.stage.typical for a, b in both if a is not None and b is not None]
        if ratios:
            below = sum(ratio < 1 for ratio in ratios)
            lines.append(
                f"{first} is below {second} in {below} of {len(ratios)} rows; the ratio of their errors is "
                f"{format_value(float(np.median(ratios)))} in the median row."
            )
    return lines


def _origin(records: Sequence[Record]) -> str:
    """How much work it was, and on what."""
    hours = sum(record.seconds for record in records) / 3600
    where = dict.fromkeys(str(record.fields.get("device") or "unknown hardware") for record in records)
    networks = sum(len(record.seeds) for record in records)
    counts = f"{len(records)} run{'s' * (len(records) != 1)}, {networks} networks"
    return f"{counts}, {format_value(hours)} hours on {' and '.join(where) or 'nothing'}."


def _row(function: str, title: str, best: _Best | None, theirs: float | None) -> dict[str, Any]:
    row = {"function": function, "column": title, "paper_rmse": "" if theirs is None else theirs}
    if best is None:
        return row | dict.fromkeys(_NUMBERS, "")
    record, stage = best.record, best.stage
    summary = summarize(stage.rmse)
    values: Sequence[Any] = (
        raw(stage.typical),
        raw(summary.mean),
        raw(summary.half_width),
        best.lowest,
        raw(np.nanmax(stage.rmse)),
        raw(summarize(stage.median).median),
        len(record.seeds),
        int(record.diverged.sum()),
        " ".join(map(str, record.fields["model"]["layer_sizes"])),
        "" if stage.grid_size is None else stage.grid_size,
        stage.parameters,
        stage.seconds,
        record.folder.name,
        record.name,
    )
    return row | dict(zip(_NUMBERS, values, strict=True))
