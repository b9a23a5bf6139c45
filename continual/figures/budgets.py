"""Forgetting budgets: what the forgetting of runs is due to, and what stays unexplained."""

__all__ = ["forgetting_budgets"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from continual.figures.parts.panels import Grid, label_row, note_lines
from continual.figures.parts.style import GREY, INK, message, model_styles, sheet, styled, write_notes
from continual.metrics import METRICS, summarize
from continual.probes import Part
from continual.records.record import Record
from continual.reports.budgets import LEFT_OVER, read_budget
from continual.reports.numbers import format_interval

LEFT, NAMES, WIDTH, BAR, TOP, GAP = 1.75, 1.45, 2.5, 0.2, 0.4, 0.5
GROUPS = {"kinds": "by kind of parameters", "layers": "by layer"}
WHOLE = "forgetting"
NOTES = (
    "Forgetting of a run, and how much less of it there is where a part keeps still after the first task, paired by "
    "seed: mean and 95 % interval, units of the target. A part that saves nothing is at 0, one that makes it worse "
    "below. Hatched: what the parts above leave unexplained; below 0 where several could each have saved the same."
)


@styled
def forgetting_budgets(records: Sequence[Record]) -> Figure:
    """What forgetting is due to, a row a run: by kind of parameters on the left, by layer on the right.

    Args:
        records: finished runs; those without a `budget.csv`, which `python -m scripts.budget` writes, are left out.
    """
    found = [(record, parts) for record in records if (parts := read_budget(record.folder)) is not None]
    if not found:
        return message("Nothing to draw: no run has a forgetting budget; python -m scripts.budget RUN makes one.")
    styles = model_styles(records)
    rows = [{group: _bars(parts, group) for group in GROUPS} for _, parts in found]
    heights = [BAR * max(len(bars) for bars in row.values()) for row in rows]
    total = LEFT + 2 * (NAMES + WIDTH) + 0.3
    lines = note_lines(NOTES, total)
    figure = sheet(total, TOP + sum(heights) + GAP * len(rows) + 0.1 + 0.12 * len(lines))
    top = TOP
    for (record, _), row, height in zip(found, rows, heights, strict=True):
        ends = [_reach(values) for bars in row.values() for values in bars.values()]
        low, high = min(0.0, *(end[0] for end in ends)), max(0.0, *(end[1] for end in ends))
        margin = 0.05 * (high - low) or 0.1
        grid = Grid(LEFT + NAMES, top, [WIDTH] * 2, [height], (NAMES + 0.05, 0.0))
        for column, (group, bars) in enumerate(row.items()):
            axes = grid.panel(figure, 0, column)
            _draw(axes, bars, styles[record.name].colour)
            axes.set_xlim(low - margin, high + margin)
            axes.set_ylim(height / BAR - 0.4, -0.6)
            axes.set_title(GROUPS[group], pad=3)
            axes.set_xlabel(METRICS["forgetting"], labelpad=1)
        whole = format_interval(summarize(record.metrics["forgetting"]))
        label_row(figure, top + height / 2, record.name, styles[record.name].colour, f"forgetting {whole}")
        top += height + GAP
    write_notes(figure, lines)
    return figure


def _bars(parts: Sequence[Part], group: str) -> dict[str, np.ndarray]:
    """The whole, its parts, and what they leave over, (M,) each, from top to bottom."""
    own = [part for part in parts if part.group in ("training", group)]
    whole = np.sum([part.due for part in own], axis=0)
    return {WHOLE: whole, **{part.name: part.due for part in sorted(own, key=lambda each: each.name == LEFT_OVER)}}


def _reach(values: np.ndarray) -> tuple[float, float]:
    """Ends of what is drawn of a bar."""
    summary = summarize(values)
    mean, half = float(summary.mean), float(np.nan_to_num(summary.half_width))
    return (0.0, 0.0) if np.isnan(mean) else (mean - half, mean + half)


def _draw(axes: Axes, bars: dict[str, np.ndarray], colour: str) -> None:
    for place, (name, values) in enumerate(bars.items()):
        summary = summarize(values)
        look: Any = {"color": GREY} if name == WHOLE else {"color": colour}
        if name == LEFT_OVER:
            look = {"facecolor": "white", "edgecolor": colour, "hatch": "////"}
        half = float(np.nan_to_num(summary.half_width))
        axes.barh(
            place, float(summary.mean), height=0.66, linewidth=0.6, xerr=half or None, gid=name,
            error_kw={"ecolor": INK, "elinewidth": 0.8}, **look,
        )  # fmt: skip
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.set_yticks(range(len(bars)), [name.replace("_", " ") for name in bars])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
