"""Bands of an image: pixels, interpolation, files good and bad."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.interpolate import RegularGridInterpolator

from tasks import image_bands
from tasks.images import IMAGES
from tasks.sampling import generators_from


def generators(members: int = 2):
    return generators_from(list(range(members)), "data")


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("along", ["rows", "columns"])
def test_bands_hold_every_pixel_once(image, along) -> None:
    curriculum = image_bands(generators(), image=image, along=along, bands=4, size=10)
    x = torch.cat([task.train_inputs for task in curriculum.tasks], dim=1)
    y = torch.cat([task.train_targets for task in curriculum.tasks], dim=1)
    assert x.shape == (2, 100, 2)
    assert len({tuple(point) for point in x[0].round(decimals=9).tolist()}) == 100
    torch.testing.assert_close(y, IMAGES[image](x))
    axis = 1 if along == "rows" else 0
    for before, after in zip(curriculum.tasks, curriculum.tasks[1:], strict=False):
        assert float(before.train_inputs[..., axis].max()) < float(after.train_inputs[..., axis].min())
    assert float(curriculum.overlap.max()) == 0.0


def test_kinds_of_images_are_what_they_are_called() -> None:
    """A sum has mixed differences of zero, a product has rank 1, and the joint image is neither."""
    side = torch.linspace(-1, 1, 30, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1)
    values = {name: image(grid)[..., 0] for name, image in IMAGES.items()}
    mixed = {name: float(v.diff(dim=0).diff(dim=1).abs().max()) for name, v in values.items()}
    ranks = {name: int(torch.linalg.matrix_rank(v, rtol=1e-9)) for name, v in values.items()}
    assert mixed["additive"] < 1e-14 < 1e-3 < min(mixed["joint"], mixed["separable"])
    assert ranks["separable"] == 1
    assert ranks["joint"] > 2


def test_an_array_is_interpolated_linearly_as_scipy_does(tmp_path) -> None:
    pixels = np.random.default_rng(0).normal(size=(7, 9))
    np.save(tmp_path / "a.npy", pixels)
    curriculum = image_bands(generators(), image=str(tmp_path / "a.npy"), bands=3)
    up, across = (2 * np.arange(7) + 1) / 7 - 1, (2 * np.arange(9) + 1) / 9 - 1
    oracle = RegularGridInterpolator((up, across), pixels[::-1])  # the first row is on top
    for task in curriculum.tasks:
        for x, y in ((task.train_inputs, task.train_targets), (task.test_inputs, task.test_targets)):
            points = x[0].numpy()
            clamped = np.stack([points[:, 1].clip(up[0], up[-1]), points[:, 0].clip(across[0], across[-1])], axis=1)
            np.testing.assert_allclose(y[0, :, 0].numpy(), oracle(clamped), atol=1e-12)
    assert curriculum.tasks[-1].train_targets[0, -9:, 0].tolist() == pytest.approx(pixels[0].tolist())


def test_text_and_pictures_are_read(tmp_path) -> None:
    pixels = np.arange(12.0).reshape(3, 4)
    np.savetxt(tmp_path / "a.csv", pixels, delimiter=",")
    np.savetxt(tmp_path / "a.txt", pixels)
    Image.fromarray((pixels * 20).astype(np.uint8)).save(tmp_path / "a.png")
    targets = {}
    for name in ("a.csv", "a.txt", "a.png"):
        tasks = image_bands(generators(1), image=str(tmp_path / name), bands=3).tasks
        targets[name] = torch.cat([task.train_targets for task in tasks], dim=1).flatten()
    torch.testing.assert_close(targets["a.csv"], targets["a.txt"])
    torch.testing.assert_close(targets["a.csv"] * 20 / 255, targets["a.png"], rtol=0, atol=1e-12)


def test_chosen_pixels_are_each_members_own() -> None:
    curriculum = image_bands(generators(), points_per_task=30, size=20)
    for task in curriculum.tasks:
        assert task.train_inputs.shape == (2, 30, 2)
        assert not torch.equal(task.train_inputs[0], task.train_inputs[1])
        assert len({tuple(point) for point in task.train_inputs[0].tolist()}) == 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "can't be read as an image|neither"),
        (b"no array", "can't be read as an image"),
        (np.zeros(5), "array of two axes"),
        (np.zeros((3, 4, 3)), "array of two axes"),
        (np.zeros((1, 4)), "array of two axes"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "not finite"),
        (np.array([["a", "b"], ["c", "d"]]), "can't be read as an image"),
        (np.zeros((2, 2), dtype=object), "can't be read as an image"),
    ],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, content, message) -> None:
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(ValueError, match=message) as caught:
        image_bands(generators(), image=str(path))
    assert "\n" not in str(caught.value)


def test_other_mistakes_are_refused(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    for options, message in (
        ({"image": "cat"}, "there is no file cat"),
        ({"image": str(tmp_path / "a.png")}, "neither an array"),
        ({"image": str(tmp_path)}, "there is no file"),
        ({"bands": 11, "size": 10}, "more than the 10 rows"),
        ({"along": "diagonal"}, "along must be one of"),
        ({"overlap": 0.0}, "overlap must be positive"),
        ({"overlap": 0.01, "size": 10}, "without a pixel"),
        ({"points_per_task": 0}, "points_per_task must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            image_bands(generators(), **options)
