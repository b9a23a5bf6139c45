"""The W&B tracker, judged by what W&B's own reader finds in the files and by what a server receives."""

import http.server
import json
import logging
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from matplotlib.figure import Figure

from continual.metrics import METRICS, find_metric, summarize
from continual.records.record import Record
from continual.trackers.marker import tracking_ended
from continual.trackers.tracker import Clocked, RunInfo, Tracker
from continual.trackers.wandb_content import tables
from continual.trackers.wandb_folder import unsent
from continual.trackers.wandb_tracker import WandbTracker

ROOT = Path(__file__).parents[3]
KEY = "a" * 40
MEMBERS, TASKS, STEPS = 3, 2, 4
DIVERGED = 1  # a member, from its last task on

RNG = np.random.default_rng(5)
R = RNG.uniform(0.1, 1.0, (MEMBERS, TASKS + 1, TASKS))
R[DIVERGED, -1] = np.nan
LOSS = RNG.uniform(0.1, 1.0, (STEPS, MEMBERS))
LOSS[-1, DIVERGED] = np.inf
RMSE = RNG.uniform(0.1, 1.0, (STEPS, MEMBERS, TASKS))
RMSE[-1, DIVERGED] = np.nan


def isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """A user without account, key and settings."""
    home.mkdir(exist_ok=True)
    for name in list(os.environ):
        if name.startswith(("WANDB_", "XDG_", "NETRC")):
            patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.chdir(home.parent)  # where wandb's command line leaves its logs
    patch.setattr(WandbTracker, "_offline_only", False)


def forget_wandb() -> None:
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    isolate(monkeypatch, tmp_path / "home")
    yield tmp_path / "home"
    forget_wandb()


def info(folder: Path, seeds: int = MEMBERS) -> RunInfo:
    return RunInfo(
        experiment="five_peaks",
        name="KAN G=200",
        identity="0123abcd",
        folder=folder,
        config={"model": {"grid_size": 200, "layer_sizes": [1, 1]}, "optimizer": {"lr": 1.0}},
        parameters={"trainable": 203, "total": 405},
        task_names=["left", "right"],
        seeds=range(seeds),
        family="KAN",
    )


def record(folder: Path, members: int = MEMBERS) -> Record:
    fields = {
        "name": "KAN G=200",
        "experiment": "five_peaks",
        "model": {"family": "KAN"},
        "seeds": list(range(members)),
        "diverged": [m == DIVERGED for m in range(members)],
        "task_names": ["left", "right"],
        "parameters": {"trainable": 203, "total": 405},
        "flops": 406,
        "seconds": {"total": 8.5},
        "R": R[:members],
        "baseline_rmse": np.ones((members, TASKS)),
    }
    return Record(folder, fields)


