"""Mean ranks over many curricula with Nemenyi's critical difference: which models differ, and which do not."""

__all__ = ["critical_difference"]

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.style import FAINT, GREY, INK, escape, looks, message, sheet, styled, write_notes
from continual.metrics import metric_names
from continual.records.record import Record
from continual.reports.comparisons import crossed, rank_notes, ranks
from continual.reports.wrapping import shorten_name

LINE, NAME, WIDE = 0.26, 44, 3.6
"""Inches a model, the most characters of its name, and inches of the axis of ranks."""


@styled
def critical_difference(
    records: Sequence[Record],
    metric: str = "final_rmse",
    what: str = "name",
    over: Sequence[str] = (),
    level: float = 0.05,
    leave_out: Sequence[str] = (),
) -> Figure:
    """Models by their mean rank, the best on top.

    A bar is as long as the critical difference: two models differ where their bars do not overlap. A line at the right
    holds those together that do not differ. Small dots are ranks on the single curricula, larger where several are.

    Args:
        records: finished runs.
        metric: a name of `METRICS`.
        what: what is ranked: an axis of the sweep, or `name`.
        over: axes whose values together are a curriculum; none: the seeds of one.
        level: of the critical difference.
        leave_out: values of `what` that are not ranked.

    Raises:
        ValueError: a metric that does not exist.
    """
    if not records:
        return message("Nothing to draw: there are no runs.")
    metric_names([metric])
    try:
        table = crossed(records, what, over, leave_out)
        found = ranks(table, metric, level)
    except ValueError as error:
        return message(f"Nothing to draw: {error}.")
    first = {name: record for (_, name), record in reversed(list(table.runs.items()))}
    look = looks([(first[name].family, name) for name in table.names])
    order = [int(k) for k in np.argsort(found.mean, kind="stable")]
    groups = found.groups()
    named = [shorten_name(table.names[k], NAME) for k in order]
    left = 0.25 + 0.066 * max(map(len, named))
    grid = Grid(left, 0.2, (WIDE,), [LINE * (len(order) + 0.4)], (0.0, 0.0))
    total = grid.right + 0.25 + 0.1 * len(groups)
    tested = bool(np.isfinite(found.distance))
    bars = "Bars: mean rank ± half the critical difference; models differ where theirs do not overlap. "
    held = "Lines at the right hold together what does not differ. "
    said = f"{bars + held if tested else ''}Dots: the single ranks, the larger the more of them."
    notes = note_lines([said, *rank_notes(table, found, metric)], total)
    figure = sheet(total, grid.bottom + 0.55 + 0.12 * len(notes))
    axes = grid.panel(figure, 0, 0)
    for y, k in enumerate(order):
        style = look[first[table.names[k]].family, table.names[k]]
        axes.axhline(y, color=FAINT, linewidth=0.6, zorder=0)
        places, counts = np.unique(found.ranks[:, k], return_counts=True)
        size = 3.0 + 22.0 * counts / found.curricula
        axes.scatter(places, np.full(len(places), y + 0.24), s=size, color=style.colour, linewidths=0, gid="ranks")
        if tested:
            ends = found.mean[k] + np.array([-0.5, 0.5]) * found.distance
            axes.plot(ends, [y, y], color=style.colour, linewidth=2.4, solid_capstyle="butt", alpha=0.6, gid="bar")
        axes.plot(found.mean[k], y, style.marker, color=style.colour, markersize=5.5, mec="white", mew=0.5, gid="mean")
    half = found.distance / 2 if tested else 0.0
    low, high = min(0.8, found.mean.min() - half), max(len(order) + 0.2, found.mean.max() + half)
    axes.set(xlim=(low - 0.1, high + 0.1), ylim=(len(order) - 0.4, -0.7))
    axes.set_yticks(range(len(order)), [escape(name) for name in named])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    step = -(-len(order) // 12)
    axes.set_xticks(range(1, len(order) + 1, step))
    axes.set_xlabel("rank (1 = best)", labelpad=1)
    for g, group in enumerate(groups):
        rows = [order.index(k) for k in group]
        x = 1.0 + (0.1 + 0.1 * g) / WIDE
        axes.plot(
            [x, x],
            [min(rows) - 0.25, max(rows) + 0.25],
            color=INK,
            linewidth=1.8,
            clip_on=False,
            gid="group",
            transform=axes.get_yaxis_transform(),
            solid_capstyle="round",
        )
    if not tested:
        axes.set_title(escape(found.reason), color=GREY, pad=2)
    write_notes(figure, notes)
    return figure
