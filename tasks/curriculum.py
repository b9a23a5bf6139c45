"""Tasks and curricula: the data of T sequential tasks, of regression or classification, for M members."""

__all__ = ["MOST_TASKS", "Curriculum", "Split", "Stream", "Task", "View", "check_tasks"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.losses import LOSSES, Loss, LossName

MOST_TASKS = 10_000
"""Tasks of a curriculum, at most: every pair of them has an entry in R, of every member."""


Split = Literal["test", "validation"]
"""On which of a task's sets errors are measured: what is chosen is chosen on validation, and reported on test."""


def check_tasks(count: int, name: str) -> None:
    """Refuses a number of tasks below 1 or above `MOST_TASKS`, before any of them is made.

    Args:
        count: the number.
        name: what the setting is called.

    Raises:
        ValueError: a number out of range.
    """
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}")
    if count > MOST_TASKS:
        raise ValueError(f"{name} must be at most {MOST_TASKS}, got {count}")


@dataclass(frozen=True)
class Task:
    """One task: training data, a test set, and a validation set, none of which share a sample; and how it is judged.

    Args:
        name: what the task is called in figures and tables.
        train_inputs: shape (M, N, I).
        train_targets: shape (M, N, O).
        test_inputs: shape (M, N', I); often one set expanded over the members.
        test_targets: shape (M, N', O), without noise.
        validation_inputs: shape (M, N", I), made like the test set; None in a task that has none, on which nothing can
            be chosen.
        validation_targets: shape (M, N", O), without noise.
        loss: what predictions are judged by, a name of `tasks.losses.LOSSES`. Targets of "cross_entropy" are one-hot,
            or probabilities; predictions are the logits of them.
        columns: outputs that belong to the task, where those of others take no part in loss and errors (as in
            task-incremental learning); None for all. The targets of other columns become NaN, see `tasks.losses`.

    Raises:
        ValueError: shapes that do not fit together, an empty set, an unknown loss, no such columns, or targets that
            are no probabilities where they have to be.
    """

    name: str
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    validation_inputs: Tensor | None = None
    validation_targets: Tensor | None = None
    loss: LossName = field(default="mean_squared_error", kw_only=True)
    columns: tuple[int, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if (self.validation_inputs is None) != (self.validation_targets is None):
            raise ValueError(f"task {self.name!r} needs both inputs and targets of a validation set, or neither")
        for kind, x, y in (
            ("training", self.train_inputs, self.train_targets),
            ("test", self.test_inputs, self.test_targets),
            ("validation", self.validation_inputs, self.validation_targets),
        ):
            if x is None or y is None:
                continue
            if x.dim() != 3 or y.dim() != 3 or x.shape[:2] != y.shape[:2] or 0 in x.shape or 0 in y.shape:
                raise ValueError(
                    f"{kind} data of task {self.name!r} must have shapes (M, N, I) and (M, N, O) with N ≥ 1, "
                    f"got {tuple(x.shape)} and {tuple(y.shape)}"
                )
        if self.loss not in LOSSES:
            raise ValueError(f"loss of task {self.name!r} must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.columns is not None:
            self._mask(self.columns)
        if LOSSES[self.loss].classifies:
            self._check_classes()

    def _mask(self, columns: Sequence[int]) -> None:
        """Makes the targets of all columns but these NaN."""
        outputs = self.train_targets.shape[2]
        if not columns or len(set(columns)) < len(columns) or not all(0 <= column < outputs for column in columns):
            raise ValueError(
                f"columns of task {self.name!r} must be different ones of 0 to {outputs - 1}, got {list(columns)}"
            )
        object.__setattr__(self, "columns", tuple(columns))
        others = [column for column in range(outputs) if column not in columns]
        for name, targets in self.tensors().items():
            if name.endswith("targets") and not bool(targets[..., others].isnan().all()):
                targets = targets.clone()
                targets[..., others] = torch.nan
                object.__setattr__(self, name, targets)

    def _check_classes(self) -> None:
        """Refuses targets that are no probabilities of two classes or more."""
        for name, targets in self.tensors().items():
            if not name.endswith("targets"):
                continue
            own = self.own(targets)
            if own.shape[2] < 2 or not bool((own >= 0.0).all() and ((own.sum(dim=2) - 1.0).abs() < 1e-4).all()):
                raise ValueError(
                    f"{name} of task {self.name!r} must be probabilities of at least 2 classes, which are at least 0 "
                    "and have the sum 1 (one-hot, for example)"
                )

    def own(self, values: Tensor) -> Tensor:
        """The columns that belong to the task, of predictions, targets or the like (..., O)."""
        return values if self.columns is None else values[..., list(self.columns)]

    def to(self, dtype: torch.dtype | None = None, device: torch.device | None = None) -> "Task":
        """The same task in another dtype or on another device."""
        moved: dict[str, Any] = {name: _moved(x, dtype, device) for name, x in self.tensors().items()}
        return replace(self, **moved)

    def tensors(self) -> dict[str, Tensor]:
        """Inputs and targets of training, test and validation, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def measured_on(self, split: Split) -> tuple[Tensor, Tensor]:
        """Inputs (M, N', I) and targets (M, N', O) of the set on which errors are measured.

        Raises:
            ValueError: the task has no validation set.
        """
        if split == "test":
            return self.test_inputs, self.test_targets
        if self.validation_inputs is None or self.validation_targets is None:
            raise ValueError(f"task {self.name!r} has no validation set")
        return self.validation_inputs, self.validation_targets


def _moved(x: Tensor, dtype: torch.dtype | None, device: torch.device | None) -> Tensor:
    """A tensor (M, N, *) elsewhere; what all members share stays one copy."""
    if x.stride(0) == 0:
        return x[:1].to(dtype=dtype, device=device).expand_as(x)
    return x.to(dtype=dtype, device=device)


@dataclass(frozen=True)
class View:
    """Inputs to look at in pictures, and the target there: inputs (P, I), targets (P, O)."""

    inputs: Tensor
    targets: Tensor


Stream = Callable[[float, Sequence[Generator]], tuple[Tensor, Tensor]]
"""From a position, 0 at the first step of all and 1 at the last, and generators to inputs (M, B, I) and targets."""


@dataclass(frozen=True)
class Curriculum:
    """Tasks to be learned one after the other, for M members.

    Args:
        name: what the curriculum is called.
        tasks: the tasks in the order in which they are learned. Where the order is random, the j-th task of one
            member is another than that of the next.
        input_range: lowest and highest value that any input takes in training or test data.
        view: where there are one or two inputs, and all tasks are parts of one function: the whole of it; of two inputs
            on a grid of n × n points, the first input changing fastest.
        scaled_from: for inputs that are scaled to [-1, 1], the interval of each in the units of the function, (I, 2).
        overlap: share of a task's samples that lie where another task has samples too, the mean over tasks, (M,); None
            where tasks have no such places.
        stream: what a step trains on, drawn anew for each, where nothing tells one task from the next: tasks are then
            the stretches of one stream, their training data samples of it for pictures, and errors are measured where
            each ends.
        target: what the first member's j-th task (from 0) says without noise anywhere, from j and inputs (P, I) to
            (P, O), in float64 on the CPU; for pictures alone. None where nobody knows.

    Raises:
        ValueError: no tasks, or tasks of different members, features or losses.
    """

    name: str
    tasks: Sequence[Task]
    input_range: tuple[float, float]
    view: View | None = None
    scaled_from: Sequence[tuple[float, float]] | None = None
    overlap: Tensor | None = None
    stream: Stream | None = None
    target: Callable[[int, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("a curriculum needs at least one task")
        sets = [(t.train_inputs, t.train_targets) for t in self.tasks]
        sets += [(t.test_inputs, t.test_targets) for t in self.tasks]
        sets += [
            (t.validation_inputs, t.validation_targets)
            for t in self.tasks
            if t.validation_inputs is not None and t.validation_targets is not None
        ]
        shapes = {(x.shape[0], x.shape[2], y.shape[2]) for x, y in sets}
        if len(shapes) > 1:
            raise ValueError(f"all tasks must have the same members, inputs and outputs, got {sorted(shapes)}")
        losses = sorted({task.loss for task in self.tasks})
        if len(losses) > 1:
            raise ValueError(
                f"all tasks must have the same loss, whose errors can be compared, got {', '.join(losses)}"
            )

    @property
    def members(self) -> int:
        """M."""
        return self.tasks[0].train_inputs.shape[0]

    @property
    def in_features(self) -> int:
        """I."""
        return self.tasks[0].train_inputs.shape[2]

    @property
    def out_features(self) -> int:
        """O."""
        return self.tasks[0].train_targets.shape[2]

    @property
    def loss(self) -> Loss:
        """What all tasks are judged by."""
        return LOSSES[self.tasks[0].loss](masked=any(task.columns is not None for task in self.tasks))

    def __len__(self) -> int:
        return len(self.tasks)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | None = None) -> "Curriculum":
        """The same curriculum in another dtype or on another device."""
        view = self.view and View(
            self.view.inputs.to(dtype=dtype, device=device), self.view.targets.to(dtype=dtype, device=device)
        )
        return replace(self, tasks=[task.to(dtype, device) for task in self.tasks], view=view)
