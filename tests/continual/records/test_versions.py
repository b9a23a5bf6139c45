"""Code of one's own: what a run was made with is recorded, a change is said, and `rerun` trains again."""

import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from continual.records.record import done_at, read_record
from continual.records.versions import code_differences, own_sources
from continual.run import execute
from continual.stopping import Stopped
from continual.trackers.tracker import Tracker
from scripts.config.composed import plain
from scripts.config.identity import identity, named_code
from tests.scripts.test_sweeps import ROOT, SHORT
from tests.short_runs import compare, short_run

CURRICULUM = """
from tasks import gaussian_peaks
from own_helpers import SHARPNESS

def curriculum(generators):
    return gaussian_peaks(generators, peaks=2, sharpness=SHARPNESS)
"""


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder on the path, with a module, what it imports, and a package."""
    folder = tmp_path / "own"
    (folder / "own_package" / "inner").mkdir(parents=True)
    (folder / "own_curriculum.py").write_text(CURRICULUM, encoding="utf-8")
    (folder / "own_helpers.py").write_text("import json, torch\nSHARPNESS = 300.0\n", encoding="utf-8")
    (folder / "own_alone.py").write_text("raise SystemExit('is only looked at where something asks')", encoding="utf-8")
    (folder / "own_package" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "own_package" / "model.py").write_text("from .inner import layer\nclass Model: ...\n", encoding="utf-8")
    (folder / "own_package" / "inner" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "own_package" / "inner" / "layer.py").write_text("from ..model import Model", encoding="utf-8")
    (folder / "own_space").mkdir()
    (folder / "own_space" / "module.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return folder


def test_code_of_ones_own_is_found_with_what_it_imports(own) -> None:
    found = own_sources(["own_curriculum.curriculum", "tasks.gaussian_peaks", "kan.KAN", "torch.optim.Adam"])
    assert list(found) == ["own_curriculum", "own_helpers"]
    package = own_sources(["own_package.model.Model"])
    assert list(package) == ["own_package", "own_package.inner", "own_package.inner.layer", "own_package.model"]
    assert own_sources(["json.dumps", "gone.Model", "", "__main__.Model", "builtins.dict"]) == {}
    assert list(own_sources(["own_space.module.f"])) == ["own_space.module"]  # of a package without __init__
    assert "own_helpers" not in sys.modules  # looking does not run it
    assert list(own_sources(["pydantic.BaseModel"])) == ["pydantic"]  # named itself, and its version is not recorded


@pytest.mark.parametrize("module", ["own_curriculum", "own_helpers"])
def test_a_change_anywhere_in_it_is_seen(own, module) -> None:
    before = own_sources(["own_curriculum.curriculum"])
    with (own / f"{module}.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    after = own_sources(["own_curriculum.curriculum"])
    assert code_differences({"own": before}, {"own": after}) == [f"other code in {module}"]
    assert code_differences({}, {"own": after}) == []  # of a record that says nothing


def test_what_is_no_python_is_taken_as_it_is(own) -> None:
    (own / "own_helpers.py").write_text("def (", encoding="utf-8")
    assert "own_helpers" in own_sources(["own_curriculum.curriculum"])


def test_names_of_code_are_found_wherever_they_stand() -> None:
    node = {
        "model": {"_target_": "a.Model", "layers": [{"_target_": "b.Layer"}]},
        "penalty": {"f": {"_target_": "hydra.utils.get_method", "path": "c.f"}},
        "seeds": [1, 2],
    }
    assert named_code(node) == {"a.Model", "b.Layer", "hydra.utils.get_method", "c.f"}


def test_a_finished_run_is_trained_again_where_it_is_asked_for(tmp_path, caplog) -> None:
    caplog.set_level(logging.INFO, logger="continual")
    run = replace(short_run(tmp_path), own_sources={"mine": "1"})
    first = execute(run)
    began = first.fields["sessions"]
    edited = replace(short_run(tmp_path), own_sources={"mine": "2"})
    assert execute(edited).fields["sessions"] == began
    assert "skipped, its record exists, made by other code in mine" in caplog.text
    assert "rerun=true" in caplog.text
    os.utime(tmp_path / "record.json", (1e9, 1e9))  # it was finished a while ago
    (tmp_path / "checkpoint.pt").write_bytes(b"left by a process that was killed at its end")
    os.utime(tmp_path / "checkpoint.pt", (1e9 - 1.0, 1e9 - 1.0))
    again = execute(replace(short_run(tmp_path), own_sources={"mine": "2"}, again=time.time() - 60.0))
    assert again.fields["code"]["own"] == {"mine": "2"}
    assert len(again.fields["sessions"]) == 1
    compare(again, replace(first, fields={**first.fields, "code": again.fields["code"]}))
    # another process with the same command finds that it is done
    assert (
        execute(replace(short_run(tmp_path), again=time.time() - 60.0)).fields["sessions"] == again.fields["sessions"]
    )


class _Stops(Tracker):
    """Ends the run after some evaluations, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def evaluation(self, step, task, loss, rmse) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("changed", [False, True])
def test_training_again_goes_on_where_it_stopped_under_the_same_code_only(tmp_path, changed) -> None:
    whole = execute(replace(short_run(tmp_path / "whole")))
    folder = tmp_path / "run"
    execute(short_run(folder))
    os.utime(folder / "record.json", (1e9, 1e9))
    began = time.time() - 60.0
    with pytest.raises((KeyboardInterrupt, Stopped)):
        execute(replace(short_run(folder, tracker=_Stops(4)), own_sources={"mine": "1"}, again=began))
    assert done_at(folder) == 1e9  # what there was stays
    assert read_record(folder).fields["R"] == whole.fields["R"]
    sources = {"mine": "2" if changed else "1"}
    record = execute(replace(short_run(folder), own_sources=sources, again=began))
    assert len(record.fields["sessions"]) == (1 if changed else 2)
    assert record.fields["code"]["own"] == sources
    assert record.fields["R"] == whole.fields["R"]


def test_an_edited_curriculum_is_told_and_run_again(own, tmp_path) -> None:
    def train(*more: str) -> str:
        own_one = ["~curriculum", "+curriculum={_target_:own_curriculum.curriculum}"]
        command = [sys.executable, "-m", "scripts.train", *SHORT, f"results={tmp_path}", *own_one, *more]
        environment = {**os.environ, "PYTHONPATH": str(own)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    train()
    folder = next(tmp_path.glob("runs/kan-*"))
    before = read_record(folder)
    (own / "own_helpers.py").write_text("SHARPNESS = 30.0\n", encoding="utf-8")
    said = train()
    assert "made by other code in own_helpers" in said
    assert "rerun=true trains it again" in said
    assert read_record(folder).fields["R"] == before.fields["R"]
    train("rerun=true")
    after = read_record(folder)
    assert list(tmp_path.glob("runs/kan-*")) == [folder]  # it is the same run
    assert after.fields["R"] != before.fields["R"]


def test_the_key_is_no_part_of_a_runs_identity() -> None:
    from hydra import compose, initialize_config_module

    with initialize_config_module("conf", version_base="1.3"):
        values = [plain(compose("train", [f"rerun={value}"])) for value in ("true", "false")]
    assert identity(values[0]) == identity(values[1])
