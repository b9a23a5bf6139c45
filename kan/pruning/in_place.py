"""Pruning as one operation on a model in place, as training applies it (`continual.adaptations.Once`)."""

__all__ = ["prune_in_place"]

from collections import Counter

from torch import Tensor

from kan.edge_layer import LayeredNetwork
from kan.pruning.removal import PruningMeasure, prune


def prune_in_place(
    model: LayeredNetwork,
    x: Tensor,
    node_threshold: float = 1e-2,
    edge_threshold: float = 1e-2,
    measure: PruningMeasure = "l1",
    absorb_means: bool = False,
) -> str:
    """`kan.pruning.prune`, with the smaller network in place of the model's layers.

    Returns:
        What was done, in a line: shapes of the members and how far predictions moved.
    """
    smaller, report = prune(
        model,
        x,
        node_threshold=node_threshold,
        edge_threshold=edge_threshold,
        measure=measure,
        absorb_means=absorb_means,
    )
    model.layers = smaller.layers
    shapes = Counter(str(member.shape) for member in report.members)
    found = ", ".join(f"{shape} × {count}" if count > 1 else shape for shape, count in shapes.most_common())
    if all(member.live_edges == member.live_edges_before for member in report.members):
        return f"nothing to prune from {found}: all edges and nodes are above the thresholds"
    changes = sorted(member.relative_change for member in report.members)
    middle, largest = changes[len(changes) // 2], changes[-1]
    return (
        f"pruned from {report.layer_sizes_before} to {found}, predictions moved by {middle:.1e} of their standard "
        f"deviation in the median seed, {largest:.1e} at most"
    )
