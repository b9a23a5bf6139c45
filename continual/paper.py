"""A table of ours beside the paper's: for each function and group of models the best that was reached."""

__all__ = ["write_comparison"]

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from continual.metrics import summarize
from continual.records import Record, replace_file
from continual.stages import Stage, best_stage
from continual.tables import format_count, format_value

Paper = Mapping[str, Mapping[str, float | None]]
"""The paper's test RMSE by function and group; None where it is not known."""

_TOLERANCE = 0.005
"""Relative: the paper gives three digits, so a number that rounds to the same is as good."""

_COLUMNS = (
    *("function", "group", "paper_rmse", "rmse_median", "rmse_mean", "rmse_half_width", "rmse_lowest", "rmse_highest"),
    *("median_error", "seeds", "diverged", "layer_sizes", "grid_size", "parameters", "seconds", "run", "name"),
)


@dataclass(frozen=True)
class _Best:
    """The best that the runs of one group reached on one function, None of it where there are no such runs."""

    record: Record
    stage: Stage


def write_comparison(
    records: Sequence[Record], folder: Path, *, paper: Paper | None = None, pairs: Sequence[tuple[str, str]] = ()
) -> list[Path]:
    """Writes `paper.md`, for people, and `paper.csv`, with every digit: one row a function.

    Runs belong to the function `sweep.function` and to the group `sweep.group`, of which several runs, and several
    stages of runs that grow, count as one: the one with the lowest test RMSE of the median seed is shown, as papers do.
    That choice is made on the test set, for every group alike.

    Args:
        records: finished runs; those without a function or a group are left out.
        folder: of the experiment.
        paper: the paper's numbers by function and group.
        pairs: of groups, to count on how many functions the first is below the second.

    Returns:
        The two paths, Markdown first.
    """
    paper = paper or {}
    chosen = [record for record in records if {"function", "group"} <= set(record.sweep)]
    functions = list(dict.fromkeys(str(record.sweep["function"]) for record in chosen))
    groups = list(dict.fromkeys(str(record.sweep["group"]) for record in chosen))
    table = {
        (function, group): _best([r for r in chosen if (r.sweep["function"], r.sweep["group"]) == (function, group)])
        for function in functions
        for group in groups
    }
    known = [group for group in groups if any(group in row for row in paper.values())]
    titles = ["function"]
    for group in groups:
        titles += [f"{group}, paper"] * (group in known) + [group]
    body = []
    for function in functions:
        cells = [function]
        for group in groups:
            theirs = paper.get(function, {}).get(group)
            if group in known:
                cells.append("–" if theirs is None else format_value(theirs, 3))
            cells.append(_cell(table[function, group], theirs))
        body.append(cells)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *body]
    text = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
    notes = [*_counts(table, functions, known, paper), *_pairs(table, functions, pairs)]
    legend = (
        "Test RMSE of the median seed at the best size of each group (chosen on the test set, for all groups alike); "
        "in brackets the model's shape, its grid and its trained parameters; * as good as in the paper or better."
    )
    text = "\n\n".join([text, legend, *notes]) + "\n"
    replace_file(folder / "paper.md", lambda path: path.write_text(text, encoding="utf-8"))
    replace_file(folder / "paper.csv", lambda path: _write_csv(path, table, paper))
    return [folder / "paper.md", folder / "paper.csv"]


def _best(records: Sequence[Record]) -> _Best | None:
    found = best_stage(records)
    return None if found is None or not np.isfinite(found[1].typical) else _Best(*found)


def _as_good(best: _Best | None, theirs: float | None) -> bool:
    return best is not None and theirs is not None and best.stage.typical <= theirs * (1 + _TOLERANCE)


def _cell(best: _Best | None, theirs: float | None) -> str:
    if best is None:
        return "–"
    shape = "[" + ",".join(map(str, best.record.fields["model"]["layer_sizes"])) + "]"
    grid = "" if best.stage.grid_size is None else f" G={best.stage.grid_size}"
    mark = "*" if _as_good(best, theirs) else ""
    return f"{format_value(best.stage.typical)}{mark} ({shape}{grid}, {format_count(best.stage.parameters)})"


def _counts(
    table: Mapping[tuple[str, str], _Best | None], functions: Sequence[str], known: Sequence[str], paper: Paper
) -> list[str]:
    lines = []
    for group in known:
        rows = [function for function in functions if paper.get(function, {}).get(group) is not None]
        good = sum(_as_good(table[function, group], paper[function][group]) for function in rows)
        lines.append(f"{group}: as good as in the paper or better in {good} of {len(rows)} rows.")
    return lines


def _pairs(
    table: Mapping[tuple[str, str], _Best | None], functions: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[str]:
    lines = []
    for first, second in pairs:
        both = [(table.get((f, first)), table.get((f, second))) for f in functions]
        ratios = [a.stage.typical / b.stage.typical for a, b in both if a is not None and b is not None]
        if ratios:
            below = sum(ratio < 1 for ratio in ratios)
            lines.append(
                f"{first} is below {second} in {below} of {len(ratios)} rows; ratio of their errors in the median row: "
                f"{format_value(float(np.median(ratios)))}."
            )
    return lines


def _write_csv(path: Path, table: Mapping[tuple[str, str], _Best | None], paper: Paper) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for (function, group), best in table.items():
            theirs = paper.get(function, {}).get(group)
            if best is None:
                writer.writerow([function, group, theirs, *[""] * 14])
                continue
            summary = summarize(best.stage.rmse)
            writer.writerow(
                [
                    function,
                    group,
                    theirs,
                    best.stage.typical,
                    float(summary.mean),
                    float(summary.half_width),
                    float(np.nanmin(best.stage.rmse)),
                    float(np.nanmax(best.stage.rmse)),
                    float(np.nanmedian(best.stage.median)),
                    len(best.record.seeds),
                    int(best.record.diverged.sum()),
                    " ".join(map(str, best.record.fields["model"]["layer_sizes"])),
                    best.stage.grid_size,
                    best.stage.parameters,
                    best.stage.seconds,
                    best.record.folder.name,
                    best.record.name,
                ]
            )
