"""The protocol by which training is extended: who is called when, with what, and what a resumption finds."""

import functools
from typing import Any

import numpy as np
import pytest
import torch

from continual.extension import Change, Extension, Settings, Training, hooks
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt
from continual.records.checkpoint import Checkpoint
from continual.strategies import Cumulative, FineTune, Strategy
from continual.training.loop import train
from continual.training.stepping import TrainingStep
from kan import KAN
from tasks import gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64
ADAM = functools.partial(Adam, lr=0.01)
METHODS = [name for name in vars(Extension) if not name.startswith("_") and name != "capturable"]


def training(seeds=(0, 1), strategy=None, make=ADAM, steps=6, **options) -> Training:
    peaks = gaussian_peaks(generators_from(seeds, "data"), peaks=3, points_per_task=20, test_points=20, noise=0.1)
    model = KAN(
        1, 1, depth=1, grid_size=10, members=len(seeds), generators=generators_from(seeds, "model"), dtype=DOUBLE
    )
    settings = Settings(steps, batch_size=7, evaluate_every=2, checkpoint_seconds=1e-9)
    batches = generators_from(seeds, "batches")
    return Training(model, peaks.to(DOUBLE), make, strategy or FineTune(), settings, batches, **options)


class Diary(Extension):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def check(self, training) -> None:
        self.heard.append(f"check {training.settings.steps}")

    def before_task(self, moment) -> None:
        self.heard.append(f"before task {moment.task} {moment.total}")

    def before_step(self, moment) -> None:
        self.heard.append(f"before step {moment.task} {moment.step}")

    def step_data(self, inputs, targets):
        self.heard.append(f"data {inputs.shape[1]}")
        return inputs, targets

    def loss_term(self, model, inputs, predictions):
        self.heard.append("loss")
        return 0.0 * predictions.sum((1, 2))

    def gradients(self, model) -> None:
        self.heard.append("gradients")

    def after_step(self, task, step, losses) -> None:
        self.heard.append(f"after step {task} {step}")

    def after_task(self, moment) -> None:
        self.heard.append(f"after task {moment.task} {moment.total}")

    def evaluation(self, step, task, loss, rmse) -> None:
        self.heard.append(f"evaluation {step}")

    def task_done(self, index, rmse) -> None:
        self.heard.append(f"task done {index}")


def test_who_is_called_when() -> None:
    diary = Diary()
    train(training(steps=2, observers=[diary]))
    step = ["data 7", "loss", "gradients"]
    first = ["before task 1 0", "before step 1 0", *step, "after step 0 1", "before step 1 1", *step, "after step 0 2"]
    assert diary.heard[: 3 + len(first)] == ["check 2", "evaluation 0", "task done 0", *first]
    assert diary.heard[3 + len(first) :][:3] == ["after task 1 2", "evaluation 2", "task done 1"]
    assert diary.heard[-3:] == ["after task 3 6", "evaluation 6", "task done 3"]


@pytest.mark.parametrize("name", METHODS)
def test_what_nobody_overrides_is_never_called(name) -> None:
    assert hooks([Extension(), FineTune(), object()], name) == []
    owners = [type(method.__self__) for method in hooks([FineTune(), Diary(), Pull()], name)]
    assert owners == [kind for kind in (Diary, Pull) if name in vars(kind)]


def test_whoever_has_the_method_is_asked() -> None:
    class Plain:
        seen = 0

        def after_step(self, task, step, losses) -> None:
            self.seen += len(losses)

    plain = Plain()
    train(training(steps=2, observers=[plain]))
    assert plain.seen == 2 * 3 * 2


def test_an_extension_that_does_nothing_changes_nothing() -> None:
    plain, with_diary = training(), training(observers=[Extension()])
    assert np.array_equal(train(plain).matrix(), train(with_diary).matrix())


