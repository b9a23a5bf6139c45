"""Why numbers are missing, for the foot of tables and figures."""

__all__ = ["undefined_notes"]

from collections import Counter
from collections.abc import Sequence

from continual.metrics import find_metric
from continual.records.record import Record
from continual.reports.wrapping import shorten_name

_NAMED = 3  # runs that a note names


def undefined_notes(records: Sequence[Record], metrics: Sequence[str]) -> list[str]:
    """A sentence for each reason why one of these metrics is undefined, with the runs and members that it concerns.

    Args:
        records: finished runs.
        metrics: by name.

    Returns:
        Sentences such as "– in retention: a task was not learned (MLP: 3 of 10 seeds)."; none where all is defined.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for name in metrics:
            for why, lost in Counter(why for why in record.metrics.reasons(name) if why).items():
                part = f": {lost} of {len(record.seeds)} seeds" if lost < len(record.seeds) else ""
                found.setdefault((why, name), []).append(f"{shorten_name(record.name, 40)}{part}")
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, name), runs in found.items():
        merged.setdefault((why, tuple(runs)), []).append(find_metric(name).title)
    lines = []
    for (why, which), titles in merged.items():
        more = len(which) - _NAMED
        named = "; ".join([*which[:_NAMED], *([f"{more} more"] if more > 0 else [])])
        where = "all runs" if len(which) == len(records) > 1 and not any(" seeds" in run for run in which) else named
        lines.append(f"– in {', '.join(titles)}: {why} ({where}).")
    return lines
