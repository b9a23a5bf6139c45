"""Models read back from a run's folder: the same bits, for every family and whatever became of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from continual.records.files import UnusableFileError
from continual.records.record import read_record
from continual.records.trained import load_trained
from continual.run import execute
from continual.training.evaluation import Evaluator
from mlp_baselines import MLP
from tests.short_runs import CONFIGS, short_run
from tests.test_readme import BLOCKS

FUNCTION = ["curriculum=function", "curriculum.points=60", "curriculum.test_points=64"]
SYMBOLS = ["adaptation.symbols.at=1", "adaptation.symbols.operation.library=[x,'x^2',sin]"]
MORE = {
    "matched": ["model=mlp_matched"],
    "matched spline MLP": ["model=spline_mlp_matched"],
    "elephants": ["model=mlp_elephant", "model.width=3"],
    "tiles, matched": ["model=mlp_tiling_matched"],
    "LayerNorm": ["model=mlp_layer_norm", "model.width=3"],
    "SIREN": ["model=siren", "model.width=3"],
    "Gaussian lattice, matched": ["model=rbf_lattice_matched"],
    "Gaussian network": ["model=rbf_network", "model.width=3", "optimizer=levenberg_marquardt"],
    "tensor product": ["model=tensor_spline", "optimizer=lbfgs"],
    "tensor product, matched": ["model=tensor_spline_matched"],
    "Fourier features": ["model=fourier_features", "model.width=3"],
    "formulas": ["model.grid_size=4", "model.width=2", "adaptation=symbols", *SYMBOLS],
    "refined, pruned": [
        "model.grid_size=3",
        "model.width=3",
        "adaptation=[grid_schedule,pruning]",
        "adaptation.grid_schedule.sizes=[3,6]",
        "adaptation.grid_schedule.steps=1",
        "adaptation.pruning.at=2",
    ],
    "spline MLP, grids moved": [
        "model=spline_mlp",
        "model.width=3",
        "model.grid_size=4",
        "adaptation=grid_update",
        "adaptation.grid_update.every=1",
    ],
    "Gaussian, pruned": ["model=kan_rbf", "model.width=3", "adaptation=pruning", "adaptation.pruning.at=2"],
    "Chebyshev, formulas": ["model=kan_chebyshev", "model.width=2", "adaptation=symbols", *SYMBOLS],
    "Fourier, pruned, formulas": [
        "model=kan_fourier",
        "model.width=2",
        *SYMBOLS,
        "adaptation=[pruning,symbols]",
        "adaptation.pruning.at=0",
    ],
}


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_a_trained_model_predicts_as_at_the_end_of_training(tmp_path, name) -> None:
    run = short_run(tmp_path, {**CONFIGS, **MORE}[name])
    record = execute(run)
    trained = load_trained(tmp_path)
    assert list(trained.seeds) == record.seeds
    assert list(trained.task_names) == record.task_names
    x = run.training.curriculum.view.inputs
    assert torch.equal(trained.predict(x), run.training.model(x))
    assert torch.equal(trained.predict(x.numpy()), run.training.model(x))
    assert torch.equal(trained.predict(x, member=1), run.training.model(x)[1])
    assert np.array_equal(trained.record.R, record.R, equal_nan=True)
    assert np.array_equal(Evaluator(run.training.curriculum)(trained.model).rmse, record.R[:, -1], equal_nan=True)
    assert not bool(trained.outside(run.training.curriculum.tasks[0].train_inputs[0]).any())
    assert trained.outside([[5.0], [-5.0]]).tolist() == [True, True]


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    execute(short_run(Path("results/five_peaks/kan_local-0123abcd"), CONFIGS["adam"]))
    found = [block for block in BLOCKS if "load_trained" in block]
    for block in found:
        exec(compile(block.replace("…", "0123abcd"), "README.md", "exec"), {"__name__": "readme"})  # noqa: S102
    assert found


def test_inputs_are_scaled_as_in_training(tmp_path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.short_runs._SHORT", ["seeds=2", "training.steps=2", "tracker=none", "dtype=float64"])
        options = [*FUNCTION, "curriculum.function=ellipj", "curriculum.normalize=true", "model.width=2"]
        run = short_run(tmp_path, options)
    execute(run)
    trained = load_trained(tmp_path)
    box = trained.scaled_from
    assert box is not None
    scaled = run.training.curriculum.tasks[0].test_inputs[0]
    own = box[:, 0] + (scaled + 1.0) / 2.0 * (box[:, 1] - box[:, 0])
    torch.testing.assert_close(trained.predict(own), run.training.model(scaled), rtol=0, atol=1e-10)
    assert (trained.input_low >= box[:, 0]).all()
    assert (trained.input_high <= box[:, 1]).all()
    train = run.training.curriculum.tasks[0].train_inputs[0]
    assert not trained.outside(box[:, 0] + (train + 1.0) / 2.0 * (box[:, 1] - box[:, 0])).any()


def test_what_can_not_be_read_is_named_in_one_line(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        load_trained(tmp_path)
    execute(short_run(tmp_path, CONFIGS["mlp"]))
    trained = load_trained(tmp_path)
    for x, message in WRONG_INPUTS:
        with pytest.raises(ValueError, match=message):
            trained.predict(x)
    for member in (True, 1.5, "0", [0, 1]):
        with pytest.raises(ValueError, match="member must be an integer"):
            trained.predict([0.5], member=member)
    with pytest.raises(ValueError, match="member must be between 0 and 1, got 2"):
        trained.predict([[0.0]], member=2)
    assert trained.outside([[torch.nan], [torch.inf], [0.0]]).tolist() == [True, True, False]
    with pytest.raises(FileNotFoundError, match="is a file; give the run's folder"):
        load_trained(tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError, match="no run's folder, but holds some"):
        load_trained(tmp_path.parent)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_trained(tmp_path / "nothing")
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(UnusableFileError, match=r"model\.pt is damaged or missing"):
        load_trained(tmp_path)


WRONG_INPUTS: list[tuple[Any, str]] = [
    ([1.0, 2.0, 3.0], r"expected inputs of shape \(B, 1\), got \(3,\)"),
    ([[1.0, 2.0]], r"expected inputs of shape \(B, 1\), got \(1, 2\)"),
    ([["a"]], "must be real numbers"),
    ([[1j]], "must be real numbers"),
    (torch.ones(1, 1, dtype=torch.complex64), "must be real numbers"),
    ([[1.0], [2.0, 3.0]], "rows of equal length"),
]


def rewrite(folder: Path, **changes: Any) -> None:
    """Changes what model.pt says, in a run whose record has no checksums."""
    saved = torch.load(folder / "model.pt", weights_only=True)
    torch.save({**saved, **changes}, folder / "model.pt")
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    old = {key: value for key, value in record.items() if key not in ("sha256", "files")}
    (folder / "record.json").write_text(json.dumps({**old, "format": 1}), encoding="utf-8")


def leave_a_trace(path: str, **_: Any) -> None:
    """What a file must not have called."""
    Path(path).touch()


SETTINGS = {"_target_": "mlp_baselines.MLP", "width": 3, "depth": 2, "activation": "silu"}
HARMFUL: dict[str, Callable[[str], dict[str, Any]]] = {
    "at the top": lambda trace: {"_target_": "tests.continual.records.test_trained.leave_a_trace", "path": trace},
    "inside": lambda trace: {**SETTINGS, "activation": {"_target_": f"{__name__}.leave_a_trace", "path": trace}},
    "in a list": lambda trace: {**SETTINGS, "_args_": [{"_target_": f"{__name__}.leave_a_trace", "path": trace}]},
    "made while it is resolved": lambda trace: {
        **SETTINGS,
        "activation": f'${{oc.create:"{{_target_: {__name__}.leave_a_trace, path: {trace}}}"}}',
    },
    "a module from source code": lambda trace: {
        **SETTINGS,
        "activation": {
            "_target_": "torch.fx.graph_module.reduce_graph_module",
            "body": {"_code": "def forward(self): pass"},
            "import_block": f"open({trace!r}, 'w')\n",
        },
    },
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_file_can_not_have_anything_called(tmp_path, name) -> None:
    execute(short_run(tmp_path, CONFIGS["mlp"]))
    rewrite(tmp_path, build=HARMFUL[name](str(tmp_path / "trace")))
    with pytest.raises(UnusableFileError, match=r"model\.pt (names .* which makes no model|refers to)"):
        load_trained(tmp_path)
    assert not (tmp_path / "trace").exists()


class OwnModel(MLP):
    """A user's, in a module that can be imported."""


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "no such module": ({"build": {"_target_": "no.such.Module"}}, "can't be imported here"),
    "a function of the system": ({"build": {"_target_": "os.system"}}, "makes no model"),
    "no stack": ({"build": {"_target_": "torch.nn.Identity"}}, "makes no stack of members"),
    "partial": ({"build": {**SETTINGS, "_partial_": True}}, "makes no stack of members"),
    "another width": ({"build": {**SETTINGS, "width": 4}}, "size mismatch"),
    "an unknown setting": ({"build": {**SETTINGS, "speed": 4}}, "unexpected keyword argument 'speed'"),
    "an impossible setting": ({"build": {**SETTINGS, "activation": "huh"}}, "activation must be one of"),
    "no settings": ({"build": "MLP"}, "names no model"),
    "no parameters": ({"model": {}}, "no model of this version"),
    "no description": ({"describe": {}}, "layer_sizes"),
    "another format": ({"format": 99}, "format 99"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_model_that_can_not_be_built_is_one_line(tmp_path, name) -> None:
    execute(short_run(tmp_path, CONFIGS["mlp"]))
    changes, message = UNFIT[name]
    rewrite(tmp_path, **changes)
    with pytest.raises(UnusableFileError, match=message) as caught:
        load_trained(tmp_path)
    assert "model.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_of_the_user_is_read_back(tmp_path) -> None:
    run = short_run(tmp_path, CONFIGS["mlp"])
    execute(run)
    rewrite(tmp_path, build={**SETTINGS, "_target_": f"{__name__}.OwnModel"})
    trained = load_trained(tmp_path)
    assert isinstance(trained.model, OwnModel)
    x = run.training.curriculum.view.inputs
    assert torch.equal(trained.predict(x), run.training.model(x))


def test_runs_of_the_first_version_are_read_by_their_config(tmp_path) -> None:
    run = short_run(tmp_path, CONFIGS["grid_schedule"])
    execute(run)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({key: saved[key] for key in ("format", "model", "describe", "seeds")}, tmp_path / "model.pt")
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    old = {key: value for key, value in record.items() if key not in ("sha256", "files", "sessions", "code")}
    (tmp_path / "record.json").write_text(json.dumps({**old, "format": 1}), encoding="utf-8")
    x = run.training.curriculum.view.inputs
    assert torch.equal(load_trained(tmp_path).predict(x), run.training.model(x))
    assert read_record(tmp_path).fields["format"] == 1
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["model"]["grid_size"] == 4
