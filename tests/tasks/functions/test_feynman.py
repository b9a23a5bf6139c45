"""Feynman equations against the equations with units that they come from, and their KANs by hand."""

import itertools

import numpy as np
import pytest
import torch
from numpy import arcsin, cos, exp, log, pi, sin, sqrt

from tasks.functions.feynman import FEYNMAN_EQUATIONS, FURTHER_FEYNMAN_EQUATIONS

EQUATIONS = {
    "I.6.2": (lambda t, s: exp(-(t**2) / (2 * s**2)) / sqrt(2 * pi * s**2), "2,2,1,1"),
    "I.6.2b": (lambda t, u, s: exp(-((t - u) ** 2) / (2 * s**2)) / sqrt(2 * pi * s**2), "3,2,2,1,1"),
    "I.9.18": (lambda a, b, c, d, e, f: a / ((b - 1) ** 2 + (c - d) ** 2 + (e - f) ** 2), "6,4,2,1,1"),
    "I.12.11": (lambda a, t: 1 + a * sin(t), "2,2,2,1"),
    "I.13.12": (lambda a, b: a / b - a, "2,2,1"),
    "I.15.3x": (lambda a, b: (1 - a) * (1 - b**2) ** -0.5, "2,2,1,1"),
    "I.16.6": (lambda a, b: np.tanh(np.arctanh(a) + np.arctanh(b)), "2,2,2,2,2,1"),
    "I.18.4": (lambda a, b: 1 - a * (1 - b) / (1 + a), "2,2,2,1,1"),
    "I.26.2": (lambda n, t: arcsin(n * sin(t)), "2,2,2,1,1"),
    "I.27.6": (lambda a, b: 1 / (1 + a * b), "2,2,1,1"),
    "I.29.16": (lambda a, t, u: abs(exp(1j * u) - a * exp(1j * t)), "3,2,2,3,2,1,1"),
    "I.30.3": (lambda n, t: (1 - cos(n * t)) / (1 - cos(t)), "2,3,2,2,1,1"),
    "I.30.5": (lambda a, n: arcsin(a / n), "2,1,1"),
    "I.37.4": (lambda a, d: abs(1 + sqrt(a) * exp(1j * d)) ** 2, "2,3,2,1"),
    "I.40.1": (lambda n, a: n / exp(a), "2,1,1"),
    "I.44.4": (lambda n, a: log(a**n), "2,2,1"),
    "I.50.26": (lambda a, k: cos(a) + k * (1 + cos(2 * a)) / 2, "2,2,3,1"),
    "II.2.42": (lambda a, b: a * b - b, "2,2,1"),
    "II.6.15a": (lambda a, b, c: c * sqrt(a**2 + b**2) / (4 * pi), "3,2,2,2,1"),
    "II.11.7": (lambda n, a, t: n + n * a * cos(t), "3,3,3,2,2,1"),
    "II.11.27": (lambda n, k: 3 * n * k / (3 - n * k), "2,2,1,2,1"),
    "II.35.18": (lambda n, a: n / (2 * np.cosh(a)), "2,1,1"),
    "II.36.38": (lambda a, k, b: a + k * b, "3,3,1"),
    "II.38.3": (lambda a, b: a / b, "2,1,1"),
    "III.9.52": (lambda a, b, c: a * (sin((b - c) / 2) / ((b - c) / 2)) ** 2, "3,2,3,1,1"),
    "III.10.19": (lambda a, b: sqrt(1 + a**2 + b**2), "2,1,1"),
    "III.17.37": (lambda k, b, t: b + k * b * cos(t), "3,3,3,2,2,1"),
}
"""By the equation's number: the function in other words where there are some, and the table's KAN."""


