"""Every strategy against an implementation of its own that knows no members, on fresh tasks."""

import functools

import pytest
import torch

from continual.extension import Extension
from continual.training.loop import train
from tests.continual.strategies.parts import ADAM, STRATEGIES, training
from tests.continual.strategies.plain import PLAIN

STEPS = 17
"""Of three tasks: 51."""

CASES = [(name, *case) for name in PLAIN for case in (("peaks", False), ("columns", True), ("classes", False))]


class Look(Extension):
    """Keeps what the model is after each task."""

    def __init__(self) -> None:
        self.kept = []

    def after_task(self, moment) -> None:
        self.kept.append([each.detach()[1].clone() for each in moment.model.parameters()])


@pytest.mark.parametrize(("name", "data", "adam"), CASES)
def test_it_is_what_the_formula_says(name, data, adam) -> None:
    seeds = (4, 7, 9)
    make = ADAM if adam else functools.partial(torch.optim.SGD, lr=0.05)
    look = Look()
    whole = training(STRATEGIES[name](), seeds, data=data, make=make, steps=STEPS, batch_size=None, observers=[look])
    start = [each.detach()[1].clone() for each in whole.model.parameters()]
    layers = len(start) // 2
    tasks = [(task.train_inputs[1], task.train_targets[1]) for task in whole.curriculum.tasks]
    plain = PLAIN[name](
        start[:layers], [each[0] for each in start[layers:]], tasks, 7, data == "classes", 0.01 if adam else 0.05, adam
    )
    train(whole)
    found = torch.cat([each.flatten() for each in look.kept[-1]])
    expected = plain.train(STEPS).vector()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    if name == "continual backprop":
        assert plain.began > 3
