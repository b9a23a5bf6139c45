"""What models of two inputs say after each task: maps of their errors, a row a model, a column a task."""

__all__ = ["maps"]

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from continual.figures.parts.cells import draw_scale
from continual.figures.parts.panels import Grid, label_row, note_lines
from continual.figures.parts.style import message, model_styles, panel, sheet, styled, write, write_notes
from continual.figures.parts.surface import Surface, draw_error_map, draw_target_map, error_norm
from continual.metrics import summarize
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval

LEFT, SIDE, GAP, RIGHT = 1.75, 1.05, 0.09, 1.6
MOST = 8
NOTES = (
    "Left: the target. Then the median seed's absolute error after each task, framed where the task just learned has "
    "its samples, all in one scale. Final RMSE: mean ± 95 % interval."
)


@styled
def maps(records: Sequence[Record]) -> Figure:
    """Maps of errors after each task: one row per run, the target first, then a column per task, at most the last 8.

    Args:
        records: finished runs; those whose inputs are not two-dimensional are left out and named below the picture.
    """
    styles = model_styles(records)
    found = [(record, Surface.of(record)) for record in records]
    shown = [(record, surface) for record, surface in found if surface is not None]
    if not shown:
        return message("Nothing to draw: no run has a view of two inputs.")
    count = min(max(len(surface.errors) for _, surface in shown), MOST)
    norm = error_norm(np.concatenate([surface.errors[-count:].ravel() for _, surface in shown]))
    total = LEFT + (count + 1) * (SIDE + GAP) + RIGHT
    notes = [NOTES, *dict.fromkeys(f"{note}." for _, surface in shown for note in surface.notes)]
    if skipped := [record.name for record, surface in found if surface is None]:
        notes.append(f"Left out, without a view of two inputs: {', '.join(skipped)}.")
    lines = note_lines(notes, total)
    figure = sheet(total, 0.3 + len(shown) * (SIDE + GAP) + 0.45 + 0.12 * len(lines))
    grid = Grid(LEFT, 0.3, [SIDE] * (count + 1), [SIDE] * len(shown), (GAP, GAP))
    for row, (record, surface) in enumerate(shown):
        phases = range(len(surface.errors))[-count:]
        for column, phase in enumerate((None, *phases)):
            axes = grid.panel(figure, row, column)
            if phase is None:
                draw_target_map(axes, surface)
            else:
                draw_error_map(axes, surface, phase, norm)
            if row == 0:
                axes.set_title("target" if phase is None else f"after task {phase + 1}", pad=4)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(shown) - 1)
            if row == len(shown) - 1:
                axes.set_xlabel("input 1", labelpad=1)
            if column == 0:
                axes.set_ylabel("input 2", labelpad=1)
        _label(figure, 0.3 + row * (SIDE + GAP) + SIDE / 2, total, record, styles[record.name].colour)
    scale = panel(figure, total - 0.62, 0.3, 0.1, min(len(shown), 2) * (SIDE + GAP) - GAP)
    draw_scale(figure, scale, norm, "absolute error", ticks=4)
    write_notes(figure, lines)
    return figure


def _label(figure: Figure, middle: float, total: float, record: Record, colour: str) -> None:
    """Name and parameters of a run on the left, what was left of it on the right."""
    label_row(figure, middle, record.name, colour, f"{format_count(record.trainable_parameters)} parameters", 17)
    result = f"final RMSE\n{format_interval(summarize(record.metrics['final_rmse']))}"
    write(figure, total - RIGHT + 0.02, middle, result, va="center", fontsize=6.5, linespacing=1.25)
