"""Records: how `record.json` and `curves.npz` are written and read; `continual.run.outcome` says what they hold.

In one file: what is written stands beside how it is read.
"""

__all__ = [
    "FORMAT",
    "Record",
    "UnknownFormatError",
    "damaged_files",
    "done_at",
    "is_done",
    "read_record",
    "write_record",
]

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from continual.metrics import Evaluations, Undefined, Values, values_of
from continual.records.files import UnusableFileError, digest, replace_file
from continual.records.references import find_reference

FORMAT = 2
"""Version of `record.json`; it grows when a field changes its meaning. Since 2 everything has a checksum."""


class UnknownFormatError(UnusableFileError):
    """A record that another version wrote, which is whole perhaps."""


_READABLE = (1, 2)
_CHECKED = 2
_RECORD, _CURVES = "record.json", "curves.npz"


@dataclass(frozen=True)
class Record:
    """One finished run, as read back from its folder.

    Everything that figures and tables may know of a run. Shapes: M members, T tasks, E evaluations along training,
    P points of the view (a fixed set of inputs to look at, only where there are one or two), N training
    samples of a task, O output features.
    """

    folder: Path
    fields: Mapping[str, Any]
    """The content of `record.json`."""
    label: str | None = None
    """What the sweep through which it was read calls it; None where it was read alone."""
    axes: Mapping[str, Any] | None = None
    """Its values along the axes of that sweep."""
    of: str | None = None
    """The experiment whose sweep that is."""

    @property
    def name(self) -> str:
        """Label of the run in tables and figures, "KAN G=200, L-BFGS" say: the sweep's, or its own command's."""
        return str(self.fields["name"]) if self.label is None else self.label

    @property
    def experiment(self) -> str:
        """The experiment that the run belongs to."""
        return str(self.fields["experiment"]) if self.of is None else self.of

    @property
    def family(self) -> str:
        """Family of the model, "KAN" or "MLP"; one family has one colour throughout."""
        return str(self.fields["model"]["family"])

    @property
    def sweep(self) -> Mapping[str, Any]:
        """The values that this run has along the axes of its experiment's sweep, for example grid size and depth."""
        axes: Mapping[str, Any] = self.fields["sweep"] if self.axes is None else self.axes
        return axes

    @property
    def seeds(self) -> list[int]:
        """One seed a member, (M,)."""
        return list(self.fields["seeds"])

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Whether a member's loss or prediction became NaN or infinite, (M,)."""
        return np.asarray(self.fields["diverged"], dtype=bool)

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks in the order in which they are learned, (T,)."""
        return list(self.fields["task_names"])

    @property
    def trainable_parameters(self) -> int:
        """Trainable parameters of one member."""
        return int(self.fields["parameters"]["trainable"])

    @property
    def total_parameters(self) -> int:
        """Trainable and frozen parameters of one member."""
        return int(self.fields["parameters"]["total"])

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the run, training and evaluation, for all members together."""
        return float(self.fields["seconds"]["total"])

    @property
    def seconds_along(self) -> NDArray[np.float64]:
        """Wall-clock seconds in optimizer steps by each evaluation, for all members together, (E,)."""
        return _from_json(self.fields["seconds"]["along"])

    @property
    def events(self) -> list[tuple[int, str]]:
        """What changed the model while it trained: training steps done by then, and what was done."""
        return [(int(event["step"]), str(event["text"])) for event in self.fields.get("events", [])]

    @property
    def outside(self) -> list[float]:
        """Share of each layer's inputs outside its grid at the end, mean over members; empty for models without."""
        return list(self.fields.get("outside") or [])

    def portrait(self, index: int | None = None) -> dict[str, NDArray[Any]]:
        """Arrays of the edges' functions: at the end, or before change `index` of those that kept some; or nothing."""
        prefix = "portrait/" if index is None else f"portrait_{index}/"
        return {name.removeprefix(prefix): a for name, a in self.curves.items() if name.startswith(prefix)}

    @cached_property
    def probes(self) -> Mapping[str, NDArray[Any]]:
        """What probes measured, as "NAME/KEY", (M, T+1, …) at the boundaries; see `continual.probes`."""
        return {name.removeprefix("probe/"): a for name, a in self.curves.items() if name.startswith("probe/")}

    @cached_property
    def R(self) -> NDArray[np.float64]:
        """Test-RMSE matrix of each member, (M, T+1, T); NaN where a member had diverged."""
        return _from_json(self.fields["R"])

    @cached_property
    def accuracy(self) -> NDArray[np.float64] | None:
        """The same of accuracies, shares of the test samples whose class is right; None where there are no classes.

        R is then of the probabilities that are predicted, see `continual.training.evaluation.Errors`.
        """
        found = self.fields.get("accuracy")
        return None if found is None else _from_json(found)

    @cached_property
    def baseline(self) -> NDArray[np.float64]:
        """RMSE of predicting the mean of each task's test targets, of classes their frequencies, (M, T)."""
        return _from_json(self.fields["baseline_rmse"])

    @cached_property
    def metrics(self) -> Values:
        """Every metric of `continual.metrics.METRICS`, each (M,), made when it is asked for; why it is undefined."""
        return values_of(self)

    @cached_property
    def evaluations(self) -> Evaluations:
        """The test RMSEs along training.

        Raises:
            Undefined: `curves.npz` is not there, is damaged, or has none.
        """
        try:
            with self._archive() as archive:  # of its arrays only these are read
                return Evaluations(archive["step"], archive["boundaries"], archive["rmse"])
        except (UnusableFileError, OSError) as error:
            raise Undefined(f"{_CURVES} is missing, damaged, or has no evaluations") from error

    def reference(self, strategy: str) -> NDArray[np.float64]:
        """R of the run of the same experiment that differs in the strategy only, by this run's seeds, (M, T+1, T).

        NaN for a seed that it has not. Of several such runs it is the one with most of the seeds.

        Raises:
            Undefined: there is none.
        """
        chosen = (self.fields.get("tuned") or {}).get("chosen", {})
        try:
            others = [read_record(path) for path in find_reference(self.folder, strategy, chosen)]
        except (LookupError, UnusableFileError, OSError) as error:
            raise Undefined(str(error)) from error
        other = max(others, key=lambda each: len(set(each.seeds) & set(self.seeds)))
        if other.R.shape[1:] != self.R.shape[1:]:
            raise Undefined(f"the run with strategy={strategy} has other tasks")
        place = {seed: m for m, seed in enumerate(other.seeds)}
        missing = np.full(self.R.shape[1:], np.nan)
        return np.stack([other.R[place[seed]] if seed in place else missing for seed in self.seeds])

    @cached_property
    def curves(self) -> Mapping[str, NDArray[Any]]:
        """Arrays of `curves.npz`.

        `step` (E,) training steps done, `task` (E,) index of the task in training (-1 before the first), `loss`
        (M, E) training loss, `rmse` and `median` (M, E, T), the roots of the mean and of the median squared error,
        of classifications `accuracy` (M, E, T), `boundaries` (T,) steps done when each task ended, `parameters` (E,)
        trained by then. Where the inputs are one-dimensional also the view: `view_inputs` (P,), `view_targets` (P, O),
        `predictions` (M, T+1, P, O) after each task, `train_inputs` (M, T, N), `train_targets` (M, T, N, O); where they
        are two-dimensional `surface_inputs` (P, 2), `surface_targets` (P, O), `predictions`, and `surface_regions`
        (T, 2, 2), the lowest and highest inputs of each task's training samples. Of models with grids `grid_size` (E,)
        and `outside` (M, E, L), the share of each layer's inputs outside its grid; of small networks of edges
        `portrait/…`, the functions on the edges at the end (see `kan.pruning.portrait`), and `portrait_0/…`, … before
        each pruning and the like. Of runs with probes `probe/…`, see `probes`.
        """
        with self._archive() as archive:
            return dict(archive)

    @contextmanager
    def _archive(self) -> Iterator[Any]:
        """The open `curves.npz`.

        Raises:
            UnusableFileError: it can't be read.
        """
        path = self.folder / _CURVES
        try:
            with np.load(path, allow_pickle=False) as archive:
                yield archive
        except FileNotFoundError:
            raise
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise UnusableFileError(f"{path} is damaged") from error


