"""Films on the disk: GIF by Pillow, MP4 where ffmpeg is there, at most so many bytes."""

__all__ = ["MOST", "Film", "save_film"]

import io
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from continual.records.files import replace_file

MOST = 5_000_000
"""Bytes of a film. One that is larger is written again in half the size."""

COLOURS = 64
"""Of a GIF, the same for all its frames, so that what stands still costs nothing."""

_RATE = 20  # pictures a second of an MP4

Frame = NDArray[np.uint8]
"""(height, width, 3)."""


@dataclass(frozen=True)
class Film:
    """Frames one after the other, drawn when they are asked for.

    Args:
        draw: makes an iterator over the frames, all of one size.
        milliseconds: how long each of them is shown.
    """

    draw: Callable[[], Iterable[Frame]]
    milliseconds: Sequence[int]


def save_film(film: Film, folder: Path, name: str) -> list[Path]:
    """Writes NAME.gif, and NAME.mp4 where ffmpeg is on the path.

    Args:
        film: what to write.
        folder: where; made if it is not there.
        name: file name without its ending.

    Returns:
        The paths, GIF first.
    """
    images = [Image.fromarray(frame) for frame in film.draw()]
    gif, mp4 = folder / f"{name}.gif", folder / f"{name}.mp4"
    content = _gif(images, film.milliseconds)
    while len(content) > MOST:
        images = [image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS) for image in images]
        content = _gif(images, film.milliseconds)
    replace_file(gif, content)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        mp4.unlink(missing_ok=True)  # of an earlier film
        return [gif]
    replace_file(mp4, lambda path: _write_mp4(ffmpeg, gif, path))
    return [gif, mp4]


def _gif(images: Sequence[Image.Image], milliseconds: Sequence[int]) -> bytes:
    # colours of the first, the middle and the last frame do for all of them
    some = [images[place] for place in (0, len(images) // 2, -1)]
    sample = Image.new("RGB", (some[0].width, sum(image.height for image in some)))
    for row, image in enumerate(some):
        sample.paste(image, (0, row * image.height))
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) > 240] = 255  # paper stays white
    drawn = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    for image in drawn:
        image.putpalette(colours.ravel().tolist())
    first, *others = drawn
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=list(milliseconds), loop=0, optimize=False)
    return content.getvalue()


def _write_mp4(ffmpeg: str, gif: Path, path: Path) -> None:
    """H.264 in the colours that every player knows, for which sides must be even."""
    shape = f"fps={_RATE},crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0"
    wanted = ["-vf", shape, "-c:v", "libx264", "-preset", "fast", "-crf", "24", "-pix_fmt", "yuv420p"]
    same = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"]
    command = [ffmpeg, "-y", "-loglevel", "error", "-i", str(gif), *wanted, *same, str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
