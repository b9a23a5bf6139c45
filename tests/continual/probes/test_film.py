"""Frames of a training: at their steps, of the right predictions, changing nothing, resumed to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from continual.probes import Film, frame_steps, probe_arrays
from continual.records.checkpoint import Checkpoint
from continual.stopping import Stopped
from continual.training.loop import train
from tests.continual.probes.models import local_kan, mlp, training


@pytest.mark.parametrize(("steps", "frames"), [(1, 16), (3, 16), (100, 16), (1000, 7)])
def test_frames_end_with_the_task_and_are_closest_at_its_beginning(steps, frames) -> None:
    found = frame_steps(steps, frames)
    assert found[0] == 1 or steps > 100
    assert found[-1] == steps
    assert len(found) <= frames
    gaps = np.diff(found)
    assert (gaps > 0).all()
    assert (np.diff(gaps) >= -1).all()  # rounding up


@pytest.mark.parametrize("make", [local_kan, mlp])
def test_the_frames_are_what_the_model_says_then_and_training_is_the_same(make) -> None:
    plain, filmed = training(make()), training(make())
    filmed = replace(filmed, observers=[Film(frames=3, points=None)])
    expected, history = train(plain), train(filmed)
    assert np.array_equal(history.matrix(), expected.matrix())
    arrays = probe_arrays(filmed.observers)
    steps = filmed.settings.steps
    assert arrays["film/step"].tolist() == [0, *(t * steps + s for t in range(3) for s in frame_steps(steps, 3))]
    for done, predicted in zip([0, *history.boundaries], history.predictions, strict=True):
        frame = arrays["film/step"].tolist().index(done)
        np.testing.assert_array_equal(arrays["film/predictions"][:, frame], predicted[..., 0].astype(np.float32))


def test_a_resumed_run_has_the_same_frames(tmp_path) -> None:
    def filmed(**options):
        return training(local_kan(depth=2, width=2), observers=[Film(frames=4, points=21, edges=True)], **options)

    whole = filmed()
    train(whole)
    stops = iter(range(1, 100))
    first = filmed(checkpoint=Checkpoint(tmp_path / "c.pt", "same"))
    first = replace(first, stop=lambda: 2 if next(stops) >= 6 else None)
    with pytest.raises(Stopped):
        train(first)
    second = filmed(checkpoint=Checkpoint(tmp_path / "c.pt", "same"))
    train(second)
    expected, found = probe_arrays(whole.observers), probe_arrays(second.observers)
    assert found.keys() == expected.keys()
    assert {"film/0/edge_y_0", "film/3/edge_y_1"} <= found.keys()
    assert all(np.array_equal(found[key], array) for key, array in expected.items())


def test_a_curriculum_without_a_view_is_refused() -> None:
    whole = training(local_kan())
    blind = replace(whole, curriculum=replace(whole.curriculum, view=None), observers=[Film()])
    with pytest.raises(ValueError, match="finds nothing to film"):
        train(blind)
    assert torch.is_grad_enabled()
