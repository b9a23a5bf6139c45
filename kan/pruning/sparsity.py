"""The KAN paper's penalty, which makes few edges do what many could."""

__all__ = ["Measure", "SparsityPenalty", "share_entropy"]

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer
from kan.members import stacked_input
from kan.pruning.sizes import edge_l1, edge_std, network_of_edges

Measure = Literal["l1", "std"]

_MEASURES: dict[str, Callable[[EdgeLayer, Tensor], Tensor]] = {"l1": edge_l1, "std": edge_std}


def share_entropy(sizes: Tensor) -> Tensor:
    r"""Entropy of the edges' shares of a layer, \(-\sum p \ln p\) with \(p = s / \sum s\), in nats, shape (M,).

    Zero where one edge does everything, \(\ln(IO)\) where all do the same. An edge of size 0 adds nothing and has
    gradient 0; a layer whose edges all have size 0 has entropy 0.

    Args:
        sizes: s ≥ 0 of every edge, (M, I, O).

    Example:
        >>> share_entropy(torch.tensor([[[1.0, 1.0]], [[3.0, 0.0]], [[0.0, 0.0]]]))
        tensor([0.6931, 0.0000, 0.0000])
    """
    total = sizes.sum(dim=(1, 2), keepdim=True)
    shares = sizes / torch.where(total > 0.0, total, 1.0)
    safe = torch.where(shares > 0.0, shares, 1.0)
    return 0.0 - (safe * safe.log()).sum(dim=(1, 2))  # and not -0


class SparsityPenalty:
    r"""The KAN paper's penalty on the edges of a network, for every member.

    .. math::
        \lambda \sum_l \Big( \mu_1 \sum_{i,o} s_{l,i,o} + \mu_2 \, S_l \Big)

    with the sizes s of the edges and the entropy S of their shares of a layer (`share_entropy`); Liu et al., KAN:
    Kolmogorov-Arnold Networks (2024), https://arxiv.org/abs/2404.19756, section 2.5.1. Masked edges have no part in it.

    Sizes are taken on the samples that are trained on, in one pass through the network that also gives the predictions.
    No member's penalty depends on another's parameters, so the gradient of their sum is each one's own.

    Args:
        weight: λ ≥ 0.
        l1: \(\mu_1\) ≥ 0, in front of the sum of the sizes.
        entropy: \(\mu_2\) ≥ 0, in front of the entropies.
        measure: the size of an edge: "l1" for the mean of its absolute value, as in the paper; "std" for its standard
            deviation, which lets edges keep a constant at no cost and is computed without the values of every edge
            (`edge_std`).

    Raises:
        ValueError: a weight that is negative or not finite, or an unknown measure.

    Example:
        >>> from kan import KAN
        >>> penalty = SparsityPenalty(1e-3, measure="std")
        >>> predictions, penalties = penalty(KAN(2, 1, members=3), torch.rand(50, 2))
        >>> predictions.shape, penalties.shape
        (torch.Size([3, 50, 1]), torch.Size([3]))
    """

    def __init__(self, weight: float, l1: float = 1.0, entropy: float = 1.0, measure: Measure = "l1") -> None:
        for name, value in (("weight", weight), ("l1", l1), ("entropy", entropy)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"{name} of the sparsity penalty must be at least 0 and finite, got {value}")
        self.weight = weight
        self.l1 = l1
        self.entropy = entropy
        self.measure = _known_measure(measure)

    def __call__(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """The network's output and its penalty.

        Args:
            model: M members.
            x: samples, (M, B, I) or (B, I).

        Returns:
            Predictions (M, B, O), the same as those of `model(x)`, and the penalty (M,).

        Raises:
            ValueError: a model that has no edges, no samples, or a wrong shape.
        """
        network = network_of_edges(model)
        x = stacked_input(x, network.members, network.in_features, network.like())
        penalty = x.new_zeros(network.members)
        for layer in network.each_layer():
            sizes = _MEASURES[self.measure](layer, x)
            penalty = penalty + self.l1 * sizes.sum(dim=(1, 2)) + self.entropy * share_entropy(sizes)
            x = layer(x)
        return x, self.weight * penalty


def _known_measure(measure: Measure) -> Measure:
    if measure not in _MEASURES:
        raise ValueError(f"measure must be one of {', '.join(_MEASURES)}, got {measure!r}")
    return measure
