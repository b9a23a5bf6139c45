"""Pictures of tasks from the command line."""

import pytest

from continual.figures.parts.task_view import TaskView
from scripts.config.schema import ConfigError
from scripts.tasks import gallery
from scripts.tasks.gallery import GALLERY, draw_curricula


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[list[TaskView], list[str]]]:
    """What is drawn, in place of drawing it."""
    seen: list[tuple[list[TaskView], list[str]]] = []
    whole = gallery.draw_tasks

    def draw(views, said):
        seen.append((views, said))
        return whole(views[:1], said)

    monkeypatch.setattr(gallery, "draw_tasks", draw)
    return seen


def test_several_values_are_a_row_each(tmp_path, drawn) -> None:
    paths = draw_curricula(["curriculum.dimension=1,3", "curriculum.sharpness=50", f"results={tmp_path}"])
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["tasks/tasks.png", "tasks/tasks.pdf"]
    assert all(path.stat().st_size > 5000 for path in paths)
    ((views, said),) = drawn
    assert [view.features for view in views] == [1, 3]
    assert said == ["dimension = 1", "dimension = 3"]


def test_without_settings_every_curriculum_is_drawn(tmp_path, drawn, monkeypatch) -> None:
    monkeypatch.setattr(gallery, "options", lambda group: ["drift", "gaussian_peaks", "toy_regions", "toy_sequence"])
    monkeypatch.setattr(gallery, "GALLERY", (GALLERY[0], GALLERY[5]))
    draw_curricula([f"results={tmp_path}"])
    ((views, said),) = drawn
    assert [view.name for view in views] == [
        *["gaussian_peaks"] * 2,
        "window over bessel",
        "exp_sin by regions",
        "sequence of functions",
    ]
    assert said == ["", "layout = random, target = additive", "", "", ""]


def test_a_mistake_is_one_line(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"should be .diagonal., .line., .lattice. or .random., got .circle."):
        draw_curricula(["curriculum.dimension=2", "curriculum.layout=circle", f"results={tmp_path}"])
    assert not list(tmp_path.iterdir())
