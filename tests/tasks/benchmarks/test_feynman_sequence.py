"""Equations in sequence: whose columns are whose, what is standardised, and what the harder form hides."""

import math

import pytest
import torch

from continual.models import trainable
from mlp_baselines import MLP
from tasks import feynman_sequence
from tasks.benchmarks.feynman_sequence import EQUATIONS
from tasks.curriculum import Task
from tasks.sampling import generators_from


def made(members=2, **settings):
    settings = {"points": 40, "test_points": 30, **settings}
    return feynman_sequence(generators_from(range(members), "data"), **settings)


def test_there_are_34_in_the_order_of_their_characters() -> None:
    assert len(EQUATIONS) == 34
    assert EQUATIONS[:4] == ("I.11.19", "I.12.11", "I.13.12", "I.15.3t")
    assert EQUATIONS[-1] == "III.9.52"
    whole = made()
    assert (whole.in_features, whole.out_features, len(whole)) == (83, 34, 34)
    assert [task.name for task in whole.tasks] == list(EQUATIONS)


def test_each_has_columns_of_its_own() -> None:
    whole = made(equations=["I.12.11", "I.9.18", "II.38.3"])
    assert (whole.in_features, whole.out_features) == (10, 3)
    used = [range(0, 2), range(2, 8), range(8, 10)]
    for index, (task, own) in enumerate(zip(whole.tasks, used, strict=True)):
        assert task.columns == (index,)
        for name, values in task.tensors().items():
            columns = list(own) if name.endswith("inputs") else [index]
            others = [c for c in range(values.shape[2]) if c not in columns]
            assert values[..., columns].isfinite().all()
            assert (values[..., others] == 0.0).all() if name.endswith("inputs") else values[..., others].isnan().all()
            assert values.stride(0) == 0  # one copy for all members
    a, theta = (whole.tasks[0].train_inputs[0, :, i] / 3.0**0.5 for i in (0, 1))
    values = 1.0 + a * torch.sin(math.pi * (theta + 1.0))
    targets = whole.tasks[0].train_targets[0, :, 0]
    slope = (targets[1:] - targets[0]) / (values[1:] - values[0])
    torch.testing.assert_close(slope, slope[:1].expand_as(slope), rtol=1e-8, atol=0)


def test_inputs_and_values_are_standardised() -> None:
    for task in made(members=1, points=20_000).tasks:
        own = task.own(task.train_targets)
        assert abs(float(own.mean())) < 0.04
        assert abs(float(own.std()) - 1.0) < 0.06
        inputs = task.train_inputs[0][:, task.train_inputs[0].any(dim=0)]
        torch.testing.assert_close(inputs.mean(dim=0), torch.zeros(inputs.shape[1]).double(), rtol=0, atol=0.03)
        torch.testing.assert_close(inputs.std(dim=0), torch.ones(inputs.shape[1]).double(), rtol=0, atol=0.03)


def test_on_one_head_nothing_tells_equations_apart() -> None:
    whole = made(scenario="domain", points=3000)
    assert (whole.in_features, whole.out_features) == (6, 1)
    for task in whole.tasks:
        assert task.columns is None
        assert task.train_inputs[0].std(dim=0).min() > 0.9


def test_what_all_members_share_stays_one_copy_in_another_dtype() -> None:
    task = made(equations=1).tasks[0].to(torch.float32)
    assert task.train_inputs.dtype == torch.float32
    assert task.train_inputs.stride(0) == task.train_targets.stride(0) == 0
    own = torch.rand(2, 3, 1, dtype=torch.float64)
    moved = Task("own", own, own, own, own).to(torch.float32)
    torch.testing.assert_close(moved.train_inputs, own.float(), rtol=0, atol=0)


def test_a_task_moves_no_weight_of_another_ones_columns() -> None:
    whole = made(equations=["I.12.11", "II.38.3"])
    model = MLP(4, 2, width=5, members=2, dtype=torch.float64)
    task = whole.tasks[0]
    predictions = model(task.train_inputs)
    predictions.backward(whole.loss(predictions, task.train_targets)[1])
    first, bias, last, _ = (trainable(model)[i].grad for i in (0, 2, 1, 3))
    assert (first[:, 2:] == 0.0).all()
    assert (first[:, :2] != 0.0).any()
    assert (last[..., 1] == 0.0).all()
    assert bias.isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scenario": "class"}, "scenario must be one of task, domain"),
        ({"equations": 35}, "equations must be from 1 to 34"),
        ({"equations": 0}, "equations must be from 1 to 34"),
        ({"equations": ["I.1.1"]}, "equations must be different ones of I.11.19"),
        ({"equations": ["I.12.11", "I.12.11"]}, "equations must be different ones"),
        ({"points": 0}, "points must be at least 1"),
        ({"test_points": 0}, "test_points must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        made(**wrong)
