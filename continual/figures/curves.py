"""RMSE of every task along training, a panel for each model; accuracies where all runs are classification."""

__all__ = ["curve_limits", "draw_curves", "task_curves", "task_labels"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from continual.figures.parts.measures import RMSE, Measure, measure_of
from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.style import (
    BAND,
    GREY,
    band,
    diverged_note,
    escape,
    legend,
    message,
    model_styles,
    sheet,
    styled,
    task_colours,
    write_notes,
)
from continual.records.record import Record
from continual.reports.wrapping import shorten_name, wrap_name

LEGEND = (
    f"Line: median of the seeds, band: {100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} % of them; a line is thick while its "
    "task is trained; vertical lines: a task ends, the next begins."
)
DECADES = 12
"""The axis shows at most so many decades below the largest value."""


def curve_limits(records: Sequence[Record], measure: Measure = RMSE) -> tuple[float, float]:
    """Lowest and highest RMSE, or accuracy, to show on one axis for all these records."""
    found = [band(measure.curves(record), (BAND[0], 0.5, BAND[1])).ravel() for record in records]
    values = np.concatenate(found) if found else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    scale = measure.scale(values)
    return (max(scale.low, scale.high / 10**DECADES) if scale.kind == "log" else scale.low), scale.high


def draw_curves(axes: Axes, record: Record, limits: tuple[float, float], measure: Measure = RMSE) -> None:
    """RMSE of each task of one record along training steps, on a logarithmic axis; accuracies on a linear one.

    Args:
        axes: where.
        record: whose curves.
        limits: lowest and highest value of the axis; NaN, and on a logarithmic axis values of zero, leave gaps.
        measure: which of both.
    """
    curves, scale = record.curves, measure.scale(np.array(limits))
    step, training = curves["step"], curves["task"]
    for end in curves["boundaries"][:-1]:
        axes.axvline(float(end), color=GREY, linewidth=0.5, zorder=0)
    values = measure.curves(record)
    low, median, high = band(np.where((values > 0) | (scale.kind == "linear"), values, np.nan))  # (E, T) each
    several = len(values) > 1
    for j, colour in enumerate(task_colours(median.shape[1])):
        if several:
            axes.fill_between(step, low[:, j], high[:, j], color=colour, alpha=0.2, linewidth=0)
        axes.plot(step, median[:, j], color=colour, linewidth=0.9, gid=f"task {j + 1}")
        # the stretch from the last evaluation before the task to its end
        own = np.append(training[1:] == j, False) | (training == j)
        axes.plot(step, np.where(own, median[:, j], np.nan), color=colour, linewidth=2.2, solid_capstyle="butt")
    if not np.isfinite(median).any():
        axes.text(0.5, 0.5, "all seeds diverged", transform=axes.transAxes, ha="center", va="center")
    scale.apply(axes.yaxis, ticks=5)
    axes.set_xlim(float(step[0]), max(float(step[-1]), float(step[0]) + 1))
    ends = [0, *(int(end) for end in curves["boundaries"])]
    if len(ends) > 3:
        axes.set_xticks(ends[:: -(-len(ends) // 7)])
    else:
        places = MaxNLocator(6, integer=True).tick_values(0, ends[-1])
        axes.set_xticks([place for place in places if 0 <= place <= ends[-1]])


@styled
def task_curves(records: Sequence[Record]) -> Figure:
    """RMSE of each task along training, a small panel per record, all on one logarithmic axis.

    Of runs that are all classification the accuracies, on a linear one.

    Args:
        records: finished runs.

    Returns:
        A figure with a panel per record.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    styles = model_styles(records)
    measure = measure_of(records)
    limits = curve_limits(records, measure)
    columns = {1: 1, 2: 2, 4: 2}.get(len(records), 3 if len(records) <= 6 else 4)
    lines = -(-len(records) // columns)
    width = {1: 6.0, 2: 4.2, 3: 3.1, 4: 2.45}[columns]
    height, left, top, gap = 1.25 if len(records) > 1 else 2.2, 0.75, 0.4, 0.3
    between = 0.62
    labels, colours = task_labels(records)
    total = max(left + columns * (width + gap), 5.0)
    across = max(1, min(len(labels), int((total - 0.1) / (0.4 + 0.06 * max(map(len, labels))))))
    notes = note_lines(LEGEND, total)
    grid = Grid(left, top, [width] * columns, [height] * lines, (gap, between))
    below = 0.16 * -(-len(labels) // across) + 0.12 * len(notes) + 0.15
    figure = sheet(total, top + lines * (height + between) - 0.2 + below)
    for index, record in enumerate(records):
        row, column = divmod(index, columns)
        axes = grid.panel(figure, row, column)
        draw_curves(axes, record, limits, measure)
        title = wrap_name(record.name, int(width / 0.08), 2)
        axes.set_title(escape("\n".join(title)), color=styles[record.name].colour, fontweight="bold", pad=3)
        note = diverged_note(record)
        axes.set_xlabel("training steps" + (f" ({note})" if note else ""), labelpad=1)
        axes.tick_params(labelleft=column == 0)
        if column == 0:
            axes.set_ylabel(measure.axis.replace(", ", ",\n"))
    legend(
        figure,
        [Line2D([], [], color=colour, linewidth=2) for colour in colours],
        labels,
        below,
        across,
        handlelength=1.4,
        columnspacing=1.4,
    )
    write_notes(figure, notes)
    return figure


def task_labels(records: Sequence[Record], prefix: str = "task ", longest: int = 32) -> tuple[list[str], list[str]]:
    """Labels and colours for a legend of the tasks: at most eight, and by name where all records have the same.

    Args:
        records: whose tasks.
        prefix: what stands before a task's number.
        longest: signs of a label.
    """
    names = max((record.task_names for record in records), key=len)
    same = all(record.task_names == names[: record.R.shape[2]] for record in records)
    shown = sorted({round(place) for place in np.linspace(0, len(names) - 1, min(len(names), 8))})
    labels = [f"{prefix}{i + 1}" + (f": {names[i]}" if same else "") for i in shown]
    colours = task_colours(len(names))
    return [escape(shorten_name(each, longest)) for each in labels], [colours[i] for i in shown]
