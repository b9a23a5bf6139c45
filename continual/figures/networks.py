"""Networks as they are after training, and before they were pruned: one row a run."""

__all__ = ["networks"]

import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from continual.figures.parts.style import message, styled
from continual.records.record import Record
from continual.reports.numbers import format_value

Rows = Sequence[Sequence[tuple[str, Mapping[str, Any], int]]]


def _shape(portrait: Mapping[str, Any], member: int) -> list[int]:
    """Inputs, hidden nodes that an edge reaches and leaves, outputs."""
    live = [np.asarray(portrait[f"edge_live_{index}"][member]) for index in range(_depth(portrait))]
    hidden = [int((a.any(axis=0) & b.any(axis=1)).sum()) for a, b in zip(live[:-1], live[1:], strict=True)]
    return [live[0].shape[0], *hidden, live[-1].shape[1]]


def _depth(portrait: Mapping[str, Any]) -> int:
    return sum(name.startswith("edge_live_") for name in portrait)


def _row(record: Record) -> list[tuple[str, Mapping[str, Any], int]]:
    """Title, portrait and member of a run's best seed, before its first change and at the end; nothing without."""
    after = record.portrait()
    if not after:
        return []
    final = record.metrics["final_rmse"]
    best = int(np.nanargmin(final)) if np.isfinite(final).any() else 0
    title = f"{_shape(after, best)}, test RMSE {format_value(float(final[best]), 2)} (seed {record.seeds[best]})"
    formulas = record.fields["model"].get("formulas")
    if formulas:
        title = f"{textwrap.shorten('; '.join(formulas[best]), 44, placeholder=' …')}\n{title}"
    before = record.portrait(0)
    if before:
        return [(f"{record.name}\n{_shape(before, best)}", before, best), (title, after, best)]
    return [(f"{record.name}\n{title}", after, best)]


@styled
def networks(
    records: Sequence[Record], draw: Callable[[Rows], Figure], only: Sequence[str] = (), across: int = 1
) -> Figure:
    """The network of the best seed of each run, before its first pruning and at the end.

    Args:
        records: finished runs; those that kept no picture of a network are left out.
        draw: draws rows of (title, portrait, member), such as `kan.pictures.draw_networks`.
        only: names of the runs to draw; all of them if empty.
        across: runs beside each other.

    Returns:
        For each run its network before and after, or one network where nothing was pruned.
    """
    cells = [_row(record) for record in records if not only or record.name in only]
    found = [row for row in cells if row]
    if not found:
        return message("Nothing to draw: no run kept the picture of a network.")
    return draw([list(chain(*found[start : start + across])) for start in range(0, len(found), across)])
