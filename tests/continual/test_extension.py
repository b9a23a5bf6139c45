"""The protocol by which training is extended: who is called when, with what, and what a resumption finds."""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from continual.adaptations import GridSchedule
from continual.extension import Change, Extension, Quadratic, Settings, Training, hooks
from continual.models import jacobian
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt
from continual.records.checkpoint import Checkpoint
from continual.strategies import Cumulative, FineTune, Strategy
from continual.training.loop import train
from continual.training.stepping import TrainingStep
from kan import KAN
from mlp_baselines import MLP
from tasks import drift, gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64
ADAM = functools.partial(Adam, lr=0.01)
METHODS = [name for name, each in vars(Extension).items() if not name.startswith("_") and callable(each)]


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

    def begin(self, session) -> None:
        self.heard.append(f"begin {type(session.optimizer).__name__}")

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

    def loss_gradients(self, model) -> None:
        self.heard.append("look")

    def quadratics(self):
        self.heard.append("quadratics")
        return ()

    def gradients(self, model) -> None:
        self.heard.append("gradients")

    def predictor(self, task):
        self.heard.append(f"predictor {task}")

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
    step = ["data 7", "loss", "look", "quadratics", "gradients"]
    looked = [f"predictor {task}" for task in range(3)]
    first = ["before task 1 0", "before step 1 0", *step, "after step 0 1", "before step 1 1", *step, "after step 0 2"]
    begun = ["check 2", "begin Adam", *looked, "evaluation 0", "task done 0", *first]
    assert diary.heard[: len(begun)] == begun
    assert diary.heard[len(begun) :][:6] == ["after task 1 2", *looked, "evaluation 2", "task done 1"]
    assert diary.heard[-6:] == ["after task 3 6", *looked, "evaluation 6", "task done 3"]


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


PULL = Pull()


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


class Break(Extension):
    """Breaks a training off after a step."""

    def __init__(self, stop) -> None:
        self.stop = stop

    def after_step(self, task, step, losses) -> None:
        if (task, step) == self.stop:
            raise InterruptionError


@pytest.mark.parametrize("stop", [(0, 3), (0, 6), (1, 1), (1, 6), (2, 2)])
@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=3)])
def test_state_is_there_after_an_interruption_to_the_last_bit(tmp_path, stop, make) -> None:
    straight = training(strategy=Pull(), make=make)
    expected = train(straight)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(strategy=Pull(), make=make, observers=[Break(stop)], checkpoint=Checkpoint(path)))
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

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(observers=[Listener(), Keeper(), Break((1, 3))], checkpoint=Checkpoint(path)))
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


class Freeze(Strategy):
    """Takes parameters out of training after the first task."""

    def after_task(self, moment) -> None:
        if moment.task == 1:
            moment.model.layer(0).base_weight.requires_grad_(False)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "make", [ADAM, functools.partial(LBFGS, max_iter=3), functools.partial(torch.optim.SGD, lr=0.01)]
)
def test_parameters_that_are_frozen_stay_so_after_an_interruption(tmp_path, make, reset) -> None:
    straight = training(strategy=Freeze(reset), make=make)
    frozen = []

    class Look(Extension):
        def task_done(self, index, rmse) -> None:
            frozen.append(straight.model.layer(0).base_weight.detach().clone())

    expected = train(replace(straight, observers=[Look()]))
    assert torch.equal(frozen[1], frozen[3])
    assert not torch.equal(frozen[0], frozen[1])
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(strategy=Freeze(reset), make=make, observers=[Break((1, 3))], checkpoint=Checkpoint(path)))
    resumed = train(training(strategy=Freeze(reset), make=make, checkpoint=Checkpoint(path)))
    assert np.array_equal(resumed.matrix(), expected.matrix())


