"""Pictures of tasks: what of a curriculum is kept, that it is right, and that every curriculum is drawn from it."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from continual.figures import tasks
from continual.figures.parts.task_view import TaskView
from continual.figures.tasks import draw_tasks
from continual.run import tasks_seen
from tasks import drift, function_fit, gaussian_peaks, image_bands, toy_regions, toy_sequence
from tasks.sampling import generators_from
from tests.synthetic import assert_no_word_is_cut_off, write_run

CURRICULA = {
    "one input": lambda g: gaussian_peaks(g),
    "two inputs": lambda g: gaussian_peaks(g, dimension=2, layout="line", target="additive"),
    "turned": lambda g: gaussian_peaks(g, dimension=2, rotation=0.7, sharpness=50.0),
    "three inputs": lambda g: gaussian_peaks(g, dimension=3, layout="random", sharpness=50.0, order="random"),
    "six inputs": lambda g: gaussian_peaks(g, dimension=6, rotation=1.0, sharpness=50.0),
    "embedded": lambda g: gaussian_peaks(g, dimension=3, intrinsic_dimension=1),
    "lattice": lambda g: gaussian_peaks(g, dimension=2, layout="lattice", peaks=9),
    "bands": lambda g: image_bands(g, size=20),
    "window": lambda g: drift(g, function="exp_sin"),
    "moving peak": lambda g: drift(g, moves="peak"),
    "regions": lambda g: toy_regions(g),
    "diagonal": lambda g: toy_regions(g, axis="diagonal", overlap=1.5),
    "sequence": lambda g: toy_sequence(g, order="random"),
    "function": lambda g: function_fit(g, function="two_radii", normalize=True),
}


@cache
def made(name: str):
    return CURRICULA[name](generators_from([3, 4], "data"))


@cache
def view_of(name: str) -> TaskView:
    curriculum = made(name)
    return TaskView.made_of(curriculum.name, [task.name for task in curriculum.tasks], tasks_seen(curriculum))


@pytest.mark.parametrize("name", CURRICULA)
def test_the_target_is_that_of_the_first_members_tasks(name) -> None:
    """Wherever a picture asks for it, what it says at test points is what models are tested on."""
    curriculum = made(name)
    assert curriculum.target is not None
    for index, task in enumerate(curriculum.tasks):
        found = curriculum.target(index, task.test_inputs[0])
        torch.testing.assert_close(found, task.test_targets[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CURRICULA)
def test_what_is_kept_is_of_the_tasks(name) -> None:
    curriculum, kept = made(name), tasks_seen(made(name))
    assert sum(array.nbytes for array in kept.values()) < 130_000  # of every run
    for place, index in enumerate(kept["shown"]):
        own = curriculum.tasks[index].train_inputs[0][:, kept["columns"]].numpy().astype(np.float32)
        apart = np.abs(kept["inputs"][place][:, None] - own[None]).max(axis=2).min(axis=1)
        assert apart.max() == 0.0  # every sample is one of the task's
        assert (kept["inputs"][place] >= kept["box"][:, 0]).all()
        assert (kept["inputs"][place] <= kept["box"][:, 1]).all()
        for pair in range(len(kept["columns"]) - 1):
            corners, plane = kept["outlines"][place, pair], own[:, [0, pair + 1]]
            np.testing.assert_allclose(corners.min(axis=0), plane.min(axis=0), atol=1e-6)
            np.testing.assert_allclose(corners.max(axis=0), plane.max(axis=0), atol=1e-6)
    assert kept["maps"].shape[0] in (1, len(kept["shown"]))


def test_maps_are_the_target_on_their_plane() -> None:
    kept, curriculum = tasks_seen(made("three inputs")), made("three inputs")
    (left, right), (low, high) = kept["box"][:2].astype(float)
    middle = float(curriculum.tasks[2].test_inputs[0, :, 2].mean())
    for row, column in ((0, 0), (7, 30), (40, 12)):
        x = [left + (right - left) * column / 40, low + (high - low) * row / 40, middle]
        expected = curriculum.target(2, torch.tensor([x], dtype=torch.float64))
        assert kept["maps"][2, row, column] == pytest.approx(float(expected), abs=1e-5)
    line = tasks_seen(made("one input"))
    assert line["maps"].shape == (1, 401)
    np.testing.assert_allclose(line["maps"][0, 40], 1.0, atol=1e-6)  # the peak at -0.8, of 401 points on [-1, 1]


@pytest.mark.parametrize("name", CURRICULA)
def test_every_curriculum_is_drawn(name) -> None:
    view = view_of(name)
    figure = draw_tasks([view], ["said = 1"])
    drawn = [line.get_gid() for axes in figure.axes for line in axes.lines]
    spans = [patch.get_gid() for axes in figure.axes for patch in axes.patches]
    assert "target" in drawn or any(axes.images for axes in figure.axes)
    assert "samples" in drawn or name == "sequence"
    if view.features > 1:
        assert drawn.count("task") >= min(len(view.shown), 2)
    elif view.one_target:
        assert spans.count("task") == len(view.shown)
    else:  # tasks that share their inputs
        assert drawn.count("target") == len(view.shown)
    assert_no_word_is_cut_off(figure)


def test_a_curriculum_whose_target_nobody_knows_shows_its_samples() -> None:
    for name in ("one input", "two inputs", "six inputs"):
        curriculum = made(name)
        kept = {key: array for key, array in tasks_seen(curriculum).items() if key != "maps"}
        view = TaskView.made_of("mine", [task.name for task in curriculum.tasks], kept)
        figure = draw_tasks([view])
        assert any(line.get_gid() == "samples" for axes in figure.axes for line in axes.lines)
        assert not any(axes.images for axes in figure.axes)


def test_runs_on_the_same_tasks_are_one_row(tmp_path) -> None:
    found = []
    for index, (name, layout) in enumerate([("two inputs", "line"), ("two inputs", "line"), ("turned", "turned")]):
        record = write_run(tmp_path / str(index), name=f"{index}", sweep={"layout": layout, "d": 2, "lr": index})
        arrays = {f"tasks/{key}": array for key, array in tasks_seen(made(name)).items()}
        names = [task.name for task in made(name).tasks]
        fields = {**record.fields, "curriculum": "peaks", "task_names": names}
        like = {"fields": fields, "curves": arrays, "task_names": names, "sweep": record.sweep}
        found.append(SimpleNamespace(**like))
    figure = tasks(found)
    titles = [text.get_text() for text in figure.texts if text.get_fontweight() == "bold"]
    assert titles == ["peaks: 2 inputs, 5 tasks, layout = line", "peaks: 2 inputs, 5 tasks, layout = turned, lr = 2"]
    assert len(figure.axes) == 4
    assert "Nothing to draw" in tasks([write_run(tmp_path / "old")]).texts[0].get_text()


def test_many_curricula_are_cut_short_with_a_word() -> None:
    figure = draw_tasks([view_of("one input")] * 20)
    assert len(figure.axes) == 16
    assert any("The first 16 of 20 curricula" in text.get_text() for text in figure.texts)


def test_a_target_with_a_pole_is_drawn_but_there() -> None:
    for name in ("one input", "two inputs"):
        curriculum = replace(made(name), target=lambda index, x: 1.0 / x[:, :1].round(decimals=1))
        kept = tasks_seen(curriculum)
        assert np.isinf(kept["maps"]).any()
        figure = draw_tasks([TaskView.made_of("pole", [task.name for task in curriculum.tasks], kept)])
        assert_no_word_is_cut_off(figure)
