"""A-GEM: no step that raises the loss of the memory, to first order."""

__all__ = ["AGEM"]

import torch
from torch import Tensor

from continual.extension import Training
from continual.models import StackedModel, trainable
from continual.strategies.memory.rehearsal import Rehearsal
from continual.strategies.vectors import gradient_of, put_gradient, vector_bytes


class AGEM(Rehearsal):
    r"""Projects the gradient g of a step where it opposes r, that of the loss on samples of the memory.

    .. math::
        \tilde g = g - \min\Big(0, \frac{g \cdot r}{r \cdot r}\Big) r, \qquad
        r = \nabla L(f_\theta, R), \quad R \subset M

    so that \(\tilde g \cdot r \ge 0\), over all trained parameters of a member. A plain gradient step along it never
    raises the loss on R to first order; Adam's, which is scaled parameter by parameter, may.

    Chaudhry et al., Efficient Lifelong Learning with A-GEM (2019), https://arxiv.org/abs/1812.00420. The authors fill
    the memory with equal numbers of each class and task, Avalanche's `AGEMPlugin` with so many patterns of each task,
    mammoth's `agem` with the first batch of each; here it is a `Reservoir`, see `Replay`.

    Args:
        size: samples of a member; 0 is fine-tuning.
        batch: samples of the memory in a step; None for all of them.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative size, or a batch below 1.
    """

    surgery = True

    def __init__(self, size: int = 200, batch: int | None = 64, reset_optimizer: bool = True) -> None:
        super().__init__("agem", size, reset_optimizer)
        if batch is not None and batch < 1:
            raise ValueError(f"agem.batch must be at least 1, or null for the whole memory, got {batch}")
        self.batch = batch

    def memory(self, training: Training, members: int) -> int:
        """The samples, and the two gradients."""
        return super().memory(training, members) + 3 * vector_bytes(training.model, members)

    def wanted(self, batch: int) -> int | None:
        """See `Rehearsal`."""
        return self.batch

    def use(self, inputs: Tensor, targets: Tensor, remembered: list[Tensor]) -> tuple[Tensor, Tensor]:
        """See `Rehearsal`: the step's own."""
        self._remembered = remembered
        return inputs, targets

    def gradients(self, model: StackedModel) -> None:
        """The projection, of members whose gradient opposes the memory's."""
        if not self._remembered:
            return
        inputs, targets = self._remembered
        parameters = trainable(model)
        predictions = model(inputs)
        _, upstream = self.session.loss(predictions, targets)
        found = torch.autograd.grad(predictions, parameters, upstream, allow_unused=True, materialize_grads=True)
        reference = torch.cat([each.flatten(1) for each in found], dim=1)
        gradient = gradient_of(model)
        along = (gradient * reference).sum(dim=1)
        opposed = along < 0.0
        factor = (along / reference.square().sum(dim=1)).unsqueeze(1)
        put_gradient(model, torch.where(opposed.unsqueeze(1), gradient - factor * reference, gradient))
