"""What a pykan network says of itself: the two files of a checkpoint that matter, or a live module."""

__all__ = ["WANTED", "WHOSE", "Source", "read_network", "write_checkpoint"]

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from kan.interchange.weights import base_name

Source = str | os.PathLike[str] | nn.Module

WHOSE = "pykan's MultKAN (0.2)"
WANTED = ("width", "k", "base_fun_name", "sp_trainable", "sb_trainable")
"""Entries of the config without which the weights mean nothing."""


def read_network(source: Source) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """State dict and config; of a module the entries that a checkpoint's config would have.

    Raises:
        ValueError: files that are missing or no checkpoint, or a module that is none of pykan's.
    """
    if isinstance(source, nn.Module):
        return source.state_dict(), _live_config(source)
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"the path of a pykan checkpoint or a pykan module is needed, got {type(source).__name__}")
    state_path, config_path = Path(f"{os.fspath(source)}_state"), Path(f"{os.fspath(source)}_config.yml")
    for path in (state_path, config_path):
        if not path.is_file():
            raise ValueError(f"a pykan checkpoint {source} has a file {path.name}, and there is none")
    try:
        config = yaml.safe_load(config_path.read_text())
    except yaml.YAMLError:
        raise ValueError(f"{config_path} is no plain YAML; it may hold Python objects, which are not read") from None
    try:
        state = torch.load(state_path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        raise ValueError(f"{state_path} is no file of tensors that torch reads with weights_only=True") from None
    if not isinstance(state, Mapping) or not isinstance(config, Mapping):
        raise ValueError(f"{source} is no checkpoint of {WHOSE}: its files hold no state dict and config")
    return state, config


def _live_config(module: nn.Module) -> dict[str, Any]:
    theirs: Any = module
    missing = [name for name in (*WANTED, "act_fun", "symbolic_fun") if not hasattr(module, name)]
    if missing:
        raise ValueError(f"this {type(module).__name__} is not {WHOSE}: it has no {missing[0]}")
    chosen = getattr(module, "input_id", None)
    if isinstance(chosen, Tensor) and chosen.tolist() != list(range(chosen.numel())):
        raise ValueError(
            f"its inputs were pruned to {chosen.tolist()}: give these to the network yourself and set "
            f"input_id = torch.arange({chosen.numel()})"
        )
    config = {name: getattr(theirs, name) for name in WANTED}
    # the layers hold what is computed; a lambda says nothing of itself, so there the network's word is taken
    bases = [base_name(layer.base_fun) for layer in theirs.act_fun]
    config["base_fun_name"] = [base_name(config["base_fun_name"]) if "lambda" in base else base for base in bases]
    for index, layer in enumerate(theirs.symbolic_fun):
        config[f"symbolic.funs_name.{index}"] = layer.funs_name
    return config


def write_checkpoint(prefix: str | os.PathLike[str], state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Writes the three files of a checkpoint; its cached data are none.

    Raises:
        OSError: the files can't be written.
    """
    path = os.fspath(prefix)
    Path(f"{path}_config.yml").write_text(yaml.safe_dump(dict(config)))
    torch.save({name: tensor.cpu() for name, tensor in state.items()}, f"{path}_state")
    torch.save(None, f"{path}_cache_data")
