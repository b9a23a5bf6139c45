r"""Sizes of blocks of the tangent kernel \(K(X_i, X_j) = J_i J_j^\top\), from the exact Jacobian in pieces.

\(\|K(X_i, X_j)\|_F^2\) is a sum over pairs of samples, and as well \(\langle J_i^\top J_i, J_j^\top J_j \rangle\), over
pairs of parameters. Whichever is smaller is computed, and no more of a Jacobian is held at a time than a bound.
"""

__all__ = ["columns_of", "kernel_overlap", "kernel_squares", "piece_memory", "pieces", "squares_memory"]

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from continual.models import StackedModel, jacobian, trainable

NUMBERS = 2**22
"""Numbers of a Jacobian that are held at a time: 32 MiB in float64. At least one sample's."""


def _a_sample(model: StackedModel) -> int:
    """Numbers of the Jacobian of one sample of all members."""
    return model.out_features * sum(parameter.numel() for parameter in trainable(model))


def columns_of(model: StackedModel) -> int:
    """Trained parameters of a member, P."""
    return sum(parameter[0].numel() for parameter in trainable(model))


def piece_memory(model: StackedModel, members: int, samples: int) -> float:
    """Bytes of the largest piece of a Jacobian of so many samples, as it is and in float64."""
    sample = members * model.out_features * columns_of(model)
    size = next(iter(model.parameters())).element_size()
    return float(min(max(NUMBERS, sample), samples * sample) * (size + 8))


def squares_memory(model: StackedModel, members: int, counts: Sequence[int]) -> float:
    """Bytes that `kernel_squares` holds for sets of so many samples, about."""
    columns, rows = columns_of(model), model.out_features * min(counts)
    piece = piece_memory(model, members, max(counts))
    if columns <= rows:
        return piece + 16.0 * members * len(counts) * columns**2  # of each set its product, and all of them stacked
    block = 8.0 * members * (model.out_features * max(counts)) ** 2
    return 2.0 * piece + block + min(8.0 * NUMBERS, 8.0 * members * model.out_features * columns * sum(counts))


def pieces(model: StackedModel, x: Tensor, numbers: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """The Jacobian (M, b, O, P) of a few of the samples (M, B, I) at a time, with which ones they are.

    Args:
        model: M members.
        x: inputs, (M, B, I).
        numbers: to hold at a time; None for `NUMBERS`.
    """
    size = max(1, (numbers or NUMBERS) // max(1, _a_sample(model)))
    for start in range(0, x.shape[1], size):
        part = slice(start, min(start + size, x.shape[1]))
        yield part, jacobian(model, x[:, part])[1]


def kernel_squares(model: StackedModel, inputs: Sequence[Tensor], numbers: int | None = None) -> Tensor:
    r"""\(\|K(X_i, X_j)\|_F^2\) of all pairs of some sets of inputs.

    Args:
        model: M members.
        inputs: T sets, (M, B, I) each.
        numbers: of a Jacobian to hold at a time; None for `NUMBERS`.

    Returns:
        Shape (M, T, T), float64.
    """
    limit = numbers or NUMBERS
    columns = columns_of(model)
    rows = model.out_features * min(x.shape[1] for x in inputs)

    def held(x: Tensor) -> Iterator[Tensor]:
        return (slopes.double().flatten(1, 2) for _, slopes in pieces(model, x, limit))

    if columns <= rows:
        grams = torch.stack([_sum(slopes.mT @ slopes for slopes in held(x)) for x in inputs], dim=1).flatten(2)
        return (grams @ grams.mT).clamp(min=0.0)
    small = sum(x.shape[1] for x in inputs) * _a_sample(model) <= limit
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
