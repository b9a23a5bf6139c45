"""What training leaves in memory: evaluations, rows of R, predictions, and the same as tensors for a checkpoint."""

__all__ = ["History"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class History:
    """Grows along training. M members, T tasks, P points of the view, O output features.

    Args:
        alive: whether each member's loss has been finite so far, (M,).
        step: training steps done at each evaluation, over all tasks.
        task: index of the task in training at each evaluation; -1 before the first.
        loss: training loss at each evaluation, (M,) each; NaN before training.
        rmse: test RMSE at each evaluation, (M, T) each.
        median: the same with the median over the samples in place of the mean, (M, T) each.
        accuracy: of classes the share that is right at each evaluation, (M, T) each.
        rows: rows of R so far: the untrained model, then one after each task, (M, T) each.
        accuracy_rows: the same of accuracies.
        boundaries: training steps done when each task ended.
        predictions: at the view after each row of R, (M, P, O) each.
        outside: at each evaluation the share of each layer's inputs outside its grid, (M, L) each; models with grids
            only.
        parameters: trainable parameters of one member at each evaluation; they change where a model grows.
        grid_sizes: intervals of the model's grids at each evaluation, where it has such; they change where it grows.
        seconds: wall-clock time in optimizer steps by each evaluation.
        events: what changed the model, as (training steps done by then, what was done).
        portraits: arrays that show the model before each change that keeps some, in order.
        train_seconds: wall-clock time in optimizer steps.
    """

    alive: NDArray[np.bool_]
    step: list[int] = field(default_factory=list)
    task: list[int] = field(default_factory=list)
    loss: list[Floats] = field(default_factory=list)
    rmse: list[Floats] = field(default_factory=list)
    median: list[Floats] = field(default_factory=list)
    accuracy: list[Floats] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    accuracy_rows: list[Floats] = field(default_factory=list)
    boundaries: list[int] = field(default_factory=list)
    predictions: list[NDArray[Any]] = field(default_factory=list)
    outside: list[Floats] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    grid_sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    portraits: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    train_seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """Everything as tensors and plain lists, for `torch.save`."""
        arrays: dict[str, Any] = {name: [torch.from_numpy(a) for a in getattr(self, name)] for name in _ARRAYS}
        plain = {name: list(getattr(self, name)) for name in _LISTS}
        arrays["portraits"] = [{k: torch.from_numpy(a) for k, a in each.items()} for each in self.portraits]
        return {**arrays, **plain, "alive": self.alive.tolist(), "train_seconds": self.train_seconds}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "History":
        """The inverse of `state`."""
        fields: dict[str, Any] = {name: [tensor.numpy() for tensor in state.get(name, [])] for name in _ARRAYS}
        plain = {name: list(state[name]) for name in _LISTS}
        fields["portraits"] = [{k: tensor.numpy() for k, tensor in each.items()} for each in state["portraits"]]
        alive = np.array(state["alive"], dtype=bool)
        return cls(alive=alive, **fields, **plain, train_seconds=state["train_seconds"])

    def curves(self) -> dict[str, NDArray[Any]]:
        """The evaluations as arrays with the member axis first, for `curves.npz`."""
        arrays: dict[str, NDArray[Any]] = {
            "step": np.array(self.step),
            "task": np.array(self.task),
            "loss": np.stack(self.loss, axis=1),
            "rmse": np.stack(self.rmse, axis=1),
            "median": np.stack(self.median, axis=1),
            "boundaries": np.array(self.boundaries),
            "parameters": np.array(self.parameters),
        }
        if self.accuracy:
            arrays["accuracy"] = np.stack(self.accuracy, axis=1)
        if self.grid_sizes:
            arrays["grid_size"] = np.array(self.grid_sizes)
        if self.outside:
            arrays["outside"] = np.stack(self.outside, axis=1)
        for index, each in enumerate(self.portraits):
            arrays.update({f"portrait_{index}/{name}": values for name, values in each.items()})
        if self.predictions:
            arrays["predictions"] = np.stack(self.predictions, axis=1)
        return arrays

    def matrix(self) -> Floats:
        """R of every member, (M, T+1, T)."""
        return np.stack(self.rows, axis=1)

    def accuracies(self) -> Floats | None:
        """The same of accuracies; None where there are none."""
        return np.stack(self.accuracy_rows, axis=1) if self.accuracy_rows else None


_ARRAYS = ("loss", "rmse", "median", "accuracy", "rows", "accuracy_rows", "predictions", "outside")
_LISTS = ("step", "task", "boundaries", "parameters", "grid_sizes", "seconds", "events")
