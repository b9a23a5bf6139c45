"""What training costs against parameters: seconds a step, seconds to an error, and ratios to the MLP of equal size.

In one file: what counts as a point, from records and from a benchmark, and how points are compared and drawn.
"""

__all__ = ["runtime"]

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from continual.figures.parts.panels import Grid, note_lines
from continual.figures.parts.scales import round_ticks
from continual.figures.parts.style import (
    FAINT,
    GREY,
    MARKERS,
    PALETTES,
    SPARE,
    legend,
    message,
    sheet,
    styled,
    write_notes,
)
from continual.records.record import Record
from continual.reports.numbers import format_count, format_value
from continual.reports.pace import seconds_per_step, seconds_to

OWN = ("KAN", "dense KAN", "MLP")
"""Contenders of a benchmark that the records have themselves."""


@dataclass(frozen=True)
class _Point:
    """One run, or one line of a benchmark.

    Args:
        contender: what was timed.
        family: "KAN", "MLP", or the contender where it is another implementation.
        shape: layer sizes of the KAN to compare with.
        grid: its intervals.
        members: seeds in one stack.
        parameters: trained ones of one member.
        value: seconds for one member, None where an error was not reached; or a ratio.
    """

    contender: str
    family: str
    shape: tuple[int, ...]
    grid: int
    members: int
    parameters: int
    value: float | None

    @property
    def rival(self) -> tuple[Any, ...]:
        """What it has in common with the MLP of equal parameters."""
        return self.shape, self.grid, self.members


@styled
def runtime(
    records: Sequence[Record],
    thresholds: Sequence[float] = (1e-1, 1e-2),
    step_optimizer: str = "Adam",
    error_optimizer: str = "L-BFGS",
    claim: float = 10.0,
    peers: str | None = None,
) -> Figure:
    """Seconds of a step, seconds to a test RMSE and ratios of step times, for one member, against its parameters.

    A run with several members took its time for all of them: it is divided by their number. Lines join runs of one
    shape, whose grids differ.

    Args:
        records: finished runs whose sweep has `contender` (a name such as "dense KAN"), `optimizer`, and what a KAN
            and the MLP of equal parameters share: `layer_sizes`, `grid_size`.
        thresholds: test RMSEs of the median member, a panel each.
        step_optimizer: `optimizer` of the runs whose steps are timed.
        error_optimizer: `optimizer` of those whose errors are followed.
        claim: the ratio of a KAN's time to an MLP's that the paper speaks of.
        peers: path of a table that `python -m scripts.benchmark` wrote, for other implementations, which can't be run
            by this one; without that file they are left out. Of it are drawn training steps of one member on one
            thread, of the same shapes and grids as the records.
    """
    known = [
        record for record in records if {"contender", "optimizer", "layer_sizes", "grid_size"} <= set(record.sweep)
    ]
    if not known:
        return message("Nothing to draw: no run has contender, optimizer, layer_sizes and grid_size in its sweep.")
    stepped = [record for record in known if record.sweep["optimizer"] == step_optimizer]
    followed = [record for record in known if record.sweep["optimizer"] == error_optimizer]
    steps = [_point(record, seconds_per_step(record)) for record in stepped]
    benchmarks = _read_peers(peers, steps)
    ratios = _ratios(steps)
    for found in benchmarks.values():  # a ratio is of two times on one machine
        ratios += _ratios([point for point in found if point.contender not in ("KAN", "dense KAN")])
    devices = {str(record.fields.get("device")) for record in stepped}
    others = [
        point
        for machine, points in benchmarks.items()
        for point in points
        if point.contender not in OWN and all(machine.startswith(device) for device in devices)
    ]
    reached = [[_point(record, seconds_to(record, level)) for record in followed] for level in thresholds]
    looks = _looks([*steps, *others, *ratios, *(point for level in reached for point in level)])

    grid = Grid(0.6, 0.32, [2.5] * (2 + len(thresholds)), [2.5], (0.62, 0.0))
    total = grid.right + 0.75
    notes = note_lines(_notes(ratios, reached, thresholds, claim, list(benchmarks), bool(others)), total)
    foot = 0.4 + 0.2 + 0.12 * len(notes) + 0.2
    figure = sheet(total, grid.bottom + foot)

    axes = grid.panel(figure, 0, 0)
    _draw(axes, [*steps, *others], looks)
    axes.set_title(f"seconds of a step, {step_optimizer}", pad=4)
    axes.set_ylabel("seconds for one seed", labelpad=1)
    for column, (level, points) in enumerate(zip(thresholds, reached, strict=True), start=1):
        axes = grid.panel(figure, 0, column)
        _draw(axes, points, looks)
        axes.set_title(f"seconds to a test RMSE of {format_value(level, 1)}, {error_optimizer}", pad=4)
    axes = grid.panel(figure, 0, 1 + len(thresholds))
    _draw(axes, ratios, looks, (1.0, claim))
    for ratio, text in ((1.0, "1: as fast\nas the MLP"), (claim, f"{claim:g}: the\npaper's words")):
        axes.axhline(ratio, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1, gid=f"ratio {ratio:g}")
        axes.annotate(
            text,
            (1.0, ratio),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
            color=GREY,
        )
    axes.set_title("step ÷ step of the MLP of equal parameters", pad=4)

    members = sorted({point.members for level in ([steps], reached) for points in level for point in points})
    handles = [Line2D([], [], color=colour, marker=marker, markersize=4) for colour, marker in looks.values()]
    labels = list(looks)
    if members[:1] == [1] and len(members) > 1:
        handles.append(Line2D([], [], color=GREY, marker="o", markersize=4, markerfacecolor="white", linestyle="--"))
        labels.append(f"hollow: {' or '.join(map(str, members[1:]))} seeds in one stack")
    legend(
        figure,
        handles,
        labels,
        foot - 0.42,
        len(labels),
        handlelength=2.2,
    )
    write_notes(figure, notes)
    return figure


