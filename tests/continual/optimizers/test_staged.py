"""Two optimizers in a row against the same two by hand, and resuming around the switch to the last bit."""

import copy
import functools

import numpy as np
import pytest
import torch

from continual.extension import Settings, Training
from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.optimizers.making import make_optimizer
from continual.optimizers.staged import Staged
from continual.records.checkpoint import Checkpoint
from continual.records.files import load_checked
from continual.strategies import FineTune
from continual.training.loop import train
from continual.training.stepping import TrainingStep
from kan import KAN
from tasks import gaussian_peaks
from tasks.sampling import generators_from
from tests.short_runs import Ticked

DOUBLE = torch.float64
SEEDS = [0, 1]
ADAM = functools.partial(Adam, lr=0.01)
LINE_SEARCH = functools.partial(LBFGS, history_size=10, max_iter=4)
SWITCH = 5
STAGED = functools.partial(Staged, first=ADAM, then=LINE_SEARCH, switch_at=SWITCH)


def kan() -> KAN:
    return KAN(1, 1, grid_size=8, members=2, generators=generators_from(SEEDS, "model"), dtype=DOUBLE)


def peaks(**options):
    return gaussian_peaks(generators_from(SEEDS, "data"), test_points=50, noise=0.1, **options).to(DOUBLE)


def same(a: KAN, b: KAN) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("then", [LINE_SEARCH, functools.partial(torch.optim.SGD, lr=0.1)])
def test_it_is_the_two_by_hand(then) -> None:
    task = peaks(peaks=1).tasks[0]
    model, plain = kan(), kan()
    optimizer = STAGED(model.parameters(), then=then)
    step = TrainingStep(model, optimizer)
    for make, count in ((ADAM, SWITCH), (then, 4)):
        by_hand = TrainingStep(plain, make(plain.parameters()))
        for _ in range(count):
            assert optimizer.param_groups[0].keys() == make(plain.parameters()).param_groups[0].keys()
            losses = step(task.train_inputs, task.train_targets)
            assert torch.equal(losses, by_hand(task.train_inputs, task.train_targets))
            assert same(model, plain)
    assert (optimizer.steps, optimizer.stage) == (SWITCH + 4, 1)


def test_three_in_a_row() -> None:
    inner = functools.partial(Staged, first=functools.partial(torch.optim.SGD, lr=0.1), then=LINE_SEARCH, switch_at=2)
    task = peaks(peaks=1).tasks[0]
    model, plain = kan(), kan()
    step = TrainingStep(model, Staged(model.parameters(), ADAM, inner, 3))
    for make, count in ((ADAM, 3), (inner.keywords["first"], 2), (LINE_SEARCH, 2)):
        by_hand = TrainingStep(plain, make(plain.parameters()))
        for _ in range(count):
            step(task.train_inputs, task.train_targets)
            by_hand(task.train_inputs, task.train_targets)
            assert same(model, plain)


class InterruptionError(Exception):
    """Stands for a Ctrl-C."""


# checkpoints come with evaluations, every step: stopped in step s, it goes on after s - 1
@pytest.mark.parametrize("stop", [(0, 3), (0, SWITCH), (0, SWITCH + 1), (0, SWITCH + 2), (1, 1), (1, 4), (1, 7)])
@pytest.mark.parametrize("reset", [True, False])
def test_interrupted_and_resumed_is_the_same_to_the_last_bit(tmp_path, stop, reset) -> None:
    def go(checkpoint, tick=None):
        model = kan()
        history = train(
            Training(
                model,
                peaks(peaks=2),
                STAGED,
                FineTune(reset),
                Settings(8, evaluate_every=1, checkpoint_seconds=1e-9),
                generators=generators_from(SEEDS, "batches"),
                checkpoint=checkpoint,
                observers=[Ticked(tick)],
            )
        )
        return history, model

    def break_off(task, step, losses) -> None:
        if (task, step) == stop:
            raise InterruptionError

    straight, expected = go(None)
    with pytest.raises(InterruptionError):
        go(Checkpoint(tmp_path / "checkpoint.pt"), break_off)
    saved = load_checked(tmp_path / "checkpoint.pt")["state"]["optimizer"]
    assert saved["steps"] in (stop[1] - 1, 8 * stop[0] + stop[1] - 1, 8)
    resumed, model = go(Checkpoint(tmp_path / "checkpoint.pt"))
    assert np.array_equal(straight.matrix(), resumed.matrix())
    assert same(expected, model)


def test_a_new_task_begins_with_the_first_stage_where_the_optimizer_does() -> None:
    stages = {}
    for reset in (True, False):
        made = []

        def make(parameters, made=made):
            made.append(STAGED(parameters))
            return made[-1]

        train(
            Training(
                kan(), peaks(peaks=2), make, FineTune(reset), Settings(8), generators=generators_from(SEEDS, "batches")
            )
        )
        stages[reset] = [optimizer.steps for optimizer in made]
    assert stages == {True: [8, 8], False: [16]}


def test_a_state_of_before_the_switch_can_be_loaded_after_it() -> None:
    task = peaks(peaks=1).tasks[0]
    model = kan()
    optimizer = STAGED(model.parameters())
    step = TrainingStep(model, optimizer)

    def take(count: int) -> None:
        for _ in range(count):
            step(task.train_inputs, task.train_targets)

    take(3)
    weights, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    take(4)
    expected = [p.detach().clone() for p in model.parameters()]
    model.load_state_dict(weights)
    optimizer.load_state_dict(state)
    assert optimizer.stage == 0
    take(4)
    assert all(torch.equal(a, b) for a, b in zip(expected, model.parameters(), strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_switches_on_cuda_too() -> None:
    task = peaks(peaks=1).to(DOUBLE, torch.device("cuda")).tasks[0]
    models = [kan().cuda(), kan().cuda()]
    then = functools.partial(Adam, lr=0.001)
    step = TrainingStep(models[0], Staged(models[0].parameters(), ADAM, then, SWITCH))
    for make in (ADAM, then):
        by_hand = TrainingStep(models[1], make(models[1].parameters()), graphs=False)
        for _ in range(SWITCH):
            step(task.train_inputs, task.train_targets)
            by_hand(task.train_inputs, task.train_targets)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: STAGED(p, switch_at=0), "switch_at must be at least 1"),
        (lambda p: STAGED(p, then=LevenbergMarquardt), "then: LevenbergMarquardt can't be a stage"),
        (lambda p: STAGED(p, first=LevenbergMarquardt), "first: LevenbergMarquardt can't be a stage"),
        (lambda p: STAGED(p, then=functools.partial(torch.optim.SGD, lr=0.0)), "then: the learning rate must be"),
        (lambda p: STAGED(p, then=functools.partial(LBFGS, max_iter=0)), "max_iter must be at least 1"),
        (lambda p: STAGED([{"params": [q]} for q in p]), "one group"),
        (lambda p: STAGED(p).add_param_group({"params": []}), "one group"),
        (lambda p: make_optimizer(functools.partial(STAGED, first=functools.partial(Adam, lr=0.0)), kan()), "learning"),
    ],
)
def test_bad_settings_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call(list(kan().parameters()))
    assert "\n" not in str(caught.value)
