"""Elephants and tiles against their definitions, layer normalisation against torch's, and modules as activations."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlp_baselines import MLP, Elephant, FuzzyTiling, matched_mlp
from mlp_baselines.affine import LayerNorm
from tasks.sampling import generators_from
from tests.mlp_baselines.test_controls import kan_of_203

DOUBLE = torch.float64


def test_elephants_have_their_values_slopes_and_decay() -> None:
    for a, d in ((0.1, 4.0), (1.0, 2.0), (2.0, 8.0), (0.5, 1.0)):
        z = torch.tensor([0.0, a, -a, 2 * a, -3 * a], dtype=DOUBLE, requires_grad=True)
        values = Elephant(a, d)(z)
        expected = [1.0, 0.5, 0.5, 1 / (1 + 2**d), 1 / (1 + 3**d)]
        np.testing.assert_allclose(values.detach().numpy(), expected, rtol=1e-14)
        (slopes,) = torch.autograd.grad(values.sum(), z)
        np.testing.assert_allclose(slopes.numpy()[:3], [0.0, -d / (4 * a), d / (4 * a)], rtol=1e-13)
        far = a * np.logspace(2, 4, 9)
        tails = Elephant(a, d)(torch.tensor(far)).numpy()
        assert np.polyfit(np.log(far), np.log(tails), 1)[0] == pytest.approx(-d, rel=5e-3)
    steep = Elephant(1.0, 400.0)(torch.tensor([0.98, 1.02], dtype=DOUBLE))
    assert float(steep[0]) > 0.999
    assert float(steep[1]) < 0.001


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_elephants_far_away_are_silent_and_have_no_gradient(dtype) -> None:
    z = torch.tensor([1e3, -1e20, 3e38, math.inf], dtype=dtype, requires_grad=True)
    values = Elephant(0.1, 8.0)(z)
    assert float(values.detach().max()) < 1e-30
    (slopes,) = torch.autograd.grad(values.sum(), z)
    assert float(slopes.abs().max()) < 1e-30
    assert bool(Elephant()(torch.tensor([math.nan], dtype=dtype)).isnan())


@pytest.mark.parametrize("activation", [Elephant(0.7, 3.0), FuzzyTiling(5, (-1.0, 1.5))])
def test_gradients_are_right(activation) -> None:
    z = torch.linspace(-1.93, 1.91, 24, dtype=DOUBLE).view(1, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(activation, z)


def tiles_by_definition(z: float, tiles: int, low: float, high: float, softness: float) -> list[float]:
    """One number at a time."""
    width, found = (high - low) / tiles, []
    for i in range(tiles):
        start = low + i * width
        distance = max(start - z, 0.0) + max(z - width - start, 0.0)
        found.append(1.0 - (distance if distance <= softness else 1.0))
    return found


@pytest.mark.parametrize(
    ("tiles", "ends", "softness"),
    [
        (1, (0.0, 1.0), None),
        (4, (-1.0, 1.0), 0.0),
        (20, (-2.0, 2.0), None),
        (7, (-3.0, 0.5), 1.3),
        (5, (0.0, 20.0), 4.0),
    ],
)
def test_tiles_are_their_definition(tiles, ends, softness) -> None:
    unit = FuzzyTiling(tiles, ends, softness)
    width = (ends[1] - ends[0]) / tiles
    eta = width if softness is None else softness
    z = ends[0] + (ends[1] - ends[0]) * (1.6 * torch.rand(2, 5, 3, dtype=DOUBLE) - 0.3)
    values = unit(z)
    assert values.shape == (2, 5, 3 * tiles)
    expected = [tiles_by_definition(float(each), tiles, *ends, eta) for each in z.flatten()]
    np.testing.assert_allclose(values.view(-1, tiles).numpy(), expected, atol=1e-13)
    alive = (values.view(-1, tiles) != 0.0).sum(1)
    assert int(alive.max()) <= 2 * math.floor(eta / width) + 3


def test_sums_of_tiles() -> None:
    inside = -0.9 + 1.8 * torch.rand(100, 1, dtype=DOUBLE)
    assert bool((FuzzyTiling(10, (-1.0, 1.0), 0.0)(inside).sum(1) == 1.0).all())  # each number lies on one tile
    # the tile that it is on, and either neighbour as far as its own edge is away: 1 + 1 + 1 less the width of a tile
    inside = -0.7 + 1.4 * torch.rand(100, 1, dtype=DOUBLE)
    np.testing.assert_allclose(FuzzyTiling(10, (-1.0, 1.0))(inside).sum(1).numpy(), 3.0 - 0.2, atol=1e-12)


def test_weights_behind_tiles_that_are_off_get_no_gradient() -> None:
    model = MLP(2, 1, 6, 2, FuzzyTiling(20, (-2.0, 2.0)), dtype=DOUBLE)
    x = 0.1 * torch.rand(1, 40, 2, dtype=DOUBLE)
    reached = (model.activate(x @ model.weights[0] + model.biases[0]) != 0.0).any(dim=1)
    model(x).sum().backward()
    assert torch.equal(model.weights[1].grad[..., 0] != 0.0, reached)
    assert 0 < int(reached.sum()) < 0.3 * reached.numel()


def test_units_out_of_reach_of_all_tiles_get_no_gradient() -> None:
    unit = FuzzyTiling(4, (-1.0, 1.0), 0.25)
    z = torch.tensor([-5.0, -1.26, 1.26, 100.0], dtype=DOUBLE, requires_grad=True)
    values = unit(z)
    (slopes,) = torch.autograd.grad((values * torch.randn(16, dtype=DOUBLE)).sum(), z)
    assert float(values.detach().abs().max()) == float(slopes.abs().max()) == 0.0
    assert bool(unit(torch.tensor([math.nan])).isnan().all())  # a member that diverged is seen to have


def plain(model: MLP, x: Tensor, member: int) -> Tensor:
    """What the model computes for one member, by torch's own layers."""
    for index, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
        if index:
            if model.norms:
                norm = model.norms[index - 1]
                layer = nn.LayerNorm(x.shape[-1], dtype=x.dtype)
                layer.weight.data, layer.bias.data = norm.gain[member, 0].data, norm.shift[member, 0].data
                x = layer(x)
            x = model.activate(x)
        x = x @ weight[member] + bias[member]
    return x