def follow(tracker: Tracker, folder: Path, members: int = MEMBERS) -> None:
    """What a training does with a tracker, up to its end."""
    tracker.start(info(folder, members))
    tracker.task_done(0, R[:members, 0])
    for step in range(STEPS):
        tracker.evaluation(10 * step, step // 2 - 1, LOSS[step, :members], RMSE[step, :members])
    for index in range(1, TASKS + 1):
        tracker.task_done(index, R[:members, index])


def whole(tracker: Tracker, folder: Path, members: int = MEMBERS) -> None:
    follow(tracker, folder, members)
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([0, 1])
    tracker.finish(record(folder, members), {"matrix": lambda: figure})


class Log:
    """A run's transaction log, read by the program behind `wandb leet inspect --json`."""

    def __init__(self, folder: Path, kind: str = "offline-run") -> None:
        from wandb.util import get_core_path

        (self.path,) = [folder] if list(folder.glob("*.wandb")) else folder.glob(f"**/wandb/{kind}-*")
        (file,) = self.path.glob("*.wandb")
        command = [
            get_core_path(),
            "leet",
            "inspect",
            "--no-observability",
            "--json",
            "--run-file",
            str(file),
        ]
        lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        self.records = [json.loads(line) for line in lines.splitlines()]
        (self.run,) = self.all("run")
        self.config = self.run["config"]["update"]
        self.history = [item["item"] for item in self.all("history")]
        self.summary: dict[str, Any] = {}
        for item in self.all("summary"):
            self.summary |= item["update"]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [item[kind] for item in self.records if item["type"] == kind]

    def curve(self, key: str, axis: str) -> tuple[list[float], list[float]]:
        rows = [row for row in self.history if key in row]
        return [row[axis] for row in rows], [float(row[key]) for row in rows]

    def file(self, key: str) -> Path:
        """The file of an image or a table, which must have been logged and noted for upload."""
        (path,) = {row[f"{key}.path"] for row in self.history if f"{key}.path" in row}
        assert path in {item["path"] for files in self.all("files") for item in files["files"]}
        return self.path / "files" / path

    @property
    def exit_code(self) -> int:
        (item,) = self.all("exit")
        return item.get("exit_code", 0)


def assert_holds_everything(log: Log) -> None:
    assert log.config["parameters"] == {"trainable": 203, "total": 405}
    assert len(log.curve("curve/loss/mean", "train/step")[0]) == STEPS
    assert len(log.curve("task/seen_rmse", "task/index")[0]) == TASKS
    assert len(json.loads(log.file("R").read_text())["data"]) == R.size
    assert log.file("figures/matrix").read_bytes().startswith(b"\x89PNG")
    assert log.summary["final_rmse/median"] == pytest.approx(np.nanmedian(R[:, -1].mean(-1)))
    assert log.exit_code == 0


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    folder = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder / "home")
        patch.setenv("WANDB_API_KEY", " malformed")  # of no concern here
        before = dict(os.environ)
        whole(WandbTracker(), folder / "run")
        after = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}  # wandb's own
        forget_wandb()
        assert after == before
        assert list((folder / "home").iterdir()) == []
        yield Log(folder / "run")


def test_offline_run_holds_config_and_counts(offline: Log) -> None:
    assert offline.run["run_group"] == "five_peaks"
    assert offline.run["display_name"] == "KAN G=200"
    assert offline.run["job_type"] == "train"
    assert offline.run["tags"] == ["KAN"]
    assert offline.run["project"] == "kan-continual"
    assert offline.config["model"] == {"grid_size": 200, "layer_sizes": [1, 1]}
    assert offline.config["optimizer"] == {"lr": 1.0}
    assert offline.config["identity"] == "0123abcd"
    assert offline.config["task_names"] == ["left", "right"]
    assert_holds_everything(offline)


def test_axes_are_explicit(offline: Log) -> None:
    axes = {m.get("name", m.get("glob_name")): m.get("step_metric") for m in offline.all("metric")}
    assert axes == {
        "train/step": None,
        "train/task": "train/step",
        "curve/*": "train/step",
        "task/index": None,
        "task/*": "task/index",
    }


def test_curves_are_mean_and_interval_over_members(offline: Log) -> None:
    finite = np.where(np.isfinite(LOSS), LOSS, np.nan)
    curves = {"loss": finite, "rmse/task_1": RMSE[..., 0], "rmse/task_2": RMSE[..., 1]}
    for name, values in curves.items():
        expected = summarize(values, axis=1)
        for key, sign in (("mean", 0), ("low", -1), ("high", 1)):
            steps, found = offline.curve(f"curve/{name}/{key}", "train/step")
            assert steps == [0, 10, 20, 30]
            np.testing.assert_allclose(found, expected.mean + (sign * expected.half_width if sign else 0.0))
    assert offline.curve("curve/diverged", "train/step")[1] == [0, 0, 0, 1]
    assert offline.curve("train/task", "train/step")[1] == [0, 0, 1, 1]


def test_tasks_are_logged_from_the_untrained_model_on(offline: Log) -> None:
    for j in range(TASKS):
        index, found = offline.curve(f"task/rmse/task_{j + 1}", "task/index")
        assert index == [0, 1, 2]
        np.testing.assert_allclose(found, np.nanmean(R[..., j], axis=0))
    index, found = offline.curve("task/seen_rmse", "task/index")
    assert index == [1, 2]
    np.testing.assert_allclose(found, [R[:, 1, 0].mean(), np.nanmean(R[:, 2].mean(-1))])


