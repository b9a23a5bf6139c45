"""Files that are whole or not there, checksums, locks, and the states of a run."""

import errno
import io
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from continual.records import lock as lock_module
from continual.records.checkpoint import Checkpoint
from continual.records.files import UnusableFileError, load_checked, remove_partials, replace_file, save_checked
from continual.records.lock import FolderLock, is_locked
from continual.records.versions import code_version, differences, package_versions
from continual.stopping import PARENT, Stopped, StopSignals

STATE = {"weights": torch.arange(40.0), "nested": {"step": 3, "list": [1.5, None, "x"]}}


def test_a_failed_write_names_the_file_and_leaves_the_old_one(tmp_path) -> None:
    path = tmp_path / "some" / "file.txt"
    replace_file(path, b"old")

    def full(partial: Path) -> None:
        partial.write_bytes(b"ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        replace_file(path, full)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file.txt"]


def test_two_writers_never_share_a_partial_file(tmp_path) -> None:
    path = tmp_path / "file.txt"

    def write(letter: bytes) -> None:
        for _ in range(50):
            replace_file(path, letter * 5000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"a" * 5000, b"b" * 5000, b"c" * 5000)
    assert os.listdir(tmp_path) == ["file.txt"]


def test_what_a_killed_writer_left_is_removed(tmp_path) -> None:
    (tmp_path / ".checkpoint.12-ab.partial.pt").write_bytes(b"half")
    (tmp_path / "record.json").write_bytes(b"{}")
    remove_partials(tmp_path)
    assert os.listdir(tmp_path) == ["record.json"]


def test_every_flipped_bit_is_seen(tmp_path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checked(path, STATE)
    assert torch.equal(load_checked(path)["weights"], STATE["weights"])
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    seen = 0
    for bit in generator.choice(len(whole) * 8, 300, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            loaded = load_checked(path)
        except UnusableFileError:
            seen += 1
        else:  # a bit of the outer archive that carries nothing
            assert torch.equal(loaded["weights"], STATE["weights"])
            assert loaded["nested"] == STATE["nested"]
    assert seen > 100


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 4000, "half"])
def test_what_is_no_checkpoint_is_named(tmp_path, content) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checked(path, STATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else content)
    with pytest.raises(UnusableFileError, match=r"checkpoint\.pt is damaged"):
        load_checked(path)


def test_a_file_of_another_kind_runs_no_code(tmp_path) -> None:
    path = tmp_path / "checkpoint.pt"

    class Harmful:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    torch.save({"payload": Harmful(), "sha256": ""}, path)
    with pytest.raises(UnusableFileError):
        load_checked(path)
    assert not (tmp_path / "made").exists()


def test_a_checkpoint_of_another_run_or_form_is_not_gone_on_from(tmp_path, caplog) -> None:
    path = tmp_path / "checkpoint.pt"
    Checkpoint(path, "mine").save({"step": 1})
    assert Checkpoint(path, "mine").load() == {"step": 1}
    assert Checkpoint(path, "another").load() is None
    assert "of another run (mine): training begins anew" in caplog.text
    torch.save({"task": 0, "step": 1}, path)  # as the first version wrote them
    assert Checkpoint(path, "mine").load() is None
    save_checked(path, {"format": 99})
    assert Checkpoint(path, "mine").load() is None
    assert "has format 99" in caplog.text


def test_a_checkpoint_of_other_versions_is_gone_on_from_and_told(tmp_path, caplog, monkeypatch) -> None:
    path = tmp_path / "checkpoint.pt"
    first = Checkpoint(path, "mine")
    first.save({"step": 1})
    monkeypatch.setattr("continual.records.checkpoint.package_versions", lambda: {**package_versions(), "torch": "9.9"})
    monkeypatch.setattr("continual.records.checkpoint.code_version", lambda: {**code_version(), "sources": "other"})
    second = Checkpoint(path, "mine")
    assert second.load() == {"step": 1}
    assert f"torch {package_versions()['torch']}" in caplog.text
    assert "other code of this project" in caplog.text
    versions = [session["versions"]["torch"] for session in second.sessions()]
    assert versions == [package_versions()["torch"], "9.9"]


def test_seconds_add_up_over_sessions_without_what_was_left_aside(tmp_path) -> None:
    path = tmp_path / "checkpoint.pt"
    first = Checkpoint(path)
    time.sleep(0.05)
    first.save({})
    second = Checkpoint(path, aside=lambda: 100.0)
    second.load()
    assert second.sessions()[0]["seconds"] > 0.05
    assert -100.0 < second.sessions()[1]["seconds"] < -90.0


