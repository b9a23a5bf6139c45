"""Grids that move and grow: what is preserved, to which precision, and what bad samples can't break."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from kan import KAN, KANLayer
from kan.grids import continued, insert_knots, is_nested, refined_grid, refit, sample_grid, widened
from kan.grids.coefficients import UNSEEN
from kan.splines import basis, extend_grid, fit_coefficients, uniform_grid

DOUBLE = torch.float64


def uneven_knots(members: int, inputs: int, intervals: int, order: int) -> torch.Tensor:
    steps = 0.2 + torch.rand(members, inputs, intervals, dtype=DOUBLE)
    points = torch.cat([torch.zeros(members, inputs, 1, dtype=DOUBLE), steps.cumsum(-1)], dim=-1)
    return extend_grid(2.0 * points / points[..., -1:] - 1.0, order)


def spline(coefficients: torch.Tensor, knots: torch.Tensor, order: int, x: torch.Tensor) -> torch.Tensor:
    """Values (M, P, I, O) at points (P,), by scipy."""
    values = [
        [
            BSpline(knots[m, i].numpy(), coefficients[m, i].numpy(), order, extrapolate=False)(x.numpy())
            for i in range(knots.shape[1])
        ]
        for m in range(knots.shape[0])
    ]
    return torch.from_numpy(np.array(values)).transpose(1, 2)


INSIDE = torch.linspace(-1.0, 1.0, 2001, dtype=DOUBLE)[1:-1]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("factor", [2, 3, 7])
def test_refinement_into_nested_knots_is_exact_on_the_whole_grid(order, factor) -> None:
    for knots in (
        uneven_knots(2, 3, 5, order),
        extend_grid(uniform_grid(-1.0, 1.0, 5, dtype=DOUBLE), order).expand(2, 3, -1),
    ):
        fine = refined_grid(knots, order, 5 * factor)
        assert is_nested(knots, fine, order).all()
        before = torch.randn(2, 3, 5 + order, 4, dtype=DOUBLE)
        after = insert_knots(before, knots, fine, order)
        assert after.shape == (2, 3, 5 * factor + order, 4)
        error = (spline(after, fine, order, INSIDE) - spline(before, knots, order, INSIDE)).abs().max()
        assert float(error) < 1e-12
        ends = torch.stack([fine[..., order], fine[..., -1 - order]], dim=1)
        at_ends = [basis(ends, t, order).transpose(1, 2) @ c for t, c in ((knots, before), (fine, after))]
        torch.testing.assert_close(*at_ends, rtol=0, atol=1e-12)


def test_knots_can_be_inserted_anywhere() -> None:
    knots = uneven_knots(1, 1, 6, 3)
    points = torch.cat([knots[0, 0, 3:-3], torch.tensor([-0.91, 0.123, 0.124, 0.9], dtype=DOUBLE)]).sort().values
    fine = extend_grid(points, 3)[None, None]
    before = torch.randn(1, 1, 9, 1, dtype=DOUBLE)
    after = insert_knots(before, knots, fine, 3)
    torch.testing.assert_close(spline(after, fine, 3, INSIDE), spline(before, knots, 3, INSIDE), rtol=0, atol=1e-11)


def test_nested_means_every_knot_is_there() -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 10), 3)
    assert is_nested(knots, refined_grid(knots, 3, 20), 3)
    assert not is_nested(knots, refined_grid(knots, 3, 25), 3)
    assert not is_nested(knots, extend_grid(uniform_grid(-1.0, 1.1, 21), 3), 3)
    with pytest.raises(ValueError, match="refined to at least as many, got 9"):
        refined_grid(knots, 3, 9)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_splines_approximate_with_order_k_plus_one(order) -> None:
    """log-error against log-G has slope -(k + 1), for least squares on samples and for the projection alike."""
    x = torch.linspace(-1.0, 1.0, 4001, dtype=DOUBLE)[None, :, None]
    y = torch.sin(4.0 * x) + torch.exp(x)
    sizes = [16, 24, 36, 54] if order < 5 else [32, 40, 50, 64]
    fine = extend_grid(uniform_grid(-1.0, 1.0, 960, dtype=DOUBLE), order)[None, None]
    exact = fit_coefficients(x, y.unsqueeze(-1), fine, order)  # of an error far below those measured
    errors = []
    for size in sizes:
        knots = extend_grid(uniform_grid(-1.0, 1.0, size, dtype=DOUBLE), order)[None, None]
        pair = []
        for c in (fit_coefficients(x, y.unsqueeze(-1), knots, order), refit(exact, fine, knots, order)):
            pair.append(float(((basis(x, knots, order)[:, :, 0] @ c[:, 0]) - y).square().mean().sqrt()))
        errors.append(pair)
    for column in zip(*errors, strict=True):
        slope = np.polyfit(np.log(sizes), np.log(column), 1)[0]
        assert slope == pytest.approx(-(order + 1), abs=0.1)


def test_refit_keeps_the_function_on_samples_first_and_elsewhere_as_well_as_it_can() -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 20, dtype=DOUBLE), 3).expand(1, 1, -1)
    coefficients = torch.sin(torch.linspace(0.0, 9.0, 23, dtype=DOUBLE)).view(1, 1, 23, 1)
    samples = (0.3 * torch.rand(1, 400, 1, dtype=DOUBLE) - 0.9).sort(1).values  # 150 of them would do
    moved = extend_grid(torch.linspace(-1.0, 1.0, 26, dtype=DOUBLE) ** 3 * 0.3 + 0.7 * uniform_grid(-1, 1, 25), 3)
    moved = moved.expand(1, 1, -1)

    def errors(after: torch.Tensor) -> tuple[float, float]:
        """Mean squared change on the samples, and on the whole grid."""
        places = samples[0, :, 0], torch.linspace(-1.0, 1.0, 20001, dtype=DOUBLE)[1:-1]
        changes = (spline(after, moved, 3, x) - spline(coefficients, knots, 3, x) for x in places)
        on_samples, everywhere = (float(change.square().mean()) for change in changes)
        return on_samples, everywhere

    fitted, projected = (
        errors(refit(coefficients, knots, moved, 3, samples)),
        errors(refit(coefficients, knots, moved, 3)),
    )
    assert fitted[0] < projected[0]
    assert projected[1] < fitted[1]
    assert fitted[0] + UNSEEN * fitted[1] < projected[0] + UNSEEN * projected[1]
    # what can be represented is, whatever the samples
    fine = refined_grid(knots, 3, 40)
    exact = refit(coefficients, knots, fine, 3, samples)
    torch.testing.assert_close(exact, insert_knots(coefficients, knots, fine, 3), rtol=0, atol=1e-7)
    torch.testing.assert_close(
        refit(coefficients, knots, fine, 3), insert_knots(coefficients, knots, fine, 3), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_spline_is_continued_by_its_outermost_polynomials(order) -> None:
    knots = extend_grid(torch.tensor([-1.0, -0.7, 0.1, 0.2, 1.0], dtype=DOUBLE), order).expand(1, 1, -1)
    coefficients = torch.randn(1, 1, 4 + order, 1, dtype=DOUBLE)
    further, longer = continued(coefficients, knots, order, reach=0.5)
    inside = torch.linspace(-0.999, 0.999, 333, dtype=DOUBLE)
    torch.testing.assert_close(
        spline(further, longer, order, inside), spline(coefficients, knots, order, inside), rtol=0, atol=1e-12
    )
    for first, last, beyond in ((-1.0, -0.7, -1.99), (0.2, 1.0, 1.99)):
        x = torch.linspace(first, last, 2 * order + 3, dtype=DOUBLE)[1:-1]
        values = spline(coefficients, knots, order, x).flatten()
        expected = np.polyval(np.polyfit(x.numpy(), values.numpy(), order), beyond)
        found = spline(further, longer, order, torch.tensor([beyond], dtype=DOUBLE))
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_a_longer_grid_does_not_disturb_the_function() -> None:
    """Not even where the spline is large, so that outside its grid it falls steeply to zero."""
    layer = KANLayer(1, 1, 50, base="identity", dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 1000, dtype=DOUBLE)[:, None]
    with torch.no_grad():
        layer.coefficients.copy_(
            fit_coefficients(x, torch.exp(x).unsqueeze(-1) + 1e3 * (1.0 - x[..., None]), layer.knots[0], 3)
        )
        layer.base_weight.fill_(1e3)
    before = layer(x).detach()
    layer.update_grid(x, grid_eps=1.0, margin=0.1)
    assert layer.grid_range == pytest.approx((-1.2, 1.2))
    assert float((layer(x).detach() - before).abs().max()) < 1e-4


def test_a_network_may_keep_the_grids_of_its_own_inputs() -> None:
    model = KAN(2, 1, depth=3, members=2, dtype=DOUBLE)
    before = [layer.knots.clone() for layer in model.layers]
    model.update_grid(0.5 * torch.rand(2, 50, 2, dtype=DOUBLE), margin=0.1, hidden_only=True)
    assert torch.equal(model.layer(0).knots, before[0])
    assert not any(torch.equal(model.layer(index).knots, before[index]) for index in (1, 2))


def test_three_samples_do_not_erase_what_was_learned_elsewhere() -> None:
    layer = KANLayer(1, 1, 10, base="zero", dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 201, dtype=DOUBLE)[:, None]
    before = layer(x).detach()
    layer.update_grid(torch.tensor([[-1.0], [0.2], [1.0]], dtype=DOUBLE))
    assert layer.grid_size == 10
    scale = float(before.std())
    assert float((layer(x) - before).detach().square().mean().sqrt()) < 0.5 * scale
    assert float((layer(x) - before).detach()[0, [0, 120, 200]].abs().max()) < 1e-4


def test_grid_from_samples_mixes_quantiles_with_even_points() -> None:
    x = torch.rand(2, 5000, 1, dtype=DOUBLE) ** 2
    knots = extend_grid(uniform_grid(-1.0, 1.0, 8, dtype=DOUBLE), 3).expand(2, 1, -1)
    for eps in (0.02, 0.5, 1.0):
        points = sample_grid(x, knots, 3, 8, grid_eps=eps)[..., 3:-3]
        low, high = x.amin(1), x.amax(1)
        even = low + (high - low) * torch.linspace(0.0, 1.0, 9, dtype=DOUBLE)
        quantiles = torch.quantile(x[..., 0], torch.linspace(0.0, 1.0, 9, dtype=DOUBLE), dim=1).T
        torch.testing.assert_close(points[:, 0], eps * even + (1 - eps) * quantiles, rtol=0, atol=1e-12)
    wide = sample_grid(x, knots, 3, 8, grid_eps=0.02, margin=0.1)[..., 3:-3]
    torch.testing.assert_close(wide[..., 0], low - 0.1 * (high - low), rtol=0, atol=1e-12)
    torch.testing.assert_close(wide[..., -1], high + 0.1 * (high - low), rtol=0, atol=1e-12)


SAMPLES = {
    "constant": lambda n: torch.full((n, 2), 0.3),
    "constant far outside": lambda n: torch.full((n, 2), -7e4),
    "zeros": lambda n: torch.zeros(n, 2),
    "two values": lambda n: torch.where(torch.arange(2 * n).view(n, 2) % 3 == 0, -0.5, 0.25),
    "one outlier": lambda n: torch.cat([torch.zeros(n - 1, 2), torch.full((1, 2), 1e6)]),
    "scaled by 1e6": lambda n: 1e6 * torch.randn(n, 2),
    "far from zero": lambda n: 1e6 + torch.rand(n, 2),
    "tiny": lambda n: 1e-30 * torch.rand(n, 2),
    "3 samples": lambda n: torch.rand(3, 2),
    "1 sample": lambda n: torch.rand(1, 2),
}


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("grid_size", [3, 50])
@pytest.mark.parametrize("name", SAMPLES)
def test_grid_update_survives_every_sample(name, grid_size, dtype) -> None:
    model = KAN(2, 2, width=3, grid_size=grid_size, members=2, dtype=dtype)
    x = SAMPLES[name](200).to(dtype)
    for eps in (0.02, 0.0):
        change = model.update_grid(x, grid_eps=eps, margin=0.05)
        assert change.isfinite().all()
        for layer in model.layers:
            assert layer.knots.isfinite().all()
            assert (layer.knots.diff(dim=-1) > 0).all()
        model.zero_grad()
        model(x).square().sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())


def test_constant_inputs_keep_the_width_of_the_grid() -> None:
    layer = KANLayer(2, 1, 10, dtype=DOUBLE)
    before = layer.knots.clone()
    layer.update_grid(torch.tensor([[0.3, 5.0]] * 20, dtype=DOUBLE))
    torch.testing.assert_close(layer.knots[:, 0], before[:, 0])
    torch.testing.assert_close(layer.knots[:, 1], before[:, 1] + 5.0)


def test_nan_is_refused_by_name() -> None:
    model = KAN(3, 1, members=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(2, 9, 3)
    x[1, 4, 2] = float("nan")
    with pytest.raises(ValueError, match="layer 0: a grid from samples needs finite ones: input 2 of member 1"):
        model.update_grid(x)
    with pytest.raises(ValueError, match="finite inputs only"):
        model.extend_domain(x)
    for call, message in (
        (lambda: model.update_grid(torch.rand(0, 3)), "at least one sample"),
        (lambda: model.update_grid(torch.rand(9, 3), grid_eps=1.5), "grid_eps must be between"),
        (lambda: model.update_grid(torch.rand(9, 3), margin=-1.0), "margin must be at least 0"),
        (lambda: model.extend_domain(torch.rand(9, 3), margin=-1.0), "margin must be at least 0"),
        (lambda: model.layer(0).refine(2), "refined to at least as many, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_update_through_a_network_covers_what_every_layer_sees() -> None:
    model = KAN(2, 1, width=4, depth=3, grid_size=15, members=3, dtype=DOUBLE)
    x = 3.0 * torch.randn(3, 500, 2, dtype=DOUBLE)
    assert float(model.outside(x)[:, 0].min()) > 0.5
    model.update_grid(x)
    assert (model.outside(x) == 0).all()
    assert not model.layer(0).uniform


def test_update_moves_predictions_by_as_much_as_it_says() -> None:
    model = KAN(2, 1, grid_size=20, members=2, dtype=DOUBLE)
    x = 2.0 * torch.rand(2, 300, 2, dtype=DOUBLE) - 1.0
    before = model(x)
    change = model.update_grid(x, grid_eps=0.5)
    torch.testing.assert_close(change, (model(x) - before).square().mean(dim=(1, 2)).sqrt())
    assert float(change.max()) < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_domain_extension_moves_nothing_anywhere(dtype) -> None:
    model = KAN(2, 1, width=3, grid_size=20, members=2, dtype=dtype)
    x = torch.linspace(-1.4, 1.4, 401, dtype=dtype)[:, None].expand(-1, 2)
    before = model(x).detach()
    old = model.layer(0).knots.clone()
    new = torch.tensor([[2.35, 0.0], [0.0, -1.21]], dtype=dtype)
    # 14 intervals of 0.1 above, 3 below
    added = model.extend_domain(new)
    assert added >= 17
    assert model.layer(0).grid_size == 37
    assert (model.outside(new) == 0).all()
    torch.testing.assert_close(model.layer(0).knots[..., 3:-14], old, rtol=0, atol=0)
    assert model.layer(0).uniform
    atol = 1e-12 if dtype is DOUBLE else 5e-6
    torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=atol)
    assert model.extend_domain(new) == 0
    # the new intervals can be learned
    model.layer(0)(new).sum().backward()
    assert (model.layer(0).coefficients.grad[:, 0, -4:] != 0).any()


def test_domain_extension_of_an_uneven_grid() -> None:
    layer = KANLayer(1, 2, grid=torch.tensor([-1.0, -0.9, 0.2, 0.3, 1.0]), dtype=DOUBLE)
    x = torch.linspace(-2.5, 2.5, 999, dtype=DOUBLE)[:, None]
    before = layer(x).detach()
    assert layer.extend_domain(torch.tensor([[3.1], [-1.2]], dtype=DOUBLE)) == 6
    assert layer.grid_range == pytest.approx((-1.5, 3.5))
    torch.testing.assert_close(layer(x).detach(), before, rtol=0, atol=1e-12)
    assert layer.extend_domain(torch.tensor([[3.5]], dtype=DOUBLE), margin=0.1) == 1
    knots = widened(layer.knots, 1, 2)
    assert (knots.diff(dim=-1) > 0).all()


@pytest.mark.parametrize("sizes", [(3, 6, 12, 48), (5, 10, 50, 100)])
def test_nested_staircase_is_exact_for_a_whole_network(sizes) -> None:
    model = KAN(2, 1, width=4, grid_size=sizes[0], members=2, grid_range=(-8.0, 8.0), dtype=DOUBLE)
    x = 4.0 * torch.rand(2, 300, 2, dtype=DOUBLE) - 2.0
    assert (model.outside(x) == 0).all()
    before = model(x).detach()
    for size in sizes[1:]:
        change = model.refine(size, x)
        assert float(change.max()) < 1e-12
        assert model.layer(0).grid_size == model.describe()["grid_size"] == size
    torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=1e-12)


def test_staircase_of_the_paper_stays_within_the_stated_tolerance() -> None:
    """3 → 5 → 10 → 20 → 50: a loss L can rise to (√L + δ)² at most, δ the reported change, and δ is small."""
    from continual.optimizers.lbfgs import LBFGS
    from continual.training.stepping import TrainingStep

    torch.manual_seed(0)
    model = KAN(2, 1, layer_sizes=[2, 1, 1], grid_size=3, members=3, dtype=DOUBLE)
    x = 2.0 * torch.rand(3, 400, 2, dtype=DOUBLE) - 1.0
    y = torch.exp(torch.sin(math.pi * x[..., :1]) + x[..., 1:] ** 2)

    def losses() -> torch.Tensor:
        return (model(x) - y).square().mean(dim=(1, 2)).detach()

    model.update_grid(x, grid_eps=1.0, margin=0.1)
    for size in (3, 5, 10, 20, 50):
        if size > 3:
            before = losses()
            covered = (model.outside(x) == 0).all(dim=1)
            change = model.refine(size, x, on_samples=True)
            after = losses()
            assert (after <= (before.sqrt() + change) ** 2 * (1 + 1e-9)).all()
            assert float(model.outside(x).max()) < 0.01
            if size in (10, 20):  # nested, and exact wherever no activation had left its grid
                assert (change[covered] < 1e-12).all()
        step = TrainingStep(model, LBFGS(model.parameters(), max_iter=20))
        for _ in range(3):
            step(x, y)


def test_refinement_on_samples_reaches_out_to_them() -> None:
    layer = KANLayer(2, 3, 4, members=2, dtype=DOUBLE)
    x = torch.rand(2, 100, 2, dtype=DOUBLE)
    x[1, 7, 1] = 1.5
    before = layer(x).detach()
    layer.refine(40, x)
    low, high = layer.input_window()
    assert torch.equal(low, -torch.ones_like(low))
    assert high.tolist() == [[1.0, 1.0], [1.0, 1.5]]
    torch.testing.assert_close(layer(x).detach()[0], before[0], rtol=0, atol=1e-12)
    assert float((layer(x).detach() - before)[1].square().mean().sqrt()) < 1e-3
    x[0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match="finite samples only"):
        layer.refine(50, x)


def diverged(value: float) -> tuple[KAN, torch.Tensor]:
    """Three members, the second of which makes something unusable of its samples."""
    model = KAN(2, 1, width=3, members=3, dtype=DOUBLE)
    model.layer(0).coefficients.data[1] *= value
    model.layer(0).base_weight.data[1] *= value
    return model, 2.0 * torch.rand(3, 60, 2, dtype=DOUBLE) - 1.0


CHANGES = {
    "grid update": lambda model, x: model.update_grid(x),
    "refinement": lambda model, x: model.refine(12, x, on_samples=True),
    "domain extension": lambda model, x: model.extend_domain(x),
}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9, 1e200])
@pytest.mark.parametrize("name", CHANGES)
def test_a_member_that_diverged_does_not_stop_the_others(name, value) -> None:
    model, x = diverged(value)
    alone = [model.member(0), model.member(2)]
    CHANGES[name](model, x)
    assert model.layer(1).grid_size < 200
    for m, one in zip((0, 2), alone, strict=True):
        CHANGES[name](one, x[m : m + 1])
        torch.testing.assert_close(model(x)[m], one(x[m : m + 1])[0], rtol=1e-9, atol=1e-12)


def test_what_would_fill_the_memory_is_refused() -> None:
    model = KAN(1, 1, depth=1)
    with pytest.raises(ValueError, match=r"2.5e\+06 intervals outside the grid, and at most 1000") as caught:
        model.extend_domain(torch.tensor([[1e6]]))
    assert "\n" not in str(caught.value)
    assert model.layer(0).grid_size == 5


def test_knots_that_the_dtype_can_not_tell_apart_are_refused() -> None:
    layer = KANLayer(1, 1, 5, grid_range=(1e4, 1e4 + 0.1))
    before = layer.knots.clone()
    with pytest.raises(ValueError, match="can't tell knots so close apart"):
        layer.refine(400)
    assert torch.equal(layer.knots, before)


@pytest.mark.parametrize("name", CHANGES)
def test_no_samples_are_refused(name) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        CHANGES[name](KAN(2, 1), torch.rand(0, 2))


def test_a_grid_that_lies_elsewhere_is_not_filled_with_cubics_from_afar() -> None:
    """Neighbouring grids, as of one task after another: the old spline has nothing to say on the new one."""
    torch.manual_seed(0)
    knots = extend_grid(uniform_grid(-1.0, -0.6, 50, dtype=DOUBLE), 3).expand(1, 1, -1)
    after = extend_grid(uniform_grid(-0.6, -0.2, 50, dtype=DOUBLE), 3).expand(1, 1, -1)
    coefficients = torch.randn(1, 1, 53, 1, dtype=DOUBLE)
    x = torch.linspace(-0.55, -0.25, 20, dtype=DOUBLE).view(1, 20, 1)
    fitted = refit(coefficients, knots, after, 3, x)
    # all but the first few bases, which reach what is left of the old spline beside its grid
    assert float(fitted[:, :, 10:].abs().max()) < 1e-2
    assert float(fitted.abs().max()) < 2.0
