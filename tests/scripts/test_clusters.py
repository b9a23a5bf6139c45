"""Sweeps on clusters: the same bits wherever runs are trained, jobs that share them, and jobs whose time is up."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from continual.records.record import Record, read_record
from continual.stopping import Stopped, StopSignals
from scripts.clusters import Worker, is_cluster, is_shared
from tests.short_runs import compare

ROOT = Path(__file__).parents[2]
SWEEP = ["-m", "model.width=2,3", "model=kan,mlp", "seeds=2", "training.steps=6", "tracker=none"]

with_submitit = pytest.mark.skipif(
    find_spec("submitit") is None, reason="needs pip install -e '.[slurm]': submitit is not there"
)
with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs pip install -e '.[ray]': ray is not there")


def train(*arguments: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.train", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=280,
        check=False,
        env={**os.environ, **environment},
        errors="replace",
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def records_of(results: Path) -> dict[str, Record]:
    return {path.parent.name: read_record(path.parent) for path in results.rglob("record.json")}


def assert_same(found: Path, expected: Path, *, named: bool = True) -> None:
    """Two results folders hold the same runs, to the bit, and tables with the same names in the same order.

    Where runs were trained by other commands, their own names, which say what varied in those, may differ.
    """
    ours, theirs = records_of(found), records_of(expected)
    assert ours.keys() == theirs.keys()
    for name, record in theirs.items():
        own = {} if named else {"name": record.fields["name"]}
        compare(replace(ours[name], fields={**ours[name].fields, **own}), record)
        left = {path.name for path in ours[name].folder.iterdir()}
        assert left == {"config.yaml", "curves.npz", "log.txt", "model.pt", "record.json"}
    tables = [(place / "runs" / "table.csv").read_text(encoding="utf-8").splitlines() for place in (found, expected)]
    assert [line.split(",")[0] for line in tables[0]] == [line.split(",")[0] for line in tables[1]]


@pytest.fixture(scope="module")
def in_process(tmp_path_factory) -> Path:
    """The sweep as one process trains it."""
    results = tmp_path_factory.mktemp("in-process")
    train(*SWEEP, f"results={results}", "jobs=1")
    return results


@pytest.mark.parametrize(
    ("launcher", "jobs"),
    [
        pytest.param("parallel", "auto", id="joblib"),
        pytest.param("submitit_local", "2", marks=with_submitit, id="submitit"),
        pytest.param("ray_local", "2", marks=with_ray, id="ray"),
        pytest.param("ray_local", "auto", marks=[with_ray, pytest.mark.slow], id="ray, a run a task"),
    ],
)
def test_wherever_runs_are_trained_they_leave_the_same(tmp_path, in_process, launcher, jobs) -> None:
    said = train(*SWEEP, f"results={tmp_path}", f"hydra/launcher={launcher}", f"jobs={jobs}")
    assert_same(tmp_path, in_process)
    if jobs == "2":
        assert "4 runs; to do: " in said
        assert "with 2 runs at a time" in said
    if launcher == "submitit_local":
        again = train(*SWEEP, f"results={tmp_path}", f"hydra/launcher={launcher}", "jobs=2")
        assert "to do" not in again
        assert len(list((tmp_path / "runs").glob(".submitit/*/*_result.pkl"))) == 2  # no job was needed


@pytest.mark.slow
@with_ray
def test_a_ray_cluster_that_is_there(tmp_path, in_process) -> None:
    ray = str(Path(sys.executable).with_name("ray"))
    own = {"RAY_AUTH_MODE": "disabled"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = [ray, "start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--block"]
    head = subprocess.Popen(
        start, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **own}
    )
    try:
        _until(lambda: _listens(port), "Ray began")
        command = [*SWEEP, f"results={tmp_path}", "hydra/launcher=ray_cluster", "jobs=2"]
        train(*command, RAY_ADDRESS=f"127.0.0.1:{port}", **own)
    finally:
        head.terminate()
        head.wait(timeout=60)
    assert_same(tmp_path, in_process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds, what: str, seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.05)


LONG = ["-m", "model.width=2", "seeds=2", "curriculum.peaks=2", "training.steps=2000", "tracker=none"]
LONG += ["training.checkpoint_seconds=1000"]


@with_submitit
def test_a_job_that_is_told_its_time_is_up_saves_and_goes_on_in_the_next(tmp_path) -> None:
    broken = tmp_path / "broken"
    arguments = [*LONG, f"results={broken}", "hydra/launcher=submitit_local", "jobs=1"]
    waiting = subprocess.Popen(
        [sys.executable, "-m", "scripts.train", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def holder() -> int | None:
        logs = [path for path in broken.rglob("log.txt") if "identity" in path.read_text(encoding="utf-8")]
        locks = [path.with_name(".lock").read_text(encoding="utf-8").split() for path in logs]
        return int(locks[0][1]) if locks else None

    _until(lambda: holder() is not None, "a job began to train")
    process = holder()
    assert process is not None
    os.kill(process, signal.SIGUSR2)
    assert waiting.wait(timeout=200) == 0, waiting.stderr.read() if waiting.stderr else ""
    if waiting.stderr is not None:
        waiting.stderr.close()
    (log,) = broken.rglob("log.txt")
    said = log.read_text(encoding="utf-8")
    assert "stopped in task" in said
    assert "going on from" in said
    train(*LONG, f"results={tmp_path / 'straight'}", "jobs=1")
    assert_same(broken, tmp_path / "straight")


def _save_when_signalled(heard: list[str]) -> None:
    with StopSignals() as stop:
        assert stop() is None
        signal.raise_signal(signal.SIGUSR2)
        assert stop() == signal.SIGUSR2
        heard.append("saved")
        raise Stopped(signal.SIGUSR2)


def test_who_listens_to_a_signal_hears_of_it_when_all_is_saved() -> None:
    heard: list[str] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append("listener"))
    try:
        with pytest.raises(Stopped, match="SIGUSR2"):
            _save_when_signalled(heard)
        assert heard == ["saved", "listener"]
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        with StopSignals() as stop:  # to which nobody listens
            signal.raise_signal(signal.SIGUSR2)
            assert stop() is None
    finally:
        signal.signal(signal.SIGUSR2, before)


def _fake(folder: Path, **commands: str) -> dict[str, str]:
    """Commands of Slurm that answer what a test wants."""
    folder.mkdir()
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@with_submitit
def test_the_batch_script_and_a_job_that_the_cluster_ends(tmp_path) -> None:
    states = "\\n".join(["JobID|State|NodeList", "7_0|NODE_FAIL|one", "7_1|COMPLETED|two"])
    path = _fake(
        tmp_path / "bin",
        sbatch=f'cp "$1" {tmp_path}/batch.sh; env > {tmp_path}/environment; echo Submitted batch job 7',
        srun="exit 1",
        sacct=f"printf '{states}'",
        squeue="exit 0",
        scontrol="exit 1",
    )
    slurm = ["hydra/launcher=slurm", "jobs=2", "threads=3", "hydra.launcher.partition=short"]
    said = train(*SWEEP, f"results={tmp_path / 'results'}", *slurm, code=1, **path)
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: a job ended before its work was done (")
    assert error.endswith("); the same command goes on")
    script = (tmp_path / "batch.sh").read_text(encoding="utf-8")
    wanted = {
        "--array=0-1%2",  # four runs, in two jobs
        "--cpus-per-task=3",
        "--job-name=runs",
        "--partition=short",
        "--signal=USR2@60",
        "--time=60",
        "--open-mode=append",
    }
    assert wanted <= set(script.replace("#SBATCH ", "").splitlines()), script
    (line,) = [line for line in script.splitlines() if line.startswith("srun ")]
    assert f"{sys.executable} -u -m submitit.core._submit" in line
    assert "KAN_CONTINUAL_PARENT" not in (tmp_path / "environment").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("launcher", "jobs", "cluster", "shared"),
    [
        ("BasicLauncher", 4, False, False),
        ("JoblibLauncher", "auto", False, False),
        ("SlurmLauncher", "auto", True, True),
        ("LocalLauncher", "auto", True, True),
        ("RayLauncher", "auto", True, False),
        ("RayLauncher", 2, True, True),
    ],
)
def test_where_jobs_share_runs(launcher, jobs, cluster, shared) -> None:
    config = OmegaConf.create({"jobs": jobs, "hydra": {"launcher": {"_target_": f"any.{launcher}"}}})
    assert is_cluster(config) == cluster
    assert is_shared(config) == shared


def test_jobs_begin_where_no_other_does() -> None:
    for runs in (1, 3, 7, 60):
        for jobs in range(1, runs + 1):
            worker = Worker("one", [["x=1"]] * runs, jobs, 0.0)
            orders = [list(worker._order(job)) for job in range(jobs)]
            assert all(sorted(order) == list(range(runs)) for order in orders)
            assert len({order[0] for order in orders}) == jobs
            starts = sorted(order[0] for order in orders)
            lengths = [b - a for a, b in zip(starts, [*starts[1:], runs], strict=True)]
            assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("launcher", ["slurm", "ray_local", "ray_cluster"])
def test_a_launcher_whose_package_is_missing_is_said_in_a_line(tmp_path, launcher) -> None:
    package = "submitit" if launcher == "slurm" else "ray"
    if find_spec(package) is not None:
        with initialize_config_module("conf", version_base="1.3"):
            config = compose("train", [f"hydra/launcher={launcher}", "threads=3"], return_hydra_config=True)
        assert is_cluster(config)
        return
    said = train(*SWEEP, f"hydra/launcher={launcher}", f"results={tmp_path}", code=1)
    assert said.startswith("error: hydra/launcher=")
    assert (
        f"needs a package that is not installed; pip install -e '.[{'slurm' if launcher == 'slurm' else 'ray'}]'"
        in said
    )


SLURM = ("slurmctld", "slurmd", "munged", "sbatch")


@pytest.fixture
def slurm(tmp_path) -> Iterator[dict[str, str]]:
    """A Slurm of one node with two cores, on this machine, for one test; what its commands need in the environment."""
    missing = [name for name in SLURM if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs apt-get install slurm-wlm munge: {', '.join(missing)} is not there")
    if os.geteuid():
        pytest.skip("needs root, to start Slurm's daemons")
    folder = Path(tmp_path) / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (one, two)]
    settings = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "AuthInfo": f"socket={folder / 'munge.socket'}",
        "SlurmUser": "root",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log",
        "SlurmctldPort": ports[0],
        "SlurmdPort": ports[1],
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "SchedulerParameters": "sched_interval=2,batch_sched_delay=0",
        "KillWait": 10,
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    lines += [f"NodeName={host} NodeAddr=127.0.0.1 CPUs=2", "PartitionName=main Nodes=ALL Default=YES"]
    (folder / "slurm.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    options = {"env": {**os.environ, **environment}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    key, place = f"--key-file={folder / 'munge.key'}", f"--socket={folder / 'munge.socket'}"
    files = [f"--{name}-file={folder / f'munge.{name}'}" for name in ("pid", "log", "seed")]
    daemons = []
    try:
        for command in (
            ["munged", "--foreground", "--force", key, place, *files],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D"],
        ):
            daemons.append(subprocess.Popen(command, **options))
            time.sleep(1.0)
        ask = ["sinfo", "--noheader", "--format=%t"]
        answers = {"env": options["env"], "capture_output": True, "text": True, "check": False}
        _until(lambda: subprocess.run(ask, **answers).stdout.strip() == "idle", "the node was idle", 60)
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@with_submitit
def test_slurm_ends_a_job_by_its_time_and_the_next_goes_on(tmp_path, slurm) -> None:
    sweep = [
        "-m",
        "model.width=2,3,4",
        "seeds=2",
        "tracker=none",
        "optimizer=lbfgs",
        "training.checkpoint_seconds=1000",
    ]
    sweep += ["training.steps=200", "training.evaluate_every=100", "optimizer.max_iter=150"]
    short = ["hydra/launcher=slurm", "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=40", "jobs=2"]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.train", *sweep, f"results={tmp_path / 'slurm-runs'}", *short],
        cwd=ROOT,
        env={**os.environ, **slurm},
        capture_output=True,
        text=True,
        timeout=1000,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [path.read_text(encoding="utf-8") for path in (tmp_path / "slurm-runs").rglob("log.txt")]
    assert any("stopped in task" in log and "going on from" in log for log in logs)
    train(*sweep, f"results={tmp_path / 'straight'}", "jobs=1")
    assert_same(tmp_path / "slurm-runs", tmp_path / "straight")


def split_and_merge(tmp_path: Path, axis: str, parts: tuple[str, str], others: list[str]) -> tuple[Path, Path, str]:
    """A sweep as one process trains it, and as two in folders of their own, brought together and asked for again."""
    places = [tmp_path / "one", tmp_path / "two"]
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "scripts.train", "-m", f"{axis}={part}", *others, f"results={place}", "jobs=1"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part, place in zip(parts, places, strict=True)
    ]
    assert [machine.wait(timeout=600) for machine in machines] == [0, 0]
    whole = ["-m", f"{axis}={','.join(parts)}", *others]
    train(*whole, f"results={tmp_path / 'whole'}", "jobs=1")
    command = [sys.executable, "-m", "scripts.runs", "merge", *map(str, places), "--into", str(tmp_path / "merged")]
    merged = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=True)
    again = train(*whole, f"results={tmp_path / 'merged'}")
    assert "to do" not in again  # nothing is trained any more
    return tmp_path / "merged", tmp_path / "whole", merged.stdout


@pytest.mark.slow
def test_a_sweep_split_over_two_folders_and_merged_is_the_whole_one(tmp_path) -> None:
    merged, whole, said = split_and_merge(tmp_path, "model.width", ("2", "3"), [*SWEEP[2:]])
    assert said.splitlines()[-1] == f"4 runs brought into {merged}"
    assert_same(merged, whole, named=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_60_runs_split_over_two_folders_and_merged_are_the_whole_sweep(tmp_path) -> None:
    parts = ",".join(map(str, range(3, 18))), ",".join(map(str, range(18, 33)))
    others = ["optimizer.lr=0.01,0.02", "seeds=2", "training.steps=20", "tracker=none"]
    merged, whole, said = split_and_merge(tmp_path, "model.grid_size", parts, others)
    assert said.splitlines()[-1] == f"60 runs brought into {merged}"
    assert_same(merged, whole, named=False)
