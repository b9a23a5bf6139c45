"""SIREN's start: the distributions that its paper derives, through all layers, and where it is the MLP of sines."""

import numpy as np
import pytest
import torch
from scipy.stats import arcsine, kstest, norm

from mlp_baselines import MLP, SIREN
from mlp_baselines.affine import affine
from tasks.sampling import generators_from

DOUBLE = torch.float64


def layers(model: SIREN, x: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of every hidden layer: ω x W, ω (x W + b) and the sines."""
    found = []
    for index, (weight, bias) in enumerate(list(zip(model.weights, model.biases, strict=True))[:-1]):
        omega = model.omega if index else model.first_omega
        z = x @ weight
        x = model.units()[index](affine(x, weight, bias))
        torch.testing.assert_close(x, torch.sin(omega * (z + bias)))
        found.append(tuple(each.detach().numpy() for each in (omega * z, omega * (z + bias), x)))
    return found


def test_distributions_stay_the_same_through_the_layers() -> None:
    """First sines follow the arcsine law; what weights make of them is normal, at every depth nearly as wide."""
    model = SIREN(1, 1, width=1200, depth=8, generators=generators_from([0], "model"), dtype=DOUBLE)
    x = torch.linspace(-1.0, 1.0, 41, dtype=DOUBLE)[None, :, None]
    (_, _, first), *later = layers(model, x)
    assert first.var() == pytest.approx(0.5, abs=0.02)
    assert kstest(first.ravel(), arcsine(loc=-1, scale=2).cdf).statistic < 0.03
    before = first
    for weighted, phases, sines in later:
        assert weighted.var() == pytest.approx(2.0 * np.mean(before**2), rel=0.06)
        assert 0.77 < weighted.var() < 1.06
        assert kstest(weighted.ravel() / weighted.std(), norm.cdf).statistic < 0.02
        assert np.mean(sines**2) == pytest.approx(0.5 * (1.0 - np.exp(-2.0 * phases.var())), abs=0.01)
        before = sines


@pytest.mark.parametrize("width", [40, 640])
def test_biases_add_their_part_to_the_variance(width) -> None:
    model = SIREN(2, 1, width=width, depth=4, members=20, dtype=DOUBLE)
    x = 2.0 * torch.rand(20, 30, 2, dtype=DOUBLE) - 1.0
    for weighted, phases, _ in layers(model, x)[1:]:
        assert phases.var() - weighted.var() == pytest.approx(30.0**2 / (3 * width), rel=0.15)


def test_with_one_frequency_it_is_the_mlp_of_sines() -> None:
    options = {"width": 9, "depth": 3, "omega": 7.0, "members": 2, "dtype": DOUBLE}
    siren, mlp = (
        make(2, 1, generators=generators_from([1, 2], "model"), **more, **options)
        for make, more in ((SIREN, {"first_omega": 7.0}), (MLP, {"activation": "sine"}))
    )
    x = torch.rand(20, 2, dtype=DOUBLE)
    assert torch.equal(siren(x), mlp(x))
    siren.first_omega = 14.0
    assert not torch.equal(siren(x), mlp(x))
    with torch.no_grad():
        siren.weights[0].mul_(0.5)
        siren.biases[0].mul_(0.5)
    torch.testing.assert_close(siren(x), mlp(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_layers_with_parameters(depth) -> None:
    model = SIREN(2, 1, width=3, depth=depth)
    assert len(model.units()) == depth - 1
    assert model.describe()["depth"] == len(model.weights) == depth
    assert model.describe()["family"] == "SIREN"
