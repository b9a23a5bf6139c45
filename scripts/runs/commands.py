"""What `python -m scripts.runs` does, a function a command; each returns the exit status."""

__all__ = ["COMMANDS", "command_of"]

import argparse
import csv
import io
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from continual.metrics import METRICS, metrics_of, summarize
from continual.records.files import replace_file
from continual.records.store import StoredRun, find_runs, flat, is_number
from continual.records.upkeep import clean, leftovers, merge
from continual.reports.numbers import format_interval, format_value, undefined_notes
from scripts.command import train_command
from scripts.runs.chosen import check_known, chosen_runs
from scripts.runs.comparing import compare
from scripts.runs.sync import sync
from scripts.runs.wandb_sweep import sweep_file, trials

_SHOWN = ("experiment", "name", "state", "parameters", "final_rmse", "forgetting", "seconds", "folder")


def _chosen(options: argparse.Namespace) -> list[StoredRun]:
    return chosen_runs(options.places, options.where, options.state)


def _list(options: argparse.Namespace) -> int:
    runs = _chosen(options)
    columns = options.columns.split(",") if options.columns else list(_SHOWN)
    for key in columns:
        if options.columns and key != "problem":  # where nothing is done yet, nobody has the others
            check_known(runs, key)
    if options.sort:
        check_known(runs, options.sort)
        runs.sort(key=lambda run: _order(run.value(options.sort)))
    cells = [
        columns,
        *([_cell(run.problem if key == "problem" else run.value(key)) for key in columns] for run in runs),
    ]
    for line in _aligned(cells):
        print(line)
    records = [run.record for run in runs if run.record is not None]
    asked = [key for key in columns if key in METRICS] if options.columns else []
    for note in undefined_notes(records, asked):
        print(note)
    counts = {state: sum(run.state == state for run in runs) for state in ("done", "running", "interrupted", "failed")}
    print(f"{len(runs)} runs: " + (", ".join(f"{n} {state}" for state, n in counts.items() if n) or "none"))
    return 0


