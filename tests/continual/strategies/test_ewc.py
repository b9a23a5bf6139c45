"""Elastic weight consolidation against plain loops, closed forms, and what it is meant to keep."""

import functools

import numpy as np
import pytest
import torch

from continual.adaptations import DomainExtension, GridSchedule
from continual.extension import Quadratic
from continual.models import trainable
from continual.optimizers import LBFGS, LevenbergMarquardt
from continual.strategies import EWC, FineTune
from continual.strategies.ewc.importance import curvature_of, estimated_diagonal
from continual.strategies.layout import layout_of
from continual.training.loop import train
from kan import KAN
from mlp_baselines import MLP, RBFLattice, SplineMLP, TensorSpline
from tasks.losses import LOSSES
from tasks.sampling import generators_from
from tests.continual.strategies.small import ADAM, DOUBLE, MAKERS, SGD, parameters, resumes, small, tasks_of

CURVATURES = ["diagonal", "knot", "layer", "full"]
LM = functools.partial(LevenbergMarquardt, max_iter=2)
LINEAR = {"depth": 1, "base": "zero", "train_spline_scale": False, "grid_size": 6, "width": 1}


class Plain:
    """The same for one member, by loops over samples and parameters; nothing of the suite but the model itself."""

    def __init__(self, training, member: int) -> None:
        self.model = training.model
        self.m, self.tasks = member, training.curriculum.tasks
        self.named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]

    def predict(self, x):
        return self.model(x)[self.m]

    def flat(self):
        return torch.cat([p[self.m].flatten() for _, p in self.named])

    def loss(self, task):
        y, f = task.train_targets[self.m], self.predict(task.train_inputs)
        own = list(task.columns or range(y.shape[1]))
        y, f = y[:, own], f[:, own]
        if task.loss == "cross_entropy":
            return -(y * torch.log_softmax(f, dim=1)).sum(dim=1).mean()
        return (f - y).square().mean()

    def closure(self, optimizer, task, old):
        optimizer.zero_grad()
        x, value = self.flat(), self.loss(task)
        for matrix, anchor in old:
            value = value + 0.5 * (x - anchor) @ matrix @ (x - anchor)
        value.backward()
        return value.detach().expand(self.model.members)

    def gradient(self, value):
        found = torch.autograd.grad(value, [p for _, p in self.named], retain_graph=True, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(p) if g is None else g)[self.m].flatten()
                for g, (_, p) in zip(found, self.named, strict=True)
            ]
        )

    def matrix(self, task):
        """The Gauss–Newton matrix, sample by sample and column by column."""
        predictions, total = self.predict(task.train_inputs), 0.0
        own = list(task.columns or range(predictions.shape[1]))
        for row in predictions:
            slopes = torch.stack([self.gradient(row[o]) for o in own])
            if task.loss == "cross_entropy":
                p = torch.softmax(row[own].detach(), dim=0)
                total = total + slopes.T @ (torch.diag(p) - torch.outer(p, p)) @ slopes / len(predictions)
            else:
                total = total + 2.0 * slopes.T @ slopes / (len(predictions) * len(own))
        return total

    def part(self, matrix, curvature):
        if curvature == "full":
            return matrix
        if curvature == "layer":
            layer = torch.cat([torch.full((p[0].numel(),), int(n.split(".")[1])) for n, p in self.named])
            return matrix * (layer[:, None] == layer[None, :])
        diagonal = matrix.diagonal().clone()
        if curvature == "knot":
            start = 0
            for name, p in self.named:
                count = p[0].numel()
                if name.endswith("coefficients"):
                    inputs, each, outputs = p.shape[1:]
                    own = diagonal[start : start + count].view(inputs, each, outputs)
                    spread = torch.zeros_like(own)
                    for n in range(each):
                        alive = [j for j in range(each - 3) if j <= n <= j + 3]
                        spread[:, n] = sum(own[:, j : j + 4].mean(1) for j in alive) / len(alive)
                    diagonal[start : start + count] = spread.flatten()
                start += count
        return torch.diag(diagonal)


def plain_ewc(training, member, make, *, weight, curvature, anchors, decay):
    """Parameters (P,) of a member after the whole training."""
    plain = Plain(training, member)
    old = []
    for task in training.curriculum.tasks:
        optimizer = make([p for _, p in plain.named])
        for _ in range(training.settings.steps):
            optimizer.step(functools.partial(plain.closure, optimizer, task, old))
        here = plain.flat().detach().clone()
        own = weight * plain.part(plain.matrix(task), curvature)
        if anchors == "online":
            old = [(own + decay * (old[0][0] if old else 0.0), here)]
        else:
            old = [*((decay * matrix, anchor) for matrix, anchor in old), (own, here)]
    return plain.flat().detach()


