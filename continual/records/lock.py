"""One process at a time in a run's folder, by a lock that ends with its process, however that ends."""

__all__ = ["FolderLock", "is_locked"]

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

_NAME = ".lock"
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """An exclusive lock on a folder, held through the system: no crash and no kill leaves it behind.

    It is an `flock` on the file `.lock`, which Linux also passes on to NFS servers. Where there is none (Windows, some
    network file systems) the file `.lock.owner` stands for it; one of a process of this machine that is gone is taken
    over, any other one has to be removed by hand.

    Args:
        folder: the folder; it is made when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._descriptor: int | None = None
        self._owner: Path | None = None

    def acquire(self) -> bool:
        """Takes the lock; False if somebody else has it.

        Raises:
            OSError: the folder can't be written to.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                locked = _flock(descriptor)
                if locked is None:
                    return self._own(descriptor)
                if not locked:
                    os.close(descriptor)
                    return False
                if _same_file(descriptor, self._path):
                    with suppress(OSError):  # a full disk can't keep a name, but it does keep the lock
                        os.ftruncate(descriptor, 0)
                        os.write(descriptor, _who().encode())
                    self._descriptor = descriptor
                    return True
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its holder removed the file in between: try with the new one

    def _own(self, descriptor: int) -> bool:
        """The lock where the system has none: a file that only one process can make."""
        os.close(descriptor)
        owner = self._path.with_name(f"{_NAME}.owner")
        try:
            made = os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            if not _is_gone(owner):
                return False
            owner.unlink(missing_ok=True)
            return self._own(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644))
        os.write(made, _who().encode())
        os.close(made)
        self._owner = owner
        return True

    def release(self) -> None:
        """Gives the lock back and leaves no file."""
        if self._owner is not None:
            self._owner.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            self._owner = None
        if self._descriptor is not None:
            if _same_file(self._descriptor, self._path):
                self._path.unlink(
                    missing_ok=True
                )  # before the lock goes: whoever waits looks whether it is still there
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Who has it, in words."""
        for name in (f"{_NAME}.owner", _NAME):
            try:
                host, _, process = self._path.with_name(name).read_text(encoding="utf-8").strip().rpartition(" ")
            except (OSError, UnicodeDecodeError):
                continue
            if process.isdigit():
                return f"process {process} on {host}"
        return "another process"


def is_locked(folder: Path) -> bool:
    """Whether a process has the folder's lock; changes nothing."""
    owner = folder / f"{_NAME}.owner"
    if owner.is_file() and not _is_gone(owner):
        return True
    try:
        descriptor = os.open(folder / _NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        return _flock(descriptor) is False
    finally:
        os.close(descriptor)


def _flock(descriptor: int) -> bool | None:
    """Whether the file is locked now by us; None where the system has no locks."""
    if fcntl is None:  # pragma: no cover
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    own = os.fstat(descriptor)
    return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)


def _who() -> str:
    return f"{socket.gethostname()} {os.getpid()}\n"


def _is_gone(owner: Path) -> bool:
    """Whether the process that an owner file names was one of this machine and has ended."""
    try:
        host, _, process = owner.read_text(encoding="utf-8").strip().rpartition(" ")
    except (OSError, UnicodeDecodeError):
        return False
    if host != socket.gethostname() or not process.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
