"""The figures of probes that records have the data for, drawn without being asked for."""

__all__ = ["probe_figures"]

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from continual.figures.budgets import forgetting_budgets
from continual.figures.interference import interference_matrices
from continual.figures.layers import drift_by_layer, support_by_layer
from continual.figures.probes import response_profiles
from continual.records.record import Record
from continual.reports.budgets import FILE

FIGURES: dict[str, tuple[str, Callable[[Sequence[Record]], Figure]]] = {
    "responses": ("response/profile", response_profiles),
    "interference": ("interference/overlap", interference_matrices),
    "support": ("support/weighted", support_by_layer),
    "drift": ("drift/moved", drift_by_layer),
}
"""By name what a run must have measured, and what draws it."""


def probe_figures(records: Sequence[Record]) -> dict[str, Callable[[Sequence[Record]], Figure]]:
    """By name what draws the probes that at least one of the runs has, and forgetting budgets where there are some."""
    found = {name: draw for name, (key, draw) in FIGURES.items() if any(key in record.probes for record in records)}
    budgets = any((record.folder / FILE).is_file() for record in records)
    return {**found, **({"budget": forgetting_budgets} if budgets else {})}
