"""What probes say layer by layer: how far tasks share bases, and what moves while a task is learned."""

__all__ = ["drift_by_layer", "support_by_layer"]

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from continual.figures.parts.panels import label_panel, panel_sheet, series_entry
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import Array, ModelStyle, message, model_styles, styled
from continual.metrics import summarize
from continual.records.record import Record

MOST = 24
SIZE, GAPS = (2.9, 2.1), (0.66, 0.7)
BARS = "Markers: means over seeds; bars: 95 % intervals. "


@styled
def support_by_layer(records: Sequence[Record], kind: str = "weighted") -> Figure:
    """How far tasks use the same bases in each layer, of the untrained model and after the last task, a line a run.

    Args:
        records: finished runs; those without the probe `support`, or without bases, are left out, and all beyond the
            first 24.
        kind: "weighted" (by how often a basis is alive), "alive" or "shared", see `continual.probes.Support`.

    Raises:
        ValueError: another kind.
    """
    kinds = {
        "weighted": "weighted by how often a basis is alive",
        "alive": "pairs alive on both ÷ on either",
        "shared": "pairs alive on both ÷ all pairs",
    }
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {kind!r}")
    key = f"support/{kind}"
    found = [(record, _between(record.probes[key])) for record in _with(records, key)]
    found = [(record, values) for record, values in found if np.isfinite(values).any()]
    if not found:
        return message("Nothing to draw: no run has bases whose support was measured; probe=support measures it.")
    panels = {
        "untrained": [(record, values[:, 0]) for record, values in found],
        "after the last task": [(record, values[:, -1]) for record, values in found],
    }
    notes = f"Overlap of two tasks in the bases of each layer, mean over pairs of tasks: {kinds[kind]}. " + BARS

    def finish(axes: Axes, title: str, drawn: Array) -> None:
        axes.set_ylim(-0.03, 1.03)
        axes.set_ylabel("support overlap of tasks, 0–1", labelpad=2)

    return _by_layer(records, panels, notes, finish)


@styled
def drift_by_layer(records: Sequence[Record]) -> Figure:
    """What moves in each layer while a later task is learned: parameters, and activations on earlier tasks' inputs.

    Args:
        records: finished runs; those without the probe `drift` are left out, and all beyond the first 24.
    """
    found = _with(records, "drift/moved")
    if not found:
        return message("Nothing to draw: no run has drift by layer; probe=drift measures it.")
    panels = {
        "share of parameters moved": [(r, _later(r.probes["drift/moved"])) for r in found],
        "movement of parameters ÷ their norm": [(r, _later(r.probes["drift/norm"])) for r in found],
        "movement of activations": [(r, _earlier(r.probes["drift/activations"])) for r in found],
    }
    notes = (
        "While a task after the first is learned, mean over these tasks. Activations: what leaves a layer on the "
        "inputs of the tasks learned before, root mean square ÷ its spread before; of a model that tells of none only "
        "the output's, at the last layer. " + BARS
    )

    def finish(axes: Axes, title: str, drawn: Array) -> None:
        if title.startswith("share"):
            axes.set_ylim(-0.03, 1.03)
        else:
            metric_scale("forgetting", drawn).apply(axes.yaxis)
            axes.set_ylabel("relative, 0 = nothing moved", labelpad=2)

    return _by_layer(records, panels, notes, finish)


def _with(records: Sequence[Record], key: str) -> list[Record]:
    return [record for record in records if key in record.probes]


def _mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """The mean over what is defined, NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=axis)
    total = np.where(present, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _between(values: Array) -> Array:
    """Mean over pairs of different tasks of (M, T+1, L, T, T): (M, T+1, L)."""
    apart = ~np.eye(values.shape[-1], dtype=bool)
    return _mean(values[..., apart], -1)


def _later(values: Array) -> Array:
    """Mean over the boundaries after the second task and later of (M, T+1, L), (M, L); of a single task its own."""
    return _mean(values[:, 2:] if values.shape[1] > 2 else values[:, 1:], 1)


def _earlier(values: Array) -> Array:
    """Mean over boundaries and the tasks learned before them of (M, T+1, L, T), (M, L)."""
    boundaries, tasks = values.shape[1], values.shape[3]
    before = np.arange(tasks) < np.arange(boundaries)[:, None] - 1  # (T+1, T)
    return _mean(np.where(before[:, None], values, np.nan), (1, 3))


def _by_layer(
    records: Sequence[Record],
    panels: Mapping[str, Sequence[tuple[Record, Array]]],
    notes: str,
    finish: Callable[[Axes, str, Array], None],
) -> Figure:
    """A panel each: values (M, L) of the same runs against the layer, the last layers of a run below each other."""
    styles = model_styles(records)
    runs = [record for record, _ in next(iter(panels.values()))]
    if len(runs) > MOST:
        notes += f"The first {MOST} of {len(runs)} runs are drawn."
    depths = [max(values[place][1].shape[1] for values in panels.values()) for place in range(len(runs))]
    entries = [series_entry(*styles[record.name], record.name) for record in runs[:MOST]]
    figure, found = panel_sheet(len(panels), 3, SIZE, GAPS, entries, notes)
    for axes, (title, values) in zip(found, panels.items(), strict=True):
        drawn = []
        for place, ((record, each), depth) in enumerate(zip(values[:MOST], depths, strict=False)):
            summary = summarize(each)
            aside = 0.3 * ((place + 0.5) / min(len(runs), MOST) - 0.5)
            x = np.arange(depth - len(summary.mean) + 1, depth + 1) + aside
            _line(axes, x, summary.mean, summary.half_width, styles[record.name])
            drawn.append(summary.mean)
        label_panel(axes, title, SIZE[0])
        layers = max(depths[:MOST])
        axes.set_xlim(0.6, layers + 0.4)
        axes.set_xticks(range(1, layers + 1))
        axes.set_xlabel("layer", labelpad=1)
        finish(axes, title, np.concatenate(drawn))
    return figure


def _line(axes: Axes, x: Array, mean: Array, half: Array, style: ModelStyle) -> None:
    axes.errorbar(
        x, mean, yerr=np.nan_to_num(half), color=style.colour, marker=style.marker, markersize=3.5, linewidth=0.8,
        elinewidth=0.8, gid="model",
    )  # fmt: skip
