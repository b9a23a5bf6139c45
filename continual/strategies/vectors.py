"""Parameters and gradients of a stack as one vector a member, and what strategies that hold such vectors refuse."""

__all__ = ["check_shapes_stay", "gradient_of", "parameters_of", "put_gradient", "vector_bytes"]

import torch
from torch import Tensor

from continual.extension import Extension, Training
from continual.extension.quadratic import flat
from continual.models import StackedModel, trainable


def parameters_of(model: StackedModel) -> Tensor:
    """The trained parameters, (M, P), as a copy."""
    return flat(parameter.detach() for parameter in trainable(model))


def gradient_of(model: StackedModel) -> Tensor:
    """The `grad` of the trained parameters, (M, P), as a copy; 0 where there is none."""
    return flat(torch.zeros_like(p) if p.grad is None else p.grad for p in trainable(model))


def put_gradient(model: StackedModel, gradient: Tensor) -> None:
    """Writes a gradient (M, P) to the `grad` of the trained parameters."""
    parameters = trainable(model)
    pieces = gradient.split([parameter[0].numel() for parameter in parameters], dim=1)
    for parameter, piece in zip(parameters, pieces, strict=True):
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(piece.view(parameter.shape))


def vector_bytes(model: StackedModel, members: int) -> int:
    """Bytes of one number for each trained parameter of so many members."""
    return sum(p.numel() * p.element_size() for p in trainable(model)) // model.members * members


def check_shapes_stay(strategy: Extension, training: Training) -> None:
    """Refuses adaptations, after which a number that was kept for a parameter would be another's.

    Raises:
        ValueError: in one line.
    """
    if training.adaptations:
        raise ValueError(
            f"{type(strategy).__name__} keeps numbers for each parameter, and {type(training.adaptations[0]).__name__} "
            "changes what parameters there are or mean: use adaptation=none"
        )
