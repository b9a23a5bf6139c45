"""Any two settings of finished runs as a picture."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from scripts.drawing import draw_plot
from tests.scripts.test_train import call
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Six runs over two settings, and one of another kind."""
    folder = tmp_path_factory.mktemp("plot") / "results" / "mine"
    for grid in (5, 10, 20):
        for depth in (1, 2):
            run = write_run(folder / f"kan-{grid}{depth}", name=f"G={grid}, depth {depth}")
            config = {"model": {"grid_size": grid, "depth": depth}, "optimizer": {"lr": 0.1 * depth, "nothing": None}}
            (run.folder / "config.yaml").write_text(yaml.safe_dump(config))
    run = write_run(folder / "mlp-1", name="an MLP", family="MLP")
    (run.folder / "config.yaml").write_text(yaml.safe_dump({"model": {"depth": 2, "width": 8}}))
    return folder


def test_two_settings(results) -> None:
    paths = draw_plot([("x", "grid_size"), ("y", "model.depth"), ("value", "forgetting")], [results])
    assert [path.name for path in paths] == ["plot-grid_size-model_depth.png", "plot-grid_size-model_depth.pdf"]
    assert np.ptp(imread(paths[0])) > 0


def test_over_parameters_there_are_no_other_lines(results) -> None:
    over = imread(draw_plot([("x", "parameters"), ("y", "depth"), ("output", "over")], [results])[0])
    other = imread(draw_plot([("x", "grid_size"), ("y", "depth"), ("output", "other")], [results])[0])
    assert over.shape[0] < other.shape[0]


def test_one_setting_and_a_name(results) -> None:
    (path, _) = draw_plot([("x", "grid_size"), ("output", "rates"), ("where", "depth=2")], [results])
    assert path == results / "rates.png"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["y=model.depth", "{}"], "error: x=KEY is missing: the setting along the first axis"),
        (["x=grid_sise", "{}"], "error: no run has grid_sise; did you mean grid_size?"),
        (["x=grid_size", "value=forgeting", "{}"], "error: no such metric: forgeting; there are "),
        (["x=nothing", "{}"], "error: nothing is null in all runs: there is nothing to tell them apart by"),
        (["x=grid_size", "where=depth=7", "{}"], "error: no finished run is in {}"),
        (["x=grid_size", "nowhere"], "error: nowhere is no folder"),
    ],
)
def test_mistakes_are_one_line(results, arguments, expected) -> None:
    (said,) = call(*[a.format(results) for a in arguments], module="scripts.plot", code=1).stderr.splitlines()
    assert said.startswith(expected.format(results))
