"""A strategy, an adaptation, a curriculum and a figure from outside: a module and a YAML file each, nothing else."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from continual.records.record import read_record
from tests.scripts.test_train import SHORT, call

STRATEGY = '''
from continual.strategies import Strategy

class Pull(Strategy):
    """Pulls all parameters towards what they were at the end of the last task."""

    def __init__(self, weight: float, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        if weight < 0.0:
            raise ValueError(f"strategy.weight must be at least 0, got {weight}")
        self.weight, self.anchors = weight, None

    def loss_term(self, model, inputs, predictions):
        if self.anchors is None:
            return 0.0 * predictions.sum((1, 2))
        pairs = zip(model.parameters(), self.anchors, strict=True)
        return self.weight * sum((p - anchor).square().flatten(1).sum(1) for p, anchor in pairs)

    def after_task(self, moment) -> None:
        self.anchors = [p.detach().clone() for p in moment.model.parameters()]

    def state_dict(self):
        return {"anchors": self.anchors}

    def load_state_dict(self, state) -> None:
        self.anchors = state["anchors"]
'''

ADAPTATION = '''
import torch

from continual.adaptations import Adaptation, Change

class Shrink(Adaptation):
    """Multiplies all parameters before a step of each task."""

    def __init__(self, factor: float, at: int = 0) -> None:
        self.factor, self.at = factor, at

    def check(self, training) -> None:
        if self.at >= training.settings.steps:
            raise ValueError(f"adaptation.shrink.at={self.at} is never reached")

    def before_step(self, moment):
        if moment.step != self.at:
            return None
        with torch.no_grad():
            for parameter in moment.model.parameters():
                parameter.mul_(self.factor)
        return Change(f"shrunk by {self.factor:g}", reset_optimizer=False)
'''

CURRICULUM = '''
import torch

from tasks import Curriculum, Task

def steps(generators, points: int = 20) -> Curriculum:
    """Two tasks of one input: below zero the target is -1, above it 1."""
    def samples(low: float):
        x = torch.stack([low + torch.rand(points, 1, generator=g, dtype=torch.float64) for g in generators])
        return x, torch.full_like(x, 2.0 * low + 1.0)

    tasks = [Task(name, *samples(low), *samples(low)) for name, low in (("below", -1.0), ("above", 0.0))]
    return Curriculum("steps", tasks, (-1.0, 1.0))
'''

PROBE = '''
from continual.probes import Probe

class Size(Probe):
    """The sum of all parameters' absolute values."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def measure(self, model, curriculum, learned):
        return {"total": self.factor * sum(p.detach().abs().flatten(1).sum(1) for p in model.parameters())}
'''

FIGURE = '''
from matplotlib.figure import Figure

def finals(records, colour: str = "black") -> Figure:
    """Final RMSE of every run as a bar."""
    figure = Figure()
    figure.subplots().bar([r.name for r in records], [r.metrics["final_rmse"].mean() for r in records], color=colour)
    return figure
'''

CONFIGS = {
    "strategy/pull.yaml": "_target_: my_strategy.Pull\nweight: 0.1\nreset_optimizer: true\n",
    "adaptation/shrink.yaml": "shrink:\n  _target_: my_adaptation.Shrink\n  factor: 0.9\n  at: 1\n",
    "curriculum/steps.yaml": "_target_: my_curriculum.steps\npoints: 20\n",
    "probe/size.yaml": "size:\n  _target_: my_probe.Size\n  factor: 2.0\n",
    "experiment/mine.yaml": """# @package _global_
experiment_name: mine
report:
  figures:
    finals:
      _target_: my_figure.finals
      colour: red
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      strategy: finetune,pull
""",
}


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """A user's own folder: modules, and YAML files in groups."""
    folder = tmp_path_factory.mktemp("mine")
    for name, text in (
        ("strategy", STRATEGY),
        ("adaptation", ADAPTATION),
        ("curriculum", CURRICULUM),
        ("figure", FIGURE),
        ("probe", PROBE),
    ):
        (folder / f"my_{name}.py").write_text(text, encoding="utf-8")
    for name, text in CONFIGS.items():
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def ask(mine: Path, *arguments: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(mine)}
    done = call("--config-dir", str(mine / "conf"), *arguments, *SHORT, code=code, env=environment)
    return done.stdout + done.stderr


def test_parts_of_ones_own_train_together(mine, tmp_path) -> None:
    ask(mine, "strategy=pull", "adaptation=shrink", "curriculum=steps", f"results={tmp_path}")
    (folder,) = (tmp_path / "runs").iterdir()
    record = read_record(folder)
    assert record.task_names == ["below", "above"]
    assert [text for _, text in record.events] == ["shrunk by 0.9"] * 2
    assert np.isfinite(record.R).all()
    own = json.loads((folder / "record.json").read_text(encoding="utf-8"))["code"]["own"]
    assert sorted(own) == ["my_adaptation", "my_curriculum", "my_strategy"]


def test_a_probe_of_ones_own_stands_in_the_record(mine, tmp_path) -> None:
    ask(mine, "probe=[size,interference]", f"results={tmp_path}")
    (folder,) = (tmp_path / "runs").iterdir()
    record = read_record(folder)
    assert record.probes["size/total"].shape == record.R.shape[:2]
    assert np.array_equal(record.fields["probes"]["size/total"], record.probes["size/total"])
    assert "interference/overlap" in record.probes


def test_an_experiment_of_ones_own_ends_with_a_figure_of_ones_own(mine, tmp_path) -> None:
    said = ask(mine, "+experiment=mine", "curriculum=steps", "strategy.weight=5", f"results={tmp_path}", code=1)
    assert "strategy.weight is not a config key" in said  # of the other strategy, before any run
    said = ask(mine, "+experiment=mine", "curriculum=steps", f"results={tmp_path}")
    assert str(tmp_path / "mine" / "finals.png") in said
    assert (tmp_path / "mine" / "finals.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["strategy=pull", "strategy.weight=-1"], "strategy.weight must be at least 0, got -1"),
        (["strategy=pull", "strategy.weigth=1"], "did you mean weight?"),
        (["strategy=pull", "strategy.weight=much"], "strategy.weight: "),
        (["adaptation=shrink", "adaptation.shrink.at=2"], "adaptation.shrink.at=2 is never reached"),
        (
            ["strategy=pull", "optimizer=levenberg_marquardt"],
            "LevenbergMarquardt solves for the squares of errors alone",
        ),
    ],
)
def test_mistakes_in_them_are_one_line(mine, tmp_path, arguments, expected) -> None:
    said = ask(mine, *arguments, f"results={tmp_path}", code=1).splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert expected in said[0]
