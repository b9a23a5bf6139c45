"""What all local controls have in common: members, starts, costs, matching, training by every optimizer, files."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from continual.extension import Settings, Training
from continual.models import StackedModel, parameter_counts
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt
from continual.strategies import FineTune
from continual.training.loop import train
from kan import KAN
from mlp_baselines import (
    MLP,
    SIREN,
    Elephant,
    FourierFeatures,
    FuzzyTiling,
    RBFLattice,
    RBFNetwork,
    TensorSpline,
    matched_fourier_features,
    matched_rbf_lattice,
    matched_rbf_network,
    matched_siren,
    matched_tensor_spline,
)
from tasks import gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64

MODELS: dict[str, Callable[..., StackedModel]] = {
    "elephants": functools.partial(MLP, width=7, depth=3, activation=Elephant(0.5)),
    "tiles": functools.partial(MLP, width=5, depth=2, activation=FuzzyTiling(8)),
    "LayerNorm": functools.partial(MLP, width=7, depth=3, layer_norm=True),
    "SIREN": functools.partial(SIREN, width=7, depth=3, first_omega=6.0, omega=3.0),
    "Gaussian lattice": functools.partial(RBFLattice, grid_size=9),
    "Gaussian network": functools.partial(RBFNetwork, width=12, bias=True),
    "tensor product": functools.partial(TensorSpline, grid_size=8),
    "Fourier features": functools.partial(FourierFeatures, width=15, bandwidth=0.4),
}
every_model = pytest.mark.parametrize("name", MODELS)


def kan_of_203(in_features: int, out_features: int) -> KAN:
    """The reference of the configs, of 203 parameters an edge."""
    return KAN(in_features, out_features, depth=1, grid_size=200, base="zero", train_spline_scale=False)


def build(name: str, seeds: list[int], inputs: int = 2, outputs: int = 1, dtype: torch.dtype = DOUBLE) -> StackedModel:
    generators = generators_from(seeds, "model")
    return MODELS[name](inputs, outputs, members=len(seeds), generators=generators, dtype=dtype)


@every_model
def test_members_are_the_same_alone_and_in_any_company(name) -> None:
    together, alone, x = build(name, [7, 8, 9]), build(name, [9]), 2.0 * torch.rand(30, 2, dtype=DOUBLE) - 1.0
    assert isinstance(together, StackedModel)
    for many, one in zip(together.parameters(), alone.parameters(), strict=True):
        assert many.shape[0] == 3
        assert torch.equal(many[2], one[0])
    torch.testing.assert_close(together(x)[2], alone(x)[0], rtol=1e-13, atol=1e-13)
    together(x)[2].sum().backward()
    for parameter in together.parameters():
        if parameter.requires_grad:
            assert float(parameter.grad[:2].abs().max()) == 0.0
            assert float(parameter.grad[2].abs().max()) > 0.0
    assert not torch.equal(together(x)[0], together(x)[1])


@every_model
def test_constructors_draw_from_their_generators_alone(name) -> None:
    before = torch.random.get_rng_state()
    build(name, [3])
    assert torch.equal(torch.random.get_rng_state(), before)


@every_model
def test_both_precisions_start_at_the_same_values(name) -> None:
    single, double = build(name, [1, 2], dtype=torch.float32), build(name, [1, 2])
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b.float(), rtol=2e-7, atol=0)
    x = 2.0 * torch.rand(30, 2, dtype=DOUBLE) - 1.0
    torch.testing.assert_close(single(x.float()).double(), double(x), rtol=0, atol=2e-5)


@every_model
@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_are_right(name, outputs) -> None:
    model = build(name, [0, 1], outputs=outputs)
    x = (1.8 * torch.rand(2, 4, 2, dtype=DOUBLE) - 0.9).requires_grad_()
    trained = {key: p.detach().clone().requires_grad_() for key, p in model.named_parameters() if p.requires_grad}

    def predict(points, *values):
        return torch.func.functional_call(model, dict(zip(trained, values, strict=True)), (points,))

    assert predict(x, *trained.values()).shape == (2, 4, outputs)
    assert torch.autograd.gradcheck(predict, (x, *trained.values()))


@every_model
def test_what_is_saved_is_read_back(name, tmp_path) -> None:
    model, x = build(name, [5, 6]), 2.0 * torch.rand(20, 2, dtype=DOUBLE) - 1.0
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = build(name, [0, 1])
    assert not torch.equal(other(x), model(x))
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(other(x), model(x))


OPTIMIZERS = {
    "Adam": functools.partial(Adam, lr=0.02),
    "SGD": functools.partial(torch.optim.SGD, lr=0.05),
    "L-BFGS": functools.partial(LBFGS, max_iter=5),
    "Levenberg–Marquardt": functools.partial(LevenbergMarquardt, max_iter=2),
}


@every_model
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_it(name, optimizer) -> None:
    seeds = [0, 1]
    curriculum = gaussian_peaks(generators_from(seeds, "data"), peaks=2, points_per_task=60, test_points=50).to(DOUBLE)
    model = build(name, seeds, inputs=1)
    generators = generators_from(seeds, "batches")
    run = Training(model, curriculum, OPTIMIZERS[optimizer], FineTune(), Settings(12), generators=generators)
    matrix = train(run).matrix()
    assert np.isfinite(matrix).all()
    assert (matrix[:, 1, 0] < matrix[:, 0, 0]).all()


COSTS = {
    # parameters and FLOPs for two inputs and three outputs
    "elephants": ((2 + 1) * 7 + (7 + 1) * 7 + (7 + 1) * 3, 2 * (2 * 7 + 7 * 7 + 7 * 3) + 14),
    "tiles": ((2 + 1) * 5 + (40 + 1) * 3, 2 * (2 * 5 + 40 * 3) + 40),
    "LayerNorm": ((2 + 1) * 7 + (7 + 1) * 7 + (7 + 1) * 3 + 28, 2 * (2 * 7 + 7 * 7 + 7 * 3) + 8 * 14),
    "SIREN": ((2 + 1) * 7 + (7 + 1) * 7 + (7 + 1) * 3, 2 * (2 * 7 + 7 * 7 + 7 * 3) + 14),
    "Gaussian lattice": (100 * 3, 4 * 2 * 10 + 100 + 2 * 100 * 3),
    "Gaussian network": (12 * (3 + 2 + 1) + 3, 12 * (4 * 2 + 1) + 2 * 12 * 3),
    "tensor product": (121 * 3, 2 * 3 * 3 * 4 + 16 + 2 * 16 * 3),
    "Fourier features": (15 * 3, 15 * (2 * 2 + 2) + 2 * 15 * 3),
}


@every_model
def test_costs_are_those_by_hand(name) -> None:
    model = build(name, [0, 1], outputs=3)
    assert (parameter_counts(model)["trainable"], model.flops()) == COSTS[name]
    frozen = 15 * (2 + 1) if name == "Fourier features" else 0  # frequencies and phases
    assert parameter_counts(model)["total"] == COSTS[name][0] + frozen


def test_in_one_input_the_product_costs_what_a_kan_of_one_layer_costs() -> None:
    assert TensorSpline(1, 1, 200).flops() == kan_of_203(1, 1).flops()
    assert parameter_counts(TensorSpline(1, 1, 200))["trainable"] == 203


MATCHED = {
    "SIREN": (matched_siren, SIREN, "width", {"depth": 3}),
    "lattice": (matched_rbf_lattice, RBFLattice, "grid_size", {}),
    "lattice, bias": (matched_rbf_lattice, RBFLattice, "grid_size", {"bias": True}),
    "network": (matched_rbf_network, RBFNetwork, "width", {}),
    "network, bias": (matched_rbf_network, RBFNetwork, "width", {"bias": True}),
    "network, fixed": (matched_rbf_network, RBFNetwork, "width", {"train_centers": False, "train_bandwidths": False}),
    "tensor product": (matched_tensor_spline, TensorSpline, "grid_size", {}),
    "tensor product, order 1": (matched_tensor_spline, TensorSpline, "grid_size", {"spline_order": 1}),
    "waves": (matched_fourier_features, FourierFeatures, "width", {}),
    "waves, bias": (matched_fourier_features, FourierFeatures, "width", {"bias": True}),
}


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        (name, budget)
        for name, (_, model_class, _, _) in MATCHED.items()
        for budget in ("parameters", "flops")
        if budget == "parameters" or model_class is not TensorSpline  # whose FLOPs are the same for any size
    ],
)
@pytest.mark.parametrize("sizes", [(1, 1), (2, 1), (3, 2)])
def test_the_matched_size_comes_closest(name, budget, sizes) -> None:
    match, model_class, size_name, options = MATCHED[name]

    def reference(in_features: int, out_features: int) -> KAN:
        return KAN(in_features, out_features, width=5, depth=2, grid_size=20)

    def cost(model) -> int:
        return model.flops() if budget == "flops" else parameter_counts(model)["trainable"]

    model = match(*sizes, reference, budget=budget, members=2, **options)
    size = model.layer_sizes[1] if size_name == "width" and isinstance(model, MLP) else None
    size = size or (model.grid_size if size_name == "grid_size" else model.count)
    target = cost(reference(*sizes))
    for other in range(max(size - 2, 1), size + 3):
        assert abs(cost(model) - target) <= abs(cost(model_class(*sizes, **{size_name: other}, **options)) - target)


def test_the_product_can_not_be_matched_by_flops() -> None:
    with pytest.raises(ValueError, match="FLOPs are the same for any grid_size") as caught:
        matched_tensor_spline(2, 1, kan_of_203, budget="flops")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MATCHED)
def test_an_unknown_budget_is_refused(name) -> None:
    with pytest.raises(ValueError, match="budget must be parameters or flops"):
        MATCHED[name][0](1, 1, kan_of_203, budget="seconds")


@every_model
def test_records_say_in_plain_types_what_it_is(name) -> None:
    said = build(name, [0]).describe()
    assert {"family", "layer_sizes", "depth"} <= set(said)
    assert (said["layer_sizes"][0], said["layer_sizes"][-1]) == (2, 1)
    assert all(type(value) in (str, int, float, bool, list) for value in said.values())
    assert all(type(size) is int for size in said["layer_sizes"])
    assert "members=1" in repr(build(name, [0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RBFNetwork(1, 1, width=0), "width must be at least 1"),
        (lambda: RBFNetwork(0, 1), "every layer needs at least one feature"),
        (lambda: RBFNetwork(1, 1, bandwidth=0.0), "bandwidth must be positive and finite"),
        (lambda: RBFNetwork(1, 1, grid_range=(1.0, -1.0)), "grid_range must be two increasing numbers"),
        (lambda: RBFNetwork(1, 1, noise_scale=-1.0), "noise_scale must be finite and not negative"),
        (lambda: RBFNetwork(1, 1, members=0), "members must be at least 1"),
        (lambda: RBFNetwork(2, 1)(torch.rand(4, 3)), "expected input of shape"),
        (lambda: RBFNetwork(2, 1).jacobian(torch.rand(4, 3)), "expected input of shape"),
        (lambda: RBFLattice(1, 1, 0), "grid_size must be at least 1"),
        (lambda: RBFLattice(0, 1), "every layer needs at least one feature"),
        (lambda: RBFLattice(1, 1, grid_range=(0.0, 0.0)), "grid_range must be two increasing numbers"),
        (lambda: RBFLattice(1, 1, bandwidth=float("nan")), "bandwidth must be positive and finite"),
        (lambda: RBFLattice(10, 1), "8 centres for each of 10 inputs would take 4.29 GB"),
        (lambda: RBFLattice(30, 1), "would take .* TB, more than 2 GB"),
        (lambda: FourierFeatures(1, 1, 0), "width must be at least 1"),
        (lambda: FourierFeatures(1, 1, bandwidth=-1.0), "bandwidth must be positive and finite"),
        (lambda: FourierFeatures(2, 1)(torch.rand(4, 3)), "expected input of shape"),
        (lambda: SIREN(1, 1, first_omega=0.0), "first_omega must be positive"),
        (lambda: SIREN(1, 1, omega=-1.0), "omega must be positive"),
        (lambda: SIREN(1, 1, width=0), "width must be at least 1"),
        (lambda: TensorSpline(1, 1, 0), "grid_size must be at least 1"),
        (lambda: TensorSpline(1, 0), "every layer needs at least one feature"),
        (lambda: TensorSpline(1, 1, spline_order=0), "spline_order must be at least 1"),
        (lambda: TensorSpline(1, 1, grid_range=(2.0, 1.0)), "grid_range must be two increasing numbers"),
        (lambda: TensorSpline(1, 1, grid_range=(1e6, 1e6 + 1e-3), dtype=torch.float32), "can't tell knots"),
        (lambda: TensorSpline(2, 1)(torch.rand(4, 3)), "expected input of shape"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
