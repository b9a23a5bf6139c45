"""Stages of runs that grow: where they end, and which one is best."""

import functools

import numpy as np
import pytest
import torch

from continual.adaptations import GridSchedule
from continual.extension import Settings, Training
from continual.optimizers.adam import Adam
from continual.records.record import write_record
from continual.reports.stages import best_stage, pareto_front, stages
from continual.strategies import FineTune
from continual.training.loop import train
from kan import KAN
from mlp_baselines import MLP
from tasks import function_fit
from tasks.sampling import generators_from


def record_of(model, folder, adaptations=()):
    curriculum = function_fit(generators_from([0, 1], "data"), points=50, test_points=100).to(torch.float64)
    history = train(
        Training(
            model,
            curriculum,
            functools.partial(Adam, lr=1e-2),
            FineTune(),
            Settings(9, evaluate_every=3),
            generators=generators_from([0, 1], "batches"),
            adaptations=adaptations,
        )
    )
    fields = {
        "name": "model",
        "R": history.matrix(),
        "seconds": {"total": 1.0, "train": history.train_seconds, "along": history.seconds},
    }
    return write_record(folder, fields, history.curves()), history


def test_a_grid_schedule_has_a_stage_for_each_grid(tmp_path) -> None:
    model = KAN(2, 1, layer_sizes=[2, 1, 1], grid_size=3, members=2, dtype=torch.float64)
    record, history = record_of(model, tmp_path / "kan", [GridSchedule(3, [3, 6, 12])])
    found = stages(record)
    assert [stage.grid_size for stage in found] == [3, 6, 12]
    assert [stage.step for stage in found] == [3, 6, 9]
    assert [stage.parameters for stage in found] == [3 * (size + 5) for size in (3, 6, 12)]
    for stage, index in zip(found, (1, 2, 3), strict=True):
        np.testing.assert_array_equal(stage.rmse, history.rmse[index][:, 0])
        np.testing.assert_array_equal(stage.median, history.median[index][:, 0])
        np.testing.assert_allclose(stage.train**2, history.loss[index])
    assert sum(stage.own_seconds for stage in found) == pytest.approx(history.train_seconds)
    assert found[-1].seconds == pytest.approx(history.train_seconds)


def test_a_model_that_never_grows_has_one(tmp_path) -> None:
    record, history = record_of(MLP(2, 1, width=4, depth=2, members=2, dtype=torch.float64), tmp_path)
    (stage,) = stages(record)
    assert (stage.step, stage.parameters, stage.grid_size) == (9, 17, None)
    np.testing.assert_array_equal(stage.rmse, history.rmse[-1][:, 0])


def test_the_best_stage_is_that_of_the_median_member(tmp_path) -> None:
    curves = {
        "step": np.array([0, 1, 2]),
        "parameters": np.array([5, 5, 9]),
        "rmse": np.array([[[9.0], [3.0], [1.0]], [[9.0], [3.0], [np.nan]], [[9.0], [3.0], [7.0]]]),
        "median": np.ones((3, 3, 1)),
        "loss": np.ones((3, 3)),
    }
    fields = {"seconds": {"along": [0.0, 1.0, 3.0]}}
    record = write_record(tmp_path, fields, curves)
    first, second = stages(record)
    assert (first.typical, second.typical) == (3.0, 7.0)  # one of three diverged
    assert (first.own_seconds, second.own_seconds) == (1.0, 2.0)
    chosen = best_stage([record])
    assert chosen is not None
    assert chosen[1].step == first.step
    assert best_stage([]) is None


def test_the_pareto_front_holds_what_no_other_point_beats() -> None:
    points = [(9, 1.0), (3, 5.0), (5, 6.0), (5, 4.0), (9, 1.0), (7, 4.0), (8, np.nan), (np.inf, 0.1), (20, 0.5)]
    assert pareto_front(points) == [1, 3, 0, 8]
    assert pareto_front([]) == []
    generator = np.random.default_rng(0)
    cloud = [(float(a), float(b)) for a, b in generator.integers(0, 20, (60, 2))]
    beaten = [
        any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in cloud) for point in cloud
    ]
    kept = {point for point, lost in zip(cloud, beaten, strict=True) if not lost}
    assert [cloud[i] for i in pareto_front(cloud)] == sorted(kept)
