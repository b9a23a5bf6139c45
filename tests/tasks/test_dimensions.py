"""Gaussian peaks in many dimensions: layouts, targets, turns, overlap, validation sets, each against its definition."""

import itertools

import numpy as np
import pytest
import torch

from tasks import gaussian_peaks, toy_regions, toy_sequence
from tasks.geometry import centers, turns
from tasks.sampling import generators_from

DOUBLE = torch.float64


def generators(members: int = 3):
    return generators_from(list(range(members)), "data")


def middles(curriculum) -> np.ndarray:
    """Centres of the boxes as test points have them, (T, M, d)."""
    ends = [(task.test_inputs.amin(1) + task.test_inputs.amax(1)) / 2 for task in curriculum.tasks]
    return torch.stack(ends).numpy()


def test_layouts_lie_where_they_say() -> None:
    levels = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])
    options = {"dimension": 3, "test_points": 4096}
    diagonal = middles(gaussian_peaks(generators(), **options))
    np.testing.assert_allclose(diagonal, np.broadcast_to(levels[:, None, None], (5, 3, 3)), atol=2e-3)
    line = middles(gaussian_peaks(generators(), layout="line", **options))
    np.testing.assert_allclose(line[..., 0], np.broadcast_to(levels[:, None], (5, 3)), atol=2e-3)
    np.testing.assert_allclose(line[..., 1:], 0.0, atol=2e-3)
    random = middles(gaussian_peaks(generators(), layout="random", **options)).round(2)
    for axis in range(3):
        np.testing.assert_allclose(
            np.sort(random[..., axis], axis=0), np.broadcast_to(levels[:, None], (5, 3)), atol=1e-9
        )
    assert len({random[:, member, axis].tobytes() for member, axis in itertools.product(range(3), (1, 2))}) > 1
    lattice = centers("lattice", 9, 3, 0.4, generators())
    assert sorted(map(tuple, lattice[0].tolist())) == sorted(
        itertools.product([-0.4, 0.0, 0.4], [-0.4, 0.0, 0.4], [0.0])
    )
    assert centers("lattice", 27, 3, 0.4, generators()).unique(dim=1).shape == (1, 27, 3)


