"""A model's predictions in a film: a line over one input, an image over two."""

__all__ = ["Image", "Line", "Panel"]

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from continual.figures.films.reel import Reel
from continual.figures.parts.style import GREY, INK, band
from continual.reports.numbers import format_value


class Panel(Protocol):
    """What shows a frame of one model."""

    @property
    def moving(self) -> list[Artist]:
        """The parts that change from frame to frame."""

    def show(self, index: int, task: int) -> None:
        """Becomes frame `index` of the model, which is trained on task `task`, counted from 0."""


def _target_limits(reels: Sequence[Reel], margin: float) -> tuple[float, float]:
    low = min(float(reel.target.min()) for reel in reels)
    high = max(float(reel.target.max()) for reel in reels)
    wide = margin * (high - low) or 1.0
    return low - wide, high + wide


class Line:
    """Median and band of the members over the one input, on the target.

    Args:
        axes: where.
        reels: of all models, which share their limits.
        reel: the one to show.
        colour: of the model.
    """

    def __init__(self, axes: Axes, reels: Sequence[Reel], reel: Reel, colour: str) -> None:
        self._reel, self._x = reel, reel.inputs[:, 0]
        self._limits = low, high = _target_limits(reels, 0.4)
        self._low, self._middle, self._high = band(reel.predictions)
        reach = high - low
        self._ends = low - reach, high + reach
        axes.set(xlim=(self._x[0], self._x[-1]), ylim=self._limits)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))
        axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(labelbottom=False)
        self._now = axes.axvspan(0, 0, color=GREY, alpha=0.22, linewidth=0)
        axes.plot(self._x, reel.target, color=GREY, linewidth=0.8)
        self._band = axes.fill_between(self._x, reel.target, reel.target, color=colour, alpha=0.28, linewidth=0)
        (self._line,) = axes.plot([], [], color=colour, linewidth=1.2, gid="median")
        self._beyond = [
            axes.text(0.015, place, "", transform=axes.transAxes, va=side, fontsize=6.5, color=INK, zorder=9)
            for place, side in ((0.97, "top"), (0.03, "bottom"))
        ]

    @property
    def moving(self) -> list[Artist]:
        """See `Panel`."""
        return [self._now, self._band, self._line, *self._beyond]

    def show(self, index: int, task: int) -> None:
        """See `Panel`."""
        middle = self._middle[index]
        (left,), (right,) = self._reel.regions[task]
        self._now.set(x=left, width=right - left)
        self._band.set_data(self._x, self._low[index].clip(*self._ends), self._high[index].clip(*self._ends))
        self._line.set_data(self._x, middle.clip(*self._ends))
        low, high = self._limits
        gone = np.isnan(middle).all()
        top, bottom = (float(middle.max()), float(middle.min())) if not gone else (low, high)
        said = "all seeds diverged" if gone else f"▲ {format_value(top, 2)}" if top > high else ""
        self._beyond[0].set_text(said)
        self._beyond[1].set_text(f"▼ {format_value(bottom, 2)}" if bottom < low and not gone else "")


class Image:
    """The median of the members as an image over the two inputs.

    Args:
        axes: where.
        reels: of all models, which share their colours.
        reel: the one to show.
        colour: of the model, in which the task's region is framed.
    """

    def __init__(self, axes: Axes, reels: Sequence[Reel], reel: Reel, colour: str) -> None:
        self._reel, side = reel, round(len(reel.inputs) ** 0.5)
        middle = np.median(reel.predictions, axis=0)
        self._images = middle.reshape(-1, side, side)
        (left, bottom), (right, top) = reel.inputs.min(axis=0), reel.inputs.max(axis=0)
        low, high = _target_limits(reels, 0.0)
        self._image = axes.imshow(
            self._images[0],
            extent=(left, right, bottom, top),
            origin="lower",
            aspect="auto",
            cmap="viridis",
            vmin=low,
            vmax=high,
            gid="image",
        )
        levels = np.linspace(low, high, 6)[1:-1]
        target = reel.target.reshape(side, side)
        extent = (left, right, bottom, top)
        self._lines = axes.contour(target, levels=levels, extent=extent, colors="white", linewidths=0.5)
        self._frame = Rectangle((0, 0), 0, 0, fill=False, edgecolor=colour, linewidth=1.6)
        axes.add_patch(self._frame)
        axes.set(xticks=[], yticks=[])

    @property
    def moving(self) -> list[Artist]:
        """See `Panel`."""
        return [self._image, self._lines, self._frame]

    def show(self, index: int, task: int) -> None:
        """See `Panel`."""
        (left, bottom), (right, top) = self._reel.regions[task]
        self._image.set_data(self._images[index])
        self._frame.set_bounds(left, bottom, right - left, top - bottom)