class Refine(Extension):
    """Refines the grid in a way of its own, and may keep quiet about it."""

    def __init__(self, where: str, change: Change | None = None) -> None:
        self.where, self.change = where, change

    def refine(self, moment) -> None:
        if moment.task == 2:
            moment.model.refine(20, moment.inputs)

    def before_task(self, moment) -> None:
        if self.where == "before_task":
            self.refine(moment)

    def before_step(self, moment):
        if self.where == "before_step" and moment.step == 2:
            self.refine(moment)
            return self.change if moment.task == 2 else None
        return None

    def after_task(self, moment) -> None:
        if self.where == "after_task":
            self.refine(moment)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=3)])
@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("before_task", None),
        ("before_step", None),
        ("before_step", Change("refined", reset_optimizer=False)),
        ("after_task", None),
    ],
)
def test_new_parameters_are_trained_whoever_brings_them(tmp_path, where, change, make, reset) -> None:
    def parts(**options):
        return training(strategy=FineTune(reset), make=make, **options)

    straight = parts(adaptations=[Refine(where, change)])
    kept = []

    class Look(Extension):
        def after_step(self, task, step, losses) -> None:
            if (task, step) in ((2, 1), (2, 6)):
                kept.append(straight.model.layer(0).coefficients.detach().clone())

    expected = train(replace(straight, observers=[Look()]))
    assert kept[0].shape[2] == 23
    assert not torch.equal(kept[0], kept[1])
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(parts(adaptations=[Refine(where, change)], observers=[Break((2, 2))], checkpoint=Checkpoint(path)))
    resumed = train(parts(adaptations=[Refine(where, change)], checkpoint=Checkpoint(path)))
    assert np.array_equal(resumed.matrix(), expected.matrix())


@pytest.mark.parametrize("stop", [(0, 2), (0, 4), (1, 5)])
def test_a_penalty_ends_where_it_should_after_an_interruption_too(tmp_path, stop) -> None:
    def parts(**options):
        whole = training(**options)
        model = MLP(1, 1, width=5, members=2, generators=generators_from((0, 1), "model"), dtype=DOUBLE)

        def penalty(model, x):
            return model(x), sum(w.square().sum((1, 2)) for w in model.weights)

        return replace(whole, model=model, penalty=penalty, settings=replace(whole.settings, penalty_steps=3))

    expected = train(parts())
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(parts(observers=[Break(stop)], checkpoint=Checkpoint(path)))
    assert np.array_equal(train(parts(checkpoint=Checkpoint(path))).matrix(), expected.matrix())


def test_others_hear_of_a_change() -> None:
    heard = []

    class Hear(Strategy):
        def changed(self, moment, change) -> None:
            heard.append((moment.task, moment.step, change.text.partition(",")[0]))

    train(training(strategy=Hear(), adaptations=[GridSchedule(9, [10, 20])]))
    assert heard == [(2, 3, "grid extension to 20 intervals")]


@pytest.mark.parametrize(
    ("method", "returned", "message"),
    [
        (
            "loss_term",
            lambda model, x, y: torch.tensor(1.0),
            r"X.loss_term must give a number for each member.*got \(\)",
        ),
        ("loss_term", lambda model, x, y: y.sum((1, 2)).unsqueeze(1), r"got \(2, 1\)"),
        ("loss_term", lambda model, x, y: 0.0, "got float"),
        ("loss_term", lambda model, x, y: None, "got NoneType"),
        ("before_step", lambda moment: "shaken", "X.before_step must return a Change or None, got 'shaken'"),
        ("step_data", lambda x, y: None, "X.step_data must give inputs .* got NoneType"),
        ("step_data", lambda x, y: (x, y[:1]), r"got \(2, 7, 1\) and \(1, 7, 1\)"),
        ("step_data", lambda x, y: (x[:, :0], y[:, :0]), "with B ≥ 1"),
        (
            "task_data",
            lambda tasks, index: (tasks[0].train_inputs[0], tasks[0].train_targets[0]),
            "X.task_data must give",
        ),
        (
            "state_dict",
            lambda: {"a": np.zeros(3)},
            "X.state_dict holds a numpy.ndarray, which no checkpoint gives back",
        ),
        ("state_dict", lambda: {"a": [1, {"b": np.int64(3)}]}, "holds a numpy.int64"),
        ("state_dict", lambda: {"a": torch.Generator()}, "holds a torch._C.Generator"),
    ],
)
def test_what_an_extension_returns_is_checked(tmp_path, method, returned, message) -> None:
    content = {method: lambda self, *arguments: returned(*arguments)}
    content[method].__name__ = method
    if method == "state_dict":
        content["load_state_dict"] = lambda self, state: None
    kind = type("X", (Extension,), content)
    with pytest.raises(ValueError, match=message):
        train(training(observers=[kind()], checkpoint=Checkpoint(tmp_path / "checkpoint.pt")))


