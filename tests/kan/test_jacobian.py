"""Jacobians of stacks, sample by sample, against those of autograd; roughness against what it means."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from continual.models import jacobian
from continual.optimizers.least_squares import LeastSquares
from kan import KAN
from kan.grids import derivative_jumps
from kan.jacobian import normal_equations
from kan.splines import extend_grid, fit_coefficients, uniform_grid
from kan.symbolic.edges import fix_symbolic
from kan.variants import RBFKAN, ChebyshevKAN, FourierKAN
from mlp_baselines import (
    MLP,
    SIREN,
    Elephant,
    FourierFeatures,
    FuzzyTiling,
    LinearKAN,
    RBFLattice,
    RBFNetwork,
    SplineMLP,
    TensorSpline,
)

DOUBLE = torch.float64
M = 2


def samples(count: int, features: int = 2) -> Tensor:
    return 2.2 * torch.rand(M, count, features, dtype=DOUBLE) - 1.1  # some of them outside the grids


def kan(**options) -> KAN:
    return KAN(2, 2, **{"width": 3, "depth": 3, "grid_size": 4, "members": M, "dtype": DOUBLE, **options})


def masked() -> KAN:
    model = kan()
    for layer in model.each_layer():
        layer.set_mask(torch.rand(M, layer.in_features, layer.out_features) > 0.3)
    return model


def moved() -> KAN:
    model = kan(initialization="pykan")
    model.update_grid(torch.rand(M, 50, 2, dtype=DOUBLE), grid_eps=0.3)
    with torch.no_grad():
        for layer in model.each_layer():
            layer.spline_scale.mul_(torch.rand_like(layer.spline_scale))
    return model


def frozen() -> KAN:
    model = kan(train_spline_scale=False)
    model.layer(1).coefficients.requires_grad_(False)
    model.layer(2).base_weight.requires_grad_(False)
    return model


def formulas(mask: bool) -> KAN:
    model = kan(grid_size=3)
    fix_symbolic(model, 0, 0, 1, "sin", affine=(2.0, 0.3, -0.7, 0.1))
    fix_symbolic(model, 1, 2, 0, "exp", affine=(0.5, 0.1, 0.4, 0.2), member=1)
    if mask:
        live = torch.ones(M, 2, 3, dtype=torch.bool)
        live[0, 0, 1] = False
        model.layer(0).set_mask(live)
    return model


def sines() -> MLP:
    model = MLP(2, 2, width=4, depth=3, activation="sine", omega=3.0, members=M, dtype=DOUBLE)
    model.weights[1].requires_grad_(False)
    model.biases[0].requires_grad_(False)
    return model


def splines_only() -> SplineMLP:
    options = {"grid_size": 4, "grid_range": (-0.6, 0.6), "base": "zero", "initialization": "noise"}
    model = SplineMLP(2, 1, width=3, depth=3, members=M, dtype=DOUBLE, **options)
    model.splines[0].coefficients.requires_grad_(False)
    model.weights[2].requires_grad_(False)
    return model


def normalized() -> MLP:
    model = MLP(2, 2, width=4, depth=4, activation="tanh", layer_norm=True, members=M, dtype=DOUBLE)
    with torch.no_grad():
        for parameter in model.norms.parameters():
            parameter.normal_()
    model.norms[1].gain.requires_grad_(False)
    model.norms[0].shift.requires_grad_(False)
    return model


def gaussians(**options) -> RBFNetwork:
    model = RBFNetwork(2, 2, width=5, members=M, dtype=DOUBLE, **options)
    with torch.no_grad():
        model.sharpness.mul_(0.5 + torch.rand_like(model.sharpness))
    return model


def linear() -> LinearKAN:
    model = LinearKAN(2, 2, width=3, depth=3, grid_size=4, members=M, dtype=DOUBLE)
    model.bias.requires_grad_(False)
    return model


class Plain(nn.Module):
    """No model of the suite: two layers written out, one parameter of them in no use."""

    members, in_features, out_features = M, 2, 2

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(M, 2, 4, dtype=DOUBLE))
        self.idle = nn.Parameter(torch.randn(M, 3, dtype=DOUBLE))
        self.second = nn.Parameter(torch.randn(M, 4, 2, dtype=DOUBLE))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x @ self.first) @ self.second


MODELS = {
    "KAN": kan,
    "KAN, splines only": lambda: kan(base="zero", train_spline_scale=False),
    "KAN, order 2, dense": lambda: kan(spline_order=2, base="identity", engine="dense"),
    "KAN, one layer": lambda: kan(depth=1),
    "KAN, masked": masked,
    "KAN, uneven grids": moved,
    "KAN, frozen parts": frozen,
    "KAN, formulas": lambda: formulas(False),
    "KAN, formulas, masked": lambda: formulas(True),
    "linear KAN": linear,
    "RBF": lambda: RBFKAN(2, 2, width=3, members=M, dtype=DOUBLE),
    "Chebyshev": lambda: ChebyshevKAN(2, 2, width=3, members=M, dtype=DOUBLE),
    "Fourier": lambda: FourierKAN(2, 2, width=3, members=M, dtype=DOUBLE),
    "MLP": lambda: MLP(2, 2, width=4, depth=3, activation="tanh", members=M, dtype=DOUBLE),
    "MLP, sine, frozen parts": lambda: sines(),
    "MLP, one layer": lambda: MLP(2, 2, depth=1, members=M, dtype=DOUBLE),
    "spline MLP": lambda: SplineMLP(2, 2, width=3, depth=3, grid_size=4, members=M, dtype=DOUBLE),
    "spline MLP, splines only, one output": lambda: splines_only(),
    "spline MLP, one layer": lambda: SplineMLP(2, 2, depth=1, members=M, dtype=DOUBLE),
    "MLP, one output": lambda: MLP(2, 1, width=4, depth=2, activation="silu", members=M, dtype=DOUBLE),
    "MLP, LayerNorm, frozen parts": normalized,
    "MLP, LayerNorm, one layer": lambda: MLP(2, 2, depth=1, layer_norm=True, members=M, dtype=DOUBLE),
    "MLP, elephants": lambda: MLP(2, 2, 4, 3, Elephant(0.5), members=M, dtype=DOUBLE),
    "MLP, tiles": lambda: MLP(2, 2, 4, 3, FuzzyTiling(5), members=M, dtype=DOUBLE),
    "MLP, tiles, LayerNorm": lambda: MLP(2, 2, 4, 3, FuzzyTiling(5), layer_norm=True, members=M, dtype=DOUBLE),
    "SIREN": lambda: SIREN(2, 2, width=4, depth=3, first_omega=3.0, omega=2.0, members=M, dtype=DOUBLE),
    "Gaussian lattice": lambda: RBFLattice(2, 2, grid_size=3, members=M, dtype=DOUBLE),
    "Gaussian network": gaussians,
    "Gaussian network, bias": lambda: gaussians(bias=True),
    "Gaussian network, centers alone": lambda: gaussians(train_bandwidths=False),
    "tensor product": lambda: TensorSpline(2, 2, grid_size=3, members=M, dtype=DOUBLE),
    "tensor product, one output": lambda: TensorSpline(2, 1, 3, 2, members=M, dtype=DOUBLE),
    "Fourier features": lambda: FourierFeatures(2, 2, width=7, bias=True, members=M, dtype=DOUBLE),
    "Plain": Plain,
}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_autograd_says(name) -> None:
    model = MODELS[name]()
    x = samples(7)
    predictions, slopes = jacobian(model, x)
    assert not slopes.requires_grad
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(predictions, model(x).detach(), rtol=1e-12, atol=1e-13)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}

    def function(*values: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(trained, values, strict=True)), (x,))

    parts = torch.autograd.functional.jacobian(function, tuple(trained.values()))
    for m in range(M):
        expected = torch.cat([part[m][:, :, m].flatten(2) for part in parts], dim=2)
        torch.testing.assert_close(slopes[m], expected, rtol=1e-10, atol=1e-12)
        alone, own = jacobian(model, x, [m])
        torch.testing.assert_close(alone[0], predictions[m], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(own[0], slopes[m], rtol=1e-12, atol=1e-13)
    # what the optimizer asks for besides: in pieces, and pulled back
    problem = LeastSquares(model, x, torch.randn_like(predictions))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("continual.optimizers.least_squares.PIECE", 1)
        pieces = list(problem.linearized(range(M), whole=False))
    assert len(pieces) == 7
    torch.testing.assert_close(torch.cat([p[1] for p in pieces], 1), slopes.flatten(1, 2), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(torch.cat([p[0] for p in pieces], 1), problem.residuals(), rtol=1e-12, atol=1e-13)
    weights = torch.randn(M, slopes.shape[1] * slopes.shape[2], dtype=DOUBLE)
    expected = torch.einsum("mrp,mr->mp", slopes.flatten(1, 2), weights)
    torch.testing.assert_close(problem.pullback(weights), expected, rtol=1e-10, atol=1e-11)


def test_columns_of_what_is_not_reached_are_zero() -> None:
    model = kan(depth=1, grid_size=20, base="zero")
    x = 0.2 * torch.rand(M, 30, 2, dtype=DOUBLE)
    slopes = jacobian(model, x)[1].flatten(1, 2)
    touched = (slopes != 0.0).any(dim=1)
    reached = (model.layer(0).basis(x) != 0.0).any(dim=1).unsqueeze(-1).expand(M, 2, 23, 2).flatten(1)
    assert torch.equal(touched[:, : reached.shape[1]], reached)


def test_single_precision_stays_single() -> None:
    predictions, slopes = jacobian(KAN(2, 1, members=M, dtype=torch.float32), torch.rand(M, 5, 2))
    assert predictions.dtype == slopes.dtype == torch.float32


def test_a_model_that_offers_nothing_is_refused() -> None:
    class Nothing:
        pass

    with pytest.raises(ValueError, match="needs a method `jacobian`"):
        jacobian(Nothing(), samples(3))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_jumps_are_zero_on_polynomials_alone(order) -> None:
    points = uniform_grid(-1.0, 1.0, 7, dtype=DOUBLE)
    knots = extend_grid(points**3 + 0.5 * points, order)
    jumps = derivative_jumps(knots, order)
    assert jumps.shape == (6, 7 + order)
    x = torch.linspace(-1.49, 1.49, 200, dtype=DOUBLE)
    powers = torch.stack([x**p for p in range(order + 2)], dim=-1)
    coefficients = fit_coefficients(x[:, None], powers[:, None], knots[None], order)[0]
    assert float((jumps @ coefficients[:, :-1]).abs().max()) < 1e-9
    assert float((jumps @ coefficients[:, -1]).abs().min()) > 1e-3
    assert torch.linalg.matrix_rank(jumps) == 6


def test_jumps_are_those_of_the_derivative() -> None:
    """On either side of a grid point, from the polynomial pieces."""
    model = kan(depth=1, base="zero", train_spline_scale=False)
    model.update_grid(torch.rand(M, 50, 2, dtype=DOUBLE), grid_eps=0.3)
    layer, near = model.layer(0), 1e-9
    points = layer.knots[..., 3:-3].transpose(1, 2)
    third = [torch.einsum("mbik,miko->mbio", layer.basis(points + d, 3), layer.coefficients) for d in (near, -near)]
    mean = (points[:, -1] - points[:, 0]) / layer.grid_size
    expected = (third[0] - third[1])[:, 1:-1] * mean[:, None, :, None] ** 3
    ((places, rows),) = model.roughness()
    values = layer.coefficients.detach().flatten(1)[:, places]
    jumps = (rows @ values.unsqueeze(-1)).squeeze(-1).view(M, 2, 2, 3)  # members, inputs, outputs, points
    torch.testing.assert_close(jumps, expected.permute(0, 2, 3, 1).detach(), rtol=1e-6, atol=1e-9)


def test_jumps_shrink_as_errors_of_splines_do() -> None:
    sizes, largest = [10, 20, 40, 80], []
    for size in sizes:
        knots = extend_grid(uniform_grid(-1.0, 1.0, size, dtype=DOUBLE), 3)
        x = torch.linspace(-1.0, 1.0, 1001, dtype=DOUBLE)[:, None]
        coefficients = fit_coefficients(x, torch.sin(3.0 * x).unsqueeze(-1), knots[None], 3)[0]
        largest.append(float((derivative_jumps(knots, 3) @ coefficients).abs().max()))
    assert np.polyfit(np.log(sizes), np.log(largest), 1)[0] == pytest.approx(-4.0, abs=0.2)


def test_roughness_leaves_out_what_is_masked_frozen_or_too_short() -> None:
    model = masked()
    for (places, rows), layer in zip(model.roughness(), model.each_layer(), strict=True):
        live = layer.live_edges().flatten(1)
        assert places.shape == (live.shape[1], 7)
        assert torch.equal((rows != 0.0).flatten(2).any(dim=2), live)
    assert len(frozen().roughness()) == 2
    assert kan(grid_size=1).roughness() == []


def test_roughness_has_the_units_of_the_grids_that_features_run_into() -> None:
    model = kan(depth=2, base="zero")
    (_, first), (_, last) = model.roughness()
    with torch.no_grad():
        for parameter in (model.layer(0).coefficients, model.layer(1).knots):
            parameter.mul_(10.0)  # the same function of the inputs
        model.layer(1).refresh()
    (places, again), (_, unchanged) = model.roughness()
    assert places.shape == (6, 7)
    torch.testing.assert_close(again * 10.0, first)
    torch.testing.assert_close(unchanged, last)


@pytest.mark.parametrize("members", [None, [2, 0]])
@pytest.mark.parametrize("uniform", [True, False])
def test_normal_equations_are_those_of_the_jacobian(uniform, members) -> None:
    torch.manual_seed(0)
    model = KAN(2, 2, layer_sizes=[2, 3, 2], grid_size=30, members=3, dtype=torch.float64)
    x = 2.4 * torch.rand(3, 90, 2, dtype=torch.float64) - 1.2  # also beyond the grids
    if not uniform:
        model.update_grid(x)
    live = torch.ones(3, 2, 3, dtype=torch.bool)
    live[1, 0, 2] = False
    model.layer(0).set_mask(live)
    targets = torch.randn(3 if members is None else 2, 90, 2, dtype=torch.float64)
    predictions, slopes = jacobian(model, x, members)
    found = normal_equations(model, x, targets, members)
    assert found is not None
    residuals, matrix, vector = found
    rows = slopes.flatten(1, 2)
    torch.testing.assert_close(residuals, (predictions - targets).flatten(1), rtol=0, atol=0)
    expected = (rows.mT @ rows / rows.shape[1]).tril()
    torch.testing.assert_close(matrix, expected, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(vector.unsqueeze(2), rows.mT @ residuals.unsqueeze(2) / rows.shape[1])
    assert (matrix[expected == 0] == 0).all()


def test_rows_with_as_many_entries_as_columns_are_left_to_the_jacobian() -> None:
    x, targets = torch.rand(1, 9, 2), torch.rand(1, 9, 1)
    assert normal_equations(KAN(2, 1, grid_size=3), x, targets) is None
    assert normal_equations(ChebyshevKAN(2, 1), x, targets) is None
