"""The MLP with spline activations against units written out one by one, and its start, costs and grids."""

import functools

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from continual.extension import Settings, Training
from continual.models import StackedModel, parameter_counts
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.strategies import FineTune
from continual.training.loop import train
from kan import KAN
from kan.engines.dense import BASES
from kan.splines import basis
from mlp_baselines import MLP, SplineMLP, matched_mlp, matched_spline_mlp
from tasks import gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64


def unit_by_unit(model: SplineMLP, x: Tensor) -> Tensor:
    """What the model computes, one member and one unit at a time: x (B, I)."""
    outputs = []
    for m in range(model.members):
        h = x
        for index, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
            z = h @ weight[m] + bias[m]
            if index == model.depth - 1:
                outputs.append(z)
                break
            spline, values = model.splines[index], []
            for j in range(z.shape[1]):
                bases = basis(z[:, j : j + 1], spline.knots[m, j : j + 1], model.spline_order)[:, 0]
                value = bases @ spline.coefficients[m, j, :, 0]
                if spline.base_weight is not None:
                    value = value + spline.base_weight[m, j, 0] * BASES[model.base](z[:, j])
                values.append(value)
            h = torch.stack(values, dim=1)
    return torch.stack(outputs)


def shaken(**options) -> SplineMLP:
    """A model whose every parameter is random and whose grids differ."""
    options = {
        "layer_sizes": [2, 4, 3, 2],
        "grid_size": 5,
        "grid_range": (-1.5, 1.0),
        "members": 3,
        "dtype": DOUBLE,
        **options,
    }
    model = SplineMLP(2, 2, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    return model


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("moved", [False, True])
def test_values_and_gradients_are_those_of_units_written_out(base, order, moved) -> None:
    model = shaken(base=base, spline_order=order)
    if moved:
        model.update_grid(torch.randn(50, 2, dtype=DOUBLE), grid_eps=0.4)
        assert not model.splines[0].uniform
    x = 3.0 * torch.randn(200, 2, dtype=DOUBLE)  # pre-activations leave the grids
    assert float(model.outside(x)[:, 0].min()) > 0.05
    ours, plain = model(x), unit_by_unit(model, x)
    torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-11)
    trained = [p for p in model.parameters() if p.requires_grad]
    upstream = torch.randn_like(ours)
    expected = torch.autograd.grad(plain, trained, upstream)
    for a, b in zip(torch.autograd.grad(ours, trained, upstream), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_a_unit_is_a_spline_of_scipy() -> None:
    model = SplineMLP(1, 1, width=1, grid_size=6, base="zero", initialization="noise", dtype=DOUBLE)
    units = model.units()[0]
    z = torch.linspace(-2.99, 2.99, 101, dtype=DOUBLE)
    expected = BSpline(units.knots[0, 0].numpy(), units.coefficients[0, 0, :, 0].detach().numpy(), 3)(z.numpy())
    np.testing.assert_allclose(units(z.view(1, -1, 1)).detach().flatten().numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("initialization", ["relu", "silu", "gelu", "tanh"])
@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
def test_it_starts_as_the_mlp_of_the_same_seeds(initialization, base) -> None:
    seeds, x = [4, 5], 2.0 * torch.rand(300, 2, dtype=DOUBLE) - 1.0
    options = {"width": 8, "depth": 3, "members": 2, "dtype": DOUBLE}
    mlp = MLP(2, 1, activation=initialization, generators=generators_from(seeds, "model"), **options)
    sizes, errors = [10, 20, 40], []
    for grid_size in sizes:
        model = SplineMLP(
            2,
            1,
            grid_size=grid_size,
            base=base,
            initialization=initialization,
            generators=generators_from(seeds, "model"),
            **options,
        )
        assert all(torch.equal(a, b) for a, b in zip(model.weights, mlp.weights, strict=True))
        assert float(model.outside(x).max()) == 0.0
        errors.append(float((model(x) - mlp(x)).detach().abs().max()))
    if initialization == "silu" and base == "silu":
        assert max(errors) < 1e-14
    elif initialization == "relu":  # has a kink, which only comes closer
        assert errors[-1] < errors[0] < 0.1
    else:  # order k + 1
        assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -3.5
        assert errors[-1] < 2e-5


def test_the_base_remains_outside_the_grid() -> None:
    far = torch.tensor([[[-100.0], [100.0]]], dtype=DOUBLE)
    for base, expected in (("silu", [0.0, 100.0]), ("zero", [0.0, 0.0])):
        units = SplineMLP(1, 1, width=1, base=base, initialization="tanh", dtype=DOUBLE).units()[0]
        assert units(far).flatten().tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("initialization", ["tanh", "noise"])
def test_members_are_the_same_alone_and_in_any_company(initialization) -> None:
    def build(seeds):
        options = {"width": 5, "depth": 3, "initialization": initialization, "dtype": DOUBLE}
        return SplineMLP(2, 1, members=len(seeds), generators=generators_from(seeds, "model"), **options)

    together, alone, x = build([7, 8, 9]), build([9]), torch.randn(30, 2, dtype=DOUBLE)
    for many, one in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(many[2], one[0])
    torch.testing.assert_close(together(x)[2], alone(x)[0], rtol=1e-13, atol=1e-13)
    together(x)[2].sum().backward()
    for parameter in together.parameters():
        if parameter.requires_grad:
            assert float(parameter.grad[:2].abs().max()) == 0.0


def test_coefficients_that_no_sample_reaches_get_no_gradient() -> None:
    model = SplineMLP(1, 1, width=6, grid_size=20, base="zero", initialization="tanh", dtype=DOUBLE)
    x = 0.2 * torch.rand(40, 1, dtype=DOUBLE)
    model(x).sum().backward()
    reached = (model.splines[0].basis(model.pre_activations(x)[0]) != 0.0).any(dim=1)
    assert torch.equal(model.splines[0].coefficients.grad[..., 0] != 0.0, reached)
    assert 0 < int(reached.sum()) < reached.numel() / 2


def test_costs() -> None:
    model = SplineMLP(2, 1, width=20, depth=3, grid_size=10)
    products = 2 * (2 * 20 + 20 * 20 + 20 * 1)
    assert model.flops() == products + 40 * (2 * (4 + 1) + 3 * 3 * 4 + 1)
    weights = 2 * 20 + 20 + 20 * 20 + 20 + 20 + 1
    assert parameter_counts(model) == {"trainable": weights + 40 * 14, "total": weights + 40 * 15}
    bare = SplineMLP(2, 1, width=20, depth=3, grid_size=10, base="zero")
    assert bare.flops() == products + 40 * (2 * 4 + 3 * 3 * 4)
    assert parameter_counts(bare)["trainable"] == weights + 40 * 13


@pytest.mark.parametrize("budget", ["parameters", "flops"])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("options", [{}, {"grid_size": 4, "base": "zero"}, {"train_base_weight": False}])
def test_matched_width_comes_closest(budget, depth, options) -> None:
    reference = functools.partial(KAN, depth=2, width=6, grid_size=20)

    def cost(model) -> int:
        return model.flops() if budget == "flops" else parameter_counts(model)["trainable"]

    model = matched_spline_mlp(2, 1, reference, depth, budget=budget, **options)
    target = cost(reference(2, 1))
    width = model.layer_sizes[1]
    for other in range(max(width - 3, 1), width + 4):
        assert abs(cost(model) - target) <= abs(cost(SplineMLP(2, 1, other, depth, **options)) - target)
    assert width < matched_mlp(2, 1, reference, depth, budget=budget).layer_sizes[1]
    assert matched_spline_mlp(2, 1, reference, 1).layer_sizes == [2, 1]


def test_grids_follow_pre_activations_and_keep_the_function() -> None:
    model = SplineMLP(1, 1, width=6, depth=3, grid_size=30, base="zero", initialization="tanh", dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 400, dtype=DOUBLE)[:, None]
    moved = model.update_grid(x, grid_eps=1.0)
    assert float(moved.max()) < 1e-3
    for units, z in zip(model.units(), model.pre_activations(x), strict=True):
        low, high = units.input_window()
        # the layers after the first see what the moved ones make of the samples
        torch.testing.assert_close(low, z.amin(dim=1), rtol=0, atol=1e-9)
        torch.testing.assert_close(high, z.amax(dim=1), rtol=0, atol=1e-9)
    assert float(model.outside(x).max()) == 0.0
    assert model.outside(100.0 * x).shape == (1, 2)


def test_a_member_that_diverged_does_not_stop_the_grids_of_the_others() -> None:
    model = SplineMLP(1, 1, width=4, members=2, dtype=DOUBLE)
    with torch.no_grad():
        model.weights[0][1] = float("nan")
    before = model.splines[0].knots.clone()
    model.update_grid(torch.linspace(-1.0, 1.0, 50, dtype=DOUBLE)[:, None])
    assert not torch.equal(model.splines[0].knots[0], before[0])
    assert bool(model.splines[0].knots.isfinite().all())


def test_state_dict_round_trip(tmp_path) -> None:
    model, x = shaken(), torch.randn(20, 2, dtype=DOUBLE)
    model.update_grid(x, grid_eps=0.3)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = shaken()
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(other(x), model(x))


def test_the_suite_trains_it_and_records_what_leaves_its_grids() -> None:
    seeds = [0, 1]
    curriculum = gaussian_peaks(generators_from(seeds, "data"), peaks=2, test_points=50).to(DOUBLE)
    for make in (functools.partial(torch.optim.Adam, lr=0.01), functools.partial(LevenbergMarquardt, max_iter=3)):
        model = SplineMLP(1, 1, width=6, members=2, generators=generators_from(seeds, "model"), dtype=DOUBLE)
        assert isinstance(model, StackedModel)
        history = train(
            Training(model, curriculum, make, FineTune(), Settings(20), generators=generators_from(seeds, "batches"))
        )
        assert np.isfinite(history.matrix()).all()
        assert (history.matrix()[:, 1, 0] < history.matrix()[:, 0, 0]).all()
        assert history.curves()["outside"].shape[2] == 1


def test_what_records_say() -> None:
    assert SplineMLP(2, 1, width=3).describe() == {
        "family": "spline MLP",
        "layer_sizes": [2, 3, 1],
        "depth": 2,
        "grid_size": 10,
        "spline_order": 3,
        "base": "silu",
        "initialization": "silu",
    }
    assert "2 → 3 → 1" in repr(SplineMLP(2, 1, width=3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SplineMLP(1, 1, initialization="sine"), "initialization must be one of relu, silu, gelu, tanh, noise"),
        (lambda: SplineMLP(1, 1, base="cubic"), "base must be one of"),
        (lambda: SplineMLP(1, 1, grid_size=0), "grid_size must be at least 1"),
        (lambda: SplineMLP(1, 1, spline_order=0), "spline_order must be at least 1"),
        (lambda: SplineMLP(1, 1, grid_range=(1.0, -1.0)), "grid_range must be two increasing numbers"),
        (lambda: SplineMLP(1, 1, width=0), "width must be at least 1"),
        (lambda: SplineMLP(1, 1, engine="fast"), "engine must be one of"),
        (lambda: SplineMLP(2, 1)(torch.rand(4, 3)), "expected input of shape"),
        (lambda: SplineMLP(1, 1).update_grid(torch.rand(0, 1)), "sample"),
        (lambda: matched_spline_mlp(1, 1, KAN, budget="seconds"), "budget must be"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
