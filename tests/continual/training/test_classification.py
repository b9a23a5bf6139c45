"""Classification through the whole loop: members, resumption, accuracies where they belong, records."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from continual.extension import Settings, Training
from continual.optimizers import LBFGS, Adam
from continual.records.checkpoint import Checkpoint
from continual.stopping import Stopped
from continual.strategies import Cumulative, FineTune
from continual.training import train
from kan import KAN
from tasks import gaussian_classes
from tasks.sampling import generators_from

DOUBLE = torch.float64


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, np.ndarray]] = []
        self.errors: list[int] = []

    def evaluation(self, step, task, loss, rmse) -> None:
        self.errors.append(step)

    def accuracies(self, step, task, accuracy) -> None:
        self.heard.append((step, task, accuracy.copy()))


def training(seeds, scenario="task", make=None, strategy=None, **other) -> Training:
    curriculum = gaussian_classes(
        generators_from(seeds, "data"), scenario=scenario, classes=4, tasks=2, points_per_class=20, test_points=30
    )
    model = KAN(
        2, curriculum.out_features, members=len(seeds), generators=generators_from(seeds, "model"), dtype=DOUBLE
    )
    return Training(
        model,
        curriculum,
        make or functools.partial(Adam, lr=0.05),
        strategy or FineTune(),
        Settings(steps=20, evaluate_every=10, batch_size=16, checkpoint_seconds=0.0),
        generators_from(seeds, "batches"),
        **other,
    )


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("make", [functools.partial(Adam, lr=0.05), LBFGS])
def test_a_member_of_a_stack_is_the_same_alone(scenario, make) -> None:
    both = train(training([3, 4], scenario, make))
    alone = train(training([4], scenario, make))
    np.testing.assert_allclose(both.matrix()[1:], alone.matrix(), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(both.accuracies()[1:], alone.accuracies())
    assert both.accuracies().shape == (2, 3, 2)
    learned = np.diagonal(both.accuracies()[:, 1:], axis1=1, axis2=2)
    assert (learned > 0.9).all()


def test_masks_are_what_keeps_a_task_apart() -> None:
    """Of a joint training of masked samples the outputs of a task learn from its own samples only."""
    run = training([0, 1], strategy=Cumulative())
    inputs, targets = run.strategy.task_data(run.curriculum.tasks, 1)
    predictions = run.model(inputs).detach()
    _, gradient = run.curriculum.loss(predictions, targets)
    assert not gradient[:, :40, 2:].any()
    assert not gradient[:, 40:, :2].any()
    assert (train(run).accuracies()[:, -1] > 0.9).all()


def test_accuracies_are_told_and_a_run_goes_on_bit_for_bit(tmp_path) -> None:
    listener = Listener()
    whole = train(training([3, 4], observers=[listener]))
    assert [step for step, _, _ in listener.heard] == listener.errors == [0, 10, 20, 30, 40]
    np.testing.assert_array_equal(np.stack([each for _, _, each in listener.heard], axis=1), whole.curves()["accuracy"])
    for index, end in enumerate((0, 2, 4)):
        np.testing.assert_array_equal(whole.accuracies()[:, index], listener.heard[end][2])
    steps = iter([None] * 12 + [15] + [None] * 100)
    later = Listener()
    stopped = training([3, 4], checkpoint=Checkpoint(tmp_path / "checkpoint.pt", "x"), stop=lambda: next(steps))
    with pytest.raises(Stopped):
        train(stopped)
    again = training([3, 4], checkpoint=Checkpoint(tmp_path / "checkpoint.pt", "x"), observers=[later])
    resumed = train(replace(again, stop=lambda: None))
    for name, values in whole.curves().items():
        np.testing.assert_array_equal(resumed.curves()[name], values, err_msg=name)
    np.testing.assert_array_equal(resumed.accuracies(), whole.accuracies())
    assert [step for step, _, _ in later.heard] == later.errors == [0, 10, 20, 30, 40]
