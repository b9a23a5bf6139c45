r"""Sizes of blocks of the tangent kernel \(K(X_i, X_j) = J_i J_j^\top\), from the exact Jacobian in pieces.

\(\|K(X_i, X_j)\|_F^2\) is a sum over pairs of samples, and as well \(\langle J_i^\top J_i, J_j^\top J_j \rangle\), over
pairs of parameters. Whichever is smaller is computed, and no more of a Jacobian is held at a time than a bound.
"""

__all__ = ["kernel_overlap", "kernel_squares", "piece_memory", "squares_memory"]

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from continual.models import JACOBIAN_NUMBERS, StackedModel, columns_of, jacobian_pieces


def piece_memory(model: StackedModel, members: int, samples: int) -> float:
    """Bytes of the largest piece of a Jacobian of so many samples, as it is and in float64."""
    sample = members * model.out_features * columns_of(model)
    size = next(iter(model.parameters())).element_size()
    return float(min(max(JACOBIAN_NUMBERS, sample), samples * sample) * (size + 8))


def squares_memory(model: StackedModel, members: int, counts: Sequence[int]) -> float:
    """Bytes that `kernel_squares` holds for sets of so many samples, about."""
    columns, rows = columns_of(model), model.out_features * min(counts)
    piece = piece_memory(model, members, max(counts))
    if columns <= rows:
        return piece + 16.0 * members * len(counts) * columns**2  # of each set its product, and all of them stacked
    block = 8.0 * members * (model.out_features * max(counts)) ** 2
    return 2.0 * piece + block + min(8.0 * JACOBIAN_NUMBERS, 8.0 * members * model.out_features * columns * sum(counts))


def kernel_squares(model: StackedModel, inputs: Sequence[Tensor], numbers: int | None = None) -> Tensor:
    r"""\(\|K(X_i, X_j)\|_F^2\) of all pairs of some sets of inputs.

    Args:
        model: M members.
        inputs: T sets, (M, B, I) each.
        numbers: of a Jacobian to hold at a time; None for `JACOBIAN_NUMBERS`.

    Returns:
        Shape (M, T, T), float64.
    """
    limit = numbers or JACOBIAN_NUMBERS
    columns = columns_of(model)
    rows = model.out_features * min(x.shape[1] for x in inputs)

    def held(x: Tensor) -> Iterator[Tensor]:
        return (slopes.double().flatten(1, 2) for *_, slopes in jacobian_pieces(model, x, limit))

    if columns <= rows:
        grams = torch.stack([_sum(slopes.mT @ slopes for slopes in held(x)) for x in inputs], dim=1).flatten(2)
        return (grams @ grams.mT).clamp(min=0.0)
    small = sum(x.shape[1] for x in inputs) * model.members * model.out_features * columns <= limit
    kept = [list(held(x)) for x in inputs] if small else None
    count = len(inputs)
    result = inputs[0].new_zeros(model.members, count, count, dtype=torch.float64)
    for i in range(count):
        for ours in kept[i] if kept is not None else held(inputs[i]):
            for j in range(i, count):
                for theirs in kept[j] if kept is not None else held(inputs[j]):
                    result[:, i, j] += (ours @ theirs.mT).square().sum(dim=(1, 2))
    return result.triu() + result.triu(1).mT


def _sum(terms: Iterator[Tensor]) -> Tensor:
    total = next(terms)
    for term in terms:
        total += term
    return total


def kernel_overlap(squares: Tensor) -> Tensor:
    r"""\(\|K_{ij}\|_F / \sqrt{\|K_{ii}\|_F \|K_{jj}\|_F}\) from the squares of `kernel_squares`, (..., T, T).

    NaN where a set of inputs moves nothing at all.
    """
    norms = squares.sqrt()
    own = norms.diagonal(dim1=-2, dim2=-1)
    scale = (own.unsqueeze(-1) * own.unsqueeze(-2)).sqrt()
    return norms / torch.where(scale > 0.0, scale, torch.nan)
