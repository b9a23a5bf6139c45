"""Interference between tasks: where their losses pull, and how far a step on one moves what is said of another."""

__all__ = ["Interference", "gradient_cosines"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from continual.extension import Training
from continual.models import StackedModel, columns_of, trainable
from continual.probes.kernel import kernel_overlap, kernel_squares, squares_memory
from continual.probes.probe import Probe, check_positive, thinned, thinned_count
from tasks import Curriculum
from tasks.losses import Loss, MeanSquaredError


class Interference(Probe):
    r"""Cosines of the tasks' gradients, and the overlap of the tasks in the tangent kernel, at every boundary.

    Arrays, T × T tasks each: `cosine` (M, T+1, T, T) of the gradients \(g_i\) of two tasks' losses,
    \(g_i \cdot g_j / (\|g_i\| \|g_j\|)\), below 0 where a step for one raises the other's loss; `overlap`
    (M, T+1, T, T), \(\|K(X_i, X_j)\|_F / \sqrt{\|K(X_i, X_i)\|_F \, \|K(X_j, X_j)\|_F}\) with K the tangent kernel,
    from 0, no step on one task moves the other's predictions, to 1. `mean_cosine` and `mean_overlap` (M, T+1) are their
    means over pairs of different tasks. NaN where a gradient or a kernel is zero, and the means of a single task.

    Args:
        samples: of each task's training data, evenly spread over them; None for all.

    Raises:
        ValueError: samples that are not positive.
    """

    def __init__(self, samples: int | None = 64) -> None:
        super().__init__()
        check_positive("interference", samples=samples)
        self.samples = samples

    def memory(self, training: Training, members: int) -> float:
        """See `Probe.memory`: blocks of the kernel, and the gradients of all tasks."""
        model, curriculum = training.model, training.curriculum
        tasks = len(curriculum)
        counts = [thinned_count(task.train_inputs, self.samples) for task in curriculum.tasks]
        kept = 8.0 * members * (tasks + 1) * 2 * (tasks**2 + 1)
        return kept + squares_memory(model, members, counts) + 24.0 * members * tasks * columns_of(model)

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """See `Probe.measure`."""
        inputs = [thinned(task.train_inputs, self.samples) for task in curriculum.tasks]
        targets = [thinned(task.train_targets, self.samples) for task in curriculum.tasks]
        cosine = gradient_cosines(model, inputs, targets, curriculum.loss)
        overlap = kernel_overlap(kernel_squares(model, inputs))
        return {
            "cosine": cosine,
            "overlap": overlap,
            "mean_cosine": between_tasks(cosine),
            "mean_overlap": between_tasks(overlap),
        }


def gradient_cosines(
    model: StackedModel, inputs: Sequence[Tensor], targets: Sequence[Tensor], loss: Loss | None = None
) -> Tensor:
    """Cosines of the gradients of the losses on T sets of samples, (M, T, T), float64; see `Interference`.

    Args:
        model: M members.
        inputs: (M, B, I) each.
        targets: (M, B, O) each.
        loss: the mean squared error by default.
    """
    judge = MeanSquaredError() if loss is None else loss
    parameters = trainable(model)
    gradients = []
    for x, y in zip(inputs, targets, strict=True):
        with torch.enable_grad():
            predictions = model(x)
            slopes = torch.autograd.grad(predictions, parameters, judge(predictions, y)[1], allow_unused=True)
        zeroed = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, slopes, strict=True)]
        gradients.append(torch.cat([each.double().flatten(1) for each in zeroed], dim=1))
    found = torch.stack(gradients, dim=1)  # (M, T, P)
    norm = found.norm(dim=2, keepdim=True)
    unit = found / torch.where(norm > 0.0, norm, torch.nan)
    return unit @ unit.mT


def between_tasks(matrix: Tensor) -> Tensor:
    """The mean over pairs of different tasks of (M, T, T) with the same both ways, (M,); NaN of a single task."""
    count = matrix.shape[-1]
    apart = ~torch.eye(count, dtype=torch.bool, device=matrix.device)
    return matrix[..., apart].mean(dim=-1)
