"""The quadratic penalty of all earlier tasks: one more task added, columns added, and its state."""

__all__ = ["anchored", "from_state", "moved", "to_state"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Quadratic
from continual.extension.quadratic import flat
from continual.models import StackedModel, trainable
from continual.strategies.ewc.importance import Curvature
from continual.strategies.layout import Layout


def _present(model: StackedModel) -> Tensor:
    return flat(parameter.detach() for parameter in trainable(model)).clone()


def anchored(before: Quadratic | None, found: Curvature, model: StackedModel, decay: float, each: bool) -> Quadratic:
    """The penalty with another task's curvature, anchored at the model's parameters.

    Args:
        before: the penalty of earlier tasks, if there are any.
        found: the task's curvature, with its weight; its memory becomes the penalty's.
        model: M members.
        decay: what the penalty of earlier tasks is multiplied with.
        each: whether these keep the anchors that they had: their sum is a quadratic about the new one, with a slope.
    """
    anchor = _present(model)
    if before is None:
        return Quadratic(anchor, found.diagonal, found.blocks)
    slope = constant = None
    if each:
        value, gradient = before.value_and_gradient(anchor)
        constant, slope = value * decay, gradient * decay
    total = Curvature(before.diagonal, before.blocks).scaled(decay).plus(found)
    return Quadratic(anchor, total.diagonal, total.blocks, slope, constant)


def moved(before: Quadratic, columns: Tensor, model: StackedModel, layout: Layout) -> Quadratic:
    """The penalty on a model whose parameters became more: it knows nothing of those that were added.

    Args:
        before: of the parameters as they were.
        columns: where these are now, (P,).
        model: as it is now.
        layout: of its parameters.
    """
    anchor = _present(model)
    anchor[:, columns] = before.anchor
    grown = Curvature(before.diagonal, before.blocks).moved(columns, layout)
    slope = None if before.slope is None else torch.zeros_like(anchor).index_copy(1, columns, before.slope)
    return Quadratic(anchor, grown.diagonal, grown.blocks, slope, before.constant)


def to_state(term: Quadratic) -> dict[str, Any]:
    """The penalty in tensors and plain types."""
    kept = {"anchor": term.anchor, "diagonal": term.diagonal, "slope": term.slope, "constant": term.constant}
    return {**kept, "blocks": [list(each) for each in term.blocks]}


def from_state(state: Mapping[str, Any]) -> Quadratic:
    """From what `to_state` gave."""
    blocks = [(places, block) for places, block in state["blocks"]]
    return Quadratic(state["anchor"], state["diagonal"], blocks, state["slope"], state["constant"])
