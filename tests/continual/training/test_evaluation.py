"""Errors and accuracies of classes, against plain loops over tasks and members."""

import numpy as np
import pytest
import torch

from continual.training.evaluation import Evaluator, baseline_rmse
from mlp_baselines import MLP
from tasks import Curriculum, Task

DOUBLE = torch.float64


def curriculum(columns: list[tuple[int, ...] | None], members: int = 2, outputs: int = 4) -> Curriculum:
    def task(own: tuple[int, ...] | None, samples: int) -> Task:
        x = torch.randn(members, samples, 2, dtype=DOUBLE)
        labels = torch.tensor(own or range(outputs))[torch.randint(0, len(own or range(outputs)), (members, samples))]
        y = torch.nn.functional.one_hot(labels, outputs).to(DOUBLE)
        return Task("t", x, y, x, y, loss="cross_entropy", columns=own)

    return Curriculum("c", [task(own, 5 + 3 * i) for i, own in enumerate(columns)], (-9.0, 9.0))


@pytest.mark.parametrize("columns", [[None, None], [(0, 1), (2, 3)], [(3, 1, 0), None]])
def test_errors_of_classes(columns) -> None:
    tasks = curriculum(columns)
    model = MLP(2, 4, members=2, dtype=DOUBLE)
    rmse, median, accuracy = Evaluator(tasks, chunk=4)(model)
    frequencies = baseline_rmse(tasks)
    for j, (own, task) in enumerate(zip(columns, tasks.tasks, strict=True)):
        own = list(own or range(4))
        for m in range(2):
            y = task.test_targets[m][:, own]
            p = torch.softmax(model(task.test_inputs)[m][:, own], dim=1)
            squares = (p - y).detach().square()
            assert rmse[m, j] == pytest.approx(float(squares.mean().sqrt()), rel=1e-12)
            assert median[m, j] == pytest.approx(float(squares.median().sqrt()), rel=1e-12)
            assert accuracy[m, j] == float((p.argmax(1) == y.argmax(1)).double().mean())
            share = y.mean(dim=0)
            assert frequencies[m, j] == pytest.approx(float((y - share).square().mean().sqrt()), rel=1e-12)
    assert np.isfinite(rmse).all()


def test_members_that_diverged_have_no_accuracy() -> None:
    tasks = curriculum([(0, 1), (2, 3)])
    model = MLP(2, 4, members=2, dtype=DOUBLE)
    next(model.parameters()).data[1] = torch.nan
    errors = Evaluator(tasks)(model)
    for each in errors:
        assert np.isfinite(each[0]).all()
        assert np.isnan(each[1]).all()
