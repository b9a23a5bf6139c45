"""Networks as they are after training, and before they were pruned: one row a run."""

__all__ = ["networks"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from continual.figures.style import message, styled
from continual.records import Record
from continual.tables import format_value

Rows = Sequence[Sequence[tuple[str, Mapping[str, Any], int]]]


def _shape(portrait: Mapping[str, Any], member: int) -> list[int]:
    """Inputs, hidden nodes that an edge reaches and leaves, outputs."""
    live = [np.asarray(portrait[f"edge_live_{index}"][member]) for index in range(_depth(portrait))]
    hidden = [int((a.any(axis=0) & b.any(axis=1)).sum()) for a, b in zip(live[:-1], live[1:], strict=True)]
    return [live[0].shape[0], *hidden, live[-1].shape[1]]


def _depth(portrait: Mapping[str, Any]) -> int:
    return sum(name.startswith("edge_live_") for name in portrait)


@styled
def networks(records: Sequence[Record], draw: Callable[[Rows], Figure]) -> Figure:
    """The network of the best seed of each run, before its first pruning and at the end.

    Args:
        records: finished runs; those that kept no picture of a network are left out.
        draw: draws rows of (title, portrait, member), such as `kan.pictures.draw_networks`.

    Returns:
        One row a run: before and after, or one network where nothing was pruned.
    """
    rows = []
    for record in records:
        after = record.portrait()
        if not after:
            continue
        final = record.metrics["final_rmse"]
        best = int(np.nanargmin(final)) if np.isfinite(final).any() else 0
        row = []
        before = record.portrait(0)
        if before:
            row.append((f"{record.name}: {_shape(before, best)}", before, best))
        rmse = format_value(float(final[best]), 2)
        title = f"{_shape(after, best)}, test RMSE {rmse} (seed {record.seeds[best]})"
        row.append((title if before else f"{record.name}: {title}", after, best))
        rows.append(row)
    return draw(rows) if rows else message("Nothing to draw: no run kept the picture of a network.")