@pytest.mark.parametrize("activation", ["silu", FuzzyTiling(6), Elephant()])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_model_is_its_layers(activation, layer_norm) -> None:
    model = MLP(3, 2, 5, 3, activation, layer_norm=layer_norm, members=2, dtype=DOUBLE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    x = torch.randn(7, 3, dtype=DOUBLE)
    for m in range(2):
        torch.testing.assert_close(model(x)[m], plain(model, x, m), rtol=1e-11, atol=1e-11)


def test_the_start_is_that_of_the_mlp_without_normalisation() -> None:
    bare, normed = (
        MLP(2, 1, layer_norm=flag, members=2, generators=generators_from([3, 4], "model")) for flag in (False, True)
    )
    for a, b in zip(bare.weights, normed.weights, strict=True):
        assert torch.equal(a, b)
    z = normed.norms[0](torch.randn(2, 9, 64))
    torch.testing.assert_close(z.mean(2), torch.zeros(2, 9), rtol=0, atol=1e-6)
    torch.testing.assert_close(z.square().mean(2), torch.ones(2, 9), rtol=0, atol=1e-3)
    assert set(dict(normed.named_parameters())) - set(dict(bare.named_parameters())) == {
        "norms.0.gain",
        "norms.0.shift",
    }


def test_costs() -> None:
    tiled = MLP(2, 1, 5, 3, FuzzyTiling(6), layer_norm=True)
    assert sum(p.numel() for p in tiled.parameters()) == (2 + 1) * 5 + (30 + 1) * 5 + (30 + 1) + 2 * (5 + 5)
    assert tiled.flops() == 2 * (2 * 5 + 30 * 5 + 30) + (6 + 7) * (5 + 5)
    assert MLP(2, 1, 5, 3, Elephant()).flops() == MLP(2, 1, 5, 3).flops() == 2 * (10 + 25 + 5) + 10


@pytest.mark.parametrize("budget", ["parameters", "flops"])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("activation", ["tanh", FuzzyTiling(6), Elephant()])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_matched_width_comes_closest(budget, depth, activation, layer_norm) -> None:
    def cost(model) -> int:
        return model.flops() if budget == "flops" else sum(p.numel() for p in model.parameters())

    options = {"depth": depth, "activation": activation, "layer_norm": layer_norm}
    target = cost(kan_of_203(2, 1)) + (200 if budget == "flops" else 0)

    class Costly(nn.Module):
        def __init__(self, in_features: int, out_features: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(target))

        def flops(self) -> int:
            return target

    model = matched_mlp(2, 1, Costly, budget=budget, **options)
    width = model.layer_sizes[1]
    assert width > 1
    for other in (width - 1, width + 1):
        if other >= (2 if layer_norm else 1):
            assert abs(cost(model) - target) <= abs(cost(MLP(2, 1, width=other, **options)) - target)


def test_what_records_say() -> None:
    assert MLP(1, 1, 3, 2, Elephant(0.5, 8)).describe() == {
        "family": "elephant MLP",
        "layer_sizes": [1, 3, 1],
        "depth": 2,
        "activation": "Elephant(width=0.5, steepness=8)",
    }
    tiled = MLP(1, 1, 3, 2, FuzzyTiling(), layer_norm=True).describe()
    assert (tiled["family"], tiled["layer_norm"]) == ("tiling MLP", True)
    assert tiled["activation"] == "FuzzyTiling(tiles=20, tile_range=[-2, 2], softness=0.2)"
    assert MLP(1, 1, 3, 2, nn.ELU(alpha=2.0)).describe()["activation"] == "ELU(alpha=2.0)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Elephant(0.0), "width must be positive and finite"),
        (lambda: Elephant(math.nan), "width must be positive and finite"),
        (lambda: Elephant(1.0, 0.5), "steepness must be at least 1"),
        (lambda: Elephant(1.0, math.inf), "steepness must be at least 1 and finite"),
        (lambda: FuzzyTiling(0), "tiles must be at least 1"),
        (lambda: FuzzyTiling(3, (1.0, 1.0)), "tile_range must be two increasing numbers"),
        (lambda: FuzzyTiling(3, (0.0, math.inf)), "tile_range must be two increasing numbers"),
        (lambda: FuzzyTiling(3, softness=-0.1), "softness must be finite and not negative"),
        (lambda: MLP(1, 1, activation=nn.PReLU()), "activation must have no parameters, .* got PReLU"),
        (lambda: MLP(1, 1, activation=nn.GLU()), "activation must make 1 numbers of each unit, got GLU"),
        (lambda: MLP(1, 1, width=1, layer_norm=True), "layer_norm needs at least 2 features"),
        (lambda: MLP(1, 1, layer_sizes=[1, 4, 1, 1], layer_norm=True), "layer_norm needs at least 2 features"),
        (lambda: LayerNorm(1, 3), "layer_norm needs at least 2 features"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
