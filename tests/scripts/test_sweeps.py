"""Sweeps: names and places belong to the command that asks, one failure ends no other run, processes share the work."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from continual.records.files import UnusableFileError
from continual.records.listing import Entry, add_entry, begin_list, read_list, read_sweep
from continual.records.lock import is_locked
from continual.records.record import Record, read_record
from continual.records.store import find_runs
from scripts.command import completed, train_command
from scripts.config.composed import plain, shortest
from scripts.config.identity import identity
from scripts.config.schema import ConfigError
from scripts.sweeps import _jobs as at_a_time
from scripts.sweeps import check_sweep
from tests.short_runs import compare
from tests.synthetic import write_run

ROOT = Path(__file__).parents[2]
SHORT = ["seeds=1", "training.steps=4", "training.evaluate_every=2", "tracker=none"]


def train(*arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "scripts.train", *arguments]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_list_keeps_its_order_and_names_what_is_missing(tmp_path) -> None:
    begin_list(tmp_path, "one")
    for folder in ("b", "a"):
        write_run(tmp_path / folder, name=f"trained as {folder}")
    for number, folder in ((2, "a"), (0, "b"), (1, "c"), (3, "b")):
        add_entry(tmp_path, Entry(number, folder, "kan", None, {"grid_size": number, "steps": 5}))
    records, missing, damaged = read_sweep(tmp_path)
    assert [record.name for record in records] == ["kan, grid_size=0", "kan, grid_size=2"]
    assert [record.sweep["grid_size"] for record in records] == [0, 2]
    assert [record.experiment for record in records] == [tmp_path.name] * 2
    assert [entry.name for entry in missing] == ["kan, grid_size=1"]
    assert damaged == []
    assert read_record(tmp_path / "a").name == "trained as a"  # alone it has the name of its own command


def test_another_sweep_begins_anew_and_the_same_one_goes_on(tmp_path) -> None:
    begin_list(tmp_path, "one")
    add_entry(tmp_path, Entry(0, "a"))
    begin_list(tmp_path, "one")
    assert [entry.folder for entry in read_list(tmp_path)] == ["a"]
    begin_list(tmp_path, "another")
    assert read_list(tmp_path) == []


def test_eight_writers_of_one_list_lose_nothing(tmp_path) -> None:
    def work(writer: int) -> None:
        begin_list(tmp_path, "one")
        for number in range(20):
            add_entry(tmp_path, Entry(number, f"run-{number}", "kan", None, {"writer": "same"}))

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.folder for entry in read_list(tmp_path)] == [f"run-{number}" for number in range(20)]


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        '{"folder": "a"}',
        '{"number": 0, "folder": "../elsewhere"}',
        '{"number": "x", "folder": "a"}',
        "[1]",
        "\x80",
    ],
)
def test_a_damaged_list_is_named_in_one_line(tmp_path, damage) -> None:
    begin_list(tmp_path, "one")
    with (tmp_path / "runs.jsonl").open("ab") as file:
        file.write(damage.encode("latin-1") + b"\n")
    with pytest.raises(UnusableFileError, match=r"runs\.jsonl is damaged") as caught:
        read_list(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_record_does_not_hide_the_others(tmp_path) -> None:
    begin_list(tmp_path, "one")
    for number, folder in enumerate("abc"):
        write_run(tmp_path / folder)
        add_entry(tmp_path, Entry(number, folder, folder, None, {}))
    (tmp_path / "b" / "record.json").write_text("{", encoding="utf-8")
    (tmp_path / "c" / "curves.npz").write_bytes(b"PK")
    records, missing, damaged = read_sweep(tmp_path)
    assert [record.folder.name for record in records] == ["a"]
    assert missing == []
    assert "b/record.json" in damaged[0]
    assert "c/curves.npz" in damaged[1]


def test_a_list_of_the_first_version_stays_readable(tmp_path) -> None:
    write_run(tmp_path / "a", name="as trained")
    (tmp_path / "runs.txt").write_text("1 a\n0 gone\n", encoding="utf-8")
    records, missing, _ = read_sweep(tmp_path)
    assert [record.name for record in records] == ["as trained"]
    assert [entry.folder for entry in missing] == ["gone"]
    (tmp_path / "runs.txt").write_text("1\n", encoding="utf-8")
    with pytest.raises(UnusableFileError, match=r"runs\.txt is damaged"):
        read_list(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no sweep"):
        read_sweep(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["model.grid_size", "seeds"], ["grid_size", "seeds"]),
        (["optimizer.first.lr", "optimizer.then.lr"], ["first.lr", "then.lr"]),
        (["a.lr", "b.lr", "lr"], ["a.lr", "b.lr", "lr"]),
        (["x.a.lr", "y.a.lr"], ["x.a.lr", "y.a.lr"]),
    ],
)
def test_axes_have_the_shortest_names_that_tell_them_apart(keys, expected) -> None:
    assert shortest(keys) == expected
    assert len(set(shortest(keys))) == len(keys)


def test_a_command_can_be_pasted(tmp_path) -> None:
    overrides = [
        "+experiment=five_peaks",
        "name=a b",
        "model.layer_sizes=[1,5,1]",
        "x=choice(1,2)",
        "y=$HOME",
        "z=it's",
    ]
    line = train_command(overrides, sweep=True)
    assert shlex.split(line) == ["python", "-m", "scripts.train", *overrides]
    assert shlex.split(train_command(["seeds=1,2"], sweep=True)) == ["python", "-m", "scripts.train", "-m", "seeds=1,2"]
    alone = shlex.split(train_command(overrides, sweep=False))
    assert alone == ["python", "-m", "scripts.train", *overrides, "hydra.mode=RUN"]  # else it is the sweep again
    assert "-m seeds" not in train_command(["seeds=1"], sweep=False)
    shell = shutil.which("zsh") or shutil.which("bash")
    if shell is not None:
        script = f"echo_() {{ printf '%s\\n' \"$@\"; }}; {line.replace('python', 'echo_', 1)}"
        echoed = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert echoed.stdout.splitlines()[2:] == overrides


def _jobs(experiment: str, *more: str) -> list[list[str]]:
    """The overrides of each run of an experiment's sweep."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("train", [f"+experiment={experiment}"], return_hydra_config=True)
    params = [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]
    overrides = OverridesParser.create().parse_overrides([*params, f"+experiment={experiment}", *more])
    return [list(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


def _without_mode(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("hydra.")]


WITH_CASES = sorted(
    item.name
    for item in files("conf").joinpath("experiment").iterdir()
    if item.is_dir() and (files("conf") / "experiment" / f"{item.name}.yaml").is_file()
)


@pytest.mark.parametrize("experiment", WITH_CASES)
def test_cases_alone_are_the_runs_of_their_experiment(experiment) -> None:
    jobs = _jobs(experiment)
    for job in jobs:
        cases = [item for item in job if item.startswith("+experiment/")]
        others = [item for item in job if not item.startswith("+experiment")]
        # whatever the order in which they were typed, they are composed as in the sweep
        alone = completed([*reversed(cases), *others])
        assert [item for item in _without_mode(alone) if item.startswith("+")] == [
            item for item in job if item.startswith("+")
        ]
        assert "hydra.mode=RUN" in alone
    cases = [item for item in jobs[-1] if item.startswith("+experiment/")]
    others = [item for item in jobs[-1] if not item.startswith("+experiment")]
    with initialize_config_module("conf", version_base="1.3"):
        inside = plain(compose("train", jobs[-1]))
        alone = plain(compose("train", _without_mode(completed([*cases, *others]))))
    assert identity(alone) == identity(inside)
    assert alone["experiment_name"] == inside["experiment_name"] == experiment


@pytest.mark.slow
@pytest.mark.parametrize("experiment", WITH_CASES)
def test_every_case_alone_has_the_identity_that_it_has_in_its_experiment(experiment) -> None:
    for job in _jobs(experiment):
        cases = [item for item in job if item.startswith("+experiment/")]
        others = [item for item in job if not item.startswith("+experiment")]
        with initialize_config_module("conf", version_base="1.3"):
            inside = plain(compose("train", job))
            alone = plain(compose("train", _without_mode(completed([*cases, *others]))))
        assert identity(alone) == identity(inside)


def test_several_cases_are_the_sweep_over_them() -> None:
    assert completed(["+experiment/five_peaks=kan,kan_deep"]) == [
        "+experiment/five_peaks=kan,kan_deep",
        "+experiment=five_peaks",
    ]
    assert len(_jobs("five_peaks", "+experiment/five_peaks=kan,kan_deep")) == 2
    assert "hydra.mode=RUN" not in completed(["+experiment/five_peaks=kan", "seeds=1,2"])
    assert "hydra.mode=RUN" not in completed(["-m", "+experiment/five_peaks=kan"])
    assert "hydra.mode=RUN" not in completed(["+experiment/scaling_toy=bessel"])  # all protocols of it
    assert completed(["+experiment/protocol=fair"]) == ["+experiment/protocol=fair"]
    with pytest.raises(ConfigError, match=r"needs one of \+experiment/toy_functions/data=…"):
        completed(["+experiment/toy_functions=bessel"])


def test_a_package_that_hides_ours_is_named(tmp_path) -> None:
    (tmp_path / "kan").mkdir()
    (tmp_path / "kan" / "__init__.py").write_text("MultKAN = None", encoding="utf-8")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; from scripts.train import main; main()"
    command = [sys.executable, "-c", code, "--cfg", "job"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1
    expected = f"error: this project's package kan can't be used: {tmp_path / 'kan'} hides it; start from"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("value", ["a,b", "[a,b]", "choice(a,b)", "shuffle(a,b)", "sort(a,b)"])
def test_several_experiments_at_once_are_refused(value) -> None:
    with pytest.raises(ConfigError, match=r"run \+experiment=a and \+experiment=b one by one"):
        completed(["-m", f"+experiment={value}"])
    with pytest.raises(ConfigError, match="one by one"):
        completed(["+experiment=glob(*)"])
    assert completed(["+experiment=a", "seeds=1"]) == ["+experiment=a", "seeds=1"]


def checked(*overrides: str) -> list[Entry]:
    """What is known of a sweep before its first run, in this process."""
    with initialize_config_module("conf", version_base="1.3"):
        fixed = [o for o in overrides if not OverridesParser.create().parse_override(o).is_sweep_override()]
        config = compose("train", fixed, return_hydra_config=True)
        OmegaConf.set_readonly(config.hydra, False)
        config.hydra.overrides.task = [o for o in overrides if not o.startswith("hydra")]
        return check_sweep(config)[0]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("hydra.sweep.dir=elsewhere", "hydra.sweep.dir follows from the results' place"),
        ("hydra.job.chdir=true", "hydra.job.chdir has no use here"),
        ("model.grid_size=interval(1,5)", r"name them: model.grid_size=1,2,3 or range\(1,4\)"),
        ("model=kan,mlp", r"\(in the run with model=mlp, model.grid_size=5\)"),
        ("model.width=5,0", r"\(in the run with model.width=0, model.grid_size=5\)"),
    ],
)
def test_a_sweep_that_can_not_be_is_answered_before_its_first_run(override, expected) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        checked(override, *([] if "grid_size" in override else ["model.grid_size=5,6"]), "seeds=1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("model.grid_size=choice(5,6)", [5, 6]),
        ("model.grid_size=range(5,8,2)", [5, 7]),
        ("model.grid_size=sort(6,5)", [5, 6]),
        ("model.grid_size=tag(good,choice(5,6))", [5, 6]),
    ],
)
def test_values_may_be_written_in_any_way(override, values) -> None:
    entries = checked(override, "seeds=1")
    assert [entry.sweep["grid_size"] for entry in entries] == values
    assert len({entry.folder for entry in entries}) == 2


