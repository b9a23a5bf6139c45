"""A process that dies at any file event: the next one ends with the same bits and leaves nothing else behind."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from continual.run import execute
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
