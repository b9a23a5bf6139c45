"""One self-contained HTML page to look at a whole experiment."""

__all__ = ["DEFINITIONS", "write_page"]

import base64
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from continual.metrics import METRICS
from continual.records.files import replace_file
from continual.records.record import Record
from continual.reports.structure import HEADER, cells, structures
from continual.reports.tables import LEGEND, has_frozen, header, rows
from continual.reports.wrapping import breakable

DEFINITIONS: Mapping[str, str] = {
    "learned_rmse": "mean over all tasks of the test RMSE right after learning the task: mean over j of R[j, j]. "
    "Always read it beside forgetting: a model that learns nothing forgets nothing.",
    "final_rmse": "mean over all tasks of the test RMSE at the very end: mean over j of R[T, j].",
    "forgetting": "how far each task but the last ends above the best it ever reached since it was learned: mean over "
    "j < T of (R[T, j] − smallest R[l, j] with j ≤ l < T). Positive is worse.",
    "backward_transfer": "what later tasks did to the RMSE of earlier ones: mean over j < T of (R[j, j] − R[T, j]). "
    "Positive is better.",
    "forward_transfer": "how far below the untrained model a task starts thanks to the tasks before it: mean over "
    "j ≥ 2 of (R[0, j] − R[j−1, j]). Positive is better.",
    "retention": "share of what was learned that is left at the end: mean over j < T of "
    "(s[j] − R[T, j]) / (s[j] − R[j, j]), held between 0 and 1, with s[j] the RMSE of predicting the mean of task j. "
    "1 keeps everything, 0 keeps nothing; undefined where a task was not learned (R[j, j] ≥ s[j]).",
}
"""Formulas in words, one for each of `METRICS`."""

MATRIX = (
    "R[i, j] is the test RMSE on task j after training on tasks 1 to i, in units of the target, pooled over a test set "
    "that is never the training set; row 0 is the untrained model, T is the number of tasks."
)

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fdfdfc; --soft: #6b6b6b; --line: #d9d9d6; --box: #f1f1ee;
  --link: #00558a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17181a; --soft: #a3a3a0; --line: #3a3b3e; --box: #232427; --link: #7cc0ee; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.2rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
a { color: var(--link); }
figure { margin: 1.5rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: white; border-radius: 4px; }
figure img + img { margin-top: .8rem; }
figcaption { margin-top: .5rem; } .soft, footer { color: var(--soft); font-size: .88rem; }
pre, code { font: .85rem/1.45 ui-monospace, monospace; background: var(--box); border-radius: 3px; }
pre { padding: .5rem .7rem; overflow-x: auto; } code { padding: .05rem .25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 11rem; }
dt { font-weight: 600; } dd { margin: 0 0 .6rem 1.2rem; }
"""


def write_page(
    folder: Path,
    records: Sequence[Record],
    title: str,
    figures: Mapping[str, Path | Sequence[Path]],
    captions: Mapping[str, str],
    command: str,
    tables: Mapping[str, Sequence[Path]] | None = None,
) -> Path:
    """Writes `index.html`: figures, table, definitions, runs, versions and hardware, in one file.

    The page asks nothing of any server: PNG figures are embedded, and its links lead to files beside it.

    Args:
        folder: the experiment's folder.
        records: its runs, in the order of the table.
        title: heading of the page.
        figures: by name, the files of a figure, for example what `figures.save` returns; PNG files are embedded, all
            others linked.
        captions: by the same names and those of the tables, what there is to see; a name that is missing has none.
        command: the command that made everything, shown under each figure.
        tables: by name, the files of further tables; Markdown files are shown, all others linked.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: a figure's PNG file is not there.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{_count(records)}</p>',
        *(_figure(folder, name, found, captions.get(name, ""), command) for name, found in figures.items()),
        *(_table_file(folder, name, paths, captions.get(name, "")) for name, paths in (tables or {}).items()),
        "<h2>Results</h2>",
        _table(folder, records),
        f'<p class="soft">{escape(LEGEND)}</p>',
        _structures(records),
        "<h2>What the numbers mean</h2>",
        f"<p>{escape(MATRIX)}</p>",
        "<dl>",
        *(f"<dt>{escape(METRICS[name])}</dt><dd>{escape(text)}</dd>" for name, text in DEFINITIONS.items()),
        "</dl>",
        "<h2>Runs</h2>",
        _runs(folder, records),
        "<h2>Versions and hardware</h2>",
        _origins(records),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
    target = folder / "index.html"
    replace_file(target, lambda path: path.write_text(page, encoding="utf-8"))
    return target


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _count(records: Sequence[Record]) -> str:
    trained = sum(len(record.seeds) for record in records)
    lost = sum(int(record.diverged.sum()) for record in records)
    text = f"{_plural(len(records), 'run')}, {_plural(trained, 'trained network')} in all"
    return text + (f", {lost} of them diverged." if lost else ", none diverged.")