def test_a_term_without_graph_counts_in_the_loss_alone() -> None:
    class Constant(Extension):
        def loss_term(self, model, inputs, predictions):
            return torch.ones(model.members, dtype=DOUBLE)

    plain, shifted = train(training()), train(training(observers=[Constant()]))
    assert np.array_equal(plain.matrix(), shifted.matrix())
    np.testing.assert_allclose(np.stack(shifted.loss[1:]), np.stack(plain.loss[1:]) + 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observers": [Diary]}, "Diary is a class"),
        ({"strategy": PULL, "observers": [PULL]}, "Pull takes part twice"),
        ({"observers": [type("Half", (Extension,), {"state_dict": lambda self: {}})()]}, "Half needs both"),
        ({"observers": [type("Odd", (Extension,), {"gradients": []})()]}, "Odd.gradients must be a method"),
    ],
)
def test_what_is_no_extension_is_refused_before_any_work(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        train(training(**options))


def test_states_of_other_extensions_are_refused(tmp_path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(strategy=Pull(), observers=[Break((1, 2))], checkpoint=Checkpoint(path)))
    with pytest.raises(ValueError, match=r"holds the states of \['Pull'\], and this training has \[\]"):
        train(training(checkpoint=Checkpoint(path)))


def test_what_is_shown_can_not_be_written_to_and_a_plain_strategy_will_do() -> None:
    class Vandal(Extension):
        def evaluation(self, step, task, loss, rmse) -> None:
            rmse *= 1000.0

    with pytest.raises(ValueError, match="read-only"):
        train(training(observers=[Vandal()]))

    class Shift(Extension):
        def step_data(self, inputs, targets):
            return inputs, targets.add_(1.0)

    whole = training(observers=(each for each in [Shift()]))
    before = whole.curriculum.tasks[0].train_targets.clone()
    train(replace(whole, settings=replace(whole.settings, batch_size=None), strategy=Extension()))
    assert torch.equal(whole.curriculum.tasks[0].train_targets, before)


class Spring(Extension):
    """Pulls towards a place, by a matrix, with a slope and a constant."""

    def __init__(self, blocks=True) -> None:
        self.blocks = blocks

    def begin(self, session) -> None:
        draw = session.generators("spring")
        sizes = [p[0].numel() for p in session.model.parameters() if p.requires_grad]
        P = sum(sizes)
        numbers = torch.stack([torch.randn(3 * P + 9 + 1, dtype=DOUBLE, generator=each) for each in draw])
        anchor, diagonal, slope, root, constant = numbers.split([P, P, P, 9, 1], dim=1)
        root = root.unflatten(1, (3, 3))
        blocks = [(torch.tensor([0, 2, 5]), root @ root.mT)] if self.blocks else []
        self.quadratic = Quadratic(anchor, 0.1 + diagonal.square(), blocks, slope, 100.0 + constant[:, 0])

    def quadratics(self):
        return [self.quadratic]


def dense(quadratic: Quadratic) -> torch.Tensor:
    """A, written out."""
    A = torch.diag_embed(quadratic.diagonal)
    for places, matrix in quadratic.blocks:
        A[:, places.unsqueeze(1), places] += matrix
    return A


def test_quadratic_terms_are_what_autograd_makes_of_them_and_keep_members_apart() -> None:
    run, alone = training(observers=[Spring()]), training(seeds=(1,), observers=[Spring()])
    for each in (run, alone):
        train(each)
    quadratic = run.observers[0].quadratic
    x = torch.randn(quadratic.anchor.shape, dtype=DOUBLE, requires_grad=True)
    d = x - quadratic.anchor
    q = 0.5 * torch.einsum("mi,mij,mj->m", d, dense(quadratic), d) + (quadratic.slope * d).sum(1) + quadratic.constant
    (gradient,) = torch.autograd.grad(q.sum(), x)
    value, given = quadratic.value_and_gradient(x.detach())
    torch.testing.assert_close(value, q.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(given, gradient, rtol=1e-12, atol=1e-12)
    for mine, its in zip(run.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(mine[1:], its, rtol=1e-10, atol=1e-10)


def test_a_quadratic_term_is_the_same_as_the_term_of_a_loss() -> None:
    class Term(Spring):
        quadratics = Extension.quadratics

        def loss_term(self, model, inputs, predictions):
            x = torch.cat([p.flatten(1) for p in model.parameters() if p.requires_grad], dim=1)
            d = x - self.quadratic.anchor
            square = 0.5 * torch.einsum("mi,mij,mj->m", d, dense(self.quadratic), d)
            return square + (self.quadratic.slope * d).sum(1) + self.quadratic.constant

    for make in (ADAM, LBFGS):
        declared, written = training(observers=[Spring()], make=make), training(observers=[Term()], make=make)
        histories = [train(each) for each in (declared, written)]
        np.testing.assert_allclose(histories[0].loss[-1], histories[1].loss[-1], rtol=1e-5)
        for mine, its in zip(declared.model.parameters(), written.model.parameters(), strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)  # L-BFGS amplifies rounding


def test_levenberg_marquardt_solves_for_quadratic_terms() -> None:
    run = training(observers=[Spring()], make=LevenbergMarquardt, steps=1)
    run = replace(run, settings=Settings(1), curriculum=replace(run.curriculum, tasks=run.curriculum.tasks[:1]))
    train(run)  # of a model that is linear in its parameters
    predictions, J = jacobian(run.model, run.curriculum.tasks[0].train_inputs)
    quadratic, count = run.observers[0].quadratic, J.shape[1]
    x = torch.cat([p.detach().flatten(1) for p in run.model.parameters() if p.requires_grad], dim=1)
    errors = (predictions - run.curriculum.tasks[0].train_targets)[..., 0]
    slope = 2.0 / count * torch.einsum("mb,mbp->mp", errors, J[:, :, 0]) + quadratic.value_and_gradient(x)[1]
    assert float(slope.abs().max()) < 1e-5  # a gain of the last digit of F lies in it


def test_several_strategies_are_one_training() -> None:
    diary = Diary()
    both = training(strategy=[Cumulative(reset_optimizer=False), diary], steps=2)
    assert not both.reset_optimizer
    train(both)
    assert "begin Adam" in diary.heard
    alone = training(strategy=Cumulative(reset_optimizer=False), steps=2)
    np.testing.assert_array_equal(train(alone).matrix(), train(training(strategy=(alone.strategy,), steps=2)).matrix())


def test_what_can_not_go_together_is_refused_before_any_work() -> None:
    class Cuts(Extension):
        surgery = True

        def gradients(self, model) -> None: ...

    class Ends(Extension):
        needs_boundaries = True

    with pytest.raises(ValueError, match="say what predicts a task; use one of them"):
        training(strategy=[Diary(), Diary()]).check()
    with pytest.raises(ValueError, match=r"Cuts changes gradients .* LBFGS can't search"):
        train(training(observers=[Cuts()], make=LBFGS))
    train(training(observers=[Cuts()], steps=1))
    stream = replace(training(observers=[Ends()]), curriculum=drift(generators_from([0, 1], "data")).to(DOUBLE))
    with pytest.raises(ValueError, match="Ends has to be told where a task ends"):
        replace(stream, settings=Settings(2)).check()
