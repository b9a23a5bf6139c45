"""A table of mean ranks over many curricula, with letters for what does not differ."""

__all__ = ["rank_notes", "ranks", "text_ranks", "write_ranks"]

import textwrap
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from continual.metrics import find_metric, metric_names
from continual.metrics.statistics import RankTable, rank_table
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.comparisons.crossed import Crossed, crossed
from continual.reports.numbers import format_value
from continual.reports.tables import aligned_table, markdown_table, raw, write_csv


def ranks(table: Crossed, metric: str, level: float = 0.05) -> RankTable:
    """Ranks of what is compared over the places where all of it is; of one place, over its seeds.

    A run's score is its mean over the seeds; one with a seed in which the metric is undefined is the last there.

    Args:
        table: the runs.
        metric: by its name.
        level: of the critical difference.

    Raises:
        ValueError: no such metric, or no place or seed that all have in common.
    """
    higher = find_metric(metric).higher
    if not table.whole or not table.shared_seeds():
        raise ValueError("nothing to rank: no place has a run of all that is compared, on a seed that all have")
    if len(table.places) == 1:
        scores = np.column_stack([table.scores(name, metric)[:, 0] for name in table.names])
    else:
        means = [[table.runs[place, name].metrics[metric].mean() for name in table.names] for place in table.whole]
        scores = np.array(means, dtype=np.float64)
    return rank_table(scores, table.names, higher, level)


def letters(found: RankTable) -> list[str]:
    """For each model the letters of the groups that it is in: those that share none differ."""
    found_in: list[list[str]] = [[] for _ in found.models]
    for letter, group in zip(ascii_lowercase, found.groups(), strict=False):
        for k in group:
            found_in[k].append(letter)
    return [" ".join(each) for each in found_in]


def rank_notes(table: Crossed, found: RankTable, metric: str) -> list[str]:
    """What a table or figure of ranks says below: n, tests, critical difference, what was left out."""
    of = "seeds of one curriculum" if len(table.places) == 1 else "curricula"
    lines = [
        f"Mean ranks by {find_metric(metric).label} over N = {found.curricula} {of}, K = {len(found.models)}; 1 is the "
        "best, equal ones share the mean of theirs; what is undefined in any seed is last."
    ]
    if found.reason:
        lines.append(f"No test: {found.reason}.")
    else:
        (square, by_square), (F, p) = found.friedman, found.iman_davenport
        by_f = f"; F = {format_value(F, 3)}, p = {format_value(p)} (Iman and Davenport)" if np.isfinite(F) else ""
        lines.append(
            f"Friedman: χ² = {format_value(square, 3)}, p = {format_value(by_square)}{by_f}. "
            f"Critical difference at {found.level:g} (Nemenyi): {format_value(found.distance, 3)}."
        )
    if out := len(table.places) - len(table.whole):
        lines.append(f"{out} of {len(table.places)} curricula lack a run of some, and are left out.")
    return lines


_TITLES = ("run", "mean rank", "first on", "group")


def _cells(found: RankTable) -> list[list[str]]:
    """A line a model, the best first."""
    group = letters(found)
    best = (found.ranks == found.ranks.min(axis=1, keepdims=True)).sum(axis=0)
    order = np.argsort(found.mean, kind="stable")
    return [[found.models[k], format_value(found.mean[k], 3), str(best[k]), group[k] or "–"] for k in order]


def _notes(table: Crossed, found: RankTable, metric: str) -> list[str]:
    return [*rank_notes(table, found, metric), *([] if found.reason else ["Those that share a letter do not differ."])]


def text_ranks(
    records: Sequence[Record], metric: str, *, what: str = "name", over: Sequence[str] = (), width: int = 120
) -> str:
    """The table as aligned text for a terminal; see `write_ranks`."""
    table = crossed(records, what, over)
    found = ranks(table, metric)
    notes = [line for note in _notes(table, found, metric) for line in textwrap.wrap(note, width)]
    return "\n".join([*aligned_table(_TITLES, _cells(found), width), "", *notes]) + "\n"


def write_ranks(
    records: Sequence[Record],
    folder: Path,
    metric: str = "final_rmse",
    *,
    what: str = "name",
    over: Sequence[str] = (),
    level: float = 0.05,
    name: str = "ranks",
) -> list[Path]:
    """Writes a table of mean ranks, as `NAME.md`, and the rank at every place as `NAME.csv`.

    Args:
        records: finished runs.
        folder: where.
        metric: a name of `METRICS`.
        what: what is ranked, see `crossed`.
        over: axes whose values together are a curriculum; none: seeds are ranked, of one curriculum.
        level: of the critical difference.
        name: of the files.

    Where there is nothing to rank, the files say so.

    Raises:
        ValueError: there is no such metric.
    """
    metric_names([metric])
    rows: list[dict[str, Any]] = []
    try:
        table = crossed(records, what, over)
        found = ranks(table, metric, level)
    except ValueError as error:  # of a part of the sweep there may be nothing to rank
        text = f"No ranks: {error}.\n"
    else:
        text = markdown_table(_TITLES, _cells(found)) + "\n" + " ".join(_notes(table, found, metric)) + "\n"
        lines = table.whole if len(table.places) > 1 else [f"seed {seed}" for seed in table.shared_seeds()]
        for line, row in zip([*lines, "mean"], [*found.ranks, found.mean], strict=True):
            rows.append({"on": line, **{each: raw(rank) for each, rank in zip(table.names, row, strict=True)}})
    replace_file(folder / f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
    write_csv(rows, folder / f"{name}.csv")
    return [folder / f"{name}.md", folder / f"{name}.csv"]