FURTHER = {
    "I.8.14": lambda a, b, c: abs(1 - a + 1j * (b - c)),
    "I.11.19": lambda a, b, c, d: np.einsum("i...,i...->...", [a, c, 1 + 0 * a], [b, d, 1 + 0 * a]),
    "I.15.3t": lambda a, b: (1 - a) * (1 - b**2) ** -0.5,
    "I.32.17": lambda k, a: 0.5 * k * (8 * pi / 3) * (a**2 / (a**2 - 1)) ** 2,
    "II.11.28": lambda n, k: (3 + 2 * n * k) / (3 - n * k),
    "II.34.29b": lambda g, a, b: exp(log(g) + log(a) + log(b)),
    "III.15.27": lambda k, n: 2 * pi * k / n,
}
"""Those that are learned in sequence besides."""


def name_of(equation: str) -> str:
    return "feynman_" + equation.replace(".", "_")


def test_they_are_those_of_the_table() -> None:
    assert list(FEYNMAN_EQUATIONS) == [name_of(equation) for equation in EQUATIONS]
    assert len(EQUATIONS) == 27


@pytest.mark.parametrize("equation", EQUATIONS)
def test_equation(equation) -> None:
    function, shape = EQUATIONS[equation]
    target = FEYNMAN_EQUATIONS[name_of(equation)]
    assert ",".join(map(str, target.kan_shape)) == shape
    assert target.in_features == target.kan_shape[0] == function.__code__.co_argcount
    low, high = np.array(target.domain).T
    x = np.random.default_rng(0).uniform(low, high, (3, 50, len(low)))
    wider = np.concatenate([x, np.full((3, 50, 2), np.nan)], axis=-1)  # inputs after the first I are not for it
    values = target.function(torch.from_numpy(wider))
    assert values.shape == (3, 50, 1)
    np.testing.assert_allclose(values[..., 0], function(*np.moveaxis(x, -1, 0)), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("equation", FURTHER)
def test_further_equation(equation) -> None:
    assert len(FURTHER) == len(FURTHER_FEYNMAN_EQUATIONS) == 7
    target = FURTHER_FEYNMAN_EQUATIONS[name_of(equation)]
    assert target.in_features == FURTHER[equation].__code__.co_argcount
    low, high = np.array(target.domain).T
    x = np.random.default_rng(0).uniform(low, high, (50, len(low)))
    values = target.function(torch.from_numpy(x))
    np.testing.assert_allclose(values[..., 0], FURTHER[equation](*np.moveaxis(x, -1, 0)), rtol=1e-11, atol=1e-11)


ALL = {**FEYNMAN_EQUATIONS, **FURTHER_FEYNMAN_EQUATIONS}


@pytest.mark.parametrize("name", ALL)
def test_values_are_finite_and_moderate_on_the_whole_domain(name) -> None:
    target = ALL[name]
    points = 5 if target.in_features == 6 else 21
    ends = [torch.linspace(*ends, points, dtype=torch.float64) for ends in target.domain]
    values = target.function(torch.cartesian_prod(*ends))
    assert values.isfinite().all()
    largest = 100.0 if name == "feynman_I_32_17" else 25.0  # near its pole, as far as the ranges reach
    assert 0.1 < float(values.abs().max()) < largest
    corners = torch.tensor(list(itertools.product(*target.domain)), dtype=torch.float64)
    assert target.function(corners).isfinite().all()


def test_resonance_and_chord_where_numerator_and_denominator_vanish() -> None:
    resonance = FEYNMAN_EQUATIONS["feynman_III_9_52"].function
    close = torch.tensor([[0.7, 2.0, 2.0], [0.7, 2.0, 2.0 + 1e-9], [0.7, 2.0, 2.0 - 1e-5]], dtype=torch.float64)
    torch.testing.assert_close(resonance(close)[:, 0], torch.full((3,), 0.7, dtype=torch.float64), rtol=0, atol=1e-10)
    chord = FEYNMAN_EQUATIONS["feynman_I_29_16"].function
    close = torch.tensor([[1.0, 3.0, 3.0], [1.0, 3.0, 3.0 + 1e-9]], dtype=torch.float64)
    torch.testing.assert_close(chord(close)[:, 0], torch.tensor([0.0, 1e-9], dtype=torch.float64), rtol=1e-6, atol=0)
