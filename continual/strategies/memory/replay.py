"""Experience replay: some samples of the past in every step."""

__all__ = ["Replay"]

import torch
from torch import Tensor

from continual.strategies.memory.rehearsal import Rehearsal


class Replay(Rehearsal):
    r"""Trains on the samples of a step together with some of a memory of earlier ones.

    .. math::
        L\big(f_\theta, B \cup R\big), \qquad |R| = \frac{s}{1 - s} |B|, \qquad R \subset M

    The loss is the mean over all of them, with share s of what is remembered, or less where the memory M has fewer. M
    is a `Reservoir`: of tasks it gets each sample once, when the task is done; of a stream, those of each step. With
    room for everything, full batches and no share, it is `Cumulative` to the last bit.

    Chaudhry et al., On Tiny Episodic Memories in Continual Learning (2019), https://arxiv.org/abs/1902.10486, with the
    reservoir of Riemer et al. (2019), https://arxiv.org/abs/1810.11910. Avalanche's `ReplayPlugin` keeps equal numbers
    of each task, and draws batches half of them from the memory by default; mammoth's `er` lets every batch of every
    epoch go by the reservoir, where samples of the present task come back too.

    Args:
        size: samples of a member; 0 is fine-tuning.
        share: s, of a step's samples; None for the whole memory in each step.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative size, or a share that is none.
    """

    def __init__(self, size: int = 200, share: float | None = 0.5, reset_optimizer: bool = True) -> None:
        super().__init__("replay", size, reset_optimizer)
        if share is not None and not 0.0 < share < 1.0:
            raise ValueError(f"replay.share must be between 0 and 1, or null for the whole memory, got {share}")
        self.share = share

    def wanted(self, batch: int) -> int | None:
        """See `Rehearsal`: at least one."""
        return None if self.share is None else max(1, round(batch * self.share / (1.0 - self.share)))

    def use(self, inputs: Tensor, targets: Tensor, remembered: list[Tensor]) -> tuple[Tensor, Tensor]:
        """See `Rehearsal`: those of the memory first."""
        if not remembered:
            return inputs, targets
        return torch.cat([remembered[0], inputs], dim=1), torch.cat([remembered[1], targets], dim=1)
