"""The library of functions, and affine fits of them to samples."""

import math

import pytest
import scipy.special
import sympy
import torch

from kan.symbolic.affine_fit import fit_symbol
from kan.symbolic.functions import LIBRARY, SymbolicFunction, add_function, find_function, function_of

DOUBLE = torch.float64
SHAPE = (3, 1, 2)  # members, one sample, inputs


def uniform(low, high, *shape) -> torch.Tensor:
    return low + (high - low) * torch.rand(*shape, dtype=DOUBLE)


def arguments(function, count=200) -> torch.Tensor:
    """Arguments where the function equals its formula, negative ones too where there are any."""
    u = uniform(max(function.low, -4.0), min(function.high, 4.0), count)
    return u[u.abs() > 0.05]


def random_composition(function, samples, slopes=(0.5, 5.0)):
    """Inputs and values of c f(a x + b) + d with all arguments in the domain, whatever the units of the inputs.

    Returns:
        x, y, a and b, where a and b belong to the inputs as they are.
    """
    low, half = uniform(-3.0, 3.0, *SHAPE), 10.0 ** uniform(-1.0, 1.0, *SHAPE)
    middle = half * low
    t = uniform(-1.0, 1.0, SHAPE[0], samples, SHAPE[2])
    slope = torch.exp(uniform(*map(math.log, slopes), *SHAPE))
    offset = slope * uniform(-0.9, 0.9, *SHAPE)
    if function.high < math.inf:
        slope = uniform(0.3, 0.95, *SHAPE) * function.high
        offset = (function.high - slope) * uniform(-0.9, 0.9, *SHAPE)
    elif function.low > -math.inf or function.gap:
        offset = slope * uniform(1.01, 3.0, *SHAPE)
    c, d = torch.exp(uniform(-2.0, 2.0, *SHAPE)), uniform(-2.0, 2.0, *SHAPE)
    x = middle + half * t
    return x, (c * function(slope * t + offset) + d).unsqueeze(-1), slope / half, offset - slope * middle / half


@pytest.mark.parametrize("name", LIBRARY)
def test_values_and_slopes_are_numbers_everywhere(name) -> None:
    for dtype in (torch.float32, torch.float64):
        u = torch.cat(
            (torch.linspace(-60, 60, 4001, dtype=dtype), torch.tensor([0.0, 1e-30, -1e-30, 1e-8], dtype=dtype))
        )
        u.requires_grad_()
        values = find_function(name)(u)
        values.sum().backward()
        assert values.dtype == dtype
        assert values.isfinite().all()
        assert u.grad.isfinite().all()


@pytest.mark.parametrize("name", LIBRARY)
def test_function_equals_its_formula_where_it_says_so(name) -> None:
    function, symbol = find_function(name), sympy.Symbol("u")
    u = arguments(function)
    assert function.contains(u).all()
    expression = sympy.lambdify(symbol, function.formula(symbol), ["scipy", "numpy"])
    torch.testing.assert_close(
        function(u), torch.as_tensor(expression(u.numpy()), dtype=DOUBLE).expand(u.shape), rtol=1e-12, atol=1e-12
    )
    ends = torch.tensor([end for end in (function.low, function.high) if abs(end) < math.inf], dtype=DOUBLE)
    torch.testing.assert_close(
        function(ends),
        torch.as_tensor(expression(ends.numpy()), dtype=DOUBLE).expand(ends.shape),
        rtol=1e-11,
        atol=1e-11,
    )


@pytest.mark.parametrize("name", LIBRARY)
def test_slopes_are_the_functions_own(name) -> None:
    if name != "sign":
        u = arguments(find_function(name), 20).requires_grad_()
        assert torch.autograd.gradcheck(find_function(name), (u,))


@pytest.mark.parametrize("name", LIBRARY)
def test_symmetries_hold(name) -> None:
    function = find_function(name)
    u = arguments(function)
    for k in (0.3, 1.0, 2.5):
        if function.stretch is not None:
            factor, offset = function.stretch(k)
            torch.testing.assert_close(function(k * u), factor * function(u) + offset, rtol=1e-12, atol=1e-12)
        if function.shift is not None:
            factor, offset = function.shift(-k)
            torch.testing.assert_close(function(u - k), factor * function(u) + offset, rtol=1e-12, atol=1e-12)
    if function.mirror is not None:
        factor, offset = function.mirror
        torch.testing.assert_close(function(-u), factor * function(u) + offset, rtol=1e-12, atol=1e-12)
    if function.antiperiod is not None:
        torch.testing.assert_close(function(u + function.antiperiod), -function(u), rtol=1e-12, atol=1e-12)


