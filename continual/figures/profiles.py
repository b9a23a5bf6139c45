"""Performance profiles: the share of runs and curricula on which each model gets below an error, for every error."""

__all__ = ["performance_profiles"]

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from continual.figures.parts.panels import panel_sheet, series_entry
from continual.figures.parts.scales import Scale, metric_scale
from continual.figures.parts.style import GREY, looks, message, styled
from continual.metrics import find_metric
from continual.metrics.statistics import performance_profile, profile_band
from continual.records.record import Record
from continual.reports.comparisons import crossed
from continual.reports.numbers import undefined_notes

SIZE = (4.4, 2.3)
LEVELS = 401


@styled
def performance_profiles(
    records: Sequence[Record], metric: str = "final_rmse", what: str = "name", over: Sequence[str] = ()
) -> Figure:
    """The profile of each model over all seeds and curricula, with its 95 % band.

    rliable's score distributions: where one line is above another everywhere, the model is better whatever is asked
    for. Of an error the share below each threshold, of what is better the higher the share above it.

    Args:
        records: finished runs.
        metric: a name of `METRICS`.
        what: what is compared: an axis of the sweep, or `name`.
        over: axes whose values together are a curriculum; none: runs of one.

    Raises:
        ValueError: a metric that does not exist.
    """
    chosen = find_metric(metric)
    if not records:
        return message("Nothing to draw: there are no runs.")
    try:
        table = crossed(records, what, over)
    except ValueError as error:
        return message(f"Nothing to draw: {error}.")
    if not table.whole or not table.shared_seeds():
        return message("Nothing to draw: no curriculum has a run of all that is compared, on a seed that all have.")
    scores = {name: table.scores(name, metric) for name in table.names}
    every = np.concatenate([each.ravel() for each in scores.values()])
    if not np.isfinite(every).any():
        return message(f"Nothing to draw: {chosen.title} is undefined in all runs.")
    scale = metric_scale(metric, every)
    levels = _levels(scale, every[np.isfinite(every)])
    families = {name: record.family for (_, name), record in reversed(list(table.runs.items()))}
    look = looks([(families[name], name) for name in table.names])
    n, T = next(iter(scores.values())).shape
    kept = [table.runs[place, name] for place in table.whole for name in table.names]
    of = f"{n} seed{'s' if n != 1 else ''} on {T} curricul{'a' if T != 1 else 'um'}"
    side = "above" if chosen.higher else "below"
    notes = (
        f"Share of {of} ({n * T} runs a line) with a {chosen.title} {side} what stands on the axis; bands: 95 % "
        "interval, percentiles of the bootstrap stratified by curriculum. What is undefined is beyond nothing. "
    )
    if out := len(table.places) - len(table.whole):
        notes += f"{out} of {len(table.places)} curricula lack a run of some, and are left out. "
    entries = [series_entry(*look[families[name], name], name, markevery=[0]) for name in table.names]
    figure, (axes,) = panel_sheet(1, 1, SIZE, (0.2, 0.4), entries, notes + " ".join(undefined_notes(kept, [metric])))
    scale.apply(axes.xaxis)
    for i, name in enumerate(table.names):
        style = look[families[name], name]
        shares = performance_profile(scores[name], levels, chosen.higher)
        low, high = profile_band(scores[name], levels, chosen.higher)
        if np.isfinite(low).all():
            axes.fill_between(levels, low, high, color=style.colour, alpha=0.15, linewidth=0, step=None)
        (line,) = axes.plot(levels, shares, color=style.colour, marker=style.marker, markersize=3.5, gid=name)
        line.set_markevery((10 + 17 * i % 60, 60))
    axes.set(ylim=(-0.03, 1.03), xlabel=scale.label)
    axes.axhline(0.5, color=GREY, linewidth=0.5, linestyle=":", zorder=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("share of runs")
    return figure


def _levels(scale: Scale, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds evenly along the axis, from just before the first value to just after the last."""
    low, high = float(found.min()), float(found.max())
    if scale.kind == "log" and low > 0:
        return np.geomspace(low * 0.97, high * 1.03, LEVELS)
    margin = 0.02 * (high - low) or 0.02 * max(abs(high), 1e-12)
    even = np.linspace(low - margin, high + margin, LEVELS)
    return even if scale.kind == "linear" else np.unique(np.concatenate([even, found, np.nextafter(found, np.inf)]))
