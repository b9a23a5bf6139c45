"""Runs ranked by what they forget, with what they learned and kept beside it."""

__all__ = ["ranking"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from continual.figures.comparison import draw_errors
from continual.figures.parts.intervals import LEGEND, draw_intervals
from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.style import (
    GREY,
    ModelStyle,
    diverged_note,
    escape,
    message,
    model_styles,
    sheet,
    styled,
    write_notes,
)
from continual.metrics import summarize
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval
from continual.reports.wrapping import shorten_name

LINE, NAME = 0.36, 48
"""Inches a run, and the most characters of its name."""


@styled
def ranking(records: Sequence[Record]) -> Figure:
    """Forgetting of every run, the lowest mean on top; beside it learned and final RMSE, and retention.

    A run that learns nothing forgets nothing, so what was learned stands beside the ranking on the same line. Runs
    whose forgetting is undefined, because all seeds diverged or there was one task only, come last.

    Args:
        records: finished runs.

    Returns:
        A figure with three panels that share their lines, one line a run.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    styles = model_styles(records)  # in the order given, so that colours are those of the other figures
    ranked = sorted(records, key=_mean_forgetting)
    look = [styles[record.name] for record in ranked]

    def values(metric: str) -> list[np.ndarray]:
        return [record.metrics[metric] for record in ranked]

    left = max(2.65, 0.2 + 0.069 * min(max(len(record.name) for record in ranked), NAME))
    grid = Grid(left, 0.2, (3.4, 3.4, 1.3), [LINE * (len(ranked) + 0.2)], (0.5, 0.0))
    total = grid.right + 0.5
    notes = note_lines(
        f"Ranked by mean forgetting, which stands below the names. {LEGEND} k/M: defined for k of M seeds; –: "
        "undefined. Middle: what lies between hollow and filled was lost or gained later; dashed: the RMSE of "
        "predicting each task's mean.",
        total,
    )
    figure = sheet(total, grid.bottom + 0.55 + 0.12 * len(notes) + 0.1)
    for column, metric in enumerate(("forgetting", "", "retention")):
        axes = grid.panel(figure, 0, column)
        if metric:
            draw_intervals(axes, metric, values(metric), look)
        else:
            known = _baseline(ranked)
            draw_errors(axes, values("learned_rmse"), values("final_rmse"), look, range(len(ranked)), known)
            _draw_baseline(axes, known)
        if metric == "retention":
            axes.set_xticks((0.0, 0.5, 1.0))
        if metric == "forgetting":
            for place, (record, style) in enumerate(zip(ranked, look, strict=True)):
                _label(axes, place, record, style)
    write_notes(figure, notes)
    return figure


def _mean_forgetting(record: Record) -> float:
    mean = float(summarize(record.metrics["forgetting"]).mean)
    return mean if np.isfinite(mean) else np.inf


def _label(axes: Axes, place: int, record: Record, style: ModelStyle) -> None:
    """Name of a run in its colour, left of its line; below it its forgetting in numbers and its parameters."""
    facts = [
        format_interval(summarize(record.metrics["forgetting"])),
        f"{format_count(record.trainable_parameters)} parameters",
        diverged_note(record),
    ]
    left: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
    name = escape(shorten_name(record.name, NAME))
    axes.annotate(name, (0.0, place), xytext=(-8, 1), va="bottom", color=style.colour, fontweight="bold", **left)
    below = " · ".join(fact for fact in facts if fact)
    axes.annotate(below, (0.0, place), xytext=(-8, -1), va="top", fontsize=6.5, **left)


def _baseline(records: Sequence[Record]) -> list[float]:
    """The mean RMSE of predicting each task's mean, if it is the same for all runs."""
    means = [float(record.baseline.mean()) for record in records]
    return means[:1] if np.ptp(means) <= 1e-6 * means[0] else []


def _draw_baseline(axes: Axes, places: Sequence[float]) -> None:
    for place in places:
        axes.axvline(place, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1, gid="baseline")
        axes.annotate(
            "predicting the mean",
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 1),
            textcoords="offset points",
            ha="center",
            fontsize=6,
            color=GREY,
        )
