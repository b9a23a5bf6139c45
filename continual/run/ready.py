"""Everything that a run needs, ready to start."""

__all__ = ["Run"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from continual.extension import Training
from continual.stopping import Limits
from continual.trackers.tracker import RunInfo, Tracker


@dataclass(frozen=True)
class Run:
    """Everything that a run needs, ready to start.

    Args:
        info: names, folder and config of the run; `info.folder` is where its record appears.
        training: model, curriculum and all that trains the one on the other; its observers are probes; checkpoint,
            stop and further observers are the run's own.
        tracker: told of everything; the files do not depend on it.
        sweep: the values of this run along the axes of its experiment's sweep.
        own_sources: hashes of the code that it is built from and that is not this project's, see
            `continual.records.versions`.
        limits: what it may take, at most.
        again: train it again if its record is older than this time in seconds since the epoch; None to keep any record.
        tuned: how settings were chosen before the run, for its record; None where none were.
    """

    info: RunInfo
    training: Training
    tracker: Tracker
    sweep: Mapping[str, Any]
    own_sources: Mapping[str, str] = field(default_factory=dict)
    again: float | None = None
    limits: Limits = field(default_factory=Limits)
    tuned: Mapping[str, Any] | None = None
