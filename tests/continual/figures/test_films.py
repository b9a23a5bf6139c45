"""Films of records: as many frames as were kept, the right predictions in them, small files."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from continual.figures.films import Film, networks, predictions, save_film
from continual.figures.films.reel import Reel, clock
from continual.probes import frame_steps
from continual.records.record import Record
from kan import KAN
from kan.pictures import draw_networks
from tests.synthetic import five_peaks, write_run


def filmed(record: Record, frames: int = 3, **more: Any) -> Record:
    """A record with frames between the predictions that it has after each task."""
    curves = record.curves
    plane = "surface_inputs" in curves
    steps = int(curves["boundaries"][0])
    within = frame_steps(steps, frames)
    ends = curves["predictions"][..., 0]
    parts = [ends[:, :1]]
    for task in range(ends.shape[1] - 1):
        shares = (np.array(within) / steps)[None, :, None]
        parts.append(ends[:, [task]] * (1 - shares) + ends[:, [task + 1]] * shares)
    inputs = curves["surface_inputs"] if plane else curves["view_inputs"][:, None]
    film = {
        "step": np.array([0, *(t * steps + s for t in range(ends.shape[1] - 1) for s in within)]),
        "inputs": inputs,
        "targets": curves["surface_targets" if plane else "view_targets"][:, 0],
        "predictions": np.concatenate(parts, axis=1).astype(np.float32),
        **more,
    }
    changed = replace(record)
    changed.__dict__["curves"] = {**curves, **{f"probe/film/{name}": each for name, each in film.items()}}
    return changed


def test_the_clock_gives_each_task_the_same_time_and_its_first_steps_most_of_it() -> None:
    times = clock([0, 1, 50, 100, 101, 200], 100)
    assert times[[0, 3, 5]].tolist() == [0.0, 1.0, 2.0]
    assert (np.diff(times) > 0).all()
    assert times[1] > 0.15


def test_errors_beneath_are_those_of_the_matrix(tmp_path: Path) -> None:
    record = filmed(write_run(tmp_path / "a", members=3))
    reel = Reel.of(record)
    assert reel is not None
    ends = [reel.frame(float(task)) for task in range(1, 4)]
    assert [int(reel.step[end]) for end in ends] == record.curves["boundaries"].tolist()
    found, expected = reel.errors()[ends], np.median(record.R[:, 1:], axis=0)
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.2)  # test points lie between the film's


@pytest.mark.parametrize("surface", [False, True])
def test_a_film_of_all_models(tmp_path: Path, surface: bool) -> None:
    runs = five_peaks(tmp_path)[:3] if not surface else [write_run(tmp_path / "a", view=False, surface=True)]
    records = [filmed(record) for record in runs]
    film = predictions(records)
    assert film is not None
    frames = list(film.draw())
    tasks = len(records[0].task_names)
    assert len(frames) == len(film.milliseconds) == 1 + 3 * tasks
    assert len({frame.shape for frame in frames}) == 1
    assert all((a != b).any() for a, b in zip(frames[:-1], frames[1:], strict=True))
    paths = save_film(film, tmp_path / "out", "film")
    assert [path.suffix for path in paths] == [".gif", ".mp4"][: 1 + (shutil.which("ffmpeg") is not None)]
    with Image.open(paths[0]) as image:
        assert image.n_frames == len(frames)
        shown = np.asarray(image.convert("RGB"), dtype=int)
    assert np.abs(shown - frames[0]).mean() < 3.0
    assert all(path.stat().st_size < 5e6 for path in paths)


def test_what_was_not_filmed_gives_no_film(tmp_path: Path) -> None:
    plain = write_run(tmp_path / "a")
    assert predictions([plain]) is None
    assert networks([plain], draw_networks) is None
    both = predictions([plain, filmed(plain)])
    assert both is not None
    assert len(both.milliseconds) == 10


def test_a_film_of_edges(tmp_path: Path) -> None:
    kan = KAN(1, 1, width=2, members=4)
    record = write_run(tmp_path / "a", tasks=1)
    edges = kan.portrait(torch.linspace(-1, 1, 20)[:, None])
    arrays = {f"{frame}/{name}": each for frame in range(4) for name, each in edges.items()}
    film = networks([filmed(record, **arrays)], draw_networks)
    assert film is not None
    frames = list(film.draw())
    assert len(frames) == 4
    assert frames[0].shape == frames[-1].shape


def test_a_film_that_is_too_large_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 100, 120, 3), dtype=np.uint8)
    film = Film(lambda: iter(noise), [100, 100, 100])
    monkeypatch.setattr("continual.figures.films.files.MOST", 15_000)
    path = save_film(film, tmp_path, "noise")[0]
    assert path.stat().st_size <= 15_000
    with Image.open(path) as image:
        assert image.size == (60, 50)
        assert image.n_frames == 3
