"""What static parts of a page are made of: links, tables, figures, tables that were written as files."""

__all__ = ["address", "count_of", "figure", "html_table", "link", "table_file"]

import base64
import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote


def count_of(count: int, noun: str) -> str:
    """A number and what is counted: "1 run", "1,000 runs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def address(folder: Path, path: Path) -> str:
    """Where a link from the page in `folder` leads: relative, so that all can be moved or copied as a whole."""
    return "./" + quote(Path(os.path.relpath(path, folder)).as_posix())


def link(folder: Path, path: Path, text: str) -> str:
    """A link to a file or folder."""
    return f'<a href="{address(folder, path)}">{escape(text)}</a>'


def figure(folder: Path, name: str, found: Path | Sequence[Path], caption: str, command: str) -> str:
    """A figure whose PNG files are embedded, with links to all its files and the command that made it.

    A film is embedded, too, and runs where it is asked for.

    Raises:
        FileNotFoundError: a PNG file is not there.
    """
    paths = [found] if isinstance(found, Path) else list(found)
    images, links = [], []
    for path in paths:
        links.append(link(folder, path, path.name))
        kind = path.suffix.lower().removeprefix(".")
        if kind in ("png", "gif"):
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            text = escape(f"{name}: {caption}" if caption else name)
            image = f'<img alt="{text}" src="data:image/{kind};base64,{data}">'
            images.append(f"<details><summary>Film</summary>{image}</details>" if kind == "gif" else image)
    below = [
        f"<strong>{escape(name)}</strong> {escape(caption)}",
        f'<span class="soft">{", ".join(links)}</span>',
    ]
    return (
        f"<figure>\n{''.join(images)}\n<figcaption>{' '.join(below)}\n"
        f"<pre>{escape(command)}</pre></figcaption>\n</figure>"
    )


def html_table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in body)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table></div>'


def table_file(folder: Path, name: str, paths: Sequence[Path], caption: str) -> str:
    """A table that was written as Markdown, with the paragraphs around it."""
    parts = [f"<h2>{escape(name)}</h2>", f"<p>{escape(caption)}</p>" if caption else ""]
    for block in next(p for p in paths if p.suffix == ".md").read_text(encoding="utf-8").strip().split("\n\n"):
        if not block.startswith("|"):
            parts.append(f'<p class="soft">{escape(block)}</p>')
            continue
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        titles, _, *body = [[cell.strip().replace(r"\|", "|") for cell in line] for line in lines]
        parts.append(html_table(titles, [[escape(cell) for cell in line] for line in body]))
    links = ", ".join(link(folder, path, path.name) for path in paths)
    return "\n".join([*parts, f'<p class="soft">{links}</p>'])