def test_matrix_is_a_table(offline: Log) -> None:
    table = json.loads(offline.file("R").read_text())
    assert table["columns"] == ["seed", "tasks_learned", "task", "rmse"]
    found = np.full(R.shape, -1.0)
    for seed, i, task, value in table["data"]:
        found[seed, i, task - 1] = np.nan if value is None else value
    np.testing.assert_array_equal(found, R)
    assert offline.all("artifact") == []  # those would lie outside the run's folder


def test_summary_holds_every_metric(offline: Log, tmp_path: Path) -> None:
    alone = [name for name in METRICS if find_metric(name).needs != "another run"]
    assert len(alone) == len(METRICS) - 2
    for name in alone:
        values = record(tmp_path).metrics[name]
        expected = summarize(values)
        assert offline.summary[f"{name}/defined"] == int(expected.defined)
        for part in ("mean", "half_width", "median"):
            value, said = float(getattr(expected, part)), offline.summary[f"{name}/{part}"]
            assert (said is None) if np.isnan(value) else (said == pytest.approx(value))
    counts = {"members": 3, "diverged": 1, "seconds": 8.5, "flops": 406}
    assert counts.items() <= offline.summary.items()
    assert offline.summary["parameters/trainable"] == 203
    assert offline.summary["parameters/total"] == 405


