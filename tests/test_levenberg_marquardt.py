"""Levenberg–Marquardt: exact Jacobians, members that do not mix, locality, and what it reaches where L-BFGS stalls."""

import copy
import functools

import numpy as np
import pytest
import torch

from continual.adaptation import GridSchedule, GridUpdate
from continual.least_squares import LeastSquares, jacobian
from continual.levenberg_marquardt import LevenbergMarquardt
from continual.models import trainable
from continual.stepping import TrainingStep
from continual.strategies import FineTune
from continual.training import Settings, train
from kan import KAN, ChebyshevKAN
from kan.roughness import derivative_jumps
from kan.sparsity import SparsityPenalty
from kan.splines import extend_grid, uniform_grid
from mlp_baselines import MLP
from tasks import function_fit, gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64


def masked() -> KAN:
    model = KAN(2, 2, width=3, depth=3, grid_size=4, members=2, dtype=DOUBLE)
    model.layer(1).set_mask(torch.rand(2, 3, 3) > 0.3)
    model.layer(0).update_grid(torch.rand(2, 50, 2, dtype=DOUBLE))
    return model


MODELS = {
    "KAN, masked, uneven grid": masked,
    "KAN, splines only": lambda: KAN(2, 1, members=2, base="zero", train_spline_scale=False, dtype=DOUBLE),
    "Chebyshev": lambda: ChebyshevKAN(2, 1, members=2, dtype=DOUBLE),
    "MLP": lambda: MLP(2, 2, width=4, depth=3, activation="tanh", members=2, dtype=DOUBLE),
}


@pytest.mark.parametrize("name", MODELS)
def test_jacobian_is_that_of_autograd(name) -> None:
    model = MODELS[name]()
    x = 2.0 * torch.rand(2, 6, 2, dtype=DOUBLE) - 1.0
    predictions, slopes = jacobian(model, x)
    torch.testing.assert_close(predictions, model(x).detach(), rtol=1e-12, atol=1e-14)
    names = [n for n, p in model.named_parameters() if p.requires_grad]

    def function(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    parts = torch.autograd.functional.jacobian(function, tuple(p for p in model.parameters() if p.requires_grad))
    for m in range(2):
        expected = torch.cat([part[m][:, :, m].flatten(2) for part in parts], dim=2)
        torch.testing.assert_close(slopes[m], expected, rtol=1e-10, atol=1e-12)
    alone = jacobian(model, x, [1])[1]
    torch.testing.assert_close(alone[0], slopes[1], rtol=1e-12, atol=1e-14)


def fit(seeds, steps=6, **options):
    curriculum = function_fit(generators_from(seeds, "data"), points=120, test_points=200).to(DOUBLE)
    model = KAN(
        2,
        1,
        layer_sizes=[2, 1, 1],
        grid_size=4,
        members=len(seeds),
        generators=generators_from(seeds, "model"),
        dtype=DOUBLE,
    )
    task = curriculum.tasks[0]
    step = TrainingStep(model, LevenbergMarquardt(model.parameters(), max_iter=3, **options))
    losses = [step(task.train_inputs, task.train_targets) for _ in range(steps)]
    return model, torch.stack(losses)


def test_a_member_alone_is_what_it_is_in_the_stack() -> None:
    """A few steps only: after those, rounding decides in which order trials are taken."""
    together, losses = fit([0, 1, 2], steps=3)
    alone, one = fit([1], steps=3)
    torch.testing.assert_close(losses[:, 1], one[:, 0], rtol=1e-8, atol=0)
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a[1], b[0], rtol=1e-6, atol=1e-8)


def test_no_step_raises_a_loss() -> None:
    _, losses = fit([0, 1, 2, 3], steps=12)
    assert (losses.diff(dim=0) <= 0).all()
    assert (losses[-1] < 0.1 * losses[0]).sum() >= 2


@pytest.mark.parametrize("points", [30, 400])
def test_what_no_sample_reaches_does_not_move_by_a_bit(points) -> None:
    """With fewer and with more residuals than parameters, the two ways to solve for a step."""
    model = KAN(1, 1, depth=1, grid_size=100, base="zero", train_spline_scale=False, members=2, dtype=DOUBLE)
    before = model.layer(0).coefficients.detach().clone()
    x = (0.4 * torch.rand(2, points, 1, dtype=DOUBLE)) - 0.2
    TrainingStep(model, LevenbergMarquardt(trainable(model)))(x, torch.sin(20.0 * x))
    reached = (model.layer(0).basis(x) != 0).any(dim=1)[:, 0]
    moved = (model.layer(0).coefficients.detach() != before)[:, 0, :, 0]
    assert not (moved & ~reached).any()
    assert moved.sum() > 20


