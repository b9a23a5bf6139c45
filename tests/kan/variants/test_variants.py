"""Edges that are no B-splines: their formulas, what they share with all edges, and how local they are."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.polynomial import chebyshev
from torch.utils._python_dispatch import TorchDispatchMode

from kan import RBFKAN, ChebyshevKAN, FourierKAN
from kan.variants import ChebyshevLayer, FeatureLayer, FourierLayer, RBFLayer
from kan.variants.chebyshev import chebyshev_polynomials
from tasks.sampling import generators_from

DOUBLE = torch.float64
LAYERS = {"rbf": RBFLayer, "chebyshev": ChebyshevLayer, "fourier": FourierLayer}
NETWORKS = {"rbf": RBFKAN, "chebyshev": ChebyshevKAN, "fourier": FourierKAN}
BASES = {"silu": F.silu, "identity": lambda v: v, "zero": torch.zeros_like}

families = pytest.mark.parametrize("family", LAYERS)


def build(family: str, *sizes: int, **settings) -> FeatureLayer:
    """A layer with coefficients of order one everywhere, offsets included."""
    layer = LAYERS[family](*sizes, dtype=DOUBLE, **settings)
    with torch.no_grad():
        layer.coefficients.normal_()
    return layer


def curve(family: str, c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One edge without base as its source writes it, for the default range and period."""
    if family == "rbf":
        centers, h = np.linspace(-1.0, 1.0, len(c)), 2.0 / (len(c) - 1)
        return sum(weight * np.exp(-(((x - center) / h) ** 2)) for weight, center in zip(c, centers, strict=True))
    if family == "chebyshev":
        return chebyshev.chebval(np.tanh(x), c)
    n = len(c) // 2
    waves = [c[k] * np.cos(k * x) + c[n + k] * np.sin(k * x) for k in range(1, n + 1)]
    return c[0] + sum(waves)


