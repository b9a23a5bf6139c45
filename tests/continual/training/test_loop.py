"""The training loop: members, determinism, optimizers, divergence, evaluation, resuming to the last bit."""

import functools
import signal

import numpy as np
import pytest
import torch

from continual.extension import Settings, Training
from continual.metrics import forgetting
from continual.models import parameter_counts
from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.making import check_members, make_optimizer
from continual.records.checkpoint import Checkpoint
from continual.stopping import Stopped
from continual.strategies import Cumulative, FineTune
from continual.training.evaluation import Evaluator, baseline_rmse
from continual.training.loop import train
from continual.training.stepping import TrainingStep
from kan import KAN
from mlp_baselines import MLP
from tasks import gaussian_peaks, toy_regions
from tasks.sampling import generators_from
from tests.short_runs import Ticked

DOUBLE = torch.float64
ADAM = functools.partial(torch.optim.Adam, lr=0.01)
SGD = functools.partial(torch.optim.SGD, lr=1.0)
LINE_SEARCH = functools.partial(LBFGS, history_size=10)


def peaks(seeds, dtype=DOUBLE, **options):
    return gaussian_peaks(generators_from(seeds, "data"), **{"test_points": 100, **options}).to(dtype)


def kan(seeds, dtype=DOUBLE, **options):
    options = {"depth": 1, "grid_size": 50, "base": "zero", "train_spline_scale": False, **options}
    return KAN(1, 1, members=len(seeds), generators=generators_from(seeds, "model"), dtype=dtype, **options)


def learn(model, curriculum, seeds, make=ADAM, strategy=None, **settings):
    settings = Settings(**{"steps": 10, "evaluate_every": 5, **settings})
    return train(
        Training(
            model, curriculum, make, strategy or FineTune(), settings, generators=generators_from(seeds, "batches")
        )
    )