def test_bessel_function_is_scipys_and_can_be_differentiated_again_and_again() -> None:
    u = uniform(-30.0, 30.0, 40).requires_grad_()
    bessel = find_function("J0")
    assert torch.equal(bessel(u), torch.from_numpy(scipy.special.j0(u.detach().numpy())))
    assert torch.autograd.gradgradcheck(bessel, (u[:10],))


@pytest.mark.parametrize("name", [name for name in LIBRARY if name not in ("0", "sign")])
def test_fits_recover_random_compositions(name) -> None:
    function = find_function(name)
    x, y, a, b = random_composition(function, 300, (1.0, 16.0) if function.oscillates else (0.5, 5.0))
    fit = fit_symbol(function, x, y)
    assert (fit.r2 > 1.0 - 1e-12).all()
    fitted = fit.affine.squeeze(2)
    torch.testing.assert_close(value_of(function, fit, x), y, rtol=1e-7, atol=1e-7)
    found_a, found_b, a, b = fitted[..., 0], fitted[..., 1], a.squeeze(1), b.squeeze(1)
    if function.stretch is None:
        torch.testing.assert_close(found_a.abs() if function.mirror else found_a, a, rtol=1e-6, atol=0.0)
    if function.shift is None and function.antiperiod is None:
        reach = x.amax(1) - x.amin(1)
        torch.testing.assert_close(found_b / found_a / reach, b / a / reach, rtol=0.0, atol=1e-6)
    if function.antiperiod is not None:
        turns = (found_b * found_a.sign() - b) / function.antiperiod
        torch.testing.assert_close(turns, turns.round(), rtol=0.0, atol=1e-6)


def value_of(function, fit, x) -> torch.Tensor:
    a, b, c, d = fit.affine.unsqueeze(1).unbind(-1)
    return c * function(a * x.unsqueeze(-1) + b) + d


def test_a_step_is_found_to_within_a_few_samples() -> None:
    x = uniform(-1.0, 1.0, 2, 400, 3)
    at = uniform(-0.7, 0.7, 2, 1, 3)
    fit = fit_symbol(find_function("sign"), x, (2.0 * (x - at).sign() + 1.0).unsqueeze(-1))
    assert (fit.r2 > 0.95).all()
    assert ((-fit.affine[..., 1] / fit.affine[..., 0]).squeeze(-1) - at.squeeze(1)).abs().max() < 0.06


def test_fits_are_least_squares_also_through_noise() -> None:
    function = find_function("tanh")
    x, clean, a, _ = random_composition(function, 2000, (1.0, 3.0))
    spread = clean.std(1, keepdim=True)
    y = clean + 0.1 * spread * torch.randn_like(clean)
    fit = fit_symbol(function, x, y)
    left = (value_of(function, fit, x) - y).square().sum(1)
    torch.testing.assert_close(fit.r2, 1.0 - left / (y - y.mean(1, keepdim=True)).square().sum(1), rtol=0, atol=1e-12)
    assert (left <= (clean - y).square().sum(1)).all()  # the truth itself is one of the candidates
    assert (fit.r2 - 1.0 / 1.01).abs().max() < 0.003
    torch.testing.assert_close(fit.affine[:, :, 0, 0], a.squeeze(1), rtol=0.3, atol=0.0)


def test_fits_do_not_depend_on_units() -> None:
    function = find_function("gaussian")
    x = uniform(-1.0, 1.0, 1, 200, 1)
    y = (x + 0.3 * torch.sin(5 * x)).unsqueeze(-1)
    fit = fit_symbol(function, x, y)
    other = fit_symbol(function, 1e6 * x + 3e6, 1e-5 * y)
    torch.testing.assert_close(fit.r2, other.r2, rtol=0, atol=1e-9)


def test_arguments_stay_where_function_and_formula_agree() -> None:
    x = uniform(-1.0, 1.0, 2, 100, 2)
    y = torch.randn(2, 100, 2, 3, dtype=DOUBLE)
    for name in ("log", "sqrt", "1/sqrt", "1/x", "1/x^2", "arcsin", "arccos", "tan"):
        function = find_function(name)
        fit = fit_symbol(function, x, y)
        u = fit.affine[..., 0].unsqueeze(1) * x.unsqueeze(-1) + fit.affine[..., 1].unsqueeze(1)
        assert function.contains(u).all()
        assert ((u > 0).all(1) | (u < 0).all(1) | (function.gap == 0)).all()  # no pole between the samples
        assert ((fit.r2 >= 0) & (fit.r2 < 1)).all()


