"""Look of the pictures: the fonts, sizes and colours of the suite's figures, and panels placed by inches."""

__all__ = [
    "BLUE",
    "CYCLE",
    "FAINT",
    "FIELD",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PURPLE",
    "SIZE",
    "SKY",
    "VERMILION",
    "escape",
    "fitted",
    "number",
    "once",
    "panel",
    "sheet",
    "styled",
    "text_width",
    "tidy",
    "write",
]

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

P = ParamSpec("P")

INK = "#222222"
GREY = "#8c8c8c"
FAINT = "#e4e4e4"
FIELD = "#f3f3f1"
"""Behind the grid of a spline."""

# Okabe & Ito, Color Universal Design (2008), https://jfly.uni-koeln.de/color/: they stay apart for the colour-blind.
BLUE = "#0072b2"
"""KANs, here and in every figure of the suite."""
VERMILION = "#d55e00"
"""MLPs, here and in every figure of the suite."""
GREEN, SKY, ORANGE, PURPLE = "#009e73", "#56b4e9", "#e69f00", "#cc79a7"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
"""Colours of basis functions side by side: neighbours differ in hue and in lightness."""

SIZE = 7.5
"""Font size in points."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "text.color": INK,
    "text.usetex": False,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Makes a function that draws a figure do so in this style, whatever the settings of its caller."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            return draw(*args, **kwargs)

    return wrapper


def sheet(width: float, height: float) -> Figure:
    """An empty figure of that size in inches."""
    return Figure(figsize=(width, height), facecolor="white")


def panel(figure: Figure, left: float, top: float, width: float, height: float, **settings: Any) -> Axes:
    """Axes placed by inches from the figure's upper left corner."""
    W, H = figure.get_size_inches()
    axes = figure.add_axes((left / W, 1 - (top + height) / H, width / W, height / H), **settings)
    axes.tick_params(which="both", labelsize=SIZE - 1, length=2, width=0.5, pad=1.5, color=GREY)
    return axes


def tidy(axes: Axes, x: int | None = None, y: int | None = None) -> None:
    """At most so many round numbers on each axis; None leaves an axis as it is."""
    if x is not None:
        axes.xaxis.set_major_locator(MaxNLocator(x, steps=[1, 2, 5, 10]))
    if y is not None:
        axes.yaxis.set_major_locator(MaxNLocator(y, steps=[1, 2, 5, 10]))


def write(figure: Figure, left: float, top: float, text: str, **settings: Any) -> Text:
    """Text placed by inches from the figure's upper left corner, its own upper left corner there."""
    W, H = figure.get_size_inches()
    return figure.text(left / W, 1 - top / H, text, **{"va": "top", "ha": "left", **settings})


def escape(text: str) -> str:
    """A name as matplotlib shall show it: a dollar sign is no formula."""
    return text.replace("$", r"\$")


def number(value: float) -> str:
    """A number in a sentence, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


@lru_cache(maxsize=4096)  # measuring a formula takes longer than drawing it
def text_width(text: str, size: float = SIZE, bold: bool = False) -> float:
    """Width of one line of text in inches."""
    font = FontProperties(family=RC["font.family"], size=size, weight="bold" if bold else "normal")
    mathematical = text.count("$") > text.count(r"\$")
    shown = text if mathematical else text.replace(r"\$", "$")
    return float(text_to_path.get_text_width_height_descent(shown, font, mathematical)[0]) / 72


def fitted(text: str, width: float, size: float = SIZE) -> list[str]:
    """A text broken into lines of at most that many inches."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def once(axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels of a legend, each label once."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    return list(found.values()), list(found)
