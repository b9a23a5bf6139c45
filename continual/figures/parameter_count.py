"""Parameters of KANs and MLPs as they are counted, against what formulas say: over width, depth, grid size, order."""

__all__ = ["formulas", "parameter_count"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.scales import round_ticks
from continual.figures.parts.style import FAINT, PALETTES, legend, message, sheet, styled, write_notes
from continual.models import edges
from continual.records.record import Record
from continual.reports.numbers import format_count

AXES: Mapping[str, str] = {
    "width": "width N",
    "depth": "depth L",
    "grid_size": "grid intervals G",
    "spline_order": "spline order k",
}
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "exact": {"color": PALETTES["KAN"][0], "linestyle": "-"},
    "order": {"color": PALETTES["KAN"][2], "linestyle": "--"},
    "leading": {"color": PALETTES["KAN"][2], "linestyle": ":"},
    "affine": {"color": PALETTES["MLP"][0], "linestyle": "-"},
    "square": {"color": PALETTES["MLP"][1], "linestyle": "--"},
}
LABELS = {
    "exact": "KAN: edges Σ n(l) n(l+1) × (G + k + 2), exact",
    "order": "KAN: N²L(G + k), the paper's order",
    "leading": "KAN: N²LG, its leading term",
    "affine": "MLP: Σ n(l) n(l+1) + n(l+1), exact",
    "square": "MLP: N²L",
}


def formulas(record: Record) -> dict[str, int]:
    """What each formula says about a run's model: of a KAN exact, order and leading, of others affine and square.

    The width N is that of the hidden layers, or the larger one of inputs and outputs where there are none.
    """
    model = record.fields["model"]
    sizes = [int(size) for size in model["layer_sizes"]]
    deep = len(sizes) - 1
    squares = max(sizes[1:-1] or sizes) ** 2 * deep
    if model.get("grid_size") is None:
        return {"affine": edges(sizes) + sum(sizes[1:]), "square": squares}
    grid, order = int(model["grid_size"]), int(model["spline_order"])
    return {
        "exact": edges(sizes) * (grid + order + 2),
        "order": squares * (grid + order),
        "leading": squares * grid,
    }


@styled
def parameter_count(records: Sequence[Record]) -> Figure:
    """Counted parameters, frozen ones included, and formulas, against each of width, depth, grid size and order.

    Runs are placed by `record.sweep`. The values that most runs share are the centre; a panel shows the runs that are
    at the centre in all axes but its own. A run whose model has no grids is a level line in the panels of grids. Below,
    in words, how far each formula is off.

    Args:
        records: finished runs of KANs and, beside them, MLPs, with `width`, `depth`, `grid_size` and `spline_order` in
            their sweep.
    """
    placed = [record for record in records if all(axis in record.sweep for axis in AXES)]
    if not placed:
        return message("Nothing to draw: no run has width, depth, grid_size and spline_order in its sweep.")
    centre = {axis: _most([record.sweep[axis] for record in placed]) for axis in AXES}
    grid = Grid(0.6, 0.3, [2.1] * len(AXES), [2.2], (0.5, 0.0))
    total = grid.right + 0.2
    around = ", ".join(f"{AXES[axis].rpartition(' ')[2]} = {value}" for axis, value in centre.items())
    first = placed[0].fields["model"]["layer_sizes"]
    markers = f"Markers: counted. Around {around}, one varied at a time; {first[0]} inputs, {first[-1]} output(s)."
    notes = note_lines([markers, *(_off(placed, name) for name in LABELS)], total)
    foot = 0.4 + 0.17 * 2 + 0.12 * len(notes) + 0.25
    figure = sheet(total, grid.bottom + foot)
    limits = [value for record in placed for value in (record.total_parameters, *formulas(record).values())]
    for column, axis in enumerate(AXES):
        axes = grid.panel(figure, 0, column)
        here = [
            record
            for record in placed
            if all(record.sweep[other] == value for other, value in centre.items() if other != axis)
        ]
        _draw(axes, here, axis, (min(limits) / 1.5, max(limits) * 1.5))
        if column == 0:
            axes.set_ylabel("parameters of one member", labelpad=1)
    legend(
        figure,
        [Line2D([], [], linewidth=1.2, **LOOKS[name]) for name in LABELS],
        list(LABELS.values()),
        foot - 0.42,
        3,  # filled column by column
        handlelength=3.0,
    )
    write_notes(figure, notes)
    return figure


def _most(values: Sequence[Any]) -> Any:
    return max(dict.fromkeys(values), key=values.count)


def _draw(axes: Axes, records: Sequence[Record], axis: str, limits: tuple[float, float]) -> None:
    places = sorted({int(record.sweep[axis]) for record in records})
    spread = (min(places), max(places))
    for family in dict.fromkeys(record.family for record in records):
        mine = sorted((r for r in records if r.family == family), key=lambda record: record.sweep[axis])
        x = [int(record.sweep[axis]) for record in mine]
        found = [formulas(record) for record in mine]
        for name in found[0]:
            y = [values[name] for values in found]
            level = len(set(x)) == 1 and len(places) > 1
            axes.plot(spread if level else x, y * 2 if level else y, gid=name, linewidth=1.2, **LOOKS[name])
        colour = LOOKS["exact" if "exact" in found[0] else "affine"]["color"]
        axes.plot(
            x,
            [record.total_parameters for record in mine],
            "o" if "exact" in found[0] else "s",
            color=colour,
            markersize=4,
            markerfacecolor="white",
            markeredgewidth=1.1,
            gid=f"{family} counted",
        )
    if spread[1] >= 8 * spread[0]:
        axes.set_xscale("log")
    axes.set_xticks(places, [str(place) for place in places])
    axes.xaxis.set_minor_locator(NullLocator())
    round_ticks(axes.yaxis, limits, 6, format_count)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_xlabel(AXES[axis], labelpad=1)


def _off(records: Sequence[Record], name: str) -> str:
    """How far a formula is from what is counted, over all runs that it speaks of."""
    runs = [
        (record, formulas(record)[name] / record.total_parameters) for record in records if name in formulas(record)
    ]
    if not runs:
        return ""
    if all(share == 1 for _, share in runs):
        return f"{LABELS[name]}: equal to the count in all {len(runs)} models."
    low, high = (choose(runs, key=_share) for choose in (min, max))
    told = " to ".join(f"{share:.2g} times the count ({_what(record)})" for record, share in (low, high))
    largest = max(runs, key=lambda run: run[0].total_parameters)
    middle = float(np.median([share for _, share in runs]))
    return f"{LABELS[name]}: from {told}; median {middle:.2g}, largest model {_share(largest):.2g}."


def _share(run: tuple[Record, float]) -> float:
    return run[1]


def _what(record: Record) -> str:
    model = record.fields["model"]
    sizes = ",".join(map(str, model["layer_sizes"]))
    sizes = sizes if len(sizes) < 14 else f"{len(model['layer_sizes']) - 1} layers"
    grids = f" G={model['grid_size']} k={model['spline_order']}" if model.get("grid_size") is not None else ""
    return f"[{sizes}]{grids}, {format_count(record.total_parameters)}"
