"""What has become of a run, told from its folder alone: the words that commands and tables use."""

__all__ = ["RunState", "failure", "note_failure", "run_state"]

import json
import time
from pathlib import Path
from typing import Literal

from continual.records.files import replace_file
from continual.records.lock import is_locked
from continual.records.record import is_done

RunState = Literal["new", "running", "interrupted", "failed", "done"]

_FAILED = "failed.json"


def run_state(folder: Path) -> RunState:
    """The state of the run of a folder.

    "done": it has its record. "running": a process has its lock. "failed": its last session ended with an error, see
    `failure`. "interrupted": something was begun and nobody is at it; its command goes on. "new": nothing is there.
    """
    if is_done(folder):
        return "done"
    if is_locked(folder):
        return "running"
    if (folder / _FAILED).is_file():
        return "failed"
    begun = any((folder / name).is_file() for name in ("checkpoint.pt", "config.yaml", "log.txt"))
    return "interrupted" if begun else "new"


def note_failure(folder: Path, why: str | None) -> None:
    """Keeps why a run failed, in one line; None forgets it."""
    path = folder / _FAILED
    if why is None:
        path.unlink(missing_ok=True)
    else:
        note = {"why": " ".join(why.split()), "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        replace_file(path, (json.dumps(note, ensure_ascii=False) + "\n").encode())


def failure(folder: Path) -> str | None:
    """Why the last session of a run failed; None if it did not, or nobody could note it."""
    try:
        return str(json.loads((folder / _FAILED).read_text(encoding="utf-8"))["why"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
