"""Levenberg–Marquardt: its steps, members that do not mix, locality, roughness, and what it reaches."""

import copy
import functools
import io
import math

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

from continual.adaptations import GridSchedule, GridUpdate
from continual.extension import Settings, Training
from continual.models import trainable
from continual.optimizers.gauss_newton import DampedSystem
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.least_squares import LeastSquares
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.records.checkpoint import Checkpoint
from continual.strategies import FineTune
from continual.training.loop import train
from continual.training.stepping import TrainingStep
from kan import KAN
from kan.pruning.sparsity import SparsityPenalty
from mlp_baselines import MLP
from tasks import function_fit, gaussian_peaks
from tasks.sampling import generators_from
from tests.short_runs import Ticked

DOUBLE = torch.float64


class Equations:
    """A problem of the optimizer from a function of parameters (P,) to residuals (R,), the same for every member."""

    def __init__(self, function, start: Tensor) -> None:
        self.function = function
        self.x = start.clone().requires_grad_()
        self.asked = []

    def residuals(self) -> Tensor:
        return torch.func.vmap(self.function)(self.x.detach())

    def normal(self, members) -> None:
        return None

    def linearized(self, members, whole):
        self.asked.append(list(members))
        x = self.x.detach()[members]
        yield torch.func.vmap(self.function)(x), torch.func.vmap(torch.func.jacrev(self.function))(x)

    def pullback(self, weights: Tensor) -> Tensor:
        slopes = torch.func.vmap(torch.func.jacrev(self.function))(self.x.detach())
        return torch.einsum("mrp,mr->mp", slopes, weights)

    def roughness(self):
        return ()

    def quadratics(self):
        return ()


def rosenbrock(x: Tensor) -> Tensor:
    return torch.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])


def decay(x: Tensor) -> Tensor:
    t = torch.linspace(0.0, 3.0, 20, dtype=DOUBLE)
    return x[0] * torch.exp(-x[1] * t) + x[2] * torch.cos(x[3] * t) - (2.0 * torch.exp(-t) + 0.3 * torch.cos(4.0 * t))


def wide(x: Tensor) -> Tensor:
    """Fewer residuals than parameters."""
    return torch.stack([x.square().sum() - 1.0, (x[0] * x[1]) - 0.1, torch.sin(x).sum() - 0.5])


def solve(function, start, steps=40, **options) -> tuple[Equations, LevenbergMarquardt, Tensor]:
    problem = Equations(function, start)
    optimizer = LevenbergMarquardt([problem.x], max_iter=1, **options)
    losses = torch.stack([optimizer.step(problem) for _ in range(steps)])
    return problem, optimizer, losses


