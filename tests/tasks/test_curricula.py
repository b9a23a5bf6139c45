"""Tasks and curricula: the settings of the papers, separation of test data, seeds, orders."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.special
import torch

from tasks import Curriculum, Task, function_fit, gaussian_peaks, toy_regions, toy_sequence
from tasks.functions import FUNCTIONS
from tasks.functions.paper import PAPER_FUNCTIONS
from tasks.sampling import even_points, generators_from


def generators(members: int = 2, first: int = 0):
    return generators_from(list(range(first, first + members)), "data")


def test_five_peaks_are_those_of_the_paper() -> None:
    curriculum = gaussian_peaks(generators())
    assert len(curriculum) == 5
    assert curriculum.input_range == pytest.approx((-1.0, 1.0))
    for task, center in zip(curriculum.tasks, [-0.8, -0.4, 0.0, 0.4, 0.8], strict=True):
        x, y = task.train_inputs, task.train_targets
        assert x.shape == y.shape == (2, 100, 1)
        np.testing.assert_allclose(x[0, :, 0], np.linspace(center - 0.2, center + 0.2, 100), atol=1e-15)
        own = torch.exp(-300 * (x - center) ** 2)
        torch.testing.assert_close(y, own, rtol=0, atol=1e-5)  # neighbours add e^-12 at the ends
    rms = float(curriculum.tasks[2].train_targets.square().mean().sqrt())
    assert rms == pytest.approx(0.4232, abs=2e-3)  # the error of zero, as pykan's matrices have it


def test_test_points_are_no_training_points_and_lie_on_the_same_interval() -> None:
    for points in (1, 2, 5, 100, 101, 500, 501, 999):
        curriculum = gaussian_peaks(generators(1), points_per_task=points)
        for task in curriculum.tasks:
            test = task.test_inputs[0, :, 0]
            assert float((task.train_inputs[0] - test[None]).abs().min()) > 1e-9
            assert task.train_inputs.min() <= test.min() + 0.4
    points = even_points(-1.0, 1.0, 500)
    assert -1.0 < float(points.min()) < float(points.max()) < 1.0


def test_noise_is_each_members_own_and_only_in_training() -> None:
    clean, noisy = gaussian_peaks(generators()), gaussian_peaks(generators(), noise=0.1)
    for a, b in zip(clean.tasks, noisy.tasks, strict=True):
        assert torch.equal(a.test_targets, b.test_targets)
        difference = b.train_targets - a.train_targets
        assert float(difference.std()) == pytest.approx(0.1, rel=0.25)
        assert not torch.equal(difference[0], difference[1])


def test_orders() -> None:
    forward, backward = gaussian_peaks(generators()), gaussian_peaks(generators(), order="right_to_left")
    assert [t.name for t in backward.tasks] == [t.name for t in forward.tasks][::-1]
    random = gaussian_peaks(generators(6), order="random")
    centers = torch.stack([task.train_inputs.mean(dim=(1, 2)) for task in random.tasks], dim=1)
    assert len({tuple(row.tolist()) for row in centers}) > 1
    for row in centers:
        torch.testing.assert_close(row.sort().values, torch.tensor([-0.8, -0.4, 0, 0.4, 0.8], dtype=row.dtype))


def test_members_have_the_same_data_alone_and_in_any_company() -> None:
    def build(seeds):
        return toy_regions(generators_from(seeds, "data"), function="exp_sin", noise=0.1, order="random")

    together, alone = build([3, 4, 5]), build([4])
    for many, one in zip(together.tasks, alone.tasks, strict=True):
        assert torch.equal(many.train_inputs[1], one.train_inputs[0])
        assert torch.equal(many.train_targets[1], one.train_targets[0])
        assert torch.equal(many.test_inputs[1], one.test_inputs[0])


def test_streams_of_one_seed_differ() -> None:
    a, b = generators_from([0], "data")[0], generators_from([0], "model")[0]
    assert not torch.equal(torch.rand(4, generator=a), torch.rand(4, generator=b))


def test_target_functions_by_numpy() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (50, 100))
    positive = np.abs(x) + 0.1
    formulas = {
        "bessel": scipy.special.j0(20 * x[:, 0]),
        "exp_sin": np.exp(np.sin(math.pi * x[:, 0]) + x[:, 1] ** 2),
        "product": x[:, 0] * x[:, 1],
        "high_dimensional": np.exp((np.sin(math.pi * x / 2) ** 2).sum(1) / 100),
        "two_radii": np.exp(
            0.5 * (np.sin(math.pi * (x[:, 0] ** 2 + x[:, 1] ** 2)) + np.sin(math.pi * (x[:, 2] ** 2 + x[:, 3] ** 2)))
        ),
        "quotient": positive[:, 0] / positive[:, 1],
        "exp_bessel": np.exp(scipy.special.j0(20 * x[:, 0]) + x[:, 1] ** 2),
        "phase_transition": np.tanh(5 * (x[:, 0] ** 4 + x[:, 1] ** 4 + x[:, 2] ** 4 - 1)),
        "distance": np.sqrt((x[:, 0] - x[:, 1]) ** 2 + (x[:, 2] - x[:, 3]) ** 2),
    }
    assert {*formulas, "first_digit"} == set(PAPER_FUNCTIONS)
    for name, expected in formulas.items():
        target = FUNCTIONS[name]
        inputs = (positive if name == "quotient" else x)[:, : target.in_features]
        values = target.function(torch.from_numpy(inputs))
        assert values.shape == (50, 1)
        np.testing.assert_allclose(values[:, 0], expected, rtol=1e-12, atol=1e-12)


def test_first_digit_is_one_hot() -> None:
    """The paper's own examples, and both ends of the domain."""
    x = torch.tensor([[0.0618], [0.314], [0.0], [1.0]], dtype=torch.float64)
    assert FUNCTIONS["first_digit"].function(x).argmax(-1).tolist() == [0, 3, 0, 9]
    assert (FUNCTIONS["first_digit"].function(x).sum(-1) == 1).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_can_be_fitted_on_its_domain(name) -> None:
    curriculum = function_fit(generators(), function=name, points=50, test_points=64)
    (task,) = curriculum.tasks
    target = FUNCTIONS[name]
    assert task.name == target.formula
    for x in (task.train_inputs, task.test_inputs):
        low, high = torch.tensor(target.domain).unbind(1)
        assert ((x >= low) & (x <= high)).all()
    assert curriculum.input_range == (min(low for low, _ in target.domain), max(high for _, high in target.domain))
    torch.testing.assert_close(task.test_targets, target.function(task.test_inputs))
    assert task.train_targets.isfinite().all()
    assert (curriculum.view is not None) == (target.in_features <= 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_normalized_inputs_fill_the_unit_box_and_targets_stay(name) -> None:
    target = FUNCTIONS[name]
    plain = function_fit(generators(), function=name, points=50, test_points=64, noise=0.1)
    scaled = function_fit(generators(), function=name, points=50, test_points=64, noise=0.1, normalize=True)
    assert scaled.input_range == (-1.0, 1.0)
    assert scaled.name == plain.name
    (a,), (b,) = plain.tasks, scaled.tasks
    assert a.name == b.name
    low, high = torch.tensor(target.domain, dtype=torch.float64).unbind(1)
    for field in ("train", "test"):
        x, z = getattr(a, f"{field}_inputs"), getattr(b, f"{field}_inputs")
        assert float(z.abs().max()) <= 1.0
        torch.testing.assert_close(z, (x - low) / (high - low) * 2 - 1, rtol=0, atol=1e-12)
        torch.testing.assert_close(getattr(b, f"{field}_targets"), getattr(a, f"{field}_targets"), rtol=1e-9, atol=1e-9)
    assert (scaled.view is None) == (plain.view is None)
    if plain.view is not None and scaled.view is not None:
        assert scaled.view.inputs[0].tolist() == [-1.0] * scaled.in_features
        assert scaled.view.inputs[-1].tolist() == [1.0] * scaled.in_features
        if name != "first_digit":  # the view's points lie on its jumps
            torch.testing.assert_close(scaled.view.targets, plain.view.targets)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_normalized_functions_never_leave_the_domain(name) -> None:
    """Corners are met exactly, and no rounding carries a point beyond them."""
    target = FUNCTIONS[name]
    seen = []
    spy = dataclasses.replace(target, function=lambda x: seen.append(x) or x[..., :1]).normalized()
    draws = torch.rand(1000, target.in_features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    corners = draws.round() * 2 - 1
    close = torch.nextafter(corners, torch.zeros_like(corners))
    low, high = torch.tensor(target.domain, dtype=torch.float64).unbind(1)
    for z in (corners, close, draws * 2 - 1):
        spy.function(z)
        assert ((seen[-1] >= low) & (seen[-1] <= high)).all()
    assert torch.equal(seen[0], torch.where(corners > 0, high, low))
    assert target.normalized().function(corners).isfinite().all()


@pytest.mark.parametrize("axis", [0, 1])
def test_regions_tile_the_domain_along_one_input(axis) -> None:
    curriculum = toy_regions(generators(), function="product", regions=4, axis=axis, points_per_task=50)
    for index, task in enumerate(curriculum.tasks):
        low, high = -1 + 0.5 * index, -1 + 0.5 * (index + 1)
        for x in (task.train_inputs, task.test_inputs):
            assert ((x[..., axis] >= low) & (x[..., axis] <= high)).all()
            assert float(x[..., 1 - axis].min()) < -0.8
            assert float(x[..., 1 - axis].max()) > 0.8
        torch.testing.assert_close(task.train_targets[..., 0], task.train_inputs.prod(-1))


def test_functions_of_one_and_two_inputs_have_a_view() -> None:
    assert toy_regions(generators(), function="bessel").view is not None
    view = toy_regions(generators(), function="exp_sin").view
    assert view is not None
    corners = view.inputs.view(25, 25, 2)[[0, 0, -1, -1], [0, -1, 0, -1]]  # the first input changes fastest
    assert corners.tolist() == [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    torch.testing.assert_close(view.targets, FUNCTIONS["exp_sin"].function(view.inputs))
    assert toy_regions(generators(), function="two_radii").view is None


def test_sequence_shows_different_functions_of_the_same_inputs() -> None:
    curriculum = toy_sequence(generators(), functions=["bessel", "product"], points_per_task=20)
    first, second = curriculum.tasks
    assert curriculum.in_features == 2
    torch.testing.assert_close(first.train_targets, FUNCTIONS["bessel"].function(first.train_inputs))
    torch.testing.assert_close(second.train_targets, second.train_inputs.prod(-1, keepdim=True))


def test_test_error_of_the_test_set_is_negligible() -> None:
    """A coarse and a fine test set give the same RMSE of predicting zero."""
    for build in (lambda n: toy_regions(generators(1), function="exp_sin", test_points=n),):
        coarse, fine = build(1000), build(20000)
        for a, b in zip(coarse.tasks, fine.tasks, strict=True):
            rms = [float(t.test_targets.square().mean().sqrt()) for t in (a, b)]
            assert rms[0] == pytest.approx(rms[1], rel=5e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_peaks(generators(), peaks=0), "peaks must be at least 1"),
        (lambda: gaussian_peaks(generators(), points_per_task=0), "points_per_task must be at least 1"),
        (lambda: gaussian_peaks(generators(), test_points=0), "test_points must be at least 1"),
        (lambda: gaussian_peaks(generators(), spacing=0.0), "spacing must be positive"),
        (lambda: gaussian_peaks(generators(), sharpness=-1.0), "sharpness must be positive"),
        (lambda: gaussian_peaks(generators(), half_width=float("nan")), "half_width must be positive"),
        (lambda: gaussian_peaks(generators(), noise=-0.1), "noise must be"),
        (lambda: gaussian_peaks(generators(), order="inwards"), "order must be one of"),
        (lambda: toy_regions(generators(), function="sinc"), "function must be one of"),
        (lambda: toy_regions(generators(), regions=0), "regions must be at least 1"),
        (lambda: toy_regions(generators(), axis=2), "axis must be between 0 and 1"),
        (lambda: toy_sequence(generators(), functions=[]), "at least one function"),
        (lambda: toy_sequence(generators(), functions=["sinc"]), "function must be one of"),
        (lambda: toy_sequence(generators(), functions=["product", "quotient"]), "must share one domain"),
        (lambda: function_fit(generators(), function="sinc"), "function must be one of"),
        (lambda: function_fit(generators(), points=0), "points must be at least 1"),
        (lambda: Curriculum("empty", [], (0.0, 1.0)), "at least one task"),
        (lambda: Task("t", *[torch.zeros(1, 0, 1)] * 4), "N ≥ 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
