"""Grids that grow where tasks are new."""

import functools

import numpy as np
import pytest
import torch

from continual.adaptations import DomainExtension, LocalRefinement
from continual.strategies import FineTune, FreezeVisited
from continual.training.loop import train
from mlp_baselines import MLP
from tests.continual.strategies.small import ADAM, MAKERS, parameters, resumes, small, tasks_of

APART = functools.partial(tasks_of, width=0.5, samples=30)
ONE = {"depth": 1, "width": 1, "grid_size": 8}


def build(seeds=(0, 1), make=ADAM, **options):
    sizes = {**ONE, **options.pop("sizes", {})}
    adaptations = options.pop("adaptations", [LocalRefinement(0.05)])
    return small(FineTune(), seeds, make, sizes=sizes, adaptations=adaptations, curriculum=APART, **options)


def test_a_grid_grows_once_where_each_task_is() -> None:
    whole = build()
    history = train(whole)
    assert [(step, text.split()[1]) for step, text in history.events] == [(t * 6, "intervals") for t in range(3)]
    points = whole.model.layer(0).knots[0, 0, 3:-3]
    for task in whole.curriculum.tasks:
        place = torch.searchsorted(points, task.train_inputs[0, :, 0].contiguous(), right=True)
        assert points.diff()[place - 1].max() <= 0.05 + 1e-9


def test_goes_on_to_the_last_bit(tmp_path) -> None:
    both = functools.partial(build, sizes={"grid_range": (-1.0, -0.5)}, make=MAKERS["lbfgs"])
    resumes(lambda: both(adaptations=[DomainExtension(), LocalRefinement(0.05)]), tmp_path, ((1, 2), (2, 4)))


def test_members_are_alone() -> None:
    several, alone = build((4, 7, 9)), build((7,))
    np.testing.assert_allclose(train(several).matrix()[1], train(alone).matrix()[0], rtol=1e-9)
    assert parameters(several).shape[1] >= parameters(alone).shape[1]


def test_what_can_not_work_is_refused() -> None:
    with pytest.raises(ValueError, match="local_refinement needs a model with grids"):
        train(small(FineTune(), model=MLP, adaptations=[LocalRefinement(0.1)]))
    with pytest.raises(ValueError, match="FreezeVisited keeps what parameters were, and LocalRefinement"):
        train(small(FreezeVisited(), adaptations=[LocalRefinement(0.1)]))
    with pytest.raises(ValueError, match="width must be positive"):
        LocalRefinement(0.0)
    with pytest.raises(ValueError, match="every must be at least 1"):
        LocalRefinement(0.1, 0)
