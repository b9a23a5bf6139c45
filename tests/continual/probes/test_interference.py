"""Gradient cosines and kernel overlaps against closed forms and brute force."""

import pytest
import torch

from continual.probes import Interference, gradient_cosines, kernel_overlap, kernel_squares
from kan import KAN
from tests.continual.probes.models import Foreign, brute_jacobian, drawn, local_kan, mlp, training

MODELS = {
    "kan": lambda: local_kan(2, 2, grid_size=4),
    "deep kan": lambda: KAN(2, 2, width=3, depth=2, members=2, dtype=torch.float64),
    "mlp": lambda: mlp(2, 2),
    "foreign": lambda: Foreign(2, 2),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("samples", [3, 60])  # fewer and more rows than parameters: either side of the product
@pytest.mark.parametrize("numbers", [None, 1, 500])
def test_blocks_of_the_kernel_are_those_of_brute_force(make, samples, numbers) -> None:
    model = make()
    inputs = [drawn(2, samples, 2, seed=seed) for seed in range(3)]
    slopes = [brute_jacobian(model, x).flatten(1, 2) for x in inputs]
    expected = torch.stack([torch.stack([(a @ b.mT).square().sum((1, 2)) for b in slopes], 1) for a in slopes], 1)
    found = kernel_squares(model, inputs, numbers)
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)
    norms = expected.sqrt()
    own = norms.diagonal(dim1=1, dim2=2)
    assert torch.allclose(kernel_overlap(found), norms / (own[:, :, None] * own[:, None]).sqrt(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("samples", [5, 200])
def test_tasks_apart_on_every_axis_share_nothing_of_a_local_kan(samples) -> None:
    model = local_kan(2, grid_size=20)  # intervals of 0.1, supports of 0.4
    apart = [-0.9 + 0.1 * drawn(2, samples, 2, seed=1), 0.1 * drawn(2, samples, 2, seed=2) + 0.1]
    touching = [apart[0], torch.stack([apart[0][..., 0], apart[1][..., 1]], dim=-1)]  # the first axis is shared
    assert kernel_overlap(kernel_squares(model, apart))[:, 0, 1].tolist() == [0.0, 0.0]
    assert bool((kernel_overlap(kernel_squares(model, touching))[:, 0, 1] > 0.1).all())
    targets = [drawn(2, samples, 1, seed=seed) for seed in (3, 4)]
    assert gradient_cosines(model, apart, targets)[:, 0, 1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("samples", [2, 30])
def test_the_overlap_of_an_affine_map_equals_its_formula(samples) -> None:
    """F = x W + b has K(x, x') = (1 + x · x') times the identity of the outputs."""
    model = mlp(3, 2, depth=1)
    x, z = drawn(2, samples, 3), drawn(2, samples, 3, seed=1) + 0.5
    norms = [(1 + a @ b.mT).square().sum((1, 2)).sqrt() for a, b in ((x, z), (x, x), (z, z))]
    found = kernel_overlap(kernel_squares(model, [x, z]))[:, 0, 1]
    assert torch.allclose(found, norms[0] / (norms[1] * norms[2]).sqrt(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_cosines_are_those_of_gradients_by_hand(make) -> None:
    model = make()
    inputs, targets = ([drawn(2, 9, 2, seed=seed + shift) for seed in range(2)] for shift in (0, 7))
    pulls = [
        torch.einsum("mbo,mbop->mp", model(x).detach() - y, brute_jacobian(model, x))
        for x, y in zip(inputs, targets, strict=True)
    ]
    expected = torch.nn.functional.cosine_similarity(pulls[0], pulls[1], dim=1)
    found = gradient_cosines(model, inputs, targets)
    assert torch.allclose(found[:, 0, 1], expected, rtol=0, atol=1e-10)
    assert torch.allclose(found.diagonal(dim1=1, dim2=2), torch.ones(2, 2, dtype=torch.float64))


def test_where_nothing_pulls_nothing_is_said() -> None:
    model = mlp(depth=1)
    x = [drawn(2, 4, 1, seed=seed) for seed in range(2)]
    cosine = gradient_cosines(model, x, [model(x[0]).detach(), model(x[1]).detach() + 1.0])
    assert bool(cosine[:, 0].isnan().all())
    assert torch.allclose(cosine[:, 1, 1], torch.ones(2, dtype=torch.float64))
    outside = [x[0], x[1] + 50.0]
    assert bool(kernel_overlap(kernel_squares(local_kan(), outside))[:, 0, 1].isnan().all())


def test_means_are_over_pairs_of_different_tasks() -> None:
    whole = training()
    probe = Interference(samples=5)
    found = probe.measure(whole.model, whole.curriculum, 0)
    overlap = found["overlap"]
    expected = (overlap[:, 0, 1] + overlap[:, 0, 2] + overlap[:, 1, 2]) / 3
    assert torch.allclose(found["mean_overlap"], expected, rtol=0, atol=1e-14)
    x = [task.train_inputs[:, [0, 5, 10, 14, 19]] for task in whole.curriculum.tasks]
    y = [task.train_targets[:, [0, 5, 10, 14, 19]] for task in whole.curriculum.tasks]
    assert torch.equal(overlap, kernel_overlap(kernel_squares(whole.model, x)))
    assert torch.equal(found["cosine"], gradient_cosines(whole.model, x, y))


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"probe.interference.samples must be positive, got 0"):
        Interference(samples=0)
