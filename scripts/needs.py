"""What a run will need, compared with what the machine has before anything is done."""

__all__ = ["available_memory", "check_memory", "check_seeds", "shown_bytes"]

import os
from pathlib import Path

from continual.models import StackedModel
from continual.training import Settings
from scripts.schema import ConfigError
from tasks import Curriculum

_A_MEMBER = 20_000
"""Bytes that a member costs whatever the model: three generators of random numbers, 5 kB each, and their shadows."""

_COPIES = 5
"""Of the parameters while training: themselves, gradients, two moments of Adam or a history of L-BFGS, a checkpoint."""


def available_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not tell. Honours limits of a container."""
    found = []
    table = Path("/proc/meminfo")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file():
        text = limit.read_text(encoding="ascii").strip()
        if text.isdigit():
            found.append(max(int(text) - int(used.read_text(encoding="ascii")), 0))
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


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


def check_memory(model: StackedModel, curriculum: Curriculum, settings: Settings, members: int) -> None:
    """Refuses a run that needs more memory than there is: parameters and optimizer, data, evaluations, R.

    Args:
        model: built for some members, one suffices.
        curriculum: for as many.
        settings: of the training.
        members: that the run will have.

    Raises:
        ConfigError: in one line.
    """
    parameters = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    data = sum(
        tensor.numel() * tensor.element_size()
        for task in curriculum.tasks
        for tensor in (task.train_inputs, task.train_targets)
    )
    tasks = len(curriculum)
    evaluations = tasks * (settings.steps // settings.evaluate_every + 1)
    numbers = (evaluations * 2 + tasks + 1) * tasks * 8
    each = (_COPIES * parameters + 2 * data) / model.members + numbers
    what = f"{shown_bytes(_COPIES * parameters / model.members)} for parameters and optimizer a seed"
    _compare(members * each, f"{members} seeds with {what}, and {evaluations} evaluations of {tasks} tasks")


def _compare(need: float, what: str) -> None:
    there = available_memory()
    if there is not None and need > there:
        raise ConfigError(
            f"the run needs about {shown_bytes(need)} of memory ({what}), and {shown_bytes(there)} are available; "
            "take fewer seeds, a smaller model, or evaluate less often"
        )
