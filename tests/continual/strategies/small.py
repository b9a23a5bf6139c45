"""Trainings of a few steps on random tasks, for tests of strategies."""

__all__ = [
    "ADAM",
    "DOUBLE",
    "LBFGS_",
    "MAKERS",
    "SGD",
    "InterruptionError",
    "parameters",
    "resumes",
    "small",
    "tasks_of",
]

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from continual.extension import Settings, Training
from continual.models import trainable
from continual.optimizers import LBFGS, Adam
from continual.records.checkpoint import Checkpoint
from continual.training.loop import train
from kan import KAN
from mlp_baselines import MLP
from tasks import Curriculum, Task
from tasks.sampling import generators_from
from tests.continual.strategies.parts import Break, InterruptionError

DOUBLE = torch.float64
ADAM = functools.partial(Adam, lr=0.01)
SGD = functools.partial(torch.optim.SGD, lr=0.05)
LBFGS_ = functools.partial(LBFGS, max_iter=4)
MAKERS = {"adam": ADAM, "sgd": SGD, "lbfgs": LBFGS_}


def tasks_of(seeds, count=3, samples=12, inputs=1, outputs=1, *, width=0.9, loss="mean_squared_error", masked=False):
    """Noisy tasks, task t of which lies on an interval that overlaps its neighbours'; each member has its own."""
    made = []
    draws = generators_from(seeds, "data")
    for t in range(count):
        low = -1.0 + t * (2.0 - width) / max(count - 1, 1)
        x = torch.stack([low + width * torch.rand(samples, inputs, generator=g, dtype=DOUBLE) for g in draws])
        y = torch.stack([torch.randn(samples, outputs, generator=g, dtype=DOUBLE) for g in draws])
        columns = (t % outputs, (t + 1) % outputs) if masked else tuple(range(outputs))
        if loss == "cross_entropy":
            best = y[..., list(columns)].argmax(dim=2)
            y = torch.nn.functional.one_hot(torch.tensor(columns)[best], outputs).to(DOUBLE)
        made.append(Task(f"task {t}", x, y, x, y, x, y, loss=loss, columns=columns if masked else None))
    return Curriculum("random", made, (-1.0, 1.0))


def small(strategy, seeds=(0, 1), make=ADAM, steps=6, model: Any = KAN, curriculum=None, **options) -> Training:
    """A training of a small model on random tasks."""
    curriculum = tasks_of(seeds) if curriculum is None else curriculum(seeds)
    sizes = {"grid_size": 6} if model is KAN else {"width": 4} if model is MLP else {}
    built = model(
        curriculum.in_features,
        curriculum.out_features,
        members=len(seeds),
        generators=generators_from(seeds, "model"),
        dtype=DOUBLE,
        **{**({"depth": 2, "width": 2} if model is KAN else {}), **sizes, **options.pop("sizes", {})},
    )
    settings = Settings(steps, options.pop("batch_size", None), 2, 1e-9)
    return Training(built, curriculum, make, strategy, settings, generators_from(seeds, "batches"), **options)


def parameters(training: Training) -> Tensor:
    """All trained parameters side by side, (M, P)."""
    return torch.cat([p.detach().flatten(1) for p in trainable(training.model)], dim=1)


def resumes(build, tmp_path, stops=((1, 2), (1, 6), (2, 4))) -> None:
    """Asserts that a training that is broken off goes on to the last bit.

    Args:
        build: makes the training anew.
        tmp_path: an empty folder.
        stops: tasks from 0 and steps after which it is broken off, one after the other.
    """
    straight = build()
    expected = train(straight)
    path = tmp_path / "checkpoint.pt"
    for stop in stops:
        broken = build()
        with pytest.raises(InterruptionError):
            train(replace(broken, observers=[*broken.observers, Break(stop)], checkpoint=Checkpoint(path)))
    resumed = replace(build(), checkpoint=Checkpoint(path))
    history = train(resumed)
    assert np.array_equal(history.matrix(), expected.matrix())
    for a, b in zip(resumed.model.state_dict().values(), straight.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
