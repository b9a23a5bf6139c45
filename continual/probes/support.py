"""The overlap of tasks in each layer's bases: which of them are alive on the samples of both, and how often."""

__all__ = ["Support", "support_overlap"]

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from continual.extension import Training
from continual.models import StackedModel
from continual.probes.interference import between_tasks
from continual.probes.probe import Probe, check_positive, thinned, thinned_count
from tasks import Curriculum


class Overlap(NamedTuple):
    """Overlaps of T tasks in one layer, (M, T, T) each; see `Support`."""

    alive: Tensor
    weighted: Tensor
    shared: Tensor


class Support(Probe):
    r"""How far two tasks use the same bases, layer by layer, at every boundary.

    With \(p_i(a, n)\) the share of task i's samples on which basis n of a layer's input a is alive (its absolute value
    is above the threshold), and \(A_i\) the pairs (a, n) with \(p_i > 0\), L layers, T × T tasks:

    - `alive` (M, T+1, L, T, T): \(|A_i \cap A_j| / |A_i \cup A_j|\), counted over pairs that are alive;
    - `weighted` (M, T+1, L, T, T): \(\sum \min(p_i, p_j) / \sum \max(p_i, p_j)\), weighted by how often;
    - `shared` (M, T+1, L, T, T): \(|A_i \cap A_j|\) ÷ all pairs of the layer, which arXiv 2511.12828 calls the overlap
      of its activation supports;
    - `published` (M, T+1, T, T): its largest over the layers, that paper's Δ; `mean_published` and `mean_weighted`
      (M, T+1): means over pairs of different tasks (and layers). Forgetting ÷ Δ is that paper's ratio.

    All from 0 to 1. Base functions are no bases here, and bases that no edge uses any more do not count. NaN for models
    without bases: a model has them that offers `basis_values(x)`, the bases (M, B, I, K) of each layer at its inputs.

    Args:
        samples: of each task's training inputs, evenly spread over them; None for all.
        threshold: a basis is alive where its absolute value is above it. Bases that decay, as Gaussians do, or reach
            everywhere, as Chebyshev polynomials do, are alive nearly everywhere with 0.

    Raises:
        ValueError: samples that are not positive, or a threshold below 0.
    """

    def __init__(self, samples: int | None = None, threshold: float = 0.0) -> None:
        super().__init__()
        check_positive("support", samples=samples)
        if threshold < 0.0:
            raise ValueError(f"probe.support.threshold must be at least 0, got {threshold}")
        self.samples, self.threshold = samples, threshold

    def memory(self, training: Training, members: int) -> float:
        """See `Probe.memory`: the bases of all layers on the samples of a task, and how often each is alive."""
        model, curriculum = training.model, training.curriculum
        tasks = len(curriculum)
        values = getattr(model, "basis_values", None)
        if values is None:
            return 0.0
        with torch.no_grad():
            layers = [each[0, 0].numel() for each in values(curriculum.tasks[0].train_inputs[:, :1])]
        count = max(thinned_count(task.train_inputs, self.samples) for task in curriculum.tasks)
        size = next(iter(model.parameters())).element_size()
        shares = 8.0 * tasks * (2 * sum(layers) + 4 * max(layers, default=0))
        bases = count * (size * sum(layers) + (size + 9) * max(layers, default=0))
        kept = 8.0 * (tasks + 1) * (3 * max(len(layers), 1) + 1) * tasks**2
        return members * (shares + bases + kept)

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """See `Probe.measure`."""
        values = getattr(model, "basis_values", None)
        tasks = len(curriculum)
        if values is None:
            layers = max(1, int(model.describe()["depth"]))
            undefined = torch.full((model.members, layers, tasks, tasks), torch.nan)
            return self._arrays([Overlap(*[undefined[:, layer]] * 3) for layer in range(layers)])
        shares: list[list[Tensor]] = []
        with torch.no_grad():
            for task in curriculum.tasks:
                layers_of_task = values(thinned(task.train_inputs, self.samples))
                shares.append([(each.abs() > self.threshold).double().mean(dim=1) for each in layers_of_task])
        layered = [torch.stack(of_layer, dim=1) for of_layer in zip(*shares, strict=True)]  # (M, T, I, K) each
        if not layered:  # a spline MLP of depth 1
            undefined = torch.full((model.members, tasks, tasks), torch.nan)
            return self._arrays([Overlap(undefined, undefined, undefined)])
        return self._arrays([support_overlap(each.flatten(2)) for each in layered])

    @staticmethod
    def _arrays(layers: Sequence[Overlap]) -> dict[str, Tensor]:
        alive, weighted, shared = (torch.stack(list(each), dim=1) for each in zip(*layers, strict=True))
        published = shared.amax(dim=1)
        return {
            "alive": alive,
            "weighted": weighted,
            "shared": shared,
            "published": published,
            "mean_published": between_tasks(published),
            "mean_weighted": between_tasks(weighted).mean(dim=1),
        }


def support_overlap(shares: Tensor) -> Overlap:
    """The overlaps of `Support` in one layer.

    Args:
        shares: of samples on which each basis is alive, (M, T, n).

    Returns:
        Shape (M, T, T) each; `alive` and `weighted` are NaN where neither task has a basis that is alive.
    """
    tasks = shares.shape[1]
    found = {key: shares.new_empty(shares.shape[0], tasks, tasks) for key in Overlap._fields}
    for i in range(tasks):
        both = torch.minimum(shares[:, i : i + 1], shares)  # one task at a time: no (M, T, T, n)
        either = torch.maximum(shares[:, i : i + 1], shares)
        common = (both > 0.0).double().sum(dim=2)
        found["shared"][:, i] = common / shares.shape[2]
        found["alive"][:, i] = common / _or_nan((either > 0.0).double().sum(dim=2))
        found["weighted"][:, i] = both.sum(dim=2) / _or_nan(either.sum(dim=2))
    return Overlap(**found)


def _or_nan(total: Tensor) -> Tensor:
    return torch.where(total > 0.0, total, torch.nan)
