"""Settings chosen before a run: on validation sets, on seeds that are not reported, each trial once."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from continual.records.record import read_record
from continual.records.store import find_runs
from scripts.config.composed import plain
from scripts.config.identity import identity
from scripts.config.schema import ConfigError
from scripts.config.search import at_end, proposals
from scripts.config.tuning import choose, number_of_trials

ROOT = Path(__file__).parents[2]
SHORT = ["seeds=2", "training.steps=20", "tracker=none", "dtype=float64", "model.grid_size=8"]
KEYS = "tune.keys={optimizer.lr:[0.001,0.01,0.1]}"
SEEDS = "tune.seeds=[50,51]"
TPE = ["tune.sampler=tpe", "tune.trials=3"]
RANGE = "tune.keys={optimizer.lr:{low:1e-4,high:0.5,log:true},model.grid_size:[4,8]}"


def values(*overrides: str):
    with initialize_config_module("conf", version_base="1.3"):
        return plain(compose("train", overrides=[*SHORT, *overrides]))


def train(*arguments: str) -> str:
    command = [sys.executable, "-m", "scripts.train", *SHORT, *arguments]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_best_on_validation_sets_is_chosen_and_then_reported_on_test_sets(tmp_path) -> None:
    said = train(KEYS, SEEDS, f"results={tmp_path}")
    trials = {
        read_record(folder).sweep["optimizer.lr"]: read_record(folder)
        for folder in (tmp_path / "runs/trials").iterdir()
    }
    assert sorted(trials) == [0.001, 0.01, 0.1]
    for record in trials.values():
        assert record.fields["evaluated_on"] == "validation"
        assert record.fields["seeds"] == [50, 51]
    scores = {rate: float(np.mean(record.metrics["learned_rmse"])) for rate, record in trials.items()}
    best = min(scores, key=lambda rate: scores[rate])
    [folder] = [path for path in (tmp_path / "runs").iterdir() if (path / "record.json").is_file()]
    record = read_record(folder)
    tuned = record.fields["tuned"]
    assert record.fields["evaluated_on"] == "test"
    assert record.fields["seeds"] == [0, 1]
    assert tuned["chosen"] == {"optimizer.lr": best}
    assert tuned["seeds"] == [50, 51]
    assert {trial["settings"]["optimizer.lr"]: trial["score"] for trial in tuned["tried"]} == scores
    assert tuned["at_end"] == (["optimizer.lr"] if best != 0.01 else [])
    assert ("at the end of what was tried" in said) == (best != 0.01)
    assert [run.folder for run in find_runs([tmp_path])] == [folder]  # trials are listed where they are asked for
    assert len(list(find_runs([tmp_path / "runs" / "trials"]))) == 3
    # the same numbers as a run to which the rate was given
    train(f"optimizer.lr={best}", f"results={tmp_path / 'given'}")
    [given] = [read_record(path.parent) for path in (tmp_path / "given/runs").glob("*/record.json")]
    np.testing.assert_array_equal(given.R, record.R)


def test_finished_trials_are_never_repeated(tmp_path) -> None:
    def trials():
        return {path: os.stat(path).st_mtime_ns for path in (tmp_path / "runs/trials").glob("*/record.json")}

    train(KEYS, SEEDS, f"results={tmp_path}")
    before = trials()
    assert "skipped" in train(KEYS, SEEDS, f"results={tmp_path}")
    assert trials() == before
    train(KEYS, SEEDS, "seeds=3", f"results={tmp_path}")  # another run, the same trials
    assert trials() == before
    train(KEYS.replace("0.1]", "0.3]"), SEEDS, f"results={tmp_path}")  # one more value
    after = trials()
    assert len(after) == 4
    assert before.items() <= after.items()


def test_a_trial_that_diverges_is_never_chosen(tmp_path) -> None:
    config = values("optimizer=sgd", "tune.keys={optimizer.lr:[1e6,0.01,1e30]}", SEEDS, "training.steps=30")
    tuned = choose(config, "kan", tmp_path, "run")
    assert tuned["chosen"] == {"optimizer.lr": 0.01}
    assert [trial["score"] is None for trial in tuned["tried"]] == [True, False, True]
    with pytest.raises(ConfigError, match=r"none of the 1 trials of optimizer\.lr stayed finite"):
        choose(
            values("optimizer=sgd", "tune.keys={optimizer.lr:[1e6]}", SEEDS, "training.steps=30"), "kan", tmp_path, ""
        )


def test_what_can_not_be_built_is_said_before_the_first_trial(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"width must be at least 1, got 0 \(in the trials with model\.width=0\)"):
        choose(values("tune.keys={model.width:[1,0]}", SEEDS), "kan", tmp_path, "run")
    assert not list(tmp_path.iterdir())


def test_several_keys_are_tried_in_all_combinations(tmp_path) -> None:
    config = values("tune.keys={optimizer.lr:[0.01,0.1],model.grid_size:[4,8,16]}", SEEDS, "training.steps=2")
    assert number_of_trials(config) == 6
    tuned = choose(config, "kan", tmp_path, "run")
    tried = [tuple(trial["settings"].values()) for trial in tuned["tried"]]
    assert tried == [(rate, size) for rate in (0.01, 0.1) for size in (4, 8, 16)]
    assert json.loads(json.dumps(tuned)) == tuned


def test_identity_is_of_what_there_is_to_choose_from() -> None:
    asked = values(KEYS, SEEDS)
    assert identity(asked) == identity(values(KEYS, SEEDS, "optimizer.lr=0.5"))  # which is not used
    assert identity(asked) != identity(values(SEEDS))
    assert identity(asked) != identity(values(KEYS))
    assert identity(asked) != identity(values(KEYS.replace("0.1]", "0.2]"), SEEDS))
    assert identity(values()) == identity(values(SEEDS))  # without keys nothing is chosen


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tune.keys={optimizer.lx:[1.0]}"], "optimizer.lx is not a config key; did you mean optimizer.lr"),
        (["tune.keys={optimizer.lr:[fast]}"], "optimizer.lr: input should be a valid number"),
        (["tune.keys={optimizer.lr:[]}"], "tune.keys.optimizer.lr"),
        (["tune.keys={optimizer.lr:0.1}"], "must be a list of values, or a range"),
        (["tune.keys={optimizer.lr:{lo:0.1,high:1.0}}", *TPE], "a range is {low: 0.001, high: 0.1}"),
        (["tune.keys={optimizer.lr:{low:0.1,high:1.0}}"], "of which a grid has no values"),
        (["tune.keys={optimizer.lr:{low:0.0,high:1.0,log:true}}", *TPE], "0 < low < high"),
        (["tune.keys={optimizer.lr:{low:1.0,high:0.1}}", *TPE], "low < high"),
        ([KEYS, "tune.sampler=tpa", "tune.trials=3"], "tune.sampler must be one of grid, random, tpe, gp"),
        ([KEYS, "tune.sampler=tpe"], "needs tune.trials"),
        ([KEYS, "tune.trials=3"], "has no use for a grid"),
        (["tune.keys={optimizer.lr:0.1}"], "tune.keys.optimizer.lr"),
        (["tune.keys={optimizer.lr:[0.1,0.1]}"], "has a value twice"),
        (["tune.keys={curriculum.peaks:[3]}"], "curriculum.peaks can't be chosen"),
        (["tune.keys={seeds:[3]}"], "seeds can't be chosen"),
        (["tune.keys={optimizer.lr:[0.1]}", "tune.seeds=[1]"], "1 is among seeds, too"),
        (["tune.keys={optimizer.lr:[0.1]}", "tune.seeds=[]"], "tune.seeds"),
        (["tune.keys={optimizer.lr:[0.1]}", "tune.measure=retention"], "tune.measure must be one of"),
        (["training.evaluate_on=train"], "evaluate_on"),
    ],
)
def test_what_can_not_be_chosen_is_refused(overrides, message) -> None:
    with pytest.raises(ConfigError, match=message):
        values(*overrides)


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
def test_a_search_that_was_interrupted_goes_on_as_if_nothing_had_happened(tmp_path, sampler) -> None:
    asked = [RANGE, SEEDS, f"tune.sampler={sampler}", "tune.trials=13", "training.steps=2", "curriculum.peaks=2"]
    whole = choose(values(*asked), "kan", tmp_path / "whole", "run")
    assert len(whole["tried"]) == 13
    rates = [trial["settings"]["optimizer.lr"] for trial in whole["tried"]]
    assert len(set(rates)) == 13
    assert all(1e-4 <= rate <= 0.5 for rate in rates)
    assert whole["chosen"] == min(whole["tried"], key=lambda trial: trial["score"])["settings"]
    search = values(*asked)
    first = list(islice(_walk(search["tune"], tmp_path, whole), 7))
    assert first == [trial["settings"] for trial in whole["tried"][:7]]
    parts = tmp_path / "parts"
    choose(values(*asked[:-4], f"tune.sampler={sampler}", "tune.trials=5", *asked[-2:]), "kan", parts, "run")
    before = {path: os.stat(path).st_mtime_ns for path in parts.glob("trials/*/record.json")}
    assert len(before) == 5
    assert choose(values(*asked), "kan", parts, "run") == whole
    after = {path: os.stat(path).st_mtime_ns for path in parts.glob("trials/*/record.json")}
    assert len(after) == 13
    assert before.items() <= after.items()


def _walk(tune, folder, whole):
    """Settings that a search proposes when it is told the scores of another."""
    for proposal, known in zip(proposals(tune, folder / "unused.journal"), whole["tried"], strict=True):
        yield proposal.settings
        proposal.tell(known["score"])


def test_optunas_own_tools_read_a_finished_search(tmp_path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    config = values(RANGE, SEEDS, *TPE, "training.steps=2", "curriculum.peaks=2")
    found = choose(config, "kan", tmp_path, "run")
    [journal] = (tmp_path / "trials").glob("*.journal")
    assert not list((tmp_path / "trials").glob(".*"))
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name=journal.stem, storage=storage)
    assert [trial.params for trial in study.trials] == [trial["settings"] for trial in found["tried"]]
    assert [trial.value for trial in study.trials] == [trial["score"] for trial in found["tried"]]


def test_the_best_in_the_outer_parts_of_a_range_is_said() -> None:
    log = {"low": 1e-4, "high": 1e-1, "log": True}
    assert at_end(1.1e-4, log)
    assert at_end(0.099, log)
    assert not at_end(1e-3, log)
    assert at_end(0.5001, {"low": 0.5, "high": 1.0})
    assert not at_end(0.6, {"low": 0.5, "high": 1.0})
