"""The HTML files: one experiment's with its figures, and one over all experiments below a folder."""

__all__ = ["SAFE", "write_overview", "write_page"]

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from continual.metrics import METRICS, metrics_of
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.bands import BAND
from continual.reports.page.assets import STYLE, dashboard_script, dashboard_style
from continual.reports.page.curves import Series, encode
from continual.reports.page.definitions import DEFINITIONS, MATRIX
from continual.reports.page.parts import address, count_of, figure, link, table_file
from continual.reports.page.runs import PageRun, columns
from continual.reports.page.static import origins, results_table, runs_table, structures_table
from continual.reports.tables import legend

SAFE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""The browser's own guard that the page asks nothing of any server."""


def write_page(
    folder: Path,
    records: Sequence[Record],
    title: str,
    figures: Mapping[str, Path | Sequence[Path]],
    captions: Mapping[str, str],
    command: str,
    tables: Mapping[str, Sequence[Path]] | None = None,
    *,
    runs: Sequence[PageRun] | None = None,
    palettes: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Writes `index.html`: figures, table, curves, definitions, runs, versions and hardware, in one file.

    The page asks nothing of any server: PNG figures are embedded, and its links lead to files beside it. Scripts make
    its table sortable and draw chosen runs; without them the same numbers are there as plain tables.

    Args:
        folder: the experiment's folder.
        records: its finished runs, in the order of the table.
        title: heading of the page.
        figures: by name, the files of a figure, for example what `figures.save` returns; PNG files are embedded, all
            others linked.
        captions: by the same names and those of the tables, what there is to see; a name that is missing has none.
        command: the command that made everything, shown under each figure.
        tables: by name, the files of further tables; Markdown files are shown, all others linked.
        runs: what the table of runs shows, unfinished ones too; None for the records.
        palettes: by family, the colours of its models in their order; None for one palette for all.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: a figure's PNG file is not there.
    """
    shown = [PageRun.of_record(record) for record in records] if runs is None else runs
    above = [
        *(figure(folder, name, found, captions.get(name, ""), command) for name, found in figures.items()),
        *(table_file(folder, name, paths, captions.get(name, "")) for name, paths in (tables or {}).items()),
    ]
    return _write(folder, title, shown, above, palettes or {}, several=False)


def write_overview(folder: Path, runs: Sequence[PageRun], palettes: Mapping[str, Sequence[str]] | None = None) -> Path:
    """Writes `index.html` over all experiments below a folder: the runs of all of them in one table.

    Args:
        folder: results.
        runs: of all experiments.
        palettes: see `write_page`.

    Returns:
        The path of the page.
    """
    experiments = dict.fromkeys(run.folder.parent for run in runs)
    lines = []
    for experiment in experiments:
        count = count_of(sum(run.folder.parent == experiment for run in runs), "run")
        page = experiment / "index.html"
        name = experiment.name if experiment != folder else folder.resolve().name
        found = link(folder, page, name) if page.is_file() and experiment != folder else escape(name)
        lines.append(f"<li>{found} <span class='soft'>{count}</span></li>")
    above = [f"<h2>Experiments</h2>\n<ul>\n{''.join(lines)}\n</ul>"]
    return _write(folder, f"{folder.resolve().name}: all runs", runs, above, palettes or {}, several=True)


def _write(
    folder: Path,
    title: str,
    runs: Sequence[PageRun],
    above: Sequence[str],
    palettes: Mapping[str, Sequence[str]],
    *,
    several: bool,
) -> Path:
    records = [run.record for run in runs if run.record is not None]
    data = _data(folder, runs, palettes, several=several)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{_count(runs, records)}</p>',
        *above,
        "<h2>Results</h2>",
        f'<div id="dashboard" hidden></div>\n<noscript>\n{results_table(folder, records)}\n</noscript>',
        f'<p class="soft">{escape(legend(records))}</p>\n<div id="chosen" hidden></div>',
        structures_table(records),
        "<h2>What the numbers mean</h2>",
        f"<p>{escape(MATRIX)}</p>",
        "<dl>",
        *(f"<dt>{escape(METRICS[name])}</dt><dd>{escape(DEFINITIONS[name])}</dd>" for name in metrics_of(records)),
        "</dl>",
        f"<noscript>\n<h2>Runs</h2>\n{runs_table(folder, runs)}\n</noscript>",
        "<h2>Versions and hardware</h2>",
        origins(records),
        "<footer><p>Curves are drawn by uPlot (github.com/leeoniya/uPlot), © 2022 Leon Sorokin, MIT licence; its text "
        "stands in this page's source, above the library's.</p></footer>",
        f'<script type="application/json" id="data">{data}</script>',
        f'<script type="module">\n{dashboard_script()}\n</script>',
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{SAFE}">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}\n{dashboard_style()}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )
    target = folder / "index.html"
    replace_file(target, page.encode("utf-8", "replace"))
    return target


def _count(runs: Sequence[PageRun], records: Sequence[Record]) -> str:
    trained = sum(len(record.seeds) for record in records)
    lost = sum(int(record.diverged.sum()) for record in records)
    text = f"{count_of(len(records), 'run')}, {count_of(trained, 'trained network')} in all"
    text += f", {lost} of them diverged." if lost else ", none diverged."
    without = len(runs) - len(records)
    return text + (f" {count_of(without, 'run')} without results, see the column “state”." if without else "")


def _data(folder: Path, runs: Sequence[PageRun], palettes: Mapping[str, Sequence[str]], *, several: bool) -> str:
    """Everything that the scripts draw from, as JSON that can stand in HTML."""
    found = encode([run.record for run in runs])
    records = [run.record for run in runs if run.record is not None]
    kept = [series for series in found if series is not None]
    content: dict[str, Any] = {
        "names": _names(runs),
        "folders": [address(folder, run.folder) for run in runs],
        "files": [[name for name in _FILES if (run.folder / name).is_file()] for run in runs],
        "commands": [run.command for run in runs],
        "columns": [column.coded() for column in columns(runs, several)],
        "tasks": _tasks(kept),
        "series": [None if series is None else _coded(series, kept) for series in found],
        "band": list(BAND),
        "metrics": {f"{name}_mean": METRICS[name] for name in metrics_of(records)},
        "palettes": {family: list(colours) for family, colours in palettes.items()},
        "file": folder.resolve().name,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


_FILES = ("record.json", "config.yaml", "log.txt", "figure.png")


def _names(runs: Sequence[PageRun]) -> list[str]:
    """What the runs are called, with their folders where several are called the same."""
    alike = Counter(run.name for run in runs)
    return [run.name if alike[run.name] == 1 else f"{run.name} [{run.folder.name}]" for run in runs]


def _tasks(found: Sequence[Series]) -> list[list[str]]:
    return [list(names) for names in dict.fromkeys(tuple(series.tasks) for series in found)]


def _coded(series: Series, found: Sequence[Series]) -> dict[str, Any]:
    return {**vars(series), "tasks": _tasks(found).index(list(series.tasks))}
