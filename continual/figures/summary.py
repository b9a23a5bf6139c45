"""One run on one sheet, for the dashboard: predictions, matrix, curves and every metric."""

__all__ = ["run_summary"]

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from continual.figures.curves import curve_limits, draw_curves, task_labels
from continual.figures.parts.cells import draw_matrix, draw_scale
from continual.figures.parts.measures import measure_of
from continual.figures.parts.panels import Grid
from continual.figures.parts.style import (
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
from continual.figures.parts.surface import Surface, draw_error_map, draw_target_map, error_norm
from continual.figures.parts.view import View
from continual.figures.phases import draw_phase, finish, value_limits
from continual.metrics import METRICS, summarize
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval
from continual.reports.structure import outcome
from continual.reports.wrapping import shorten_name

WIDTH, LEFT, GAP = 10.9, 0.55, 0.09
LINES = f"Lines: median of the seeds, bands: {100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} % of them; "
MATRIX = "matrix: median, framed the task just learned; "
METRIC = "metrics: mean ± 95 % interval over seeds (Student's t)."
MAPS = "Maps: the target, and the median seed's absolute error, framed where the task just learned has its samples."


@styled
def run_summary(record: Record, among: Sequence[Record] | None = None) -> Figure:
    """One figure of a single run: predictions after each phase if it has a view, R, curves, and all metrics.

    Args:
        record: the run.
        among: all records of its experiment, for the run to have the colour that it has in their figures.
    """
    style = model_styles([*(among or ()), record])[record.name]
    T = record.R.shape[2]
    phases = range(max(0, T - 8), T)  # more tasks than panels: the last ones, which show what is left of the first
    view, surface = View.of(record), Surface.of(record)
    top, high, tall = 0.72, 1.15, 2.0
    below = top + (high + 0.75 if view is not None or surface is not None else 0.1)
    became = [shorten_name(line, 180) for line in outcome(record).splitlines()]
    figure = sheet(WIDTH, below + tall + 0.75 + 0.12 * len(became))
    write(figure, 0.12, 0.1, escape(record.name), color=style.colour, fontweight="bold", fontsize=10)
    write(figure, 0.12, 0.3, escape(_facts(record)), color=GREY)
    notes: list[str] = []
    if view is not None:
        notes += view.notes
        limits = value_limits([view])
        for column, axes in enumerate(_row(figure, top, high, len(phases), [f"after phase {j + 1}" for j in phases])):
            draw_phase(axes, view, phases[column], style, limits)
            finish(axes, column == 0, True)
    elif surface is not None:
        phases = range(max(0, T - 5), T)
        notes += [MAPS, *surface.notes]
        error = error_norm(surface.errors[phases.start :])
        titles = ["target", *(f"error after phase {j + 1}" if T > 1 else "error at the end" for j in phases)]
        first, *maps = _row(figure, top, high, len(titles), titles, right=0.8, most=1.6)
        draw_target_map(first, surface)
        first.set_ylabel("input 2")
        for axes, phase in zip(maps, phases, strict=True):
            draw_error_map(axes, surface, phase, error)
            axes.tick_params(labelleft=False)
        for axes in (first, *maps):
            axes.set_xlabel("input 1", labelpad=1)
            axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        last = maps[-1].get_position()
        draw_scale(figure, panel(figure, last.x1 * WIDTH + 0.08, top, 0.1, high), error, "absolute error", ticks=4)

    several, measure = T > 1, measure_of([record])
    if several:
        norm = measure.norm([band(measure.matrix(record), (0.5,))[0]])
        matrix = panel(figure, LEFT, below, 2.4, tall)
        draw_matrix(matrix, record, norm, measure, written=T <= 8)
        matrix.set(xlabel=f"{measure.name} on task", ylabel="after task")
        scale = panel(figure, LEFT + 2.48, below, 0.1, tall)
        draw_scale(figure, scale, norm, measure.name, metric=measure.metric)
    left = 4.35 if several else LEFT
    curves = panel(figure, left, below, (7.75 if several else 9.2) - left, tall)
    draw_curves(curves, record, curve_limits([record], measure), measure)
    curves.set(xlabel="training steps", ylabel=measure.axis)
    if several:
        labels, colours = task_labels([record], prefix="", longest=24)
        curves.legend(
            [Line2D([], [], color=colour, linewidth=2) for colour in colours],
            labels,
            title="task",
            title_fontsize=6.5,
            fontsize=6.5,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.03),
            handlelength=1.0,
            borderaxespad=0.2,
            labelspacing=0.25,
            alignment="left",
        )
    # of one task there is nothing to forget or to pass on
    for line, name in enumerate(measure.listed if several else (measure.metric,)):
        height = below + 0.05 + 0.33 * line
        write(figure, 9.45, height, METRICS[name], color=GREY, fontsize=6.5)
        write(figure, 9.45, height + 0.12, format_interval(summarize(record.metrics[name])), fontsize=8)
    if (view is not None or surface is not None) and len(phases) < T:
        notes.append(f"The last {len(phases)} of {T} phases are drawn.")
    legend = LINES + (MATRIX if several else "") + METRIC
    write(figure, 0.12, below + tall + 0.45, escape("\n".join([*became, legend, " ".join(notes)])), fontsize=6.5)
    return figure


def _row(
    figure: Figure,
    top: float,
    height: float,
    places: int,
    titles: Sequence[str],
    *,
    right: float = 0.15,
    most: float = WIDTH,
) -> list[Axes]:
    """Panels side by side, as wide as that many fill the sheet, but for a margin at its right."""
    width = min((WIDTH - LEFT - right + GAP) / places - GAP, most)
    grid = Grid(LEFT, top, [width] * len(titles), [height], (GAP, 0.0))
    found = []
    for column, title in enumerate(titles):
        axes = grid.panel(figure, 0, column)
        axes.set_title(title, pad=3)
        found.append(axes)
    return found


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