@pytest.mark.parametrize("name", LIBRARY)
def test_constants_are_fitted_exactly(name) -> None:
    x = uniform(-1.0, 1.0, 1, 20, 2)
    y = torch.tensor([0.0, 3.0, -2e-7], dtype=DOUBLE).expand(1, 20, 2, 3)
    for inputs in (x, torch.full_like(x, 0.7)):
        fit = fit_symbol(find_function(name), inputs, y)
        assert (fit.r2 == 1.0).all()
        assert (fit.affine[..., 2] == 0.0).all()
        torch.testing.assert_close(value_of(find_function(name), fit, inputs), y, rtol=1e-15, atol=0.0)


def test_zero_explains_nothing_that_varies_and_edges_can_be_left_out() -> None:
    x = uniform(-1.0, 1.0, 1, 20, 1)
    fit = fit_symbol(find_function("0"), x, x.unsqueeze(-1))
    assert float(fit.r2) == 0.0
    y = torch.cat((x, x), -1).unsqueeze(2)
    partly = fit_symbol(find_function("x"), x, y, torch.tensor([[[False, True]]]))
    assert partly.r2.flatten().tolist() == [0.0, 1.0]
    assert float(partly.affine[0, 0, 0, 2]) == 0.0


def test_edges_side_by_side_are_fitted_like_each_alone() -> None:
    x = uniform(-1.0, 1.0, 3, 150, 2)
    y = torch.stack((torch.sin(3.0 * x), x**2 - 0.2 * x, torch.exp(x).abs()), -1) + 0.01 * torch.randn(3, 150, 2, 3)
    for name in ("sin", "x^2", "tanh"):
        fit = fit_symbol(find_function(name), x, y)
        alone = fit_symbol(find_function(name), x[1:2, :, :1], y[1:2, :, :1, 2:])
        torch.testing.assert_close(alone.r2[0, 0, 0], fit.r2[1, 0, 2], rtol=0, atol=1e-7)


def test_samples_that_can_not_be_fitted_are_refused() -> None:
    x = torch.zeros(1, 4, 1)
    with pytest.raises(ValueError, match=r"expected inputs \(M, B, I\) and values"):
        fit_symbol(find_function("x"), x, torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match="must be finite"):
        fit_symbol(find_function("x"), x, torch.full((1, 4, 1, 1), math.nan))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no function 'sine' in the library: nearest is 'sin' of 0, x, ") as caught:
        find_function("sine")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="choose from 0, x, "):
        find_function("@")
    with pytest.raises(ValueError, match="number 12, which the library lacks"):
        function_of(12)


def test_users_add_functions_of_their_own() -> None:
    with pytest.raises(ValueError, match="'sin' can't be added"):
        add_function(find_function("sin"))
    sinc = SymbolicFunction("sinc", torch.sinc, lambda u: sympy.sinc(sympy.pi * u), oscillates=True, mirror=(1.0, 0.0))
    add_function(sinc)
    try:
        assert function_of(sinc.code) is sinc
        x, y, _, _ = random_composition(sinc, 200)
        assert (fit_symbol(find_function("sinc"), x, y).r2 > 1.0 - 1e-9).all()
    finally:
        del LIBRARY["sinc"]


def test_codes_are_part_of_the_format_of_state_dicts() -> None:
    assert len({function.code for function in LIBRARY.values()}) == len(LIBRARY)
    assert (find_function("sin").code, find_function("x^2").code) == (3083047850, 1229767072)


@pytest.mark.parametrize("name", ["x^2", "exp", "tanh", "log", "sin"])
def test_an_edge_is_fitted_as_it_would_be_alone(name) -> None:
    """Noisy targets that the function does not fit, so that each edge needs its own number of steps."""
    function = find_function(name)
    x = torch.rand(1, 80, 12, dtype=torch.float64)
    y = torch.sin(torch.linspace(1.0, 9.0, 12, dtype=torch.float64) * x) + 0.1 * torch.randn_like(x)
    together = fit_symbol(function, x, y.unsqueeze(-1))
    for i in range(12):
        alone = fit_symbol(function, x[..., i : i + 1], y[..., i : i + 1].unsqueeze(-1))
        torch.testing.assert_close(together.r2[:, i], alone.r2[:, 0], rtol=0, atol=1e-10)
        torch.testing.assert_close(together.affine[:, i], alone.affine[:, 0], rtol=1e-5, atol=1e-7)
