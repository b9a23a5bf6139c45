"""What a run will need, compared with what the machine has before anything is done."""

__all__ = [
    "A_PROCESS",
    "Needs",
    "available_memory",
    "check_seeds",
    "check_sizes",
    "guarded",
    "needs_of",
    "shown_bytes",
    "vast",
]

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode

from continual.adaptations import Adaptation
from continual.extension import Settings, Training, owner
from continual.models import StackedModel, trainable
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from scripts.config.schema import ConfigError
from tasks import Curriculum

A_PROCESS = 500_000_000
"""Bytes of a process of its own, with all that it imports and W&B beside it, about."""

_A_MEMBER = 20_000
"""Bytes that a member costs whatever the model: three generators of random numbers, 5 kB each, and their shadows."""

_COPIES = 5
"""Of the parameters while training: themselves, gradients, two moments of Adam, a checkpoint."""

_SAMPLE = 32.0
"""Bytes of a sample, at least: an input and a target, as they are drawn and as they are trained on."""

_VAST = 10**8
"""From which product of its sizes on a run is first built for one seed, to see what it takes."""


def available_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not tell.

    Honours the limits of a container, in either version of control groups, and those of the shell (`ulimit -v`).
    """
    found = []
    table = Path("/proc/meminfo")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    groups = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = ((groups / name).read_text(encoding="ascii").strip() for name in (limit, used))
        except OSError:
            continue
        if most.isdigit() and now.isdigit():
            found.append(max(int(most) - int(now), 0))
    found += _left_by_the_shell()
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def _left_by_the_shell() -> list[int]:
    """What a limit of the address space leaves, if there is one."""
    try:
        import resource
    except ImportError:  # Windows has none
        return []
    pages = Path("/proc/self/statm")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or not pages.is_file():
        return []
    return [max(limit - int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize(), 0)]


def shown_bytes(count: float) -> str:
    """A number of bytes in words.

    Example:
        >>> shown_bytes(64e9)
        '64 GB'
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def check_seeds(seeds: int) -> None:
    """Refuses more seeds than there is memory for, before they are listed.

    Raises:
        ConfigError: in one line.
    """
    _compare(seeds * _A_MEMBER, f"{seeds} seeds")