def test_all_runs_of_a_sweep_are_listed_before_the_first(tmp_path) -> None:
    entries = checked("seeds=[0],[1],[2]", f"results={tmp_path}", "model=mlp,kan")
    begin_list(tmp_path, "one", entries)
    listed = read_list(tmp_path)
    names = [f"{model}, seeds=[{seed}]" for seed in range(3) for model in ("mlp", "kan")]
    assert [entry.name for entry in listed] == names
    assert len({entry.folder for entry in listed}) == 6
    assert listed[1].overrides == ("seeds=[0]", f"results={tmp_path}", "model=kan")
    begin_list(tmp_path, "one", entries)  # the same command again
    assert read_list(tmp_path) == listed
    assert len((tmp_path / "runs.jsonl").read_text(encoding="utf-8").splitlines()) == 7


def test_sweeps_in_one_folder_keep_their_lists(tmp_path) -> None:
    begin_list(tmp_path, "one", [Entry(0, "a")])
    begin_list(tmp_path, "another", [Entry(0, "b")])
    add_entry(tmp_path, Entry(1, "c"), "one")  # a run of the first, which still goes on
    assert [entry.folder for entry in read_list(tmp_path)] == ["b"]
    begin_list(tmp_path, "one")  # its report
    assert [entry.folder for entry in read_list(tmp_path)] == ["a", "c"]


