"""A memory of fixed size that holds a fair sample of all that went by, for each member its own."""

__all__ = ["Reservoir", "pick"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor


def pick(tensors: Sequence[Tensor], count: int | None, generators: Sequence[Generator]) -> list[Tensor]:
    """So many samples, drawn without replacement, each member's by its generator.

    Args:
        tensors: shape (M, N, ·) each; what lies beside each other stays together.
        count: how many; None for all. All of them come in their order, and draw nothing.
        generators: one a member.
    """
    there = tensors[0].shape[1]
    if count is None or count >= there:
        return list(tensors)
    device = tensors[0].device
    chosen = torch.stack([torch.randperm(there, generator=g)[:count] for g in generators]).to(device)
    members = torch.arange(len(chosen), device=device).unsqueeze(1)
    return [tensor[members, chosen] for tensor in tensors]


class Reservoir:
    r"""Holds n samples of a stream, of which every one that went by is kept with the same probability.

    Vitter, Random Sampling with a Reservoir (1985), Algorithm R: the first n are kept in their order; sample i, counted
    from 0, then draws \(j = \lfloor u (i + 1) \rfloor\) with u uniform on [0, 1), and takes the place of sample j where
    \(j < n\).

    Args:
        size: n; 0 keeps nothing.
        generators: one a member, whose state is part of this one's.

    Example:
        >>> kept = Reservoir(3, [torch.Generator().manual_seed(0)])
        >>> kept.add(torch.arange(2.0).view(1, 2, 1))
        >>> kept.add(torch.arange(2.0, 100.0).view(1, 98, 1))
        >>> kept.draw(None)[0].shape, kept.filled, kept.seen
        (torch.Size([1, 3, 1]), 3, 100)
    """

    def __init__(self, size: int, generators: Sequence[Generator]) -> None:
        self.size, self.seen = size, 0
        self._generators = list(generators)
        self._kept: list[Tensor] = []

    @property
    def filled(self) -> int:
        """Samples that are there."""
        return min(self.seen, self.size)

    def add(self, *samples: Tensor) -> None:
        """Lets samples go by, (M, B, ·) each: inputs, targets and what else belongs to them."""
        if self.size == 0:
            return
        room, count = self.size - self.filled, samples[0].shape[1]
        if room > 0:
            first = [each[:, :room].detach() for each in samples]
            old = self._kept or [each[:, :0] for each in first]
            self._kept = [torch.cat(pair, dim=1) for pair in zip(old, first, strict=True)]
        if count > room:
            self._replace([each[:, room:].detach() for each in samples], self.seen + room)
        self.seen += count

    def _replace(self, samples: Sequence[Tensor], begin: int) -> None:
        """Lets samples go by a memory that is full, of which the first has the number `begin`."""
        count = samples[0].shape[1]
        draws = torch.stack([torch.rand(count, generator=g, dtype=torch.float64) for g in self._generators])
        places = (draws * torch.arange(begin + 1, begin + count + 1)).long().clamp_(max=self.size)
        # of several that want one place the last has it; those that want none share the place behind all others
        last = torch.full((len(draws), self.size + 1), -1)
        last.scatter_reduce_(1, places, torch.arange(count).expand_as(places), "amax")
        members, taken = (last[:, :-1] >= 0).nonzero(as_tuple=True)
        chosen = last[members, taken]
        for kept, new in zip(self._kept, samples, strict=True):
            where = tuple(index.to(kept.device) for index in (members, taken, chosen))
            kept[where[0], where[1]] = new[where[0], where[2]]

    def draw(self, count: int | None) -> list[Tensor]:
        """So many of the samples, without replacement; all of them in their order where there are no more, or for None.

        What is returned may be the memory itself, not to be changed.
        """
        return pick(self._kept, count, self._generators)

    def state_dict(self) -> dict[str, Any]:
        """Samples, their number, and the generators' states."""
        states = [generator.get_state() for generator in self._generators]
        return {"seen": self.seen, "kept": list(self._kept), "generators": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives all of that back."""
        self.seen, self._kept = state["seen"], list(state["kept"])
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