def _point(record: Record, seconds: float | None) -> _Point:
    members = len(record.seeds)
    return _Point(
        str(record.sweep["contender"]),
        record.family,
        tuple(int(size) for size in record.sweep["layer_sizes"]),
        int(record.sweep["grid_size"]),
        members,
        record.trainable_parameters,
        None if seconds is None else seconds / members,
    )


def _read_peers(path: str | None, like: Sequence[_Point]) -> dict[str, list[_Point]]:
    """Step times of one member from a benchmark's table, where it has shapes and grids of `like`, by machines."""
    if path is None or not Path(path).is_file():
        return {}
    wanted = {(point.shape, point.grid) for point in like}
    found: dict[str, list[_Point]] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            shape = tuple(int(size) for size in row["layer_sizes"].split("-"))
            grid, contender = int(row["grid_size"]), row["contender"]
            single = (row["stage"], row["members"], row["threads"]) == ("step", "1", "1")
            if single and (shape, grid) in wanted:
                family = contender if contender not in OWN else contender.removeprefix("dense ")
                seconds = float(row["median_ms"]) / 1e3
                point = _Point(contender, family, shape, grid, 1, int(row["parameters"]), seconds)
                found.setdefault(row["hardware"], []).append(point)
    return found


def _ratios(points: Sequence[_Point]) -> list[_Point]:
    """Each point's time over that of the MLP of equal parameters, where both are known."""
    rivals = {point.rival: point.value for point in points if point.family == "MLP"}
    return [
        _Point(p.contender, p.family, p.shape, p.grid, p.members, p.parameters, p.value / rival)
        for p in points
        if p.family != "MLP" and p.value is not None and (rival := rivals.get(p.rival))
    ]


def _looks(points: Sequence[_Point]) -> dict[str, tuple[str, str]]:
    """Colour and marker of every contender, in the order of the runs."""
    used: dict[str, int] = {}
    looks: dict[str, tuple[str, str]] = {}
    for point in points:
        if point.contender not in looks:
            family = point.family if point.family in PALETTES else ""
            number = used.get(family, 0)
            used[family] = number + 1
            palette = PALETTES[family] if family else [colour for pair in zip(*SPARE, strict=True) for colour in pair]
            looks[point.contender] = (palette[number % len(palette)], MARKERS[len(looks) % len(MARKERS)])
    return looks


