"""Metrics of accuracies by hand, with the signs of their papers; listed of classifications alone."""

import numpy as np
import pytest

from continual.metrics import (
    ACCURACIES,
    METRICS,
    accuracy_backward_transfer,
    accuracy_forgetting,
    final_accuracy,
    find_metric,
    learned_accuracy,
    metrics_of,
)
from continual.records.record import Record, read_record
from continual.records.store import StoredRun
from continual.reports.tables import legend, shown, text_table, write_tables
from continual.trackers.scalars import accuracy_row, member_accuracy_row, member_summary, summary
from tests.synthetic import write_run


def test_by_hand() -> None:
    A = np.array([[0.1, 0.2, 0.3], [0.9, 0.2, 0.4], [0.95, 0.8, 0.5], [0.6, 0.85, 1.0]])
    assert final_accuracy(A) == pytest.approx((0.6 + 0.85 + 1.0) / 3)
    assert learned_accuracy(A) == pytest.approx((0.9 + 0.8 + 1.0) / 3)
    assert accuracy_forgetting(A) == pytest.approx(((0.95 - 0.6) + (0.8 - 0.85)) / 2)
    assert accuracy_backward_transfer(A) == pytest.approx(((0.6 - 0.9) + (0.85 - 0.8)) / 2)
    single = np.array([[0.5], [0.75]])
    assert np.isnan(accuracy_forgetting(single))
    assert np.isnan(accuracy_backward_transfer(single))
    assert final_accuracy(single) == 0.75


def with_classes(record: Record, seed: int = 0) -> Record:
    """The same run, were it of classification."""
    A = np.random.default_rng(seed).random(record.R.shape)
    return Record(record.folder, {**record.fields, "accuracy": A.tolist()})


def test_only_classifications_have_them(tmp_path) -> None:
    plain = write_run(tmp_path / "plain")
    classes = with_classes(plain)
    assert list(plain.metrics) == list(METRICS) == metrics_of([plain])
    assert list(classes.metrics) == [*METRICS, *ACCURACIES] == metrics_of([plain, classes])
    assert len(plain.metrics) + len(ACCURACIES) == len(classes.metrics)
    assert plain.metrics.reason("final_accuracy") == "no classification"
    np.testing.assert_allclose(classes.metrics["final_accuracy"], classes.accuracy[:, -1].mean(axis=1), rtol=1e-14)
    for name in ACCURACIES:
        assert name not in METRICS.keys() - set(ACCURACIES)
        assert np.isfinite(classes.metrics[name]).all()
        assert find_metric(name).higher == METRICS[name].endswith("↑")
    assert "final_accuracy/mean" not in summary(plain)
    assert summary(classes)["final_accuracy/mean"] == pytest.approx(float(classes.accuracy[:, -1].mean()))
    assert member_summary(classes, 1)["final_accuracy"] == pytest.approx(float(classes.accuracy[1, -1].mean()))
    assert "final_accuracy_mean" not in StoredRun(plain.folder).row(["name"])


def test_tables_show_them_where_they_are(tmp_path) -> None:
    plain = write_run(tmp_path / "plain", name="plain")
    classes = with_classes(write_run(tmp_path / "classes", name="classes", order=1))
    assert "accuracy" not in text_table([plain])
    assert shown([classes]) == ("learned_accuracy", "final_accuracy", "accuracy_forgetting", "final_rmse")
    assert "probabilities" in legend([classes, plain])
    both = text_table([plain, classes])
    assert "accuracy ↑" in both
    assert "– in final accuracy: no classification (plain)." in " ".join(both.split())
    assert max(map(len, both.splitlines())) <= 120
    csv, table = write_tables([plain, classes], tmp_path)
    head, first, second = csv.read_text().splitlines()
    place = head.split(",").index("final_accuracy_mean")
    assert first.split(",")[place] == ""
    assert float(second.split(",")[place]) == pytest.approx(classes.accuracy[:, -1].mean())
    assert "final accuracy ↑" in table.read_text()


def test_what_trackers_are_shown_along_training() -> None:
    accuracy = np.array([[0.25, 1.0], [0.75, np.nan], [0.5, 0.5]])
    row = accuracy_row(accuracy)
    assert row["curve/accuracy/task_1/mean"] == 0.5
    assert row["curve/accuracy/task_2/mean"] == 0.75
    assert row["curve/accuracy/task_1/low"] < 0.5 < row["curve/accuracy/task_1/high"]
    assert set(accuracy_row(accuracy[:1])) == {"curve/accuracy/task_1/mean", "curve/accuracy/task_2/mean"}
    assert member_accuracy_row(accuracy[2]) == {"curve/accuracy/task_1": 0.5, "curve/accuracy/task_2": 0.5}


def test_records_without_accuracies_are_read_as_ever(tmp_path) -> None:
    record = read_record(write_run(tmp_path / "old").folder)
    assert record.accuracy is None
    assert "accuracy" not in record.curves
