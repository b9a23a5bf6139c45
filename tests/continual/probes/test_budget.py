"""The forgetting budget: paired by seed, exact about what keeps still, and right where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from continual.adaptations import GridUpdate
from continual.metrics import forgetting, learned_rmse
from continual.probes import Freeze, forgetting_budget
from continual.strategies import FineTune
from continual.training.loop import train
from tests.continual.probes.models import local_kan, mlp, training


def copies(generators) -> list[torch.Tensor]:
    return [each.get_state() for each in generators]


def by_name(budget) -> dict:
    return {(part.group, part.name): part for part in budget.parts}


def deep():
    return local_kan(depth=2, width=3, base="silu", train_spline_scale=True)


@pytest.mark.parametrize("make", ["adam", "lbfgs", "sgd"])
def test_what_is_frozen_keeps_still_after_the_first_task_to_the_last_bit(make) -> None:
    model = deep()
    names = [name for name, _ in model.named_parameters() if name.endswith("coefficients")]
    whole = training(model, make)
    seen = {}

    class Look:
        def task_done(self, index, rmse) -> None:
            seen[index] = {name: p.detach().clone() for name, p in model.named_parameters()}

    train(replace(whole, observers=[Freeze(names), Look()]))
    for name, value in seen[1].items():
        assert torch.equal(seen[3][name], value) == (name in names), name
        assert not torch.equal(seen[0][name], value), name


def test_it_is_the_difference_of_two_trainings_by_hand() -> None:
    whole = training(deep(), strategy=FineTune(reset_optimizer=False))
    before = [p.detach().clone() for p in whole.model.parameters()], copies(whole.generators)
    budget = forgetting_budget(whole)
    assert all(map(torch.equal, before[0], whole.model.parameters()))  # the training has not begun
    assert all(map(torch.equal, before[1], copies(whole.generators)))
    assert all(parameter.requires_grad for parameter in whole.model.parameters())
    R = train(training(deep(), strategy=FineTune(reset_optimizer=False))).matrix()
    fresh = train(training(deep())).matrix()
    names = [name for name, _ in deep().named_parameters() if name.startswith("layers.1.")]
    still = train(training(deep(), observers=[Freeze(names)])).matrix()
    assert np.array_equal(budget.R, R)
    assert np.array_equal(still[:, :2], fresh[:, :2])  # the same first task
    parts = by_name(budget)
    assert np.array_equal(parts["training", "stale optimizer state"].due, forgetting(R) - forgetting(fresh))
    assert np.array_equal(parts["layers", "layer 2"].due, forgetting(fresh) - forgetting(still))
    assert np.array_equal(parts["layers", "layer 2"].learned, learned_rmse(still))
    assert {name for group, name in parts if group == "kinds"} == {"coefficients", "base_weight", "spline_scale"}
    for group in ("kinds", "layers"):
        explained = sum(part.due for part in budget.parts if part.group in ("training", group))
        assert np.allclose(budget.left_over(group) + explained, forgetting(R), rtol=0, atol=1e-15)


def test_a_part_that_is_everything_explains_everything() -> None:
    budget = forgetting_budget(training(local_kan(grid_size=5)))  # a fresh optimizer for each task, coefficients alone
    parts = by_name(budget)
    assert list(parts) == [("training", "stale optimizer state"), ("kinds", "coefficients"), ("layers", "layer 1")]
    assert np.array_equal(parts["training", "stale optimizer state"].due, np.zeros(2))
    for part in budget.parts[1:]:
        assert np.array_equal(part.forgetting, np.zeros(2))
        assert np.array_equal(part.due, forgetting(budget.R))
        assert np.array_equal(part.learned, budget.R[:, 1].mean(axis=1))
    assert np.array_equal(budget.left_over("layers"), np.zeros(2))


def test_grid_changes_are_a_part_where_there_are_some() -> None:
    moving = [GridUpdate(every=2, until=6, tasks=None)]
    budget = forgetting_budget(training(deep(), adaptations=moving))
    first = [GridUpdate(every=2, until=6, tasks=[1])]
    expected = train(training(deep(), adaptations=first)).matrix()
    part = by_name(budget)["training", "grid changes"]
    assert np.array_equal(part.forgetting, forgetting(expected))
    assert not np.array_equal(expected, budget.R)


def test_an_mlp_has_weights_and_biases() -> None:
    parts = by_name(forgetting_budget(training(mlp(), steps=3)))
    assert {name for group, name in parts if group == "kinds"} == {"weights", "biases"}
    assert {name for group, name in parts if group == "layers"} == {"layer 1", "layer 2", "layer 3"}


def test_a_single_task_is_refused() -> None:
    whole = training()
    alone = replace(whole.curriculum, tasks=whole.curriculum.tasks[:1])
    with pytest.raises(ValueError, match="a single task is never forgotten"):
        forgetting_budget(replace(whole, curriculum=alone))
