"""Drift without boundaries: what is shown when, resumed to the last bit, and nobody is told where a stretch ends."""

import functools

import numpy as np
import pytest
import torch

from continual.extension import Extension, Settings, Training
from continual.optimizers import Adam
from continual.records.checkpoint import Checkpoint
from continual.stopping import Stopped
from continual.strategies import Cumulative, FineTune
from continual.training.loop import train
from kan import KAN
from tasks import drift
from tasks.sampling import generators_from

DOUBLE = torch.float64
SEEDS = [0, 1, 2]
ADAM = functools.partial(Adam, lr=0.02)


class Watch(Extension):
    """Writes down what an extension gets to see."""

    def __init__(self) -> None:
        self.moments, self.steps, self.begun, self.ended, self.data = [], [], [], [], []

    def before_task(self, moment) -> None:
        self.begun.append((moment.task, moment.step, moment.total))

    def before_step(self, moment) -> None:
        self.moments.append((moment.task, moment.step))
        self.data.append(moment.inputs.clone())

    def after_step(self, task, step, losses) -> None:
        self.steps.append((task, step))

    def after_task(self, moment) -> None:
        self.ended.append((moment.task, moment.step))


def training(observers=(), seeds=SEEDS, strategy=None, settings=None, checkpoint=None, stop=None, **options):
    model = KAN(
        1,
        1,
        depth=1,
        grid_size=20,
        base="zero",
        members=len(seeds),
        generators=generators_from(seeds, "model"),
        dtype=DOUBLE,
    )
    options = {"snapshots": 3, "points_per_step": 16, "test_points": 50, **options}
    return Training(
        model,
        drift(generators_from(seeds, "data"), **options).to(DOUBLE),
        ADAM,
        strategy or FineTune(),
        settings or Settings(steps=7, evaluate_every=3),
        generators_from(seeds, "batches"),
        observers=observers,
        checkpoint=checkpoint,
        stop=stop,
    )


def test_a_stream_is_one_long_task_to_extensions() -> None:
    watch = Watch()
    train(training([watch]))
    assert watch.begun == [(1, 0, 0)]
    assert watch.ended == [(1, 21)]
    assert watch.moments == [(1, step) for step in range(21)]
    assert watch.steps == [(0, step) for step in range(1, 22)]


def test_the_window_moves_evenly_and_each_step_draws_anew() -> None:
    watch = Watch()
    train(training([watch], width=0.5, points_per_step=400))
    for number, x in enumerate(watch.data):
        low = -1.0 + number / 20 * 1.5
        assert x.shape == (3, 400, 1)
        assert float(x.min()) == pytest.approx(low, abs=0.02)
        assert float(x.max()) == pytest.approx(low + 0.5, abs=0.02)
        assert float(x.min()) >= low - 1e-12
        assert float(x.max()) <= low + 0.5 + 1e-12
        assert not torch.equal(x[0], x[1])
    assert len({x[0].numpy().tobytes() for x in watch.data}) == 21


def test_snapshots_are_measured_where_their_stretches_end() -> None:
    for moves in ("window", "peak"):
        curriculum = drift(generators_from(SEEDS, "data"), moves=moves, snapshots=4)
        for index, task in enumerate(curriculum.tasks):
            x, y = curriculum.stream((index + 1) / 4, generators_from(SEEDS, "batches"))
            assert float(task.test_inputs.min()) == pytest.approx(float(x.min()), abs=0.05)
            assert float(task.test_inputs.max()) == pytest.approx(float(x.max()), abs=0.05)
            nearest = (x[0] - task.test_inputs[0, :, 0]).abs().argmin(dim=1)
            torch.testing.assert_close(task.test_targets[0, nearest], y[0], rtol=0, atol=0.1)


def test_a_moving_peak_contradicts_itself() -> None:
    curriculum = drift(generators_from(SEEDS, "data"), moves="peak", sharpness=50.0)
    for index, task in enumerate(curriculum.tasks):
        center = 1.6 * (index + 1) / 5 - 0.8
        torch.testing.assert_close(task.test_targets, torch.exp(-50.0 * (task.test_inputs - center) ** 2))
    assert curriculum.view is None


@pytest.mark.parametrize("at", [2, 7, 11])
def test_it_goes_on_to_the_last_bit(at, tmp_path) -> None:
    whole = train(training(noise=0.1))
    steps = iter(range(1, 100))

    def stop():
        return 15 if next(steps) >= at else None

    def checkpoint():
        return Checkpoint(tmp_path / "checkpoint.pt", "identity", same_code=True)

    with pytest.raises(Stopped):
        train(training(noise=0.1, checkpoint=checkpoint(), stop=stop))
    resumed = train(training(noise=0.1, checkpoint=checkpoint()))
    np.testing.assert_array_equal(whole.matrix(), resumed.matrix())
    np.testing.assert_array_equal(whole.curves()["rmse"], resumed.curves()["rmse"])


def test_a_member_does_not_depend_on_the_others() -> None:
    together, alone = train(training()), train(training(seeds=[2]))
    np.testing.assert_allclose(together.matrix()[2], alone.matrix()[0], rtol=1e-12)


def test_what_a_stream_has_no_place_for_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Cumulative chooses what a task trains on, and window over bessel is a stream"
    ):
        train(training(strategy=Cumulative()))
    with pytest.raises(ValueError, match="batch_size has no use on a stream"):
        train(training(settings=Settings(steps=3, batch_size=4)))
    for options, message in (
        ({"snapshots": 0}, "snapshots must be at least 1"),
        ({"width": 0.0}, "width must be positive"),
        ({"width": 3.0}, "at most 2, the domain's"),
        ({"moves": "task"}, "moves must be one of"),
        ({"sharpness": -1.0}, "sharpness must be positive"),
        ({"points_per_step": 0}, "points_per_step must be at least 1"),
        ({"function": "nothing"}, "nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            drift(generators_from(SEEDS, "data"), **options)