class Pull(Strategy):
    """Pulls the coefficients towards what they were after each task, the more the larger the weight."""

    def __init__(self, weight=0.3) -> None:
        super().__init__()
        self.weight, self.anchor = weight, None

    def loss_term(self, model, inputs, predictions):
        if self.anchor is None:
            return 0.0 * predictions.sum((1, 2))
        return self.weight * (model.layer(0).coefficients - self.anchor).square().sum((1, 2, 3))

    def after_task(self, moment) -> None:
        self.anchor = moment.model.layer(0).coefficients.detach().clone()

    def state_dict(self) -> dict[str, Any]:
        return {"anchor": self.anchor}

    def load_state_dict(self, state) -> None:
        self.anchor = state["anchor"]


def test_a_term_of_the_loss_has_its_gradient() -> None:
    whole, strategy = training(), Pull()
    model, task = whole.model, whole.curriculum.tasks[0]
    strategy.anchor = torch.randn_like(model.layer(0).coefficients)
    x, y = task.train_inputs, task.train_targets
    before = [p.detach().clone() for p in model.parameters()]
    loss = (model(x) - y).square().mean((1, 2)) + strategy.loss_term(model, x, model(x))
    expected = torch.autograd.grad(loss.sum(), list(model.parameters()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = TrainingStep(model, optimizer, terms=[strategy.loss_term])(x, y)
    torch.testing.assert_close(losses, loss.detach())
    for was, now, slope in zip(before, model.parameters(), expected, strict=True):
        torch.testing.assert_close(now.detach(), was - 0.1 * slope, rtol=1e-10, atol=1e-12)


def test_terms_and_penalty_add_up() -> None:
    whole = training()
    task = whole.curriculum.tasks[0]

    def penalty(model, x):
        return model(x), model.layer(0).coefficients.square().sum((1, 2, 3))

    def term(model, inputs, predictions):
        return predictions.square().sum((1, 2))

    x, y = task.train_inputs, task.train_targets
    y_hat = whole.model(x)
    expected = (y_hat - y).square().mean((1, 2)) + penalty(whole.model, x)[1] + 2.0 * term(whole.model, x, y_hat)
    step = TrainingStep(whole.model, torch.optim.SGD(whole.model.parameters(), lr=1e-3), penalty, terms=[term, term])
    torch.testing.assert_close(step(x, y), expected.detach())


@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=3)])
def test_what_a_strategy_does_is_each_members_own(make) -> None:
    several, alone = training((4, 7, 9), Pull(), make), training((7,), Pull(), make)
    np.testing.assert_allclose(train(several).matrix()[1], train(alone).matrix()[0], rtol=1e-9)


def test_a_strategy_that_pulls_holds_what_was_learned() -> None:
    def moved(strategy) -> torch.Tensor:
        kept: list[torch.Tensor] = []

        class Look(Extension):
            def after_task(self, moment) -> None:
                kept.append(moment.model.layer(0).coefficients.detach().clone())

        train(training(strategy=strategy, steps=60, observers=[Look()]))
        return (kept[-1] - kept[0]).square().sum((1, 2, 3))

    assert (moved(Pull(10.0)) < 0.1 * moved(FineTune())).all()


class InterruptionError(Exception):
    """Stands for a Ctrl-C."""


@pytest.mark.parametrize("stop", [(0, 3), (0, 6), (1, 1), (1, 6), (2, 2)])
@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=3)])
def test_state_is_there_after_an_interruption_to_the_last_bit(tmp_path, stop, make) -> None:
    class Break(Extension):
        def after_step(self, task, step, losses) -> None:
            if (task, step) == stop:
                raise InterruptionError

    straight = training(strategy=Pull(), make=make)
    expected = train(straight)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(strategy=Pull(), make=make, observers=[Break()], checkpoint=Checkpoint(path)))
    resumed = training(strategy=Pull(), make=make, checkpoint=Checkpoint(path))
    history = train(resumed)
    assert np.array_equal(history.matrix(), expected.matrix())
    assert all(torch.equal(a, b) for a, b in zip(resumed.model.parameters(), straight.model.parameters(), strict=True))


