"""Parameters and gradients of a stack as one vector a member, and what strategies that hold such vectors refuse."""

__all__ = ["check_shapes_stay", "gradient_of", "parameters_of", "put_gradient", "slopes", "vector_bytes"]

from collections.abc import Iterator

import torch
from torch import Tensor

from continual.extension import Extension, Training
from continual.extension.quadratic import flat, unflat
from continual.models import StackedModel, jacobian_pieces, trainable


def parameters_of(model: StackedModel) -> Tensor:
    """The trained parameters, (M, P), as a copy."""
    return flat(parameter.detach() for parameter in trainable(model))


def gradient_of(model: StackedModel) -> Tensor:
    """The `grad` of the trained parameters, (M, P), as a copy; 0 where there is none."""
    return flat(torch.zeros_like(p) if p.grad is None else p.grad for p in trainable(model))


def put_gradient(model: StackedModel, gradient: Tensor) -> None:
    """Writes a gradient (M, P) to the `grad` of the trained parameters."""
    for parameter, piece in unflat(gradient, trainable(model)):
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(piece)


def slopes(model: StackedModel, inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Predictions (M, b, O) and their Jacobian (M, b, O, P), a few samples at a time; 0 in columns that take no part.

    Args:
        model: M members.
        inputs: (M, B, I).
        targets: (M, B, O), of which it is only asked which are NaN.
    """
    for part, predictions, found in jacobian_pieces(model, inputs):
        y = targets[:, part]
        yield predictions.masked_fill(y.isnan(), 0.0), found.masked_fill(y.isnan().unsqueeze(3), 0.0)


def vector_bytes(model: StackedModel, members: int) -> int:
    """Bytes of one number for each trained parameter of so many members."""
    return sum(p.numel() * p.element_size() for p in trainable(model)) // model.members * members


def check_shapes_stay(strategy: Extension, training: Training, from_task: int = 1) -> None:
    """Refuses adaptations, after which a number that was kept for a parameter would be another's.

    Args:
        strategy: that keeps them.
        training: whose adaptations.
        from_task: in which the first numbers are kept, from 1; those that act before alone may be.

    Raises:
        ValueError: in one line.
    """
    for adaptation in training.adaptations:
        tasks = getattr(adaptation, "tasks", None)
        if tasks and max(tasks) < from_task:
            continue
        instead = "adaptation=none or tasks=[1]" if from_task > 1 else "adaptation=none"
        raise ValueError(
            f"{type(strategy).__name__} keeps numbers for each parameter, and {type(adaptation).__name__} changes what "
            f"parameters there are or mean: use {instead}"
        )
