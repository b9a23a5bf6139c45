r"""From learned edges to formulas: suggest functions for an edge, convert whole networks.

Functions are compared by how much of an edge's variance they leave, and by how simple they are:

.. math::
    \text{score} = \log_{10} (1 - R^2 + \text{floor}) + \text{weight} \cdot \text{complexity},

lowest first. A function that is one unit more complex has to leave \(10^{\text{weight}}\) times less, and what is left
below the floor is not told apart. Without a price for complexity a cosine beats every parabola: where its argument is
small it is one, with a parameter to spare.
"""

__all__ = ["EdgeReport", "Suggestion", "suggest", "symbolify", "symbolify_in_place"]

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.members import stacked_input
from kan.symbolic.affine_fit import fit_symbol
from kan.symbolic.edges import edge_samples, edge_selection, symbolic_edges
from kan.symbolic.functions import LIBRARY, SymbolicFunction, find_function


@dataclass(frozen=True)
class Suggestion:
    """A function fitted to an edge.

    Attributes:
        name: of the function.
        r2: fraction of the edge's variance explained, at most 1.
        complexity: of the function.
        score: what functions are ranked by, lowest first.
        affine: a, b, c, d of the fit.
    """

    name: str
    r2: float
    complexity: float
    score: float
    affine: tuple[float, float, float, float]


@dataclass(frozen=True)
class EdgeReport:
    """What became of an edge.

    Attributes:
        member: whose edge it is.
        layer: which layer, counted from 0.
        input: which input of the layer.
        output: which output.
        fixed: whether the edge follows the function now; otherwise the fit was too poor.
        best: the function.
    """

    member: int
    layer: int
    input: int
    output: int
    fixed: bool
    best: Suggestion


@torch.no_grad()
def suggest(
    model: LayeredNetwork,
    layer: int,
    i: int,
    o: int,
    x: Tensor,
    member: int = 0,
    *,
    library: Sequence[str] | None = None,
    weight: float = 0.5,
    floor: float = 1e-8,
) -> list[Suggestion]:
    """Functions that an edge may follow, the best first.

    Args:
        model: stays as it is.
        layer: which layer, counted from 0.
        i: which input of the layer.
        o: which output.
        x: inputs of the network to fit at, (M, B, I) or (B, I).
        member: which member.
        library: names of functions to try, None for all.
        weight: decades of unexplained variance that a unit of complexity has to be worth, ≥ 0.
        floor: unexplained variance below which functions are equally good, > 0.

    Raises:
        ValueError: an unknown function or none, an index or a setting out of range.
    """
    functions = _functions(library, weight, floor)
    edge_selection(model, layer, i, o, member)
    inputs, values = edge_samples(model, layer, i, o, x)
    fits = [fit_symbol(function, inputs[member : member + 1], values[member : member + 1]) for function in functions]
    affine = torch.stack([fit.affine.flatten() for fit in fits])
    r2 = torch.stack([fit.r2.flatten() for fit in fits])
    scores = _scores(functions, r2, weight, floor)
    order = scores.flatten().argsort(stable=True).tolist()
    return [_suggestion(functions[n], r2[n, 0], scores[n, 0], affine[n]) for n in order]


