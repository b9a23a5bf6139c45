"""An optimizer over a stack's trainable parameters, made and tried: whatever it is, it must not mix members."""

__all__ = ["check_members", "make_optimizer"]

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from continual.extension import MakeOptimizer
from continual.models import StackedModel, trainable


def make_optimizer(make: MakeOptimizer, model: StackedModel) -> Optimizer:
    """The optimizer over the trainable parameters.

    Raises:
        ValueError: nothing to train, or a learning rate that is not positive.
    """
    parameters = trainable(model)
    if not parameters:
        raise ValueError("nothing to train: every parameter of the model is frozen")
    optimizer = make(parameters)
    for group in optimizer.param_groups:
        if not 0.0 < float(group.get("lr", 1.0)) < float("inf"):
            raise ValueError(f"the learning rate must be positive and finite, got lr={group['lr']}")
    return optimizer


def check_members(make: MakeOptimizer) -> None:
    """Tries an optimizer that is not of this suite on a stack and on its members alone.

    Raises:
        ValueError: it mixes members, as norms over whole parameters do, or takes no such gradients.
    """
    generator = Generator().manual_seed(0)
    start, *gradients = torch.randn(4, 2, 4, 3, dtype=torch.float64, generator=generator)

    def stepped(members: slice) -> Tensor:
        parameter = nn.Parameter(start[members].clone())
        optimizer = make([parameter])
        for gradient in gradients:
            parameter.grad = gradient[members].clone()
            optimizer.step()
        return parameter.detach()

    kind = type(make([nn.Parameter(start.clone())]))
    if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return
    try:
        together, alone = stepped(slice(None)), torch.cat([stepped(slice(0, 1)), stepped(slice(1, 2))])
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{kind.__name__} can't train a stack of members: {str(error).splitlines()[0]}") from error
    if not torch.allclose(together, alone, rtol=1e-9, atol=1e-12):
        raise ValueError(f"{kind.__name__} mixes members: what one seed computes would depend on the others")
