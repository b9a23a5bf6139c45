"""Where a run goes on: the state of its training, whose it is, and what computed it so far."""

__all__ = ["Checkpoint"]

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from continual.records.files import UnusableFileError, load_checked, save_checked
from continual.records.versions import code_differences, code_version, differences, package_versions

log = logging.getLogger(__name__)

_FORMAT = 2


class Checkpoint:
    """The checkpoint file of a run, and the sessions that its training has had.

    A checkpoint that is damaged, of another run or of another format is never gone on from: training begins anew, and
    the log says so. One written under other versions or other code is, and the log and the record say that too.

    Args:
        path: the file.
        identity: of the run; a checkpoint with another one is not its own.
        aside: says how many seconds of this session went to something else so far, to trackers for example.
        own: hashes of the code that is not this project's, see `own_sources`.
        same_code: whether to begin anew where other code wrote it.
    """

    def __init__(
        self,
        path: Path,
        identity: str = "",
        aside: Callable[[], float] = lambda: 0.0,
        own: Mapping[str, str] | None = None,
        same_code: bool = False,
    ) -> None:
        self.path = path
        self.identity = identity
        self._earlier: list[dict[str, Any]] = []
        self._began = time.perf_counter()
        self._aside = aside
        self._own = dict(own or {})
        self._same_code = same_code

    def seconds(self) -> float:
        """Wall-clock seconds of all sessions so far."""
        return sum(session["seconds"] for session in self._earlier) + self._now()

    def sessions(self) -> list[dict[str, Any]]:
        """What each session ran with, `versions` and `code`, and its wall-clock `seconds`; the present one last."""
        return [*self._earlier, {**self._present(), "seconds": self._now()}]

    def _now(self) -> float:
        return time.perf_counter() - self._began - self._aside()

    def code(self) -> dict[str, Any]:
        """The code of the present session: `code_version`, and as `own` what is not this project's."""
        return {**code_version(), "own": self._own}

    def _present(self) -> dict[str, Any]:
        return {"versions": package_versions(), "code": self.code()}

    def save(self, state: Mapping[str, Any]) -> None:
        """Replaces the file by this state, in one rename.

        Raises:
            OSError: it can't be written; the one before is still there.
        """
        about = {"format": _FORMAT, "identity": self.identity, "sessions": self.sessions()}
        save_checked(self.path, {**about, "state": dict(state)})

    def load(self) -> dict[str, Any] | None:
        """The state to go on from; None where there is none that can be trusted.

        Raises:
            OSError: the file is there and can't be read.
        """
        if not self.path.is_file():
            return None
        try:
            saved = load_checked(self.path)
        except UnusableFileError as error:
            log.warning("%s: training begins anew", error)
            return None
        if saved.get("format") != _FORMAT:
            log.warning("%s has format %s instead of %d: training begins anew", self.path, saved.get("format"), _FORMAT)
            return None
        if saved["identity"] != self.identity:
            log.warning("%s is of another run (%s): training begins anew", self.path, saved["identity"] or "unknown")
            return None
        other = code_differences(saved["sessions"][-1]["code"], self.code())
        if self._same_code and other:
            log.warning("%s was written by %s: training begins anew", self.path, ", ".join(other))
            return None
        self._earlier = list(saved["sessions"])
        log.info("going on from %s", self.path)
        changed = differences(self._earlier[-1], self._present())
        if changed:
            log.warning("what was trained so far was trained with %s; the record says so", ", ".join(changed))
        state: dict[str, Any] = saved["state"]
        return state

    def remove(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)
