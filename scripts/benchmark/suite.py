"""All that one call of the benchmark measures, in order, written down as it goes."""

__all__ = ["run"]

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

import torch

from continual.figures import save
from continual.models import parameter_counts
from continual.records.files import replace_file
from scripts.benchmark.cases import Case, networks
from scripts.benchmark.comparison import Row, compare, five_peaks
from scripts.benchmark.memory import check_memory, least_memory, peak_memory
from scripts.benchmark.peers import Peer
from scripts.benchmark.report import grid_figure, machine, tables, write_csv
from scripts.benchmark.strategies import strategies_table
from scripts.benchmark.timing import STAGES

_FIGURE = Case((4, 32, 32, 1), 5, 1024)


def run(options: Namespace, cases: Sequence[Case], memory: Sequence[Case]) -> None:
    """Measures, prints and writes everything that the options ask for.

    Raises:
        PeerError: a peer that cannot run; before anything is measured, where that can be known.
        ValueError: a case that does not fit into memory.
        OSError: an output folder that cannot be made.
    """
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    for text in options.peer:
        with Peer(text, 1) as peer:
            peer.ask(build=[[1, 1], 3, 1, "forward"])
    cases = [replace(case, batch=options.batch or case.batch) for case in dict.fromkeys(cases)]
    check_memory([*cases, *memory], max(options.members), dtype)
    options.output.mkdir(parents=True, exist_ok=True)  # rather now than after all that work
    device_name = machine(device)
    print(device_name)
    if options.strategy:
        text = "".join(strategies_table(options.strategy, cases, m, dtype, device) for m in options.members)
        replace_file(options.output / "strategies.md", lambda path: path.write_text(text, encoding="utf-8"))
        print(options.output / "strategies.md")
        return
    settings = {"dtype": dtype, "device": device}
    if options.quick:
        settings |= {"rounds": 5, "span": 0.005}
    rows: list[Row] = []
    for threads in options.threads:
        for case in cases:
            for members in options.members:
                for stage in STAGES if members == 1 and not options.quick else STAGES[-1:]:
                    found = compare(case, stage, members, threads, peers=options.peer, **settings)
                    rows += found
                    times = ", ".join(f"{row.contender} {row.milliseconds:.3g}" for row in found)
                    print(f"{case}, members {members}, threads {threads}, {stage}, ms: {times}", flush=True)
    text = tables(rows, device_name)
    if memory:
        text += _memory_table(memory, dtype, device)
    if options.peaks and not options.quick and device.type == "cpu":
        text += _peaks_table(options.peer, options.peaks)
    replace_file(options.output / "table.md", lambda path: path.write_text(text, encoding="utf-8"))
    write_csv(rows, device_name, options.output / "table.csv")
    print(f"\n{text}\n{options.output / 'table.md'}\n{options.output / 'table.csv'}")
    if options.grids:
        base = replace(_FIGURE, batch=options.batch or _FIGURE.batch)
        points = [replace(base, grid_size=grid) for grid in options.grids]
        drawn = [row for case in points for row in compare(case, "step", 1, options.threads[0], **settings)]
        print(save(grid_figure(drawn, device_name), options.output, "figure")[0])


def _memory_table(cases: Sequence[Case], dtype: torch.dtype, device: torch.device) -> str:
    lines = ["\npeak memory of forward and backward, 1 member\n"]
    lines += ["| case | network | MB | ÷ (parameters + activations) |", "| --- | --- | --- | --- |"]
    for case in cases:
        for name, build in networks(case, 1, dtype, torch.device("cpu")).items():
            parameters = parameter_counts(build())["trainable"]
            peak, least = peak_memory(case, name, dtype, device), least_memory(case, parameters, dtype)
            cells = ("–", "–") if peak is None else (f"{peak / 1e6:.0f}", f"{peak / least:.2f}")
            lines.append(f"| {case} | {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def _peaks_table(peers: Sequence[str], steps: int) -> str:
    lines = [f"\nfive Gaussian peaks, KAN [1,1], G = 200, L-BFGS, {steps} steps a task, 1 thread\n"]
    lines += ["| contender | seconds | final RMSE |", "| --- | --- | --- |"]
    lines += [f"| {name} | {seconds:.3g} | {final:.2e} |" for name, seconds, final in five_peaks(peers, steps=steps)]
    return "\n".join(lines) + "\n"