def _order(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if is_number(value) else (2, 0.0, "") if value is None else (1, 0.0, str(value))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return format_value(value) if isinstance(value, float) else str(value)


def _aligned(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _one(folder: Path) -> StoredRun:
    runs = list(find_runs([folder]))
    if len(runs) != 1:
        raise ValueError(f"{folder} holds {len(runs)} runs; name one run's own folder")
    return runs[0]


def command_of(run: StoredRun) -> str | None:
    """The command that trains a run alone, or goes on with it; None where neither its sweep nor its record knows it."""
    if run.entry is not None and run.entry.overrides:
        return train_command(run.entry.overrides, sweep=False)
    if run.record is not None and run.record.fields.get("command"):
        return str(run.record.fields["command"])
    log = run.folder / "log.txt"
    marks = [line.partition(_MARK)[2] for line in _lines(log) if _MARK in line]
    return marks[-1] if marks else None


_MARK = " command: "


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _show(options: argparse.Namespace) -> int:
    run = _one(options.folder)
    about: dict[str, Any] = {"name": run.name, "state": run.state, "folder": str(run.folder)}
    if run.problem:
        about["problem"] = run.problem
    print(_yaml(about))
    print(f"command: {command_of(run) or 'not known'}")
    record = run.record
    if record is not None:
        for name in record.metrics:
            why = record.metrics.reason(name)
            print(f"{METRICS[name]}: {format_interval(summarize(record.metrics[name]))}{f' ({why})' if why else ''}")
        keys = (
            "experiment",
            "identity",
            "seeds",
            "parameters",
            "flops",
            "seconds",
            "device",
            "threads",
            "versions",
            "code",
        )
        facts = {key: record.fields[key] for key in keys if key in record.fields}
        facts["seconds"] = record.fields["seconds"]["total"]
        print(f"\n{_yaml(facts)}")
    print(_yaml({"config": run.config}))
    return 0


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(
        dict(values), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
    ).rstrip()


def _diff(options: argparse.Namespace) -> int:
    first, second = _one(options.first), _one(options.second)
    left, right = flat(first.config), flat(second.config)
    keys = [key for key in dict.fromkeys([*left, *right]) if left.get(key) != right.get(key)]
    cells = [["", first.name, second.name]]
    cells += [[key, _said(left, key), _said(right, key)] for key in keys]
    if first.record is not None and second.record is not None:
        cells += [
            [name, *(format_interval(summarize(run.record.metrics[name])) for run in (first, second) if run.record)]
            for name in metrics_of([first.record, second.record])
        ]
    for line in _aligned(cells):
        print(line)
    return 0


def _said(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "not there"


def _export(options: argparse.Namespace) -> int:
    runs = [run for run in _chosen(options) if run.record is not None]
    if not runs:
        raise ValueError("no finished run is there to export")
    settings = [flat(run.config) for run in runs]
    names = dict.fromkeys(name for each in settings for name in each)
    varied = [name for name in names if len({str(each.get(name)) for each in settings}) > 1]
    axes = dict.fromkeys(axis for run in runs if run.entry is not None for axis in run.entry.sweep)
    keys = list(
        dict.fromkeys(["experiment", "name", *axes, *varied, "family", "parameters", "flops", "seconds", "folder"])
    )
    rows = [row for run in runs for row in (run.member_rows(keys) if options.members else [run.row(keys)])]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if options.file.suffix == ".parquet":
        _write_parquet(options.file, columns, rows)
    elif options.file.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(rows)
        replace_file(options.file, text.getvalue().encode())
    else:
        raise ValueError(f"{options.file} must end in .csv or .parquet")
    print(f"{len(rows)} lines of {len(columns)} columns: {options.file}")
    return 0


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            "Parquet needs a package that is not installed: pip install pyarrow; .csv needs none"
        ) from None
    content = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        plain = all(value is None or isinstance(value, int | float) for value in values)
        content[name] = values if plain else [None if value is None else str(value) for value in values]
    replace_file(path, lambda target: pyarrow.parquet.write_table(pyarrow.table(content), target))


def _rerun(options: argparse.Namespace) -> int:
    options.state = options.state or ["failed", "interrupted"]
    status = 0
    for run in _chosen(options):
        command = command_of(run)
        if command is None:
            print(f"# {run.folder}: its command is not known", file=sys.stderr)
            continue
        print(command, flush=True)
        if options.go:
            status = subprocess.run([sys.executable, *shlex.split(command)[1:]], check=False).returncode or status
    return status


def _merge(options: argparse.Namespace) -> int:
    count = 0
    for source in options.sources:
        if not source.is_dir():
            raise FileNotFoundError(f"{source} is no folder")
        for line in merge(source, options.into):
            print(line)
            count += line.startswith("brought")
    print(f"{count} runs brought into {options.into}")
    return 0


def _archive(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    runs = list(find_runs([folder]))
    if not runs:
        raise ValueError(f"{folder} holds no run")
    if busy := [run for run in runs if run.state == "running"]:
        raise ValueError(f"{busy[0].folder} is being trained; archive when it has ended")
    target = folder.with_name(f"{folder.name}.tar.gz")

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name.startswith(".") else member

    def write(path: Path) -> None:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, arcname=folder.name, filter=keep)

    replace_file(target, write)
    print(f"{len(runs)} runs, {target.stat().st_size / 1e6:.1f} MB: {target}")
    return 0


def _clean(options: argparse.Namespace) -> int:
    paths = [path for run in _chosen(options) for path in leftovers(run, unfinished=options.unfinished)]
    for path in paths:
        print(path)
    if options.yes:
        print(f"removed: {clean(paths) / 1e6:.1f} MB")
    elif paths:
        print("nothing was removed; --yes does")
    else:
        print("nothing to remove")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "diff": _diff,
    "compare": compare,
    "export": _export,
    "rerun": _rerun,
    "merge": _merge,
    "archive": _archive,
    "clean": _clean,
    "sync": sync,
    "sweep-file": sweep_file,
    "trials": trials,
}
"""By name."""
