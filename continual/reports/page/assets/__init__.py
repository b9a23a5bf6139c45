"""Style and scripts of the page, as files beside this one: uPlot draws lines (MIT, LICENSE-uPlot), the rest is ours."""

__all__ = ["STYLE", "dashboard_script", "dashboard_style"]

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent

_SCRIPTS = (
    "elements.js",
    "data.js",
    "downloads.js",
    "table.js",
    "filters.js",
    "curves.js",
    "matrices.js",
    "heatmap.js",
    "differences.js",
    "main.js",
)
"""In the order in which they rest on each other; together one module, so that names are shared and none is global."""


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


STYLE = _read("page.css")
"""Look of text, tables and figures, light and dark."""


@cache
def dashboard_style() -> str:
    """Look of what scripts make."""
    return "\n".join([_read("uPlot.min.css"), _read("dashboard.css")])


@cache
def dashboard_script() -> str:
    """Everything that runs in the page; uPlot's licence stands above its code."""
    licence = _read("LICENSE-uPlot").replace("*/", "* /")
    return "\n".join([f"/*\n{licence}\n*/", _read("uPlot.iife.min.js"), *map(_read, _SCRIPTS)])
