"""From a run's folder to a model that predicts.

In one file: the way from a file to a prediction, with all that is refused on it.
"""

__all__ = ["Trained", "load_trained"]

import inspect
import io
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from operator import index
from pathlib import Path
from typing import Any

import hydra.utils
import numpy as np
import torch
import yaml
from numpy.typing import ArrayLike
from torch import Generator, Tensor, nn

from continual.models import StackedModel
from continual.records.files import UnusableFileError
from continual.records.record import Record, damaged_files, is_done, read_record
from continual.records.states import failure, run_state


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
        record: everything else that is known of the run.
    """

    model: StackedModel
    seeds: Sequence[int]
    task_names: Sequence[str]
    input_low: Tensor
    input_high: Tensor
    scaled_from: Tensor | None
    record: Record

    @torch.no_grad()
    def predict(self, x: Tensor | ArrayLike, member: int | None = None) -> Tensor:
        """Predictions at inputs (B, I) in the data's own units, in the model's dtype.

        Inputs outside of what the model was trained on are answered too: see `outside`.

        Args:
            x: the inputs.
            member: which of `seeds`, counted from 0, for (B, O); None for all of them, (M, B, O).

        Raises:
            ValueError: another number of inputs, no real numbers, or no such member.
        """
        if member is not None:
            if isinstance(member, bool) or not hasattr(member, "__index__"):
                raise ValueError(f"member must be an integer, got {member!r}")
            member = index(member)
            if not 0 <= member < self.model.members:
                raise ValueError(f"member must be between 0 and {self.model.members - 1}, got {member}")
        like = next(iter(self.model.parameters()))
        predictions = self.model(self._scaled(self._points(x)).to(like))
        return predictions if member is None else predictions[member]

    def outside(self, x: Tensor | ArrayLike) -> Tensor:
        """Which inputs (B, I) lie outside the range of the training data, bool (B,): there predictions mean little.

        What differs from the end of the range by rounding in the model's dtype is not outside. NaN is.
        """
        points, low, high = self._points(x), self.input_low, self.input_high
        largest = torch.maximum(low.abs(), high.abs())
        if self.scaled_from is not None:
            largest = torch.maximum(largest, self.scaled_from.abs().amax(dim=1))
        slack = 4.0 * torch.finfo(next(iter(self.model.parameters())).dtype).eps * largest
        return ~((points >= low - slack) & (points <= high + slack)).all(dim=1)

    def _points(self, x: Tensor | ArrayLike) -> Tensor:
        if not isinstance(x, Tensor):
            try:
                array = np.asarray(x)
            except ValueError as error:
                raise ValueError("inputs must be a table of numbers, with rows of equal length") from error
            if array.dtype.kind not in "fiub":
                raise ValueError(f"inputs must be real numbers, got {array.dtype}")
            x = torch.from_numpy(array.astype(np.float64))
        if x.is_complex():
            raise ValueError(f"inputs must be real numbers, got {x.dtype}")
        if x.dim() != 2 or x.shape[1] != self.model.in_features:
            raise ValueError(f"expected inputs of shape (B, {self.model.in_features}), got {tuple(x.shape)}")
        return x.detach().double().cpu()

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

    Runs nothing that a file holds: tensors and plain values are read, and what they name is called only if it is a
    class of modules or is declared to make a model.

    Raises:
        FileNotFoundError: there is no finished run.
        UnusableFileError: a file of it is damaged, of another version, or names something that is no model.
    """
    folder = Path(folder)
    if not is_done(folder):
        raise FileNotFoundError(_why_none(folder))
    record = read_record(folder)
    lost = damaged_files(folder, record.fields, ("model.pt", "config.yaml"))
    if lost:
        raise UnusableFileError(f"{lost[0]} is damaged or missing; the run's own command makes it again")
    path = folder / "model.pt"
    saved = _read(path)
    node, source = saved.get("build"), path
    if node is None:
        source = folder / "config.yaml"
        node = _from_config(source)
    _check_targets(node, source)
    try:
        model = _build(node, saved).to(device).eval()
        low, high, scaled = _range(saved)
    except Exception as error:  # whatever constructors raise for settings and shapes that are not theirs
        raise UnusableFileError(f"{path} is no model of this version ({_last_line(error)})") from error
    seeds = [int(seed) for seed in saved["seeds"]]
    return Trained(model, seeds, record.task_names, low, high, scaled, record)


