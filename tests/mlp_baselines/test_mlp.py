"""The MLP against torch.nn, and the matching of widths."""

import pytest
import torch
from torch import nn

from kan import KAN
from mlp_baselines import MLP, matched_mlp
from mlp_baselines.affine import parameter_count
from mlp_baselines.matching import closest_width
from tasks.sampling import generators_from


@pytest.mark.parametrize(
    ("activation", "module"),
    [("relu", nn.ReLU()), ("silu", nn.SiLU()), ("gelu", nn.GELU()), ("tanh", nn.Tanh())],
)
def test_each_member_is_a_plain_sequential(activation, module) -> None:
    model = MLP(3, 2, width=5, depth=3, activation=activation, members=2, dtype=torch.float64)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    for m in range(2):
        layers = []
        for weight, bias in zip(model.weights, model.biases, strict=True):
            linear = nn.Linear(*weight.shape[1:], dtype=torch.float64)
            linear.weight.data, linear.bias.data = weight[m].T.data, bias[m, 0].data
            layers += [linear, module]
        expected = nn.Sequential(*layers[:-1])(x[m])
        torch.testing.assert_close(model(x)[m], expected, rtol=1e-12, atol=1e-12)


def test_sine_follows_siren() -> None:
    model = MLP(2, 1, width=50, depth=3, activation="sine", omega=20.0, dtype=torch.float64)
    x = torch.rand(1, 5, 2, dtype=torch.float64)
    hidden = x
    for weight, bias in list(zip(model.weights, model.biases, strict=True))[:-1]:
        hidden = torch.sin(20.0 * (hidden @ weight + bias))
    torch.testing.assert_close(model(x), hidden @ model.weights[-1] + model.biases[-1])
    assert float(model.weights[0].detach().abs().max()) <= 1 / 2
    assert float(model.weights[1].detach().abs().max()) <= (6 / 50) ** 0.5 / 20


def test_initial_range_is_that_of_torch_linear() -> None:
    model = MLP(16, 1, width=64, depth=3, members=4)
    assert 0.24 < float(model.weights[0].detach().abs().max()) <= 0.25
    assert 0.12 < float(model.weights[1].detach().abs().max()) <= 0.125
    assert float(model.biases[1].detach().abs().max()) <= 0.125


def test_members_are_the_same_alone_and_in_any_company() -> None:
    together = MLP(1, 1, members=3, generators=generators_from([7, 8, 9], "model"))
    alone = MLP(1, 1, generators=generators_from([9], "model"))
    for many, one in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(many[2], one[0])


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("grid_size", [3, 5, 20, 200])
@pytest.mark.parametrize("sizes", [[1, 1], [1, 5, 1], [4, 4, 2, 1], [100, 1, 1]])
def test_matched_width_comes_closest_and_predicts_what_is_counted(depth, grid_size, sizes) -> None:
    def reference(in_features: int, out_features: int) -> KAN:
        return KAN(in_features, out_features, layer_sizes=sizes, grid_size=grid_size, base="zero")

    target = sum(p.numel() for p in reference(sizes[0], sizes[-1]).parameters())
    model = matched_mlp(sizes[0], sizes[-1], reference, depth)
    counted = sum(p.numel() for p in model.parameters())
    assert parameter_count(model.layer_sizes) == counted
    width = model.layer_sizes[1]
    for other in range(1, width + 50):
        predicted = parameter_count([sizes[0], *[other] * (depth - 1), sizes[-1]])
        assert abs(counted - target) <= abs(predicted - target)


def test_matching_counts_what_is_trained_or_flops() -> None:
    def reference(in_features: int, out_features: int) -> KAN:
        return KAN(in_features, out_features, depth=1, grid_size=200, base="zero", train_spline_scale=False)

    assert matched_mlp(1, 1, reference).layer_sizes == [1, 67, 1]  # 3·67 + 1 = 202 for 203
    flops = matched_mlp(1, 1, reference, budget="flops")
    assert abs(flops.flops() - reference(1, 1).flops()) <= 3
    assert matched_mlp(1, 1, reference, depth=1).layer_sizes == [1, 1]


def test_closest_width_ties_go_to_the_smaller() -> None:
    assert closest_width(lambda w: 2 * w, 5) == 2
    assert closest_width(lambda w: 2 * w, 0) == 1
    assert [closest_width(lambda w: w, n) for n in range(1, 9)] == list(range(1, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MLP(1, 1, activation="swish"), "activation must be one of"),
        (lambda: MLP(1, 1, width=0), "width must be at least 1"),
        (lambda: MLP(1, 1, depth=0), "depth must be at least 1"),
        (lambda: MLP(1, 1, activation="sine", omega=0.0), "omega must be positive"),
        (lambda: MLP(2, 1)(torch.rand(4, 3)), "expected input of shape"),
        (lambda: matched_mlp(1, 1, KAN, budget="seconds"), "budget must be"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
