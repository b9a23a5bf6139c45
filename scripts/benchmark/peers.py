"""Other implementations, each in a Python of its own: their packages and ours share the name `kan`."""

__all__ = ["OWN", "Peer", "PeerError"]

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.benchmark.cases import Case
from scripts.benchmark.timing import Job

KINDS = ("pykan", "efficient-kan", "kan-continual")
OWN = "kan-continual"
"""Another commit of this project, with any number of members."""


class PeerError(Exception):
    """A peer that cannot be started, or fails, in one line."""


class Peer:
    """A process that builds and times another implementation's networks.

    Args:
        text: "KIND=PYTHON" or "KIND=PYTHON:FOLDER": which implementation, the Python that has its packages, and the
            folder of a checkout that the Python has not installed.
        threads: CPU threads.

    Raises:
        PeerError: an unknown kind, or a Python that is not there.
    """

    def __init__(self, text: str, threads: int) -> None:
        self.kind, _, rest = text.partition("=")
        python, *folders = rest.split(":")
        if self.kind not in KINDS or not python:
            raise PeerError(f"a peer reads KIND=PYTHON or KIND=PYTHON:FOLDER with {' or '.join(KINDS)}, not {text!r}")
        for folder in folders:
            if not Path(folder).is_dir():
                raise PeerError(f"{self.kind}: there is no folder {folder}")
        worker = Path(__file__).with_name("peer_worker.py")
        # isolated: neither this project nor the caller's environment shall shadow the peer's packages
        command = [python, "-I", str(worker), self.kind, str(threads), *(str(Path(f).resolve()) for f in folders)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise PeerError(f"{self.kind}: cannot run {python} ({error.strerror})") from None

    def ask(self, **message: Any) -> dict[str, Any]:
        """Sends a message and waits for the answer.

        Raises:
            PeerError: the peer failed.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended; is torch installed there?"}
        if "error" in answer:
            raise PeerError(f"{self.kind}: {answer['error']}")
        return answer

    def job(self, case: Case, stage: str, members: int = 1) -> tuple[Job, int]:
        """The case's network as a job, and its trainable parameters."""
        parameters = self.ask(build=[case.layer_sizes, case.grid_size, case.batch, stage, members])["parameters"]
        return lambda calls: float(self.ask(run=calls)["seconds"]), int(parameters)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
