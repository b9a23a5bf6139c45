"""The functions on the edges of small networks while they learn: one network a run, its best seed."""

__all__ = ["networks"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from continual.figures.films.files import Film, Frame
from continual.figures.films.predictions import END, PAUSE, STEP
from continual.figures.films.reel import clock
from continual.figures.films.scene import DPI
from continual.records.record import Record

Rows = Sequence[Sequence[tuple[str, Mapping[str, Any], int]]]


def networks(records: Sequence[Record], draw: Callable[[Rows], Figure], across: int = 3) -> Film | None:
    """A film of the functions on the edges of the best seed of each run.

    Args:
        records: finished runs; those whose edges were not filmed (`probe.film.edges=true`) are left out.
        draw: draws rows of (title, portrait, member), such as `kan.pictures.draw_networks`.
        across: runs beside each other.

    Returns:
        The film; None where no run's edges were filmed.
    """
    found = [(record, kept) for record in records if (kept := _portraits(record))]
    if not found:
        return None
    clocks = [clock(record.probes["film/step"], int(record.curves["boundaries"][0])) for record, _ in found]
    times = np.unique(np.concatenate(clocks).round(9))
    shown = [STEP if time % 1.0 else PAUSE for time in times.tolist()]

    def frames() -> Iterator[Frame]:
        for time in times:
            cells = []
            for (record, kept), clocked in zip(found, clocks, strict=True):
                index = int(np.searchsorted(clocked, time + 1e-9, side="right")) - 1
                final = record.metrics["final_rmse"]
                best = int(np.nanargmin(final)) if np.isfinite(final).any() else 0
                step = int(record.probes["film/step"][index])
                cells.append((f"{record.name}, seed {record.seeds[best]}\nstep {step}", kept[index], best))
            yield _pixels(draw([cells[start : start + across] for start in range(0, len(cells), across)]))

    return Film(frames, [*shown[:-1], END])


def _portraits(record: Record) -> list[dict[str, Any]]:
    """The edges at each frame, in order."""
    kept: dict[int, dict[str, Any]] = {}
    for name, values in record.probes.items():
        probe, _, rest = name.partition("/")
        index, _, key = rest.partition("/")
        if probe == "film" and index.isdigit() and key:
            kept.setdefault(int(index), {})[key] = values
    return [kept[index] for index in sorted(kept)]


def _pixels(figure: Figure) -> Frame:
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