def _integers(node: Any, path: str) -> Iterator[tuple[str, int]]:
    """All integers of a part of a config, with their keys."""
    if isinstance(node, int) and not isinstance(node, bool):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _integers(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _integers(value, f"{path}[{index}]")


def check_sizes(values: Mapping[str, Any]) -> None:
    """Refuses what can't fit by any single number of the config: each size of a model or a task is held at least once.

    Args:
        values: a plain config whose seeds are listed.

    Raises:
        ConfigError: in one line, with the key.
    """
    for group, each in (("model", 8.0), ("curriculum", _SAMPLE)):
        for key, size in _integers(values[group], group):
            _compare(each * size * len(values["seeds"]), f"{key}={size}, for {len(values['seeds'])} seeds")


def vast(values: Mapping[str, Any]) -> bool:
    """Whether a config has such sizes that it is worth a look at one seed before all of them are built."""
    model, curriculum = (
        math.prod(max(size, 1) for _, size in _integers(values[group], "")) for group in ("model", "curriculum")
    )
    return len(values["seeds"]) * max(model**2, curriculum) > _VAST


@contextmanager
def guarded(members: int) -> Iterator[None]:
    """While one member is built: refuses any tensor of which the members together have no room, before it is made.

    Raises:
        ConfigError: in one line.
    """
    there = available_memory()
    if there is None:
        yield
        return
    with _Guard(there, members):
        yield


class _Guard(TorchDispatchMode):
    def __init__(self, there: int, members: int) -> None:
        super().__init__()
        self.there, self.members = there, members

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        need = 8.0 * _elements(func, args) * self.members
        if need > self.there:
            raise ConfigError(_too_much(need, self.there, f"for a single tensor of {self.members} seeds"))
        return func(*args, **(kwargs or {}))


def _elements(func: Any, args: Sequence[Any]) -> int:
    """Numbers, at least, that an operation of torch makes."""
    tensors = [
        item for arg in args for item in (arg if isinstance(arg, list | tuple) else [arg]) if isinstance(item, Tensor)
    ]
    if not tensors:
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.name in ("size", "n", "steps", "end"):
                return math.prod(map(int, value)) if isinstance(value, list | tuple) else int(value)
        return 0
    if torch.Tag.pointwise in func.tags:
        return math.prod(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    return 0 if func.is_view else max(tensor.numel() for tensor in tensors)


@dataclass(frozen=True)
class Needs:
    """What a run takes.

    Args:
        steps: optimizer steps, of all tasks.
        evaluations: of all tasks.
        memory: bytes, about, for all members.
        what: where most of it goes, in words.
    """

    steps: int
    evaluations: int
    memory: float
    what: str

    def with_extensions(self, training: Training, members: int) -> "Needs":
        """With what the extensions of a training will hold.

        Raises:
            ValueError: one that refuses to hold so much.
        """
        held = {owner(each).partition(".")[0]: each(training, members) for each in training.hooks("memory")}
        total = sum(held.values())
        if total <= self.memory:
            return replace(self, memory=self.memory + total)
        most = max(held, key=lambda name: held[name])
        what = f"{members} seeds, most of it {shown_bytes(held[most] / members)} a seed for what {most} keeps"
        return replace(self, memory=self.memory + total, what=what)

    def check(self) -> None:
        """Compares with what is there.

        Raises:
            ConfigError: in one line.
        """
        _compare(self.memory, self.what)


def needs_of(
    model: StackedModel,
    curriculum: Curriculum,
    settings: Settings,
    optimizer: Optimizer,
    adaptations: Sequence[Adaptation],
    members: int,
) -> Needs:
    """Memory and steps of a run: parameters and optimizer, data, a forward pass, evaluations, R.

    Args:
        model: built for some members, one suffices.
        curriculum: for as many.
        settings: of the training.
        optimizer: over the model's parameters.
        adaptations: some let the model grow.
        members: that the run will have.
    """
    built = model.members
    parameters = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()) / built
    parameters *= math.prod(adaptation.growth for adaptation in adaptations)
    values = sum(parameter.numel() for parameter in trainable(model)) / built
    size = next(iter(model.parameters())).element_size()
    data = sum(each.numel() for task in curriculum.tasks for each in task.tensors().values()) * size / built
    samples = max(max(task.train_inputs.shape[1], task.test_inputs.shape[1]) for task in curriculum.tasks)
    passed = samples * sum(model.describe()["layer_sizes"]) * size
    tasks = len(curriculum)
    evaluations = tasks * (-(-settings.steps // settings.evaluate_every)) + 1
    numbers = (2 * evaluations + tasks + 1) * tasks * 8
    trained = parameters * _COPIES + values * size * _history(optimizer, settings, tasks)
    if isinstance(optimizer, LevenbergMarquardt):
        batch = min(settings.batch_size or samples, samples) * curriculum.out_features
        trained += values * (values + batch) * 8
    memory = members * (trained + 2 * data + passed + numbers + _A_MEMBER)
    parts = {
        f"{shown_bytes(trained)} a seed for parameters and optimizer": trained,
        f"{shown_bytes(2 * data)} a seed for data": 2 * data,
        f"{shown_bytes(passed)} a seed for a forward pass": passed,
        f"{evaluations} evaluations of {tasks} tasks": numbers,
    }
    largest = max(parts, key=lambda name: parts[name])
    return Needs(tasks * settings.steps, evaluations, memory, f"{members} seeds, most of it {largest}")


def _history(optimizer: Optimizer, settings: Settings, tasks: int) -> float:
    """Pairs of vectors that an optimizer keeps beside gradient and moments, at most: L-BFGS does."""
    stages = getattr(optimizer, "_stages", [optimizer])
    groups = [group for stage in stages for group in stage.param_groups]
    kept = (
        min(group["history_size"], settings.steps * tasks * group["max_iter"])
        for group in groups
        if "history_size" in group
    )
    return 2.0 * max(kept, default=0)


def _compare(need: float, what: str) -> None:
    there = available_memory()
    if there is not None and need > there:
        raise ConfigError(_too_much(need, there, what))


def _too_much(need: float, there: int, what: str) -> str:
    return (
        f"the run needs about {shown_bytes(need)} of memory ({what}), and {shown_bytes(there)} are available; "
        "take fewer seeds, smaller sizes, or evaluate less often"
    )
