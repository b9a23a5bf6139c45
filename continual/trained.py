"""From a run's folder to a model that predicts."""

__all__ = ["Trained", "load_trained"]

import inspect
import io
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra.utils
import numpy as np
import torch
import yaml
from numpy.typing import ArrayLike
from torch import Generator, Tensor, nn

from continual.files import UnusableFileError
from continual.models import StackedModel
from continual.records import damaged_files, is_done, read_record


@dataclass(frozen=True)
class Trained:
    """A trained stack, and what has to be known to use it. M members, I inputs, O outputs.

    Attributes:
        model: the stack as it was at the end of training, in evaluation mode.
        seeds: one a member, (M,).
        task_names: what it learned, in this order.
        input_low: lowest value of each input in its training data, in the data's own units, (I,).
        input_high: highest value, (I,).
        scaled_from: for inputs that were scaled to [-1, 1], the interval of each that was, (I, 2); None where inputs
            went in as they are.
    """

    model: StackedModel
    seeds: Sequence[int]
    task_names: Sequence[str]
    input_low: Tensor
    input_high: Tensor
    scaled_from: Tensor | None

    @torch.no_grad()
    def predict(self, x: Tensor | ArrayLike) -> Tensor:
        """Predictions at inputs (B, I) in the data's own units, of every member, (M, B, O), in the model's dtype.

        Inputs outside of what the model was trained on are answered too: see `outside`.

        Raises:
            ValueError: another number of inputs.
        """
        like = next(iter(self.model.parameters()))
        return self.model(self._scaled(self._points(x)).to(like))

    def outside(self, x: Tensor | ArrayLike) -> Tensor:
        """Which inputs (B, I) lie outside the range of the training data, bool (B,): there predictions mean little."""
        points = self._points(x)
        return ((points < self.input_low) | (points > self.input_high)).any(dim=1)

    def _points(self, x: Tensor | ArrayLike) -> Tensor:
        points = torch.as_tensor(x if isinstance(x, Tensor) else np.asarray(x)).double().cpu()
        if points.dim() != 2 or points.shape[1] != self.model.in_features:
            raise ValueError(f"expected inputs of shape (B, {self.model.in_features}), got {tuple(points.shape)}")
        return points

    def _scaled(self, points: Tensor) -> Tensor:
        if self.scaled_from is None:
            return points
        low, high = self.scaled_from.unbind(1)
        return 2.0 * (points - low) / (high - low) - 1.0


def load_trained(folder: str | Path, device: str | torch.device = "cpu") -> Trained:
    """The model of a finished run, whatever it is: KANs that grew, were pruned or became formulas, variants, MLPs.

    Args:
        folder: results/<experiment>/<model>-<hash>.
        device: where it shall be.

    Raises:
        FileNotFoundError: there is no finished run.
        UnusableFileError: a file of it is damaged, or names something that is no model.
    """
    folder = Path(folder)
    if not is_done(folder):
        raise FileNotFoundError(f"{folder} holds no finished run (no record.json)")
    record = read_record(folder)
    lost = damaged_files(folder, record.fields, ("model.pt", "config.yaml"))
    if lost:
        raise UnusableFileError(f"{lost[0]} is damaged or missing; the run's own command makes it again")
    saved = _read(folder / "model.pt")
    node = saved.get("build") or _from_config(folder / "config.yaml")
    state: Mapping[str, Tensor] = saved["model"]
    dtype = next(value.dtype for value in state.values() if value.is_floating_point())
    sizes = saved["describe"]["layer_sizes"]
    seeds = [int(seed) for seed in saved["seeds"]]
    _check_targets(node, folder / "model.pt")
    model = hydra.utils.instantiate(
        node,
        in_features=int(sizes[0]),
        out_features=int(sizes[-1]),
        members=len(seeds),
        generators=[Generator().manual_seed(seed) for seed in seeds],
        dtype=dtype,
    )
    fit_to = getattr(model, "fit_to", None)
    if fit_to is not None:  # it may have grown or been pruned since it was built
        fit_to(state)
    model.load_state_dict(state)
    inputs = saved.get("inputs") or {"low": [-torch.inf] * int(sizes[0]), "high": [torch.inf] * int(sizes[0])}
    scaled = inputs.get("scaled_from")
    return Trained(
        model.to(device).eval(),
        seeds,
        record.task_names,
        torch.tensor(inputs["low"], dtype=torch.float64),
        torch.tensor(inputs["high"], dtype=torch.float64),
        None if scaled is None else torch.tensor(scaled, dtype=torch.float64),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(path.read_bytes()), weights_only=True, map_location="cpu")
        if {"model", "describe", "seeds"} <= saved.keys():
            return saved
    except OSError:
        raise
    except Exception as error:  # torch and its unpickler raise whatever a damaged archive leads them to
        raise UnusableFileError(f"{path} is damaged") from error
    raise UnusableFileError(f"{path} holds no trained model")


def _from_config(path: Path) -> dict[str, Any]:
    """What `model.pt` of the first version does not say."""
    try:
        node: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UnusableFileError(f"{path} names no model") from error
    return node


def _check_targets(node: Any, path: Path) -> None:
    """Refuses to call anything that makes no model, whatever a file says."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            try:
                made = hydra.utils.get_object(str(node["_target_"]))
            except Exception as error:
                raise UnusableFileError(f"{path} is of {node['_target_']}, which can't be imported here") from error
            if not inspect.isclass(made):
                made = typing.get_type_hints(made).get("return") if inspect.isfunction(made) else None
            if not (inspect.isclass(made) and issubclass(made, nn.Module)):
                raise UnusableFileError(f"{path} names {node['_target_']}, which makes no model")
        for value in node.values():
            _check_targets(value, path)
    elif isinstance(node, list | tuple):
        for value in node:
            _check_targets(value, path)
