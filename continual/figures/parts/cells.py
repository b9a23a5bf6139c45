"""Heat maps: cells with their numbers, the matrix R of a record, and the colour scale beside them."""

__all__ = ["MISSING", "compact", "draw_cells", "draw_matrix", "draw_scale"]

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from continual.figures.parts.measures import RMSE, Measure
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import INK, band
from continual.records.record import Record
from continual.reports.numbers import format_value

MISSING = "#f0f0f0"


def compact(value: float) -> str:
    """A number for a cell: `4e-6`, `0.42`, `12`, and `–` for NaN."""
    return format_value(value, 1 if abs(value) < 0.01 else 2, smallest=-2)


def draw_cells(
    axes: Axes,
    values: ArrayLike,
    norm: Normalize,
    *,
    written: bool = True,
    partial: ArrayLike | None = None,
    colours: str = "viridis_r",
) -> None:
    """A heat map from light (low) to dark (high) with the value in each cell, undefined ones grey with "–".

    Args:
        axes: where; cell (i, j) is centred on x = j, y = i, rows from top to bottom.
        values: shape (rows, columns).
        norm: the colour scale.
        written: whether to write the numbers.
        partial: which cells are not defined for every member and so get an asterisk; shape of `values`.
        colours: name of matplotlib's colour map.
    """
    array = np.asarray(values, dtype=np.float64)
    cmap = mpl.colormaps[colours].with_extremes(bad=MISSING)
    shown = np.where(np.isfinite(array), array, np.nan)
    if isinstance(norm, LogNorm):
        shown = np.where(shown <= 0, norm.vmin or 0.0, shown)  # an error of exactly zero is as light as can be
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=cmap, norm=norm, aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if not written:
        return
    painted = image.to_rgba(np.ma.masked_invalid(shown))
    bright = painted[..., :3] @ np.array([0.299, 0.587, 0.114])
    for i, j in np.ndindex(*array.shape):
        colour = INK if bright[i, j] > 0.5 else "white"
        text = compact(float(array[i, j])) + ("*" if partial is not None and np.asarray(partial)[i, j] else "")
        axes.text(j, i, text, ha="center", va="center", fontsize=6.2, color=colour)


def draw_matrix(axes: Axes, record: Record, norm: Normalize, measure: Measure = RMSE, *, written: bool = True) -> None:
    """R of one record, median over the members: rows "after task", columns "RMSE on task", the learned ones framed.

    Or its accuracies, laid out alike.
    """
    (median,) = band(measure.matrix(record), (0.5,))
    T = median.shape[1]
    draw_cells(axes, median, norm, written=written)
    for j in range(T):
        # a frame of lines: a Rectangle patch for each would take thrice the time
        x, y = np.array([-0.5, 0.5, 0.5, -0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5, -0.5])
        axes.plot(j + 0.94 * x, j + 1 + 0.92 * y, color=INK, linewidth=0.9)
    every = max(1, T // 10)
    axes.set_xticks(range(0, T, every), [str(j + 1) for j in range(0, T, every)])
    axes.set_yticks(range(0, T + 1, every), [str(i) for i in range(0, T + 1, every)])
    axes.set(xlim=(-0.5, T - 0.5), ylim=(T + 0.5, -0.5))


def draw_scale(
    figure: Figure, axes: Axes, norm: Normalize, label: str = "RMSE", ticks: int = 6, metric: str = "final_rmse"
) -> None:
    """The colour scale of heat maps, with round numbers."""
    figure.colorbar(mpl.cm.ScalarMappable(norm, "viridis_r"), cax=axes)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    metric_scale(metric, np.array([low, high])).apply(axes.yaxis, ticks=ticks)
    axes.set_ylim(low, high)
    axes.set_ylabel(label)
    axes.yaxis.set_label_position("right")
