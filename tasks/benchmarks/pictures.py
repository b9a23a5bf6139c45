"""Pictures of digits with their labels: those that come with scikit-learn, and MNIST from files that a user has."""

__all__ = ["SOURCES", "Source", "check_scikit_learn", "read_pictures"]

import gzip
import importlib.util
import struct
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Source = Literal["digits", "mnist"]
SOURCES = get_args(Source)

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_PARTS = {"train": "train", "test": "t10k"}
_KINDS = {3: "images-idx3-ubyte", 1: "labels-idx1-ubyte"}  # by their axes


def read_pictures(source: Source, folder: str, part: Literal["train", "test"]) -> tuple[Array, Labels]:
    """Pictures (N, rows, columns), from 0 to 1, and labels (N,) from 0 to 9.

    Args:
        source: "digits", 1797 of 8 × 8 pixels (https://archive.ics.uci.edu/dataset/80) by scikit-learn's
            `load_digits`, which has one part only; or "mnist", of 28 × 28 pixels.
        folder: where the four files of MNIST are, `train-images-idx3-ubyte` and so on, as they are or with .gz.
        part: which half of MNIST.

    Raises:
        ValueError: scikit-learn is missing, or a file is, or holds something else.
    """
    if source == "digits":
        check_scikit_learn("curriculum.source=digits")
        from sklearn.datasets import load_digits  # optional, and slow to import

        found = load_digits()
        return found.images / 16.0, found.target.astype(np.int64)
    pictures = _read_idx(_find(folder, part, 3), 3)
    labels = _read_idx(_find(folder, part, 1), 1)
    if len(pictures) != len(labels):
        raise ValueError(f"{folder} holds {len(pictures)} pictures and {len(labels)} labels of {_PARTS[part]}")
    return pictures / 255.0, labels.astype(np.int64)


def check_scikit_learn(wanted: str) -> None:
    """Checks that scikit-learn is there for what is wanted.

    Raises:
        ValueError: it is not, with what to do about it.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ValueError(f"{wanted} needs scikit-learn: pip install 'kan-continual[digits]'")


def _find(folder: str, part: Literal["train", "test"], axes: int) -> Path:
    """A file of MNIST.

    Raises:
        ValueError: it is not there, with what to do about it.
    """
    name = f"{_PARTS[part]}-{_KINDS[axes]}"
    for suffix in ("", ".gz"):
        path = Path(folder) / f"{name}{suffix}"
        if path.is_file():
            return path
    raise ValueError(
        f"there is no {name} or {name}.gz in curriculum.folder={folder}: MNIST is never downloaded here; get its four "
        "files, from http://yann.lecun.com/exdb/mnist or a copy of it, and put them there"
    )


def _read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The bytes of a file in the IDX format: two zeros, the type 8, the axes, their sizes, and then the values.

    Raises:
        ValueError: it is no such file, or not whole.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} can't be read: {' '.join(str(error).split())}") from None
    head = 4 + 4 * axes
    if data[:4] != bytes((0, 0, 8, axes)) or len(data) < head:
        raise ValueError(f"{path} is no IDX file of bytes with {axes} axes")
    shape = struct.unpack(f">{axes}I", data[4:head])
    if len(data) - head != int(np.prod(shape)):
        raise ValueError(f"{path} should hold {shape} bytes and holds {len(data) - head}: it is not whole")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
