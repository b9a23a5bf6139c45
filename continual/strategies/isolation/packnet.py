"""PackNet: a task's largest weights are its own, and the rest is free for those that come."""

__all__ = ["PackNet"]

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Change, Moment, Session, Training
from continual.extension.quadratic import flat
from continual.models import trainable
from continual.strategies.isolation.freezing import Freezing, predict_with, weight_columns, without_adaptations
from continual.strategies.layout import layout_of


class PackNet(Freezing):
    r"""PackNet (Mallya and Lazebnik, 2018, https://arxiv.org/abs/1711.05769).

    A task trains all free weights, with those of earlier tasks as they are. After a part of its steps the largest of
    each layer's free weights are kept, by absolute value, the others become zero, and the kept ones train on. They
    then belong to the task: nothing moves them any more, and the others are free again. A task is predicted with its
    own weights and those of the tasks before it, so that nothing is forgotten, to the last bit. Which task a sample
    belongs to has to be known.

    Shared out is the largest parameter of each layer: weights of an MLP, coefficients of a KAN. Biases, scales and base
    weights are trained with the first task and stay, as the paper has it with biases and normalisation. Free weights
    start each task from zero. Members prune by their own weights, each as many.

    mammoth has it for classes, with half of each task's epochs before pruning; Avalanche has it as a model wrapper
    whose owner says when to prune.

    Args:
        keep: share of the free weights that a task keeps, in (0, 1].
        prune_at: share of a task's steps before it is pruned, in (0, 1).
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(self, keep: float = 0.5, prune_at: float = 0.5, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        if not 0.0 < keep <= 1.0:
            raise ValueError(f"strategy.packnet.keep must be above 0 and at most 1, got {keep}")
        if not 0.0 < prune_at < 1.0:
            raise ValueError(f"strategy.packnet.prune_at must lie between 0 and 1, got {prune_at}")
        self.keep, self.prune_at = keep, prune_at
        self._owner: Tensor | None = None  # the task that a parameter belongs to, from 1; 0 where it is free: (M, P)
        self._learned = 0

    def check(self, training: Training) -> None:
        """Parameters must stay what they are, and pruning has to come within a task."""
        super().check(training)
        without_adaptations(training, "PackNet")
        if self._step(training.settings.steps) < 1:
            raise ValueError(
                f"PackNet prunes within a task, which training.steps={training.settings.steps} leaves no step for: "
                "take more steps"
            )

    def _step(self, steps: int) -> int:
        return min(int(self.prune_at * steps), steps - 1)

    def begin(self, session: Session) -> None:
        """See `Extension.begin`."""
        super().begin(session)
        self._prune_step = self._step(session.settings.steps)

    def before_task(self, moment: Moment) -> None:
        """Freezes what belongs to earlier tasks."""
        if self._owner is None:
            like = trainable(moment.model)[0]
            count = layout_of(moment.model).count
            self._owner = torch.zeros(len(like), count, dtype=torch.int16, device=like.device)
        self.freeze(self._owner > 0)

    @torch.no_grad()
    def before_step(self, moment: Moment) -> Change | None:
        """Prunes, in the midst of a task."""
        if moment.step != self._prune_step:
            return None
        assert self._owner is not None
        values = flat(parameter.detach() for parameter in trainable(moment.model)).clone()
        pruned, total = torch.zeros_like(self._owner, dtype=torch.bool), 0
        for columns in weight_columns(layout_of(moment.model)):
            columns = columns.to(values.device)
            free = self._owner[:, columns] == 0
            count = round(self.keep * int(free[0].sum()))
            order = torch.where(free, values[:, columns].abs(), -1.0)
            kept = torch.zeros_like(free).scatter_(1, order.topk(count, dim=1).indices, True)
            pruned[:, columns] = free & ~kept
            total += count
        values.masked_fill_(pruned, 0.0)
        self.freeze(None)
        for parameter, value in zip(trainable(moment.model), self.pieces(values), strict=True):
            parameter.copy_(value)
        self.freeze((self._owner > 0) | pruned)
        return Change(f"pruned to {total} weights of task {moment.task}")

    def after_task(self, moment: Moment) -> None:
        """What was kept belongs to the task."""
        assert self._owner is not None
        assert self._frozen is not None
        own = (self._owner == 0) & ~self._frozen
        self._owner = torch.where(own, moment.task, self._owner).to(torch.int16)
        self._learned = moment.task

    def predictor(self, task: int) -> Callable[[Tensor], Tensor] | None:
        """See `Extension.predictor`: the weights of the task and of those before it, once it was learned."""
        if task >= self._learned or self._owner is None:
            return None
        alive = (self._owner > 0) & (self._owner <= task + 1)
        pieces = self.pieces(alive)

        def values() -> list[Tensor]:
            return [torch.where(own, p.detach(), 0.0) for p, own in zip(trainable(self.model), pieces, strict=True)]

        return predict_with(self.model, values)

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        return {**super().state_dict(), "owner": self._owner, "learned": self._learned}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        super().load_state_dict(state)
        self._owner, self._learned = state["owner"], state["learned"]