def _why_none(folder: Path) -> str:
    """What a folder is that holds no finished run."""
    if not folder.exists():
        return f"{folder} does not exist"
    if not folder.is_dir():
        return f"{folder} is a file; give the run's folder, {folder.parent}"
    runs = sorted(path.parent.name for path in folder.glob("*/record.json"))
    if runs:
        more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
        return f"{folder} is no run's folder, but holds some: {', '.join(runs[:3])}{more}; give one of them"
    state, why = run_state(folder), failure(folder)
    what = "it holds no run" if state == "new" else f"the run is {state}"
    return f"{folder} holds no finished run (no record.json): {what}{f', {why}' if why and state == 'failed' else ''}"


def _build(node: Mapping[str, Any], saved: Mapping[str, Any]) -> Any:
    """The stack that `model.pt` is of, with its parameters."""
    state: Mapping[str, Tensor] = saved["model"]
    sizes, seeds = saved["describe"]["layer_sizes"], saved["seeds"]
    model = hydra.utils.instantiate(
        node,
        in_features=int(sizes[0]),
        out_features=int(sizes[-1]),
        members=len(seeds),
        generators=[Generator().manual_seed(int(seed)) for seed in seeds],
        dtype=next(value.dtype for value in state.values() if value.is_floating_point()),
    )
    if not isinstance(model, StackedModel):
        raise TypeError(f"{node['_target_']} makes no stack of members")
    fit_to = getattr(model, "fit_to", None)
    if fit_to is not None:  # it may have grown or been pruned since it was built
        fit_to(state)
    model.load_state_dict(state)
    return model


def _range(saved: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Ends of the inputs' range, (I,) each, and the box that was scaled from; format 1 may know none of them."""
    features = int(saved["describe"]["layer_sizes"][0])
    unknown = {"low": [-torch.inf] * features, "high": [torch.inf] * features, "scaled_from": None}
    inputs = saved.get("inputs") or unknown
    low, high = (torch.tensor(inputs[end], dtype=torch.float64).reshape(features) for end in ("low", "high"))
    box = inputs["scaled_from"]
    return low, high, None if box is None else torch.tensor(box, dtype=torch.float64).reshape(features, 2)


def _last_line(error: Exception) -> str:
    """The cause of an error, in its own words and one line: those that wrap another say it last."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__


_FORMATS = (1, 2)
"""Of `model.pt`: since 2 it says what it was built from and its inputs' range; before, only the config does."""


def _read(path: Path) -> dict[str, Any]:
    try:
        saved: Any = torch.load(io.BytesIO(path.read_bytes()), weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # torch and its unpickler raise whatever a damaged archive leads them to
        raise UnusableFileError(f"{path} is damaged") from error
    if not isinstance(saved, dict) or not {"format", "model", "describe", "seeds"} <= saved.keys():
        raise UnusableFileError(f"{path} holds no trained model")
    if saved["format"] not in _FORMATS:
        raise UnusableFileError(f"{path} has format {saved['format']}, this version reads {_FORMATS[-1]}")
    return saved


def _from_config(path: Path) -> dict[str, Any]:
    """What `model.pt` of format 1 does not say."""
    try:
        node: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UnusableFileError(f"{path} names no model") from error
    return node


def _check_targets(node: Any, path: Path) -> None:
    """Refuses to call anything that makes no model, whatever a file says.

    Raises:
        UnusableFileError: the file names nothing, or something else.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise UnusableFileError(f"{path} names no model")
    for value in _inside(node):
        if isinstance(value, Mapping) and "_target_" in value:
            _check_target(str(value["_target_"]), path)
        if isinstance(value, str) and "${" in value:  # Hydra would put anything in its place, after this check
            raise UnusableFileError(f"{path} refers to {value}, where a run keeps values")


def _inside(node: Any) -> Iterator[Any]:
    """A nested container and everything in it."""
    yield node
    if isinstance(node, Mapping | list | tuple):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from _inside(value)


def _check_target(name: str, path: Path) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        made = getattr(import_module(module), attribute)
    except Exception as error:  # of a module of the user's, whatever
        raise UnusableFileError(f"{path} is of {name}, which can't be imported here") from error
    if not _makes_a_model(made):
        raise UnusableFileError(f"{path} names {name}, which makes no model")


def _makes_a_model(made: Any) -> bool:
    """Whether it is a class of modules, or a function that is declared to return a stack.

    Of torch only its layers count: parts of it make modules from source code.
    """
    if inspect.isclass(made):
        strange = made.__module__.startswith("torch.") and not made.__module__.startswith("torch.nn.modules.")
        return issubclass(made, nn.Module) and not strange
    if not inspect.isfunction(made):
        return False
    try:
        result = typing.get_type_hints(made).get("return")
    except Exception:  # annotations that name what is not there
        return False
    return (
        inspect.isclass(result)
        and issubclass(result, nn.Module)
        and all(hasattr(result, name) for name in ("flops", "describe"))
    )
