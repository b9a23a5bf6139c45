"""How fast a run was: seconds of a training step, and seconds until an error was reached."""

__all__ = ["seconds_per_step", "seconds_to"]

import numpy as np

from continual.records.record import Record


def seconds_per_step(record: Record) -> float:
    """Wall-clock seconds of an optimizer step, for all members together; NaN where no step was taken.

    The median over the stretches between evaluations, so that what else the machine did in some of them does not
    count. The first stretch, in which kernels may be compiled, is left out if there is another.
    """
    steps = np.diff(record.curves["step"])
    seconds = np.diff(record.seconds_along)[steps > 0]
    paces = seconds / steps[steps > 0]
    return float(np.median(paces[1:] if len(paces) > 1 else paces)) if len(paces) else float("nan")


def seconds_to(record: Record, rmse: float) -> float | None:
    """Wall-clock seconds in optimizer steps, for all members together, until the median member's test RMSE is below.

    The first evaluation counts at which it is, mean over tasks; None where there is none. It is as fine as evaluations
    are frequent, and the first steps may hold the compilation of kernels.
    """
    errors = record.curves["rmse"].mean(axis=2)
    with np.errstate(invalid="ignore"):
        below = np.median(errors, axis=0) < rmse  # NaN, where the median member diverged, is not below
    reached = np.flatnonzero(below)
    return float(record.seconds_along[reached[0]]) if len(reached) else None
