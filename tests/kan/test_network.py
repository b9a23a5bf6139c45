"""The KAN layer and network: formula, locality, initialisation, members, gradients."""

import pytest
import torch
import torch.nn.functional as F

from kan import KAN, KANLayer
from tasks import gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64


def edge_by_edge(layer: KANLayer, x: torch.Tensor) -> torch.Tensor:
    """The layer as the paper writes it, one edge after the other."""
    bases = {"silu": F.silu, "identity": lambda v: v, "zero": torch.zeros_like}
    M, B, _ = x.shape
    y = torch.zeros(M, B, layer.out_features, dtype=x.dtype)
    values = layer.basis(x)
    for m in range(M):
        for i in range(layer.in_features):
            for o in range(layer.out_features):
                spline = values[m, :, i] @ layer.coefficients[m, i, :, o]
                y[m, :, o] += layer.spline_scale[m, i, o] * spline
                if layer.base_weight is not None:
                    y[m, :, o] += layer.base_weight[m, i, o] * bases[layer.base](x[m, :, i])
    return y


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
@pytest.mark.parametrize("initialization", ["paper", "pykan"])
def test_layer_is_the_sum_over_edges(base, initialization) -> None:
    layer = KANLayer(3, 4, 6, 2, base=base, initialization=initialization, members=2, dtype=DOUBLE)
    with torch.no_grad():
        layer.spline_scale.uniform_(0.5, 2.0)
    x = 2.4 * torch.rand(2, 9, 3, dtype=DOUBLE) - 1.2
    torch.testing.assert_close(layer(x), edge_by_edge(layer, x), rtol=1e-12, atol=1e-14)


def test_gradients_of_every_parameter_and_input() -> None:
    model = KAN(2, 1, layer_sizes=[2, 3, 1], grid_size=4, members=2, dtype=DOUBLE)
    names = [name for name, _ in model.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in model.parameters()]
    x = (1.8 * torch.rand(2, 5, 2, dtype=DOUBLE) - 0.9).requires_grad_()

    def function(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *values))


def test_task_gradient_is_exactly_zero_where_support_misses_the_samples() -> None:
    """The claim of the whole project, in float32 and with the paper's own tasks."""
    curriculum = gaussian_peaks(generators_from([0, 1], "data")).to(torch.float32)
    model = KAN(1, 1, depth=1, grid_size=200, base="zero", members=2)
    layer = model.layers[0]
    for task in curriculum.tasks:
        model.zero_grad()
        (model(task.train_inputs) - task.train_targets).square().mean(dim=(1, 2)).sum().backward()
        knots = layer.knots[:, 0]
        left, right = knots[:, :-4], knots[:, 4:]  # support of each cubic basis function
        x = task.train_inputs[..., 0]
        reached = ((x[:, :, None] > left[:, None]) & (x[:, :, None] < right[:, None])).any(dim=1)
        gradient = layer.coefficients.grad[:, 0, :, 0]
        assert (gradient[~reached] == 0).all()
        assert (gradient[reached] != 0).float().mean() > 0.9
        assert 30 < int((~reached[0]).sum()) < 203


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_one_coefficient_moves_the_output_on_at_most_k_plus_one_intervals(order) -> None:
    layer = KANLayer(1, 1, 20, order, base="zero", dtype=DOUBLE)
    x = torch.linspace(-1.3, 1.3, 2601, dtype=DOUBLE)[:, None]
    before = layer(x).detach()
    with torch.no_grad():
        layer.coefficients[0, 0, 9, 0] += 1.0
    moved = x[:, 0][(layer(x).detach() != before)[0, :, 0]]
    knots = layer.knots[0, 0]
    assert float(moved.min()) > knots[9]
    assert float(moved.max()) < knots[9 + order + 1]
    assert float(moved.max() - moved.min()) <= (order + 1) * 0.1 + 1e-9


def test_paper_initialisation() -> None:
    layer = KANLayer(20, 30, 10, members=3)
    assert float(layer.coefficients.detach().std()) == pytest.approx(0.1, rel=0.03)
    assert float(layer.coefficients.detach().mean()) == pytest.approx(0.0, abs=0.005)
    assert (layer.spline_scale == 1).all()
    bound = (6 / 50) ** 0.5
    assert bound * 0.98 < float(layer.base_weight.detach().abs().max()) <= bound


def test_pykan_initialisation() -> None:
    layer = KANLayer(4, 30, 10, members=3, initialization="pykan", noise_scale=0.5, dtype=DOUBLE)
    assert (layer.spline_scale == 0.5).all()
    assert 0.49 < float(layer.base_weight.detach().abs().max()) <= 0.5
    at_knots = layer.basis(layer.knots[:, :, 3:-3].transpose(1, 2)).transpose(1, 2) @ layer.coefficients
    assert (
        0.95 * 0.025 < float(at_knots.detach().abs().max()) <= 0.025
    )  # noise of ±½ · 0.5 / G, and interpolated exactly