def _link(folder: Path, path: Path, text: str) -> str:
    # relative, so that the folder can be moved or copied as a whole
    there = quote(Path(os.path.relpath(path, folder)).as_posix())
    return f'<a href="./{there}">{escape(text)}</a>'


def _figure(folder: Path, name: str, found: Path | Sequence[Path], caption: str, command: str) -> str:
    paths = [found] if isinstance(found, Path) else list(found)
    images, links = [], []
    for path in paths:
        links.append(_link(folder, path, path.name))
        if path.suffix.lower() == ".png":
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            text = escape(f"{name}: {caption}" if caption else name)
            images.append(f'<img alt="{text}" src="data:image/png;base64,{data}">')
    below = [
        f"<strong>{escape(name)}</strong> {escape(caption)}",
        f'<span class="soft">{", ".join(links)}</span>',
    ]
    return (
        f"<figure>\n{''.join(images)}\n<figcaption>{' '.join(below)}\n"
        f"<pre>{escape(command)}</pre></figcaption>\n</figure>"
    )


def _html_table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in body)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table></div>'


def _table(folder: Path, records: Sequence[Record]) -> str:
    with_total = has_frozen(records)
    body = []
    for row in rows(records):
        name, *cells = row.cells(with_total)
        body.append([_link(folder, row.record.folder, name), *map(escape, cells)])
    return _html_table(header(with_total), body)


def _table_file(folder: Path, name: str, paths: Sequence[Path], caption: str) -> str:
    """A table that was written as Markdown, with the paragraphs around it."""
    parts = [f"<h2>{escape(name)}</h2>", f"<p>{escape(caption)}</p>" if caption else ""]
    for block in next(p for p in paths if p.suffix == ".md").read_text(encoding="utf-8").strip().split("\n\n"):
        if not block.startswith("|"):
            parts.append(f'<p class="soft">{escape(block)}</p>')
            continue
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        titles, _, *body = [[cell.strip().replace(r"\|", "|") for cell in line] for line in lines]
        parts.append(_html_table(titles, [[escape(cell) for cell in line] for line in body]))
    links = ", ".join(_link(folder, path, path.name) for path in paths)
    return "\n".join([*parts, f'<p class="soft">{links}</p>'])


def _structures(records: Sequence[Record]) -> str:
    body = [[escape(cell) for cell in cells(structure)] for structure in structures(records)]
    return f"<h2>What models became</h2>\n{_html_table(HEADER, body)}" if body else ""


def _runs(folder: Path, records: Sequence[Record]) -> str:
    body = []
    for record in records:
        files = [record.folder / "record.json", record.folder / "config.yaml", record.folder / "log.txt"]
        links = ", ".join(_link(folder, path, path.name) for path in files if path.is_file())
        status = str(record.fields.get("status", "–"))
        seeds = ", ".join(map(str, record.seeds))
        sweep = ", ".join(f"{axis} {value}" for axis, value in record.sweep.items()) or "–"
        name = f"{_link(folder, record.folder, record.folder.name)}<br>{breakable(escape(record.name))}"
        body.append([name, escape(status), breakable(escape(sweep)), escape(seeds), f"{record.seconds:.3g}", links])
    return _html_table(["run", "status", "sweep", "seeds", "seconds", "files"], body)


def _origins(records: Sequence[Record]) -> str:
    """Each different set of versions and hardware once, with the number of runs made with it."""
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        versions: Mapping[str, Any] = record.fields.get("versions") or {}
        text = ", ".join(f"{name} {version}" for name, version in versions.items()) or "–"
        origin = (str(record.fields.get("device") or "–"), text)
        counts[origin] = counts.get(origin, 0) + 1
    body = [[escape(device), escape(text), str(count)] for (device, text), count in counts.items()]
    return _html_table(["device", "versions", "runs"], body)
