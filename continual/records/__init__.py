"""A run's folder as a small database: files, locks, states, records, checkpoints, lists of sweeps, trained models."""

__all__ = [
    "FORMAT",
    "Checkpoint",
    "Entry",
    "Record",
    "RunState",
    "Trained",
    "UnknownFormatError",
    "UnusableFileError",
    "is_done",
    "load_trained",
    "read_list",
    "read_record",
    "read_sweep",
    "replace_file",
    "run_state",
    "write_record",
]

from continual.records.checkpoint import Checkpoint
from continual.records.files import UnusableFileError, replace_file
from continual.records.listing import Entry, read_list, read_sweep
from continual.records.record import FORMAT, Record, UnknownFormatError, is_done, read_record, write_record
from continual.records.states import RunState, run_state
from continual.records.trained import Trained, load_trained
