"""Pruning and formulas as one operation on a model in place, as training applies them (`continual.adaptation.Once`)."""

__all__ = ["prune_in_place", "symbolify_in_place"]

from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from kan.edges import EdgeNetwork
from kan.pruning import PruningMeasure, prune
from kan.symbolify import symbolify


def prune_in_place(
    model: EdgeNetwork,
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


def symbolify_in_place(
    model: EdgeNetwork,
    x: Tensor,
    library: Sequence[str] | None = None,
    r2_threshold: float = 0.9,
    weight: float = 0.5,
) -> str:
    """`kan.symbolify.symbolify`, and what it did in a line: how many edges follow which function, and the worst fit."""
    edges = symbolify(model, x, library, r2_threshold=r2_threshold, weight=weight)
    fixed = [edge for edge in edges if edge.fixed]
    if not fixed:
        return f"no formula for any of {len(edges)} edges (none with R² of {r2_threshold:g} or more)"
    names = Counter(edge.best.name for edge in fixed)
    found = ", ".join(f"{name} × {count}" if count > 1 else name for name, count in names.most_common())
    worst = max(1.0 - edge.best.r2 for edge in fixed)
    return (
        f"formulas for {len(fixed)} of {len(edges)} edges: {found}; the worst leaves {worst:.1e} of its edge's variance"
    )
