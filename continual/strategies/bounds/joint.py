"""Training on all tasks at once, from the first step on."""

__all__ = ["Joint"]

from collections.abc import Sequence

import torch
from torch import Tensor

from continual.strategies.strategy import Strategy
from tasks import Task


class Joint(Strategy):
    r"""Minimises the loss over the samples of all tasks together, as if there were no order, for as many steps.

    .. math::
        \min_\theta L\Big(f_\theta, \bigcup_{j=1}^T D_j\Big)

    The bound of the field ("joint", "multi-task", "offline"): row i of R is what i times the steps of a task lead to.
    Avalanche's `JointTraining` trains once, for the epochs of one task; here every task adds its steps, so that the
    budget is that of the strategies it is compared with. `Cumulative` is the bound for those who may keep everything,
    but see it no earlier. Samples carry their masks along where tasks have columns of their own.
    """

    def task_data(self, tasks: Sequence[Task], index: int) -> tuple[Tensor, Tensor]:
        """The training data of all tasks, joined along the samples, whichever is asked for."""
        return torch.cat([t.train_inputs for t in tasks], dim=1), torch.cat([t.train_targets for t in tasks], dim=1)
