r"""Quadratic penalties that a strategy adds to each member's loss, in a form that every optimizer can use."""

__all__ = ["Quadratic", "flat", "unflat"]

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

P = TypeVar("P", bound=Tensor)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors (M, ...) side by side, as the columns of a Jacobian are: (M, P)."""
    return torch.cat([each.flatten(1) for each in tensors], dim=1)


def unflat(vector: Tensor, like: Sequence[P]) -> Iterator[tuple[P, Tensor]]:
    """Tensors (M, ...), each with its columns of a vector (M, P) in its shape: the other way round than `flat`."""
    pieces = vector.split([each[0].numel() for each in like], dim=1)
    return ((each, piece.view(each.shape)) for each, piece in zip(like, pieces, strict=True))


@dataclass(frozen=True)
class Quadratic:
    r"""A term of each member's loss, quadratic in its trained parameters \(\theta\).

    .. math::
        q(\theta) = \tfrac12 d^T A d + g^T d + c, \qquad d = \theta - \theta^*

    Declared as it is, instead of as a `loss_term`, it costs a few passes over the parameters in place of a graph, and
    Levenberg–Marquardt solves for it together with the residuals. The sum of several with anchors of their own is one
    of these: with \(A\) and g added up, and g moved along with the anchor by \(A \, \delta\theta^*\).

    Args:
        anchor: \(\theta^*\), (M, P), columns as in `flat` of the trained parameters.
        diagonal: diagonal of A, (M, P); None for zero.
        blocks: what else A has: places (K,) of parameters, and symmetric matrices (M, K, K) between them.
        slope: g, (M, P); None for zero.
        constant: c, (M,); None for zero.
    """

    anchor: Tensor
    diagonal: Tensor | None = None
    blocks: Sequence[tuple[Tensor, Tensor]] = ()
    slope: Tensor | None = None
    constant: Tensor | None = None

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Q (M,) and its gradient \(A d + g\) (M, P) at parameters (M, P), without graph."""
        offset = x - self.anchor
        pulled = torch.zeros_like(offset) if self.diagonal is None else self.diagonal * offset
        for places, matrix in self.blocks:
            pulled[:, places] += (matrix @ offset[:, places].unsqueeze(2)).squeeze(2)
        if self.slope is None:
            value = 0.5 * (pulled * offset).sum(dim=1)
        else:
            value = ((0.5 * pulled + self.slope) * offset).sum(dim=1)
            pulled = pulled + self.slope
        return value if self.constant is None else value + self.constant, pulled

    def value(self, x: Tensor) -> Tensor:
        """Q at parameters (M, P), (M,) in float64."""
        return self._double().value_and_gradient(x.double())[0]

    def add(self, chosen: Tensor, x: Tensor, matrix: Tensor, gradient: Tensor) -> None:
        r"""Adds \(A / 2\) and \((A d + g) / 2\) of some members, (m,), to matrices (m, P, P) and gradients (m, P).

        Halves, since what Gauss–Newton sums up are squares without the factor of ½.
        """
        gradient += 0.5 * self._double().value_and_gradient(x.double())[1][chosen]
        if self.diagonal is not None:
            matrix.diagonal(dim1=1, dim2=2).add_(self.diagonal[chosen].double(), alpha=0.5)
        for places, block in self.blocks:
            matrix[:, places.unsqueeze(1), places] += 0.5 * block[chosen].double()

    def _double(self) -> "Quadratic":
        def double(each: Tensor | None) -> Tensor | None:
            return None if each is None else each.double()

        blocks = [(places, matrix.double()) for places, matrix in self.blocks]
        return Quadratic(self.anchor.double(), double(self.diagonal), blocks, double(self.slope), double(self.constant))
