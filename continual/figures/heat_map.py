"""One metric over two axes of a sweep that are no sizes, such as strategies and models; a panel for each third one."""

__all__ = ["heat_map"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from continual.figures.parts.axes import SweepAxis
from continual.figures.parts.cells import draw_cells, draw_scale
from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import escape, message, panel, sheet, styled, write_notes
from continual.metrics import Summary, metric_names, summarize
from continual.records.record import Record
from continual.reports.wrapping import wrap_name

LEFT, TOP, WIDE, HIGH, GAP = 1.75, 0.75, 0.62, 0.2, 0.3
NOTES = (
    "Mean over seeds, light: low, dark: high, in one scale. Grey cells “–”: no run, or undefined; asterisk: not "
    "defined for all seeds. Intervals are in the table."
)


@styled
def heat_map(
    records: Sequence[Record], rows: str, columns: str, panels: str | None = None, metric: str = "final_rmse"
) -> Figure:
    """A cell for each value of two axes of a sweep, the mean over the members of all runs there.

    Args:
        records: finished runs.
        rows: name of the axis from top to bottom, in the order of the runs.
        columns: name of the axis from left to right.
        panels: name of the axis that has a panel for each value; None for one panel.
        metric: a name of `METRICS`.

    Raises:
        ValueError: a metric that does not exist.
    """
    metric_names([metric])
    down, across = SweepAxis.of(rows, records), SweepAxis.of(columns, records)
    if not down.present or not across.present:
        return message(f"Nothing to draw: no run has both {down.title} and {across.title}.")
    third = SweepAxis.of(panels, records) if panels else None
    values: Sequence[Any] = third.present if third and third.present else (None,)
    cells = {value: _cells(records, down, across, panels, value, metric) for value in values}
    means = np.array([[[float(cell.mean) for cell in row] for row in table] for table in cells.values()])
    scale = metric_scale(metric, means[np.isfinite(means)])
    norm = scale.norm
    widths = [WIDE * len(across.present)] * len(values)
    grid = Grid(LEFT, TOP, widths, [HIGH * len(down.present)], (GAP, GAP))
    total = grid.right + 1.3
    lines = note_lines(NOTES, total)
    figure = sheet(total, max(grid.bottom + 0.2, 3.0) + 0.12 * len(lines))  # the scale's label needs room
    for index, (value, table) in enumerate(cells.items()):
        axes = grid.panel(figure, 0, index)
        partial = [[0 < cell.defined < cell.members for cell in row] for row in table]
        draw_cells(axes, means[index], norm, partial=partial)
        labels = [escape("\n".join(wrap_name(across.label(each, 40), 10, 3))) for each in across.present]
        axes.set_xticks(range(len(labels)), labels, fontsize=6)
        axes.xaxis.tick_top()
        names = [down.label(each) if index == 0 else "" for each in down.present]
        axes.set_yticks(range(len(names)), names)
        if third is not None and value is not None:
            axes.set_title(f"{third.title} {third.label(value)}" if third.numeric else third.label(value), pad=5)
    draw_scale(figure, panel(figure, total - 0.85, TOP, 0.1, min(HIGH * len(down.present), 2.0)), norm, scale.label, 4)
    write_notes(figure, lines)
    return figure


def _cells(
    records: Sequence[Record], down: SweepAxis, across: SweepAxis, panels: str | None, value: Any, metric: str
) -> list[list[Summary]]:
    """The metric in every cell of one panel, of rows."""
    found: dict[tuple[Any, Any], list[Record]] = {}
    for record in records:
        if panels is None or value is None or SweepAxis.value(panels, record) == value:
            place = (SweepAxis.value(down.name, record), SweepAxis.value(across.name, record))
            found.setdefault(place, []).append(record)
    nothing = np.full(1, np.nan)
    return [
        [
            summarize(np.concatenate([run.metrics[metric] for run in found.get((row, column), [])] or [nothing]))
            for column in across.present
        ]
        for row in down.present
    ]