CLASSES = functools.partial(tasks_of, inputs=2, outputs=3, loss="cross_entropy", samples=8)
COLUMNS = functools.partial(tasks_of, inputs=2, outputs=3, masked=True, samples=8)


@pytest.mark.parametrize(
    ("curvature", "anchors", "decay", "make", "model", "curriculum"),
    [
        ("diagonal", "online", 1.0, ADAM, KAN, tasks_of),
        ("diagonal", "each", 0.7, SGD, MLP, CLASSES),
        ("knot", "online", 0.5, ADAM, KAN, COLUMNS),
        ("layer", "each", 1.0, MAKERS["lbfgs"], KAN, tasks_of),
        ("full", "online", 0.9, ADAM, MLP, functools.partial(CLASSES, masked=True)),
        ("full", "each", 1.0, ADAM, KAN, tasks_of),
    ],
)
def test_equals_a_plain_loop(curvature, anchors, decay, make, model, curriculum) -> None:
    options = {"weight": 0.8, "curvature": curvature, "anchors": anchors, "decay": decay}
    steps = 2 if make is MAKERS["lbfgs"] else 50  # a line search amplifies rounding from step to step
    ours = small(EWC(**options), make=make, steps=steps, model=model, curriculum=curriculum)
    train(ours)
    for member in range(2):
        theirs = small(FineTune(), make=make, steps=steps, model=model, curriculum=curriculum)
        expected = plain_ewc(theirs, member, make, **options)
        torch.testing.assert_close(parameters(ours)[member], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("curvature", ["full", "layer"])
@pytest.mark.parametrize("model", ["kan", "tensor_spline"])
def test_the_whole_matrix_ends_at_the_joint_least_squares(curvature, model) -> None:
    """Of a model that is linear in its parameters, in five tasks, each trained to its end."""
    curriculum = functools.partial(tasks_of, count=5, samples=20)
    make = functools.partial(LevenbergMarquardt, max_iter=10, tolerance=0.0, damping=1e-9)
    options = {"model": KAN, "sizes": LINEAR} if model == "kan" else {"model": TensorSpline, "sizes": {"grid_size": 6}}
    ours = small(EWC(curvature=curvature), make=make, steps=6, curriculum=curriculum, **options)
    start = small(FineTune(), curriculum=curriculum, **options).model
    train(ours)
    tasks = ours.curriculum.tasks
    joint = torch.cat([t.train_inputs for t in tasks], dim=1), torch.cat([t.train_targets for t in tasks], dim=1)
    with torch.no_grad():
        zero = parameters(small(FineTune(), curriculum=curriculum, **options))
        design = torch.stack([columns_of(start, zero, joint[0], index) for index in range(zero.shape[1])], dim=2)
    for m in range(2):
        expected = np.linalg.lstsq(design[m].numpy(), joint[1][m, :, 0].numpy(), rcond=None)[0]
        np.testing.assert_allclose(parameters(ours)[m], expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


def columns_of(model, at, x, index):
    """What a parameter of a linear model multiplies, (M, B), by setting it to one and all others to zero."""
    start = 0
    for p in trainable(model):
        count = p[0].numel()
        unit = torch.zeros(len(p), count, dtype=DOUBLE)
        if start <= index < start + count:
            unit[:, index - start] = 1.0
        p.copy_(unit.view(p.shape))
        start += count
    return model(x)[..., 0]


def test_anchors_of_each_task_are_not_the_joint_solution_from_the_third_task_on() -> None:
    def end(anchors, count):
        curriculum = functools.partial(tasks_of, count=count, samples=20)
        make = functools.partial(LevenbergMarquardt, max_iter=10, tolerance=0.0, damping=1e-9)
        whole = small(EWC(curvature="full", anchors=anchors), make=make, steps=6, curriculum=curriculum, sizes=LINEAR)
        train(whole)
        return parameters(whole)

    torch.testing.assert_close(end("each", 2), end("online", 2), rtol=1e-8, atol=1e-10)
    assert (end("each", 3) - end("online", 3)).abs().max() > 1e-3


@pytest.mark.parametrize("make", [*MAKERS.values(), LM], ids=[*MAKERS, "levenberg_marquardt"])
@pytest.mark.parametrize("curvature", ["diagonal", "full"])
def test_a_weight_of_zero_is_fine_tuning(make, curvature) -> None:
    ours, plain = small(EWC(0.0, curvature), make=make), small(FineTune(), make=make)
    assert np.array_equal(train(ours).matrix(), train(plain).matrix())
    assert torch.equal(parameters(ours), parameters(plain))


def test_importance_does_not_vanish_at_a_perfect_fit() -> None:
    model = KAN(1, 1, depth=1, members=2, dtype=DOUBLE)
    x = torch.rand(2, 9, 1, dtype=DOUBLE)
    found = curvature_of(model, LOSSES["mean_squared_error"](), x, model(x).detach(), None)
    slopes = model.jacobian(x)[1][:, :, 0]
    torch.testing.assert_close(found.diagonal, 2.0 * slopes.square().mean(dim=1), rtol=1e-12, atol=1e-15)
    assert (found.diagonal.amax(dim=1) > 0.1).all()


def test_an_estimate_of_single_samples_with_one_output_of_their_own_is_exact() -> None:
    training = small(FineTune(), curriculum=functools.partial(tasks_of, outputs=3, masked=True))
    loss, task = LOSSES["mean_squared_error"](masked=True), training.curriculum.tasks[1]
    targets = task.train_targets.clone()
    targets[..., 2] = torch.nan  # of the task's two columns one is left
    data = (training.model, loss, task.train_inputs, targets)
    found = estimated_diagonal(*data, 1, generators_from([0, 1], "signs"))
    torch.testing.assert_close(found, curvature_of(*data, None).diagonal, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sampled_estimate_is_right_in_the_mean(loss) -> None:
    training = small(FineTune(), curriculum=functools.partial(tasks_of, outputs=3, loss=loss))
    task = training.curriculum.tasks[0]
    data = (training.model, LOSSES[loss](), task.train_inputs, task.train_targets)
    signs = generators_from([0, 1], "signs")
    drawn = torch.stack([estimated_diagonal(*data, 5, signs) for _ in range(400)])
    exact = curvature_of(*data, None).diagonal
    error = (drawn.mean(dim=0) - exact).abs() / (drawn.std(dim=0) / 20.0).clamp(min=1e-12)
    assert float(error.median()) < 1.2  # 0.67 for normal errors
    assert float(error.max()) < 6.0


@pytest.mark.parametrize("loss", LOSSES)
def test_an_empirical_estimate_is_the_mean_of_squared_gradients_of_batches(loss) -> None:
    training = small(FineTune(), curriculum=functools.partial(tasks_of, outputs=3, loss=loss, masked=True))
    task = training.curriculum.tasks[0]
    kind = LOSSES[loss](masked=True)
    found = estimated_diagonal(training.model, kind, task.train_inputs, task.train_targets, 5, None)
    for member in range(2):
        plain = Plain(training, member)
        squares = []
        for part in (slice(0, 5), slice(5, 10), slice(10, 12)):
            x, y = task.train_inputs[:, part], task.train_targets[:, part]
            batch = type(task)("part", x, y, x, y, loss=loss, columns=task.columns)
            squares.append(plain.gradient(plain.loss(batch)).square())
        torch.testing.assert_close(found[member], torch.stack(squares).mean(dim=0), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("estimate", ["sampled", "empirical"])
def test_an_estimate_goes_on_to_the_last_bit_and_knows_no_other_member(tmp_path, estimate) -> None:
    resumes(lambda: small(EWC(2.0, estimate=estimate, batch=5)), tmp_path)

    def end(seeds):
        whole = small(EWC(3.0, "knot", estimate=estimate, batch=5), seeds)
        train(whole)
        return parameters(whole)

    torch.testing.assert_close(end((4, 7, 9))[1], end((7,))[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model", [KAN, MLP, SplineMLP, RBFLattice, TensorSpline])
@pytest.mark.parametrize("curvature", ["diagonal", "layer"])
def test_members_are_alone(model, curvature) -> None:
    def end(seeds):
        whole = small(EWC(3.0, curvature, "each"), seeds, model=model)
        train(whole)
        return parameters(whole)

    torch.testing.assert_close(end((4, 7, 9))[1], end((7,))[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("curvature", "make"),
    [("diagonal", ADAM), ("knot", MAKERS["lbfgs"]), ("layer", SGD), ("full", LM)],
)
def test_goes_on_to_the_last_bit(tmp_path, curvature, make) -> None:
    resumes(lambda: small(EWC(2.0, curvature, "each"), make=make), tmp_path)


def test_a_domain_that_grows_takes_nothing_away_from_what_is_kept(tmp_path) -> None:
    def build(curvature="full", strategy=None):
        sizes = {**LINEAR, "grid_range": (-1.0, -0.1), "grid_size": 9}
        chosen = EWC(1.0, curvature) if strategy is None else strategy
        return small(chosen, sizes=sizes, adaptations=[DomainExtension()], make=MAKERS["lbfgs"], steps=10)

    held, loose = build(), build(strategy=FineTune())
    assert train(held).matrix()[:, 3, 0].max() < 0.5 * train(loose).matrix()[:, 3, 0].min()
    for curvature in ("full", "layer", "diagonal"):
        path = tmp_path / curvature
        path.mkdir()
        resumes(functools.partial(build, curvature), path, stops=((1, 5), (2, 1)))


def test_a_matrix_on_grown_columns_is_that_of_the_same_parameters() -> None:
    model = KAN(2, 2, depth=2, width=2, grid_size=4, members=2, dtype=DOUBLE)
    x = 2.0 * torch.rand(2, 9, 2, dtype=DOUBLE) - 1.0
    loss, before = LOSSES["mean_squared_error"](), layout_of(model)
    found = {}
    for name, places in (("diagonal", None), ("layer", before.layers()), ("full", [torch.arange(before.count)])):
        found[name] = curvature_of(model, loss, x, x, places)
    model.extend_domain(torch.tensor([[-1.6, -1.2], [1.3, 1.1]], dtype=DOUBLE))
    after = layout_of(model)
    columns = before.moved(after)
    for kept in found.values():
        step = torch.randn(2, after.count, dtype=DOUBLE)
        mapped = kept.moved(columns, after).times(step)
        torch.testing.assert_close(mapped[:, columns], kept.times(step[:, columns]))
        mapped[:, columns] = 0.0
        assert not mapped.any()


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (
            EWC(curvature="full", most_memory=1e3),
            {},
            "EWC's full matrix of 44 parameters takes 3.1e.04 bytes",
        ),
        (EWC(curvature="knot"), {"model": MLP}, "curvature=knot needs a model with grids"),
        (EWC(), {"adaptations": [GridSchedule(3, [6, 12])]}, "GridSchedule gives them another meaning"),
    ],
)
def test_what_can_not_work_is_refused(strategy, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        train(small(strategy, **options))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1.0}, "weight must be at least 0"),
        ({"decay": 1.5}, "decay must be between 0 and 1"),
        ({"curvature": "kronecker"}, "curvature must be one of diagonal, knot, layer, full"),
        ({"anchors": "none"}, "anchors must be one of online, each"),
        ({"estimate": "rough"}, "estimate must be one of exact, sampled, empirical"),
        ({"estimate": "sampled", "curvature": "full"}, "estimate=sampled is of a diagonal, and curvature=full is none"),
        ({"batch": 0}, "batch must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        EWC(**arguments)


def test_levenberg_marquardt_solves_for_quadratics_in_closed_form() -> None:
    model = TensorSpline(1, 1, grid_size=6, members=2, dtype=DOUBLE)
    count = model.weights[0].numel()
    root = torch.randn(2, 4, 4, dtype=DOUBLE)
    places = torch.tensor([0, 3, 5, 7])
    term = Quadratic(
        torch.randn(2, count, dtype=DOUBLE),
        torch.rand(2, count, dtype=DOUBLE) + 0.1,
        [(places, root @ root.mT)],
        torch.randn(2, count, dtype=DOUBLE),
    )

    class Terms(FineTune):
        def quadratics(self):
            return (term,)

    whole = small(
        Terms(),
        make=functools.partial(LevenbergMarquardt, max_iter=20, tolerance=0.0, damping=1e-9),
        steps=5,
        model=TensorSpline,
        sizes={"grid_size": 6},
        curriculum=functools.partial(tasks_of, count=1),
    )
    task = whole.curriculum.tasks[0]
    x, y = task.train_inputs, task.train_targets
    design = whole.model.jacobian(x)[1][:, :, 0]
    train(whole)
    full = torch.diag_embed(term.diagonal)
    full[:, places.unsqueeze(1), places] += term.blocks[0][1]
    matrix = 2.0 * design.mT @ design / x.shape[1] + full
    right = 2.0 * design.mT @ y / x.shape[1] + full @ term.anchor.unsqueeze(2) - term.slope.unsqueeze(2)
    expected = torch.linalg.solve(matrix, right)[..., 0]
    torch.testing.assert_close(parameters(whole), expected, rtol=1e-9, atol=1e-10)


def test_lbfgs_and_levenberg_marquardt_end_at_the_same_place() -> None:
    def end(make, steps):
        whole = small(EWC(5.0, "full"), make=make, steps=steps, sizes=LINEAR)
        train(whole)
        return parameters(whole)

    ends = [end(functools.partial(LBFGS, tolerance_grad=0.0, tolerance_change=0.0), 40), end(LM, 20)]
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)
