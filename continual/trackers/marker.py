"""The file in a run's folder by which a tracker says that it follows the run, under which id, and whether it ended."""

__all__ = ["Marker", "tracking_ended"]

import json
import re
from pathlib import Path
from secrets import token_hex
from typing import Any

from continual.records.files import replace_file

NAME = "tracking.json"


def tracking_ended(folder: Path) -> bool:
    """Whether no tracker of a run is left that began and did not end; see `Tracker.complete`."""
    try:
        return json.loads((folder / NAME).read_text(encoding="utf-8"))["ended"] is True
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False


class Marker:
    """What `tracking.json` says.

    Args:
        folder: the run's; made where it is not there, at the first `write`.
        tracker: name of the tracker.

    Attributes:
        key: the run's id at the tracker's service, the same however often the run is interrupted.
    """

    def __init__(self, folder: Path, tracker: str) -> None:
        self._path, self._tracker = folder / NAME, tracker
        key = self.read().get("id")
        self.key = key if isinstance(key, str) and re.fullmatch("[0-9A-Za-z_-]{4,64}", key) else token_hex(4)

    def read(self) -> dict[str, Any]:
        """What the file says; nothing where it is damaged or not there."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, *, ended: bool, **more: Any) -> None:
        """Says whether the run has been told of to its end.

        Args:
            ended: whether it has.
            more: what else the tracker wants to find there.
        """
        content = {"tracker": self._tracker, "id": self.key, "ended": ended, **more}
        replace_file(self._path, f"{json.dumps(content)}\n".encode())