def test_those_without_state_hear_again_what_they_missed_and_others_do_not(tmp_path) -> None:
    class Listener(Extension):
        def __init__(self) -> None:
            self.steps: list[int] = []

        def evaluation(self, step, task, loss, rmse) -> None:
            self.steps.append(step)

    class Keeper(Listener):
        def state_dict(self) -> dict[str, Any]:
            return {"steps": list(self.steps)}

        def load_state_dict(self, state) -> None:
            self.steps = list(state["steps"])

    class Break(Extension):
        def after_step(self, task, step, losses) -> None:
            if (task, step) == (1, 3):
                raise InterruptionError

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(observers=[Listener(), Keeper(), Break()], checkpoint=Checkpoint(path)))
    again = [Listener(), Keeper()]
    train(training(observers=[*again, Extension()], checkpoint=Checkpoint(path)))
    assert again[0].steps == again[1].steps == list(range(0, 19, 2))


def test_gradients_can_be_changed() -> None:
    class Freeze(Extension):
        def gradients(self, model) -> None:
            model.layer(0).coefficients.grad[:, :, :5] = 0.0

    whole = training(adaptations=[], observers=[Freeze()])
    before = whole.model.layer(0).coefficients.detach().clone()
    train(whole)
    moved = (whole.model.layer(0).coefficients.detach() != before).any(dim=(0, 1, 3))
    assert not moved[:5].any()
    assert moved[5:11].all()


def test_data_of_a_step_can_be_added_to() -> None:
    sizes = []

    class Replay(Extension):
        def __init__(self) -> None:
            self.kept = None

        def after_task(self, moment) -> None:
            self.kept = moment.inputs[:, :4], moment.targets[:, :4]

        def step_data(self, inputs, targets):
            if self.kept is not None:
                inputs, targets = (torch.cat(pair, dim=1) for pair in zip((inputs, targets), self.kept, strict=True))
            sizes.append(inputs.shape[1])
            return inputs, targets

    train(training(observers=[Replay()]))
    assert sizes == [7] * 6 + [11] * 12


def test_a_change_begins_the_optimizer_anew() -> None:
    made = []

    def make(parameters):
        made.append(Adam(parameters, lr=0.01))
        return made[-1]

    class Shake(Extension):
        def before_step(self, moment) -> Change | None:
            return Change("shaken") if moment.step == 3 and moment.task == 2 else None

    history = train(training(make=make, observers=[Shake()]))
    assert history.events == [(9, "shaken")]
    assert len(made) == 4  # one a task, and one more


def test_what_can_not_work_together_is_refused() -> None:
    class Other(Extension):
        def task_data(self, tasks, index):
            return tasks[index].train_inputs, tasks[index].train_targets

    with pytest.raises(ValueError, match="Cumulative and Other both choose what a task trains on"):
        train(training(strategy=Cumulative(), observers=[Other()]))
    with pytest.raises(ValueError, match="LevenbergMarquardt solves for the squares of errors alone, and Pull changes"):
        train(training(strategy=Pull(), make=LevenbergMarquardt))
    with pytest.raises(ValueError, match="the same members, input and output features"):
        Training(training((0,)).model, training((0, 1)).curriculum, Adam, FineTune(), Settings(1), [])


def test_steps_are_recorded_only_where_extensions_allow_it() -> None:
    whole = training()
    optimizer = torch.optim.SGD(whole.model.parameters(), lr=0.1)
    pull = Pull()
    assert TrainingStep(whole.model, optimizer)._recordable()
    assert not TrainingStep(whole.model, optimizer, terms=[pull.loss_term])._recordable()
    pull.capturable = True
    assert TrainingStep(whole.model, optimizer, terms=[pull.loss_term])._recordable()
