"""The matrix R of each model as a heat map, with what it learned, kept and forgot beside it; or its accuracies."""

__all__ = ["matrices"]

from collections.abc import Sequence

from matplotlib.figure import Figure

from continual.figures.parts.cells import draw_matrix, draw_scale
from continual.figures.parts.intervals import LEGEND, draw_intervals
from continual.figures.parts.measures import measure_of
from continual.figures.parts.panels import Grid
from continual.figures.parts.style import (
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
from continual.reports.wrapping import wrap_name

CELL, LINE = 0.4, 0.18


@styled
def matrices(records: Sequence[Record]) -> Figure:
    """R of each record as a heat map on one colour scale; below, forgetting, learned and final RMSE of each.

    Of runs that are all classification the same of accuracies.

    Args:
        records: finished runs, of any number of tasks.

    Returns:
        A figure with a heat map per record, the colour scale, and three panels of metrics.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    styles = model_styles(records)
    measure = measure_of(records)
    norm = measure.norm([band(measure.matrix(record), (0.5,))[0] for record in records])
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
        f"{measure.name} on each task after each task,{measure.unit} median over seeds; framed: the task just learned",
    )

    grid = Grid(0.45, top + 0.15, [width] * columns, [height] * lines, (0.55, gap))
    for index, record in enumerate(records):
        row, column = divmod(index, columns)
        axes = grid.panel(figure, row, column)
        draw_matrix(axes, record, norm, measure, written=written)
        name = wrap_name(record.name, int(width / 0.075), 3)
        colour = styles[record.name].colour
        axes.set_title(escape("\n".join(name)), color=colour, fontweight="bold", pad=3)
        if column == 0:
            axes.set_ylabel("after task", labelpad=2)
        axes.set_xlabel(
            f"{measure.name} on task" + (f"; {note}" if (note := diverged_note(record)) else ""), labelpad=1
        )
    bar = panel(figure, 0.45 + columns * (width + 0.55) - 0.25, top + 0.15, 0.12, height)
    draw_scale(figure, bar, norm, measure.name, metric=measure.metric)

    foot = top + maps + 0.1
    high = line * (len(records) + 0.2)
    each = (total - 2.3 - 0.25) / len(measure.compared)
    beneath = Grid(2.3, foot, [each - 0.4] * len(measure.compared), [high], (0.4, 0.0))
    for index, metric in enumerate(measure.compared):
        axes = beneath.panel(figure, 0, index)
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
