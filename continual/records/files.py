"""Files that are whole or not there: how everything a run leaves behind is written, checked and read."""

__all__ = ["UnusableFileError", "digest", "load_checked", "partials", "remove_partials", "replace_file", "save_checked"]

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

_PARTIAL = ".partial"


class UnusableFileError(ValueError):
    """A file that is damaged, incomplete or of another kind; the message names it, in one line."""


def replace_file(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Writes a file so that at any moment, a power cut included, either the old or the whole new content is there.

    Args:
        path: the file; its folder is made if it is missing.
        content: the new content, or what writes it to the path that it is given, a neighbour of `path` that no other
            process writes to.

    Raises:
        OSError: the disk is full, the folder can't be written to, and the like; the old content is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{os.urandom(4).hex()}{_PARTIAL}{path.suffix}")
    try:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            content(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # by the name that the user knows; a full disk says none at all
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system can open folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def partials(folder: Path) -> Iterator[Path]:
    """What processes that were killed in the middle of `replace_file` have left in a folder, or are writing now."""
    return folder.glob(f".*{_PARTIAL}*")


def remove_partials(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left in a folder; its owner calls it, nobody else."""
    for partial in partials(folder):
        with suppress(OSError):
            partial.unlink()


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_checked(path: Path, state: Mapping[str, Any]) -> None:
    """Writes nested containers of tensors and plain values with a checksum over all of it.

    `torch.load` does not check the sums inside its own archives: of single flipped bits it takes most for good. The
    file is itself one of torch's, with the archive as a tensor of bytes.
    """
    inner = io.BytesIO()
    torch.save(dict(state), inner)
    data = inner.getvalue()
    outer = io.BytesIO()
    payload = torch.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())
    torch.save({"sha256": hashlib.sha256(data).hexdigest(), "payload": payload}, outer)
    replace_file(path, outer.getvalue())


def load_checked(path: Path) -> dict[str, Any]:
    """The inverse of `save_checked`, on the CPU; runs no code that the file might hold.

    Raises:
        UnusableFileError: the content is not what was written.
        OSError: the file can't be read.
    """
    content = path.read_bytes()
    try:
        outer = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        data = outer["payload"].numpy().tobytes()
        if hashlib.sha256(data).hexdigest() == outer["sha256"]:
            state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
            return state
    except Exception as error:  # torch and its unpickler raise whatever a damaged archive leads them to
        raise UnusableFileError(f"{path} is damaged") from error
    raise UnusableFileError(f"{path} is damaged: its checksum is another")
