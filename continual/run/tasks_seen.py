"""What a picture of the tasks needs of a curriculum: samples, outlines, and the target along a line or on planes."""

__all__ = ["tasks_seen"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks import Curriculum, Task
from tasks.sampling import plane

TASKS = 8
"""Tasks that are kept, evenly chosen from the first to the last; pictures tell no more of them apart."""

SAMPLES = 100
LINE, SIDE = 401, 41
"""Points along a line, and along each side of a plane."""

COLUMNS = 4
"""Inputs that are kept of many: the first ones and the last."""

DIRECTIONS = 32
"""Of an outline, which goes from the sample that reaches farthest in one direction to that of the next."""


def tasks_seen(curriculum: Curriculum) -> dict[str, NDArray[Any]]:
    """Arrays by which `continual.figures.tasks` draws a curriculum of any number of inputs, as its first member has it.

    Args:
        curriculum: T tasks of I inputs.

    Returns:
        In float32, for pictures; S of the tasks, C of the inputs, the first output:

        - `features` (), I; `shown` (S,), which tasks, from 0; `columns` (C,), which inputs;
        - `box` (C, 2): lowest and highest value of each of these inputs, of all tasks;
        - `inputs` (S, N, C) and `targets` (S, N): training samples, the same number of each task;
        - `outlines` (S, C-1, 32, 2): around a task's training samples in the plane of the first input and each other
          one, where there are several inputs;
        - `maps`, where the curriculum knows its `target`: of one input its values at points evenly spread over the box,
          (S, 401); of two on an even grid, (S, 41, 41), the second input along the first axis; of more the same on the
          plane of the first two inputs through the middle of each task's test inputs. One map, (1, …), where all are
          the same.
    """
    total = len(curriculum)
    shown = np.unique(np.linspace(0, total - 1, min(total, TASKS)).round().astype(int))
    some = [curriculum.tasks[index] for index in shown]
    features = curriculum.in_features
    columns = list(range(features)) if features <= COLUMNS else [*range(COLUMNS - 1), features - 1]
    box = _box(curriculum)
    count = min(SAMPLES, *(task.train_inputs.shape[1] for task in some))
    kept = {
        "features": np.array(features),
        "shown": shown,
        "columns": np.array(columns),
        "box": box[columns].numpy(),
        "inputs": np.stack([_plain(task.train_inputs[0])[_few(task, count)][:, columns].numpy() for task in some]),
        "targets": np.stack([_plain(task.train_targets[0])[_few(task, count), 0].numpy() for task in some]),
    }
    if features > 1:
        kept["outlines"] = np.stack([_outlines(_plain(task.train_inputs[0])[:, columns]) for task in some])
    if curriculum.target is not None:
        maps = [
            _plain(curriculum.target(int(index), _looked_at(task, box)))[:, 0].numpy()
            for index, task in zip(shown, some, strict=True)
        ]
        same = features <= 2 and all(np.array_equal(each, maps[0]) for each in maps)
        kept["maps"] = np.stack(maps[:1] if same else maps)
        if features > 1:
            kept["maps"] = kept["maps"].reshape(-1, SIDE, SIDE)
    with np.errstate(over="ignore"):  # a target may have poles in the box
        return {name: each if each.dtype.kind == "i" else each.astype(np.float32) for name, each in kept.items()}


def _plain(values: Tensor) -> Tensor:
    return values.detach().double().cpu()


def _few(task: Task, count: int) -> Tensor:
    """So many places among a task's training samples: evenly spread of one input, else drawn, always the same."""
    total, features = task.train_inputs.shape[1:]
    if features == 1:
        return torch.linspace(0, total - 1, count, dtype=torch.float64).round().long()
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count]


def _box(curriculum: Curriculum) -> Tensor:
    """Lowest and highest value of each input that the first member or a view of the whole shows, (I, 2)."""
    seen = [_plain(x[0]) for task in curriculum.tasks for x in (task.train_inputs, task.test_inputs)]
    seen += [] if curriculum.view is None else [_plain(curriculum.view.inputs)]
    ends = torch.stack([torch.stack(each.aminmax(dim=0)) for each in seen])  # (n, 2, I)
    return torch.stack([ends[:, 0].amin(dim=0), ends[:, 1].amax(dim=0)], dim=1)


def _looked_at(task: Task, box: Tensor) -> Tensor:
    """Inputs (P, I) at which the target of a task is drawn."""
    if len(box) == 1:
        return _between(box[0], LINE)[:, None]
    across, up = (_between(ends, SIDE) for ends in box[:2])
    places = plane(across, up)
    middle = _plain(task.test_inputs[0]).mean(dim=0)
    return torch.cat([places, middle[2:].expand(len(places), -1)], dim=1)


def _between(ends: Tensor, count: int) -> Tensor:
    low, high = (float(end) for end in ends)
    return torch.linspace(low, high, count, dtype=torch.float64)


def _outlines(samples: Tensor) -> NDArray[Any]:
    """Corners (C-1, 32, 2) around samples (N, C), in the plane of the first input and each other one."""
    angles = torch.arange(DIRECTIONS, dtype=torch.float64) * (2.0 * torch.pi / DIRECTIONS)
    towards = torch.stack([angles.cos(), angles.sin()])
    pairs: Sequence[Tensor] = [samples[:, [0, other]] for other in range(1, samples.shape[1])]
    width = [pair.amax(dim=0) - pair.amin(dim=0) for pair in pairs]
    scaled = [pair / torch.where(size > 0.0, size, 1.0) for pair, size in zip(pairs, width, strict=True)]
    return torch.stack([p[(s @ towards).argmax(dim=0)] for p, s in zip(pairs, scaled, strict=True)]).numpy()
