"""Frames of a figure of which only some parts move: the rest is drawn once."""

__all__ = ["Scene"]

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from continual.figures.films.files import Frame

DPI = 100


class Scene:
    """A figure whose moving parts are drawn over a picture of all the others: twenty times as fast as all anew.

    Args:
        figure: everything, the moving parts included.
        moving: parts of it that change from frame to frame.
    """

    def __init__(self, figure: Figure, moving: list[Artist]) -> None:
        figure.set_dpi(DPI)
        self._canvas, self._figure, self._moving = FigureCanvasAgg(figure), figure, moving
        for artist in moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def frame(self) -> Frame:
        """The figure as its moving parts are now."""
        self._canvas.restore_region(self._still)
        for artist in self._moving:
            self._figure.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()