def test_flags_freeze() -> None:
    layer = KANLayer(1, 1, 200, base="zero", train_spline_scale=False)
    assert [p.numel() for p in layer.parameters() if p.requires_grad] == [203]
    frozen = KANLayer(2, 2, train_coefficients=False, train_base_weight=False)
    assert [name for name, p in frozen.named_parameters() if p.requires_grad] == ["spline_scale"]


def test_members_are_the_same_alone_and_in_any_company() -> None:
    def build(seeds):
        return KAN(2, 1, members=len(seeds), generators=generators_from(seeds, "model"), dtype=DOUBLE)

    together, alone = build([3, 4, 5]), build([4])
    x = torch.rand(7, 2, dtype=DOUBLE)
    for (_, many), (_, one) in zip(together.named_parameters(), alone.named_parameters(), strict=True):
        assert torch.equal(many[1], one[0])
    torch.testing.assert_close(together(x)[1], alone(x)[0], rtol=0, atol=1e-14)


def test_float32_and_float64_start_at_the_same_values() -> None:
    single = KAN(2, 1, generators=generators_from([0], "model"))
    double = KAN(2, 1, generators=generators_from([0], "model"), dtype=DOUBLE)
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert torch.equal(a, b.float())


def test_constructor_leaves_the_global_generator_alone_when_given_its_own() -> None:
    state = torch.random.get_rng_state()
    KAN(2, 1, members=2, generators=generators_from([0, 1], "model"), initialization="pykan")
    assert torch.equal(state, torch.random.get_rng_state())


def test_own_grids_per_member_and_input() -> None:
    grid = torch.tensor([[[-1.0, 0.1, 1.0], [-1.0, -0.5, 1.0]], [[-2.0, 0.0, 0.5], [0.0, 0.5, 2.0]]])
    layer = KANLayer(2, 1, grid=grid, members=2, dtype=DOUBLE)
    assert layer.grid_size == 2
    assert not layer.uniform
    assert layer.grid_range == (0.0, 0.5)
    x = torch.rand(2, 5, 2, dtype=DOUBLE)
    torch.testing.assert_close(layer(x), edge_by_edge(layer, x), rtol=1e-12, atol=1e-14)


def test_depth_one_is_a_single_layer_and_sizes_may_be_spelled_out() -> None:
    assert KAN(3, 2, width=99, depth=1).layer_sizes == [3, 2]
    assert KAN(3, 2, width=4, depth=3).layer_sizes == [3, 4, 4, 2]
    assert KAN(3, 2, layer_sizes=[3, 7, 2]).depth == 2


def test_shared_input_and_state_dict() -> None:
    model, other = KAN(2, 1, members=3), KAN(2, 1, members=3)
    other.load_state_dict(model.state_dict())
    x = torch.rand(4, 2)
    assert model(x).shape == (3, 4, 1)
    assert torch.equal(model(x), other(x.expand(3, 4, 2)))


def test_flops_do_not_depend_on_the_grid() -> None:
    assert KAN(2, 1, grid_size=5).flops() == KAN(2, 1, grid_size=500).flops()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KAN(1, 1, grid_size=0), "grid_size must be at least 1"),
        (lambda: KAN(1, 1, spline_order=0), "spline_order must be at least 1"),
        (lambda: KAN(1, 1, depth=0), "depth must be at least 1"),
        (lambda: KAN(1, 1, width=0), "width must be at least 1"),
        (lambda: KAN(1, 1, members=0), "members must be at least 1"),
        (lambda: KAN(2, 1, layer_sizes=[1, 1]), "must begin with 2"),
        (lambda: KAN(1, 1, layer_sizes=[1, 0, 1]), "at least one feature"),
        (lambda: KAN(1, 1, layer_sizes=[1]), "at least input and output"),
        (lambda: KAN(1, 1, base="relu"), "base must be one of"),
        (lambda: KAN(1, 1, initialization="xavier"), "initialization must be"),
        (lambda: KAN(1, 1, grid_range=(1.0, -1.0)), "grid_range must be"),
        (lambda: KAN(1, 1, members=2, generators=generators_from([1], "m")), "as many generators"),
        (lambda: KANLayer(0, 1), "at least one input"),
        (lambda: KANLayer(2, 1, grid=torch.rand(3, 4).cumsum(-1)), "grid must have shape"),
        (lambda: KAN(2, 1)(torch.rand(3, 4, 2)), "expected input of shape"),
        (lambda: KAN(2, 1)(torch.rand(4, 3)), "expected input of shape"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
