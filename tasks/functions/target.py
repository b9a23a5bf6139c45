"""What a target function is: a formula, a domain, and how to compute it."""

__all__ = ["TargetFunction"]

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class TargetFunction:
    """A function (..., I) → (..., O) on a box.

    Args:
        formula: in plain text.
        domain: lowest and highest value of each input, I pairs.
        function: computes it in float64 from its first I inputs.
        kan_shape: layer sizes of the KAN that the KAN paper builds for it by hand from the formula, where it has one.
    """

    formula: str
    domain: tuple[tuple[float, float], ...]
    function: Callable[[Tensor], Tensor]
    kan_shape: tuple[int, ...] | None = None

    @property
    def in_features(self) -> int:
        """I."""
        return len(self.domain)

    def normalized(self) -> "TargetFunction":
        r"""The same function of inputs scaled to [-1, 1]: \(\tilde f(z) = f(l + (h - l)(z + 1) / 2)\) on [-1, 1]^I."""
        low, high = torch.tensor(self.domain, dtype=torch.float64).unbind(1)

        def function(z: Tensor) -> Tensor:
            # a mean of the two ends never leaves the domain; l + (h - l) t can, by rounding
            t = 0.5 * (z[..., : self.in_features] + 1.0)
            return self.function((1.0 - t) * low + t * high)

        return replace(self, domain=((-1.0, 1.0),) * self.in_features, function=function)
