r"""Locality made strict: what earlier tasks have visited freezes, or only what the present task visits moves."""

__all__ = ["FreezeVisited", "UpdateVisited", "visits"]

from collections.abc import Sequence

import torch
from torch import Tensor

from continual.extension import Change, Moment, Training
from continual.models import StackedModel, jacobian_pieces, some_of, trainable
from continual.strategies.isolation.freezing import Freezing
from continual.strategies.layout import check_growth, layout_of


@torch.no_grad()
def visits(model: StackedModel, inputs: Tensor, tolerance: float = 0.0) -> Tensor:
    r"""The share of samples that each trained parameter acts on, (M, P), in float64.

    A parameter acts on a sample if \(|\partial f_o / \partial \theta|\) is above the tolerance for an output o. That of
    a spline's coefficient is its basis times the slope of what comes after: exactly zero beyond its support.

    Args:
        model: M members.
        inputs: (M, N, I).
        tolerance: in units of output / parameter.
    """
    total: Tensor | float = 0.0
    for _, _, slopes in jacobian_pieces(model, inputs):
        total = total + (slopes.abs() > tolerance).any(dim=2).double().sum(dim=1)
    assert isinstance(total, Tensor)
    return total / inputs.shape[1]


class FreezeVisited(Freezing):
    r"""Freezes what earlier tasks have used: parameters that act on more than a share of an earlier task's samples.

    With the share p of a task's samples on which \(|\partial f / \partial \theta| > \epsilon\) after it was learned
    (see `visits`), \(\theta\) is frozen from then on if p is above the threshold. With a threshold and tolerance of 0
    nothing can change on a sample that was seen, to the last bit, whatever the depth and the optimizer: every parameter
    that acts on it stays. What is left to learn with are coefficients of intervals that no task has been in; base
    functions and scales act everywhere, and are frozen after the first task. The larger the threshold, the more may be
    learned and forgotten.

    Needs parameters with compact support; a model of which the first task visits all, as an MLP of smooth units, is
    refused. Not in Avalanche or mammoth.

    Args:
        threshold: share of samples, from 0 to 1, or one for each layer.
        tolerance: \(\epsilon\), in units of output / parameter; above 0 for Gaussians, which reach everywhere.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self, threshold: float | list[float] = 0.0, tolerance: float = 0.0, reset_optimizer: bool = True
    ) -> None:
        super().__init__(reset_optimizer)
        thresholds = threshold if isinstance(threshold, Sequence) else [threshold]
        if not thresholds or not all(0.0 <= each < 1.0 for each in thresholds):
            raise ValueError(f"strategy.freeze_visited.threshold must be from 0 to below 1, got {threshold}")
        if not 0.0 <= tolerance < float("inf"):
            raise ValueError(f"strategy.freeze_visited.tolerance must be at least 0 and finite, got {tolerance}")
        self.thresholds, self.tolerance = list(thresholds), tolerance

    def check(self, training: Training) -> None:
        """Something must be left to learn with after the first task, and thresholds must be as many as layers."""
        super().check(training)
        check_growth(training, "FreezeVisited")
        layers = len(layout_of(training.model).layers())
        if len(self.thresholds) not in (1, layers):
            raise ValueError(
                f"strategy.freeze_visited.threshold has {len(self.thresholds)} numbers for {layers} layers"
            )
        grows = any(getattr(adaptation, "widens", False) for adaptation in training.adaptations)
        seen = self._visited(training.model, some_of(training.curriculum.tasks[0].train_inputs))
        if bool(seen.all()) and not grows:
            raise ValueError(
                f"the first task visits every parameter of {type(training.model).__name__}, and FreezeVisited would "
                "leave nothing to learn with: it needs a local model, such as model=kan_local, or a higher threshold"
            )

    def _visited(self, model: StackedModel, inputs: Tensor) -> Tensor:
        shares, layers = visits(model, inputs, self.tolerance), layout_of(model).layers()
        limits = shares.new_empty(shares.shape[1])
        for index, columns in enumerate(layers):
            limits[columns.to(limits.device)] = self.thresholds[index % len(self.thresholds)]
        return shares > limits

    def after_task(self, moment: Moment) -> None:
        """Freezes what the task has visited."""
        seen = self._visited(moment.model, moment.inputs)
        self.freeze(seen if self._frozen is None else seen | self._frozen)


class UpdateVisited(Freezing):
    """Lets the present task move only what it visits: parameters that had a gradient of its loss since it began.

    The gradient of a local model is zero elsewhere anyway, but momentum of earlier tasks, weight decay and penalties
    are not: they move all parameters, and here only the visited ones. So Adam whose state is kept, or AdamW, is as
    local as the model is. What a task visits grows as its batches come. Not in Avalanche or mammoth.

    Args:
        reset_optimizer: see `Strategy`.
    """

    def check(self, training: Training) -> None:
        """Adaptations must leave parameters what they are."""
        super().check(training)
        check_growth(training, "UpdateVisited")

    def before_task(self, moment: Moment) -> None:
        """Nothing is visited yet."""
        like = trainable(moment.model)[0]
        self.freeze(torch.ones(len(like), layout_of(moment.model).count, dtype=torch.bool, device=like.device))

    def loss_gradients(self, model: StackedModel) -> None:
        """Takes note of what is visited, before penalties are added."""
        assert self._frozen is not None
        for parameter, frozen in zip(trainable(model), self.pieces(self._frozen), strict=True):
            if parameter.grad is not None:
                frozen.logical_and_(parameter.grad == 0.0)  # in place: a recorded step goes on with it

    def changed(self, moment: Moment, change: Change) -> None:
        """Coefficients that were added are not visited yet."""
        if self._layout is None or self._frozen is None:
            return
        layout = layout_of(moment.model)
        columns = self._layout.moved(layout).to(moment.inputs.device)
        frozen = torch.ones(len(self._frozen), layout.count, dtype=torch.bool, device=columns.device)
        frozen[:, columns] = self._frozen
        self.freeze(frozen)
