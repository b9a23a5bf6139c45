"""What every strategy has: whether the optimizer begins anew at the boundary of two tasks."""

__all__ = ["Strategy"]

from continual.extension import Extension


class Strategy(Extension):
    r"""How a model meets the tasks of a curriculum.

    All that a strategy does it does as an `Extension`: data of a task or a step, terms of the loss, gradients, state.

    Args:
        reset_optimizer: whether every task begins with a fresh optimizer. This decides about locality as much as the
            model does: the gradient of a task is exactly zero at every coefficient that its samples do not reach, but
            an optimizer with memory moves such coefficients all the same. Adam keeps stepping along its decaying
            first moment, \(\Delta\theta = -\eta \, \hat m / (\sqrt{\hat v} + \epsilon)\), for dozens of steps into
            the next task; L-BFGS combines directions of the old loss; weight decay moves everything for ever. Plain
            SGD has no memory and keeps locality exactly, reset or not.
    """

    def __init__(self, reset_optimizer: bool = True) -> None:
        self.reset_optimizer = reset_optimizer
