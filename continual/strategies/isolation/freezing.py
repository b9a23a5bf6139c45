"""What strategies share that keep single parameters where they are, to the last bit, whatever the optimizer does."""

__all__ = ["Freezing", "predict_with", "weight_columns", "without_adaptations"]

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from continual.extension import Change, Moment, Session, Training
from continual.extension.quadratic import flat
from continual.models import StackedModel, trainable
from continual.strategies.layout import Layout, layout_of
from continual.strategies.strategy import Strategy


class Freezing(Strategy):
    """Takes the gradient of frozen parameters away, and puts them back after each step.

    The first suffices for optimizers that begin anew with a task; the second also where momentum of an earlier one
    or weight decay would move them. L-BFGS that is kept would search along directions that move them, and is refused.
    """

    capturable = True
    needs_boundaries = True

    def __init__(self, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        self._layout: Layout | None = None
        self._frozen: Tensor | None = None  # (M, P)
        self._kept: Tensor | None = None  # what frozen parameters are, (M, P)

    def check(self, training: Training) -> None:
        """Refuses an optimizer with which frozen parameters would not stay out of the search."""
        optimizer = training.make(trainable(training.model))
        if not training.reset_optimizer and any("history_size" in group for group in optimizer.param_groups):
            raise ValueError(
                f"{type(self).__name__} freezes parameters, and {type(optimizer).__name__} that is kept would search "
                "along what they were: use strategy.reset_optimizer=true"
            )

    def memory(self, training: Training, members: int) -> int:
        """See `Extension.memory`: masks, and what parameters were."""
        return members * layout_of(training.model).count * 12

    def begin(self, session: Session) -> None:
        """See `Extension.begin`."""
        self.model = session.model

    def freeze(self, frozen: Tensor | None) -> None:
        """Freezes some parameters (M, P) where they are now, and no others; None for none."""
        self._layout, self._frozen = layout_of(self.model), frozen
        self._kept = None if frozen is None else flat(p.detach() for p in trainable(self.model)).clone()

    def gradients(self, model: StackedModel) -> None:
        """Zero for frozen parameters."""
        if self._frozen is not None:
            for parameter, frozen in zip(trainable(model), self.pieces(self._frozen), strict=True):
                if parameter.grad is not None:
                    parameter.grad.masked_fill_(frozen, 0.0)

    @torch.no_grad()
    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Puts frozen parameters back."""
        if self._frozen is not None and self._kept is not None:
            pairs = zip(self.pieces(self._frozen), self.pieces(self._kept), strict=True)
            for parameter, (frozen, kept) in zip(trainable(self.model), pairs, strict=True):
                parameter.copy_(torch.where(frozen, kept, parameter))

    def pieces(self, columns: Tensor) -> list[Tensor]:
        """What belongs to each parameter, in its shape, of columns (M, P)."""
        assert self._layout is not None
        shapes = self._layout.shapes.values()
        return [
            piece.view(len(piece), *shape)
            for piece, shape in zip(columns.split(list(map(prod, shapes)), dim=1), shapes, strict=True)
        ]

    @torch.no_grad()
    def changed(self, moment: Moment, change: Change) -> None:
        """See `Extension.changed`: coefficients that were added are free."""
        layout = layout_of(moment.model)
        if self._frozen is None or self._layout is None or layout == self._layout:
            return
        columns = self._layout.moved(layout).to(moment.inputs.device)
        frozen = self._frozen.new_zeros(len(self._frozen), layout.count)
        frozen[:, columns] = self._frozen
        self.freeze(frozen)

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        layout = None if self._layout is None else self._layout.state()
        return {"layout": layout, "frozen": self._frozen, "kept": self._kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        self._layout = None if state["layout"] is None else Layout.from_state(state["layout"])
        self._frozen, self._kept = state["frozen"], state["kept"]


def weight_columns(layout: Layout) -> list[Tensor]:
    """The columns of what tasks share among them: of each layer the parameter with most numbers, the first of equals.

    Weights of an MLP, coefficients of a KAN: what is worth nothing where it is zero. Biases, scales and base weights
    are none of them.
    """
    found, columns = [], layout.columns()
    for layer in layout.layers():
        own = [each for each in columns.values() if bool(torch.isin(each[:1], layer))]
        found.append(max(own, key=len))
    return found


def without_adaptations(training: Training, name: str) -> None:
    """Refuses any adaptation.

    Raises:
        ValueError: there is one.
    """
    for adaptation in training.adaptations:
        raise ValueError(f"{name} keeps parameters, and {type(adaptation).__name__} changes them: use adaptation=none")


def predict_with(model: StackedModel, values: Callable[[], Sequence[Tensor]]) -> Callable[[Tensor], Tensor]:
    """The model with other values of its trained parameters, asked for when it predicts; they stay what they are."""

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        parameters = trainable(model)
        before = [parameter.clone() for parameter in parameters]
        try:
            for parameter, value in zip(parameters, values(), strict=True):
                parameter.copy_(value)
            return model(x)
        finally:
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)

    return predict