@pytest.mark.parametrize("layout", ["diagonal", "line", "random"])
@pytest.mark.parametrize("target", ["product", "additive"])
@pytest.mark.parametrize("dimension", [2, 5])
def test_targets_are_their_formulas(layout, target, dimension) -> None:
    a = 40.0
    options = {"dimension": dimension, "layout": layout, "target": target, "sharpness": a, "normalize": False}
    curriculum = gaussian_peaks(generators(), test_points=4096, **options)
    places = middles(curriculum)
    for task in curriculum.tasks:
        x = task.train_inputs.numpy()
        for member in range(3):
            own = places[:, member].round(2)
            if target == "product":
                expected = sum(np.exp(-a * ((x[member] - c) ** 2).sum(-1)) for c in own)
            else:
                axes = [{round(float(c), 2) for c in own[:, axis]} for axis in range(dimension)]
                each = [sum(np.exp(-a * (x[member, :, i] - c) ** 2) for c in axis) for i, axis in enumerate(axes)]
                expected = sum(each) / dimension
            np.testing.assert_allclose(task.train_targets[member, :, 0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("target", ["product", "additive"])
@pytest.mark.parametrize(("dimension", "sharpness"), [(1, 300.0), (2, 300.0), (2, 30.0), (4, 60.0)])
def test_the_variance_within_a_task_is_that_of_one_dimension(target, dimension, sharpness) -> None:
    """On the middle task, whose neighbours' tails are the largest, to what they and the sampling add."""
    wide = 0.4 * np.sqrt(300.0 / sharpness)  # as wide as the peak, so that tails stay out
    curriculum = gaussian_peaks(
        generators(1),
        dimension=dimension,
        target=target,
        sharpness=sharpness,
        spacing=wide,
        normalize=True,
        test_points=2**14,
    )
    for task in curriculum.tasks:
        assert float(task.test_targets.var()) == pytest.approx(0.1155, rel=0.02)


def test_one_dimension_normalized_is_not_changed_by_a_bit() -> None:
    plain, normalized = gaussian_peaks(generators()), gaussian_peaks(generators(), normalize=True)
    for a, b in zip(plain.tasks, normalized.tasks, strict=True):
        assert torch.equal(a.train_targets, b.train_targets)


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_turns_are_rotations_and_their_shares(dimension) -> None:
    whole = turns(1.0, dimension, dimension, generators())
    assert whole is not None
    identity = torch.eye(dimension, dtype=DOUBLE).expand_as(whole)
    torch.testing.assert_close(whole @ whole.transpose(1, 2), identity)
    torch.testing.assert_close(torch.linalg.det(whole), torch.ones(3, dtype=DOUBLE))
    third = turns(1 / 3, dimension, dimension, generators())
    assert third is not None
    torch.testing.assert_close(third @ third @ third, whole, rtol=1e-10, atol=1e-10)
    assert turns(0.0, dimension, dimension, generators()) is None
    little = turns(1e-6, dimension, dimension, generators())
    torch.testing.assert_close(little, identity, rtol=0, atol=1e-5)


def test_random_rotations_are_uniform() -> None:
    """Columns of a matrix by Haar's measure have mean 0 and covariance I/d."""
    drawn = turns(1.0, 3, 3, generators_from(list(range(2000)), "data"))
    assert drawn is not None
    torch.testing.assert_close(drawn.mean(dim=0), torch.zeros(3, 3, dtype=DOUBLE), rtol=0, atol=0.06)
    torch.testing.assert_close(drawn.square().mean(dim=0), torch.full((3, 3), 1 / 3, dtype=DOUBLE), rtol=0, atol=0.03)


@pytest.mark.parametrize("options", [{"rotation": 0.7}, {"rotation": 1.0}, {"intrinsic_dimension": 2}])
def test_turned_tasks_are_the_same_tasks_in_other_axes(options) -> None:
    """Distances within a member's data, up to one factor, are those of coordinates; and targets follow them."""
    a, space = 50.0, options.get("intrinsic_dimension", 4)
    curriculum = gaussian_peaks(generators(), dimension=4, sharpness=a, normalize=False, **options)
    low, high = curriculum.input_range
    for member in range(3):
        x = torch.cat([task.train_inputs[member] for task in curriculum.tasks])
        assert low <= float(x.min())
        assert float(x.max()) <= high
        assert int(torch.linalg.matrix_rank(x, rtol=1e-9)) == space
        y = torch.cat([task.train_targets[member, :, 0] for task in curriculum.tasks])
        # Σ exp(-a s² ‖x - c‖²) with the centres in a row through the origin, evenly spaced: found from the data
        ends = [task.test_inputs[member].mean(dim=0) for task in (curriculum.tasks[0], curriculum.tasks[-1])]
        step = (ends[1] - ends[0]) / 4
        stretch = 0.4 * space**0.5 / float(step.norm())
        expected = sum(torch.exp(-a * stretch**2 * (x - k * step).square().sum(-1)) for k in range(-2, 3))
        torch.testing.assert_close(y, expected, rtol=0.05, atol=0.02)  # means of samples are nearly the centres


def test_a_member_does_not_depend_on_the_others() -> None:
    options = {"dimension": 3, "layout": "random", "rotation": 0.5, "noise": 0.1}
    together = gaussian_peaks(generators(3), **options)
    alone = gaussian_peaks(generators_from([2], "data"), **options)
    for a, b in zip(together.tasks, alone.tasks, strict=True):
        for name, value in a.tensors().items():
            assert torch.equal(value[2], b.tensors()[name][0]), name


def test_overlap_is_counted_as_by_hand() -> None:
    """Overlap o in one dimension: inner tasks share 2 (o - 1) / o of their width, the outer two half of it."""
    for overlap in (0.5, 1.0, 1.25, 1.5):
        curriculum = gaussian_peaks(generators(1), overlap=overlap, points_per_task=20001)
        share = max(overlap - 1.0, 0.0) / overlap
        assert curriculum.overlap is not None
        assert float(curriculum.overlap) == pytest.approx((3 * 2 * share + 2 * share) / 5, abs=1e-3)
        width = torch.stack([t.train_inputs.amax() - t.train_inputs.amin() for t in curriculum.tasks])
        torch.testing.assert_close(width, torch.full((5,), 0.4 * overlap, dtype=DOUBLE))
    plane = gaussian_peaks(generators(2), dimension=2, overlap=1.25, points_per_task=20000)
    share = (0.25 / 1.25) ** 2
    torch.testing.assert_close(plane.overlap, torch.full((2,), 8 * share / 5, dtype=DOUBLE), rtol=0, atol=5e-3)
    assert gaussian_peaks(generators(1), peaks=1).overlap is None


@pytest.mark.parametrize("axis", [0, 1, "diagonal"])
def test_regions_with_overlap(axis) -> None:
    apart, touching, shared = (
        toy_regions(generators(2), axis=axis, overlap=overlap, points_per_task=4000) for overlap in (0.5, 1.0, 1.5)
    )
    assert apart.overlap is not None
    assert touching.overlap is not None
    assert shared.overlap is not None
    assert float(apart.overlap.max()) == float(touching.overlap.max()) == 0.0
    # inner tasks show 1.5 parts, one half at either end a neighbour's; the outer show 1.25, the domain ends there
    inner, outer = 1.0 / 1.5, 0.5 / 1.25
    torch.testing.assert_close(
        shared.overlap, torch.full((2,), (3 * inner + 2 * outer) / 5, dtype=DOUBLE), rtol=0, atol=0.02
    )


def test_parts_across_the_diagonal_have_equal_volume_and_tile_the_domain() -> None:
    curriculum = toy_regions(generators(1), axis="diagonal", regions=4, test_points=2000)
    x = torch.rand(100_000, 2, dtype=DOUBLE) * 2 - 1
    mean = (x + 1).mean(dim=1) / 2
    ends = [((t.test_inputs[0] + 1).mean(dim=1) / 2).aminmax() for t in curriculum.tasks]
    shares = [float(((mean >= low) & (mean <= high)).double().mean()) for low, high in ends]
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
    for (_, before), (after, _) in itertools.pairwise(ends):
        assert float(after - before) == pytest.approx(0.0, abs=5e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: gaussian_peaks(generators()),
        lambda: gaussian_peaks(generators(), dimension=3, rotation=0.5, order="random"),
        lambda: toy_regions(generators(), axis="diagonal"),
        lambda: toy_sequence(generators()),
    ],
)
def test_every_task_has_a_validation_set_of_its_own(make) -> None:
    for task in make().tasks:
        inputs, targets = task.measured_on("validation")
        assert inputs.shape == task.test_inputs.shape
        assert targets.shape == task.test_targets.shape
        for other in (task.train_inputs, task.test_inputs):
            distances = (inputs[0, :, None] - other[0, None]).abs().amax(dim=-1)
            assert float(distances.min()) > 1e-12
        assert (inputs.amin(1) - task.test_inputs.amin(1)).abs().max() < 0.1  # the same place


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 0}, "dimension must be at least 1"),
        ({"dimension": 60}, "nearly zero in all of its box"),
        ({"dimension": 100_000}, "nearly zero in all of its box"),
        ({"layout": "line"}, "layout=line needs at least 2 inputs"),
        ({"dimension": 2, "layout": "ring"}, "layout must be one of"),
        ({"dimension": 2, "layout": "lattice"}, "layout=lattice needs n² tasks"),
        ({"dimension": 2, "layout": "lattice", "peaks": 1}, "layout=lattice needs n² tasks"),
        ({"dimension": 2, "target": "sum"}, "target must be one of"),
        ({"dimension": 2, "rotation": 1.5}, "rotation must be between 0 and 1"),
        ({"rotation": 0.5}, "rotation needs at least 2 inputs"),
        ({"dimension": 3, "intrinsic_dimension": 4}, "between 1 and dimension=3"),
        ({"dimension": 3, "intrinsic_dimension": 0}, "between 1 and dimension=3"),
        ({"dimension": 3, "intrinsic_dimension": 2, "rotation": 0.5}, "leave one of them out"),
        ({"dimension": 2, "overlap": 0.0}, "overlap must be positive"),
        ({"overlap": 1.0, "half_width": 0.1}, "give one of them"),
        ({"overlap": float("nan")}, "must be positive and finite"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_peaks(generators(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 2}, "or diagonal; got 2"),
        ({"axis": "across"}, "or diagonal; got 'across'"),
        ({"axis": "diagonal", "function": "bessel"}, "needs at least 2 inputs"),
        ({"overlap": -1.0}, "overlap must be positive"),
    ],
)
def test_regions_that_are_none_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        toy_regions(generators(), **options)
