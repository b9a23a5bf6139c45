"""The page of the introduction: one HTML file with every figure in it."""

__all__ = ["formula_svg", "write_page"]

import base64
from collections.abc import Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from continual.records.files import replace_file
from continual.reports.page import SAFE, STYLE
from scripts.explain.chapters import Chapter
from scripts.explain.widgets import widget_data, widget_script, widget_style

FORMULA_STYLE = """
body { max-width: 58rem; }
.formula { margin: .8rem 0 .9rem; overflow-x: auto; } .formula svg { display: block; }
figure { margin: 1rem 0 .5rem; }
nav ol { columns: 17rem 2; max-width: 44rem; }
"""
OPENING = (
    "A Kolmogorov–Arnold network (KAN) has no fixed activation functions: every connection holds a function of one "
    "variable that is learned, and every node only sums. These pictures go from the curve that such a function is made "
    "of to the property that this project is about: whether what was learned in one place stays when something is "
    "learned in another."
)
_INK = "#010203"
"""Stands in the SVG where the colour of the page's text belongs."""


def formula_svg(tex: str, size: float = 12.0) -> str:
    """A formula as SVG, in the colour of the text around it; the TeX source is its description.

    Args:
        tex: in matplotlib's mathtext, with its dollar signs.
        size: of the font, in points.
    """
    settings: Any = {"svg.fonttype": "path", "svg.hashsalt": "formula", "mathtext.fontset": "cm", "text.usetex": False}
    with mpl.rc_context(settings):
        font = FontProperties(size=size)
        width, height, depth = text_to_path.get_text_width_height_descent(tex, font, True)
        pad = 2.0
        figure = Figure(figsize=((width + 2 * pad) / 72, (height + 2 * pad) / 72))
        place = pad / (width + 2 * pad), (depth + pad) / (height + 2 * pad)
        figure.text(*place, tex, fontproperties=font, color=_INK, va="baseline")
        file = StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = file.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(_INK, "currentColor")
    return drawn.replace("<svg", f'<svg role="img" aria-label="{escape(tex)}"', 1)


def write_page(folder: Path, chapters: Sequence[Chapter], files: Sequence[Sequence[Path]], command: str) -> Path:
    """Writes `index.html`: every figure with its formula and its words, self-contained.

    Args:
        folder: where.
        chapters: in the order of reading.
        files: of each chapter's figure: the PNG is embedded, all are linked.
        command: what made them.

    Returns:
        The path of the page.
    """
    title = "KANs in pictures"
    contents = "".join(f'<li><a href="#{chapter.name}">{escape(chapter.title)}</a></li>' for chapter in chapters)
    parts = [
        f'<h1>{title}</h1>\n<p>{escape(OPENING)}</p>\n<nav aria-label="contents"><ol>{contents}</ol></nav>',
        *(
            _section(number, chapter, found)
            for number, (chapter, found) in enumerate(zip(chapters, files, strict=True), 1)
        ),
        _measured(),
        f"<footer><p>Made by</p><pre>{escape(command)}</pre></footer>",
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{SAFE}">\n'
        f"<title>{title}</title>\n<style>{STYLE}{FORMULA_STYLE}{widget_style()}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + f'\n<script type="application/json" id="data">{widget_data()}</script>'
        + f'\n<script type="module">\n{widget_script()}\n</script>\n</body>\n</html>\n'
    )
    target = folder / "index.html"
    replace_file(target, lambda path: path.write_text(page, encoding="utf-8"))
    return target


def _section(number: int, chapter: Chapter, files: Sequence[Path]) -> str:
    links = ", ".join(f'<a href="./{path.name}">{path.name}</a>' for path in files)
    played = f'<div class="widget" data-widget="{chapter.widget}" hidden></div>\n' if chapter.widget else ""
    return (
        f'<section id="{chapter.name}">\n<h2>{number}. {escape(chapter.title)}</h2>\n'
        f'<div class="formula">{formula_svg(chapter.formula)}</div>\n'
        f"<p>{escape(chapter.text)}</p>\n{played}<figure>{_image(chapter.title, files[0])}\n"
        f'<figcaption><span class="soft">{links}</span></figcaption></figure>\n</section>'
    )


def _image(title: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{data}">'


MEASURED = (
    "One layer, one input: that is where a KAN's locality works. How far it carries, with more inputs and layers, "
    "against MLPs of as many parameters and models that are local without being KANs, is what the experiments "
    "measure; the README says what they found. Retention, learned and final RMSE of sixteen models with one to six "
    "inputs, ten seeds:"
)


def _measured() -> str:
    """The last section: the project's own figure, where its documentation is beside the code."""
    picture = Path(__file__).parents[2] / "docs" / "locality.png"
    title = "Retention, learned and final RMSE against the number of inputs"
    shown = _image(title, picture) if picture.is_file() else ""
    command = "python -m scripts.train +experiment=locality_full"
    return (
        f'<section id="measured">\n<h2>Where it ends</h2>\n<p>{escape(MEASURED)}</p>\n'
        f"<figure>{shown}<figcaption><pre>{command}</pre></figcaption></figure>\n</section>"
    )
