r"""Takes edges and nodes that do next to nothing out of a network: what is left is really smaller.

Liu et al., KAN: Kolmogorov-Arnold Networks (2024), https://arxiv.org/abs/2404.19756, section 2.5.1, keep a node when
both its largest incoming and its largest outgoing edge have an L1 norm above 0.01. Here edges have a threshold of their
own as well, and what no longer lies on a path from an input to an output goes with the rest.

In one file: what is taken out, and the account that is given of it.
"""

__all__ = ["PrunedMember", "PruningReport", "prune", "shapes"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from kan.edge_layer import EdgeLayer, LayeredNetwork, Network
from kan.members import pick, stacked_input
from kan.pruning.paths import connected, node_counts, strongest_paths
from kan.pruning.sizes import EdgeScores, edge_scores, network_of_edges

PruningMeasure = Literal["l1", "std", "attribution"]


@dataclass(frozen=True)
class PrunedMember:
    """What pruning did to one member.

    Attributes:
        shape_before: nodes of each layer that lay on a path from an input to an output, inputs and outputs all counted.
        shape: the same afterwards.
        live_edges_before: edges that were not masked.
        live_edges: edges that are left.
        parameters_before: parameters of the edges that were not masked.
        parameters: parameters of the edges that are left.
        unused_inputs: inputs that reach no output any more, counted from 0.
        kept_outputs: outputs that would have lost their last path; their strongest one was kept.
        change: RMSE between the outputs before and after, on the samples; NaN for a member whose outputs are not
            finite.
        relative_change: the same, divided by the standard deviation of the outputs before; NaN where that is 0.
    """

    shape_before: list[int]
    shape: list[int]
    live_edges_before: int
    live_edges: int
    parameters_before: int
    parameters: int
    unused_inputs: list[int]
    kept_outputs: list[int]
    change: float
    relative_change: float


@dataclass(frozen=True)
class PruningReport:
    """What pruning did, and how it was asked to; `dataclasses.asdict` makes plain types of it.

    Attributes:
        measure: "l1" or "std".
        node_threshold: size of its largest edges that a node had to exceed.
        edge_threshold: size that an edge had to exceed.
        absorbed_means: whether the means of removed edges went into those that are left.
        layer_sizes_before: features of the stack.
        layer_sizes: features afterwards, each the largest over the members.
        members: one entry a member.
    """

    measure: PruningMeasure
    node_threshold: float
    edge_threshold: float
    absorbed_means: bool
    layer_sizes_before: list[int]
    layer_sizes: list[int]
    members: list[PrunedMember]


@torch.no_grad()
def prune(
    model: Network,
    x: Tensor,
    *,
    node_threshold: float = 1e-2,
    edge_threshold: float = 1e-2,
    measure: PruningMeasure = "l1",
    absorb_means: bool = False,
) -> tuple[Network, PruningReport]:
    """A smaller network without the edges and nodes that do little on the samples; the model itself stays as it is.

    An edge stays if its size exceeds `edge_threshold`; a hidden node if both its largest incoming and its largest
    outgoing edge that stay exceed `node_threshold`. Edges of removed nodes go, then edges and nodes that are on no path
    from an input to an output, until nothing changes. Inputs and outputs always stay, and an output that would lose its
    last path keeps its strongest: the one whose weakest edge is the largest. A member whose activations are not finite
    keeps just these.

    Each member is pruned by itself. Nodes that a member keeps move to the front in their order; a hidden layer becomes
    as wide as its widest member needs, and what is left over in the others is masked. The result computes the same as
    the model with the removed edges masked.

    With `absorb_means`, the mean over the samples of all edges that a node loses is added to an edge into it that stays
    and can take it up (`EdgeLayer.shift_edges`): of those whose inputs lie in their window most often, the largest. So
    edges that are nearly constant go although their constant matters. What remains of the change is what they do
    besides, and the samples for which the inputs of the chosen edge lie outside its window.

    Args:
        model: M members.
        x: samples, (M, B, I) or (B, I), the training inputs as a rule.
        node_threshold: least size of the largest edges of a node, ≥ 0; 0.01 in the paper.
        edge_threshold: least size of an edge, ≥ 0; the paper has none, which is 0.
        measure: the size of an edge, see `kan.pruning.EdgeScores`: "l1" as in the paper; "std", which takes constant
            edges for nothing; "attribution", which takes them for nothing either, and does not depend on the scale of
            the hidden nodes: a node of small values that the next layer magnifies is kept.
        absorb_means: whether means of removed edges are kept; belongs to "std" and "attribution".

    Returns:
        The smaller network, on the same device and in the same dtype, and the report.

    Raises:
        ValueError: a negative threshold, an unknown measure, no samples, samples that are not finite, or a model that
            has no edges.

    Example:
        >>> from kan import KAN
        >>> model = KAN(2, 1, width=5, members=3)
        >>> _ = model.layer(1).spline_scale.data[:, 2:].zero_(), model.layer(1).base_weight.data[:, 2:].zero_()
        >>> smaller, report = prune(model, 2 * torch.rand(100, 2) - 1, edge_threshold=0.0)
        >>> smaller.layer_sizes, report.members[0].shape, report.members[0].change < 1e-6
        ([2, 2, 1], [2, 2, 1], True)
    """
    for name, threshold in (("node_threshold", node_threshold), ("edge_threshold", edge_threshold)):
        if not 0.0 <= threshold < float("inf"):
            raise ValueError(f"{name} must be at least 0 and finite, got {threshold}")
    network_of_edges(model)
    x = stacked_input(x, model.members, model.in_features, model.like())
    if not bool(x.isfinite().all()):
        raise ValueError("pruning needs finite samples, got NaN or inf")
    if measure not in get_args(PruningMeasure):
        raise ValueError(f"measure must be one of {', '.join(get_args(PruningMeasure))}, got {measure!r}")
    scores = edge_scores(model, x)
    before = [layer.live_edges() for layer in model.each_layer()]
    sizes = _sizes(scores, before, measure)
    live, kept_outputs = _survivors(sizes, before, node_threshold, edge_threshold)
    smaller = _rebuilt(model, live, _means_to_absorb(model, x, scores, sizes, before, live) if absorb_means else None)
    report = PruningReport(
        measure,
        node_threshold,
        edge_threshold,
        absorb_means,
        model.layer_sizes,
        smaller.layer_sizes,
        _members(model, smaller, x, before, live, kept_outputs),
    )
    return smaller, report


def shapes(model: LayeredNetwork) -> list[list[int]]:
    """Nodes of each layer that lie on a path of live edges, for each member; inputs and outputs are all counted.

    Raises:
        ValueError: a model that has no edges.

    Example:
        >>> from kan import KAN
        >>> shapes(KAN(2, 1, width=5, members=2))
        [[2, 5, 1], [2, 5, 1]]
    """
    return node_counts([layer.live_edges() for layer in network_of_edges(model).each_layer()])


def _sizes(scores: Sequence[EdgeScores], live: Sequence[Tensor], measure: PruningMeasure) -> list[Tensor]:
    """Sizes of the live edges, -1 for the others; all 0 for members in which one is not finite."""
    sizes = [getattr(score, measure) for score in scores]
    finite = torch.stack([size.isfinite().all(dim=2).all(dim=1) for size in sizes]).all(dim=0)
    known = [torch.where(finite[:, None, None], size, 0.0) for size in sizes]
    return [torch.where(alive, size, -1.0) for size, alive in zip(known, live, strict=True)]


def _survivors(
    sizes: Sequence[Tensor], before: Sequence[Tensor], node_threshold: float, edge_threshold: float
) -> tuple[list[Tensor], Tensor]:
    """Edges that stay, bool (M, I, O) for each layer, and outputs whose strongest path had to be kept, (M, O)."""
    live = connected([size > edge_threshold for size in sizes])
    while True:
        stays = [torch.where(alive, size, -1.0) for alive, size in zip(live, sizes, strict=True)]
        fewer = [alive.clone() for alive in live]
        for left, right in zip(range(len(live) - 1), range(1, len(live)), strict=True):
            node = (stays[left].amax(dim=1) > node_threshold) & (stays[right].amax(dim=2) > node_threshold)
            fewer[left] &= node.unsqueeze(1)
            fewer[right] &= node.unsqueeze(2)
        fewer = connected(fewer)
        if all(torch.equal(new, old) for new, old in zip(fewer, live, strict=True)):
            break
        live = fewer
    lost = connected(before)[-1].any(dim=1) & ~live[-1].any(dim=1)
    paths = strongest_paths(sizes, lost)
    return [alive | path for alive, path in zip(live, paths, strict=True)], lost


def _means_to_absorb(
    model: LayeredNetwork,
    x: Tensor,
    scores: Sequence[EdgeScores],
    sizes: Sequence[Tensor],
    before: Sequence[Tensor],
    live: Sequence[Tensor],
) -> list[Tensor]:
    """What to add to every edge that stays, (M, I, O) for each layer: what its node loses, on one edge that can."""
    shifts = []
    for index, (layer, inputs) in enumerate(zip(model.each_layer(), model.activations(x)[:-1], strict=True)):
        mean, stays = scores[index].mean, live[index]
        lost = torch.where(before[index] & ~stays, mean, 0.0).sum(dim=1, keepdim=True)
        low, high = layer.input_window()
        inside = ((inputs >= low.unsqueeze(1)) & (inputs <= high.unsqueeze(1))).to(mean.dtype).mean(dim=1)
        exact = inside.unsqueeze(2).expand_as(mean)  # the share of the samples for which a shift is
        if layer.symbolic is not None:
            exact = torch.where(layer.symbolic.fixed, 1.0, exact)
        able = stays & layer.shiftable()
        exact = torch.where(able, exact, -1.0)
        best = able & (exact == exact.amax(dim=1, keepdim=True))
        chosen = torch.where(best, sizes[index], -1.0).argmax(dim=1, keepdim=True)
        shift = torch.zeros_like(mean).scatter(1, chosen, lost)
        shifts.append(torch.where(able & shift.isfinite(), shift, 0.0))
    return shifts


def _rebuilt(model: Network, live: Sequence[Tensor], shifts: Sequence[Tensor] | None) -> Network:
    """The network of the live edges alone, nodes that are kept in front."""
    members = range(model.members)
    orders: list[Tensor | None] = [None]  # of the nodes between layers; inputs and outputs stay where they are
    for alive in live[:-1]:
        kept = alive.any(dim=1)
        width = max(int(kept.sum(dim=1).max()), 1)
        orders.append((~kept).byte().argsort(dim=1, stable=True)[:, :width])
    orders.append(None)
    layers: list[EdgeLayer] = []
    for index, layer in enumerate(model.each_layer()):
        inputs, outputs = orders[index], orders[index + 1]
        chosen = layer.select(members, inputs, outputs)
        chosen.set_mask(pick(live[index], "MIO", members, {"I": inputs, "O": outputs}))
        if shifts is not None:
            chosen.shift_edges(pick(shifts[index], "MIO", members, {"I": inputs, "O": outputs}))
        layers.append(chosen)
    return model.rebuilt(layers)


def _members(
    model: LayeredNetwork,
    smaller: LayeredNetwork,
    x: Tensor,
    before: Sequence[Tensor],
    live: Sequence[Tensor],
    kept_outputs: Tensor,
) -> list[PrunedMember]:
    old, new = model(x), smaller(x)
    change = (new - old).square().mean(dim=(1, 2)).sqrt()
    spread = old.var(dim=1, correction=0).mean(dim=1).sqrt()
    relative = torch.where(spread > 0.0, change / spread, torch.nan)
    shapes_before, shapes_after = node_counts(before), node_counts(live)
    parameters_before, parameters = model.live_parameters().tolist(), smaller.live_parameters().tolist()
    return [
        PrunedMember(
            shape_before=shapes_before[m],
            shape=shapes_after[m],
            live_edges_before=sum(int(alive[m].sum()) for alive in before),
            live_edges=sum(int(alive[m].sum()) for alive in live),
            parameters_before=int(parameters_before[m]),
            parameters=int(parameters[m]),
            unused_inputs=[i for i, used in enumerate(live[0][m].any(dim=1).tolist()) if not used],
            kept_outputs=[o for o, kept in enumerate(kept_outputs[m].tolist()) if kept],
            change=float(change[m]),
            relative_change=float(relative[m]),
        )
        for m in range(model.members)
    ]
