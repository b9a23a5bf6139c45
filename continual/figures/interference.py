"""Interference between tasks: cosines of their gradients and overlaps in the tangent kernel, a row a run."""

__all__ = ["interference_matrices"]

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from continual.figures.parts.cells import draw_cells
from continual.figures.parts.panels import Grid, label_row, note_lines
from continual.figures.parts.style import message, model_styles, panel, sheet, styled, write_notes
from continual.records.record import Record
from continual.reports.numbers import format_count

MOST = 24
LEFT, SIDE, GAP, TOP, RIGHT = 1.75, 1.45, 0.14, 0.42, 1.0
KINDS = {
    "interference/cosine": ("cosine of gradients", Normalize(-1.0, 1.0), "RdBu_r"),
    "interference/overlap": ("kernel overlap", Normalize(0.0, 1.0), "viridis_r"),
}
NOTES = (
    "Rows and columns: tasks. Cosine: below 0, blue, a step for one task raises the other's loss. Kernel overlap: how "
    "far a step on one task moves what is said of the other, 0 not at all, ÷ how far of itself. Mean over seeds; * of "
    "those in which it is defined; –: in none, a gradient or kernel is zero."
)


@styled
def interference_matrices(records: Sequence[Record]) -> Figure:
    """T × T cosines of gradients and overlaps in the tangent kernel, of the untrained model and after the last task.

    Args:
        records: finished runs; those without the probe `interference` are left out, and all beyond the first 24.
    """
    found = [record for record in records if all(key in record.probes for key in KINDS)]
    if not found:
        return message("Nothing to draw: no run has the tasks' interference; probe=interference measures it.")
    shown, styles = found[:MOST], model_styles(records)
    total = LEFT + 4 * (SIDE + GAP) + RIGHT
    notes = NOTES + (f" The first {MOST} of {len(found)} runs are drawn." if len(found) > MOST else "")
    lines = note_lines(notes, total)
    figure = sheet(total, TOP + len(shown) * (SIDE + GAP) + 0.35 + 0.12 * len(lines))
    grid = Grid(LEFT, TOP, [SIDE] * 4, [SIDE] * len(shown), (GAP, GAP))
    for row, record in enumerate(shown):
        for column in range(4):
            key, (label, norm, colours) = list(KINDS.items())[column // 2]
            axes = grid.panel(figure, row, column)
            values = record.probes[key][:, 0 if column % 2 == 0 else -1]
            defined = ~np.isnan(values)
            mean = np.where(defined, values, 0.0).sum(axis=0) / np.where(some := defined.sum(axis=0), some, np.nan)
            if key.endswith("cosine"):
                mean = mean.round(2)  # rounding errors of what is orthogonal say nothing
            partial = ~defined.all(axis=0) & defined.any(axis=0)
            count = len(mean)
            draw_cells(axes, mean, norm, written=count <= 6, partial=partial, colours=colours)
            ticks = range(0, count, max(1, count // 6))
            axes.set_xticks(ticks, [str(index + 1) for index in ticks])
            axes.set_yticks(ticks, [str(index + 1) for index in ticks])
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(shown) - 1)
            if row == 0:
                axes.set_title(f"{label},\n{'untrained' if column % 2 == 0 else 'at the end'}", pad=4)
        middle = TOP + row * (SIDE + GAP) + SIDE / 2
        below = f"{format_count(record.trainable_parameters)} parameters"
        label_row(figure, middle, record.name, styles[record.name].colour, below)
    for place, (label, norm, colours) in enumerate(KINDS.values()):
        bar = panel(figure, total - RIGHT + 0.08 + 0.5 * place, TOP, 0.1, SIDE)
        figure.colorbar(mpl.cm.ScalarMappable(norm, colours), cax=bar)
        bar.set_ylabel(label, labelpad=0, fontsize=6.5)
        bar.set_yticks([norm.vmin or 0.0, 0.5 * ((norm.vmin or 0.0) + (norm.vmax or 0.0)), norm.vmax or 0.0])
    write_notes(figure, lines)
    return figure
