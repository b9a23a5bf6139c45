"""The two-dimensional view of a record: the target as a map, and maps of the errors that each task leaves."""

__all__ = ["Surface", "draw_error_map", "draw_target_map", "error_norm"]

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import ArrayLike

from continual.figures.parts.cells import MISSING
from continual.figures.parts.scales import metric_scale
from continual.figures.parts.style import INK, Array
from continual.figures.parts.view import predictions_of
from continual.records.record import Record

NEEDED = ("surface_inputs", "surface_targets", "surface_regions", "predictions")


@dataclass(frozen=True)
class Surface:
    """The two-dimensional view of a record, first output feature, on a grid of n × n inputs."""

    extent: tuple[float, float, float, float]
    """Lowest and highest first input, lowest and highest second."""
    target: Array
    """(n, n), the second input along the first axis."""
    errors: Array
    """Median over the members of |prediction − target| after each task, (T, n, n); NaN where all had diverged."""
    regions: Array
    """Lowest and highest inputs of each task's training samples, of the first member, (T, 2, 2)."""
    notes: tuple[str, ...]
    """What a reader must know beside the legend."""

    @classmethod
    def of(cls, record: Record) -> "Surface | None":
        """The surface of a record, None where its inputs are not two-dimensional."""
        curves = record.curves
        if any(name not in curves for name in NEEDED):
            return None
        inputs = np.asarray(curves["surface_inputs"], dtype=np.float64)
        side = round(len(inputs) ** 0.5)
        targets = np.asarray(curves["surface_targets"], dtype=np.float64)
        errors = np.abs(predictions_of(record) - targets[:, 0])
        middle = np.full(errors.shape[1:], np.nan)
        some: Any = np.isfinite(errors).all(axis=2).any(axis=0)
        middle[some] = np.nanmedian(errors[:, some], axis=0)
        (left, bottom), (right, top) = inputs.min(axis=0), inputs.max(axis=0)
        outputs = targets.shape[1]
        return cls(
            (float(left), float(right), float(bottom), float(top)),
            targets[:, 0].reshape(side, side),
            middle.reshape(-1, side, side),
            np.asarray(curves["surface_regions"], dtype=np.float64),
            (f"output 1 of {outputs}",) if outputs > 1 else (),
        )


def draw_target_map(axes: Axes, surface: Surface) -> None:
    """The target, from light (low) to dark (high), with lines of equal value."""
    place: Any = {"extent": surface.extent, "origin": "lower"}
    axes.imshow(surface.target, cmap="Greys", alpha=0.7, interpolation="bilinear", aspect="auto", **place)
    axes.contour(surface.target, levels=6, **place, colors=INK, linewidths=0.4)


def draw_error_map(axes: Axes, surface: Surface, task: int, norm: LogNorm) -> None:
    """Where the errors are after a task, the part of the inputs framed from which its training samples came."""
    cmap = mpl.colormaps["viridis_r"].with_extremes(bad=MISSING)
    shown = np.ma.masked_invalid(np.maximum(surface.errors[task], norm.vmin or 0.0))
    axes.imshow(shown, extent=surface.extent, origin="lower", aspect="auto", cmap=cmap, norm=norm)
    (left, bottom), (right, top) = surface.regions[task]
    axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], color=INK, linewidth=1.0)
    axes.set(xlim=surface.extent[:2], ylim=surface.extent[2:])


def error_norm(values: ArrayLike) -> LogNorm:
    """One logarithmic colour scale for maps of errors; their lowest per cent, where an error crosses zero, is light."""
    errors = np.asarray(values, dtype=np.float64)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    if not len(errors):
        return LogNorm(1e-3, 1.0)
    scale = metric_scale("final_rmse", np.quantile(errors, [0.05, 1.0]))
    return LogNorm(scale.low, scale.high)
