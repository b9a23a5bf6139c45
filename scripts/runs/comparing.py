"""Finished runs held against one of them, seed by seed: `python -m scripts.runs compare`."""

__all__ = ["compare"]

import argparse

from continual.metrics import metric_names
from continual.records.files import UnusableFileError
from continual.records.listing import read_list
from continual.records.record import Record
from continual.records.store import StoredRun
from continual.reports.comparisons import known_axes, text_differences, text_ranks, write_differences, write_ranks
from scripts.runs.chosen import chosen_runs


def compare(options: argparse.Namespace) -> int:
    """Prints paired differences to a reference, and ranks where there are several curricula; writes both if asked to.

    Args:
        options: `places`, `where`, `reference`, `metrics`, `what`, `over`, `test`, `output`.
    """
    records = _records(chosen_runs(options.places, options.where, ["done"]))
    if not records:
        raise ValueError(f"no finished run is in {' or '.join(map(str, options.places))}")
    metrics = metric_names(options.metrics.split(","))
    over = options.over.split(",") if options.over else []
    known_axes(records, over)
    print(text_differences(records, options.reference, metrics, what=options.what, over=over, test=options.test))
    if over:
        for metric in metrics:
            print(text_ranks(records, metric, what=options.what, over=over))
    if options.output:
        folder, name = options.places[0], options.output
        files = write_differences(
            records, folder, options.reference, metrics, what=options.what, over=over, test=options.test, name=name
        )
        for metric in metrics if over else ():
            files += write_ranks(records, folder, metric, what=options.what, over=over, name=f"{name}_ranks_{metric}")
        for path in files:
            print(path)
    return 0


def _records(runs: list[StoredRun]) -> list[Record]:
    """Those of the last sweep of each experiment; all where that is not known."""
    last: dict[str, set[str] | None] = {}
    for run in runs:
        experiment = run.folder.parent
        if str(experiment) not in last:
            try:
                last[str(experiment)] = {entry.folder for entry in read_list(experiment)}
            except (FileNotFoundError, UnusableFileError):
                last[str(experiment)] = None
    found = []
    for run in runs:
        listed = last[str(run.folder.parent)]
        if run.record is not None and (listed is None or run.folder.name in listed):
            found.append(run.record)
    return found
