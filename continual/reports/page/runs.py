"""A run as a page shows it, and the columns that its table can have."""

__all__ = ["Column", "PageRun", "columns"]

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from continual.metrics import CORE, METRICS, metrics_of
from continual.records.record import Record
from continual.records.store import StoredRun
from continual.reports.numbers import format_count, format_interval
from continual.reports.tables import Row, has_frozen, rows, shown


@dataclass(frozen=True)
class PageRun:
    """What a page says of a run, finished or not.

    Args:
        folder: results/<experiment>/<model>-<identity>.
        name: what its sweep calls it.
        state: what has become of it: done, failed, …
        record: its record, where there is one that can be read.
        settings: its config by the parts of its keys.
        axes: its values along the axes of its sweep.
        command: what trains it alone.
        problem: why it has no record.
    """

    folder: Path
    name: str
    state: str
    record: Record | None = None
    settings: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    problem: str = ""

    @classmethod
    def of(cls, run: StoredRun, command: str | None = None) -> "PageRun":
        """As its folder tells of it; `command` is what trains it alone."""
        record = run.record
        axes = record.sweep if record is not None else run.entry.sweep if run.entry is not None else {}
        return cls(run.folder, run.name, run.state, record, settings(run.config), axes, command, run.problem)

    @classmethod
    def of_record(cls, record: Record) -> "PageRun":
        """As its record tells of it."""
        command = record.fields.get("command")
        config = settings(StoredRun(record.folder).config)
        return cls(record.folder, record.name, "done", record, config, record.sweep, command)


