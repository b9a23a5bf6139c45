"""How well a learner follows: the error on each sample before it is learned, the mean over a stretch of training."""

__all__ = ["Online"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.models import StackedModel
from continual.probes.probe import Probe
from tasks import Curriculum


class Online(Probe):
    r"""The mean loss of a task's steps, each as it was before the step: `loss` (M, T+1), NaN for the untrained model.

    Where steps have new samples each time, as on a stream, these are errors on samples that were never seen: "online"
    or "prequential" errors (Dawid, 1984). Where later stretches of a stream have larger ones than earlier stretches of
    the same difficulty, the learner has lost plasticity (Dohare et al., 2024). With terms of strategies the loss is
    that without them only where they have no gradient of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sum: Tensor | None = None
        self._steps = 0

    def check(self, training: Any) -> None:
        """See `Probe.check`."""
        super().check(training)
        self._sum, self._steps = None, 0

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Adds the losses of a step."""
        self._sum = losses.double() if self._sum is None else self._sum + losses
        self._steps += 1

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """See `Probe.measure`."""
        mean = torch.full((model.members,), torch.nan) if self._sum is None else self._sum / self._steps
        self._sum, self._steps = None, 0
        return {"loss": mean}

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        return {**super().state_dict(), "sum": self._sum, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        super().load_state_dict(state)
        self._sum, self._steps = state["sum"], state["steps"]