def test_reader_calls_the_run_finished(offline: Log) -> None:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(offline.path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    summary = json.loads(done.stdout)
    assert summary["state"] == "finished"
    assert summary["config"]["parameters"]["trainable"] == 203
    assert summary["console"] == []


def test_one_member_has_no_interval(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole(WandbTracker(), tmp_path, members=1)
    log = Log(tmp_path)
    assert log.curve("curve/loss/mean", "train/step")[1] == list(LOSS[:, 0])
    assert not any(key.endswith(("/low", "/high")) for row in log.history for key in row)
    assert log.summary["forgetting/half_width"] is None  # what NaN becomes in a summary
    assert capfd.readouterr() == ("", "")


def test_runs_follow_one_another_and_long_tables_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setattr(wandb.Table, "MAX_ROWS", 10)
    whole(WandbTracker(), tmp_path / "one")
    tracker = WandbTracker()
    follow(tracker, tmp_path / "two")
    tracker.abort()
    tracker.abort()
    parts = [json.loads(Log(tmp_path / "one").file(key).read_text()) for key in ("R", "R_2")]
    assert [len(part["data"]) for part in parts] == [10, 8]
    aborted = Log(tmp_path / "two")
    assert aborted.exit_code == 1
    assert len(aborted.history) == STEPS + TASKS + 1
    assert wandb.run is None


def test_report_is_a_run_of_the_group(tmp_path: Path) -> None:
    Figure(figsize=(2, 2), dpi=50).savefig(tmp_path / "figure.png")
    (tmp_path / "table.csv").write_text("model,final RMSE\nKAN,4.1e-06\nMLP,\n")
    figures, table = {"main": tmp_path / "figure.png"}, tmp_path / "table.csv"
    WandbTracker().report("five_peaks", tmp_path, figures, table)
    log = Log(tmp_path)
    assert (log.run["run_group"], log.run["job_type"]) == ("five_peaks", "report")
    assert json.loads(log.file("table").read_text()) == {
        "columns": ["model", "final RMSE"],
        "data": [["KAN", 4.1e-06], ["MLP", None]],
    }
    assert log.file("figures/main").read_bytes() == figures["main"].read_bytes()
    assert log.exit_code == 0
    WandbTracker().report("five_peaks", tmp_path, figures, table)
    assert Log(tmp_path).run["run_id"] == log.run["run_id"]  # in the first one's place


def follow_elsewhere(folder: Path, mode: str, **streams: Any) -> "subprocess.Popen[str]":
    """A tracked run in a process of its own, which tells whether it imported wandb."""
    code = (
        "import logging, sys; from pathlib import Path; logging.basicConfig(format='%(name)s %(message)s')\n"
        "from tests.continual.trackers.test_trackers import WandbTracker, follow\n"
        f"tracker = WandbTracker({mode!r}); follow(tracker, Path({str(folder)!r})); tracker.abort()\n"
        "print('wandb' in sys.modules)"
    )
    path = str(ROOT)
    # fonts would be searched anew, and the finding kept, in an empty home
    environment = {**os.environ, "PYTHONPATH": path, "MPLCONFIGDIR": str(folder.parent / "matplotlib")}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **streams)


@pytest.mark.parametrize(("mode", "variable"), [("disabled", "online"), ("online", "disabled")])
def test_disabled_does_not_import_wandb(
    tmp_path: Path, mode: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    process = follow_elsewhere(tmp_path / "run", mode, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.communicate(timeout=60) == ("False\n", "")
    assert not (tmp_path / "run").exists()


def test_without_a_key_nobody_is_asked_for_one(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, end = pty.openpty()  # wandb only asks where there is a terminal to answer from
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        process = follow_elsewhere(tmp_path / "run", "online", stdin=end, stdout=end, stderr=end)
        os.close(end)
        assert process.wait(timeout=30) == 0
        assert server.paths == []  # no report of the failure either
    said = os.read(terminal, 10_000).decode().split("\r\n")
    os.close(terminal)
    assert [line for line in said if line][1:] == ["True"]
    assert "wandb login" in said[0]
    assert said[0].startswith("continual.trackers.wandb_tracker")
    assert Log(tmp_path / "run").exit_code == 1
    assert list(home.iterdir()) == []


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [entry for entry in caplog.records if entry.name == "continual.trackers.wandb_tracker"]
    assert all(entry.levelno == logging.WARNING for entry in ours)
    return [entry.getMessage() for entry in ours]


def one_warning(caplog: pytest.LogCaptureFixture) -> str:
    (message,) = warnings(caplog)
    assert "wandb login" in message
    assert "python -m scripts.runs sync" in message
    return message


def test_unreachable_server_costs_one_warning_and_no_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    began = time.monotonic()
    whole(WandbTracker("online"), tmp_path / "one")
    first = time.monotonic() - began
    whole(WandbTracker("online"), tmp_path / "two")
    assert first < 10
    assert time.monotonic() - began - first < 3
    assert str(tmp_path / "one") in one_warning(caplog)
    for name in ("one", "two"):
        assert_holds_everything(Log(tmp_path / name))
        assert list((tmp_path / name / "wandb").glob("run-*")) == []


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WANDB_API_KEY": "short"},
        {"WANDB_API_KEY": f" {KEY}"},
        {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "refusing"},
        {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "silent"},
    ],
    ids=["no key", "short key", "key with a space", "wrong key", "server that never answers"],
)
def test_falls_back_to_offline(
    tmp_path: Path,
    environment: Mapping[str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Server(401) as refusing, http.server.HTTPServer(("127.0.0.1", 0), Answers) as silent:
        urls = {"refusing": refusing.url, "silent": f"http://127.0.0.1:{silent.server_port}"}
        for name, value in environment.items():
            monkeypatch.setenv(name, urls.get(value, value))
        began = time.monotonic()
        tracker = WandbTracker("online", init_timeout=2.0)
        follow(tracker, tmp_path)
        tracker.abort()
        assert time.monotonic() - began < 6
    one_warning(caplog)
    assert os.environ.get("WANDB_API_KEY") == environment.get("WANDB_API_KEY")
    assert len(Log(tmp_path).history) == STEPS + TASKS + 1


def test_environment_can_only_make_it_more_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        for number, (mode, variable) in enumerate([("offline", "online"), ("online", "offline")]):
            monkeypatch.setenv("WANDB_MODE", variable)
            tracker = WandbTracker(mode)  # type: ignore[arg-type]
            tracker.start(info(tmp_path / str(number)))
            tracker.abort()
            assert Log(tmp_path / str(number)).exit_code == 1
        assert server.paths == []


class Answers(http.server.BaseHTTPRequestHandler):
    """Just enough of a W&B server for a run to start and upload its files."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        server.paths.append(self.path)
        if self.path.endswith("/file_stream"):
            for name, part in json.loads(body).get("files", {}).items():
                server.lines.setdefault((self.path, name), []).extend(part["content"])
        data: dict[str, Any] = {}
        if self.path == "/graphql":
            request = json.loads(body)
            if request["operationName"] == "UpsertBucket":
                project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "e"}}
                bucket = {"id": "r", "name": request["variables"]["name"], "project": project}
                data = {"upsertBucket": {"bucket": bucket, "inserted": True}}
            elif request["operationName"] == "CreateRunFiles":
                names = request["variables"]["files"]
                files = [{"name": name, "uploadUrl": f"{server.url}/upload/{name}"} for name in names]
                data = {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        answer = json.dumps({"data": data}).encode()
        self.send_response(server.status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST  # noqa: N815


class Server(http.server.ThreadingHTTPServer):
    """A W&B server that gives every request the same status and keeps its path."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.status = status
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.paths: list[str] = []
        self.lines: dict[tuple[str, str], list[str]] = {}  # of a run's address and file, as they came
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def server_close(self) -> None:
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join()
        super().server_close()


def test_errors_of_the_server_fall_back_to_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with Server(500) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        whole(WandbTracker("online", init_timeout=1.0, per_seed=True), tmp_path)
    one_warning(caplog)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == MEMBERS
    assert not list((tmp_path / "wandb").glob("run-*"))


def test_server_that_stops_answering_leaves_every_member_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    let_go = threading.Event()
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        tracker = WandbTracker("online", finish_timeout=1.0, per_seed=True)
        follow(tracker, tmp_path)
        monkeypatch.setattr(Answers, "do_POST", lambda self: let_go.wait(60))
        tracker.finish(record(tmp_path), {})
        let_go.set()
    one_warning(caplog)
    assert len(list(unsent(tmp_path))) == MEMBERS
    for path in unsent(tmp_path):
        log = Log(path)
        assert len(log.curve("curve/loss", "train/step")[0]) == STEPS
        assert log.summary["final_rmse"] == pytest.approx(R[log.config["seed"], -1].mean(), nan_ok=True) or (
            log.config["seed"] == DIVERGED
        )
        assert log.exit_code == 0


def test_a_run_a_seed_survives_interruptions(tmp_path: Path) -> None:
    tracker = WandbTracker(per_seed=True, tags=["mine"], notes="why")
    follow(tracker, tmp_path)
    forget_wandb()  # as a kill leaves it
    whole(WandbTracker(per_seed=True, tags=["mine"], notes="why"), tmp_path)
    logs = {log.config["seed"]: log for log in map(Log, unsent(tmp_path))}
    key = json.loads((tmp_path / "tracking.json").read_text())["id"]
    assert sorted(logs) == list(range(MEMBERS))
    for seed, log in logs.items():
        assert log.run["run_id"] == f"{key}-{seed}"
        assert (log.run["run_group"], log.run["job_type"]) == ("KAN G=200", "seed")
        assert log.run["tags"] == ["KAN", "five_peaks", "mine"]
        assert log.run["notes"] == "why"
        steps, found = log.curve("curve/rmse/task_2", "train/step")
        assert steps == [0, 10, 20, 30]
        np.testing.assert_allclose(found, RMSE[:, seed, 1])
        np.testing.assert_allclose(log.curve("task/rmse/task_1", "task/index")[1], R[seed, :, 0])
        table = json.loads(log.file("R").read_text())["data"]
        assert [row[0] for row in table] == [seed] * R[seed].size
        values = record(tmp_path).metrics["learned_rmse"]
        assert seed == DIVERGED or log.summary["learned_rmse"] == pytest.approx(values[seed])


def test_short_runs_have_a_picture_on_request(tmp_path: Path) -> None:
    for figures, expected in (("auto", 0), ("always", 1)):
        tracker = WandbTracker(figures=figures)  # type: ignore[arg-type]
        follow(tracker, tmp_path / figures)
        done = record(tmp_path / figures)
        done.fields["seconds"]["total"] = 0.5
        tracker.finish(done, {"matrix": lambda: Figure(figsize=(2, 2), dpi=50)})
        assert sum("figures/matrix.path" in row for row in Log(tmp_path / figures).history) == expected


def test_what_was_set_and_intervals_are_flat_keys(tmp_path: Path) -> None:
    tracker = WandbTracker()
    tracker.start(replace(info(tmp_path), axes={"grid_size": 5, "first.lr": 0.1}, command="python -m scripts.train"))
    tracker.finish(record(tmp_path), {})
    log = Log(tmp_path)
    assert log.config["axes"] == {"grid_size": 5, "first_lr": 0.1}
    assert log.run["notes"] == "python -m scripts.train"
    found = summarize(record(tmp_path).metrics["learned_rmse"])
    assert log.summary["learned_rmse/low"] == pytest.approx(float(found.mean - found.half_width))
    assert log.summary["learned_rmse/high"] == pytest.approx(float(found.mean + found.half_width))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # wandb leaves the sweep's file open
def test_an_agent_s_trial_has_the_agent_s_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(WandbTracker(), tmp_path / "run")
    (tmp_path / "config.yaml").write_text("optimizer:\n  value: adam\n")
    for name, value in {
        "SWEEP_ID": "s1",
        "RUN_ID": "trial1",
        "SWEEP_PARAM_PATH": str(tmp_path / "config.yaml"),
    }.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    forget_wandb()
    tracker = WandbTracker(per_seed=True)
    assert not tracker.ended(tmp_path / "run")  # W&B has it, but not as this trial
    whole(tracker, tmp_path / "run")
    log = Log(tmp_path / "run")
    assert (log.run["run_id"], log.run["sweep_id"]) == ("trial1", "s1")
    assert log.config["optimizer_settings"] == {"lr": 1.0}
    assert tracker.ended(tmp_path / "run")


def test_server_that_goes_away_does_not_hold_up_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    tracker = WandbTracker("online", finish_timeout=1.0)
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        follow(tracker, tmp_path)
    began = time.monotonic()
    tracker.finish(record(tmp_path), {"matrix": lambda: Figure(figsize=(2, 2), dpi=50)})
    assert time.monotonic() - began < 4
    one_warning(caplog)
    log = Log(tmp_path, kind="run")
    assert_holds_everything(log)
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        command = [sys.executable, "-m", "wandb", "sync", "--include-online", str(log.path)]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        for key in ("R", "figures/matrix"):
            assert f"/upload/{log.file(key).relative_to(log.path / 'files')}" in server.paths


def test_death_of_the_service_ends_one_run_s_tracking_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from wandb.sdk import wandb_setup

    tracker = WandbTracker()
    tracker.start(info(tmp_path / "one"))
    connection: Any = wandb_setup.singleton().ensure_service()
    connection._proc._process.kill()
    connection._proc._process.wait()
    follow(WandbTracker(), tmp_path / "two")  # may fail or not, but says so at most
    tracker.finish(record(tmp_path), {})
    assert warnings(caplog)
    assert all("training goes on" in message for message in warnings(caplog))
    whole(WandbTracker(), tmp_path / "three")
    assert_holds_everything(Log(tmp_path / "three"))


@pytest.mark.parametrize(
    "arguments",
    [{"mode": "on"}, {"init_timeout": 0.0}, {"finish_timeout": -1.0}, {"figures": "no"}, {"tags": ["a", ""]}],
)
def test_rejects_settings_without_meaning(arguments: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"tracker.{next(iter(arguments))} must be"):
        WandbTracker(**arguments)


def settle(folder: Path) -> None:
    """What the next command does with a run that is done."""
    if not tracking_ended(folder):
        WandbTracker().complete(record(folder), info(folder), {"matrix": lambda: Figure(figsize=(2, 2), dpi=50)})
    assert tracking_ended(folder)


def write_curves(folder: Path) -> None:
    """The curves of `follow`, with the evaluations that its rows of R belong to."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = {"step": [0, 10, 20, 30], "task": [-1, 0, 0, 1], "loss": LOSS.T, "rmse": RMSE.swapaxes(0, 1)}
    np.savez(folder / "curves.npz", boundaries=[20, 30], **{name: np.asarray(a) for name, a in curves.items()})


def test_interrupted_runs_leave_one_finished_run(tmp_path: Path) -> None:
    write_curves(tmp_path)
    ids = set()
    for _ in range(2):  # dropped as a kill drops it, and aborted
        tracker = WandbTracker()
        follow(tracker, tmp_path)
        assert not list((tmp_path / "wandb").glob("*run-*"))  # nothing for `wandb sync` to find
        ids.add(json.loads((tmp_path / "tracking.json").read_text())["id"])
        forget_wandb()
    tracker.abort()
    assert not tracking_ended(tmp_path)
    settle(tmp_path)
    log = Log(tmp_path)
    assert_holds_everything(log)
    assert log.path.parent == tmp_path / "wandb"
    assert {log.run["run_id"]} == ids
    assert not (tmp_path / ".tracking").exists()
    whole(WandbTracker(), tmp_path)  # made again, from the start
    assert_holds_everything(Log(tmp_path))


KILLER = """
import os, sys, signal
from pathlib import Path
import tests.continual.trackers.test_trackers as t
folder, moment = Path(sys.argv[1]), int(sys.argv[2])
tracker = t.WandbTracker()
t.follow(tracker, folder)
events = [0]
def watch(name, args):
    if name in ("os.rename", "shutil.rmtree", "os.mkdir", "open", "os.remove"):
        events[0] += 1
        if events[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
tracker.finish(t.record(folder), {})
"""


@pytest.mark.parametrize(
    "moment",
    [
        1,
        40,
        pytest.param(2, marks=pytest.mark.slow),
        *(pytest.param(m, marks=pytest.mark.slow) for m in range(5, 200, 15)),
    ],
)
def test_killed_while_the_tracker_ends_is_completed(tmp_path: Path, moment: int) -> None:
    write_curves(tmp_path)
    path = str(ROOT)
    environment = {**os.environ, "PYTHONPATH": path, "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    command = [sys.executable, "-c", KILLER, str(tmp_path), str(moment)]
    subprocess.run(command, env=environment, capture_output=True, timeout=60)
    settle(tmp_path)
    log = Log(tmp_path)
    assert log.path.parent == tmp_path / "wandb"
    assert log.exit_code == 0
    assert len(json.loads(log.file("R").read_text())["data"]) == R.size


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 5}', '{"id": "../../x", "ended": 1}'])
def test_damaged_marker_costs_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "tracking.json").write_text(content)
    assert not tracking_ended(tmp_path)
    tracker = WandbTracker()
    tracker.start(info(tmp_path))
    tracker.abort()
    assert Log(tmp_path).run["run_id"].isalnum()


VARIABLES = {
    "WANDB_TAGS": "x" * 65,
    "WANDB_PROJECT": "a/b?c",
    "WANDB_RUN_ID": "a/b",
    "WANDB_RESUME": "must",
    "WANDB_RESUME_FROM": "nonsense",
    "WANDB_FORK_FROM": "nonsense",
    "WANDB_SWEEP_ID": "a/b",
    "WANDB_MODE": "nonsense",
    "WANDB_DIR": "/proc/nowhere",
    "WANDB_CACHE_DIR": "/proc/nowhere",
    "WANDB_DATA_DIR": "/proc/nowhere",
    "WANDB_CONFIG_DIR": "/proc/nowhere",
    "WANDB_BASE_URL": "nonsense",
    "WANDB_API_KEY": "nonsense",
    "WANDB_CONSOLE": "nonsense",
    "WANDB_NAME": "x" * 1000,
    "WANDB_NOTES": "\x01\n",
    "WANDB_SERVICE": "nonsense",
    "WANDB_SERVICE_WAIT": "soon",
    "WANDB_INIT_TIMEOUT": "soon",
    "WANDB_SILENT": "perhaps",
    "WANDB_HTTP_PROXY": "nonsense",
    "WANDB_START_METHOD": "nonsense",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_loses_a_run(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forget_wandb()
    monkeypatch.setenv(name, VARIABLES[name])
    whole(WandbTracker(), tmp_path)
    log = Log(tmp_path)
    assert_holds_everything(log)
    assert log.run["display_name"] == "KAN G=200"
    assert log.run["project"] == "kan-continual"
    assert len(warnings(caplog)) <= 1


@pytest.mark.parametrize("error", ["ImportError('x')", "SystemExit(2)", "TypeError('Descriptors')"])
def test_broken_installation_is_one_warning(tmp_path: Path, error: str) -> None:
    broken = tmp_path / "broken" / "wandb"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(f"raise {error}")
    code = (
        "import sys; from pathlib import Path; import tests.continual.trackers.test_trackers as t\n"
        f"sys.path.insert(0, {str(broken.parent)!r}); t.whole(t.WandbTracker(), Path({str(tmp_path / 'run')!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert error.partition("(")[0] in done.stderr


@pytest.mark.parametrize("arguments", [{"project": "a/b"}, {"project": ""}, {"project": None}, {"entity": 5}])
def test_rejects_names_that_no_server_takes(arguments: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"tracker.{next(iter(arguments))} must be"):
        WandbTracker(**arguments)


def test_base_tracker_leaves_nothing(tmp_path: Path) -> None:
    whole(Tracker(), tmp_path / "run")
    Tracker().abort()
    Tracker().report("five_peaks", tmp_path / "run", {}, tmp_path / "table.csv")
    assert not (tmp_path / "run").exists()


METHODS = ("start", "task_done", "evaluation", "finish")


class Failing(Tracker):
    """One that raises in one of its methods, and counts the calls after that."""

    def __init__(self, method: str, error: BaseException) -> None:
        self.calls: list[str] = []

        def fail(*_: object) -> None:
            self.calls.append(method)
            raise error

        for name in METHODS:
            setattr(self, name, fail if name == method else lambda *_, name=name: self.calls.append(name))


@pytest.mark.parametrize("error", [RuntimeError("two\nlines"), SystemExit(3), MemoryError(), BaseException("panic")])
@pytest.mark.parametrize("method", METHODS)
def test_failure_of_any_tracker_is_one_warning_and_the_last_it_hears(
    tmp_path: Path, method: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Failing(method, error)
    tracker = Clocked(inner)
    whole(tracker, tmp_path)
    assert inner.calls.count(method) == 1
    assert inner.calls[-1] == method
    (entry,) = caplog.records
    assert type(error).__name__ in entry.getMessage()
    assert "\n" not in entry.getMessage()
    tracker.start(info(tmp_path))  # another run is another chance
    assert inner.calls[-1] == "start"


def test_interrupts_pass_a_tracker(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        whole(Clocked(Failing("start", KeyboardInterrupt())), tmp_path)


def test_clock_counts_the_tracker_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Slow(Tracker):
        def start(self, run: RunInfo) -> None:
            now[0] += 2.0

        def finish(self, *_: object) -> None:
            now[0] += 3.0
            raise OSError("late")

    tracker = Clocked(Slow())
    tracker.start(info(tmp_path))
    now[0] += 100.0
    tracker.finish(record(tmp_path), {})
    assert tracker.seconds == 5.0


def test_tables_are_those_of_wandb_without_a_look_at_every_row() -> None:
    import wandb

    rows = [["a", 1, 2.5, None, None], ["b", 2, None, 0.5, None], ["c", 3, 4.0, 1.5, None]]
    columns = ["name", "count", "value", "late", "never"]
    bound: Any = SimpleNamespace(step=0)
    wanted = wandb.Table(columns=columns, data=rows)
    with patch.object(wandb.Table, "bind_to_run"):
        found = tables(bound, "table", columns, rows)["table"]
        empty = tables(bound, "table", columns, [])["table"]
    assert found.data == wanted.data
    assert found._column_types.to_json() == wanted._column_types.to_json()
    assert empty.data == []
