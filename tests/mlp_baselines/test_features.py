"""Gaussian networks and Fourier features against sums written out, and what they say of their locality."""

import math

import numpy as np
import pytest
import torch

from kan.variants.rbf import RBFLayer
from mlp_baselines import FourierFeatures, RBFLattice, RBFNetwork

DOUBLE = torch.float64


@pytest.mark.parametrize("bandwidth", [0.7, 1.0, 2.0])
@torch.no_grad()
def test_a_lattice_is_its_gaussians_written_out(bandwidth) -> None:
    model = RBFLattice(2, 2, 3, grid_range=(-1.0, 2.0), bandwidth=bandwidth, bias=True, members=2, dtype=DOUBLE)
    model.bias.normal_()
    points = 4.0 * torch.rand(6, 2, dtype=DOUBLE) - 1.5
    axis = [-1.0, 0.0, 1.0, 2.0]
    for m in range(2):
        for b, (x, y) in enumerate(points.tolist()):
            for o in range(2):
                expected = float(model.bias[m, 0, o])
                for i, first in enumerate(axis):
                    for j, second in enumerate(axis):
                        squared = (x - first) ** 2 + (y - second) ** 2
                        expected += float(model.weights[m, 4 * i + j, o]) * math.exp(-squared / bandwidth**2)
                assert float(model(points)[m, b, o]) == pytest.approx(expected, rel=1e-12)


def test_in_one_input_a_lattice_is_an_edge_of_gaussians() -> None:
    model = RBFLattice(1, 3, 6, members=2, dtype=DOUBLE)
    layer = RBFLayer(1, 3, 6, base="zero", members=2, dtype=DOUBLE)
    with torch.no_grad():
        layer.coefficients.copy_(model.weights.unsqueeze(1))
    x = 3.0 * torch.rand(50, 1, dtype=DOUBLE) - 1.5
    torch.testing.assert_close(model(x), layer(x), rtol=1e-14, atol=1e-14)
    assert model.input_range == (-1.0, 1.0)


def test_gradients_of_a_lattice_decay_with_the_distance_in_all_directions() -> None:
    model = RBFLattice(3, 1, 4, dtype=DOUBLE)
    x = torch.tensor([[0.2, -0.3, 0.1]], dtype=DOUBLE)
    model(x).sum().backward()
    axis = torch.linspace(-1.0, 1.0, 5, dtype=DOUBLE)
    distance = (torch.cartesian_prod(axis, axis, axis) - x).square().sum(1)
    torch.testing.assert_close(model.weights.grad[0, :, 0], torch.exp(-distance / 0.25), rtol=1e-12, atol=0)


@torch.no_grad()
def test_a_network_is_its_gaussians_written_out() -> None:
    model = RBFNetwork(3, 2, width=4, members=2, dtype=DOUBLE)
    model.sharpness.normal_()
    points = 2.0 * torch.rand(2, 5, 3, dtype=DOUBLE) - 1.0
    predictions = model(points)
    for m in range(2):
        for b in range(5):
            expected = np.zeros(2)
            for j in range(4):
                squared = sum(float(points[m, b, i] - model.centers[m, j, i]) ** 2 for i in range(3))
                height = math.exp(-(float(model.sharpness[m, j]) ** 2) * squared)
                expected += model.weights[m, j].numpy() * height
            np.testing.assert_allclose(predictions[m, b].numpy(), expected, rtol=1e-12)


def test_centres_start_in_the_box_and_as_wide_as_a_lattice_of_as_many() -> None:
    model = RBFNetwork(2, 1, width=400, grid_range=(1.0, 4.0), bandwidth=1.5, members=3, dtype=DOUBLE)
    centers = model.centers.detach()
    assert 1.0 <= float(centers.min()) < 1.05
    assert 3.95 < float(centers.max()) <= 4.0
    torch.testing.assert_close(centers.mean(dim=(0, 1)), torch.full((2,), 2.5, dtype=DOUBLE), rtol=0, atol=0.1)
    torch.testing.assert_close(1.0 / model.sharpness.detach(), torch.full((3, 400), 1.5 * 3.0 / 20.0, dtype=DOUBLE))


def test_what_is_not_trained_stays() -> None:
    model = RBFNetwork(2, 1, width=5, train_centers=False, train_bandwidths=False)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["weights"]
    assert model.describe()["centers"] == "drawn"


def kernel_estimates(width: int, members: int, points: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """One a member and pair of points, (M, B, B)."""
    model = FourierFeatures(points.shape[1], 1, width, bandwidth=bandwidth, members=members, dtype=DOUBLE)
    waves = model.features(points.expand(members, *points.shape))
    return waves @ waves.transpose(1, 2) / width


def test_waves_approximate_the_gaussian_kernel_at_the_known_rate() -> None:
    points = torch.tensor([[0.0, 0.0], [0.2, 0.1], [-0.3, 0.4], [0.9, -0.9]], dtype=DOUBLE)
    bandwidth, members, errors = 0.4, 3000, []
    squared = torch.cdist(points, points).square()
    kernel, twice = torch.exp(-squared / (2 * bandwidth**2)), torch.exp(-4 * squared / (2 * bandwidth**2))
    widths = [4, 16, 64]
    for width in widths:
        found = kernel_estimates(width, members, points, bandwidth)
        variance = (1.0 + twice / 2.0 - kernel.square()) / width
        standard_error = (variance / members).sqrt()
        assert float(((found.mean(0) - kernel) / standard_error).abs().max()) < 4.5
        torch.testing.assert_close(found.var(0), variance, rtol=0.12, atol=0.0)
        errors.append(float((found - kernel).square().mean().sqrt()))
    assert np.polyfit(np.log(widths), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.02)


def test_waves_are_their_definition_and_start_as_large_as_asked() -> None:
    model = FourierFeatures(2, 1, 50, noise_scale=0.3, members=400, dtype=DOUBLE)
    x = torch.rand(4, 2, dtype=DOUBLE)
    angles = torch.einsum("bi,mif->mbf", x, model.frequencies) + model.phases
    expected = torch.einsum("mbf,mfo->mbo", math.sqrt(2.0) * torch.cos(angles), model.weights)
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    assert float(model(x).detach().std()) == pytest.approx(0.3, rel=0.1)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"weights"}
