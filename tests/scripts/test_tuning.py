"""Settings chosen before a run: on validation sets, on seeds that are not reported, each trial once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from continual.records.record import read_record
from continual.records.store import find_runs
from scripts.config.composed import plain
from scripts.config.identity import identity
from scripts.config.schema import ConfigError
from scripts.config.tuning import choose, number_of_trials

ROOT = Path(__file__).parents[2]
SHORT = ["seeds=2", "training.steps=20", "tracker=none", "dtype=float64", "model.grid_size=8"]
KEYS = "tune.keys={optimizer.lr:[0.001,0.01,0.1]}"
SEEDS = "tune.seeds=[50,51]"


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
