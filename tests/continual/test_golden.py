"""Golden results: a short run that no refactor may move, and pykan's own matrices for the five peaks."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module

from continual.extension import Settings, Training
from continual.strategies import FineTune
from continual.training.loop import train
from kan import KAN
from mlp_baselines import MLP
from scripts.config.composed import plain
from scripts.config.parts import build_parts
from tasks import gaussian_peaks
from tasks.sampling import generators_from

GOLDEN = Path(__file__).parents[1] / "golden"
SEEDS = [0, 1]


def short_run(name: str) -> np.ndarray:
    """R after ten Adam steps a task on two peaks, float64, two members: (M, T+1, T)."""
    curriculum = gaussian_peaks(generators_from(SEEDS, "data"), peaks=2, points_per_task=20, test_points=20, noise=0.1)
    models = {
        "kan": functools.partial(KAN, width=3, depth=2, grid_size=7),
        "kan_pykan": functools.partial(KAN, depth=1, grid_size=20, base="zero", initialization="pykan"),
        "mlp": functools.partial(MLP, width=8, depth=3),
    }
    generators = generators_from(SEEDS, "model")
    model = models[name](1, 1, members=2, generators=generators, dtype=torch.float64)
    settings = Settings(10, batch_size=10, evaluate_every=10)
    make = functools.partial(torch.optim.Adam, lr=0.01)
    return train(
        Training(model, curriculum, make, FineTune(), settings, generators=generators_from(SEEDS, "batches"))
    ).matrix()


@pytest.mark.parametrize("name", ["kan", "kan_pykan", "mlp"])
def test_short_run_is_where_it_was(name) -> None:
    expected = np.array(json.loads((GOLDEN / "short_runs.json").read_text())[name])
    np.testing.assert_allclose(short_run(name), expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "index"), [("kan", 0), ("kan_silu", 1), ("kan_deep", 2)])
def test_same_order_of_magnitude_as_pykan(case, index) -> None:
    """The tasks that pykan keeps are kept here, and what it loses is lost to the same order of magnitude."""
    theirs = np.array(json.loads((GOLDEN / "pykan_five_peaks.json").read_text())["runs"][index]["R"])
    with initialize_config_module("conf", version_base="1.3"):
        values = plain(compose("train", overrides=[f"+experiment/five_peaks={case}", "dtype=float64", "seeds=10"]))
    parts = build_parts(values)
    history = train(parts.training)
    ours = np.median(history.matrix(), axis=0)[1:]
    kept = theirs < 1e-3  # the file rounds to four places
    assert (ours[kept] < 2e-3).all()
    ratio = ours[~kept] / theirs[~kept]
    assert (ratio > 0.1).all()
    assert (ratio < 10.0).all()
    if case == "kan":
        matrices = history.matrix()
        assert matrices[:, -1].mean() < 1e-5
