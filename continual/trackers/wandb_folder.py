"""Where a run's W&B files lie in its folder, and which of them no server has yet."""

__all__ = ["WandbFolder", "unsent"]

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from continual.trackers.marker import Marker
from continual.trackers.wandb_service import Mode

_UNFINISHED = ".tracking"


class WandbFolder:
    """The W&B runs of a run's folder: offline in `.tracking/` until they are finished, then in `wandb/`.

    Args:
        folder: the run's, or an experiment's.
        key: id that somebody else has given to the W&B run; None for the folder's own.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, folder: Path, key: str | None = None) -> None:
        self.path = folder.resolve()
        self._marker = Marker(self.path, "wandb")
        if key is not None:
            self._marker.key = key
        self._marker.write(ended=False)
        self.remove()

    @property
    def key(self) -> str:
        """Id of the W&B run."""
        return self._marker.key

    def root(self, mode: Mode) -> Path:
        """Where W&B puts the files of a run."""
        return self.path if mode == "online" else self.path / _UNFINISHED

    def remove(self, kinds: tuple[str, ...] = ("run-*", "offline-run-*")) -> None:
        """Removes the W&B runs of the folder, whatever became of them; unfinished ones in any case."""
        shutil.rmtree(self.path / _UNFINISHED, ignore_errors=True)
        for kind in kinds:
            for old in (self.path / "wandb").glob(kind):
                shutil.rmtree(old, ignore_errors=True)

    def publish(self, *, sent: bool) -> None:
        """Moves finished offline runs to where they are looked for, and notes that all is done.

        Args:
            sent: whether a server has everything.
        """
        for done in (self.path / _UNFINISHED / "wandb").glob("offline-run-*"):
            (self.path / "wandb").mkdir(exist_ok=True)
            os.replace(done, self.path / "wandb" / done.name)
        shutil.rmtree(self.path / _UNFINISHED, ignore_errors=True)
        self._marker.write(ended=True, sent=sent)


def unsent(folder: Path) -> Iterator[Path]:
    """The W&B runs of a folder that are finished, and that no server has.

    W&B leaves a file beside what it has synced; an online run whose upload was cut short says so in `tracking.json`.

    Args:
        folder: a run's or an experiment's.
    """
    said = Marker(folder, "wandb").read()
    if said.get("ended") is not True:
        return
    kinds = ("offline-run-*",) if said.get("sent", True) else ("offline-run-*", "run-*")
    for kind in kinds:
        for run in sorted((folder / "wandb").glob(kind)):
            if list(run.glob("*.wandb")) and not list(run.glob("*.wandb.synced")):
                yield run
