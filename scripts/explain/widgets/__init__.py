"""What moves in the introduction: style and scripts as files beside this one, plain JavaScript without a library."""

__all__ = ["COMPUTING", "widget_data", "widget_script", "widget_style"]

import json
from functools import cache
from pathlib import Path

import torch

from mlp_baselines.mlp import MLP

_FOLDER = Path(__file__).parent

COMPUTING = ("mathematics.js", "training.js")
"""Files that touch no page: any JavaScript engine runs them."""

_SCRIPTS = (*COMPUTING, "plot.js", "curves.js", "networks.js", "main.js")
"""In the order in which they rest on each other; together one module, so that names are shared and none is global."""

WIDTH, STEPS = 67, 300
"""Units of the MLP that is trained in the page, which has 202 parameters beside the KAN's 203, and steps of a phase."""


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


@cache
def widget_style() -> str:
    """Look of what scripts make."""
    return _read("widgets.css")


@cache
def widget_script(names: tuple[str, ...] = _SCRIPTS) -> str:
    """Everything that runs in the page."""
    return "\n".join(map(_read, names))


def starting_mlp(activation: str = "tanh") -> MLP:
    """The MLP [1, 67, 1] as it starts in the page: seed 0, float64."""
    start = [torch.Generator().manual_seed(0)]
    return MLP(1, 1, width=WIDTH, activation=activation, generators=start, dtype=torch.float64)  # type: ignore[arg-type]


def widget_data() -> str:
    """What scripts start from, as JSON: the parameters of the MLP, and the steps of a phase."""
    mlp = starting_mlp()
    parts = (mlp.weights[0], mlp.biases[0], mlp.weights[1], mlp.biases[1])
    numbers = [value for part in parts for value in part.detach().flatten().tolist()]
    return json.dumps({"start": numbers, "steps": STEPS}, allow_nan=False)
