"""Metrics of models side by side: every member as a dot, the mean with its 95 % interval, the median as a tick."""

__all__ = ["LEGEND", "draw_intervals", "undefined"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from continual.figures.parts.scales import Scale, metric_scale
from continual.figures.parts.style import FAINT, GREY, INK, ModelStyle
from continual.metrics import summarize

LEGEND = "Large marker and bar: mean and 95 % interval over seeds (Student's t); tick: median; dots: the seeds."


def draw_intervals(
    axes: Axes,
    metric: str,
    values: Sequence[ArrayLike],
    styles: Sequence[ModelStyle],
    places: Sequence[float] | None = None,
    scale: Scale | None = None,
) -> Scale:
    """Draws one metric of several models from left to right, a line each, the first on top.

    Args:
        axes: where.
        metric: a name of `METRICS`; decides the scale.
        values: one (M,) array a model; NaN, undefined, is counted in the margin and shown as "–" where it is all.
        styles: one a model.
        places: heights of the lines, 0, 1, 2 … by default; the axis points downward.
        scale: of the values; by default the one that fits all of them.

    Returns:
        The scale.
    """
    arrays = [np.asarray(each, dtype=np.float64) for each in values]
    summaries = [summarize(array) for array in arrays]
    places = range(len(arrays)) if places is None else places
    tops = [float(s.mean) + float(np.nan_to_num(s.half_width)) for s in summaries]
    if scale is None:
        everything = np.concatenate([*arrays, np.array(tops)])
        typical = [summarize(np.abs(array)).median for array in arrays]
        scale = metric_scale(metric, everything, typical)
    axes.set_ylim(max(places, default=0) + 0.6, min(places, default=0) - 0.6)
    scale.apply(axes.xaxis)
    left, right = axes.get_xlim()
    if scale.kind != "log":
        axes.axvline(0.0, color=GREY, linewidth=0.6, zorder=0)
    for place, array, summary, style in zip(places, arrays, summaries, styles, strict=True):
        axes.axhline(place, color=FAINT, linewidth=0.6, zorder=0)
        if not summary.defined:
            undefined(axes, place)
            continue
        spread = np.linspace(-0.24, 0.24, len(array)) if len(array) > 1 else np.zeros(1)
        axes.plot(
            array,
            place + spread,
            ".",
            color=style.colour,
            markersize=3.5,
            markeredgewidth=0,
            alpha=0.55,
            gid="members",
        )
        half = float(summary.half_width)
        if np.isfinite(half):
            # on a logarithmic axis an interval that reaches zero is drawn to the edge
            ends = np.clip([summary.mean - half, summary.mean + half], left, right)
            axes.plot(ends, [place, place], color=style.colour, linewidth=1.6, solid_capstyle="butt", gid="interval")
        axes.plot([float(summary.median)], [place], "|", color=INK, markersize=8, markeredgewidth=1.0, gid="median")
        axes.plot(
            [float(summary.mean)],
            [place],
            style.marker,
            color=style.colour,
            markersize=5.0,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=3,
            gid="mean",
        )
        if summary.defined < summary.members:
            share = f"{summary.defined}/{summary.members}"
            axes.annotate(share, (1.0, place), xytext=(2, 0), **_BESIDE)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(scale.label)
    return scale


def undefined(axes: Axes, place: float) -> None:
    """A dash in the right margin, where a line has no value at all."""
    axes.annotate("–", (1.0, place), xytext=(2, 0), **_BESIDE)


_BESIDE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
    "va": "center",
    "ha": "left",
    "fontsize": 6.5,
    "color": INK,
}
