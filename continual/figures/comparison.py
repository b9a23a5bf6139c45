"""The same models on several functions or curricula: what was learned, what is left, what was kept."""

__all__ = ["comparison", "draw_errors"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.parts.axes import SweepAxis
from continual.figures.parts.intervals import LEGEND, draw_intervals, undefined
from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import (
    FAINT,
    GREY,
    ModelStyle,
    escape,
    legend,
    message,
    model_of,
    model_styles,
    sheet,
    styled,
    write,
    write_notes,
)
from continual.metrics import Summary, summarize
from continual.records.record import Record
from continual.reports.wrapping import wrap_name

LINE, SPACE = 0.19, 0.6
"""Inches a model, and lines left free between groups."""


@styled
def comparison(records: Sequence[Record], group: str | Sequence[str] = "function") -> Figure:
    """Learned and final RMSE, retention and forgetting of each model, grouped by one or more axes of the sweep.

    Args:
        records: finished runs; those of one model have one name, up to a colon and a value of their sweep ("KAN: xy",
            "KAN: J0(20x)"). Runs of the same model in the same group are pooled.
        group: key or keys of `record.sweep` that make a group.

    Returns:
        A figure with three panels that share their lines: one line a model, one block a group.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    keys = [group] if isinstance(group, str) else list(group)
    styles = model_styles(records)
    runs: dict[tuple[object, ...], dict[str, list[Record]]] = {}
    for record in records:
        place = tuple(SweepAxis.value(key, record) for key in keys)
        runs.setdefault(place, {}).setdefault(model_of(record), []).append(record)

    models = list(dict.fromkeys(model_of(record) for record in records))
    lines = [(place, model) for place in runs for model in models]
    places = [g * (len(models) + SPACE) + m for g in range(len(runs)) for m in range(len(models))]
    look = [styles[model] for _, model in lines]

    def values(metric: str) -> list[np.ndarray]:
        found = [runs[place].get(model, []) for place, model in lines]
        return [np.concatenate([run.metrics[metric] for run in each]) if each else np.empty(0) for each in found]

    grid = Grid(1.9, 0.2, (3.6, 2.0, 2.4), [LINE * (places[-1] + 1.2)], (0.45, 0.0))
    total = grid.left + sum(grid.widths) + 3 * grid.gap[0]
    across = max(1, min(len(models), int(total / (0.45 + 0.062 * max(map(len, models))))))
    notes = note_lines(
        "Left: hollow learned RMSE, filled final RMSE, what lies between was lost or gained later. "
        f"{LEGEND} k/M: defined for k of M seeds; –: undefined or no run.",
        total,
    )
    foot = 0.16 * -(-len(models) // across) + 0.12 * len(notes) + 0.2
    figure = sheet(total, grid.bottom + 0.55 + foot)
    for column, metric in enumerate(("", "retention", "forgetting")):
        axes = grid.panel(figure, 0, column)
        if metric:
            draw_intervals(axes, metric, values(metric), look, places)
        else:
            draw_errors(axes, values("learned_rmse"), values("final_rmse"), look, places)
        for g in range(1, len(runs)):
            axes.axhline(places[g * len(models)] - 0.5 - SPACE / 2, color=GREY, linewidth=0.5, clip_on=False)
    for g, place in enumerate(runs):
        text = "\n".join(wrap_name(" · ".join("none" if part is None else str(part) for part in place), 28, 3))
        middle = places[g * len(models)] + (len(models) - 1) / 2
        write(figure, 0.12, grid.top + LINE * (middle + 0.6), escape(text), va="center", fontweight="bold")
    legend(
        figure,
        [
            Line2D([], [], color=style.colour, marker=style.marker, linestyle="")
            for style in map(styles.__getitem__, models)
        ],
        [escape(model) for model in models],
        foot,
        across,
        handlelength=1.0,
    )
    write_notes(figure, notes, 0.08)
    return figure


def draw_errors(
    axes: Axes,
    learned: Sequence[np.ndarray],
    final: Sequence[np.ndarray],
    styles: Sequence[ModelStyle],
    places: Sequence[float],
    beside: Sequence[float] = (),
) -> None:
    """Learned and final RMSE of each line, hollow and filled, joined, with their intervals.

    Args:
        axes: where.
        learned: one (M,) array a model.
        final: the same.
        styles: one a model.
        places: heights of the lines; the axis points downward.
        beside: other errors that the axis must reach.
    """
    summaries = [(summarize(before), summarize(after)) for before, after in zip(learned, final, strict=True)]
    means = np.array([[float(s.mean) for s in pair] for pair in summaries])
    half = np.nan_to_num([[float(s.half_width) for s in pair] for pair in summaries])
    members = np.concatenate([*learned, *final])
    scale = metric_scale("final_rmse", np.concatenate([members, means.ravel(), (means + half).ravel(), beside]))
    axes.set_ylim(max(places) + 0.6, min(places) - 0.6)
    scale.apply(axes.xaxis)
    limits = axes.get_xlim()
    for place, pair, style in zip(places, summaries, styles, strict=True):
        axes.axhline(place, color=FAINT, linewidth=0.6, zorder=0)
        before, after = pair
        if not (before.defined or after.defined):
            undefined(axes, place)
            continue
        axes.plot([before.mean, after.mean], [place, place], color=style.colour, linewidth=0.8, alpha=0.6)
        _draw_mean(axes, before, place - 0.14, style, limits, "white")
        _draw_mean(axes, after, place + 0.14, style, limits, style.colour)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("learned RMSE ↓ (hollow) and final RMSE ↓ (filled)\n(RMSE, units of the target)")


def _draw_mean(
    axes: Axes, summary: Summary, place: float, style: ModelStyle, limits: tuple[float, float], face: str
) -> None:
    if not summary.defined:
        return
    half = float(summary.half_width)
    if np.isfinite(half):
        ends = np.clip([summary.mean - half, summary.mean + half], *limits)
        axes.plot(ends, [place, place], color=style.colour, linewidth=1.2, solid_capstyle="butt")
    axes.plot(
        [float(summary.mean)],
        [place],
        style.marker,
        color=style.colour,
        markerfacecolor=face,
        markersize=4.2,
        markeredgewidth=0.9,
        zorder=3,
        gid="learned" if face == "white" else "final",
    )
