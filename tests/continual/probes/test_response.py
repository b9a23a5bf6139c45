"""The response profile against closed forms, steps of finite size and the Jacobian by brute force."""

import numpy as np
import pytest
import torch

from continual.probes import Response, fall_radius, response_profile, thinned
from continual.probes.response import unit_directions
from kan import KAN
from tests.continual.probes.models import Foreign, brute_jacobian, drawn, local_kan, mlp, training

BOX = (-1.0, 1.0)


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_one_layer_of_splines_answers_nowhere_beyond_its_supports(inputs, order) -> None:
    model = local_kan(inputs, grid_size=20, spline_order=order)
    beyond = (order + 1) * 0.1 * inputs**0.5  # k + 1 intervals on every axis, along a diagonal
    radii = np.array([0.0, 0.3 * beyond, beyond * (1 + 1e-9), 1.3 * beyond, 2 * beyond])
    x = 0.3 * drawn(2, 40, inputs)
    profile = response_profile(model, x, unit_directions("diagonal", inputs, 0), radii, BOX)
    assert bool((profile[:, 2:] == 0.0).all())
    assert bool((profile[:, 1] > 1e-3).all())
    assert profile[:, 0].tolist() == [1.0, 1.0]


def test_along_one_axis_the_other_inputs_still_answer() -> None:
    """K = Σ_i K_i: where one of three inputs is far, two thirds of the answer are left, with the same x on all axes."""
    model = local_kan(3, grid_size=20)
    x = 0.3 * drawn(2, 10, 1).expand(-1, -1, 3).contiguous()
    profile = response_profile(model, x, unit_directions("axis", 3, 0), np.array([0.0, 0.5]), BOX)
    assert torch.allclose(profile[:, 1], torch.full((2,), 2 / 3, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: local_kan(2),
        lambda: KAN(2, 1, width=3, depth=2, members=2, dtype=torch.float64),
        lambda: mlp(2),
        lambda: Foreign(2),
    ],
    ids=["kan", "deep kan", "mlp", "foreign"],
)
def test_it_is_what_a_small_step_does(make) -> None:
    model, x = make(), 0.5 * drawn(2, 1, 2)
    direction, radii = unit_directions("random", 2, 1), np.array([0.0, 0.2, 0.4])
    profile = response_profile(model, x, direction, radii, BOX)
    there = torch.cat([x + radius * direction for radius in radii.tolist()], dim=1)
    parameters = [each for each in model.parameters() if each.requires_grad]
    slopes = torch.autograd.grad(model(x).sum(), parameters, allow_unused=True)
    ends = []
    for size in (1e-5, -1e-5):
        for parameter, slope in zip(parameters, slopes, strict=True):
            if slope is not None:
                parameter.data.add_(slope, alpha=size)
        ends.append(model(there).detach()[..., 0])
        for parameter, slope in zip(parameters, slopes, strict=True):
            if slope is not None:
                parameter.data.sub_(slope, alpha=size)
    change = (ends[0] - ends[1]).abs()
    assert torch.allclose(profile, change / change[:, :1], rtol=0, atol=1e-8)


def test_of_several_outputs_it_is_the_size_of_the_kernel() -> None:
    model, x = mlp(2, 3), 0.3 * drawn(2, 4, 2)
    direction, radii = unit_directions("random", 2, 2), np.array([0.0, 0.5])
    profile = response_profile(model, x, direction, radii, BOX)
    anchors, expected = brute_jacobian(model, x), []
    for radius in radii.tolist():
        kernels = [brute_jacobian(model, x + radius * u) @ anchors.mT for u in direction]
        expected.append(sum(kernel.flatten(2).norm(dim=2).sum(dim=1) for kernel in kernels))
    assert torch.allclose(profile[:, 1], expected[1] / expected[0], rtol=0, atol=1e-10)


def test_only_points_in_the_box_count() -> None:
    model = mlp()
    x = torch.tensor([[[0.9], [-0.4]]], dtype=torch.float64).expand(2, -1, -1)
    profile = response_profile(model, x, torch.ones(1, 1, dtype=torch.float64), np.array([0.0, 0.5, 1.5]), BOX)
    alone = response_profile(model, x[:, 1:], torch.ones(1, 1, dtype=torch.float64), np.array([0.5]), BOX)
    there = brute_jacobian(model, x[:, 1:] + 0.5) @ brute_jacobian(model, x[:, 1:]).mT
    own = brute_jacobian(model, x[:, 1:]) @ brute_jacobian(model, x[:, 1:]).mT
    assert torch.allclose(profile[:, 1], (there / own).abs().flatten(), rtol=0, atol=1e-12)
    assert torch.equal(profile[:, 1], alone[:, 0])
    assert bool(profile[:, 2].isnan().all())


def test_a_member_does_not_depend_on_the_others() -> None:
    model, x = mlp(2, members=3), 0.5 * drawn(3, 5, 2)
    arguments = unit_directions("axis", 2, 0), np.array([0.0, 0.1, 0.3]), BOX
    together = response_profile(model, x, *arguments)
    for parameter in model.parameters():
        parameter.data[:2] = 100.0
    assert torch.allclose(response_profile(model, x, *arguments)[2], together[2], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("profile", "radius"),
    [
        ([1.0, 0.75, 0.25, 0.0], 1.5),
        ([1.0, 0.5, 0.4, 0.6], 1.0),  # the first time
        ([1.0, 0.9, 0.8, 0.7], np.inf),
        ([1.0, 0.9, np.nan, 0.1], np.inf),
        ([np.nan] * 4, np.nan),
        ([1.0, 0.0, np.nan, np.nan], 0.5),
    ],
)
def test_the_radius_of_a_half(profile, radius) -> None:
    found = fall_radius(np.array([profile]), np.arange(4.0), 0.5)
    assert np.array_equal(found, [radius], equal_nan=True)


def test_the_probe_puts_kinds_of_directions_side_by_side() -> None:
    whole = training(model=local_kan())
    probe = Response(["axis", "random"], samples=6, points=9, reach=0.7)
    probe.check(whole)
    found = probe.measure(whole.model, whole.curriculum, 0)
    radii = probe.fixed(whole.curriculum)["radii"]
    assert found["profile"].shape == (2, 2, 9)
    assert radii[0] == 0.0
    assert radii[-1] == pytest.approx(0.7)
    x = thinned(torch.cat([task.train_inputs for task in whole.curriculum.tasks], dim=1), 6)
    for place, kind in enumerate(("axis", "random")):
        alone = response_profile(whole.model, x, unit_directions(kind, 1, 4), radii, whole.curriculum.input_range)
        np.testing.assert_allclose(found["profile"][:, place], alone, rtol=1e-12)
    assert np.array_equal(found["mean_half_radius"], found["half_radius"].mean(axis=1))
    assert (found["half_radius"] < 0.15).all()  # an interval of 0.1 and a half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"directions": ["sideways"]}, "probe.response.directions must be some of diagonal, axis, random"),
        ({"directions": []}, "probe.response.directions must be some of"),
        ({"samples": 0}, "probe.response.samples must be positive, got 0"),
        ({"points": 2}, "probe.response.points must be at least 3, got 2"),
        ({"reach": -1.0}, "probe.response.reach must be positive, got -1.0"),
    ],
)
def test_mistakes(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        Response(**arguments)
