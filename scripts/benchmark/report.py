"""What a benchmark leaves behind: a CSV of all times, tables for reading, and a figure."""

__all__ = ["grid_figure", "machine", "tables", "write_csv"]

import csv
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from continual.figures.parts.style import GREY, PALETTES, SPARE, panel, sheet, styled, write
from continual.records.files import replace_file
from continual.records.versions import hardware
from scripts.benchmark.comparison import Row
from scripts.benchmark.peers import OWN
from scripts.benchmark.timing import ratio

_DENSE, _OURS, _MLP = "Cox–de Boor", "KAN", "MLP"


def machine(device: torch.device) -> str:
    """What a run says of the machine, and the versions, in one line."""
    name = hardware(device)
    if device.type == "cpu":
        name = f"{name}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{name}; torch {torch.__version__.partition('+')[0]}, Python {platform.python_version()}"


def write_csv(rows: Sequence[Row], device: str, path: Path) -> None:
    """One line a contender and comparison: median and quartiles in ms, and the ratio of KAN's time to its own."""
    header = ["hardware", "threads", "members", "layer_sizes", "grid_size", "batch", "stage", "contender"]
    header += ["parameters", "median_ms", "q1_ms", "q3_ms", "rounds", "kan_over_this", "ratio_q1", "ratio_q3"]

    def fill(target: Path) -> None:
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for row in rows:
                ours = find(rows, row, _OURS)
                quartiles = [f"{1e3 * q:.4f}" for q in np.quantile(row.seconds, [0.25, 0.75])]
                ratios = [f"{value:.4f}" for value in ratio(ours.seconds, row.seconds)] if ours else ["", "", ""]
                sizes = "-".join(map(str, row.case.layer_sizes))
                place = [device, row.threads, row.members, sizes, row.case.grid_size, row.case.batch, row.stage]
                times = [f"{row.milliseconds:.4f}", *quartiles, len(row.seconds)]
                writer.writerow([*place, row.contender, row.parameters, *times, *ratios])

    replace_file(path, fill)


def find(rows: Sequence[Row], like: Row, contender: str) -> Row | None:
    """The row of another contender in the same comparison."""

    def key(row: Row) -> tuple[object, ...]:
        return (row.case, row.stage, row.members, row.threads)

    return next((row for row in rows if key(row) == key(like) and row.contender == contender), None)


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    parts = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(part) + " |" for part in parts)


def _steps_of_one(rows: Sequence[Row], stage: str, threads: int) -> str:
    ours = [r for r in rows if (r.stage, r.threads, r.members, r.contender) == (stage, threads, 1, _OURS)]
    others = list(dict.fromkeys(r.contender for r in rows if r.members == 1 and r.contender not in (_OURS, _MLP)))
    lines = []
    for row in ours:
        mlp = find(rows, row, _MLP)
        cells = [str(row.case), str(row.parameters), f"{row.milliseconds:.3g}"]
        for name in others:
            other = find(rows, row, name)
            cells.append(str(ratio(other.seconds, row.seconds)) if other else "–")
        lines.append([*cells, str(ratio(row.seconds, mlp.seconds)) if mlp else "–"])
    header = ["case", "parameters", "KAN, ms", *(f"{name} ÷ KAN" for name in others), "KAN ÷ MLP"]
    return _markdown(header, lines)


def _steps_of_many(rows: Sequence[Row], threads: int) -> str:
    steps = [row for row in rows if (row.stage, row.threads) == ("step", threads)]
    many = sorted({row.members for row in steps} - {1})
    lines = []
    for case in dict.fromkeys(row.case for row in steps):
        for name in (_OURS, _MLP, OWN):
            times = {row.members: row for row in steps if row.case == case and row.contender == name}
            if 1 in times:
                base = times[1].milliseconds
                cells = [f"{times[m].milliseconds / base:.1f}" if m in times else "–" for m in many]
                lines.append([str(case), name, f"{base:.3g}", *cells])
    return _markdown(["case", "model", "1 member, ms", *(f"{m} members ÷ 1" for m in many)], lines)


def tables(rows: Sequence[Row], device: str) -> str:
    """All comparisons as Markdown: ratios of medians, with the quartiles of the rounds' ratios in brackets."""
    parts = [device, "Ratios are those of medians; in brackets the quartiles of the ratios of single rounds."]
    for threads in dict.fromkeys(row.threads for row in rows):
        noun = "thread" if threads == 1 else "threads"
        for stage in dict.fromkeys(row.stage for row in rows):
            parts += [f"{stage}, 1 member, {threads} {noun}", _steps_of_one(rows, stage, threads)]
        if any(row.members > 1 for row in rows):
            parts += [f"step, several members, {threads} {noun}", _steps_of_many(rows, threads)]
    return "\n\n".join(parts) + "\n"


@styled
def grid_figure(rows: Sequence[Row], device: str) -> Figure:
    """Time of a training step against grid size; bands between the quartiles of the rounds."""
    figure = sheet(4.6, 3.2)
    axes = panel(figure, 0.5, 0.42, 3.0, 2.3)
    colours = {
        _OURS: PALETTES["KAN"][0],
        "dense KAN": PALETTES["KAN"][2],
        _DENSE: SPARE[0][0],
        _MLP: PALETTES["MLP"][0],
    }
    spare = iter(SPARE[1])
    names = {_OURS: "KAN, local kernel", "dense KAN": "KAN, dense\nreference", _MLP: "MLP of equal\nparameters"}
    for name in dict.fromkeys(row.contender for row in rows):
        mine = sorted((row for row in rows if row.contender == name), key=lambda row: row.case.grid_size)
        x = [row.case.grid_size for row in mine]
        colour = colours.get(name) or next(spare, GREY)
        low, high = (1e3 * np.array([np.quantile(row.seconds, q) for row in mine]) for q in (0.25, 0.75))
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, [row.milliseconds for row in mine], "o-", color=colour, markersize=2.5)
        axes.annotate(
            names.get(name, name),
            (x[-1], mine[-1].milliseconds),
            xytext=(4, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({row.case.grid_size for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("grid intervals G")
    axes.set_ylabel("training step, ms")
    case = rows[0].case
    sizes = ",".join(map(str, case.layer_sizes))
    write(figure, 0.1, 0.08, f"KAN [{sizes}], k = 3, batch {case.batch}, one member, {rows[0].threads} thread(s)")
    write(figure, 0.1, 0.22, device, color=GREY, fontsize=5.5)
    return figure
