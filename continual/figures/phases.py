"""The headline picture: what each model predicts after each phase of a one-dimensional curriculum."""

__all__ = ["draw_data", "draw_phase", "finish", "phases", "value_limits"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from continual.figures.parts.panels import Grid, label_row, note_lines
from continual.figures.parts.style import (
    BAND,
    GREY,
    INK,
    Array,
    ModelStyle,
    band,
    diverged_note,
    escape,
    message,
    model_styles,
    sheet,
    styled,
    write,
)
from continual.figures.parts.view import View
from continual.metrics import summarize
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval, format_value
from continual.reports.wrapping import wrap_name

LEFT, RIGHT, BOTTOM, GAP = 1.75, 1.05, 0.5, 0.09
DOTS = 30
LEGEND = (
    f"Grey: target; black dots: training data of the phase, at most {DOTS}; line: median of the seeds, "
    f"band: {100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} % of them; ▲▼: the median leaves the panel, and how far it goes. "
    "Final RMSE: mean ± 95 % interval."
)


def value_limits(views: Sequence[View]) -> tuple[float, float]:
    """Limits of the value axis: the range of the targets and a margin, whatever the predictions do."""
    low = min(float(view.target.min()) for view in views)
    high = max(float(view.target.max()) for view in views)
    margin = 0.4 * (high - low) or 1.0
    return low - margin, high + margin


def draw_data(axes: Axes, view: View, phase: int, limits: tuple[float, float]) -> None:
    """The target, and the training data of one phase on it."""
    axes.plot(view.x, view.target, color=GREY, linewidth=0.8, gid="target")
    every = -(-view.train_x.shape[1] // DOTS)  # more of them would hide what was predicted there
    x, y = view.train_x[phase, ::every], view.train_y[phase, ::every]
    axes.plot(x, y, ".", color=INK, markersize=2.2, gid="training data")
    axes.set(xlim=(view.x[0], view.x[-1]), ylim=limits)


def draw_phase(axes: Axes, view: View, phase: int, style: ModelStyle, limits: tuple[float, float]) -> None:
    """Target, training data and the members' predictions after one phase.

    Args:
        axes: where.
        view: what was predicted.
        phase: index of the task just learned, from zero.
        style: of the model.
        limits: of the value axis; where the median leaves them, marks at the edge say how far it goes.
    """
    draw_data(axes, view, phase, limits)
    if np.isnan(view.predictions[:, phase, 0]).all():
        axes.text(0.5, 0.97, "all seeds diverged", transform=axes.transAxes, ha="center", va="top", color=INK)
        return
    low, median, high = band(view.predictions[:, phase])
    reach = limits[1] - limits[0]
    bounds = limits[0] - reach, limits[1] + reach
    if len(view.predictions) > 1:
        # a huge number far outside the panel costs the PDF's renderers their precision
        axes.fill_between(
            view.x,
            low.clip(*bounds),
            high.clip(*bounds),
            color=style.colour,
            alpha=0.28,
            linewidth=0,
            gid="band",
        )
    axes.plot(view.x, median.clip(*bounds), color=style.colour, linewidth=1.1, gid="median")
    for outside, edge, mark, extreme in (
        (median > limits[1], limits[1], "^", median.max()),
        (median < limits[0], limits[0], "v", median.min()),
    ):
        if outside.any():
            drawn = (np.stack([median, view.target]) - limits[0]) / reach
            _mark_exit(axes, view.x, outside, edge, mark, style.colour, float(extreme), drawn)


def _mark_exit(
    axes: Axes, x: Array, outside: Array, edge: float, mark: str, colour: str, extreme: float, drawn: Array
) -> None:
    """A bar along the edge where the curve is beyond it, a triangle amid each stretch, and its extreme once.

    The number stands where the fewest lines run, of which `drawn` has the heights as shares of the panel's, (lines, P).
    """
    steps = np.diff(np.concatenate([[0], outside.astype(int), [0]]))
    stretches = list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1, strict=True))
    line = np.where(outside, edge, np.nan)
    axes.plot(x, line, color=colour, linewidth=2.2, clip_on=False, solid_capstyle="butt", gid="exit")
    middles = [0.5 * (x[first] + x[last]) for first, last in stretches]
    axes.plot(middles, [edge] * len(middles), mark, color=colour, markersize=4.5, clip_on=False, zorder=5)
    first, last = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    amid = (0.5 * (x[first] + x[last]) - x[0]) / (x[-1] - x[0])
    from_edge = 1.0 - drawn if mark == "^" else drawn
    inside = np.asarray(((from_edge > 0.0) & (from_edge < 0.25)).any(axis=0))
    across = (x - x[0]) / (x[-1] - x[0])
    places = [min(max(amid + shift, 0.13), 0.87) for shift in (0.0, 0.15, -0.15, 0.25, -0.25)]
    place = min(places, key=lambda place: float(inside[np.abs(across - place) < 0.11].mean()))
    axes.annotate(
        format_value(extreme, 2),
        (place, 1.0 if mark == "^" else 0.0),
        xycoords="axes fraction",
        xytext=(0, -4 if mark == "^" else 4),
        textcoords="offset points",
        ha="center",
        va="top" if mark == "^" else "bottom",
        fontsize=6.5,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.4},
        gid="extreme",
    )


