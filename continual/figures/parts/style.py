"""Look of all figures: fonts, the colour of each model, panels placed by inches, and how members become bands."""

__all__ = [
    "BAND",
    "FAINT",
    "GREY",
    "INK",
    "ModelStyle",
    "band",
    "diverged_note",
    "escape",
    "legend",
    "looks",
    "message",
    "model_of",
    "model_styles",
    "palettes",
    "panel",
    "shades",
    "sheet",
    "styled",
    "task_colours",
    "write",
    "write_notes",
]

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from continual.records.record import Record
from continual.reports.bands import BAND, band
from continual.reports.comparisons.crossed import model_of

Array = NDArray[np.float64]
P = ParamSpec("P")

INK = "#222222"
GREY = "#8c8c8c"
FAINT = "#e4e4e4"
SIZE = 7.5
"""Font size in points."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
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

# Cool hues for KANs, warm ones for MLPs, purples for those between them, greys and browns for whatever else is
# compared; colours of Okabe & Ito and of Paul Tol, which stay apart under the common forms of colour blindness. The
# first ones of all families do so among themselves, and each family has a marker of its own besides.
PALETTES = {
    "KAN": ("#0072b2", "#009e73", "#56b4e9", "#332288", "#44aa99", "#003c57", "#7a8fd0", "#117733"),
    "MLP": ("#d55e00", "#e69f00", "#882255", "#cc79a7", "#7a3b00", "#b2182b", "#f4a582", "#cc6677"),
    "spline MLP": ("#3f007d", "#aa4499", "#9e9ac8", "#6a51a3"),
    "RBF network": ("#5fd39b", "#2f8f63", "#1f5f42"),
    "tensor-product spline": ("#2233dd", "#101a78", "#5a68ff"),
    "Fourier features": ("#45c8e0", "#1f8fa6", "#0f5563"),
    "SIREN": ("#7a94f2", "#4d62b8", "#2b3a7a"),
    "elephant MLP": ("#992e00", "#c9592b", "#e08b66"),
    "tiling MLP": ("#5c0a0a", "#8f2a2a", "#b85a5a"),
}
SPARE = (
    ("#555555", "#999933", "#a6a6a6", "#ddcc77"),
    ("#000000", "#661100", "#bbbbbb", "#6699cc"),
)
MARKERS = "osD^vPX<>*"


class ModelStyle(NamedTuple):
    """How one model is drawn in every figure."""

    colour: str
    marker: str


def palettes(families: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The colours of each family's models, in their order."""
    others = [family for family in dict.fromkeys(families) if family not in PALETTES]
    spare = {}
    for i, family in enumerate(others):
        colours, turn = SPARE[i % len(SPARE)], i // len(SPARE) % len(SPARE[0])
        spare[family] = colours[turn:] + colours[:turn]  # the same ones, but another first
    return {**PALETTES, **spare}


def model_styles(records: Sequence[Record]) -> dict[str, ModelStyle]:
    """The style of each record by its name, from the position of its model among those of its family.

    It depends on nothing but the order of the records, so all figures of the same records agree; a model that learns
    several curricula looks the same in all of them.
    """
    found = looks([(record.family, model_of(record)) for record in records])
    names = {record.name: found[record.family, model_of(record)] for record in records}
    return {model: style for (_, model), style in found.items()} | names


def looks(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ModelStyle]:
    """A style for each (family, name), from the position of the name among those of its family."""
    names = list(dict.fromkeys(names))
    colours = palettes(family for family, _ in names)
    # one marker after the other, KANs and MLPs from the first, every other family from another one
    markers = {family: max(index - 1, 0) for index, family in enumerate(colours)}
    styles: dict[tuple[str, str], ModelStyle] = {}
    used: dict[str, int] = {}
    for family, name in names:
        position = used.get(family, 0)
        used[family] = position + 1
        palette = colours[family]
        rounds = position // len(palette)
        colour = np.array(to_rgb(palette[position % len(palette)]))
        # beyond the palette the same hues come back paler
        colour = 1 - (1 - colour) * 0.65**rounds
        styles[family, name] = ModelStyle(to_hex(tuple(colour)), MARKERS[(markers[family] + position) % len(MARKERS)])
    return styles


def task_colours(count: int) -> list[str]:
    """One colour a task, in the order of learning; hues of no model."""
    places = np.linspace(0.0, 0.92, count) if count > 1 else [0.4]
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](places)]


def shades(families: Sequence[str], count: int) -> dict[str, list[str]]:
    """For each family `count` shades of its first hue, from pale to dark, for values that have an order."""
    colours = palettes(families)
    result = {}
    for family in families:
        base = np.array(to_rgb(colours[family][0]))
        places = np.linspace(-0.55, 0.45, count) * (1.0 if count > 2 else 0.7) if count > 1 else [0.0]
        result[family] = [to_hex(tuple(base * (1 - p) if p > 0 else base + (1 - base) * -p)) for p in places]
    return result


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Makes a function that draws a figure do so in the suite's style, whatever the settings of its caller."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapper


def sheet(width: float, height: float) -> Figure:
    """An empty figure of that size in inches."""
    return Figure(figsize=(width, height), facecolor="white")


def panel(figure: Figure, left: float, top: float, width: float, height: float, **settings: Any) -> Axes:
    """Axes placed by inches from the figure's upper left corner.

    Sixty panels placed so cost a tenth of what a layout engine takes to find their places.
    """
    W, H = figure.get_size_inches()
    axes = figure.add_axes((left / W, 1 - (top + height) / H, width / W, height / H), **settings)
    axes.tick_params(which="both", labelsize=SIZE - 1, length=2, width=0.5, pad=1.5, color=GREY)
    return axes


def write(figure: Figure, left: float, top: float, text: str, **settings: Any) -> Text:
    """Text placed by inches from the figure's upper left corner, its own upper left corner there."""
    W, H = figure.get_size_inches()
    return figure.text(left / W, 1 - top / H, text, **{"va": "top", "ha": "left", **settings})


def legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], foot: float, columns: int, **settings: Any
) -> None:
    """A legend below the panels: at the left edge, its upper edge `foot` inches above the figure's lower one."""
    W, H = figure.get_size_inches()
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.12 / W, foot / H)}
    figure.legend(handles, labels, ncols=columns, borderaxespad=0.0, borderpad=0.0, **place, **settings)


def write_notes(figure: Figure, lines: Sequence[str], margin: float = 0.1) -> None:
    """Small lines of text at the foot of a figure, with a margin in inches below them."""
    write(figure, 0.12, figure.get_size_inches()[1] - 0.12 * len(lines) - margin, "\n".join(lines), fontsize=6.5)


def message(text: str) -> Figure:
    """A figure that only says in one line why there is nothing to see."""
    with mpl.rc_context(RC):
        figure = sheet(max(4.0, 0.075 * len(text)), 0.5)
        figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def escape(text: str) -> str:
    """A name as matplotlib shall show it: a dollar sign is no formula."""
    return text.replace("$", r"\$")


def diverged_note(record: Record) -> str:
    """`2 of 10 diverged`, or nothing where none did."""
    lost = int(record.diverged.sum())
    return f"{lost} of {len(record.seeds)} diverged" if lost else ""
