"""Networks of golden files: as tensors, as our `KAN`, and written back for those who made them."""

__all__ = ["difference", "read", "shortest", "tensors", "write_back"]

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from kan import KAN
from kan.interchange import from_efficient_kan, from_pykan, save_pykan, to_efficient_kan


def shortest(network: dict[str, Any]) -> dict[str, Any]:
    """The same plain data; of a float32 network with every number in the fewest digits that still name it."""
    return network if network["dtype"] == "float64" else {name: _short(value) for name, value in network.items()}


def _short(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: value if name == "config" else _short(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_short(value) for value in values]
    if not isinstance(values, float):
        return values
    short = float(str(np.float32(values)))
    return short if np.float32(short) == values else values


def tensors(network: dict[str, Any], stage: str) -> dict[str, Tensor]:
    """The state dict of a golden network "before" or "after" the update of its grids."""
    dtype = getattr(torch, network["dtype"])
    return {name: torch.tensor(values, dtype=dtype) for name, values in network[stage]["state"].items()}


def read(kind: str, network: dict[str, Any], stage: str, prefix: Path) -> KAN:
    """A golden network of "pykan" or "efficient-kan" as ours; for pykan through a checkpoint at the prefix."""
    state = tensors(network, stage)
    if kind == "efficient-kan":
        return from_efficient_kan(state, base=network["base"])
    torch.save(state, f"{prefix}_state")
    Path(f"{prefix}_config.yml").write_text(yaml.safe_dump(network[stage]["config"]))
    return from_pykan(prefix)


def write_back(kind: str, model: KAN, network: dict[str, Any], path: Path) -> dict[str, Any]:
    """Writes a network for those whose it was, and says what they need to know to open it and feed it the inputs."""
    request = {"path": str(path), "x": network["x"], "dtype": network["dtype"], "name": network["name"]}
    if kind == "pykan":
        save_pykan(model, path)
        return request
    state = to_efficient_kan(model)
    torch.save(state, path)
    first = model.layer(0)
    sizes = {"sizes": model.layer_sizes, "grid": first.grid_size, "k": first.spline_order}
    return {**request, **sizes, "base": network["base"], "scaler": "layers.0.spline_scaler" in state}


def difference(ours: Any, theirs: Any) -> float:
    """Largest absolute difference of two nested lists of outputs."""
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max())
