"""Tables that need no script: results, what models became, runs with their files, what computed them."""

__all__ = ["origins", "results_table", "runs_table", "structures_table"]

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from continual.records.record import Record
from continual.reports.page.parts import html_table, link
from continual.reports.page.runs import PageRun
from continual.reports.structure import HEADER, cells, structures
from continual.reports.tables import has_frozen, header, rows, shown
from continual.reports.wrapping import breakable


def results_table(folder: Path, records: Sequence[Record]) -> str:
    """Sizes, metrics and costs, a line a run."""
    with_total, metrics = has_frozen(records), shown(records)
    body = []
    for row in rows(records):
        (name, *cells), (_, *reasons) = row.cells(with_total, metrics), row.reasons(with_total, metrics)
        told = [_told(cell, why) for cell, why in zip(cells, reasons, strict=True)]
        body.append([link(folder, row.record.folder, name), *told])
    return html_table(header(with_total, metrics), body)


def _told(cell: str, why: str) -> str:
    """A cell that says why it is undefined when it is pointed at."""
    return f'<span title="undefined: {escape(why)}">{escape(cell)}</span>' if why else escape(cell)


def structures_table(records: Sequence[Record]) -> str:
    """What models became while they trained; nothing where none changed."""
    body = [[escape(cell) for cell in cells(structure)] for structure in structures(records)]
    return f"<h2>What models became</h2>\n{html_table(HEADER, body)}" if body else ""


def runs_table(folder: Path, runs: Sequence[PageRun]) -> str:
    """What has become of each run, where it stands in the sweep, and its files."""
    body = []
    for run in runs:
        files = [run.folder / name for name in ("record.json", "config.yaml", "log.txt")]
        links = ", ".join(link(folder, path, path.name) for path in files if path.is_file())
        record = run.record
        status = str(record.fields.get("status", "–")) if record is not None else run.state
        status = f"{status}: {run.problem}" if run.problem else status
        seeds = ", ".join(map(str, record.seeds)) if record is not None else "–"
        sweep = ", ".join(f"{axis} {value}" for axis, value in run.axes.items()) or "–"
        there = link(folder, run.folder, run.folder.name) if run.folder.is_dir() else escape(run.folder.name)
        name = f"{there}<br>{breakable(escape(run.name))}"
        seconds = f"{record.seconds:.3g}" if record is not None else "–"
        body.append([name, escape(status), breakable(escape(sweep)), escape(seeds), seconds, links or "–"])
    return html_table(["run", "status", "sweep", "seeds", "seconds", "files"], body)


def origins(records: Sequence[Record]) -> str:
    """Each different set of hardware, versions and code once, with the number of runs made with it."""
    counts = Counter(_origin(record.fields) for record in records)
    body = [[*map(escape, origin), str(count)] for origin, count in counts.items()]
    return html_table(["device", "threads", "versions", "code", "runs"], body)


def _origin(fields: Mapping[str, Any]) -> tuple[str, str, str, str]:
    versions: Mapping[str, Any] = fields.get("versions") or {}
    code: Mapping[str, Any] = fields.get("code") or {}
    commit = str(code["commit"])[:12] if code.get("commit") else ""
    said = [f"commit {commit}{', changed since' if code.get('dirty') else ''}"] if commit else []
    said += [f"sources {code['sources']}"] if code.get("sources") else []
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    return str(fields.get("device") or "–"), str(fields.get("threads") or "–"), text or "–", "; ".join(said) or "–"
