"""Shrink and perturb: all parameters are made smaller, and noise is added."""

__all__ = ["ShrinkPerturb"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Change, Moment, Session
from continual.models import trainable
from continual.strategies.strategy import Strategy


class ShrinkPerturb(Strategy):
    r"""Before each task but the first, and every so many steps, moves all trained parameters towards noise.

    .. math::
        \theta \leftarrow \lambda \theta + p, \qquad p \sim N(0, \sigma^2)

    Ash & Adams, On Warm-Starting Neural Network Training (2020), https://arxiv.org/abs/1910.08475, who do it whenever
    data arrive, with p a newly initialised network times σ in their code. Dohare et al. (2023),
    https://arxiv.org/abs/2306.13812, compare with it in every step: `every=1`, with λ near 1. Neither Avalanche nor
    mammoth has it as a strategy.

    Args:
        shrink: λ, from 0 to 1.
        noise: σ, ≥ 0. λ = 1 with σ = 0 is fine-tuning.
        every: steps, counted over all tasks; None for boundaries alone.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(
        self, shrink: float = 0.5, noise: float = 0.01, every: int | None = None, reset_optimizer: bool = True
    ) -> None:
        super().__init__(reset_optimizer)
        if not 0.0 <= shrink <= 1.0:
            raise ValueError(f"shrink_perturb.shrink must be from 0 to 1, got {shrink}")
        if noise < 0.0:
            raise ValueError(f"shrink_perturb.noise must be at least 0, got {noise}")
        if every is not None and every < 1:
            raise ValueError(f"shrink_perturb.every must be at least 1, or null for boundaries alone, got {every}")
        self.shrink, self.noise, self.every = shrink, noise, every
        self.needs_boundaries = every is None

    def begin(self, session: Session) -> None:
        """Takes up its random numbers."""
        self._generators = session.generators("shrink_perturb")

    @torch.no_grad()
    def before_step(self, moment: Moment) -> Change | None:
        """The change, if it is time."""
        begins = moment.task > 1 and moment.step == 0
        due = self.every is not None and moment.total > 0 and moment.total % self.every == 0
        if not (begins or due) or (self.shrink == 1.0 and self.noise == 0.0):
            return None
        for parameter in trainable(moment.model):
            parameter.mul_(self.shrink)
            if self.noise > 0.0:
                parameter.add_(self._drawn(parameter), alpha=self.noise)
        return Change(f"parameters times {self.shrink:g}, with noise of {self.noise:g}", reset_optimizer=False)

    def _drawn(self, like: Tensor) -> Tensor:
        """Standard normal numbers, each member's by its generator."""
        draws = [torch.randn(like.shape[1:], generator=g, dtype=torch.float64) for g in self._generators]
        return torch.stack(draws).to(like)

    def state_dict(self) -> dict[str, Any]:
        """The generators' states."""
        return {"generators": [generator.get_state() for generator in self._generators]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
