"""Parts of a box between parallel planes: across one axis, or across its diagonal."""

__all__ = ["Slab"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.sampling import quasi_random_points

_FOR_QUANTILES = 2**14
"""Points by which the volumes between planes across a diagonal are found: a part is right to about 1 in 1,000."""


@dataclass(frozen=True)
class Slab:
    """What lies between two planes.

    Args:
        name: what the task is called that shows it.
        axis: the input that the planes cut; None for the mean of all, each scaled from its range to [0, 1].
        low: of the input, or of the mean.
        high: of the input, or of the mean.
    """

    name: str
    axis: int | None
    low: float
    high: float

    @classmethod
    def along(cls, axis: int, index: int, count: int, overlap: float, low: Tensor, high: Tensor) -> "Slab":
        """One of equal parts along an axis, widened about its middle by `overlap` within the box."""
        width = (high[axis] - low[axis]) / count
        begin = low[axis] + index * width
        end = begin + width
        if overlap != 1.0:
            more = width * (overlap - 1.0) / 2.0
            begin, end = torch.maximum(begin - more, low[axis]), torch.minimum(end + more, high[axis])
        return cls(f"x{axis + 1} in [{float(begin):.3g}, {float(end):.3g}]", axis, float(begin), float(end))

    @classmethod
    def across_diagonal(cls, count: int, overlap: float, low: Tensor, high: Tensor) -> list["Slab"]:
        """Parts of equal volume across the diagonal, each widened about its middle, in volume, by `overlap`."""
        means = quasi_random_points(low, high, _FOR_QUANTILES, "validation")
        means = ((means - low) / (high - low)).mean(dim=1)
        middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        shares = torch.stack([middle - overlap / (2 * count), middle + overlap / (2 * count)]).clamp(0.0, 1.0)
        ends = torch.quantile(means, shares.flatten()).view_as(shares)
        ends = torch.where(shares == 0.0, 0.0, torch.where(shares == 1.0, 1.0, ends))
        return [cls(f"mean in [{a:.3g}, {b:.3g}]", None, a, b) for a, b in ends.T.tolist()]

    def holds(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Which points (..., I) of the box from `low` to `high` lie in it, (...)."""
        position = self._position(x, low, high)
        return (position >= self.low) & (position <= self.high)

    def _position(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return x[..., self.axis] if self.axis is not None else ((x - low) / (high - low)).mean(dim=-1)

    def first(self, draw: Callable[[int], Tensor], count: int, low: Tensor, high: Tensor) -> Tensor:
        """The first `count` points that lie in it of those that `draw` gives, asked for more until there are as many.

        `draw` may go on where it ended, or begin anew with more points.
        """
        found = torch.empty(0, len(low), dtype=torch.float64)
        asked = 4 * count
        while True:
            points = draw(asked)
            found = points[self.holds(points, low, high)]
            if len(found) >= count:
                return found[:count]
            asked *= 4

    def shares(self, x: Tensor, slabs: Sequence["Slab"], low: Tensor, high: Tensor) -> Tensor:
        """Share of its own samples x (M, N, I) that lie in another one of parallel slabs in order, too, (M,)."""
        position = self._position(x, low, high).contiguous()
        begins, ends = (
            torch.tensor([getattr(slab, end) for slab in slabs], dtype=torch.float64) for end in ("low", "high")
        )
        # a plane that two slabs share belongs to one of them here
        holding = torch.searchsorted(begins, position, right=False) - torch.searchsorted(ends, position, right=False)
        return (holding > 1).double().mean(dim=1)
