"""A table of paired differences to one run, seed by seed, which marks what does not differ."""

__all__ = ["Difference", "differences", "text_differences", "write_differences"]

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from continual.metrics import Summary, find_metric, metric_names, summarize
from continual.metrics.statistics import ALL_ZERO, PairedDifference, PValue, holm, paired_difference
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.comparisons.crossed import Crossed, crossed
from continual.reports.numbers import format_interval, format_value, undefined_notes
from continual.reports.tables import aligned_table, markdown_table, raw, write_csv

WHICH = ("final_rmse", "forgetting")
Kind = Literal["sign_flip", "wilcoxon"]
_MARKED = " (reference)"


class Difference(NamedTuple):
    """One run against the reference in one metric."""

    place: str
    name: str
    metric: str
    found: PairedDifference
    test: PValue
    p: float
    """After Holm's correction over all differences of the table; NaN where there is no test."""
    tests: int
    """Of the table."""

    def differs(self, level: float) -> bool | None:
        """Whether there is a difference at a level; None where there is no test, or so many of so few seeds can't tell.

        All signs of n differences can have a p of 2^(1 − n) at least, which the correction multiplies.
        """
        if np.isnan(self.p):
            return None
        if self.p <= level:
            return True
        could = self.tests * 2.0 ** (1 - self.test.n) <= level
        return False if could or self.test.reason == ALL_ZERO else None


def _check(metrics: Sequence[str], test: str) -> None:
    metric_names(metrics)
    if test not in ("sign_flip", "wilcoxon"):
        raise ValueError(f"test must be sign_flip or wilcoxon, got {test!r}")


def differences(
    table: Crossed, reference: str, metrics: Sequence[str] = WHICH, test: Kind = "sign_flip"
) -> list[Difference]:
    """Every run against the reference at its place, seed by seed.

    Args:
        table: the runs.
        reference: a name of the table.
        metrics: by name.
        test: by which p is made.

    Raises:
        ValueError: no such name or metric, or no test of that name.
    """
    _check(metrics, test)
    if reference not in table.names:
        raise ValueError(f"no run is called {reference}; there are: {'; '.join(table.names) or 'none'}")
    found = []
    for place in table.places:
        for name in table.names:
            if name == reference or (place, name) not in table.runs or (place, reference) not in table.runs:
                continue
            for metric in metrics:
                sides = [table.by_seed(place, each, metric) for each in (name, reference)]
                pair = paired_difference(sides[0], sides[1], find_metric(metric).higher)
                found.append((place, name, metric, pair, pair.sign_flip if test == "sign_flip" else pair.wilcoxon))
    adjusted = holm([each[-1].p for each in found])
    tests = int((~np.isnan(adjusted)).sum())
    return [Difference(*each, float(p), tests) for each, p in zip(found, adjusted, strict=True)]


def _cells(table: Crossed, reference: str, metrics: Sequence[str], found: Sequence[Difference], level: float) -> Any:
    """Titles and lines of the table for people; the reference's own values stand first at each place."""
    by_place = {(each.place, each.name, each.metric): each for each in found}
    placed = any(table.places)
    titles = [*(["on"] if placed else []), "run", "n"]
    for metric in metrics:
        titles += [f"Δ {find_metric(metric).label}", "p"]
    body = []
    for place in table.places:
        if (place, reference) not in table.runs:
            continue
        own = table.runs[place, reference]
        values = [cell for metric in metrics for cell in (format_interval(summarize(own.metrics[metric])), "")]
        before = [place] if placed else []
        body.append([*before, f"{reference}{_MARKED}", str(len(own.seeds)), *values])
        for name in table.names:
            line = [by_place.get((place, name, metric)) for metric in metrics]
            cells = [cell for each in line if each is not None for cell in _said(each, level)]
            if line[0] is not None:
                body.append([*before, name, str(line[0].found.pairs), *cells])
    return titles, body


def _said(each: Difference, level: float) -> tuple[str, str]:
    student, median = each.found.student, each.found.median
    mean, half, middle = (np.asarray(v) for v in (student.estimate, (student.high - student.low) / 2, median))
    summary = Summary(mean, half, middle, np.asarray(each.found.n), each.found.pairs)
    value, bracket, count = format_interval(summary).partition(" (")
    mark = {True: "", False: " ≈", None: "" if np.isnan(each.p) else " ?"}[each.differs(level)]
    return f"{value}{mark}{bracket}{count}", format_value(each.p, 2)