def finish(axes: Axes, first: bool, last: bool) -> None:
    """Ticks of a panel, labelled on the left of the `first` column and below the `last` row."""
    # no label at a corner, where it would meet that of the next panel
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.tick_params(labelleft=first, labelbottom=last)
    if last:
        axes.set_xlabel("x", labelpad=1)


@styled
def phases(records: Sequence[Record]) -> Figure:
    """Predictions after each phase: one column per phase, the data on top, then one row per record.

    Args:
        records: finished runs; those whose inputs are not one-dimensional are left out and named below the picture.

    Returns:
        A figure with (1 + rows) × T panels.
    """
    styles = model_styles(records)
    found = [(record, View.of(record)) for record in records]
    shown = [(record, view) for record, view in found if view is not None]
    if not shown:
        return message("Nothing to draw: no run has a view of one-dimensional inputs.")
    views = [view for _, view in shown]
    limits = value_limits(views)
    T = max(view.predictions.shape[1] for view in views)
    width, height = min(max(8.2 / T, 0.95), 2.6), 0.92 if len(shown) < 6 else 0.72
    notes = [LEGEND, *dict.fromkeys(f"{note[0].upper()}{note[1:]}." for view in views for note in view.notes)]
    if not all(views[0].same_data(view) for view in views):
        notes.append("The models learned different data: the row of data is that of the first.")
    if skipped := [record.name for record, view in found if view is None]:
        notes.append(f"Left out, without a one-dimensional view: {', '.join(skipped)}.")
    total = LEFT + RIGHT + T * width + (T - 1) * GAP
    lines = note_lines(notes, total)
    titles = [
        "\n".join(wrap_name(f"phase {i + 1}: {name}", int(width / 0.068), 2))
        for i, name in enumerate(shown[0][0].task_names)
    ]
    top = 0.3 if all("\n" not in title for title in titles) else 0.42
    figure = sheet(total, top + (len(shown) + 1) * (height + GAP) + BOTTOM + 0.13 * len(lines))

    grid = Grid(LEFT, top, [width] * T, [height] * (len(shown) + 1), (GAP, GAP))
    for i, title in enumerate(titles):
        axes = grid.panel(figure, 0, i)
        draw_data(axes, views[0], i, limits)
        axes.set_title(escape(title), pad=4)
        finish(axes, i == 0, False)
    label_row(figure, top + height / 2, "data", INK, "")
    for row, (record, view) in enumerate(shown, start=1):
        style = styles[record.name]
        count = view.predictions.shape[1]
        for i in range(count):
            axes = grid.panel(figure, row, i)
            draw_phase(axes, view, i, style, limits)
            finish(axes, i == 0, row == len(shown))
        middle = top + row * (height + GAP) + height / 2
        below = f"{format_count(record.trainable_parameters)} parameters"
        label_row(figure, middle, record.name, style.colour, below)
        seeds = len(record.seeds)
        result = ["final RMSE", format_interval(summarize(record.metrics["final_rmse"]))]
        result.append(diverged_note(record) or f"{seeds} seed{'s' if seeds > 1 else ''}")
        end = LEFT + T * (width + GAP) + 0.02
        write(
            figure,
            end,
            middle,
            "\n".join(result).replace(" (", "\n("),
            va="center",
            fontsize=6.5,
            linespacing=1.25,
        )
    write(
        figure,
        0.12,
        figure.get_size_inches()[1] - 0.13 * len(lines) - 0.12,
        escape("\n".join(lines)),
        fontsize=6.5,
    )
    return figure
