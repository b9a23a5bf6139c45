"""Special functions against integrals, recurrences, special values and explicit formulas."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import torch

from tasks.functions.special import SPECIAL_FUNCTIONS

NAMES = (
    *("ellipj", "ellipkinc", "ellipeinc", "jv", "yv", "kv", "iv", "lpmv_0", "lpmv_1", "lpmv_2"),
    *("sph_harm_0_1", "sph_harm_1_1", "sph_harm_0_2", "sph_harm_1_2", "sph_harm_2_2"),
)


def at(name, first, second) -> np.ndarray:
    first, second = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    values = SPECIAL_FUNCTIONS[name].function(torch.from_numpy(np.stack([first, second], axis=-1)))
    assert values.shape == (*first.shape, 1)
    assert values.dtype == torch.float64
    return values[..., 0].numpy()


def inside(name, points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    first, second = SPECIAL_FUNCTIONS[name].domain
    draw = np.random.default_rng(0)
    return draw.uniform(*first, points), draw.uniform(*second, points)


def integral(integrand, low, high, nodes: int = 200) -> np.ndarray:
    """Gauss–Legendre from `low` to `high`; the integrand takes an array with the nodes along a new last axis."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    half = 0.5 * (np.asarray(high, dtype=float) - low)
    return half * (integrand(low + half[..., None] * (points + 1.0)) * weights).sum(-1)


def test_they_are_those_of_the_table() -> None:
    assert tuple(SPECIAL_FUNCTIONS) == NAMES
    assert all(target.in_features == 2 for target in SPECIAL_FUNCTIONS.values())


@pytest.mark.parametrize("name", NAMES)
def test_values_are_finite_and_moderate_on_the_whole_domain(name) -> None:
    ends = [np.linspace(low, high, 41) for low, high in SPECIAL_FUNCTIONS[name].domain]
    values = at(name, *np.meshgrid(*ends))
    assert np.isfinite(values).all()
    assert 0.3 < np.abs(values).max() < 50.0
    for corner in itertools.product(*SPECIAL_FUNCTIONS[name].domain):
        assert np.isfinite(at(name, *corner))


@pytest.mark.parametrize("name", NAMES)
def test_values_are_smooth(name) -> None:
    """Third differences shrink with the third power of the step: no jump at a half or whole order or degree."""
    for axis in (0, 1):
        largest = []
        for points in (161, 321):
            ends = [np.linspace(low, high, 17) for low, high in SPECIAL_FUNCTIONS[name].domain]
            ends[axis] = np.linspace(*SPECIAL_FUNCTIONS[name].domain[axis], points)
            largest.append(np.abs(np.diff(at(name, *np.meshgrid(*ends, indexing="ij")), n=3, axis=axis)).max())
        assert largest[1] < 0.2 * largest[0] + 1e-12


def test_elliptic_sine() -> None:
    u, m = inside("ellipj")
    np.testing.assert_allclose(at("ellipj", u, 0.0), np.sin(u), atol=1e-13)
    np.testing.assert_allclose(at("ellipj", u, 1.0), np.tanh(u), atol=1e-13)
    h = 1e-4
    slope = (at("ellipj", u + h, m) - at("ellipj", u - h, m)) / (2 * h)
    sn = at("ellipj", u, m)
    np.testing.assert_allclose(slope**2, (1 - sn**2) * (1 - m * sn**2), atol=1e-6)
    phi = np.linspace(0.0, math.pi / 2, 20)
    np.testing.assert_allclose(at("ellipj", at("ellipkinc", phi, 0.6), 0.6), np.sin(phi), atol=1e-12)


@pytest.mark.parametrize(("name", "power"), [("ellipkinc", -0.5), ("ellipeinc", 0.5)])
def test_elliptic_integrals(name, power) -> None:
    phi, m = inside(name)
    expected = integral(lambda t: (1.0 - m[:, None] * np.sin(t) ** 2) ** power, 0.0, phi)
    np.testing.assert_allclose(at(name, phi, m), expected, rtol=1e-11)
    np.testing.assert_allclose(at(name, phi, 0.0), phi, rtol=1e-14)


def test_bessel_functions_by_their_integrals() -> None:
    order, x = inside("jv")
    v, z = order[:, None], x[:, None]
    whole, far = np.full(60, math.pi), np.full(60, 6.0)
    sine = np.sin(order * math.pi)
    first = integral(lambda t: np.cos(v * t - z * np.sin(t)), 0.0, whole) / math.pi
    first -= sine / math.pi * integral(lambda t: np.exp(-z * np.sinh(t) - v * t), 0.0, far, 400)
    np.testing.assert_allclose(at("jv", order, x), first, atol=1e-11)
    second = integral(lambda t: np.sin(z * np.sin(t) - v * t), 0.0, whole) / math.pi
    second -= (
        integral(
            lambda t: (np.exp(v * t) + np.exp(-v * t) * np.cos(v * math.pi)) * np.exp(-z * np.sinh(t)), 0.0, far, 400
        )
        / math.pi
    )
    np.testing.assert_allclose(at("yv", order, x), second, atol=1e-11)


