"""Paths of live edges through a network of layers: which edges and nodes lie on one, and which path is strongest."""

__all__ = ["connected", "node_counts", "strongest_paths"]

from collections.abc import Sequence

import torch
from torch import Tensor


def connected(live: Sequence[Tensor]) -> list[Tensor]:
    """Live edges that lie on a path from some input to some output.

    Args:
        live: edges of each layer from input to output, bool (M, I, O).

    Example:
        >>> first = torch.tensor([[[True, True, False]]])
        >>> second = torch.tensor([[[True], [False], [True]]])
        >>> [edges.flatten().tolist() for edges in connected([first, second])]
        [[True, False, False], [True, False, False]]
    """
    forward = list(live)  # edges that inputs reach
    for index in range(1, len(forward)):
        forward[index] = forward[index] & forward[index - 1].any(dim=1).unsqueeze(2)
    both = forward  # of those, edges that reach outputs
    for index in range(len(both) - 2, -1, -1):
        both[index] = both[index] & both[index + 1].any(dim=2).unsqueeze(1)
    return both


def node_counts(live: Sequence[Tensor]) -> list[list[int]]:
    """Nodes of each layer that lie on a path, for each member; inputs and outputs are all counted.

    Args:
        live: edges of each layer from input to output, bool (M, I, O).
    """
    hidden = [edges.any(dim=1).sum(dim=1).tolist() for edges in connected(live)[:-1]]
    return [[live[0].shape[1], *(counts[m] for counts in hidden), live[-1].shape[2]] for m in range(live[0].shape[0])]


def strongest_paths(sizes: Sequence[Tensor], outputs: Tensor) -> list[Tensor]:
    """Edges of the strongest path to some outputs: the one whose smallest edge is the largest.

    Args:
        sizes: sizes of the edges of each layer, (M, I, O), negative where there is none.
        outputs: for which outputs, bool (M, O); there is a path to each.

    Returns:
        Edges on these paths, bool (M, I, O) for each layer.

    Example:
        >>> sizes = [torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[0.5], [2.0]]])]
        >>> [path.flatten().tolist() for path in strongest_paths(sizes, torch.tensor([[True]]))]
        [[False, True], [False, True]]
    """
    width = torch.full_like(sizes[0][:, :, 0], torch.inf)  # smallest edge on the strongest path to each node
    sources = []
    for size in sizes:
        width, source = torch.minimum(width.unsqueeze(2), size).max(dim=1)
        sources.append(source)
    paths = []
    wanted = outputs
    for size, source in zip(reversed(sizes), reversed(sources), strict=True):
        path = torch.zeros_like(size, dtype=torch.bool).scatter(1, source.unsqueeze(1), wanted.unsqueeze(1))
        paths.append(path)
        wanted = path.any(dim=2)
    return paths[::-1]
