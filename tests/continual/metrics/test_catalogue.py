"""Metrics by name, of records that are already there: what runs need for them, and why a value is undefined."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from continual.metrics import CORE, METRICS, Metric, find_metric, intransigence, plasticity, summarize
from continual.records.record import Record, read_record
from continual.records.references import find_reference
from continual.records.store import StoredRun
from continual.reports.numbers import undefined_notes
from tests.synthetic import write_run

CONFIG = {
    "model": {"grid_size": 5},
    "curriculum": {"peaks": 3},
    "optimizer": {"lr": 0.1},
    "training": {"steps": 100, "evaluate_every": 10},
    "dtype": "float64",
}


def with_strategy(record: Record, target: str, **changes) -> Record:
    strategy = {"_target_": f"continual.strategies.{target}", "reset_optimizer": True}
    content = {**CONFIG, "strategy": strategy, **changes}
    (record.folder / "config.yaml").write_text(yaml.safe_dump(content))
    return record


@pytest.fixture
def three(tmp_path: Path) -> list[Record]:
    """Fine-tuning, and the same model fresh for each task and on all tasks at once."""
    names = ("FineTune", "Independent", "Joint")
    made = [write_run(tmp_path / name, order=i, noise=10.0**-i) for i, name in enumerate(names)]
    return [with_strategy(record, name) for record, name in zip(made, names, strict=True)]


def test_names_labels_and_definitions() -> None:
    assert list(METRICS)[: len(CORE)] == list(CORE)
    assert METRICS["forgetting"] == "forgetting ↓"
    assert METRICS["avg_r2"].endswith("↑")
    assert "nothing" not in METRICS
    for name in METRICS:
        metric = find_metric(name)
        assert metric.name == name
        assert len(metric.definition) > 40
    with pytest.raises(ValueError, match="no such metric: forgeting; there are learned_rmse, "):
        find_metric("forgeting")


def test_every_metric_of_an_old_record_is_there(tmp_path: Path) -> None:
    """Nothing but record.json and curves.npz as they have always been."""
    record = write_run(tmp_path / "old", members=3, tasks=4)
    for name in METRICS:
        values, reasons = record.metrics[name], record.metrics.reasons(name)
        assert values.shape == (3,)
        assert [bool(why) for why in reasons] == np.isnan(values).tolist()
    undefined = [name for name in METRICS if record.metrics.reason(name)]
    assert undefined == ["plasticity", "intransigence"]
    assert record.metrics.reason("plasticity").startswith("no finished run beside it with strategy=independent")


def test_runs_are_held_against_their_references_seed_by_seed(three: list[Record]) -> None:
    own, fresh, joint = three
    np.testing.assert_allclose(own.metrics["plasticity"], plasticity(own.R, fresh.R))
    np.testing.assert_allclose(own.metrics["intransigence"], intransigence(own.R, joint.R))
    by_hand = np.mean([fresh.R[:, j + 1, j] - own.R[:, j + 1, j] for j in (1, 2)], axis=0)
    np.testing.assert_allclose(own.metrics["plasticity"], by_hand)
    np.testing.assert_allclose(
        own.metrics["intransigence"], np.mean([own.R[:, j + 1, j] - joint.R[:, -1, j] for j in range(3)], axis=0)
    )
    np.testing.assert_allclose(plasticity(-own.R, -fresh.R, higher=True), by_hand)
    assert fresh.metrics.reason("plasticity").startswith("no finished run beside it with strategy=independent")
    (own.folder / "config.yaml").unlink()
    assert Record(own.folder, own.fields).metrics.reason("plasticity") == "its config.yaml is missing or damaged"


def test_seeds_in_another_order_and_missing_ones(tmp_path: Path, three: list[Record]) -> None:
    own, fresh, _ = three
    fields = {**own.fields, "seeds": [3, 0, 99, 1]}
    found = Record(own.folder, fields).reference("independent")
    np.testing.assert_array_equal(found[[0, 1, 3]], fresh.R[[3, 0, 1]])
    assert np.isnan(found[2]).all()
    reasons = Record(own.folder, fields).metrics.reasons("plasticity")
    assert reasons == ("", "", "the other run lacks this seed, or diverged with it", "")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"training": {"steps": 100, "evaluate_every": 50}}, True),
        ({"training": {"steps": 200, "evaluate_every": 10}}, False),
        ({"model": {"grid_size": 6}}, False),
        ({"optimizer": {"lr": 0.2}}, False),
        ({"name": "another", "tracker": {"mode": "offline"}}, True),
        ({"strategy": {"ewc": {"_target_": "x.EWC"}, "independent": {"_target_": "x.Independent"}}}, False),
        ({"strategy": {"independent": {"_target_": "x.Independent"}}}, True),
    ],
)
def test_a_reference_differs_in_nothing_but_its_strategy(three: list[Record], changes, found: bool) -> None:
    own, fresh, _ = three
    with_strategy(fresh, "Independent", **changes)
    assert bool(own.metrics.reason("plasticity")) != found


def test_what_trials_chose_may_differ(three: list[Record]) -> None:
    own, fresh, _ = three
    with_strategy(fresh, "Independent", optimizer={"lr": 0.2})
    assert find_reference(own.folder, "independent", ["optimizer.lr"]) == [fresh.folder.resolve()]


def test_why_a_value_is_undefined(tmp_path: Path) -> None:
    single = write_run(tmp_path / "single", tasks=1, name="one task")
    lost = write_run(tmp_path / "lost", diverged=[1], evaluations=1, order=1, name="sparse")
    assert single.metrics.reasons("forgetting") == ("one task only",) * 4
    assert lost.metrics.reasons("final_rmse") == ("", "diverged", "", "")
    assert lost.metrics.reason("stability_gap") == ("no evaluation between the ends of tasks (training.evaluate_every)")
    notes = undefined_notes([single, lost], ["forgetting", "retention", "stability_gap"])
    assert "– in forgetting, retention, stability gap: one task only (one task)." in notes
    assert "– in forgetting, retention: diverged (sparse: 1 of 4 seeds)." in notes
    (lost.folder / "curves.npz").unlink()
    assert read_reason(lost) == "curves.npz is missing, damaged, or has no evaluations"


def read_reason(record: Record) -> str:
    return Record(record.folder, record.fields).metrics.reason("maximum_rmse")


def test_a_task_that_was_not_learned_is_the_reason(tmp_path: Path) -> None:
    record = write_run(tmp_path / "run")
    fields = json.loads((record.folder / "record.json").read_text())
    fields["baseline_rmse"] = np.zeros((4, 3)).tolist()
    changed = Record(record.folder, fields)
    assert changed.metrics.reason("retention") == "a task was not learned"
    assert changed.metrics.reason("final_r2") == "a task's targets are constant"


def test_a_metric_of_ones_own_is_found_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_metric.py").write_text(
        "from continual.metrics import Metric\n"
        "LAST = Metric('my_metric:LAST', 'last task', False, 'The last task at the end.',\n"
        "              lambda run: run.R[:, -1, -1], 'RMSE', kind='error')\n"
        "OTHER = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    record = write_run(tmp_path / "run")
    np.testing.assert_array_equal(record.metrics["my_metric:LAST"], record.R[:, -1, -1])
    assert METRICS["my_metric:LAST"] == "last task ↓"
    assert isinstance(find_metric("my_metric:LAST"), Metric)
    assert StoredRun(record.folder).value("my_metric:LAST") == pytest.approx(record.R[:, -1, -1].mean())
    for name in ("my_metric:OTHER", "my_metric:NOTHING", "no_such_module:X"):
        with pytest.raises(ValueError, match=f"no such metric: {name}"):
            find_metric(name)


def test_stored_runs_are_sorted_and_exported_by_any_metric(three: list[Record]) -> None:
    run = StoredRun(three[0].folder)
    for name in METRICS:
        assert run.value(name) == pytest.approx(float(summarize(three[0].metrics[name]).mean), nan_ok=True)
        assert f"{name}_mean" in run.row(["name"])
    assert read_record(three[0].folder).metrics.keys() == METRICS.keys()
