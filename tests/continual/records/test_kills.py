"""A process that dies at any file event: the next one ends with the same bits and leaves nothing else behind."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from continual.records.files import load_checked
from continual.run import execute
from continual.stopping import Stopped
from tests.short_runs import CONFIGS, compare, listing, short_run

_EVENTS = ((os, "replace"), (os, "fsync"), (os, "unlink"), (Path, "write_bytes"), (Path, "unlink"), (Path, "mkdir"))


def _die_at(event: int) -> None:
    """From now on this process ends with that file event, without a last word; a write ends in its middle."""
    count = 0

    def dying(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count < event:
                return plain(*arguments, **options)
            if name == "write_bytes":
                path, content = arguments
                plain(path, content[: len(content) // 2])
            elif event % 2:  # before it, or after
                plain(*arguments, **options)
            os._exit(9)

        return call

    for owner, name in _EVENTS:
        setattr(owner, name, dying(name, getattr(owner, name)))


def _killed(work: Callable[[], object], event: int) -> bool:
    """Whether a forked process got as far as that event."""
    process = os.fork()
    if process == 0:
        try:
            _die_at(event)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 9


def _check(tmp_path: Path, name: str, events: list[int]) -> int:
    """Kills the run of a config at these file events, each time anew, and goes on; how often it was killed."""
    expected = execute(short_run(tmp_path / "straight", CONFIGS[name]))
    kept = listing(tmp_path / "straight")
    killed = 0
    for event in events:
        folder = tmp_path / "killed"
        if not _killed(lambda folder=folder: execute(short_run(folder, CONFIGS[name])), event):
            continue
        killed += 1
        compare(execute(short_run(folder, CONFIGS[name])), expected)
        assert listing(folder) == kept
        shutil.rmtree(folder)
    return killed


@pytest.mark.parametrize("name", ["adam", "adam, then lbfgs", "grid_schedule"])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, name) -> None:
    events = np.random.default_rng(len(name)).choice(np.arange(1, 60), 5, replace=False)
    assert _check(tmp_path, name, [int(event) for event in events]) >= 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_killed_at_each_of_60_file_events_ends_with_the_same_bits(tmp_path, name, record_property) -> None:
    killed = _check(tmp_path, name, list(range(1, 61)))
    record_property("killed", killed)
    assert killed >= 40


def test_a_run_killed_again_and_again_gets_done(tmp_path) -> None:
    folder, name = tmp_path / "killed", "lbfgs"
    expected = execute(short_run(tmp_path / "straight", CONFIGS[name]))
    sessions = 1
    while _killed(lambda: execute(short_run(folder, CONFIGS[name])), 30):
        sessions += 1
        assert sessions < 30
    compare(execute(short_run(folder, CONFIGS[name])), expected)
    assert sessions > 2
    assert listing(folder) == listing(tmp_path / "straight")


LONG = ["model.grid_size=4", "model.width=2", "training.steps=300", "training.checkpoint_seconds=1000"]


def _signalled(folder: Path, number: int, after: float) -> int:
    """Sends a signal to a forked process so many seconds after it begins to train; its status."""
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            run = short_run(folder, LONG)
            os.write(send, b"x")
            execute(run)
            os._exit(0)
        except Stopped as error:
            os._exit(128 + error.number)
        except BaseException:
            os._exit(1)
    os.read(receive, 1)
    for end in (receive, send):
        os.close(end)
    time.sleep(after)
    os.kill(process, number)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _check_signals(tmp_path: Path, moments: int) -> dict[int, int]:
    """Ends a run by SIGINT and SIGTERM in turns, again and again until it is done; how often it ended how."""
    expected = execute(short_run(tmp_path / "straight", LONG))
    generator = np.random.default_rng(moments)
    ends: dict[int, int] = {}
    folder, done = tmp_path / "signalled", 0
    for moment in range(moments):
        number = (signal.SIGINT, signal.SIGTERM)[moment % 2]
        code = _signalled(folder, number, 0.02 + 0.15 * float(generator.random()))
        ends[code] = ends.get(code, 0) + 1
        assert code in (0, 128 + number, -signal.SIGTERM, 1 if number == signal.SIGINT else 0), code
        if code == 128 + number and not (folder / "record.json").exists():
            state = load_checked(folder / "checkpoint.pt")["state"]
            step = state["task"] * 300 + state["step"]
            assert step > done  # no older than the last step's end: every session got further, and lost none
            done = step
        elif (folder / "record.json").exists():
            compare(execute(short_run(folder, LONG)), expected)
            assert listing(folder) == listing(tmp_path / "straight")
            shutil.rmtree(folder)
            done = 0
    compare(execute(short_run(folder, LONG)), expected)
    return ends


def test_a_signal_saves_the_last_step(tmp_path) -> None:
    ends = _check_signals(tmp_path, 8)
    assert ends.get(130, 0) + ends.get(143, 0) >= 3, ends


@pytest.mark.slow
def test_signals_at_50_moments_save_the_last_step(tmp_path, record_property) -> None:
    ends = _check_signals(tmp_path, 50)
    record_property("status", ends)
    assert ends.get(130, 0) + ends.get(143, 0) >= 20, ends
