"""Debug presets: what they set, their verdicts and profiles, and that what they leave counts as no other run."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from continual.records.record import read_record
from continual.run import OverfitError, one_batch, overfitted, profiled
from continual.run.profiling import PHASES, Phases
from scripts.config.composed import identity, plain, put
from scripts.config.effects import without_effect
from scripts.config.parts import try_parts
from scripts.config.schema import ConfigError
from scripts.groups import options
from tasks import Curriculum, Task, drift
from tasks.sampling import generators_from
from tests.short_runs import CONFIGS, compare, short_run

EXPERIMENTS = sorted(
    item.name.removesuffix(".yaml")
    for item in files("conf").joinpath("experiment").iterdir()
    if item.name.endswith(".yaml")
)


def composed(*overrides: str) -> dict:
    with initialize_config_module("conf", version_base="1.3"):
        return plain(compose("train", list(overrides)))


def cases(experiment: str, preset: str) -> list[list[str]]:
    """The runs of an experiment, so many that every value of every axis is in one."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("train", [f"+experiment={experiment}"], return_hydra_config=True)
    params = [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]
    overrides = OverridesParser.create().parse_overrides([*params, f"+experiment={experiment}", f"debug={preset}"])
    seen: set[str] = set()
    chosen = []
    for job in (job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch):
        if not seen.issuperset(job):
            chosen.append(list(job))
        seen.update(job)
    return chosen


@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(name, marks=() if name in ("five_peaks", "grid_extension") else pytest.mark.slow)
        for name in EXPERIMENTS
    ],
)
def test_two_steps_of_everything_in_every_experiment(experiment) -> None:
    for job in cases(experiment, "fast"):
        values = composed(*job)
        assert values["training"]["steps"] == 2
        assert len(values["seeds"]) <= 2
        assert values["results"] == "results/debug"
        parts = try_parts(values)  # schedules, switches and sizes fit into two steps
        assert parts.needs.steps == 2 * len(parts.training.curriculum)


@pytest.mark.parametrize("preset", ["fast", "overfit", "profile"])
def test_what_a_preset_leaves_is_no_other_run(preset) -> None:
    plain_run, looked_into = composed(), composed(f"debug={preset}")
    assert looked_into["results"] == "results/debug"
    assert identity(looked_into) != identity(plain_run)
    # even where the same is trained
    same = {**plain_run, "debug": looked_into["debug"]}
    assert identity(same) != identity(plain_run)
    assert set(options("debug")) == {"fast", "overfit", "profile"}


def test_settings_replace_what_is_there_and_in_use() -> None:
    values = {"a": 1, "b": None, "c": [1, 2, 3], "d": {"e": 1, "f": {"g": 2}}}
    put(values, {"a": 2, "b": 2, "c": 2, "d": {"e": 5, "x": 1, "f": 3}, "y": {"z": 1}})
    assert values == {"a": 2, "b": None, "c": [1, 2], "d": {"e": 5, "f": {"g": 2}}}
    (said,) = without_effect(composed("debug=fast", "training.steps=7"), ["training.steps"])
    assert said.startswith("training.steps has no effect: the debug preset sets it")
    assert composed("debug=fast", "debug.settings.training.steps=3")["training"]["steps"] == 3
    with pytest.raises(ConfigError, match=r"debug\.settings: "):
        composed("debug=fast", "debug.settings=5")
    with pytest.raises(ConfigError, match=r"debug\.curriculum\.sample is not a config key; did you mean samples"):
        composed("debug=overfit", "+debug.curriculum.sample=3")


def test_one_batch_is_a_few_samples_of_the_first_task() -> None:
    x = torch.linspace(-1.0, 1.0, 21).reshape(1, 21, 1).expand(2, 21, 1)
    tasks = [Task("first", x, x.square(), x[:, :5], x[:, :5]), Task("second", x, x, x, x)]
    batch = one_batch(Curriculum("both", tasks, (-1.0, 1.0)), samples=5)
    (task,) = batch.tasks
    assert task.train_inputs[0, :, 0].tolist() == pytest.approx([-1.0, -0.5, 0.0, 0.5, 1.0], abs=1e-6)
    assert torch.equal(task.train_targets, task.train_inputs.square())
    assert torch.equal(task.test_inputs, task.train_inputs)
    assert one_batch(batch, samples=100).tasks[0].train_inputs.shape == (2, 5, 1)
    with pytest.raises(ValueError, match=r"debug\.curriculum\.samples must be at least 1, got 0"):
        one_batch(batch, samples=0)


def _on_one_batch(folder: Path, *overrides: str):
    run = short_run(folder, [*overrides, "debug=overfit", "debug.settings.training.steps=40"])
    assert len(run.training.curriculum) == 1
    return run


