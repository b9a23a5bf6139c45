"""TensorBoard and trackio, judged by what their own readers find."""

import sys
from pathlib import Path

import numpy as np
import pytest

from continual.metrics import METRICS, find_metric, summarize
from continual.trackers import TensorBoardTracker, TrackioTracker
from continual.trackers.marker import tracking_ended
from tests.continual.trackers.test_trackers import LOSS, RMSE, STEPS, TASKS, R, follow, record, whole


def events(folder: Path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra tensorboard is not installed"
    )
    found = accumulator.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def curve(found, name: str) -> tuple[list[int], list[float]]:
    return [each.step for each in found.Scalars(name)], [each.value for each in found.Scalars(name)]


def test_tensorboard_holds_curves_rows_settings_and_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    tracker = TensorBoardTracker(figures=True)
    follow(tracker, tmp_path)  # an attempt that is interrupted
    tracker.abort()
    assert not tracking_ended(tmp_path)
    whole(tracker, tmp_path)
    assert tracking_ended(tmp_path)
    found = events(tmp_path)
    finite = np.where(np.isfinite(LOSS), LOSS, np.nan)
    for name, values in {"loss": finite, "rmse/task_1": RMSE[..., 0]}.items():
        expected = summarize(values, axis=1)
        for key, sign in (("mean", 0.0), ("low", -1.0), ("high", 1.0)):
            steps, seen = curve(found, f"curve/{name}/{key}")
            assert steps == [10 * step for step in range(STEPS)]  # once, not once an attempt
            end = expected.mean if sign == 0 else expected.mean + sign * expected.half_width
            np.testing.assert_allclose(seen, end, rtol=1e-6)
    index, seen = curve(found, "task/rmse/task_1")
    assert index == list(range(TASKS + 1))
    np.testing.assert_allclose(seen, np.nanmean(R[..., 0], axis=0), rtol=1e-6)
    alone = [name for name in METRICS if find_metric(name).needs != "another run"]
    assert len(alone) == len(METRICS) - 2
    for name in alone:
        values = record(tmp_path).metrics[name]
        np.testing.assert_allclose(curve(found, f"{name}/mean")[1], float(summarize(values).mean), rtol=1e-6)
    assert found.Tags()["images"] == ["matrix"]
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["model.grid_size"].number_value == 200
    assert start.hparams["identity"].string_value == "0123abcd"


def test_trackio_holds_curves_rows_settings_and_metrics(tmp_path: Path, monkeypatch, capfd) -> None:
    pytest.importorskip("trackio", reason="the extra trackio is not installed")
    import trackio.sqlite_storage
    import trackio.utils

    for name, module in list(sys.modules.items()):
        if name.startswith("trackio") and hasattr(module, "TRACKIO_DIR"):
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    tracker = TrackioTracker()
    follow(tracker, tmp_path / "run")  # an attempt that is interrupted
    tracker.abort()
    assert not tracking_ended(tmp_path / "run")
    whole(tracker, tmp_path / "run")
    assert tracking_ended(tmp_path / "run")
    storage = trackio.sqlite_storage.SQLiteStorage
    (run,) = trackio.Api().runs("kan-continual")
    rows = storage.get_logs("kan-continual", run.name)
    expected = summarize(np.where(np.isfinite(LOSS), LOSS, np.nan), axis=1).mean
    seen = {row["step"]: row["curve/loss/mean"] for row in rows if "curve/loss/mean" in row}
    np.testing.assert_allclose([seen[10 * step] for step in range(STEPS)], expected)
    assert len([row for row in rows if "curve/loss/mean" in row]) == STEPS
    assert [row["task/index"] for row in rows if "task/index" in row] == [0, 1, 2]
    (last,) = [row for row in rows if "final_rmse/mean" in row]
    assert last["final_rmse/mean"] == pytest.approx(float(summarize(record(tmp_path).metrics["final_rmse"]).mean))
    assert run.config["model"]["grid_size"] == 200
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("kind", [TensorBoardTracker, TrackioTracker])
def test_a_package_that_is_missing_is_one_line(kind, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules[kind.__module__], "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs a package that is not installed: pip install"):
        kind()
