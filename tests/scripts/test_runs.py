"""The record store from the command line: listed, shown, compared, exported, begun again, merged, put away."""

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from continual.records.listing import read_list
from continual.records.record import read_record
from continual.records.states import note_failure
from continual.records.store import StoredRun, find_runs
from continual.records.upkeep import merge
from scripts.runs.commands import COMMANDS, command_of
from tests.scripts.test_train import SHORT, call


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Results of a sweep of four runs, and of a run alone."""
    results = tmp_path_factory.mktemp("store") / "results"
    sweep = ["-m", "model.grid_size=5,10", "model=kan,kan_local", "experiment_name=grids"]
    call(*sweep, *SHORT, f"results={results}")
    call("model=mlp", *SHORT, f"results={results}")
    return results


@pytest.fixture
def results(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def ask(name: str, capsys: pytest.CaptureFixture[str], **options) -> str:
    defaults = {"state": None, "where": [], "columns": None, "sort": None, "go": False, "yes": False}
    given = argparse.Namespace(**{**defaults, "unfinished": False, "members": False, **options})
    assert COMMANDS[name](given) == 0
    return capsys.readouterr().out


def test_runs_are_found_and_filtered(results, capsys) -> None:
    lines = ask("list", capsys, places=[results]).splitlines()
    assert lines[-1] == "5 runs: 5 done"
    assert lines[0].split()[:3] == ["experiment", "name", "state"]
    lines = ask("list", capsys, places=[results], where=["model.grid_size=10", "experiment=grids"]).splitlines()
    assert lines[-1] == "2 runs: 2 done"
    text = ask("list", capsys, places=[results / "grids"], sort="parameters", columns="name,parameters,grid_size")
    counts = [int(line.split()[-2]) for line in text.splitlines()[1:-1]]
    assert counts == sorted(counts)
    assert ask("list", capsys, places=[results], where=["family=MLP"]).splitlines()[-1] == "1 runs: 1 done"


def test_states_other_than_done_are_found_too(results, capsys) -> None:
    done = sorted((results / "grids").glob("*/record.json"))
    done[0].unlink()
    note_failure(done[0].parent, "the disk was full")
    done[1].unlink()
    text = ask("list", capsys, places=[results], columns="name,state,problem")
    assert "the disk was full" in text
    assert text.splitlines()[-1] == "5 runs: 3 done, 1 interrupted, 1 failed"
    commands = ask("rerun", capsys, places=[results]).splitlines()
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "scripts.train"]
        assert f"results={results.parent}" not in words
    (words,) = [shlex.split(c) for c in commands if "failed" in str(StoredRun(done[0].parent).state) and c][:1]
    again = [w.replace(str(next(p for p in words if p.startswith("results="))), f"results={results}") for w in words]
    subprocess.run([sys.executable, *again[1:]], check=True, capture_output=True, cwd=Path(__file__).parents[2])
    assert sum(StoredRun(path.parent).state == "done" for path in done) == 3


def test_a_run_is_shown_with_its_command(results, capsys) -> None:
    (folder,) = (results / "runs").iterdir()
    text = ask("show", capsys, folder=folder)
    command = next(line for line in text.splitlines() if line.startswith("command: "))
    assert shlex.split(command)[1:5] == ["python", "-m", "scripts.train", "model=mlp"]
    assert "forgetting" in text
    config = yaml.safe_load(text[text.index("config:") :])["config"]
    assert config["model"]["_target_"] == "mlp_baselines.MLP"
    fields = json.loads((folder / "record.json").read_text())
    assert fields["command"] == command.removeprefix("command: ")
    assert fields["peak_memory"] > 10**7


def test_the_command_of_an_unfinished_run_is_in_its_log(results) -> None:
    (folder,) = (results / "runs").iterdir()
    expected = command_of(StoredRun(folder))
    (folder / "record.json").unlink()
    assert command_of(StoredRun(folder)) == expected
    (folder / "log.txt").unlink()
    assert command_of(StoredRun(folder)) is None


def test_differences_of_two_runs(results, capsys) -> None:
    first, second = (results / "grids" / entry.folder for entry in read_list(results / "grids")[:2])
    lines = ask("diff", capsys, first=first, second=second).splitlines()
    keys = [line.split()[0] for line in lines[1:]]
    assert "forgetting" in keys
    assert all(key == "name" or key.startswith("model.") for key in keys[: keys.index("learned_rmse")])


def test_export(results, capsys, tmp_path) -> None:
    ask("export", capsys, places=[results], file=tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    (alone,) = [row for row in rows if row["family"] == "MLP"]
    record = read_record(Path(alone["folder"]))
    assert float(alone["forgetting_mean"]) == pytest.approx(record.metrics["forgetting"].mean())
    ask("export", capsys, places=[results], file=tmp_path / "members.csv", members=True)
    with (tmp_path / "members.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {row["seed"] for row in rows} == {"0", "1"}


def test_export_to_parquet(results, capsys, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    ask("export", capsys, places=[results], file=tmp_path / "runs.parquet", members=True)
    table = parquet.read_table(tmp_path / "runs.parquet")
    assert table.num_rows == 10
    assert str(table.schema.field("forgetting").type) == "double"


def test_two_machines_results_become_one(made, tmp_path) -> None:
    whole, one, two = made, tmp_path / "one", tmp_path / "two"
    for place, models in ((one, "kan"), (two, "kan_local")):
        call("-m", "model.grid_size=5,10", f"model={models},kan", "experiment_name=grids", *SHORT, f"results={place}")
    brought = list(merge(two, one))
    assert sum(line.startswith("brought") for line in brought) == 2
    assert not [line for line in brought if "differs" in line]
    for run in find_runs([whole / "grids"]):
        twin = read_record(one / "grids" / run.folder.name)
        assert np.array_equal(twin.R, read_record(run.folder).R)
        assert (twin.folder / "model.pt").is_file()
    assert list(merge(two, one)) == []
    assert "4 runs" in call(str(one / "grids"), module="scripts.report").stdout or len(list(find_runs([one]))) == 4


def test_archive_and_clean(results, capsys) -> None:
    (folder,) = (results / "runs").iterdir()
    (folder / ".record.1-ab.partial.json").write_text("{")
    (folder / "checkpoint.pt").write_text("of a process that was killed")
    text = ask("clean", capsys, places=[results])
    assert text.splitlines()[-1] == "nothing was removed; --yes does"
    assert (folder / "checkpoint.pt").exists()
    ask("clean", capsys, places=[results], yes=True)
    assert not (folder / "checkpoint.pt").exists()
    assert not list(folder.glob(".*.partial*"))
    ask("archive", capsys, folder=results / "grids")
    with tarfile.open(results / "grids.tar.gz") as archive:
        names = archive.getnames()
    assert sum(name.endswith("record.json") for name in names) == 4
    (folder / "record.json").unlink()
    ask("clean", capsys, places=[results], yes=True)
    assert folder.exists()  # its command would go on with it
    ask("clean", capsys, places=[results], yes=True, unfinished=True)
    assert not folder.exists()
    assert len(list(find_runs([results]))) == 4


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "nowhere"], "error: nowhere is no folder"),
        (["list", "{}", "--where", "grid_sise=5"], "error: no run has grid_sise; did you mean grid_size?"),
        (["list", "{}", "--where", "grid_size"], "error: a filter is KEY=VALUE, got 'grid_size'"),
        (["list", "{}", "--sort", "forgeting"], "error: no run has forgeting; did you mean forgetting?"),
        (["show", "{}"], "error: {} holds 5 runs; name one run's own folder"),
        (["export", "runs.txt", "{}"], "error: runs.txt must end in .csv or .parquet"),
        (["merge", "nowhere"], "error: nowhere is no folder"),
    ],
)
def test_mistakes_are_one_line(made, arguments, expected) -> None:
    said = call(*[a.format(made) for a in arguments], module="scripts.runs", code=1).stderr.splitlines()
    assert said == [expected.format(made)]
