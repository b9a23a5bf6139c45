"""Figures on the disk: PNG for pages, PDF for papers, the same bytes for the same figure."""

__all__ = ["save"]

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from continual.figures.parts.style import RC
from continual.records.files import replace_file

DPI = 150


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes NAME.png and NAME.pdf, each in one rename, without dates in them.

    Args:
        figure: what to write.
        folder: where; made if it is not there.
        name: file name without its ending.

    Returns:
        The two paths, PNG first.
    """
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    with mpl.rc_context(RC):
        replace_file(png, lambda path: figure.savefig(path, dpi=DPI, metadata={"Software": None}))
        replace_file(pdf, lambda path: figure.savefig(path, metadata={"CreationDate": None}))
    return [png, pdf]
