"""Limits of a run: it ends between two steps, says why, and goes on with a higher limit to the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest

from continual import stopping
from continual.records.files import load_checked
from continual.records.record import Record, is_done
from continual.records.states import failure, run_state
from continual.run import execute
from continual.stopping import LimitReachedError, Limits
from continual.training import train
from tests.short_runs import CONFIGS, compare, listing, short_run


def limited(folder: Path, name: str = "adam", **limits: float) -> Record:
    return execute(replace(short_run(folder, CONFIGS[name]), limits=Limits(**limits)))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"seconds": 1e-9}, r"limits\.seconds=1e-09: it has taken "), ({"memory": 1e6}, r"limits\.memory=1e\+06: its ")],
)
def test_a_run_that_takes_too_much_counts_as_failed_and_goes_on_later(tmp_path, limits, expected) -> None:
    with pytest.raises(LimitReachedError, match=expected) as caught:
        limited(tmp_path / "run", **limits)
    assert "in task 1 after step 1; with a higher limit it goes on" in str(caught.value)
    assert run_state(tmp_path / "run") == "failed"
    assert failure(tmp_path / "run") == str(caught.value)
    straight = execute(short_run(tmp_path / "straight", CONFIGS["adam"]))
    compare(limited(tmp_path / "run", seconds=1e9, memory=1e15), straight)
    assert run_state(tmp_path / "run") == "done"
    assert listing(tmp_path / "run") == listing(tmp_path / "straight")


def test_seconds_are_those_of_all_sessions(tmp_path) -> None:
    for step in (1, 1, 1):  # nothing more is done under the same limit
        with pytest.raises(LimitReachedError):
            limited(tmp_path, seconds=1e-9)
        saved = load_checked(tmp_path / "checkpoint.pt")
        assert saved["state"]["step"] == step
    taken = sum(session["seconds"] for session in saved["sessions"])
    with pytest.raises(LimitReachedError):
        limited(tmp_path, seconds=0.5 * taken)
    assert limited(tmp_path, seconds=taken + 1e6).seconds > taken


@pytest.mark.parametrize("name", ["adam, then lbfgs", "grid_schedule"])
def test_wherever_a_limit_strikes_the_bits_are_the_same(tmp_path, name) -> None:
    straight = execute(short_run(tmp_path / "straight", CONFIGS[name]))
    sessions = 0
    while not is_done(tmp_path / "often"):  # a session each step
        run = short_run(tmp_path / "often", CONFIGS[name])
        asked = iter([None, "limits.memory", None])
        run = replace(run, limits=_Scripted(lambda asked=asked: next(asked)))
        try:
            execute(run)
        except LimitReachedError:
            sessions += 1
        assert sessions < 10
    assert sessions >= 3
    compare(execute(short_run(tmp_path / "often", CONFIGS[name])), straight)


class _Scripted(Limits):
    """Says what a test wants to hear."""

    def __init__(self, said) -> None:
        self.__dict__["said"] = said

    def watch(self, seconds):
        return self.said


@pytest.mark.parametrize(("asked", "ends"), [(5, "task 2 after step 2"), (6, "")])
def test_who_has_done_the_last_step_is_done(tmp_path, asked, ends) -> None:
    looks = iter([*[""] * (asked - 1), "late"])
    training = replace(short_run(tmp_path, CONFIGS["adam"]).training, exceeded=lambda: next(looks) or None)
    if ends:
        with pytest.raises(LimitReachedError, match=f"late in {ends}"):
            train(training)
    else:  # asked after each of two times three steps but the last
        train(training)
        assert next(looks) == "late"


def test_nothing_is_asked_where_there_is_no_limit(monkeypatch) -> None:
    assert Limits().watch(lambda: 1.0) is None
    monkeypatch.setattr(stopping, "resident_memory", lambda: pytest.fail("nobody wanted to know"))
    watch = Limits(seconds=2.0).watch(lambda: 1.0)
    assert watch is not None
    assert watch() is None


def test_the_memory_is_that_of_the_system(monkeypatch) -> None:
    held = stopping.resident_memory()
    assert held is not None
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    grown = stopping.resident_memory()
    assert grown is not None
    assert grown - held == pytest.approx(64e6, rel=0.1)
    monkeypatch.setattr(stopping, "_STATM", Path("/nowhere"))
    with pytest.raises(ValueError, match=r"limits\.memory needs /nowhere, which this system does not have"):
        Limits(memory=1e9)
    with pytest.raises(ValueError, match=r"limits\.seconds must be more than 0, got 0"):
        Limits(seconds=0.0)
