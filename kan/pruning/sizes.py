r"""How much every edge does: its size on some samples, and its share in the outputs.

The size of an edge over B samples is its L1 norm, \(|\phi|_1 = \frac{1}{B} \sum_b |\phi(x_b)|\), or its standard
deviation. A constant edge is large by the first measure and nothing by the second: it moves the output, but depends on
no input.

**Memory.** Every edge is linear in features that all edges of an input share, \(\phi_{i,o} = W_{i,o}^T F_i\). So

.. math::
    \operatorname{Var}(\phi_{i,o}) = W_{i,o}^T \operatorname{Cov}(F_i) \, W_{i,o}

is exact without the values of a single edge. The L1 norm has no such form and needs all of them, (M, B, I, O). Whatever
grows with the samples is made for some of them at a time, and made again in the backward pass, where it would hold more
than `PIECE` numbers.
"""

__all__ = ["PIECE", "EdgeScores", "edge_l1", "edge_scores", "edge_std", "network_of_edges"]

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.members import stacked_input

PIECE = 2**22
"""Numbers of one tensor that are held at a time: 32 MiB in float64."""

Result = TypeVar("Result")


def _pieces(x: Tensor, numbers: int) -> Sequence[Tensor]:
    """Some of the samples (M, b, I) at a time, when each sample of each member takes so many numbers.

    Raises:
        ValueError: no samples.
    """
    if x.shape[1] < 1:
        raise ValueError("the size of an edge needs at least one sample, got none")
    return x.split(max(1, PIECE // (x.shape[0] * numbers)), dim=1)


def _each(function: Callable[[Tensor], Result], pieces: Sequence[Tensor]) -> list[Result]:
    """The function of every piece; of several, only what it returns is kept for the backward pass."""
    if len(pieces) == 1 or not torch.is_grad_enabled():
        return [function(piece) for piece in pieces]
    return [checkpoint(function, piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]


def _mean(means: Sequence[Tensor], pieces: Sequence[Tensor]) -> Tensor:
    """The mean over all samples from the means over pieces."""
    if len(means) == 1:
        return means[0]
    samples = sum(piece.shape[1] for piece in pieces)
    shares = [mean * (piece.shape[1] / samples) for mean, piece in zip(means, pieces, strict=True)]
    return torch.stack(shares).sum(0)


def edge_l1(layer: EdgeLayer, x: Tensor) -> Tensor:
    r"""Mean absolute value of every edge, \(\frac{1}{B} \sum_b |\phi_{i,o}(x_{b,i})|\), shape (M, I, O).

    Args:
        layer: M members.
        x: inputs of the layer, (M, B, I) or (B, I).

    Raises:
        ValueError: no samples, or a wrong shape.
    """
    x = stacked_input(x, layer.members, layer.in_features, layer.like())
    pieces = _pieces(x, layer.in_features * layer.out_features)
    return _mean(_each(lambda piece: layer.edge_values(piece).abs().mean(1), pieces), pieces)


def edge_std(layer: EdgeLayer, x: Tensor) -> Tensor:
    r"""Standard deviation of every edge over the samples (divisor B), shape (M, I, O).

    From the covariance of the features where an input has more edges than features, so that no tensor is as large as
    all edges' values; from the values where those are the fewer numbers. Edges with a formula (`kan.symbolic`) are not
    linear in the features and always evaluated.

    The gradient of an edge that is constant on the samples is zero, its subgradient of least norm. The covariance form
    is a difference of large numbers where an edge has a mean c far above its deviation: deviations below about
    \(10^{-8} |c|\) (float64) are lost.

    Args:
        layer: M members.
        x: inputs of the layer, (M, B, I) or (B, I).

    Raises:
        ValueError: no samples, or a wrong shape.
    """
    x = stacked_input(x, layer.members, layer.in_features, layer.like())
    weights = layer.edge_weights()
    if layer.out_features <= weights.shape[2]:
        return _root(_variance(layer.edge_values, x, layer.out_features))
    variance = _learned_variance(layer, weights, x)
    symbolic, mask = layer.symbolic, layer.mask
    if symbolic is not None:
        variance = variance + _variance(lambda piece: symbolic.edge_values(piece, mask), x, layer.out_features)
    return _root(variance)


def _learned_variance(layer: EdgeLayer, weights: Tensor, x: Tensor) -> Tensor:
    """Variance of every learnable function, (M, I, O), from the covariance (M, I, F, F) of the features."""

    def moments(piece: Tensor) -> tuple[Tensor, Tensor]:
        features = layer.edge_features(piece)
        mean = features.mean(1)
        centred = (features - mean.unsqueeze(1)).transpose(1, 2)
        return mean, centred.mT @ centred / piece.shape[1]

    pieces = _pieces(x, layer.in_features * weights.shape[2])
    means, within = zip(*_each(moments, pieces), strict=True)
    covariance = _mean(within, pieces)
    if len(pieces) > 1:
        mean = _mean(means, pieces)
        between = [(each - mean).unsqueeze(-1) * (each - mean).unsqueeze(-2) for each in means]
        covariance = covariance + _mean(between, pieces)
    return (weights * (covariance @ weights)).sum(2)


def _variance(edge_values: Callable[[Tensor], Tensor], x: Tensor, out_features: int) -> Tensor:
    """Variance of every edge, (M, I, O), from its values (M, B, I, O)."""

    def moments(piece: Tensor) -> tuple[Tensor, Tensor]:
        values = edge_values(piece)
        mean = values.mean(1)
        return mean, (values - mean.unsqueeze(1)).square().mean(1)

    pieces = _pieces(x, x.shape[2] * out_features)
    means, within = zip(*_each(moments, pieces), strict=True)
    if len(pieces) == 1:
        return within[0]
    mean = _mean(means, pieces)
    return _mean(within, pieces) + _mean([(each - mean).square() for each in means], pieces)


def _root(variance: Tensor) -> Tensor:
    """Square root, zero with zero gradient where rounding leaves nothing above zero."""
    positive = variance > 0.0
    return torch.where(positive, torch.where(positive, variance, 1.0).sqrt(), 0.0)


class EdgeScores(NamedTuple):
    r"""What every edge of a layer does on some samples, (M, I, O) each.

    Attributes:
        l1: mean absolute value.
        std: standard deviation, divisor B.
        attribution: share in the standard deviation of the outputs, whatever the scale of the hidden nodes. From the
            outputs, where \(A = 1\), back to the inputs: \(B_{l,i,o} = A_{l+1,o} \, s_{l,i,o} / s_{l+1,o}\) with the
            standard deviations of the edge and of the node it leads to, and \(A_{l,i} = \sum_o B_{l,i,o}\); 0 for edges
            into constant nodes. Liu et al., KAN 2.0 (2024), https://arxiv.org/abs/2408.10205, section 4.1.
        mean: mean.
    """

    l1: Tensor
    std: Tensor
    attribution: Tensor
    mean: Tensor


@torch.no_grad()
def edge_scores(model: LayeredNetwork, x: Tensor) -> list[EdgeScores]:
    """Several measures of every edge, layer by layer; no gradients.

    Args:
        model: M members.
        x: inputs of the network, (M, B, I) or (B, I).

    Raises:
        ValueError: a model that has no edges, no samples, or a wrong shape.
    """
    activations = network_of_edges(model).activations(x)
    scores: list[EdgeScores] = []
    node = activations[-1].new_ones(model.members, model.out_features)
    for index in reversed(range(model.depth)):
        layer, inputs = model.layer(index), activations[index]
        pieces = _pieces(inputs, layer.in_features * layer.out_features)
        mean = _mean([layer.edge_values(piece).mean(1) for piece in pieces], pieces)
        std = _root(_variance(layer.edge_values, inputs, layer.out_features))
        spread = activations[index + 1].std(dim=1, correction=0)
        share = torch.where(spread > 0.0, node / torch.where(spread > 0.0, spread, 1.0), 0.0)
        attribution = share.unsqueeze(1) * std
        node = attribution.sum(dim=2)
        scores.append(EdgeScores(edge_l1(layer, inputs), std, attribution, mean))
    return scores[::-1]


def network_of_edges(model: Any) -> LayeredNetwork:
    """The model itself, if it is one.

    Raises:
        ValueError: it has no edges with functions on them.
    """
    if not hasattr(model, "each_layer"):
        raise ValueError(f"sparsity and pruning need a network of edges such as KAN, got {type(model).__name__}")
    return cast(LayeredNetwork, model)