def test_the_command_of_a_sweep_mends_its_list(tmp_path) -> None:
    begin_list(tmp_path, "one", [Entry(0, "a")])
    (tmp_path / "runs.jsonl").write_text("{", encoding="utf-8")
    begin_list(tmp_path, "one", [Entry(0, "a")])
    assert [entry.folder for entry in read_list(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    "key", ["experiment_name=a,b", "results=a,b", "report.title=a,b", "threads=1,2", "name=a,b", "tracker=none,wandb"]
)
def test_what_belongs_to_the_whole_sweep_is_not_swept(tmp_path, key) -> None:
    said = train("-m", key, *SHORT, *([] if key.startswith("results") else [f"results={tmp_path}"]), code=1)
    assert said.startswith(f"error: {key.partition('=')[0]} can't be swept")


def test_runs_have_the_names_and_places_of_the_command_that_asks(tmp_path) -> None:
    where = f"results={tmp_path}"
    train(*SHORT, where, "name=mine")
    train("-m", "model=glob(kan)", "model.grid_size=5,20", *SHORT, where)
    folders = set(tmp_path.glob("runs/kan-*"))
    said = train("-m", "model=kan_local,kan", "model.grid_size=5,20", *SHORT, where)
    assert said.count("skipped") == 2
    records, missing, damaged = read_sweep(tmp_path / "runs")
    assert (missing, damaged) == ([], [])
    names = ["kan_local, grid_size=5", "kan_local, grid_size=20", "kan, grid_size=5", "kan, grid_size=20"]
    assert [record.name for record in records] == names
    assert [record.sweep["grid_size"] for record in records] == [5, 20, 5, 20]
    assert folders <= set(tmp_path.glob("runs/kan*-*"))
    page = (tmp_path / "runs" / "index.html").read_text(encoding="utf-8")
    table = (tmp_path / "runs" / "table.csv").read_text(encoding="utf-8")
    for name in names:
        assert name in page
        assert name in table
    assert "mine" not in table
    assert "-m" in page


def test_a_failed_run_ends_no_other_and_is_told_with_its_command(tmp_path) -> None:
    place = tmp_path / "runs"
    train("-m", "model.grid_size=5,6,7", *SHORT, f"results={tmp_path}")
    entries = read_list(place)
    broken = place / entries[1].folder
    shutil.rmtree(broken)
    broken.write_text("a file where a folder should be", encoding="utf-8")
    shutil.rmtree(place / entries[2].folder)
    said = train("-m", "model.grid_size=5,6,7", *SHORT, f"results={tmp_path}", code=1)
    assert f"failed: {broken}" in said
    assert "only that: python -m scripts.train model.grid_size=6" in said
    records, _, _ = read_sweep(place)
    assert [record.sweep["grid_size"] for record in records] == [5, 7]
    broken.unlink()
    only = shlex.split(said.partition("only that: ")[2].splitlines()[0])
    train(*only[3:])
    assert len(read_sweep(place)[0]) == 3


def test_runs_that_exceed_a_limit_end_no_other_and_go_on_where_it_is_raised(tmp_path) -> None:
    sweep = ["-m", "model.grid_size=5,6", *SHORT]
    train(*sweep, f"results={tmp_path / 'straight'}", "jobs=1")
    said = train(*sweep, f"results={tmp_path / 'limited'}", "limits.seconds=1e-9", code=1)
    assert said.count("failed: limits.seconds=1e-09: it has taken ") == 2
    assert "limits.seconds=1e-09" in said.partition("only that: ")[2].splitlines()[0]  # as it was asked
    listed = next(find_runs([tmp_path / "limited"]))
    assert listed.state == "failed"
    assert listed.value("seconds") is None  # not the limit
    train(*sweep, f"results={tmp_path / 'limited'}", "limits.seconds=1e9", "limits.memory=1e15")
    straight, limited = records_of(tmp_path / "straight"), records_of(tmp_path / "limited")
    assert straight.keys() == limited.keys()  # limits are no part of what a run is
    for name, record in straight.items():
        compare(limited[name], record)
    assert {"kan, grid_size=5", "kan, grid_size=6"} == {record.name for record in limited.values()}
    with initialize_config_module("conf", version_base="1.3"), pytest.raises(ConfigError, match=r"limits\.memory"):
        plain(compose("train", ["limits.memory=-1"]))


def test_two_processes_on_one_sweep_share_its_runs(tmp_path) -> None:
    arguments = ["-m", "model.grid_size=3,4,5,6,7,8", "seeds=2", "training.steps=150", "tracker=none"]
    train(*arguments, f"results={tmp_path / 'alone'}")
    command = [sys.executable, "-m", "scripts.train", *arguments, f"results={tmp_path / 'shared'}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    alone, shared = (read_sweep(tmp_path / name / "runs")[0] for name in ("alone", "shared"))
    assert len(shared) == 6
    trained = sum(out.count("learned RMSE") - out.count("learned RMSE ↓") for out, _ in said)
    assert trained >= 6
    for ours, theirs in zip(shared, alone, strict=True):
        assert json.dumps(ours.fields["R"]) == json.dumps(theirs.fields["R"])
        logs = (ours.folder / "log.txt").read_text(encoding="utf-8")
        assert logs.count("learned RMSE") == 1  # trained once, whoever did


def test_a_lost_list_and_a_name_for_all_are_said(tmp_path, monkeypatch, capfd) -> None:
    from scripts import report, train

    options = ["seeds=1", "training.steps=2", "training.evaluate_every=1", "tracker=none", f"results={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["train", "-m", "model.grid_size=3,4", "name=same", *options])
    train.main()
    assert "2 runs are called same: leave name out, and they are named by what varies" in capfd.readouterr().out
    (tmp_path / "runs" / "runs.jsonl").unlink()
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stopped:
        report.main()
    assert "has lost its list (runs.jsonl)" in str(stopped.value.code)
    assert "\n" not in str(stopped.value.code)


def records_of(results: Path) -> dict[str, Record]:
    return {path.parent.name: read_record(path.parent) for path in results.rglob("record.json")}


def test_several_runs_at_a_time_leave_the_same(tmp_path) -> None:
    sweep = ["-m", "model.grid_size=5,6,7,8", "optimizer=adam,lbfgs", *SHORT]
    train(*sweep, f"results={tmp_path / 'one'}", "jobs=1")
    said = train(*sweep, f"results={tmp_path / 'two'}", "jobs=2")
    assert "8 runs; to do: " in said
    assert "with 2 runs at a time" in said
    ones, twos = records_of(tmp_path / "one"), records_of(tmp_path / "two")
    assert ones.keys() == twos.keys()
    assert len(ones) == 8
    for name, record in ones.items():
        compare(twos[name], record)
    tables = [(tmp_path / place / "runs" / "table.csv").read_text().splitlines() for place in ("one", "two")]
    assert [line.split(",")[0] for line in tables[0]] == [line.split(",")[0] for line in tables[1]]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_of_several_processes_goes_on_after_a_signal(tmp_path, number) -> None:
    sweep = ["-m", "model.grid_size=5,6,7,8", "seeds=2", "training.steps=800", "tracker=none", "jobs=2"]
    sweep.append("training.checkpoint_seconds=0.05")
    arguments = [*sweep, f"results={tmp_path / 'broken'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.train", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "broken").rglob("checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    process.wait(timeout=60)
    while any(is_locked(path) for path in (tmp_path / "broken" / "runs").glob("*-*")) and time.monotonic() < deadline:
        time.sleep(0.1)  # workers save and end
    train(*arguments)
    train(*sweep, f"results={tmp_path / 'whole'}")
    broken, whole = records_of(tmp_path / "broken"), records_of(tmp_path / "whole")
    assert broken.keys() == whole.keys()
    assert len(whole) == 4
    for name, record in whole.items():
        compare(broken[name], record)
    left = {path.name for folder in (tmp_path / "broken" / "runs").glob("*-*") for path in folder.iterdir()}
    assert left == {"config.yaml", "curves.npz", "log.txt", "model.pt", "record.json"}


@pytest.mark.parametrize(
    ("settings", "forecast", "expected"),
    [
        ({}, {"seconds": 5.0}, 1),  # not worth it
        ({}, {"seconds": 60.0}, 4),
        ({"threads": 2}, {"seconds": 60.0}, 2),
        ({"threads": 8}, {"seconds": 60.0}, 1),
        ({}, {"seconds": 60.0, "left": 3}, 3),
        ({}, {"seconds": 60.0, "memory": 2.0e9}, 2),  # of five
        ({"device": "cuda"}, {"seconds": 60.0}, 1),
        ({"jobs": 3}, {"seconds": 1.0}, 3),
        ({"jobs": 3}, {"seconds": 1.0, "left": 2}, 2),
        ({"jobs": 1}, {"seconds": 600.0}, 1),
        ({"launcher": "JoblibLauncher"}, {"seconds": 60.0}, 1),  # somebody chose another one
    ],
)
def test_how_many_runs_at_a_time(monkeypatch, settings, forecast, expected) -> None:
    monkeypatch.setattr("scripts.sweeps.os.sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setattr("scripts.sweeps.available_memory", lambda: 5_000_000_000)
    chosen = {"jobs": "auto", "threads": 1, "device": "cpu", "launcher": "BasicLauncher", **settings}
    config = OmegaConf.create({**chosen, "hydra": {"launcher": {"_target_": chosen.pop("launcher")}}})
    coming = SimpleNamespace(**{"seconds": 60.0, "left": 20, "memory": 1e6, **forecast})
    assert at_a_time(config, coming) == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("jobs=0", "jobs must be auto or a number"),
        ("jobs=many", "at least 1, got 'many'"),
        ("jobs=1,2", "jobs can't be swept: it belongs to the sweep as a whole"),
    ],
)
def test_a_number_of_jobs_that_is_none(tmp_path, argument, expected) -> None:
    assert expected in train("-m", "model.grid_size=5,6", argument, *SHORT, f"results={tmp_path}", code=1)


def _workers(parent: int) -> list[int]:
    """The processes below a process, as far as the system tells."""
    found, below = [], {parent}
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    grown = True
    while grown:
        new = {child for child, above in parents.items() if above in below} - below
        below |= new
        found += sorted(new)
        grown = bool(new)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc, which says whose child a process is")
def test_60_runs_on_two_workers_killed_at_50_moments_are_those_of_an_undisturbed_sweep(
    tmp_path, record_property
) -> None:
    sizes = ",".join(str(size) for size in range(3, 18))
    sweep = ["-m", f"model.grid_size={sizes}", "optimizer.lr=0.01,0.02", "strategy.reset_optimizer=true,false"]
    sweep += ["seeds=2", "curriculum.peaks=2", "training.steps=300", "tracker=none", "jobs=2"]
    sweep += ["training.checkpoint_seconds=0.05"]
    train(*sweep, f"results={tmp_path / 'whole'}")
    whole = records_of(tmp_path / "whole")
    assert len(whole) == 60
    broken = tmp_path / "broken"
    command = [sys.executable, "-m", "scripts.train", *sweep, f"results={broken}"]
    generator = np.random.default_rng(0)
    kills, ends, done_at_kill = 0, {"parent": 0, "worker": 0}, []

    def begun() -> int:
        return len(list(broken.rglob("log.txt")))

    def done() -> int:
        return len(list(broken.rglob("record.json")))

    while kills < 50:
        before = done()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # every kill strikes a little further on in the sweep, at a random moment of what happens there
        goal = min(max(before, int(60 * kills / 50)), 59)
        deadline = time.monotonic() + 120
        while (done() < goal or begun() <= goal) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.6 * float(generator.random()))
        workers = [pid for pid in _workers(process.pid) if _is_worker(pid)]
        victim = "worker" if workers and generator.random() < 0.5 else "parent"
        if process.poll() is not None:
            break
        os.kill(int(generator.choice(workers)) if victim == "worker" else process.pid, signal.SIGKILL)
        kills += 1
        ends[victim] += 1
        done_at_kill.append(done())
        assert process.wait(timeout=120) != 0
        orphans = set(workers)
        while orphans and time.monotonic() < deadline + 120:
            orphans = {pid for pid in orphans if _is_worker(pid)}
            time.sleep(0.02)  # they save what they are at, and end
        assert not orphans
        assert not [folder for folder in (broken / "runs").glob("*-*") if is_locked(folder)]
    train(*sweep, f"results={broken}")
    record_property("killed", f"{ends}, with {done_at_kill} runs done")
    assert kills == 50, done_at_kill
    found = records_of(broken)
    assert found.keys() == whole.keys()
    for name, record in whole.items():
        compare(found[name], record)
    left = {path.name for folder in (broken / "runs").glob("*-*") for path in folder.iterdir()}
    assert left == {"config.yaml", "curves.npz", "log.txt", "model.pt", "record.json"}
    assert {path.name for path in (broken / "runs").iterdir()} == {
        path.name for path in (tmp_path / "whole" / "runs").iterdir()
    }


def _is_worker(pid: int) -> bool:
    with suppress(OSError):
        return b"popen_loky_posix" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
