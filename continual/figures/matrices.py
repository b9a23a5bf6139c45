"""The matrix R of each model as a heat map, with what it learned, kept and forgot beside it."""

__all__ = ["draw_cells", "draw_matrix", "matrices", "matrix_norm"]

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from continual.figures.parts.intervals import LEGEND, draw_intervals
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import (
    INK,
    band,
    diverged_note,
    escape,
    message,
    model_styles,
    panel,
    sheet,
    styled,
    write,
)
from continual.records.record import Record
from continual.reports.tables import format_value
from continual.reports.wrapping import wrap_name

METRICS_SHOWN = ("forgetting", "learned_rmse", "final_rmse")
CELL, LINE = 0.4, 0.18
MISSING = "#f0f0f0"


def compact(value: float) -> str:
    """A number for a cell: `4e-6`, `0.42`, `12`, and `–` for NaN."""
    return format_value(value, 1 if abs(value) < 0.01 else 2, smallest=-2)


def matrix_norm(matrices: Sequence[ArrayLike]) -> LogNorm:
    """One logarithmic colour scale for all these matrices; zeros and NaN do not count."""
    values = np.concatenate([np.asarray(matrix, dtype=np.float64).ravel() for matrix in matrices])
    scale = metric_scale("final_rmse", values[np.isfinite(values) & (values > 0)])
    return LogNorm(scale.low, scale.high)


def draw_cells(
    axes: Axes, values: ArrayLike, norm: Normalize, *, written: bool = True, partial: ArrayLike | None = None
) -> None:
    """A heat map from light (low) to dark (high) with the value in each cell, undefined ones grey with "–".

    Args:
        axes: where; cell (i, j) is centred on x = j, y = i, rows from top to bottom.
        values: shape (rows, columns).
        norm: the colour scale.
        written: whether to write the numbers.
        partial: which cells are not defined for every member and so get an asterisk; shape of `values`.
    """
    array = np.asarray(values, dtype=np.float64)
    cmap = mpl.colormaps["viridis_r"].with_extremes(bad=MISSING)
    shown = np.where(np.isfinite(array), array, np.nan)
    if isinstance(norm, LogNorm):
        shown = np.where(shown <= 0, norm.vmin or 0.0, shown)  # an error of exactly zero is as light as can be
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=cmap, norm=norm, aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if not written:
        return
    colours = image.to_rgba(np.ma.masked_invalid(shown))
    bright = colours[..., :3] @ np.array([0.299, 0.587, 0.114])
    for i, j in np.ndindex(*array.shape):
        colour = INK if bright[i, j] > 0.5 else "white"
        text = compact(float(array[i, j])) + ("*" if partial is not None and np.asarray(partial)[i, j] else "")
        axes.text(j, i, text, ha="center", va="center", fontsize=6.2, color=colour)


def draw_matrix(axes: Axes, record: Record, norm: Normalize, *, written: bool = True) -> None:
    """R of one record, median over the members: rows "after task", columns "RMSE on task", the learned ones framed."""
    (median,) = band(record.R, (0.5,))
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


@styled
def matrices(records: Sequence[Record]) -> Figure:
    """R of each record as a heat map on one colour scale; below, forgetting, learned and final RMSE of each.

    Args:
        records: finished runs, of any number of tasks.

    Returns:
        A figure with a heat map per record, the colour scale, and three panels of metrics.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    styles = model_styles(records)
    norm = matrix_norm([band(record.R, (0.5,))[0] for record in records])
    T = max(record.R.shape[2] for record in records)
    written = T <= 12
    width = T * (CELL if written else max(4.8 / T, 0.12))
    width, height = max(width, 1.3), max((T + 1) * (LINE if written else max(2.4 / T, 0.06)), 0.6)
    columns = max(1, min(len(records), 4, int(10.8 / (width + 0.55))))
    lines = -(-len(records) // columns)
    line = 0.25 if len(records) > 6 else 0.32
    above = 0.12 * max(0, max(len(wrap_name(record.name, int(width / 0.075), 3)) for record in records) - 2)
    top, gap = 0.4 + above, 0.68 + above
    maps = lines * (height + gap)
    total = max(columns * (width + 0.55) + 1.0, 10.6)
    figure = sheet(total, top + maps + 0.1 + line * (len(records) + 0.2) + 0.8)
    write(
        figure,
        0.12,
        0.1,
        "RMSE on each task after each task, units of the target, median over seeds; framed: the task just learned",
    )

    for index, record in enumerate(records):
        row, column = divmod(index, columns)
        axes = panel(figure, 0.45 + column * (width + 0.55), top + 0.15 + row * (height + gap), width, height)
        draw_matrix(axes, record, norm, written=written)
        name = wrap_name(record.name, int(width / 0.075), 3)
        colour = styles[record.name].colour
        axes.set_title(escape("\n".join(name)), color=colour, fontweight="bold", pad=3)
        if column == 0:
            axes.set_ylabel("after task", labelpad=2)
        axes.set_xlabel("RMSE on task" + (f"; {note}" if (note := diverged_note(record)) else ""), labelpad=1)
    bar = panel(figure, 0.45 + columns * (width + 0.55) - 0.25, top + 0.15, 0.12, height)
    draw_scale(figure, bar, norm)

    foot = top + maps + 0.1
    high = line * (len(records) + 0.2)
    each = (total - 2.3 - 0.25) / len(METRICS_SHOWN)
    for index, metric in enumerate(METRICS_SHOWN):
        axes = panel(figure, 2.3 + index * each, foot, each - 0.4, high)
        values = [record.metrics[metric] for record in records]
        draw_intervals(axes, metric, values, [styles[record.name] for record in records])
        if index == 0:
            for place, record in enumerate(records):
                name = wrap_name(record.name, 34, 2)
                axes.annotate(
                    escape("\n".join(name)),
                    (0.0, place),
                    xycoords=("axes fraction", "data"),
                    xytext=(-6, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=7,
                    linespacing=1.05,
                    color=styles[record.name].colour,
                )
    write(
        figure,
        0.12,
        foot + high + 0.55,
        LEGEND + " k/M: defined for k of M seeds; –: undefined.",
        fontsize=6.5,
    )
    return figure


def draw_scale(figure: Figure, axes: Axes, norm: Normalize, label: str = "RMSE", ticks: int = 6) -> None:
    """The colour scale of heat maps, with round numbers."""
    figure.colorbar(mpl.cm.ScalarMappable(norm, "viridis_r"), cax=axes)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    metric_scale("final_rmse", np.array([low, high])).apply(axes.yaxis, ticks=ticks)
    axes.set_ylim(low, high)
    axes.set_ylabel(label)
    axes.yaxis.set_label_position("right")