def test_one_linear_layer_is_solved_in_one_step() -> None:
    curriculum = gaussian_peaks(generators_from([0, 1], "data"), peaks=1, points_per_task=300).to(DOUBLE)
    model = KAN(1, 1, depth=1, grid_size=40, base="zero", train_spline_scale=False, members=2, dtype=DOUBLE)
    task = curriculum.tasks[0]
    step = TrainingStep(model, LevenbergMarquardt(trainable(model), damping=1e-14, max_iter=2))
    step(task.train_inputs, task.train_targets)
    design = model.layer(0).basis(task.train_inputs)[:, :, 0]
    solution = torch.linalg.lstsq(design[:1], task.train_targets[:1], driver="gelsd").solution
    least = (design[:1] @ solution - task.train_targets[:1]).square().mean()
    reached = (model(task.train_inputs) - task.train_targets).square().mean(dim=(1, 2))
    assert (reached <= 1.01 * least + 1e-24).all()


def test_a_member_that_is_not_finite_leaves_the_others_alone() -> None:
    model, _ = fit([0, 1], steps=1)
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.layer(0).coefficients[0] = float("nan")
    x = 2.0 * torch.rand(2, 50, 2, dtype=DOUBLE) - 1.0
    y = x.prod(-1, keepdim=True)
    for each in (model, broken):
        step = TrainingStep(each, LevenbergMarquardt(each.parameters(), max_iter=2))
        step(x, y)
    for a, b in zip(model.parameters(), broken.parameters(), strict=True):
        torch.testing.assert_close(a[1], b[1], rtol=1e-9, atol=1e-12)


def test_state_goes_on_where_it_was() -> None:
    x = 2.0 * torch.rand(2, 60, 2, dtype=DOUBLE) - 1.0
    y = torch.exp(x[..., :1]) * x[..., 1:]
    ours = KAN(2, 1, layer_sizes=[2, 1, 1], grid_size=4, members=2, dtype=DOUBLE)
    theirs = copy.deepcopy(ours)
    whole, first = (LevenbergMarquardt(m.parameters(), max_iter=2) for m in (ours, theirs))
    for _ in range(4):
        TrainingStep(ours, whole)(x, y)
    for _ in range(2):
        TrainingStep(theirs, first)(x, y)
    again = LevenbergMarquardt(theirs.parameters(), max_iter=2)
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(2):
        TrainingStep(theirs, again)(x, y)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_roughness_is_zero_on_polynomials_and_on_nothing_else(order) -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 7, dtype=DOUBLE) ** 3 + 0.5 * uniform_grid(-1.0, 1.0, 7), order)
    jumps = derivative_jumps(knots, order)
    assert jumps.shape == (6, 7 + order)
    greville = knots.unfold(0, order, 1)[1:-1].mean(-1)  # coefficients of the identity
    assert float((jumps @ greville).abs().max()) < 1e-12
    assert float((jumps @ torch.ones_like(greville)).abs().max()) < 1e-12
    assert float((jumps @ torch.rand_like(greville)).abs().min()) > 0.0
    assert torch.linalg.matrix_rank(jumps) == 6


def test_grid_extension_reaches_what_the_spline_can() -> None:
    """exp(sin πx + y²), [2,1,1], to G = 20: seeds that do not get stuck near 0.5, of three at least one, are exact."""
    seeds = [0, 1, 2]
    curriculum = function_fit(generators_from(seeds, "data"), points=600, test_points=1000).to(DOUBLE)
    model = KAN(
        2, 1, layer_sizes=[2, 1, 1], grid_size=3, members=3, generators=generators_from(seeds, "model"), dtype=DOUBLE
    )
    make = functools.partial(LevenbergMarquardt, max_iter=5, roughness=1e-8)
    history = train(
        model,
        curriculum,
        make,
        FineTune(),
        Settings(60, evaluate_every=60),
        generators=generators_from(seeds, "batches"),
        adaptations=[
            GridUpdate(until=15, grid_eps=1.0, margin=0.1, hidden_only=True, reset_optimizer=False),
            GridSchedule(15, [3, 5, 10, 20], on_samples=True),
        ],
    )
    final = np.sort(history.matrix()[:, -1, 0])
    assert final[0] < 5e-5


def test_what_it_can_not_do_is_refused_in_one_line() -> None:
    model = KAN(1, 1)
    with pytest.raises(ValueError, match="takes no penalty"):
        TrainingStep(model, LevenbergMarquardt(model.parameters()), SparsityPenalty(0.1))
    mlp = MLP(1, 1)
    with pytest.raises(ValueError, match="roughness"):
        TrainingStep(mlp, LevenbergMarquardt(mlp.parameters(), roughness=1e-8))
    for settings, message in (
        ({"max_iter": 0}, "max_iter must be"),
        ({"damping": 0.0}, "damping must be"),
        ({"tolerance": -1.0}, "tolerance must be"),
        ({"roughness": float("inf")}, "roughness must be"),
    ):
        with pytest.raises(ValueError, match=message):
            LevenbergMarquardt(model.parameters(), **settings)
    with pytest.raises(ValueError, match="one group"):
        LevenbergMarquardt([{"params": [p]} for p in model.parameters()])
    x = torch.rand(1, 5, 1)
    assert LeastSquares(model, x, x).residuals().shape == (1, 5)
