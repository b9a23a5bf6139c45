"""Addition, one number after the other: tasks on a lattice, on which supports of splines can be counted by hand."""

__all__ = ["addition"]

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task

Base = Literal["decimal", "binary"]
DIGITS = {"decimal": 10, "binary": 16}
"""Numbers that are added to each other: one decimal digit, or four bits."""


def addition(generators: Sequence[Generator], *, base: Base = "decimal", tasks: int = 5) -> Curriculum:
    """Sums with a number t, t = 1 … T: the tasks of Rahman et al. (AAAI 2026, https://arxiv.org/abs/2511.12828).

    * decimal: the pairs (t, i) and (i, t) of digits i from 0 to 9, over 10; to be told are the sum's last digit and its
      carry, over 10.
    * binary: the same pairs of numbers of four bits, added bit by bit: two bits and the carry so far, to be told are
      the sum's bit and the next carry. All tasks are parts of one table of eight rows, which never contradicts itself.
      Their split into five tasks is not published; this one is ours.

    There is nothing else to be asked: test and validation sets are the training set. All members have the same.

    Args:
        generators: one a member, not used.
        base: "decimal" or "binary".
        tasks: T, at most 9.

    Raises:
        ValueError: an unknown base, or a number out of range.
    """
    if base not in get_args(Base):
        raise ValueError(f"base must be one of {', '.join(get_args(Base))}, got {base!r}")
    if not 1 <= tasks <= 9:
        raise ValueError(f"tasks must be from 1 to 9, got {tasks}")

    def task(number: int) -> Task:
        every = torch.arange(DIGITS[base])
        same = torch.full_like(every, number)
        pairs = torch.cat([torch.stack([same, every], dim=1), torch.stack([every, same], dim=1)])
        inputs, targets = (_decimal if base == "decimal" else _bitwise)(pairs)
        data = [each.double().expand(len(generators), -1, -1) for each in (inputs, targets)]
        return Task(f"sums with {number}", *data, *data, *data)

    return Curriculum(f"{base} addition", [task(number + 1) for number in range(tasks)], (0.0, 1.0))


def _decimal(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets (N, 2)."""
    total = pairs.sum(dim=1)
    return pairs / 10.0, torch.stack([total % 10, total // 10], dim=1) / 10.0


def _bitwise(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (4 N, 3) and targets (4 N, 2), the lowest bits of all pairs first."""
    carry = torch.zeros(len(pairs), dtype=torch.long)
    inputs, targets = [], []
    for place in range(4):
        bits = (pairs >> place) & 1
        total = bits.sum(dim=1) + carry
        inputs.append(torch.cat([bits, carry[:, None]], dim=1))
        carry = total // 2
        targets.append(torch.stack([total % 2, carry], dim=1))
    return torch.cat(inputs), torch.cat(targets)