def test_the_verdict_tells_a_model_that_learns_from_one_that_does_not(tmp_path, caplog) -> None:
    good = ["model=kan_local", "model.grid_size=20", "optimizer=lbfgs"]
    with caplog.at_level("INFO"):
        record = overfitted(_on_one_batch(tmp_path / "good", *good))
    assert re.search(r"overfits one batch: short, 8 samples of peak at \S+: 3 of 3 seeds come below 1 %", caplog.text)
    ratio = record.R[:, -1, 0] / record.fields["baseline_rmse"][0][0]
    assert (ratio < 0.01).all()
    with pytest.raises(OverfitError, match=r"does NOT overfit one batch: short, .*: 0 of 3 seeds"):
        overfitted(_on_one_batch(tmp_path / "bad", *good[:2], "optimizer=sgd", "optimizer.lr=1e-9"))
    with pytest.raises(OverfitError, match=r"0 of 3 .* the optimizer learns nothing"):  # again, from the record
        overfitted(_on_one_batch(tmp_path / "bad", *good[:2], "optimizer=sgd", "optimizer.lr=1e-9"))


def test_an_optimizer_that_comes_nowhere_is_told_from_a_model_that_can_not(tmp_path, caplog) -> None:
    slow = ["model=mlp", "model.width=16", "optimizer.lr=0.01"]
    with caplog.at_level("WARNING"):
        record = overfitted(_on_one_batch(tmp_path / "slow", *slow))
    said = r"overfits one batch, but not by its own optimizer: short, 8 samples .*: 0 of 3 seeds come below 1 % by the "
    assert re.search(
        said + r"run's own optimizer .*; 3 of 3 seeds .* by Levenberg–Marquardt from the same", caplog.text
    )
    assert (record.R[:, -1, 0] > 0.01 * record.baseline[:, 0]).all()  # the record is of its own optimizer
    left = {path.name for path in (tmp_path / "slow").iterdir()}
    assert left == {"config.yaml", "curves.npz", "log.txt", "model.pt", "record.json"}
    with pytest.raises(OverfitError, match=r"0 of 3 .* 0 of 3 .*; look at the model's size"):
        overfitted(_on_one_batch(tmp_path / "line", *slow, "model.depth=1"))


def test_a_stream_has_a_batch_too() -> None:
    batch = one_batch(drift(generators_from([0], "data"), points_per_step=20), samples=4)
    assert batch.stream is None
    assert batch.tasks[0].train_inputs.shape == (1, 4, 1)


def test_a_profile_has_every_phase_and_changes_no_bit(tmp_path) -> None:
    quadratic = [*CONFIGS["grid_update"], "model.spline_order=2"]  # which no kernel takes in one call
    run = short_run(tmp_path / "profiled", quadratic)
    record = profiled(run)
    lines = (tmp_path / "profiled" / "profile.txt").read_text(encoding="utf-8").splitlines()
    rows = {line[:10].strip(): line[10:].split() for line in lines[1:]}
    assert set(rows) == {*PHASES, "all"}  # none is named that nothing belongs to any more
    assert int(rows["optimizer"][0]) == 6  # two tasks of three steps
    assert int(rows["forward"][0]) == int(rows["backward"][0]) == 6
    assert int(rows["data"][0]) >= 12
    assert "_LocalSumBackward" in "".join(rows["backward"]) or "aten::" in "".join(rows["backward"])
    seconds = [float(row[0 if name == "all" else 1]) for name, row in rows.items()]
    assert seconds[-1] == pytest.approx(sum(seconds[:-1]), abs=0.005)
    straight = short_run(tmp_path / "straight", quadratic)
    compare(record, overfitted(straight, tolerance=float("inf")))
    assert read_record(profiled(replace(run, training=straight.training)).folder)  # again, though it has a record
    assert not hasattr(torch.autograd.backward, "__wrapped__")  # nothing stays measured


def test_steps_in_one_call_have_a_phase_of_their_own(tmp_path) -> None:
    record = profiled(short_run(tmp_path / "profiled", CONFIGS["grid_update"]))
    lines = (tmp_path / "profiled" / "profile.txt").read_text(encoding="utf-8").splitlines()
    calls = {line[:10].strip(): line[10:].split()[0] for line in lines[1:]}
    assert {"forward", "backward"}.isdisjoint(calls)
    assert int(calls["fit"]) >= 2
    compare(record, overfitted(short_run(tmp_path / "straight", CONFIGS["grid_update"]), tolerance=float("inf")))


def test_all_time_belongs_to_one_phase(monkeypatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr("continual.run.profiling.time.perf_counter", lambda: float(next(now)))
    phases = Phases()  # at 0
    with phases.phase("optimizer"), phases.phase("forward"):  # from 1; from 2 to 3
        pass
    with phases.phase("evaluation"), phases.phase("forward"):  # from 5, to 6: no change within
        pass
    phases.take()
    assert phases.seconds == {"the rest": 3.0, "optimizer": 2.0, "forward": 1.0, "evaluation": 1.0}
    assert phases.calls == {"optimizer": 1, "forward": 1, "evaluation": 1}
    assert re.fullmatch(r"[a-z ,]+", ", ".join(PHASES))
