"""Digits and patients as tasks: whose samples are whose, what each scenario changes, and files that are not there."""

import gzip
import struct

import numpy as np
import pytest
import torch

from tasks import diabetes, digits
from tasks.benchmarks.pictures import read_pictures
from tasks.losses import LOSSES, ClassSquaredError
from tasks.sampling import generators_from

pytest.importorskip("sklearn")


def made(seeds=(3, 4), **settings):
    settings = {"points_per_class": 6, "test_points": 4, **settings}
    return digits(generators_from(seeds, "data"), **settings)


@pytest.mark.parametrize(("scenario", "outputs"), [("class", 10), ("task", 10), ("domain", 2)])
def test_classes_a_few_at_a_time(scenario, outputs) -> None:
    whole = made(scenario=scenario)
    assert (whole.in_features, whole.out_features, len(whole)) == (64, outputs, 5)
    pictures, labels = read_pictures("digits", "", "train")
    known = {tuple(2.0 * picture.ravel() - 1.0): label for picture, label in zip(pictures, labels, strict=True)}
    for index, task in enumerate(whole.tasks):
        assert task.columns == ((2 * index, 2 * index + 1) if scenario == "task" else None)
        for name in ("train", "test", "validation"):
            inputs, targets = task.tensors()[f"{name}_inputs"], task.tensors()[f"{name}_targets"]
            truth = torch.tensor([[known[tuple(x.tolist())] for x in member] for member in inputs])
            assert set(truth.unique().tolist()) == {2 * index, 2 * index + 1}
            place = task.own(targets).argmax(dim=2)
            assert torch.equal(place, truth - 2 * index if scenario != "class" else truth)


def test_no_sample_is_in_two_sets_and_members_draw_their_own() -> None:
    both, alone = made((3, 4)), made((4,))
    for ours, theirs in zip(both.tasks, alone.tasks, strict=True):
        for name, values in ours.tensors().items():
            torch.testing.assert_close(values[1:], theirs.tensors()[name], rtol=0, atol=0)
        everything = torch.cat([ours.train_inputs, ours.test_inputs, ours.validation_inputs], dim=1)
        assert everything.shape[1] == 2 * (6 + 4 + 4)
        assert len(everything[0].unique(dim=0)) == everything.shape[1]  # no two pictures of the set are equal
        assert not torch.equal(everything[0], everything[1])


def test_permuted_pixels_are_the_same_pictures() -> None:
    whole = made(scenario="permuted", tasks=3)
    first, second, third = (task.train_inputs for task in whole.tasks)
    assert torch.equal(first.sort(dim=2).values, second.sort(dim=2).values)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    plain = made(scenario="rotated", tasks=1).tasks[0].train_inputs
    torch.testing.assert_close(first, plain, rtol=0, atol=1e-12)
    order = [(first[0, :, i, None] == second[0]).all(dim=0) for i in range(64)]
    assert all(bool(each.any()) for each in order)  # one permutation for all pictures of a member


def test_turned_by_a_right_angle_anticlockwise() -> None:
    whole = made(scenario="rotated", tasks=2, degrees=90.0)
    first, second = (task.train_inputs.unflatten(2, (8, 8)) for task in whole.tasks)
    torch.testing.assert_close(second, first.rot90(1, dims=(2, 3)), rtol=0, atol=1e-12)
    assert torch.equal(whole.tasks[0].train_targets, whole.tasks[1].train_targets)


def _idx(path, values: np.ndarray, squeeze: bool = False) -> None:
    data = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if squeeze else data)


