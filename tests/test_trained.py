"""Models read back from a run's folder: the same bits, for every family and whatever became of them."""

import numpy as np
import pytest
import torch
import yaml

from continual.evaluation import Evaluator
from continual.files import UnusableFileError
from continual.records import read_record
from continual.run import execute
from continual.trained import load_trained
from tests.short_runs import CONFIGS, short_run

FUNCTION = ["curriculum=function", "curriculum.points=60", "curriculum.test_points=64"]
MORE = {
    "matched": ["model=mlp_matched"],
    "matched spline MLP": ["model=spline_mlp_matched"],
    "formulas": ["model.grid_size=4", "model.width=2", "adaptation=symbols", "adaptation.symbols.at=1"],
    "refined, pruned": [
        "model.grid_size=3",
        "model.width=3",
        "adaptation=[grid_schedule,pruning]",
        "adaptation.grid_schedule.sizes=[3,6]",
        "adaptation.grid_schedule.steps=1",
        "adaptation.pruning.at=2",
    ],
}


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_a_trained_model_predicts_as_at_the_end_of_training(tmp_path, name) -> None:
    run = short_run(tmp_path, {**CONFIGS, **MORE}[name])
    record = execute(run)
    trained = load_trained(tmp_path)
    assert list(trained.seeds) == record.seeds
    assert list(trained.task_names) == record.task_names
    x = run.curriculum.view.inputs
    assert torch.equal(trained.predict(x), run.model(x))
    assert torch.equal(trained.predict(x.numpy()), run.model(x))
    assert np.array_equal(Evaluator(run.curriculum)(trained.model).rmse, record.R[:, -1], equal_nan=True)
    assert not bool(trained.outside(run.curriculum.tasks[0].train_inputs[0]).any())
    assert trained.outside([[5.0], [-5.0]]).tolist() == [True, True]


def test_inputs_are_scaled_as_in_training(tmp_path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.short_runs._SHORT", ["seeds=2", "training.steps=2", "tracker=none", "dtype=float64"])
        options = [*FUNCTION, "curriculum.function=ellipj", "curriculum.normalize=true", "model.width=2"]
        run = short_run(tmp_path, options)
    execute(run)
    trained = load_trained(tmp_path)
    box = trained.scaled_from
    assert box is not None
    scaled = run.curriculum.tasks[0].test_inputs[0]
    own = box[:, 0] + (scaled + 1.0) / 2.0 * (box[:, 1] - box[:, 0])
    torch.testing.assert_close(trained.predict(own), run.model(scaled), rtol=0, atol=1e-10)
    assert (trained.input_low >= box[:, 0]).all()
    assert (trained.input_high <= box[:, 1]).all()


def test_what_can_not_be_read_is_named_in_one_line(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        load_trained(tmp_path)
    execute(short_run(tmp_path, CONFIGS["mlp"]))
    trained = load_trained(tmp_path)
    with pytest.raises(ValueError, match=r"expected inputs of shape \(B, 1\), got \(3,\)"):
        trained.predict([1.0, 2.0, 3.0])
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(UnusableFileError, match=r"model\.pt is damaged or missing"):
        load_trained(tmp_path)


@pytest.mark.parametrize("target", ["os.system", "subprocess.run", "torch.load", "no.such.module"])
def test_a_file_can_not_have_anything_called(tmp_path, target) -> None:
    import json

    execute(short_run(tmp_path, CONFIGS["mlp"]))
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({**saved, "build": {"_target_": target, "command": f"touch {tmp_path}/made"}}, tmp_path / "model.pt")
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    old = {key: value for key, value in record.items() if key not in ("sha256", "files")}
    (tmp_path / "record.json").write_text(json.dumps({**old, "format": 1}), encoding="utf-8")  # without checksums
    with pytest.raises(UnusableFileError, match=r"which makes no model|can't be imported"):
        load_trained(tmp_path)
    assert not (tmp_path / "made").exists()


def test_runs_of_the_first_version_are_read_by_their_config(tmp_path) -> None:
    import json

    run = short_run(tmp_path, CONFIGS["grid_schedule"])
    execute(run)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({key: saved[key] for key in ("format", "model", "describe", "seeds")}, tmp_path / "model.pt")
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    old = {key: value for key, value in record.items() if key not in ("sha256", "files", "sessions", "code")}
    (tmp_path / "record.json").write_text(json.dumps({**old, "format": 1}), encoding="utf-8")
    x = run.curriculum.view.inputs
    assert torch.equal(load_trained(tmp_path).predict(x), run.model(x))
    assert read_record(tmp_path).fields["format"] == 1
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["model"]["grid_size"] == 4