def test_modified_bessel_functions_by_their_integrals() -> None:
    order, x = inside("kv")
    v, z = order[:, None], x[:, None]
    whole, far = np.full(60, math.pi), np.full(60, 6.0)
    expected = integral(lambda t: np.exp(-z * np.cosh(t)) * np.cosh(v * t), 0.0, far, 400)
    np.testing.assert_allclose(at("kv", order, x), expected, rtol=1e-11)
    expected = integral(lambda t: np.exp(z * np.cos(t)) * np.cos(v * t), 0.0, whole) / math.pi
    expected -= np.sin(order * math.pi) / math.pi * integral(lambda t: np.exp(-z * np.cosh(t) - v * t), 0.0, far, 400)
    np.testing.assert_allclose(at("iv", order, x), expected, rtol=1e-11)


def test_bessel_functions_of_neighbouring_orders() -> None:
    order, x = np.meshgrid(np.linspace(0.0, 1.0, 11), np.linspace(1.0, 5.0, 11))
    wronskian = at("jv", order + 1, x) * at("yv", order, x) - at("jv", order, x) * at("yv", order + 1, x)
    np.testing.assert_allclose(wronskian, 2 / (math.pi * x), rtol=1e-12)
    wronskian = at("iv", order, x) * at("kv", order + 1, x) + at("iv", order + 1, x) * at("kv", order, x)
    np.testing.assert_allclose(wronskian, 1 / x, rtol=1e-12)
    x = x[:, 0]
    np.testing.assert_allclose(at("jv", 0.5, x), np.sqrt(2 / (math.pi * x)) * np.sin(x), atol=1e-13)
    np.testing.assert_allclose(at("yv", 0.5, x), -np.sqrt(2 / (math.pi * x)) * np.cos(x), atol=1e-13)
    np.testing.assert_allclose(at("kv", 0.5, x), np.sqrt(math.pi / (2 * x)) * np.exp(-x), rtol=1e-13)
    np.testing.assert_allclose(at("iv", 0.5, x), np.sqrt(2 / (math.pi * x)) * np.sinh(x), rtol=1e-13)


def test_legendre_functions_of_whole_degree_are_the_polynomials() -> None:
    x = np.linspace(-0.9, 0.9, 31)
    s = np.sqrt(1 - x**2)
    polynomials = {
        "lpmv_0": [1 + 0 * x, x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2, (35 * x**4 - 30 * x**2 + 3) / 8],
        "lpmv_1": [0 * x, -s, -3 * x * s, -1.5 * (5 * x**2 - 1) * s, -2.5 * (7 * x**3 - 3 * x) * s],
        "lpmv_2": [0 * x, 0 * x, 3 * s**2, 15 * x * s**2, 7.5 * (7 * x**2 - 1) * s**2],
    }
    for name, values in polynomials.items():
        for degree, expected in enumerate(values):
            np.testing.assert_allclose(at(name, degree, x), expected, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_legendre_functions_of_broken_degree_are_hypergeometric(order) -> None:
    v, x = inside(f"lpmv_{order}")
    series = scipy.special.hyp2f1(order - v, order + v + 1, order + 1, (1 - x) / 2)
    factor = scipy.special.gamma(v + order + 1) * scipy.special.rgamma(v - order + 1) / math.factorial(order)
    expected = factor * (-0.5 * np.sqrt(1 - x**2)) ** order * series
    np.testing.assert_allclose(at(f"lpmv_{order}", v, x), expected, atol=1e-10)


HARMONICS = {
    (0, 1): lambda azimuth, polar: math.sqrt(3 / (4 * math.pi)) * np.cos(polar),
    (1, 1): lambda azimuth, polar: -math.sqrt(3 / (8 * math.pi)) * np.sin(polar) * np.cos(azimuth),
    (0, 2): lambda azimuth, polar: math.sqrt(5 / (16 * math.pi)) * (3 * np.cos(polar) ** 2 - 1),
    (1, 2): lambda azimuth, polar: -math.sqrt(15 / (8 * math.pi)) * np.sin(polar) * np.cos(polar) * np.cos(azimuth),
    (2, 2): lambda azimuth, polar: math.sqrt(15 / (32 * math.pi)) * np.sin(polar) ** 2 * np.cos(2 * azimuth),
}


@pytest.mark.parametrize(("order", "degree"), HARMONICS)
def test_spherical_harmonics(order, degree) -> None:
    azimuth, polar = inside(f"sph_harm_{order}_{degree}")
    expected = HARMONICS[order, degree](azimuth, polar)
    np.testing.assert_allclose(at(f"sph_harm_{order}_{degree}", azimuth, polar), expected, atol=1e-14)


@pytest.mark.parametrize(("order", "degree"), HARMONICS)
def test_spherical_harmonics_of_older_scipy(order, degree, monkeypatch) -> None:
    """Before SciPy 1.15: sph_harm(order, degree, azimuth, polar)."""

    def sph_harm(m, n, theta, phi) -> np.ndarray:
        return HARMONICS[m, n](theta, phi) + 1j

    monkeypatch.delattr(scipy.special, "sph_harm_y", raising=False)
    monkeypatch.setattr(scipy.special, "sph_harm", sph_harm, raising=False)
    azimuth, polar = inside(f"sph_harm_{order}_{degree}")
    expected = HARMONICS[order, degree](azimuth, polar)
    np.testing.assert_allclose(at(f"sph_harm_{order}_{degree}", azimuth, polar), expected, atol=1e-14)