def _draw(
    axes: Axes, points: Sequence[_Point], looks: dict[str, tuple[str, str]], beside: Sequence[float] = ()
) -> None:
    """Lines over parameters, both logarithmic; what was never reached stands in a row of its own at the top."""
    values = [*beside, *(point.value for point in points if point.value is not None and point.value > 0)]
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    low, high = low / 1.6, max(high * 1.6, low * 30)
    lost = high * (high / low) ** 0.06
    never = any(point.value is None for point in points)
    for group in dict.fromkeys((point.contender, point.members, point.shape) for point in points):
        mine = sorted((p for p in points if (p.contender, p.members, p.shape) == group), key=lambda p: p.grid)
        colour, marker = looks[group[0]]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.8}
        look |= {"markerfacecolor": "white", "linestyle": (0, (3, 1.5))} if group[1] > 1 else {}
        known = [p for p in mine if p.value is not None]
        name = f"{group[0]} {group[1]} {','.join(map(str, group[2]))}"
        axes.plot([p.parameters for p in known], [p.value or 0.0 for p in known], linewidth=0.9, gid=name, **look)
        if missing := [p.parameters for p in mine if p.value is None]:
            axes.plot(missing, [lost] * len(missing), gid=f"{name} not reached", **{**look, "linestyle": ""})
    top = lost * (high / low) ** 0.06 if never else high
    round_ticks(axes.yaxis, (low, top), 8, lambda value: format_value(value, 1), within=(low, high))
    if never:
        axes.axhline(high, color=GREY, linewidth=0.5)
        axes.annotate(
            "not reached",
            (0.0, high),
            xycoords=("axes fraction", "data"),
            xytext=(2, -1),
            textcoords="offset points",
            va="top",
            fontsize=6,
            color=GREY,
        )
    if points:
        counts = [point.parameters for point in points]
        round_ticks(axes.xaxis, (min(counts) / 1.6, max(counts) * 1.6), 5, format_count)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_xlabel("trained parameters of one seed", labelpad=1)


def _notes(
    ratios: Sequence[_Point],
    reached: Sequence[Sequence[_Point]],
    thresholds: Sequence[float],
    claim: float,
    machines: Sequence[str],
    here: bool,
) -> list[str]:
    texts = []
    parts = []
    for contender, members in dict.fromkeys((point.contender, point.members) for point in ratios):
        values = [p.value for p in ratios if (p.contender, p.members) == (contender, members) and p.value is not None]
        seeds = "one seed" if members == 1 else f"{members} seeds"
        spread = f"{min(values):.2g} to {max(values):.2g} (median {np.median(values):.2g})"
        parts.append(f"{contender}, {seeds}: {spread}, {sum(value > claim for value in values)} of {len(values)} above")
    if parts:
        texts.append(f"Time of a step ÷ that of the MLP of equal parameters, and how many above {claim:g} times: ")
        texts[-1] += "; ".join(parts) + "."
    for level, points in zip(thresholds, reached, strict=True):
        told = []
        for contender in dict.fromkeys(point.contender for point in points):
            mine = [point.value for point in points if point.contender == contender]
            told.append(f"{contender} {sum(value is not None for value in mine)} of {len(mine)}")
        if told:
            texts.append(
                f"Median seed's test RMSE below {format_value(level, 1)} in the steps given: {', '.join(told)}."
            )
    texts.append(
        "Step: median over the stretches between evaluations, the first left out. Runs came one after the other; "
        "docs/benchmark.md has times taken in turns. Lines join grids of one shape."
    )
    if machines:
        where = "" if here else "; in ratios only, since the runs were made on another machine"
        texts.append(
            "Other implementations: benchmark of one seed and one thread, their own parameters, "
            f"{' / '.join(machines)}{where}."
        )
    return texts
