"""How well learners follow a stream: errors before learning along it, a panel for each value of an axis of a sweep."""

__all__ = ["online"]

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from continual.figures.parts.axes import SweepAxis
from continual.figures.parts.panels import label_panel, panel_sheet, series_entry
from continual.figures.parts.style import looks, message, styled
from continual.metrics import summarize
from continual.records.record import Record

SIZE, GAPS = (2.6, 1.9), (0.4, 0.62)
NOTES = (
    "Mean loss of the steps of each stretch, each before it is learned: mean over seeds with its 95 % interval. A line "
    "that rises has lost plasticity. Seeds that diverged are left out from there on."
)


@styled
def online(records: Sequence[Record], panels: str = "panel", series: str = "series") -> Figure:
    """The probe `online` along training, a line for each value of `series`.

    Args:
        records: finished runs; those without the probe are left out.
        panels: name of the axis that has a panel for each value.
        series: name of the axis whose values are lines.
    """
    found = [record for record in records if "online/loss" in record.probes]
    if not found:
        return message("Nothing to draw: no run followed its stream; probe=online does.")
    axis, told = SweepAxis.of(panels, found), SweepAxis.of(series, found)
    names = {record.folder: (record.family, str(told.value(series, record) or record.name)) for record in found}
    styles = looks(names.values())
    entries = [series_entry(*style, name) for (_, name), style in styles.items()]
    values = axis.values or (None,)
    figure, sheet = panel_sheet(len(values), 3, SIZE, GAPS, entries, NOTES)
    highest = max(float(np.nanmax(record.probes["online/loss"].mean(axis=0))) for record in found)
    for axes, value in zip(sheet, values, strict=True):
        for record in (record for record in found if axis.value(panels, record) == value):
            summary = summarize(record.probes["online/loss"][:, 1:])
            steps = np.array(record.curves["boundaries"], dtype=np.float64)
            colour = styles[names[record.folder]].colour
            axes.plot(steps, summary.mean, color=colour)
            low, high = summary.mean - summary.half_width, summary.mean + summary.half_width
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        if value is not None:
            label_panel(axes, axis.label(value), SIZE[0])
        axes.set_xlabel("samples")
        axes.set_ylim(0.0, 1.1 * min(highest, 5.0))
    sheet[0].set_ylabel("mean loss before learning")
    return figure
