# mypy: ignore-errors
"""Runs inside another implementation's Python and makes networks there; knows nothing of this project.

Takes one JSON object and gives one: {"make": true} answers networks with their weights, inputs and outputs, before and
after an update of their grids; {"open": [...]} opens networks that were written for this implementation, and answers
the weights that it then holds, and its outputs.
"""

import hashlib
import importlib
import importlib.metadata
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

PYKAN = [
    {"name": "silu", "width": [2, 3, 1], "grid": 5, "k": 3},
    {"name": "zero, scales frozen", "width": [1, 1], "grid": 20, "k": 3, "base_fun": "zero"}
    | {"sp_trainable": False, "sb_trainable": False},
    {"name": "identity, quadratic", "width": [3, 2, 2], "grid": 3, "k": 2, "base_fun": "identity"},
    {"name": "order 5, three layers", "width": [2, 2, 2, 1], "grid": 4, "k": 5, "grid_range": [-2, 1]},
    {"name": "linear, sparse", "width": [4, 3], "grid": 2, "k": 1, "sparse_init": True},
    {"name": "layers differ, one edge removed", "width": [2, 2, 1], "grid": [3, 7], "k": [2, 3]},
    {"name": "float64", "width": [2, 2, 1], "grid": 6, "k": 3, "dtype": "float64"},
]
EFFICIENT_KAN = [
    {"name": "silu", "sizes": [2, 3, 1], "grid": 5, "k": 3},
    {"name": "identity, quadratic", "sizes": [3, 2, 2], "grid": 3, "k": 2, "base": "identity"},
    {"name": "linear", "sizes": [1, 4, 1], "grid": 10, "k": 1},
    {"name": "order 5, three layers", "sizes": [2, 2, 2, 1], "grid": 4, "k": 5, "grid_range": [-2, 1]},
    {"name": "no scaler", "sizes": [2, 2, 1], "grid": 4, "k": 4, "scaler": False},
    {"name": "float64", "sizes": [2, 2, 1], "grid": 6, "k": 3, "dtype": "float64"},
]


def _build_pykan(case: dict[str, Any], seed: int) -> Any:
    import torch

    from kan import KAN

    options = {name: value for name, value in case.items() if name not in ("name", "dtype")}
    model: Any = KAN(**{**options, "width": list(options["width"])}, seed=seed, auto_save=False)
    if "removed" in case["name"]:
        model.remove_edge(0, 1, 0, log_history=False)
    for layer in model.act_fun:
        layer.coef.data.normal_(0, 0.5)
        layer.scale_sp.data.mul_(torch.rand_like(layer.scale_sp) + 0.5)
    return model


def _build_efficient(case: dict[str, Any]) -> Any:
    import torch
    from efficient_kan import KAN
    from efficient_kan.kan import KANLinear

    base = {"silu": torch.nn.SiLU, "identity": torch.nn.Identity}[case.get("base", "silu")]
    options = {"grid_size": case["grid"], "spline_order": case["k"], "base_activation": base}
    options["grid_range"] = case.get("grid_range", [-1, 1])
    model: Any = KAN(case["sizes"], **options)
    if not case.get("scaler", True):  # its network has no argument for this, its layer has
        for index, layer in enumerate(model.layers):
            sizes = (layer.in_features, layer.out_features)
            model.layers[index] = KANLinear(*sizes, enable_standalone_scale_spline=False, **options)
    for layer in model.layers:
        layer.spline_weight.data.normal_(0, 0.5)
    return model


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in state.items()}


def _pykan_checkpoint(model: Any) -> dict[str, Any]:
    import torch
    import yaml

    model.saveckpt("saved")
    return {"config": yaml.safe_load(Path("saved_config.yml").read_text()), "state": _plain(torch.load("saved_state"))}


def _make(kind: str, number: int, case: dict[str, Any]) -> dict[str, Any]:
    import torch

    dtype = case.get("dtype", "float32")
    torch.set_default_dtype(getattr(torch, dtype))
    torch.manual_seed(number)  # efficient-kan takes no seed
    model = _build_pykan(case, number) if kind == "pykan" else _build_efficient(case)
    torch.manual_seed(1000 + number)
    features = (case.get("width") or case["sizes"])[0]
    ends = torch.tensor([-9.0, -1.0, 0.0, 1.0])[:, None].expand(4, features)  # far outside, ends and middle of the grid
    x = torch.cat([ends, 3.2 * torch.rand(16, features) - 1.6])
    samples = 0.6 * torch.randn(60, features)
    made = {
        "name": case["name"],
        "dtype": dtype,
        "base": case.get("base_fun", case.get("base", "silu")),
        "x": x.tolist(),
    }
    for stage in ("before", "after"):
        if stage == "after" and kind == "pykan":
            model.update_grid(samples)
        elif stage == "after":
            model(samples, update_grid=True)
        kept = _pykan_checkpoint(model) if kind == "pykan" else {"state": _plain(model.state_dict())}
        with torch.no_grad():
            made[stage] = {**kept, "y": model(x).tolist()}
    return made


def _open(kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    """A network of weights that came from outside: `path` names them, the rest says which network they are for."""
    import torch

    dtype = getattr(torch, asked["dtype"])
    torch.set_default_dtype(dtype)
    if kind == "pykan":
        from kan import KAN

        model = KAN.loadckpt(asked["path"])
    else:
        model = _build_efficient(asked)
        model.load_state_dict(torch.load(asked["path"]))
    with torch.no_grad():
        y = model(torch.tensor(asked["x"], dtype=dtype))
    return {"dtype": asked["dtype"], "state": _plain(model.state_dict()), "y": y.tolist()}


def _source(kind: str) -> str:
    """Which code this is: version, and a hash of the file that computes."""
    import torch

    if kind == "pykan":
        name = f"pykan {importlib.metadata.version('pykan')} (github.com/KindXiaoming/pykan), kan/KANLayer.py"
        module = importlib.import_module("kan.KANLayer")
    else:
        module = importlib.import_module("efficient_kan.kan")
        name = "efficient-kan (github.com/Blealtan/efficient-kan), src/efficient_kan/kan.py"
    digest = hashlib.sha256(Path(inspect.getfile(module)).read_bytes()).hexdigest()
    return f"{name} with sha256 {digest}; torch {torch.__version__.partition('+')[0]}, CPU"


def _main() -> None:
    kind = sys.argv[1]
    sys.path[:0] = sys.argv[2:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # greetings
    request = json.loads(sys.stdin.read())
    import torch

    torch.set_num_threads(1)  # one order of summation
    answer: dict[str, Any]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # pykan leaves files where it is
        try:
            if "make" in request:
                cases = PYKAN if kind == "pykan" else EFFICIENT_KAN
                source = _source(kind)  # first: other packages are named kan as well
                networks = [_make(kind, number, case) for number, case in enumerate(cases)]
                answer = {"source": source, "networks": networks}
            else:
                answer = {"opened": [_open(kind, asked) for asked in request["open"]]}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.chdir("/")
    json.dump(answer, answers)
    answers.close()


_main()