def starts(parameters: int, members: int = 4) -> Tensor:
    return torch.randn(members, parameters, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("acceleration", [0.0, 0.75])
def test_finds_what_scipy_finds(acceleration) -> None:
    for function, start in ((rosenbrock, starts(2)), (decay, torch.tensor([[1.0, 0.5, 0.2, 3.5]], dtype=DOUBLE))):
        problem, _, losses = solve(function, start, 120, acceleration=acceleration)
        for m, first in enumerate(start):
            other = scipy.optimize.least_squares(
                lambda x, f=function: f(torch.from_numpy(x)).numpy(), first.numpy(), method="lm", xtol=1e-15, ftol=1e-15
            )
            np.testing.assert_allclose(problem.x[m].detach().numpy(), other.x, atol=1e-6)
        assert float(losses[-1].max()) < 1e-16


@pytest.mark.parametrize("function", [decay, wide], ids=["more residuals", "more parameters"])
def test_a_step_solves_the_damped_equations(function) -> None:
    start = starts(4, 3)
    problem = Equations(function, start)
    system = DampedSystem(problem, start, len(function(start[0])), ())
    every = torch.arange(3)
    largest = system.linearize(every, start)
    damping = torch.tensor([1e-3, 0.1, 10.0], dtype=DOUBLE)
    step, gain, solved = system.solve(every, damping)
    assert bool(solved.all())
    assert system.dual == (function is wide)
    for m in range(3):
        residuals = function(start[m])
        slopes = torch.func.jacrev(function)(start[m])
        matrix = slopes.T @ slopes / len(residuals)
        expected = -torch.linalg.solve(
            matrix + damping[m] * torch.eye(4, dtype=DOUBLE), slopes.T @ residuals / len(residuals)
        )
        torch.testing.assert_close(step[m], expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(largest[m], matrix.diagonal().max())
        promised = residuals.square().mean() - (residuals + slopes @ expected).square().mean()
        torch.testing.assert_close(gain[m], promised, rtol=1e-9, atol=1e-14)


def test_acceleration_follows_the_bend() -> None:
    """A full step on equations as many as unknowns leaves what is of second order in it, a bent one of third."""
    solution = torch.tensor([0.3, -0.4], dtype=DOUBLE)

    def bent(x: Tensor) -> Tensor:
        u = x - solution
        return torch.stack([u[0] + u[1] ** 2 + u[0] * u[1], u[1] - 0.5 * u[0] ** 2 + u[0] ** 3])

    sizes = torch.logspace(-3.0, -1.5, 6, dtype=DOUBLE)
    start = solution + sizes.unsqueeze(1) * torch.tensor([0.6, 0.8], dtype=DOUBLE)
    for acceleration, order in ((0.0, 2), (0.75, 3)):
        problem, _, _ = solve(bent, start, 1, damping=1e-15, acceleration=acceleration)
        left = problem.residuals().norm(dim=1).log()
        slope = np.polyfit(sizes.log().numpy(), left.numpy(), 1)[0]
        assert slope == pytest.approx(order, abs=0.15)


def test_no_step_raises_a_loss_and_dampings_follow_the_gain() -> None:
    _, optimizer, losses = solve(rosenbrock, starts(2), 25)
    assert bool((losses.diff(dim=0) <= 0.0).all())
    assert optimizer.state_dict()["state"][0]["damping"].shape == (4,)
    linear = torch.randn(6, 3, dtype=DOUBLE)
    problem = Equations(lambda x: linear @ x - 1.0, starts(3, 1))
    optimizer = LevenbergMarquardt([problem.x], max_iter=1, damping=1.0)
    optimizer.step(problem)
    first = optimizer.state[problem.x]["damping"].clone()
    optimizer.step(problem)
    # a linear problem gains what was promised: the damping shrinks as fast as it may
    torch.testing.assert_close(optimizer.state[problem.x]["damping"], first / 5.0)


def test_members_rest_to_the_bit_and_cost_nothing_until_their_data_change() -> None:
    start = torch.cat([torch.ones(1, 2, dtype=DOUBLE) + 1e-9, starts(2, 2)])
    problem, optimizer, _ = solve(rosenbrock, start, 12)
    rested = problem.x[0].detach().clone()
    problem.asked.clear()
    optimizer.step(problem)
    assert torch.equal(problem.x[0], rested)
    assert all(0 not in members for members in problem.asked)
    problem.function = lambda x: rosenbrock(x) - torch.tensor([0.0, 0.5], dtype=DOUBLE)
    for _ in range(25):
        optimizer.step(problem)
    torch.testing.assert_close(problem.x[0], torch.tensor([0.5, 0.25], dtype=DOUBLE))


def test_trials_that_are_not_finite_are_steps_too_long() -> None:
    def guarded(x: Tensor) -> Tensor:
        return torch.stack([torch.sqrt(x[0]) - 0.01, torch.log(x[1])])  # NaN for negative numbers

    problem, _, losses = solve(guarded, torch.tensor([[4.0, 9.0]], dtype=DOUBLE), 60, damping=1e-9)
    assert bool(losses.isfinite().all())
    torch.testing.assert_close(problem.x[0], torch.tensor([1e-4, 1.0], dtype=DOUBLE), rtol=1e-6, atol=0)


def network(seeds, **options) -> KAN:
    options = {"layer_sizes": [2, 1, 1], "grid_size": 4, "members": len(seeds), "dtype": DOUBLE, **options}
    first, *_, last = options["layer_sizes"]
    return KAN(first, last, generators=generators_from(seeds, "model"), **options)


def data(seeds, points=120, function="exp_sin") -> tuple[Tensor, Tensor]:
    task = function_fit(generators_from(seeds, "data"), function=function, points=points, test_points=20).tasks[0]
    return task.train_inputs, task.train_targets


def fit(seeds, steps, model=None, **options) -> tuple[KAN, Tensor]:
    model = network(seeds) if model is None else model
    step = TrainingStep(model, LevenbergMarquardt(trainable(model), **{"max_iter": 3, **options}))
    return model, torch.stack([step(*data(seeds)) for _ in range(steps)])


@pytest.mark.parametrize("roughness", [0.0, 1e-4])
@pytest.mark.parametrize("grid_size", [4, 60], ids=["more samples", "more parameters"])
def test_a_member_alone_is_what_it_is_in_the_stack(grid_size, roughness) -> None:
    """Over a few steps: rounding grows from one to the next."""
    together, losses = fit([0, 1, 2], 2, network([0, 1, 2], grid_size=grid_size), roughness=roughness)
    alone, one = fit([1], 2, network([1], grid_size=grid_size), roughness=roughness)
    torch.testing.assert_close(losses[:, 1], one[:, 0], rtol=1e-9, atol=0)
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a[1], b[0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("broken", ["coefficients", "base_weight"])
def test_a_member_that_is_not_finite_stays_and_leaves_the_others_alone(broken) -> None:
    whole, ill = network([0, 1]), network([0, 1])
    with torch.no_grad():
        getattr(ill.layer(0), broken)[0, 0] = math.nan
    before = [p[0].clone() for p in ill.parameters()]
    _, losses = fit([0, 1], 2, ill)
    fit([0, 1], 2, whole)
    assert bool(losses[:, 0].isnan().all())
    for kept, a, b in zip(before, ill.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a[0].view(torch.int64), kept.view(torch.int64))
        torch.testing.assert_close(a[1], b[1], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("points", [30, 400], ids=["more parameters", "more samples"])
def test_what_no_sample_reaches_does_not_move_by_a_bit(points) -> None:
    model = KAN(2, 1, layer_sizes=[2, 2, 1], grid_size=25, base="zero", train_spline_scale=False, dtype=DOUBLE)
    with torch.no_grad():
        model.layer(1).coefficients[0, 0, ::3] = -0.0
    before = [layer.coefficients.detach().clone() for layer in model.each_layer()]
    x = 0.3 * torch.rand(1, points, 2, dtype=DOUBLE) + 0.2
    with torch.no_grad():
        hidden = model.layer(0)(x)
        seen = [(model.layer(index).basis(h) != 0).any(dim=1) for index, h in enumerate((x, hidden))]
    step = TrainingStep(model, LevenbergMarquardt(trainable(model), max_iter=1))
    while torch.equal(model.layer(0).coefficients, before[0]):  # the first trials may be too long
        step(x, x.prod(-1, keepdim=True))
    for layer, old, reached in zip(model.each_layer(), before, seen, strict=True):
        same = layer.coefficients.detach().view(torch.int64) == old.view(torch.int64)
        assert bool(same[~reached].all())
        assert float((~same[reached]).double().mean()) > 0.9


def test_masked_edges_and_frozen_parts_stay() -> None:
    model = network([0, 1], layer_sizes=[2, 3, 1], train_base_weight=False, grid_size=5)
    live = torch.ones(2, 2, 3, dtype=torch.bool)
    live[0, 1, 2] = live[1, 0, 0] = False
    model.layer(0).set_mask(live)
    before = copy.deepcopy(model)
    fit([0, 1], 3, model, roughness=1e-6)
    for layer, old in zip(model.each_layer(), before.each_layer(), strict=True):
        assert torch.equal(layer.base_weight, old.base_weight)
        assert not torch.equal(layer.coefficients, old.coefficients)
    gone = ~live.unsqueeze(2).expand_as(model.layer(0).coefficients)
    assert torch.equal(model.layer(0).coefficients[gone], before.layer(0).coefficients[gone])


def test_one_linear_layer_is_solved_at_once() -> None:
    curriculum = gaussian_peaks(generators_from([0, 1], "data"), peaks=1, points_per_task=300).to(DOUBLE)
    model = KAN(1, 1, depth=1, grid_size=40, base="zero", train_spline_scale=False, members=2, dtype=DOUBLE)
    task = curriculum.tasks[0]
    step = TrainingStep(model, LevenbergMarquardt(trainable(model), damping=1e-14, max_iter=2))
    step(task.train_inputs, task.train_targets)
    design = model.layer(0).basis(task.train_inputs)[:, :, 0]
    solution = torch.linalg.lstsq(design[:1], task.train_targets[:1], driver="gelsd").solution
    least = (design[:1] @ solution - task.train_targets[:1]).square().mean()
    reached = (model(task.train_inputs) - task.train_targets).square().mean(dim=(1, 2))
    assert bool((reached <= 1.01 * least + 1e-24).all())


def test_roughness_continues_what_the_data_say() -> None:
    """Samples of a cubic on half of the grid: without roughness the rest stays as it was drawn."""
    x = torch.rand(1, 200, 1, dtype=DOUBLE) - 1.0
    grid = torch.linspace(-1.0, 1.0, 101, dtype=DOUBLE).view(1, -1, 1)

    def cubic(t: Tensor) -> Tensor:
        return 1.0 + t - 2.0 * t**2 + 3.0 * t**3

    errors = []
    for roughness in (0.0, 1e-8):
        model = KAN(1, 1, depth=1, grid_size=20, base="zero", train_spline_scale=False, dtype=DOUBLE)
        step = TrainingStep(model, LevenbergMarquardt(trainable(model), max_iter=50, roughness=roughness))
        step(x, cubic(x))
        assert float((model(x) - cubic(x)).detach().abs().max()) < 1e-5
        errors.append(float((model(grid) - cubic(grid)).detach().abs().max()))
    assert errors[0] > 0.5
    assert errors[1] < 1e-3


def test_single_precision_reaches_its_own_floor() -> None:
    x = (2.0 * torch.rand(1, 200, 1) - 1.0).expand(2, -1, -1)
    model = MLP(1, 1, width=8, depth=2, activation="tanh", members=2, generators=generators_from([0, 1], "model"))
    step = TrainingStep(model, LevenbergMarquardt(model.parameters(), max_iter=20))
    losses = [step(x, torch.sin(3.0 * x)) for _ in range(10)][-1]
    assert losses.dtype == DOUBLE
    assert float(losses.max()) < 1e-8


def test_a_perceptron_ends_far_below_where_lbfgs_does() -> None:
    x, y = data([0, 1, 2], 300, "product")
    reached = []
    for make in (
        functools.partial(LevenbergMarquardt, max_iter=20),
        functools.partial(LBFGS, max_iter=100, max_eval=100, tolerance_grad=0.0, tolerance_change=0.0),
    ):
        model = MLP(
            2,
            1,
            width=5,
            depth=2,
            activation="tanh",
            members=3,
            generators=generators_from([0, 1, 2], "model"),
            dtype=DOUBLE,
        )
        step = TrainingStep(model, make(model.parameters()))
        for _ in range(10):
            step(x, y)
        reached.append((model(x) - y).detach().square().mean(dim=(1, 2)))
    assert bool((reached[0] < 1e-4 * reached[1]).all())


def test_state_survives_a_file_and_goes_on_to_the_bit() -> None:
    ours, theirs = network([0, 1]), network([0, 1])
    whole, first = (LevenbergMarquardt(m.parameters(), max_iter=2) for m in (ours, theirs))
    for _ in range(4):
        TrainingStep(ours, whole)(*data([0, 1]))
    for _ in range(2):
        TrainingStep(theirs, first)(*data([0, 1]))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    again = LevenbergMarquardt(theirs.parameters(), max_iter=2)
    again.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(2):
        TrainingStep(theirs, again)(*data([0, 1]))
    assert again.state_dict()["state"][0]["n_iter"] == whole.state_dict()["state"][0]["n_iter"]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def extend_grids(seeds, sizes, steps, function="exp_sin", layer_sizes=(2, 1, 1), every=None, **options):
    """The settings with which splines reach their floor; returns test RMSE and its median form, (sizes, members)."""
    curriculum = function_fit(
        generators_from(seeds, "data"), function=function, **{"test_points": 2000, **options.pop("data", {})}
    ).to(DOUBLE)
    model = network(seeds, layer_sizes=list(layer_sizes), grid_size=sizes[0], base="identity", train_spline_scale=False)
    task = curriculum.tasks[0]
    ordinary, medians = [], []

    class Look:
        def evaluation(self, step, task_index, loss, rmse) -> None:
            if step:
                errors = (model(task.test_inputs) - task.test_targets).detach().square()
                ordinary.append(errors.mean(dim=(1, 2)).sqrt())
                medians.append(errors.flatten(1).median(dim=1).values.sqrt())

        def task_done(self, index, rmse) -> None:
            pass

    moving = {"grid_eps": 1.0, "margin": 0.1, "hidden_only": True, "reset_optimizer": False}
    history = train(
        Training(
            model,
            curriculum,
            functools.partial(
                LevenbergMarquardt,
                **{"max_iter": 5, "roughness": 1e-7, "tolerance": 1e-3, **options.pop("optimizer", {})},
            ),
            FineTune(),
            Settings(steps * len(sizes), evaluate_every=every or steps, checkpoint_seconds=1e-9),
            generators=generators_from(seeds, "batches"),
            adaptations=[
                GridUpdate(every=1, until=steps, **moving),
                GridSchedule(steps, sizes, on_samples=True),
                GridUpdate(every=steps, until=10**9, **moving),
            ],
            observers=[Look(), *options.pop("observers", [])],
            **options,
        )
    )
    return torch.stack(ordinary), torch.stack(medians), history, model


def test_grid_extension_reaches_what_splines_can() -> None:
    """exp(sin πx + y²), [2,1,1]; one seed of twenty-five gets stuck, so one of four may."""
    ordinary, medians, _, _ = extend_grids([0, 1, 2, 3], [3, 5, 10, 20], 15, data={"points": 500})
    assert int((ordinary[-1] < 1e-4).sum()) >= 3
    assert int((medians[-1] < 1e-5).sum()) >= 3


def test_a_product_that_splines_hold_is_found_exactly() -> None:
    ordinary, _, _, _ = extend_grids([0, 1, 2], [3, 6], 40, "product", (2, 2, 1), optimizer={"roughness": 0.0})
    assert int((ordinary < 1e-9).all(dim=0).sum()) >= 2


def test_training_goes_on_to_the_bit_after_a_stop(tmp_path) -> None:
    class StopError(Exception):
        pass

    def stop(task, step, losses) -> None:
        if step == 7:
            raise StopError

    def go(**options):
        return extend_grids([0, 1], [3, 6], 5, data={"points": 200}, every=3, **options)[2:]

    history, whole = go()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(StopError):
        go(checkpoint=Checkpoint(path), observers=[Ticked(stop)])
    resumed, again = go(checkpoint=Checkpoint(path))
    np.testing.assert_array_equal(history.matrix(), resumed.matrix())
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


@pytest.mark.slow
def test_floor_of_exp_sin() -> None:
    """Ten seeds to G = 200: what the README's figure of the best optimizer stands on."""
    sizes = [3, 5, 10, 20, 50, 100, 200]
    ordinary, medians, _, _ = extend_grids(list(range(10)), sizes, 20, data={"test_points": 10000})
    assert int(((medians[4] <= 3e-7) & (medians[6] <= 3e-9) & (ordinary[4] <= 1e-6)).sum()) >= 8


def test_what_it_can_not_do_is_refused_in_one_line() -> None:
    model = KAN(1, 1)
    with pytest.raises(ValueError, match="takes no penalty"):
        TrainingStep(model, LevenbergMarquardt(model.parameters()), SparsityPenalty(0.1))
    mlp = MLP(1, 1)
    with pytest.raises(ValueError, match="roughness"):
        TrainingStep(mlp, LevenbergMarquardt(mlp.parameters(), roughness=1e-8))
    for chosen in (list(mlp.parameters())[::-1], list(mlp.parameters())[:2]):
        with pytest.raises(ValueError, match="all parameters that the model trains"):
            TrainingStep(mlp, LevenbergMarquardt(chosen))
    for settings, message in (
        ({"max_iter": 0}, "max_iter must be"),
        ({"damping": 0.0}, "damping must be"),
        ({"tolerance": -1.0}, "tolerance must be"),
        ({"acceleration": math.nan}, "acceleration must be"),
        ({"roughness": math.inf}, "roughness must be"),
    ):
        with pytest.raises(ValueError, match=message):
            LevenbergMarquardt(model.parameters(), **settings)
    with pytest.raises(ValueError, match="one group"):
        LevenbergMarquardt([{"params": [p]} for p in model.parameters()])
    for params, message in (
        ([torch.zeros(2, 3), torch.zeros(3, 3)], "first axis"),
        ([torch.zeros(2, 3), torch.zeros(2, 3, dtype=DOUBLE)], "dtype"),
    ):
        with pytest.raises(ValueError, match=message):
            LevenbergMarquardt(params)


def test_an_empty_batch_moves_nothing() -> None:
    model = network([0, 1])
    before = copy.deepcopy(model)
    x, y = data([0, 1])
    losses = TrainingStep(model, LevenbergMarquardt(model.parameters()))(x[:, :0], y[:, :0])
    assert bool(losses.isnan().all())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))
    assert LeastSquares(model, x, y).residuals().shape == (2, 120)
