"""A classification from the command line to its record, figures, page and tracker."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from continual.figures import matrices, run_summary, task_curves
from continual.records.record import read_record
from continual.trackers import Tracker
from scripts.config.parts import build_parts
from scripts.config.schema import ConfigError
from tests.scripts.test_config import values
from tests.scripts.test_train import SHORT, call


def said(figure: Figure) -> str:
    labels = [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel())]
    return " ".join([*labels, *(text.get_text() for text in figure.texts)])


class Listener(Tracker):
    """Keeps the accuracies that it is told."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    def accuracies(self, step, task, accuracy) -> None:
        self.heard.append(accuracy)


def test_a_sweep_shows_accuracies(tmp_path) -> None:
    sweep = ["-m", "curriculum=gaussian_classes", "curriculum.scenario=class,task", "model=mlp", "probe=interference"]
    done = call(*sweep, "curriculum.classes=4", "curriculum.tasks=2", f"results={tmp_path}", *SHORT)
    assert "final accuracy" in done.stdout
    assert "RMSEs of classifications are those of the predicted probabilities" in " ".join(done.stdout.split())
    folder = tmp_path / "runs"
    records = [read_record(path.parent) for path in sorted(folder.glob("*/record.json"))]
    assert len(records) == 2
    for record in records:
        assert record.fields["loss"] == "cross_entropy"
        assert record.accuracy.shape == record.R.shape == (2, 3, 2)
        assert record.curves["accuracy"].shape == record.curves["rmse"].shape
        np.testing.assert_array_equal(record.curves["accuracy"][:, -1], record.accuracy[:, -1])
        listener = Listener()
        listener.complete(record, None, {})
        np.testing.assert_array_equal(np.stack(listener.heard, axis=1), record.curves["accuracy"])
    for draw in (matrices, task_curves):
        assert "accuracy" in said(draw(records))
        assert "RMSE" not in said(draw(records))
    assert "test accuracy" in said(run_summary(records[0]))
    page = (folder / "index.html").read_text()
    data = json.loads(page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])
    assert "final_accuracy_mean" in data["metrics"]
    assert all("accuracy" in series["quantities"] for series in data["series"])
    shown = {column["key"] for column in data["columns"] if column["shown"]}
    assert {"learned_accuracy_mean", "final_accuracy_mean", "accuracy_forgetting_mean"} <= shown


def test_least_squares_are_no_way_to_learn_classes() -> None:
    with pytest.raises(ConfigError, match="squares of all errors, and the tasks' loss is the cross-entropy of classes"):
        build_parts(values("curriculum=gaussian_classes", "optimizer=levenberg_marquardt"))
    build_parts(values("curriculum=gaussian_classes", "optimizer=lbfgs", "strategy=cumulative"))