def settings(node: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """A config by the parts of its keys; lists stay whole.

    Example:
        >>> settings({"model": {"depth": 2}, "seeds": [0, 1]})
        {('model', 'depth'): 2, ('seeds',): [0, 1]}
    """
    if not isinstance(node, Mapping) or not node:
        return {path: node} if path else {}
    found: dict[tuple[str, ...], Any] = {}
    for key, value in node.items():
        found |= settings(value, (*path, str(key)))
    return found


@dataclass(frozen=True)
class Column:
    """One column: what the runs have there.

    Args:
        key: unique among the columns, and the heading in a CSV.
        title: the heading on the page.
        group: where the list of columns has it: result, run, axis or setting.
        values: one for each run, plain JSON; None for none.
        texts: how the values are written, where not as themselves.
        shown: whether it is there from the beginning.
        path: parts of the key, of a setting.
        reasons: why a value is undefined, of a metric; "" where it is not.
    """

    key: str
    title: str
    group: str
    values: list[Any]
    texts: list[str] | None = None
    shown: bool = False
    path: tuple[str, ...] | None = None
    reasons: list[str] | None = None

    def coded(self) -> dict[str, Any]:
        """As plain JSON: different values once each, and which of them each run has (-1: none of them)."""
        different: dict[str, int] = {}
        at = []
        for value in self.values:
            at.append(-1 if value is MISSING else different.setdefault(json.dumps(value), len(different)))
        found: dict[str, Any] = {"key": self.key, "title": self.title, "group": self.group, "shown": self.shown}
        if len(different) == 1 and -1 not in at:
            found |= {"all": json.loads(next(iter(different)))}
        elif len(different) <= len(at) // 2 or -1 in at:
            found |= {"different": [json.loads(text) for text in different], "at": at}
        else:
            found |= {"values": self.values}
        if self.texts is not None:
            found["texts"] = self.texts
        if self.path is not None:
            found["path"] = list(self.path)
        if self.reasons is not None and any(self.reasons):
            reasons = list(dict.fromkeys(self.reasons))
            found |= {"reasons": reasons, "reason_at": [reasons.index(reason) for reason in self.reasons]}
        return found


MISSING = object()
"""In place of the value of a setting that a run does not have; null is a value."""


def plain(value: Any) -> Any:
    """A value as JSON can hold it: what is not finite, or no JSON at all, as its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def number(value: Any) -> Any:
    """A number to seven digits, as exact as a page needs it; None for what is undefined."""
    value = float(value)
    return None if not math.isfinite(value) else float(f"{value:.7g}")


def columns(runs: Sequence[PageRun], several: bool) -> list[Column]:
    """All columns that a table of these runs can have.

    Args:
        runs: one a line.
        several: whether they may be of several experiments.
    """
    found = {run.folder: row for run, row in zip([r for r in runs if r.record], rows(_records(runs)), strict=True)}
    lines = [found.get(run.folder) for run in runs]
    return [
        *_results(lines, has_frozen(_records(runs)), several, runs),
        *_axes(runs),
        *_facts(runs, lines),
        *_settings(runs),
    ]


def _axes(runs: Sequence[PageRun]) -> list[Column]:
    """Axes of sweeps; those that tell runs of one name apart are shown."""
    unnamed = len({run.name for run in runs}) < len(runs)
    found = []
    for axis in dict.fromkeys(axis for run in runs for axis in run.axes):
        values = [_there(run.axes, axis) for run in runs]
        varies = len({str(value) for value in values}) > 1
        found.append(Column(f"sweep_{axis}", axis, "axis", values, shown=unnamed and varies))
    return found


def _records(runs: Sequence[PageRun]) -> list[Record]:
    return [run.record for run in runs if run.record is not None]


def _there(values: Mapping[Any, Any], key: Any) -> Any:
    return plain(values[key]) if key in values else MISSING


def _results(lines: Sequence[Row | None], total: bool, several: bool, runs: Sequence[PageRun]) -> list[Column]:
    def of(read: Callable[[Row], Any]) -> list[Any]:
        return [None if line is None else read(line) for line in lines]

    def count(read: Callable[[Row], Any]) -> tuple[list[Any], list[str]]:
        values = of(read)
        return values, [format_count(value) for value in values]

    unfinished = any(run.state != "done" or run.problem for run in runs)
    found = [
        Column("experiment", "experiment", "run", [run.folder.parent.name for run in runs], shown=several),
        Column("state", "state", "run", [run.state for run in runs], shown=unfinished),
        Column("parameters", "params", "result", *count(lambda row: row.record.trainable_parameters), shown=True),
        Column("total_parameters", "total", "result", *count(lambda row: row.record.total_parameters), shown=total),
        Column("flops", "FLOPs", "result", *count(lambda row: row.flops), shown=True),
    ]
    records = [line.record for line in lines if line is not None]
    first = shown(records)
    for name in metrics_of(records):
        summaries = [None if line is None else line.metrics.get(name) for line in lines]
        means = [None if summary is None else number(summary.mean) for summary in summaries]
        texts = ["–" if summary is None else format_interval(summary) for summary in summaries]
        why = ["" if line is None else line.record.metrics.reason(name) for line in lines]
        found.append(Column(f"{name}_mean", METRICS[name], "result", means, texts, shown=name in first, reasons=why))
    for name in CORE:
        title = METRICS[name]
        parts: dict[str, Callable[[Row], Any]] = {
            "half_width": lambda row, name=name: number(row.metrics[name].half_width),  # type: ignore[misc]
            "median": lambda row, name=name: number(row.metrics[name].median),  # type: ignore[misc]
            "defined": lambda row, name=name: int(row.metrics[name].defined),  # type: ignore[misc]
        }
        for part, read in parts.items():
            found.append(Column(f"{name}_{part}", f"{title[:-2]}, {part.replace('_', ' ')}", "result", of(read)))
    seconds = of(lambda row: number(row.record.seconds))
    said = ["–" if s is None else f"{s:.3g}" if s < 1000 else f"{s:.0f}" for s in seconds]
    return [
        *found,
        Column("seconds", "seconds", "result", seconds, said, shown=True),
        Column(
            "seeds",
            "seeds",
            "result",
            of(lambda row: len(row.record.seeds)),
            [r.seeds if r else "–" for r in lines],
            True,
        ),
    ]


def _facts(runs: Sequence[PageRun], lines: Sequence[Row | None]) -> list[Column]:
    def of(key: str, read: Callable[[Any], Any] = plain) -> list[Any]:
        values = [None if run.record is None else run.record.fields.get(key) for run in runs]
        return [None if value is None else read(value) for value in values]

    megabytes = of("peak_memory", lambda value: round(value / 1e6))
    return [
        Column("family", "family", "run", [run.record.family if run.record else None for run in runs]),
        Column("run", "folder", "run", [run.folder.name for run in runs]),
        Column("status", "status", "run", of("status")),
        Column("seed_list", "seeds by number", "run", of("seeds", lambda seeds: ", ".join(map(str, seeds)))),
        Column("diverged", "diverged", "run", of("diverged", lambda lost: sum(map(bool, lost)))),
        Column("device", "device", "run", of("device")),
        Column("threads", "threads", "run", of("threads")),
        Column("peak_memory_mb", "peak memory, MB", "run", megabytes),
        Column("problem", "problem", "run", [run.problem or None for run in runs], shown=any(r.problem for r in runs)),
    ]


def _settings(runs: Sequence[PageRun]) -> list[Column]:
    paths = dict.fromkeys(path for run in runs for path in run.settings)
    return [
        Column(".".join(path), ".".join(path), "setting", [_there(run.settings, path) for run in runs], path=path)
        for path in paths
    ]
