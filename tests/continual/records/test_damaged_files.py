"""Damage to any file that a run leaves: it is made again or named in one line, and never changes a result."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from continual.records.checkpoint import Checkpoint
from continual.records.files import UnusableFileError
from continual.records.record import Record, is_done, read_record
from continual.records.states import failure, run_state
from continual.records.versions import package_versions
from continual.run import BusyError, execute
from continual.stopping import Stopped
from continual.trackers.tracker import Tracker
from tests.short_runs import CONFIGS, compare, listing, short_run

NAME = "adam"
DONE = ("record.json", "curves.npz", "model.pt", "config.yaml", "log.txt")
UNDER_WAY = ("checkpoint.pt", "config.yaml", "log.txt")


class StopAfter(Tracker):
    """Ends a run at its n-th evaluation as a signal would."""

    def __init__(self, evaluations: int) -> None:
        self.left = evaluations

    def evaluation(self, step, task, loss, rmse) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stopped(15)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path, Record]:
    """A finished run, an interrupted one of the same config, and the record of the first."""
    place = tmp_path_factory.mktemp("runs")
    record = execute(short_run(place / "done", CONFIGS[NAME]))
    with pytest.raises(Stopped):
        execute(short_run(place / "interrupted", CONFIGS[NAME], tracker=StopAfter(5)))
    return place / "done", place / "interrupted", record


def damage(path: Path, other: Path, generator: np.random.Generator) -> str:
    """Damages a file in one of many ways; says how."""
    content = path.read_bytes()
    size = len(content)
    kind = generator.choice(["bit", "byte", "cut", "empty", "zeros", "garbage", "longer", "gone", "folder", "other"])
    at = int(generator.integers(size))
    if kind == "bit":
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << int(generator.integers(8))]) + content[at + 1 :])
    elif kind == "byte":
        path.write_bytes(content[:at] + generator.bytes(1) + content[at + 1 :])
    elif kind == "cut":
        path.write_bytes(content[:at])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "zeros":
        path.write_bytes(content[:at] + bytes(size - at))
    elif kind == "garbage":
        path.write_bytes(generator.bytes(size))
    elif kind == "longer":
        path.write_bytes(content + generator.bytes(at + 1))
    elif kind == "gone":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(other.read_bytes())
    return f"{kind} of {path.name}"


def try_one(tmp_path: Path, folders: tuple[Path, Path, Record], seed: int) -> tuple[str, str]:
    """Damages one file of a copy and runs the same command again: what was done, and what came of it."""
    done, interrupted, expected = folders
    generator = np.random.default_rng(seed)
    finished = bool(generator.integers(2))
    folder = tmp_path / f"{seed}"
    shutil.copytree(done if finished else interrupted, folder)
    names = DONE if finished else UNDER_WAY
    name = str(generator.choice(names))
    what = damage(folder / name, done / str(generator.choice(DONE)), generator)
    if is_done(folder):
        try:  # as a report reads it
            record = read_record(folder)
            assert np.array_equal(record.R, expected.R)
            assert all(np.array_equal(a, expected.curves[n], equal_nan=True) for n, a in record.curves.items())
        except (UnusableFileError, OSError) as error:
            check_message(error, folder)
    try:
        compare(execute(short_run(folder, CONFIGS[NAME])), expected)
    except (UnusableFileError, OSError) as error:
        check_message(error, folder)
        return what, "refused"
    if name != "log.txt":
        assert listing(folder) - {"log.txt"} == set(DONE) - {"log.txt"}
    shutil.rmtree(folder)
    return what, "right"


def check_message(error: Exception, folder: Path) -> None:
    assert str(folder) in str(error)
    assert "\n" not in str(error)


def count(outcomes: list[tuple[str, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, outcome in outcomes:
        found[outcome] = found.get(outcome, 0) + 1
    return found


def test_damaged_files_never_change_a_result(tmp_path, folders) -> None:
    outcomes = [try_one(tmp_path, folders, seed) for seed in range(30)]
    assert count(outcomes)["right"] >= 20, outcomes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_500_damaged_files_never_change_a_result(tmp_path, folders, record_property) -> None:
    outcomes = [try_one(tmp_path, folders, seed) for seed in range(1000, 1500)]
    record_property("outcomes", count(outcomes))
    assert len(outcomes) == 500


def test_the_states_of_a_run(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "run"
    assert run_state(folder) == "new"
    seen = []

    class Watching(StopAfter):
        def evaluation(self, step, task, loss, rmse) -> None:
            seen.append(run_state(folder))
            with pytest.raises(BusyError, match="is being trained by process"):
                execute(short_run(folder, CONFIGS[NAME]), wait=False)
            super().evaluation(step, task, loss, rmse)

    with pytest.raises(Stopped):
        execute(short_run(folder, CONFIGS[NAME], tracker=Watching(3)))
    assert seen == ["running"] * 3
    assert run_state(folder) == "interrupted"

    def fail(*arguments, **options) -> None:
        raise RuntimeError("out of\nsomething")

    with monkeypatch.context() as patch:
        patch.setattr("continual.run.execution.train", fail)
        with pytest.raises(RuntimeError):
            execute(short_run(folder, CONFIGS[NAME]))
    assert run_state(folder) == "failed"
    assert failure(folder) == "RuntimeError: out of something"
    execute(short_run(folder, CONFIGS[NAME]))
    assert run_state(folder) == "done"
    assert failure(folder) is None
    assert listing(folder) == set(DONE)


def test_a_checkpoint_of_another_run_is_not_taken(tmp_path, folders, caplog) -> None:
    _, interrupted, expected = folders
    with pytest.raises(Stopped):
        execute(short_run(tmp_path / "other", [*CONFIGS[NAME], "optimizer.lr=0.02"], tracker=StopAfter(5)))
    shutil.copytree(interrupted, tmp_path / "mine")
    shutil.copy(tmp_path / "other" / "checkpoint.pt", tmp_path / "mine" / "checkpoint.pt")
    with caplog.at_level(logging.WARNING):
        compare(execute(short_run(tmp_path / "mine", CONFIGS[NAME])), expected)
    assert "is of another run" in caplog.text


def test_a_record_of_the_first_format_stays_readable(tmp_path, folders) -> None:
    done, _, expected = folders
    shutil.copytree(done, tmp_path / "old")
    path = tmp_path / "old" / "record.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    old = {key: value for key, value in fields.items() if key not in ("sha256", "files", "sessions", "code")}
    path.write_text(json.dumps({**old, "format": 1}), encoding="utf-8")
    assert np.array_equal(read_record(tmp_path / "old").R, expected.R)
    assert np.array_equal(execute(short_run(tmp_path / "old", CONFIGS[NAME])).R, expected.R)
    assert json.loads(path.read_text(encoding="utf-8"))["format"] == 1  # it was not trained again
    (tmp_path / "old" / "model.pt").unlink()
    compare(execute(short_run(tmp_path / "old", CONFIGS[NAME])), expected)


def test_a_record_of_a_later_format_is_left_alone(tmp_path, folders) -> None:
    done, _, _ = folders
    shutil.copytree(done, tmp_path / "new")
    path = tmp_path / "new" / "record.json"
    text = path.read_text(encoding="utf-8").replace('"format": 2', '"format": 3')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnusableFileError, match="has format 3, this version reads 2"):
        execute(short_run(tmp_path / "new", CONFIGS[NAME]))
    assert path.read_text(encoding="utf-8") == text


def test_a_resumed_run_counts_the_seconds_and_versions_of_all_sessions(tmp_path, folders) -> None:
    _, interrupted, expected = folders
    shutil.copytree(interrupted, tmp_path / "run")
    saved = Checkpoint(tmp_path / "run" / "checkpoint.pt", short_run(tmp_path / "x", CONFIGS[NAME]).info.identity)
    saved.load()
    (before,) = saved.sessions()[:-1]
    record = execute(short_run(tmp_path / "run", CONFIGS[NAME]))
    sessions = record.fields["sessions"]
    assert len(sessions) == 2
    assert sessions[0]["seconds"] == before["seconds"]
    assert record.seconds >= sum(session["seconds"] for session in sessions)
    assert sessions[1]["versions"] == package_versions()
    assert len(expected.fields["sessions"]) == 1
