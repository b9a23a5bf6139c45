"""B-splines against scipy, their locality, and their gradients."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from kan.splines import basis, extend_grid, fit_coefficients, is_uniform, local_basis, uniform_grid

ORDERS = [1, 2, 3, 4, 5]


def knots_of(kind: str, order: int, generator: torch.Generator, grid_size: int = 7) -> torch.Tensor:
    if kind == "uniform":
        return extend_grid(uniform_grid(-1.0, 1.5, grid_size, dtype=torch.float64), order)
    widths = 0.1 + torch.rand(grid_size, generator=generator, dtype=torch.float64)
    grid = torch.cat([torch.zeros(1, dtype=torch.float64), widths.cumsum(0)]) - 1.0
    return extend_grid(grid, order)


def elements(x: np.ndarray, knots: np.ndarray, order: int, derivative: int) -> np.ndarray:
    """Every basis function of its own as scipy has it, zero outside its support."""
    count = len(knots) - order - 1
    columns = []
    for i in range(count):
        element = BSpline.basis_element(knots[i : i + order + 2], extrapolate=False)
        columns.append(np.where((x >= knots[i]) & (x < knots[i + order + 1]), element(x, derivative), 0.0))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("kind", ["uniform", "random"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_agrees_with_scipy(kind: str, order: int, derivative: int) -> None:
    generator = torch.Generator().manual_seed(order)
    knots = knots_of(kind, order, generator)
    low, high = float(knots[0]), float(knots[-1])
    inside = low - 0.5 + (high - low + 1.0) * torch.rand(400, generator=generator, dtype=torch.float64)
    right_end = knots[-1 - order]
    at_knots = knots[knots != right_end]
    x = torch.cat([inside, at_knots])
    ours = basis(x[:, None], knots[None], order, derivative, uniform=kind == "uniform")[:, 0]
    theirs = elements(x.numpy(), knots.numpy(), order, derivative)
    scale = max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("kind", ["uniform", "random"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_spline_at_both_ends_of_the_grid(kind: str, order: int, derivative: int) -> None:
    generator = torch.Generator().manual_seed(10 + order)
    knots = knots_of(kind, order, generator)
    coefficients = torch.randn(len(knots) - order - 1, generator=generator, dtype=torch.float64)
    ends = torch.stack([knots[order], knots[-1 - order]])
    ours = basis(ends[:, None], knots[None], order, derivative, uniform=kind == "uniform")[:, 0] @ coefficients
    spline = BSpline(knots.numpy(), coefficients.numpy(), order)
    theirs = spline.derivative(derivative)(ends.numpy()) if derivative <= order else np.zeros(2)
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("order", ORDERS)
def test_closed_form_equals_triangle(order: int) -> None:
    generator = torch.Generator().manual_seed(order)
    knots = knots_of("uniform", order, generator, 9).expand(3, 2, -1).contiguous()
    x = 4.0 * torch.rand(3, 50, 2, generator=generator, dtype=torch.float64) - 2.0
    for derivative in range(order + 2):
        fast = basis(x, knots, order, derivative, uniform=True)
        plain = basis(x, knots, order, derivative, uniform=False)
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-10 * float(plain.abs().max() + 1))


@pytest.mark.parametrize("order", ORDERS)
def test_partition_of_unity_on_the_closed_grid_and_zero_far_outside(order: int) -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 6, dtype=torch.float64), order)[None]
    x = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)[:, None]
    torch.testing.assert_close(basis(x, knots, order).sum(-1), torch.ones_like(x), rtol=0, atol=1e-14)
    far = torch.tensor([[-1e30], [-9.0], [9.0], [1e30], [float("inf")]], dtype=torch.float64)
    for uniform in (True, False):
        assert (basis(far, knots, order, uniform=uniform) == 0).all()


def test_at_most_k_plus_one_bases_are_alive() -> None:
    for order in ORDERS:
        knots = extend_grid(uniform_grid(0.0, 1.0, 20, dtype=torch.float64), order)[None]
        x = torch.rand(200, 1, dtype=torch.float64)
        alive = (basis(x, knots, order) != 0).sum(-1)
        assert int(alive.max()) <= order + 1


def test_knots_differ_by_member_and_input() -> None:
    generator = torch.Generator().manual_seed(0)
    knots = torch.stack([torch.stack([knots_of("random", 3, generator) for _ in range(2)]) for _ in range(3)])
    x = 2.0 * torch.rand(3, 11, 2, generator=generator, dtype=torch.float64) - 1.0
    together = basis(x, knots, 3)
    for m in range(3):
        for i in range(2):
            alone = basis(x[m, :, i : i + 1], knots[m, i][None], 3)
            torch.testing.assert_close(together[m, :, i], alone[:, 0], rtol=0, atol=0)


def test_repeated_knots_as_scipy() -> None:
    order = 3
    knots = torch.tensor([0.0, 0, 0, 0, 0.3, 0.3, 0.7, 1, 1, 1, 1], dtype=torch.float64)
    x = torch.cat([torch.linspace(0, 1, 31, dtype=torch.float64), torch.tensor([0.3, 0.7], dtype=torch.float64)])
    ours = basis(x[:, None], knots[None], order)[:, 0].numpy()
    theirs = BSpline.design_matrix(x.numpy(), knots.numpy(), order).toarray()
    np.testing.assert_allclose(ours, theirs, atol=1e-13)


@pytest.mark.parametrize("kind", ["uniform", "random"])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_gradients_in_x(kind: str, order: int) -> None:
    generator = torch.Generator().manual_seed(order)
    knots = knots_of(kind, order, generator)[None]
    x = (3.0 * torch.rand(12, 1, generator=generator, dtype=torch.float64) - 1.2).requires_grad_()

    def function(points: torch.Tensor) -> torch.Tensor:
        return basis(points, knots, order, uniform=kind == "uniform")

    assert torch.autograd.gradcheck(function, (x,))
    (gradient,) = torch.autograd.grad(function(x).cumsum(-1).sum(), x)
    expected = (basis(x, knots, order, 1, kind == "uniform").cumsum(-1)).sum(-1)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)


def test_nan_stays_nan() -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 4), 3)[None]
    for uniform in (True, False):
        values = basis(torch.tensor([[float("nan")], [0.0]]), knots, 3, uniform=uniform)
        assert values[0].isnan().any()
        assert values[1].isfinite().all()


def test_local_basis_points_at_its_functions() -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 5, dtype=torch.float64), 3)[None]
    x = torch.tensor([[-1.0], [-0.99], [0.0], [0.999], [1.0]], dtype=torch.float64)
    _, first = local_basis(x, knots, 3)
    assert first[:, 0].tolist() == [0, 0, 2, 4, 4]


@pytest.mark.parametrize("order", ORDERS)
def test_order_of_approximation(order: int) -> None:
    """The error of the best spline falls as G^-(k+1) (de Boor, chapter XII): slope of log error on log G."""
    x = torch.linspace(-1.0, 1.0, 2001, dtype=torch.float64)[:, None]
    y = torch.sin(3.0 * x + 0.5)
    sizes = [10, 14, 20, 28]
    errors = []
    for size in sizes:
        knots = extend_grid(uniform_grid(-1.0, 1.0, size, dtype=torch.float64), order)[None]
        fitted = fit_coefficients(x, y[..., None], knots, order, uniform=True)
        errors.append(float((basis(x, knots, order) @ fitted[0] - y[..., None]).square().mean().sqrt()))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(slope + order + 1) < 0.25


def test_uniformity_is_recognised_in_float32() -> None:
    assert is_uniform(extend_grid(uniform_grid(-1.0, 1.0, 200, dtype=torch.float64), 3).float())
    assert not is_uniform(torch.tensor([0.0, 1.0, 2.0, 3.001]))
    assert is_uniform(extend_grid(uniform_grid(999.0, 1001.0, 20, dtype=torch.float64), 3).float())
    # rounding that adds up over the knots, or is not small beside the spacing
    creeping = torch.linspace(-1.0, 1.0, 201, dtype=torch.float64) + 3e-7 * torch.arange(201) * torch.arange(
        200, -1, -1
    )
    assert not is_uniform(creeping.float())
    assert not is_uniform(extend_grid(uniform_grid(1000.0, 1001.0, 500, dtype=torch.float64), 3).float())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_grid(-1.0, 1.0, 0), "grid_size must be at least 1"),
        (lambda: uniform_grid(1.0, 1.0, 3), "grid_range must be two increasing"),
        (lambda: extend_grid(torch.tensor([0.0, 1.0]), 0), "spline_order must be at least 1"),
        (lambda: extend_grid(torch.tensor([0.0, 0.0]), 3), "strictly increasing"),
        (lambda: extend_grid(torch.tensor([0.0, float("nan")]), 3), "strictly increasing"),
    ],
)
def test_bad_grids_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