def test_differences_are_said_in_words() -> None:
    now = {"versions": {"torch": "2.1", "numpy": "2.0"}, "code": {"sources": "a"}}
    assert differences(now, now) == []
    before = {"versions": {"torch": "2.0", "numpy": "2.0"}, "code": {"sources": "b"}}
    assert differences(before, now) == ["torch 2.0 (now 2.1)", "other code of this project"]


def _hold(folder: Path, ready, end) -> None:
    lock = FolderLock(folder)
    ready.put(lock.acquire())
    end.wait()


@pytest.mark.parametrize("supported", [True, False])
def test_a_lock_is_exclusive_and_ends_with_its_process(tmp_path, monkeypatch, supported) -> None:
    if not supported:  # as on a file system without locks; the fork below takes the change with it
        monkeypatch.setattr(lock_module, "_flock", lambda descriptor: None)
    context = multiprocessing.get_context("fork")
    ready, end = context.Queue(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "run", ready, end))
    holder.start()
    assert ready.get(timeout=30)
    lock = FolderLock(tmp_path / "run")
    assert is_locked(tmp_path / "run")
    assert not lock.acquire()
    assert lock.holder().startswith(f"process {holder.pid} on ")
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert not is_locked(tmp_path / "run")
    assert lock.acquire()
    assert is_locked(tmp_path / "run")
    lock.release()
    assert os.listdir(tmp_path / "run") == []


def test_a_lock_holds_between_threads_too(tmp_path) -> None:
    locks = [FolderLock(tmp_path) for _ in range(8)]
    inside, most, done = 0, 0, 0
    guard = threading.Lock()

    def work(lock: FolderLock) -> None:
        nonlocal inside, most, done
        for _ in range(20):
            while not lock.acquire():
                time.sleep(0.0005)
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0002)
            with guard:
                inside -= 1
                done += 1
            lock.release()

    threads = [threading.Thread(target=work, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (1, 160)
    assert os.listdir(tmp_path) == []


def test_a_first_signal_is_noted_and_a_second_acts() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def hear(*numbers: int) -> None:
        with StopSignals() as stop:
            assert stop() is None
            for number in numbers:
                os.kill(os.getpid(), number)
                assert stop() == numbers[0]

    with pytest.raises(Stopped) as caught:
        hear(signal.SIGTERM)
    assert caught.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(Stopped) as caught:
        hear(signal.SIGTERM, signal.SIGINT)
    assert caught.value.number == signal.SIGINT


def test_an_error_is_not_hidden_by_a_signal() -> None:
    def fail() -> None:
        with StopSignals():
            os.kill(os.getpid(), signal.SIGINT)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()


def test_a_worker_stops_when_its_parent_is_gone() -> None:
    code = (
        "import os, sys, time\n"
        "from continual.stopping import StopSignals\n"
        "with StopSignals() as stop:\n"
        "    print(stop(), flush=True)\n"
        "    while stop() is None: time.sleep(0.01)\n"
        "    print(int(stop()), flush=True); os._exit(0)\n"
    )
    parent = (
        f"import os, subprocess, sys, time\nos.environ[{PARENT!r}] = str(os.getpid())\n"
        f"child = subprocess.Popen([sys.executable, '-c', {code!r}], stdout=subprocess.PIPE)\n"
        "assert child.stdout.readline() == b'None\\n'\n"
        "print(child.pid, flush=True)\n"
        "os.set_inheritable(child.stdout.fileno(), True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    pid = int(done.stdout)
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the worker goes on without its parent")


def test_a_log_that_was_removed_comes_back(tmp_path) -> None:
    from continual.run.logs import log_file

    with log_file(tmp_path / "run" / "log.txt"):
        logging.getLogger("continual.x").info("one")
        (tmp_path / "run" / "log.txt").unlink()
        (tmp_path / "run").rmdir()
        logging.getLogger("continual.x").info("two")
    assert "two" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")


def test_checked_files_are_torchs_own(tmp_path) -> None:
    save_checked(tmp_path / "checkpoint.pt", STATE)
    outer = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    inner = torch.load(io.BytesIO(outer["payload"].numpy().tobytes()), weights_only=True)
    assert inner["nested"] == STATE["nested"]