@pytest.mark.parametrize("squeeze", [False, True])
def test_mnist_from_files_in_its_own_format(tmp_path, squeeze) -> None:
    draws = np.random.default_rng(0)
    end = ".gz" if squeeze else ""
    for part, count in (("train", 60), ("t10k", 30)):
        _idx(tmp_path / f"{part}-images-idx3-ubyte{end}", draws.integers(0, 256, (count, 28, 28), np.uint8), squeeze)
        _idx(tmp_path / f"{part}-labels-idx1-ubyte{end}", (np.arange(count) % 10).astype(np.uint8), squeeze)
    whole = made(source="mnist", folder=str(tmp_path), points_per_class=3, test_points=2)
    assert whole.in_features == 784
    pictures, labels = read_pictures("mnist", str(tmp_path), "test")
    known = {picture.tobytes() for picture in pictures[labels < 2]}
    found = ((whole.tasks[0].test_inputs[0] + 1.0) / 2.0).numpy()
    assert all(any(np.allclose(np.frombuffer(k), x) for k in known) for x in found)  # test samples are of its test part
    with pytest.raises(ValueError, match="there are 6 pictures of a 0, and points_per_class and test_points ask for 9"):
        made(source="mnist", folder=str(tmp_path), points_per_class=5)


def test_what_is_missing_or_damaged_is_said(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"there is no train-images-idx3-ubyte or .* never downloaded here; get its"):
        made(source="mnist", folder=str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"no idx")
    with pytest.raises(ValueError, match="is no IDX file of bytes with 3 axes"):
        made(source="mnist", folder=str(tmp_path))
    _idx(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8))
    whole = (tmp_path / "train-images-idx3-ubyte").read_bytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="holds 1567: it is not whole"):
        made(source="mnist", folder=str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(whole)
    _idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="holds 2 pictures and 3 labels of train"):
        made(source="mnist", folder=str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scenario": "online"}, "scenario must be one of class, task, domain, permuted, rotated"),
        ({"source": "cifar"}, "source must be one of digits, mnist"),
        ({"tasks": 3}, "tasks must be 1, 2 or 5"),
        ({"loss": "mean_squared_error"}, "loss must be cross_entropy or squared_error_of_classes"),
        ({"points_per_class": 0}, "points_per_class must be at least 1"),
        ({"points_per_class": 900}, "there are 178 pictures of a 0"),
        ({"scenario": "rotated", "degrees": 400.0}, "degrees must be from -360 to 360"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        made(**wrong)


def test_squares_of_classes_are_squares_with_classes() -> None:
    draws = torch.Generator().manual_seed(0)
    f, y = torch.randn(2, 7, 3, generator=draws), torch.eye(3)[torch.randint(3, (2, 7), generator=draws)]
    loss, plain = ClassSquaredError(), LOSSES["mean_squared_error"]()
    for ours, theirs in zip(loss(f, y), plain(f, y), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(loss.hits(f, y), (f.argmax(dim=2) == y.argmax(dim=2)).float())
    masked = y.clone()
    masked[..., 2] = torch.nan
    own = (f[..., :2].argmax(dim=2) == y[..., :2].argmax(dim=2)).float()
    assert torch.equal(ClassSquaredError(masked=True).hits(f, masked), own)


def test_patients_in_the_order_of_a_feature() -> None:
    whole = diabetes(generators_from([0, 1], "data"), feature="bp", tasks=4)
    assert (whole.in_features, whole.out_features, len(whole)) == (10, 1, 4)
    ends = []
    for task in whole.tasks:
        rows = [task.train_inputs, task.test_inputs, task.validation_inputs]
        assert [each.shape[1] for each in rows] == [66, 22, 22]
        everything = torch.cat(rows, dim=1)
        assert len(everything[0].unique(dim=0)) == 110
        torch.testing.assert_close(everything[0].sort(dim=0).values, everything[1].sort(dim=0).values)
        ends.append((float(everything[0, :, 3].min()), float(everything[0, :, 3].max())))
    assert all(before[1] <= after[0] for before, after in zip(ends[:-1], ends[1:], strict=True))
    for wrong, message in (({"feature": "iq"}, "feature must be one of age"), ({"test_share": 0.5}, "must leave some")):
        with pytest.raises(ValueError, match=message):
            diabetes(generators_from([0], "data"), **wrong)
