"""One run on one sheet, for the dashboard: predictions, matrix, curves and every metric."""

__all__ = ["run_summary"]

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.curves import curve_limits, draw_curves, task_colours
from continual.figures.matrices import draw_matrix, draw_scale, matrix_norm
from continual.figures.phases import draw_phase, finish, value_limits
from continual.figures.style import (
    BAND,
    GREY,
    band,
    diverged_note,
    escape,
    model_styles,
    panel,
    sheet,
    styled,
    write,
)
from continual.figures.view import View
from continual.metrics import METRICS, summarize
from continual.records import Record
from continual.tables import format_count, format_interval

WIDTH, LEFT = 10.6, 0.55
LEGEND = (
    f"Lines: median of the seeds, bands: {100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} % of them; matrix: median, framed the "
    "task just learned; metrics: mean ± 95 % interval over seeds (Student's t)."
)


@styled
def run_summary(record: Record, among: Sequence[Record] | None = None) -> Figure:
    """One figure of a single run: predictions after each phase if it has a view, R, curves, and all metrics.

    Args:
        record: the run.
        among: all records of its experiment, for the run to have the colour that it has in their figures.
    """
    style = model_styles([*(among or ()), record])[record.name]
    view = View.of(record)
    T = record.R.shape[2]
    shown = 0 if view is None else min(T, 8)
    top = 0.72
    high = 1.15 if shown else 0.0
    below = top + (high + 0.75 if shown else 0.1)
    tall = 2.0
    figure = sheet(WIDTH, below + tall + 0.75)
    write(figure, 0.12, 0.1, escape(record.name), color=style.colour, fontweight="bold", fontsize=10)
    write(figure, 0.12, 0.3, escape(_facts(record)), color=GREY)
    if view is not None:
        limits, width = value_limits([view]), (WIDTH - LEFT - 0.15 + 0.09) / shown - 0.09
        for column in range(shown):
            # more tasks than panels: the last ones, which show what is left of the first
            phase = T - shown + column
            axes = panel(figure, LEFT + column * (width + 0.09), top, width, high)
            draw_phase(axes, view, phase, style, limits)
            axes.set_title(f"after phase {phase + 1}", pad=3)
            finish(axes, column == 0, True)

    norm = matrix_norm([band(record.R, (0.5,))[0]])
    matrix = panel(figure, LEFT, below, 2.4, tall)
    draw_matrix(matrix, record, norm, written=T <= 8)
    matrix.set(xlabel="RMSE on task", ylabel="after task")
    draw_scale(figure, panel(figure, LEFT + 2.48, below, 0.1, tall), norm)

    curves = panel(figure, 4.35, below, 3.6, tall)
    draw_curves(curves, record, curve_limits([record]))
    curves.set(xlabel="training steps", ylabel="test RMSE, units of the target")
    colours = task_colours(T)
    picked = range(0, T, -(-T // 10))
    curves.legend(
        [Line2D([], [], color=colours[j], linewidth=2) for j in picked],
        [str(j + 1) for j in picked],
        title="task",
        title_fontsize=6.5,
        fontsize=6.5,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.03),
        handlelength=1.0,
        borderaxespad=0.2,
        labelspacing=0.25,
    )
    for line, (name, label) in enumerate(METRICS.items()):
        height = below + 0.05 + 0.33 * line
        write(figure, 8.75, height, label, color=GREY, fontsize=6.5)
        write(figure, 8.75, height + 0.12, format_interval(summarize(record.metrics[name])), fontsize=8)
    notes = [LEGEND, *(view.notes if view is not None else ("No view: the inputs are not one-dimensional.",))]
    if 0 < shown < T:
        notes.append(f"The last {shown} of {T} phases are drawn.")
    write(figure, 0.12, below + tall + 0.45, "\n".join([notes[0], " ".join(notes[1:])]), fontsize=6.5)
    return figure


def _facts(record: Record) -> str:
    total = record.total_parameters
    frozen = f" of {format_count(total)}" if total != record.trainable_parameters else ""
    seeds = len(record.seeds)
    parts = [
        record.experiment,
        f"{format_count(record.trainable_parameters)}{frozen} parameters trainable",
        f"{format_count(record.fields.get('flops'))} FLOPs a forward pass",
        f"{seeds} seed{'s' if seeds != 1 else ''}",
        diverged_note(record),
        f"{record.seconds:.3g} s",
        str(record.fields.get("device", "")),
    ]
    return "  ·  ".join(part for part in parts if part)