@families
@pytest.mark.parametrize("base", BASES)
def test_layer_is_the_sum_of_its_edges_as_the_sources_write_them(family, base) -> None:
    layer = build(family, 3, 4, 6, base=base, members=2)
    x = 3.0 * torch.rand(2, 9, 3, dtype=DOUBLE) - 1.5
    expected = torch.zeros(2, 9, 3, 4, dtype=DOUBLE)
    for m, i, o in np.ndindex(2, 3, 4):
        c = layer.coefficients[m, i, :, o].detach().numpy()
        expected[m, :, i, o] = torch.from_numpy(curve(family, c, x[m, :, i].numpy()))
        if layer.base_weight is not None:
            expected[m, :, i, o] += layer.base_weight[m, i, o].detach() * BASES[base](x[m, :, i])
    torch.testing.assert_close(layer.edge_values(x).detach(), expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(layer(x).detach(), expected.sum(2), rtol=1e-12, atol=1e-13)
    assert (layer.base_weight is None) == (base == "zero")


def test_ranges_and_periods_scale_the_input() -> None:
    x = 4.0 * torch.rand(1, 9, 1, dtype=DOUBLE)
    wide, plain = build("rbf", 1, 1, 8, base="zero", grid_range=(0.0, 4.0)), build("rbf", 1, 1, 8, base="zero")
    plain.coefficients.data.copy_(wide.coefficients)
    torch.testing.assert_close(wide(x), plain(x / 2 - 1), rtol=1e-12, atol=1e-13)
    short, long = build("fourier", 1, 1, 3, period=4.0), build("fourier", 1, 1, 3)
    long.coefficients.data.copy_(short.coefficients)
    torch.testing.assert_close(short(x), long(x * math.pi / 2), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(short(x), short(x + 4.0), rtol=1e-11, atol=1e-12)
    none = build("fourier", 1, 1, 3, offset=False)
    assert (none.frequencies, none.coefficients.shape[2]) == (3, 6)
    short.coefficients.data[:, :, 0] = 0.0
    short.coefficients.data[:, :, 1:] = none.coefficients.data
    torch.testing.assert_close(none(x * math.pi / 2), short(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("degree", [1, 2, 3, 7, 8, 64, 202])
def test_polynomials_agree_with_numpy_also_at_the_ends(degree) -> None:
    u = torch.cat([2.0 * torch.rand(50, dtype=DOUBLE) - 1.0, torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE)])
    expected = chebyshev.chebvander(u.numpy(), degree)
    np.testing.assert_allclose(chebyshev_polynomials(u, degree).numpy(), expected, rtol=0, atol=1e-12 * degree)
    rough = chebyshev_polynomials(u.float(), degree)
    assert float(rough.abs().max()) < 1.001
    ends = torch.tensor([-1.0, 1.0], dtype=DOUBLE, requires_grad=True)
    (slopes,) = torch.autograd.grad(chebyshev_polynomials(ends, degree)[:, -1].sum(), ends)
    np.testing.assert_allclose(slopes.abs().numpy(), degree**2, rtol=1e-10)  # T_n'(1) = n²


@families
def test_gradients_of_every_parameter_and_input(family) -> None:
    model = NETWORKS[family](2, 1, layer_sizes=[2, 3, 1], base="silu", members=2, dtype=DOUBLE)
    names = [name for name, _ in model.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in model.parameters()]
    x = (1.8 * torch.rand(2, 4, 2, dtype=DOUBLE) - 0.9).requires_grad_()

    def function(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *values))
    assert torch.autograd.gradgradcheck(function, (x[:, :2].detach().clone().requires_grad_(), *values))


@families
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_far_inputs_give_finite_values_and_gradients(family, dtype) -> None:
    model = NETWORKS[family](1, 1, width=3, members=2, dtype=dtype)
    x = torch.tensor([-1e6, -30.0, -1.0, 0.0, 1.0, 30.0, 1e6], dtype=dtype)[:, None].requires_grad_()
    model(x).square().sum().backward()
    for gradient in (x.grad, *(p.grad for p in model.parameters())):
        assert gradient is not None
        assert gradient.isfinite().all()


@families
def test_no_tensor_has_an_entry_for_every_sample_and_edge(family) -> None:
    class Largest(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            self.count = max(self.count, out.numel() if isinstance(out, torch.Tensor) else 0)
            return out

    layer = LAYERS[family](20, 100, base="silu")
    x = torch.rand(1, 50, 20, requires_grad=True)
    with Largest() as mode:
        layer(x).sum().backward()
    features = layer.coefficients.shape[2]
    assert mode.count == max(50 * 20 * features, 20 * features * 100, 50 * 100)
    assert mode.count < 50 * 20 * 100


@families
def test_masked_edges_are_zero_and_so_are_their_gradients(family) -> None:
    layer = build(family, 3, 4, 6, base="silu", members=2)
    live = torch.rand(2, 3, 4) > 0.4
    live[0, 0, 0] = False
    live[1, 2, 3] = True
    layer.set_mask(live)
    x = torch.rand(2, 9, 3, dtype=DOUBLE)
    torch.testing.assert_close(layer.edge_values(x).sum(2), layer(x), rtol=1e-12, atol=1e-13)
    assert (layer.edge_values(x).transpose(1, 2)[~live.unsqueeze(2).expand(-1, -1, 9, -1)] == 0).all()
    layer(x).square().sum().backward()
    assert (layer.coefficients.grad.transpose(2, 3)[~live] == 0).all()
    assert (layer.coefficients.grad.transpose(2, 3)[live] != 0).all()
    assert (layer.base_weight.grad[~live] == 0).all()
    assert (layer.base_weight.grad[live] != 0).all()


@families
def test_members_are_the_same_alone_and_in_any_company(family) -> None:
    def stack(seeds):
        return NETWORKS[family](2, 1, members=len(seeds), generators=generators_from(seeds, "model"), dtype=DOUBLE)

    state = torch.random.get_rng_state()
    together, alone = stack([3, 4, 5]), stack([4])
    assert torch.equal(state, torch.random.get_rng_state())
    x = torch.rand(3, 7, 2, dtype=DOUBLE)
    before = together(x)
    for one in (alone, together.member(1)):
        assert type(one) is NETWORKS[family]
        for (_, many), (_, own) in zip(together.named_parameters(), one.named_parameters(), strict=True):
            assert torch.equal(many[1], own[0])
        torch.testing.assert_close(before[1], one(x[1:2])[0], rtol=0, atol=1e-14)


@families
def test_nodes_can_be_taken_in_any_order_by_each_member(family) -> None:
    model = NETWORKS[family](2, 1, width=4, members=2, dtype=DOUBLE)
    x = torch.rand(2, 7, 2, dtype=DOUBLE)
    order = torch.tensor([[3, 1, 0, 2], [2, 0, 1, 3]])
    same = model.rebuilt([model.layer(0).select([0, 1], outputs=order), model.layer(1).select([0, 1], inputs=order)])
    torch.testing.assert_close(same(x), model(x), rtol=1e-12, atol=1e-14)


@families
def test_fit_to_takes_on_the_sizes_of_a_state_dict(family) -> None:
    other = {"rbf": {"grid_range": (-2.0, 3.0)}, "fourier": {"period": 3.0, "offset": False}}.get(family, {})
    saved = NETWORKS[family](2, 1, 3, 2, 11, members=2, dtype=DOUBLE, **other)
    saved.layer(0).set_mask(torch.rand(2, 2, 3) > 0.3)
    model = NETWORKS[family](2, 1, width=5, members=2, dtype=DOUBLE)
    model.fit_to(saved.state_dict())
    model.load_state_dict(saved.state_dict())
    x = torch.rand(2, 7, 2, dtype=DOUBLE)
    assert model.describe() == saved.describe()
    assert torch.equal(model(x), saved(x))


@families
@pytest.mark.parametrize("orthonormal", [False, True])
def test_constants_raise_an_edge_by_one_everywhere(family, orthonormal) -> None:
    layer = build(family, 2, 3, 5, members=2, **({} if family == "rbf" else {"orthonormal": orthonormal}))
    x = 3.0 * torch.rand(2, 7, 2, dtype=DOUBLE) - 1.5
    constants, before = layer.constants(), layer.edge_values(x)
    assert (constants is None) == (family == "rbf")
    assert LAYERS["fourier"](1, 1, offset=False).constants() is None
    if constants is not None:
        with torch.no_grad():
            layer.coefficients += constants
        torch.testing.assert_close(layer.edge_values(x), before + 1.0, rtol=1e-12, atol=1e-12)


@families
@pytest.mark.parametrize("base", ["silu", "zero"])
def test_float32_and_float64_start_at_the_same_values_with_any_base(family, base) -> None:
    single = NETWORKS[family](2, 1, base=base, generators=generators_from([0], "model"))
    double = NETWORKS[family](2, 1, base=base, generators=generators_from([0], "model"), dtype=DOUBLE)
    bare = NETWORKS[family](2, 1, base="identity", generators=generators_from([0], "model"), dtype=DOUBLE)
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert torch.equal(a, b.float())
    assert torch.equal(bare.layer(1).coefficients, double.layer(1).coefficients)


def test_initial_coefficients_are_those_of_the_sources() -> None:
    rbf, cheb = RBFLayer(20, 30, 10, members=3), ChebyshevLayer(20, 30, 9, members=3)
    four = FourierLayer(20, 30, 10, members=3)
    for values, deviation in (
        (rbf.coefficients, 0.1),
        (cheb.coefficients, 1 / (20 * 10)),
        (four.coefficients[:, :, 1:], (20 * 10) ** -0.5),
    ):
        assert float(values.detach().std()) == pytest.approx(deviation, rel=0.03)
        assert float(values.detach().mean()) == pytest.approx(0.0, abs=0.05 * deviation)
    assert (four.coefficients[:, :, 0] == 0).all()
    x = 100.0 * torch.rand(3, 500, 20)
    assert float(four(x).detach().std()) == pytest.approx(1.0, rel=0.1)
    bound = (6 / 50) ** 0.5
    assert bound * 0.98 < float(rbf.base_weight.detach().abs().max()) <= bound
    assert cheb.base_weight is None
    assert four.base_weight is None
    quiet = ChebyshevLayer(2, 2, noise_scale=0.0)
    assert (quiet.coefficients == 0).all()


@families
def test_flags_freeze(family) -> None:
    frozen = NETWORKS[family](2, 2, depth=1, base="silu", train_base_weight=False)
    assert [name for name, p in frozen.named_parameters() if p.requires_grad] == ["layers.0.coefficients"]
    other = NETWORKS[family](2, 2, depth=1, base="silu", train_coefficients=False)
    assert [name for name, p in other.named_parameters() if p.requires_grad] == ["layers.0.base_weight"]


# --- locality ---------------------------------------------------------------------------------------------------------

WINDOW = (-1.0, -0.6)


def window_gradient(layer: FeatureLayer) -> tuple[torch.Tensor, float]:
    """Gradient (F,) of the mean squared error on samples in the window, and the mean size of the output's gradient."""
    x = torch.linspace(*WINDOW, 100, dtype=DOUBLE)[None, :, None]
    y = layer(x)
    error = y.detach() - torch.randn_like(y)
    (y * 2.0 * error / 100).sum().backward()
    return layer.coefficients.grad[0, 0, :, 0], float((2.0 * error / 100).abs().sum())


def test_gaussians_decay_with_the_square_of_the_distance() -> None:
    layer = RBFLayer(1, 1, 200, base="zero", dtype=DOUBLE)
    gradient, upstream = window_gradient(layer)
    centers, h = layer.centers[0, 0], 0.01
    d = torch.clamp(torch.maximum(WINDOW[0] - centers, centers - WINDOW[1]), min=0.0)
    bound = upstream * torch.exp(-((d / h) ** 2))
    assert (gradient.abs() <= bound * (1 + 1e-9)).all()
    outside = gradient[d > 1e-9].abs()
    near = outside[: int((outside > 0).sum())]
    assert (near.diff() < 0).all()  # ever smaller, until it is as good as nothing
    assert 15 < len(near) < 20
    assert (outside[len(near) :] == 0).all()
    assert float(near[5]) < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_gaussians_are_normal_numbers_or_zero(dtype) -> None:
    values = RBFLayer(1, 1, 200, dtype=dtype).features(2.2 * torch.rand(1, 500, 1, dtype=dtype) - 1.1)
    least = torch.finfo(dtype).tiny ** 0.5
    assert ((values == 0) | (values >= least)).all()
    x = torch.linspace(-1.0, 1.0, 500, dtype=dtype)
    direct = torch.exp(-(((x[:, None] - torch.linspace(-1.0, 1.0, 201, dtype=dtype)) * 100) ** 2))
    exact = RBFLayer(1, 1, 200, dtype=dtype).features(x[None, :, None])[0, :, 0]
    torch.testing.assert_close(exact, direct, rtol=1e-3 if dtype == torch.float32 else 1e-10, atol=2 * least)


@pytest.mark.parametrize("family", ["chebyshev", "fourier"])
def test_global_families_have_gradients_everywhere_that_do_not_decay(family) -> None:
    layer = LAYERS[family](1, 1, 100, dtype=DOUBLE)
    gradient, upstream = window_gradient(layer)
    assert (gradient != 0).all()
    first, last = gradient[: len(gradient) // 4], gradient[-len(gradient) // 4 :]
    assert float(last.square().mean().sqrt()) > 0.1 * float(first.square().mean().sqrt())
    assert float(gradient.abs().max()) <= upstream


@families
def test_where_one_coefficient_moves_the_function(family) -> None:
    layer = LAYERS[family](1, 1, 100, base="zero", dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 2001, dtype=DOUBLE)[:, None]
    before = layer(x).detach()
    with torch.no_grad():
        layer.coefficients[0, 0, 50, 0] += 1.0
    moved = ((layer(x).detach() - before)[0, :, 0].abs() > 1e-9).double().mean()
    if family == "rbf":  # √(9 ln 10) = 4.55 spacings to either side, of 100
        assert float(moved) == pytest.approx(0.0455 * 2, rel=0.02)
    else:
        assert float(moved) > 0.99


@pytest.mark.parametrize("family", ["chebyshev", "fourier"])
@pytest.mark.parametrize("orthonormal", [False, True])
def test_the_kernel_of_global_edges_is_a_plateau_and_one_that_falls_with_distance(family, orthonormal) -> None:
    """Dirichlet's kernel D(t) = sin((n + ½) t) / (2 sin(t/2)), and 1/2 more where the constant counts double."""
    layer = LAYERS[family](1, 1, 50, orthonormal=orthonormal, dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 200, dtype=DOUBLE)
    features = layer.edge_features(x[None, :, None])[0, :, 0]
    kernel = (features @ features.T).numpy()
    angle = x.numpy() if family == "fourier" else np.arccos(np.tanh(x.numpy()))

    def dirichlet(t: np.ndarray) -> np.ndarray:
        near = np.abs(t) < 1e-12
        return np.where(near, 50.5, np.sin(50.5 * t) / (2 * np.sin(np.where(near, 1.0, t) / 2)))

    falling = dirichlet(angle[:, None] - angle)
    if family == "chebyshev":  # 2 cos(k s) cos(k t) = cos(k (s + t)) + cos(k (s - t))
        falling = 0.5 * (falling + dirichlet(angle[:, None] + angle))
    np.testing.assert_allclose(kernel, falling + (0.0 if orthonormal else 0.5), rtol=0, atol=1e-9)


@pytest.mark.parametrize("family", ["chebyshev", "fourier"])
def test_what_is_learned_in_a_window_lifts_the_rest_unless_features_are_orthonormal(family) -> None:
    """The smallest change of the coefficients that fits a peak, which is where gradient descent from zero goes."""
    x = torch.linspace(-1.0, 1.0, 1001, dtype=DOUBLE)
    inside = x < -0.6
    peak = torch.exp(-300.0 * (x + 0.8) ** 2)
    lifts = {}
    for orthonormal in (False, True):
        settings = {"period": 2.5} if family == "fourier" else {}
        layer = LAYERS[family](1, 1, 200, orthonormal=orthonormal, dtype=DOUBLE, **settings)
        features = layer.edge_features(x[None, :, None])[0, :, 0]
        learned = features @ (torch.linalg.pinv(features[inside], rtol=1e-4) @ peak[inside])
        torch.testing.assert_close(learned[inside], peak[inside], rtol=0, atol=1e-3)
        lifts[orthonormal] = float((learned[~inside] - peak[~inside]).square().mean().sqrt())
    assert lifts[False] > 0.015
    assert lifts[True] < 0.001


# --- what is said about them ------------------------------------------------------------------------------------------


def test_flops_are_those_counted_by_hand() -> None:
    assert RBFLayer(2, 3, 6, base="zero").flops() == 2 * 6 * 7 + 2 * 4 * 7
    assert RBFLayer(2, 3, 6).flops() == 2 * 6 * 8 + 2 * (4 * 7 + 1)
    assert ChebyshevLayer(2, 3, 6).flops() == 2 * 6 * 7 + 2 * (1 + 3 * 5)
    assert FourierLayer(2, 3, 6).flops() == 2 * 6 * 13 + 2 * (1 + 3 * 6)
    assert RBFKAN(2, 1, width=3).flops() == RBFLayer(2, 3).flops() + RBFLayer(3, 1).flops()


@families
def test_networks_describe_themselves_in_plain_types(family) -> None:
    model = NETWORKS[family](2, 1, 5, 3, 6)
    said = model.describe()
    assert said["family"] == "KAN"
    assert said["edges"] == family
    assert said["layer_sizes"] == [2, 5, 5, 1]
    assert said[{"rbf": "grid_size", "chebyshev": "degree", "fourier": "frequencies"}[family]] == 6
    assert all(isinstance(value, str | int | float | list) for value in said.values())
    assert str(6) in repr(model.layer(0))
    low, high = model.layer(1).input_window()
    assert low.shape == high.shape == (1, 5)
    end = {"rbf": 1.0, "chebyshev": 1.0, "fourier": math.pi}[family]
    assert (high == torch.tensor(end)).all()
    assert (low == -high).all()
    assert getattr(model, "input_range", (-1.0, 1.0)) == pytest.approx((-end, end))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RBFKAN(1, 1, grid_size=0), "grid_size must be at least 1"),
        (lambda: RBFKAN(1, 1, grid_range=(1.0, 1.0)), "grid_range must be"),
        (lambda: RBFKAN(1, 1, noise_scale=-1.0), "noise_scale must be finite and not negative"),
        (lambda: RBFKAN(1, 1, base="relu"), "base must be one of"),
        (lambda: ChebyshevKAN(1, 1, degree=0), "degree must be at least 1"),
        (lambda: ChebyshevKAN(1, 1, noise_scale=math.nan), "noise_scale must be finite and not negative"),
        (lambda: ChebyshevKAN(1, 1, depth=0), "depth must be at least 1"),
        (lambda: ChebyshevLayer(0, 1), "at least one input"),
        (lambda: FourierKAN(1, 1, frequencies=0), "frequencies must be at least 1"),
        (lambda: FourierKAN(1, 1, period=0.0), "period must be positive"),
        (lambda: FourierKAN(1, 1, period=math.inf), "period must be positive"),
        (lambda: FourierKAN(1, 1, members=0), "members must be at least 1"),
        (lambda: FourierKAN(1, 1, members=2, generators=generators_from([1], "m")), "as many generators"),
        (lambda: FourierKAN(2, 1, layer_sizes=[1, 1]), "must begin with 2"),
        (lambda: FourierLayer(0, 1), "at least one input"),
        (lambda: RBFKAN(2, 1)(torch.rand(4, 3)), "expected input of shape"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