def _from_json(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _to_json(value: Any) -> Any:
    """Plain JSON: arrays as lists, and null for a number that is not finite, which JSON has no word for."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_record(
    folder: Path, fields: Mapping[str, Any], curves: Mapping[str, NDArray[Any]], files: Sequence[str] = ()
) -> Record:
    """Writes `curves.npz` and then, last and in one rename, `record.json`: where it is, the run is done.

    Args:
        folder: the run's folder.
        fields: the content of `record.json`, which is added what makes it checkable: its format, the checksums of the
            run's other files, and its own.
        curves: the arrays of `curves.npz`.
        files: names of further files in the folder that belong to the run and never change again.
    """
    archive = io.BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **dict(curves))
    replace_file(folder / _CURVES, archive.getvalue())
    sums = {name: digest(folder / name) for name in (_CURVES, *files)}
    content = json.loads(json.dumps(_to_json({"format": FORMAT, **fields, "files": sums}), allow_nan=False))
    text = json.dumps({**content, "sha256": _own_sum(content)}, indent=1, allow_nan=False)
    replace_file(folder / _RECORD, f"{text}\n".encode())
    return read_record(folder)


def _own_sum(content: Mapping[str, Any]) -> str:
    """Checksum over everything that a record says, whatever its layout."""
    relevant = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, allow_nan=False).encode()).hexdigest()


def is_done(folder: Path) -> bool:
    """Whether the run of this folder has finished."""
    return (folder / _RECORD).is_file()


def done_at(folder: Path) -> float:
    """When the run of this folder finished, in seconds since the epoch; minus infinity if it has not."""
    try:
        return (folder / _RECORD).stat().st_mtime
    except FileNotFoundError:
        return -math.inf


def read_record(folder: Path) -> Record:
    """Reads a finished run, and checks that its record and its curves are what was written.

    Raises:
        FileNotFoundError: the folder holds no `record.json`.
        UnusableFileError: the record or the curves are damaged.
        UnknownFormatError: the record is of a format that this version does not read.
    """
    path = folder / _RECORD
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        found = fields["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableFileError(f"{path} is no run record; move it away to run again") from error
    if found not in _READABLE:
        raise UnknownFormatError(f"{path} has format {found}, this version reads {FORMAT}; move it away to run again")
    try:
        if found >= _CHECKED and fields["sha256"] != _own_sum(fields):
            raise UnusableFileError(f"{path} was changed since it was written; move it away to run again")
        lost = damaged_files(folder, fields, (_CURVES,))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UnusableFileError):
            raise
        raise UnusableFileError(f"{path} is damaged; move it away to run again") from error
    if lost:
        raise UnusableFileError(f"{lost[0]} is damaged or missing; the run's own command makes it again")
    return Record(folder, fields)


def damaged_files(folder: Path, fields: Mapping[str, Any], names: Sequence[str] | None = None) -> list[Path]:
    """The files of a run that are missing or not what its record says; format 1 says that they are there.

    Args:
        folder: the run's folder.
        fields: of its record.
        names: look at these only; None for all.
    """
    sums: Mapping[str, str | None] = fields.get("files", dict.fromkeys((_CURVES, "model.pt", "config.yaml")))
    wanted = [name for name in sums if names is None or name in names]
    return [folder / name for name in wanted if not _is_whole(folder / name, sums[name])]


def _is_whole(path: Path, checksum: str | None) -> bool:
    try:
        return path.is_file() if checksum is None else digest(path) == checksum
    except OSError:
        return False