@pytest.mark.parametrize("make", [ADAM, SGD, LINE_SEARCH])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_a_member_of_ten_equals_the_same_seed_alone(make, batch_size) -> None:
    seeds = list(range(10))
    # a line search amplifies rounding from iteration to iteration, so L-BFGS is compared over its first twenty
    steps, tolerance = (1, 1e-8) if make is LINE_SEARCH else (25, 1e-10)
    together, alone = kan(seeds, base="silu"), kan([6], base="silu")
    options = {"make": make, "batch_size": batch_size, "steps": steps}
    many = learn(together, peaks(seeds, peaks=1, noise=0.1), seeds, **options)
    one = learn(alone, peaks([6], peaks=1, noise=0.1), [6], **options)
    np.testing.assert_allclose(many.matrix()[6], one.matrix()[0], rtol=tolerance)
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a[6], b[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("model", [KAN, MLP])
def test_fifty_adam_steps_in_company(model) -> None:
    seeds = list(range(10))

    def result(chosen):
        stack = model(
            1, 1, depth=3, width=5, members=len(chosen), generators=generators_from(chosen, "model"), dtype=DOUBLE
        )
        learn(stack, peaks(chosen, peaks=1), chosen, steps=50)
        return list(stack.parameters())

    for many, one in zip(result(seeds), result([3]), strict=True):
        torch.testing.assert_close(many[3], one[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("make", [ADAM, LINE_SEARCH])
def test_twice_the_same_to_the_last_bit(make) -> None:
    seeds = [0, 1, 2]
    outcomes = []
    for _ in range(2):
        model = kan(seeds, torch.float32, base="silu")
        history = learn(model, peaks(seeds, torch.float32, noise=0.1), seeds, make=make, batch_size=20, steps=5)
        outcomes.append((history, model.state_dict()))
    (first, weights), (second, again) = outcomes
    assert np.array_equal(first.matrix(), second.matrix())
    for name, values in first.curves().items():
        assert np.array_equal(values, second.curves()[name], equal_nan=True), name
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_rows_and_boundaries() -> None:
    history = learn(kan([0, 1]), peaks([0, 1], peaks=3), [0, 1], steps=10, evaluate_every=4)
    assert history.matrix().shape == (2, 4, 3)
    assert history.boundaries == [10, 20, 30]
    assert history.step == [0, 4, 8, 10, 14, 18, 20, 24, 28, 30]
    assert history.task == [-1, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    curves = history.curves()
    assert curves["rmse"].shape == (2, 10, 3)
    assert curves["predictions"].shape == (2, 4, 601, 1)
    np.testing.assert_array_equal(curves["rmse"][:, 3], history.matrix()[:, 1])


def test_untouched_coefficients_stay_with_a_fresh_state_and_move_with_a_stale_one() -> None:
    """What SGD, a reset and a kept Adam state do to coefficients that the second task cannot reach."""

    def moved(make, reset: bool) -> float:
        model = kan([0], grid_size=100)
        curriculum = peaks([0], peaks=2)
        first_task = slice(35, 46)  # supports within [-0.4, -0.06]; the second task begins at 0
        marks = {}

        class Watch:
            def evaluation(self, step, task, loss, rmse) -> None: ...

            def task_done(self, index, rmse) -> None:
                marks[index] = model.layers[0].coefficients.detach()[0, 0, first_task].clone()

        train(
            Training(
                model,
                curriculum,
                make,
                FineTune(reset),
                Settings(20),
                generators=generators_from([0], "batches"),
                observers=[Watch()],
            )
        )
        assert not torch.equal(marks[0], marks[1])
        return float((marks[2] - marks[1]).abs().max())

    assert moved(SGD, reset=True) == 0.0
    assert moved(SGD, reset=False) == 0.0
    assert moved(ADAM, reset=True) == 0.0
    assert moved(LINE_SEARCH, reset=True) == 0.0
    assert moved(ADAM, reset=False) > 1e-3
    assert moved(functools.partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1), reset=True) > 0.0


def test_cumulative_is_the_bound() -> None:
    kept = learn(kan([0]), peaks([0], peaks=3), [0], strategy=Cumulative(), steps=200, evaluate_every=200)
    lost = learn(MLP(1, 1, dtype=DOUBLE), peaks([0], peaks=3), [0], steps=200, evaluate_every=200)
    assert forgetting(kept.matrix())[0] < 0.01 < forgetting(lost.matrix())[0]


def test_a_diverged_member_is_recorded_and_the_others_go_on() -> None:
    seeds = [0, 1, 2]
    model, healthy = kan(seeds), kan(seeds)
    with torch.no_grad():
        model.layers[0].coefficients[1] = float("inf")
    curriculum = peaks(seeds, peaks=2)
    for make in (ADAM, LINE_SEARCH):
        history = learn(model, curriculum, seeds, make=make)
        expected = learn(healthy, curriculum, seeds, make=make)
        assert history.alive.tolist() == [True, False, True]
        assert np.isnan(history.matrix()[1]).all()
        np.testing.assert_allclose(history.matrix()[[0, 2]], expected.matrix()[[0, 2]], rtol=1e-12)


def test_divergence_midway_keeps_what_came_before() -> None:
    history = learn(
        MLP(1, 1, dtype=torch.float32), peaks([0], torch.float32), [0], make=functools.partial(SGD, lr=1e12)
    )
    matrix = history.matrix()[0]
    assert np.isfinite(matrix[0]).all()
    assert np.isnan(matrix[-1]).all()
    assert history.alive.tolist() == [False]


@pytest.mark.parametrize("model", [KAN, MLP])
def test_many_steps_in_a_call_are_as_many_single_ones_and_can_be_broken_off(tmp_path, monkeypatch, model) -> None:
    taken, several = [], TrainingStep.several

    def counted(self, inputs, targets, steps):
        losses = several(self, inputs, targets, steps)
        taken.append(steps if losses is not None else 0)
        return losses

    monkeypatch.setattr(TrainingStep, "several", counted)

    def go(watch, checkpoint=None, stop=None):
        seeds = [0, 1]
        stack = model(1, 1, depth=2, width=4, members=2, generators=generators_from(seeds, "model"), dtype=DOUBLE)
        make, settings = functools.partial(Adam, lr=0.01), Settings(40, evaluate_every=20, checkpoint_seconds=1e-9)
        more = {"generators": generators_from(seeds, "batches"), "checkpoint": checkpoint, "stop": stop}
        history = train(
            Training(stack, peaks(seeds, peaks=2), make, FineTune(), settings, observers=[Ticked(watch)], **more)
        )
        return history.matrix(), list(stack.parameters())

    def patient(task, step, losses) -> None:
        pass

    single = go(patient)
    assert max(taken) == 1
    patient.lags = True
    many = go(patient)
    assert max(taken) > 1
    calls = iter([None, None, signal.SIGTERM])
    with pytest.raises(Stopped):
        go(patient, Checkpoint(tmp_path / "checkpoint.pt"), lambda: next(calls))
    resumed = go(patient, Checkpoint(tmp_path / "checkpoint.pt"))
    for matrix, parameters in (many, resumed):
        assert np.array_equal(matrix, single[0])
        assert all(torch.equal(a, b) for a, b in zip(parameters, single[1], strict=True))


class InterruptionError(Exception):
    """Stands for a Ctrl-C."""


@pytest.mark.parametrize("make", [ADAM, LINE_SEARCH])
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("stop", [(0, 3), (1, 0), (1, 7), (2, 2)])
def test_interrupted_and_resumed_is_the_same_to_the_last_bit(tmp_path, make, reset, stop) -> None:
    seeds = [0, 1]

    def go(checkpoint, tick=None, told=None):
        model = kan(seeds, base="silu")
        history = train(
            Training(
                model,
                peaks(seeds, peaks=3, noise=0.1),
                make,
                FineTune(reset),
                Settings(8, batch_size=30, evaluate_every=2, checkpoint_seconds=1e-9),
                generators=generators_from(seeds, "batches"),
                checkpoint=checkpoint,
                observers=[Ticked(tick), *([] if told is None else [told])],
            )
        )
        return history, model

    class Told:
        def __init__(self) -> None:
            self.events: list[tuple[str, int]] = []

        def evaluation(self, step, task, loss, rmse) -> None:
            self.events.append(("evaluation", step))

        def task_done(self, index, rmse) -> None:
            self.events.append(("task", index))

    def break_off(task, step, losses) -> None:
        if (task, step) == stop or (stop[1] == 0 and (task, step) == (stop[0], 1)):
            raise InterruptionError

    straight_told, resumed_told = Told(), Told()
    straight, expected = go(None, told=straight_told)
    with pytest.raises(InterruptionError):
        go(Checkpoint(tmp_path / "checkpoint.pt"), break_off)
    resumed, model = go(Checkpoint(tmp_path / "checkpoint.pt"), told=resumed_told)
    assert np.array_equal(straight.matrix(), resumed.matrix())
    for name, values in straight.curves().items():
        assert np.array_equal(values, resumed.curves()[name], equal_nan=True), name
    for a, b in zip(expected.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert resumed_told.events == straight_told.events


def test_evaluation_does_not_depend_on_its_batches() -> None:
    seeds = [0, 1]
    model = kan(seeds, base="silu")
    curriculum = peaks(seeds, test_points=333)
    whole = Evaluator(curriculum, chunk=10_000)(model).rmse
    for chunk in (1, 7, 333, 1000):
        np.testing.assert_allclose(Evaluator(curriculum, chunk)(model).rmse, whole, rtol=1e-13)


def test_evaluation_is_the_plain_rmse() -> None:
    seeds = [0, 1]
    curriculum = toy_regions(generators_from(seeds, "data"), regions=3, test_points=50).to(DOUBLE)
    model = MLP(2, 1, members=2, dtype=DOUBLE)
    result, median, accuracy = Evaluator(curriculum, chunk=17)(model)
    assert accuracy is None
    for m in range(2):
        for j, task in enumerate(curriculum.tasks):
            with torch.no_grad():
                error = model(task.test_inputs)[m] - task.test_targets[m]
            assert result[m, j] == pytest.approx(float(error.square().mean().sqrt()), rel=1e-12)
            assert median[m, j] == pytest.approx(float(error.abs().median()), rel=1e-12)
    baseline = baseline_rmse(curriculum)
    assert baseline[0, 1] == pytest.approx(float(curriculum.tasks[1].test_targets[0].std(correction=0)), rel=1e-12)


def test_parameter_counts() -> None:
    assert parameter_counts(kan(range(10), grid_size=200)) == {"trainable": 203, "total": 204}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Settings(0), "steps must be at least 1"),
        (lambda: Settings(1, batch_size=0), "batch_size must be at least 1"),
        (lambda: Settings(1, evaluate_every=0), "evaluate_every must be at least 1"),
        (lambda: make_optimizer(functools.partial(torch.optim.Adam, lr=0.0), kan([0])), "learning rate"),
        (lambda: make_optimizer(ADAM, kan([0], train_coefficients=False)), "nothing to train"),
        (lambda: learn(kan([0]), peaks([0, 1]), [0]), "same members"),
        (lambda: Evaluator(peaks([0]), 0), "chunk must be"),
    ],
)
def test_bad_settings_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["RMSprop", "RAdam", "NAdam", "Adagrad", "Adadelta", "Adamax", "ASGD", "Rprop", "AdamW", "Adam", "SGD"]
)
def test_optimizers_of_torch_keep_members_apart(name) -> None:
    check_members(functools.partial(getattr(torch.optim, name), lr=0.01))


@pytest.mark.parametrize(("name", "message"), [("Adafactor", "mixes members"), ("LBFGS", "can't train a stack")])
def test_optimizers_that_mix_members_are_refused(name, message) -> None:
    with pytest.raises(ValueError, match=message):
        check_members(functools.partial(getattr(torch.optim, name), lr=0.01))
