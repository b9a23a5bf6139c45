"""Where a model's trained parameters stand, side by side, of which layer they are, and where a grown model has them."""

__all__ = ["Layout", "check_growth", "layout_of", "named", "splines"]

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from continual.extension import Training
from continual.models import StackedModel


def named(model: StackedModel) -> list[tuple[str, nn.Parameter]]:
    """The parameters that an optimizer gets, by name, in its order; numbered where the model is no `nn.Module`."""
    if isinstance(model, nn.Module):
        each: Iterator[tuple[str, nn.Parameter]] = model.named_parameters()
    else:
        each = ((f"parameter {index}", parameter) for index, parameter in enumerate(model.parameters()))
    return [(name, parameter) for name, parameter in each if parameter.requires_grad]


def splines(model: StackedModel) -> Iterator[tuple[str, Tensor]]:
    """Names of coefficients (M, I, K, O) that belong to splines, and their knots (M, I, K+k+1)."""
    for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
        knots = getattr(module, "knots", None)
        if isinstance(knots, Tensor) and hasattr(module, "coefficients"):
            yield f"{name}.coefficients".lstrip("."), knots


@dataclass(frozen=True)
class Layout:
    """The trained parameters of a member, as columns side by side.

    Args:
        shapes: of each, by name, in their order, without the members' axis.
        starts: the first knot of the splines whose coefficients they are, in units of the inputs.
    """

    shapes: Mapping[str, tuple[int, ...]]
    starts: Mapping[str, float]

    @property
    def count(self) -> int:
        """All columns, P."""
        return sum(map(prod, self.shapes.values()))

    def columns(self) -> dict[str, Tensor]:
        """The columns of each parameter, (numbers,), by name."""
        sizes = [prod(shape) for shape in self.shapes.values()]
        return dict(zip(self.shapes, torch.arange(self.count).split(sizes), strict=True))

    def layers(self) -> list[Tensor]:
        """The columns of each layer: of parameters with the same first number in their names, or without any."""
        found: dict[str, list[Tensor]] = {}
        for name, columns in self.columns().items():
            number = re.search(r"\d+", name)
            found.setdefault(number[0] if number else "", []).append(columns)
        return [torch.cat(each) for each in found.values()]

    def moved(self, other: "Layout") -> Tensor:
        """Where these columns are in the layout of the model after its domain has grown, (P,).

        Raises:
            ValueError: it has changed otherwise.
        """
        ours, theirs, found = self.columns(), other.columns(), []
        for name, shape in self.shapes.items():
            grown = other.shapes.get(name)
            if grown == shape:
                found.append(theirs[name])
                continue
            left = _added(self.starts.get(name), other, name)
            if grown is None or left is None or grown[::2] != shape[::2] or left + shape[1] > grown[1]:
                raise ValueError(f"{name} is another after the model was changed: what was kept of it means nothing")
            found.append(theirs[name].view(grown)[:, left : left + shape[1]].flatten())
        if len(theirs) != len(ours):
            raise ValueError("the model trains other parameters after it was changed: what was kept means nothing")
        return torch.cat(found)

    def state(self) -> dict[str, Any]:
        """In plain types."""
        return {"shapes": {name: list(shape) for name, shape in self.shapes.items()}, "starts": dict(self.starts)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Layout":
        """From what `state` gave."""
        return cls({name: tuple(shape) for name, shape in state["shapes"].items()}, state["starts"])


def _added(start: float | None, other: Layout, name: str) -> int | None:
    """Coefficients that were added below, by the spacing of the knots that were added; None where there are none."""
    if start is None or name not in other.starts:
        return None
    spacing = other.starts[f"{name} spacing"]
    return round((start - other.starts[name]) / spacing)


def layout_of(model: StackedModel) -> Layout:
    """The layout of a model's trained parameters."""
    shapes = {name: tuple(parameter.shape[1:]) for name, parameter in named(model)}
    starts = {}
    for name, knots in splines(model):
        if name in shapes:
            starts[name] = float(knots[0, 0, 0])
            starts[f"{name} spacing"] = float(knots[0, 0, 1] - knots[0, 0, 0])
    return Layout(shapes, starts)


def check_growth(training: Training, name: str) -> None:
    """Refuses adaptations after which a strategy's memory of parameters means nothing.

    Those may be that add coefficients and leave all others, or that act in the first task alone.

    Raises:
        ValueError: in one line.
    """
    for adaptation in training.adaptations:
        if not getattr(adaptation, "widens", False) and list(getattr(adaptation, "tasks", None) or ()) != [1]:
            raise ValueError(
                f"{name} keeps what parameters were, and {type(adaptation).__name__} gives them another meaning after "
                "the first task: use adaptation=none, adaptation=domain_extension or tasks=[1]"
            )