@torch.no_grad()
def symbolify(
    model: LayeredNetwork,
    x: Tensor,
    library: Sequence[str] | None = None,
    *,
    r2_threshold: float = 0.9,
    weight: float = 0.5,
    floor: float = 1e-8,
    negligible: float = 1e-3,
) -> list[EdgeReport]:
    """Lets every live edge of every member follow the function of the best score, layer by layer.

    Each layer is fitted at what the layers before it give when converted. Masked edges, and edges that are fixed
    already, stay as they are. Edges that hardly vary become the constant "0 + d". Train the affine parameters after
    that (`requires_grad_` of the others off, or an optimizer of them alone): fits one by one do not know of each other.

    Args:
        model: changed in place.
        x: inputs of the network to fit at, (M, B, I) or (B, I).
        library: names of functions to try, None for all.
        r2_threshold: edges whose best function explains less stay learnable.
        weight: decades of unexplained variance that a unit of complexity has to be worth, ≥ 0.
        floor: unexplained variance below which functions are equally good, > 0.
        negligible: edges with a smaller standard deviation than this share of the root of the summed variances of all
            edges into their node count as constant.

    Returns:
        A report of every edge that was fitted, ordered by member, layer, input and output.

    Raises:
        ValueError: an unknown function or none, or a setting out of range.

    Example:
        >>> from kan import KAN
        >>> model = KAN(1, 1, depth=1, grid_size=20, base="zero", dtype=torch.float64)
        >>> x = torch.linspace(-1, 1, 200, dtype=torch.float64).unsqueeze(1)
        >>> target = torch.exp(2.0 * x).expand(1, 200, 1)
        >>> layer = model.layer(0)
        >>> layer.coefficients.data = torch.linalg.lstsq(layer.basis(x[None])[:, :, 0], target).solution.unsqueeze(1)
        >>> [report] = symbolify(model, x)
        >>> report.best.name, report.fixed
        ('exp', True)
    """
    if not 0.0 <= r2_threshold <= 1.0:
        raise ValueError(f"r2_threshold must be between 0 and 1, got {r2_threshold}")
    functions = _functions(library, weight, floor)
    inputs = stacked_input(x, model.members, model.in_features, model.like())
    reports = []
    for index, layer in enumerate(model.each_layer()):
        edges = layer.live_edges()
        if layer.symbolic is not None:
            edges = edges & ~layer.symbolic.fixed
        if index:  # a member that diverged stays as it is
            sound = (inputs.isfinite().all(2) & layer(inputs).isfinite().all(2)).all(1)
            edges = edges & sound[:, None, None]
            inputs = torch.where(sound[:, None, None], inputs, torch.zeros_like(inputs))
        else:
            sound = layer(inputs).isfinite().all(2).all(1) | ~inputs.isfinite().all(2).all(1)
            edges = edges & sound[:, None, None]
        if bool(edges.any()):
            reports += _convert(layer, index, inputs, edges, functions, (r2_threshold, weight, floor, negligible))
        inputs = layer(inputs)
    return sorted(reports, key=lambda report: (report.member, report.layer, report.input, report.output))


def symbolify_in_place(
    model: LayeredNetwork,
    x: Tensor,
    library: Sequence[str] | None = None,
    r2_threshold: float = 0.9,
    weight: float = 0.5,
) -> str:
    """`symbolify`, and what it did in a line: how many edges follow which function, and the worst fit."""
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


def _convert(
    layer: EdgeLayer,
    index: int,
    inputs: Tensor,
    edges: Tensor,
    functions: Sequence[SymbolicFunction],
    settings: tuple[float, float, float, float],
) -> list[EdgeReport]:
    """Fixes the edges of one layer, bool (M, I, O), where the fits are good enough."""
    r2_threshold, weight, floor, negligible = settings
    values = layer.edge_values(inputs)
    values = torch.where(edges.flatten(1).any(1)[:, None, None, None], values, 0.0)  # nothing of members left out
    variance = values.double().var(1, correction=0)
    constant = edges & (variance <= negligible**2 * variance.sum(1, keepdim=True))
    choices = [find_function("0"), *functions]
    fits = [fit_symbol(function, inputs, values, edges & ~constant) for function in choices]
    affine, r2 = torch.stack([fit.affine for fit in fits]), torch.stack([fit.r2 for fit in fits])
    scores = _scores(choices, r2, weight, floor)
    chosen = torch.where(constant, 0, scores.argmin(0))
    fixed = edges & (constant | (r2.gather(0, chosen.unsqueeze(0))[0] >= r2_threshold))
    for number, function in enumerate(choices):
        where = fixed & (chosen == number)
        if bool(where.any()):
            symbolic_edges(layer).fix(where, function, affine[number])
    reports = []
    for member, i, o in edges.nonzero().tolist():
        n, at = int(chosen[member, i, o]), (member, i, o)
        best = _suggestion(choices[n], r2[n][at], scores[n][at], affine[n][at])
        reports.append(EdgeReport(member, index, i, o, bool(fixed[at]), best))
    return reports


def _functions(library: Sequence[str] | None, weight: float, floor: float) -> list[SymbolicFunction]:
    if not (weight >= 0.0 and floor > 0.0):
        raise ValueError(f"weight must be ≥ 0 and floor > 0, got {weight} and {floor}")
    names = list(LIBRARY if library is None else library)
    if not names:
        raise ValueError("library needs at least one function")
    return [find_function(name) for name in names]


def _scores(functions: Sequence[SymbolicFunction], r2: Tensor, weight: float, floor: float) -> Tensor:
    """Scores of functions from their R², functions first in both; what explains nothing comes last."""
    complexity = torch.tensor([function.complexity for function in functions], dtype=r2.dtype, device=r2.device)
    scores = (1.0 - r2 + floor).log10() + weight * complexity.view(-1, *[1] * (r2.dim() - 1))
    return scores.masked_fill(r2 <= 0.0, torch.inf)


def _suggestion(function: SymbolicFunction, r2: Tensor, score: Tensor, affine: Tensor) -> Suggestion:
    a, b, c, d = affine.tolist()
    return Suggestion(function.name, float(r2), function.complexity, float(score), (a, b, c, d))