def _legend(table: Crossed, reference: str, found: Sequence[Difference], level: float) -> list[str]:
    tests = sum(not np.isnan(each.p) for each in found)
    method = ", ".join(dict.fromkeys(each.test.method for each in found if not np.isnan(each.p))) or "no test"
    counts = sorted({each.found.n for each in found})
    n = "–" if not counts else f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    lines = [
        f"Δ: run − {reference} on the same seeds, mean ± half width of the 95 % interval (Student's t), n = {n} pairs; "
        "in the line of the reference its own values. ↓: a difference below 0 is better, ↑: above 0. p: "
        f"{method}, with Holm's correction over the {tests} tests of this table. ≈: no difference at {level:g}. "
        "(9/10): of 10 pairs 9 are defined; –: undefined."
    ]
    lines += [f"No test of {each.name} in {each.metric}: {each.test.reason}." for each in found if np.isnan(each.p)][:3]
    if unsure := [each for each in found if not np.isnan(each.p) and each.differs(level) is None]:
        enough = 1 + math.ceil(math.log2(tests / level))
        lines.append(
            f"?: {max(each.found.n for each in unsure)} pairs can't tell, however large a difference is, in {tests} "
            f"tests at {level:g}; that takes {enough} seeds, or fewer tests."
        )
    unmatched = [name for place, name in table.runs if (place, reference) not in table.runs]
    if unmatched:
        lines.append(f"{len(unmatched)} runs stand where there is no {reference}, and are left out.")
    return lines


def _row(each: Difference, reference: str, level: float) -> dict[str, Any]:
    pair = each.found
    differs = each.differs(level)
    return {
        "on": each.place,
        "run": each.name,
        "reference": reference,
        "metric": each.metric,
        "n": pair.n,
        "pairs": pair.pairs,
        "difference": raw(pair.student.estimate),
        "low": raw(pair.student.low),
        "high": raw(pair.student.high),
        "bootstrap_low": raw(pair.bootstrap.low),
        "bootstrap_high": raw(pair.bootstrap.high),
        "bootstrap": pair.bootstrap.method,
        "median": raw(pair.median),
        "better": pair.better,
        "equal": pair.equal,
        "worse": pair.worse,
        "p_sign_flip": raw(pair.sign_flip.p),
        "p_wilcoxon": raw(pair.wilcoxon.p),
        "p_holm": raw(each.p),
        "differs": "" if differs is None else str(differs).lower(),
        "improvement": raw(pair.improvement.estimate),
        "improvement_low": raw(pair.improvement.low),
        "improvement_high": raw(pair.improvement.high),
        "reason": "; ".join(dict.fromkeys(why for why in (pair.reason, each.test.reason) if why)),
    }


def _chosen(table: Crossed, reference: str) -> list[Record]:
    return [record for (place, _), record in table.runs.items() if (place, reference) in table.runs]


def text_differences(
    records: Sequence[Record],
    reference: str,
    metrics: Sequence[str] = WHICH,
    *,
    what: str = "name",
    over: Sequence[str] = (),
    test: Kind = "sign_flip",
    level: float = 0.05,
    width: int = 120,
) -> str:
    """The table as aligned text for a terminal, with what it says below; see `write_differences`."""
    table = crossed(records, what, over)
    found = differences(table, reference, metrics, test)
    titles, body = _cells(table, reference, metrics, found, level)
    if any(table.places):  # a line of its own for each place
        titles, placed = titles[1:], body
        body = []
        for place, name, *cells in placed:
            body += [[f"{place}:", *("" for _ in cells)]] if name.endswith(_MARKED) else []
            body.append([f"  {name}", *cells])
    notes = [*_legend(table, reference, found, level), *undefined_notes(_chosen(table, reference), metrics)]
    lines = [line for note in notes for line in textwrap.wrap(note, width)]
    return "\n".join([*aligned_table(titles, body, width), "", *lines]) + "\n"


def write_differences(
    records: Sequence[Record],
    folder: Path,
    reference: str,
    metrics: Sequence[str] = WHICH,
    *,
    what: str = "name",
    over: Sequence[str] = (),
    test: Kind = "sign_flip",
    level: float = 0.05,
    name: str = "differences",
) -> list[Path]:
    """Writes a table of all runs' paired differences to one of them, as `NAME.md` and, with all numbers, `NAME.csv`.

    Args:
        records: finished runs.
        folder: where.
        reference: which of what is compared: a run's name, or a value of the axis `what`.
        metrics: names of `METRICS`.
        what: see `crossed`; the runs by name, or an axis such as `strategy`.
        over: axes that make a place of its own of each value, with a reference each.
        test: `sign_flip`, exact up to 20 pairs, or `wilcoxon`.
        level: above which a corrected p is marked.
        name: of the files.

    Where the runs have no such reference, or can't be told apart, the files say so.

    Raises:
        ValueError: there is no such metric or test.
    """
    _check(metrics, test)
    try:
        table = crossed(records, what, over)
        found = differences(table, reference, metrics, test)
    except ValueError as error:  # of a part of the sweep there may be nothing to compare with
        text, lines = f"No differences: {error}.\n", []
    else:
        titles, body = _cells(table, reference, metrics, found, level)
        notes = [*_legend(table, reference, found, level), *undefined_notes(_chosen(table, reference), metrics)]
        text = markdown_table(titles, body, left=2 if any(table.places) else 1) + "\n" + " ".join(notes) + "\n"
        lines = [_row(each, reference, level) for each in found]
    replace_file(folder / f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
    write_csv(lines, folder / f"{name}.csv")
    return [folder / f"{name}.md", folder / f"{name}.csv"]
