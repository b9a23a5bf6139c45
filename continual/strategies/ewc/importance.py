r"""The Gauss–Newton matrix of a task's loss, as a whole or in parts: how much each parameter matters to it."""

__all__ = ["Curvature", "Kind", "curvature_of", "estimated_diagonal", "places_of", "rows", "shared"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from continual.extension.quadratic import flat
from continual.models import StackedModel, columns_of, jacobian_pieces, trainable
from continual.strategies.layout import Layout, splines
from tasks.losses import Loss

Kind = Literal["diagonal", "knot", "layer", "full"]


@dataclass(frozen=True)
class Curvature:
    """A symmetric matrix (M, P, P), of which only a diagonal (M, P) is held, or blocks: places (K,), and (M, K, K)."""

    diagonal: Tensor | None = None
    blocks: Sequence[tuple[Tensor, Tensor]] = ()

    def scaled(self, factor: float) -> "Curvature":
        """The matrix times a number."""
        if factor == 1.0:
            return self
        diagonal = None if self.diagonal is None else self.diagonal * factor
        return Curvature(diagonal, [(places, block * factor) for places, block in self.blocks])

    def plus(self, other: "Curvature") -> "Curvature":
        """The sum with another that holds the same places, whose memory becomes this one's."""
        if self.diagonal is not None and other.diagonal is not None:
            return Curvature(other.diagonal.add_(self.diagonal))
        pairs = zip(self.blocks, other.blocks, strict=True)
        return Curvature(blocks=[(places, theirs.add_(ours)) for (_, ours), (places, theirs) in pairs])

    def times(self, x: Tensor) -> Tensor:
        """The matrix times vectors (M, P)."""
        if self.diagonal is not None:
            return self.diagonal * x
        result = torch.zeros_like(x)
        for places, block in self.blocks:
            result[:, places] = (block @ x[:, places].unsqueeze(2)).squeeze(2)
        return result

    def moved(self, columns: Tensor, layout: Layout) -> "Curvature":
        """In a layout with more columns, of which these are the old ones: zero on all others."""
        if self.diagonal is not None:
            grown = self.diagonal.new_zeros(len(self.diagonal), layout.count)
            grown[:, columns] = self.diagonal
            return Curvature(grown)
        blocks = []
        kind: Kind = "layer" if len(self.blocks) > 1 else "full"  # of a single layer they are the same
        for (places, block), into in zip(self.blocks, places_of(kind, layout, columns.device) or (), strict=True):
            inside = torch.searchsorted(into, columns[places])
            zeros = block.new_zeros(len(block), len(into), len(into))
            zeros[:, inside.unsqueeze(1), inside] = block
            blocks.append((into, zeros))
        return Curvature(blocks=blocks)


def places_of(kind: Kind, layout: Layout, device: torch.device | None = None) -> list[Tensor] | None:
    """The columns of the blocks that are held; None where it is a diagonal."""
    if kind in ("diagonal", "knot"):
        return None
    blocks = layout.layers() if kind == "layer" else [torch.arange(layout.count)]
    return [each.to(device) for each in blocks]


def rows(model: StackedModel, loss: Loss, inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
    r"""Rows \(S_b^T J_b\) of all samples b, in pieces (M, r, P): the sum of their squares is \(\sum_b J_b^T F_b J_b\).

    Args:
        model: M members.
        loss: says what the Fisher information \(F = S S^T\) of a sample's predictions is.
        inputs: (M, N, I).
        targets: (M, N, O), of which only the mask is asked.
    """
    for part, predictions, slopes in jacobian_pieces(model, inputs):
        if not loss.least_squares:
            slopes = torch.einsum("mboc,mbop->mbcp", loss.fisher_root(predictions, targets[:, part]), slopes)
        yield slopes.flatten(1, 2)


@torch.no_grad()
def curvature_of(
    model: StackedModel, loss: Loss, inputs: Tensor, targets: Tensor, places: Sequence[Tensor] | None
) -> Curvature:
    r"""The Gauss–Newton matrix \(H = w \sum_b J_b^T F_b J_b\) of the loss of each member, see `tasks.losses`.

    Exact: J sample by sample, and F over all targets that the predictions deem possible, not those of the data. Of a
    mean squared error it is \(\frac2n J^T J\), whatever the errors are.

    Args:
        model: M members.
        loss: of the task.
        inputs: (M, N, I).
        targets: (M, N, O).
        places: columns (K,) of each block that is wanted; None for the diagonal.
    """
    weight = loss.fisher_weight(targets)
    count = columns_of(model)
    if places is None:
        total = torch.zeros(model.members, count, dtype=torch.float64, device=inputs.device)
        for piece in rows(model, loss, inputs, targets):
            total += piece.square().sum(dim=1)
        return Curvature((total * weight.double().unsqueeze(1)).to(inputs.dtype))
    blocks = [(own, inputs.new_zeros(model.members, len(own), len(own))) for own in places]
    for piece in rows(model, loss, inputs, targets):
        for own, block in blocks:
            part = piece if len(own) == count else piece[:, :, own]
            block.baddbmm_(part.mT, part)
    for _, block in blocks:
        block.mul_(weight[:, None, None])
    return Curvature(blocks=blocks)


def estimated_diagonal(
    model: StackedModel,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    batch: int,
    generators: Sequence[Generator] | None,
) -> Tensor:
    r"""The diagonal of `curvature_of` from one backward pass for each batch of samples, (M, P), where J is too large.

    With generators it is estimated without bias: with \(\epsilon\) random signs of their own for every sample and
    column, \(g_B = \sum_{b \in B} J_b^T S_b \epsilon_b\) has \(E[g_B^2] = \mathrm{diag} \sum_b J_b^T F_b J_b\); its
    relative standard deviation is about \(\sqrt{2 / n}\) with n batches (Hutchinson, 1990; Bekas et al., 2007,
    https://doi.org/10.1016/j.apnum.2007.01.003).

    Without, it is the mean over batches of the squared gradient of the loss on the data's own targets, as Avalanche's
    plugin and Lee et al.'s code have it: that vanishes where a model fits its data, and shrinks with the batch.

    Args:
        model: M members.
        loss: of the task.
        inputs: (M, N, I).
        targets: (M, N, O); with generators only their mask is asked.
        batch: samples of a backward pass.
        generators: of the signs, one a member; or None.
    """
    parameters = trainable(model)
    total = torch.zeros(model.members, columns_of(model), dtype=torch.float64, device=inputs.device)
    parts = list(zip(inputs.split(batch, dim=1), targets.split(batch, dim=1), strict=True))
    for x, y in parts:
        with torch.enable_grad():
            predictions = model(x)
        if generators is None:
            upstream = loss(predictions, y)[1]
        else:
            drawn = [torch.randint(2, predictions.shape[1:], generator=generator) for generator in generators]
            signs = (2 * torch.stack(drawn) - 1).to(predictions)
            upstream = torch.einsum("mboc,mbc->mbo", loss.fisher_root(predictions.detach(), y), signs)
        found = torch.autograd.grad(predictions, parameters, upstream, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
        total += flat(gradients).double().square()
    if generators is None:
        return (total / len(parts)).to(inputs.dtype)
    return (total * loss.fisher_weight(targets).double().unsqueeze(1)).to(inputs.dtype)


def shared(importance: Tensor, model: StackedModel, layout: Layout) -> Tensor:
    """Diagonal importances (M, P), those of spline coefficients shared by the intervals that they act on.

    The importance of an interval is the mean over the K - G + 1 coefficients of an edge that act on it, a coefficient's
    then the mean over its intervals. Base functions and scales keep their own.
    """
    result, columns = importance.clone(), layout.columns()
    for name, knots in splines(model):
        if name not in columns:
            continue
        shape = layout.shapes[name]
        alive = knots.shape[-1] - shape[1]  # k + 1 coefficients act on an interval, G intervals there are
        own = importance[:, columns[name]].view(-1, *shape)
        intervals = own.unfold(2, alive, 1).mean(dim=-1)  # (M, I, G, O)
        padded = torch.nn.functional.pad(intervals, (0, 0, alive - 1, alive - 1))
        inside = torch.nn.functional.pad(torch.ones_like(intervals), (0, 0, alive - 1, alive - 1))
        spread = padded.unfold(2, alive, 1).sum(dim=-1) / inside.unfold(2, alive, 1).sum(dim=-1)
        result[:, columns[name]] = spread.flatten(1)
    return result
