"""Drift: what moves while a task is learned, parameters and hidden activations, layer by layer."""

__all__ = ["Drift", "activation_movement", "parameter_movement"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from continual.extension import Training
from continual.models import StackedModel, columns_of
from continual.probes.parts import layers_of
from continual.probes.probe import Probe, check_positive, named_parameters, thinned, thinned_count
from tasks import Curriculum


class Drift(Probe):
    r"""What moved since the boundary before, by layer; NaN at the first boundary, where nothing has moved yet.

    Arrays, L layers (the first number in a parameter's name): `moved` (M, T+1, L), the share of a layer's trained
    parameters that moved beyond rounding, \(|\Delta\theta| > c \, \epsilon \max(|\theta|, |\theta'|)\) with ε the
    machine precision of the dtype; `norm` (M, T+1, L), \(\|\Delta\theta\| / \|\theta\|\), the latter before;
    `activations` (M, T+1, L', T), the movement of what leaves a layer on each task's training inputs, root mean square
    ÷ root mean square deviation from its mean before, the last one of the predictions; `mean_moved` (M, T+1), of all
    trained parameters; `earlier` (M, T+1), the mean of `activations` over hidden layers (the output of a model without)
    and the tasks learned before the one that was just learned.

    NaN where a layer's parameters changed their shape meanwhile (a refined grid, a pruned node), or were zero. Only
    the movement of predictions is known of a model that does not offer `activations(x)`: what enters each layer,
    (M, B, I) each, and the output last.

    Args:
        samples: of each task's training inputs, evenly spread over them; None for all.
        rounding: c.

    Raises:
        ValueError: a number that is not positive.
    """

    def __init__(self, samples: int | None = 64, rounding: float = 4.0) -> None:
        super().__init__()
        check_positive("drift", samples=samples, rounding=rounding)
        self.samples, self.rounding = samples, rounding
        self._parameters: dict[str, Tensor] = {}
        self._activations: list[list[Tensor]] = []

    def check(self, training: Training) -> None:
        """See `Probe.check`."""
        super().check(training)
        self._parameters, self._activations = {}, []

    def memory(self, training: Training, members: int) -> float:
        """See `Probe.memory`: parameters and activations of two boundaries."""
        model, curriculum = training.model, training.curriculum
        tasks = len(curriculum)
        samples = sum(thinned_count(task.train_inputs, self.samples) for task in curriculum.tasks)
        sizes = list(model.describe()["layer_sizes"])[1:]
        size = next(iter(model.parameters())).element_size()
        kept = 8.0 * (tasks + 1) * len(sizes) * (tasks + 2)
        return members * (columns_of(model) * (2 * size + 24.0) + 2.0 * size * samples * sum(sizes) + kept)

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """See `Probe.measure`."""
        named = named_parameters(model)
        trained = [name for name, p in named.items() if p.requires_grad or name in self._parameters]
        parameters = {name: named[name].detach().clone() for name in trained}
        activations = [_leaving(model, thinned(task.train_inputs, self.samples)) for task in curriculum.tasks]
        before, then = self._parameters or parameters, self._activations or activations
        first = not self._parameters
        groups = [[name for name in names if name in parameters] for names in layers_of(named).values()]
        pairs = [parameter_movement(before, parameters, names, model.members, self.rounding) for names in groups]
        moved, norm = (torch.stack(list(each), dim=1) for each in zip(*pairs, strict=True))
        whole = parameter_movement(before, parameters, list(parameters), model.members, self.rounding)[0]
        movement = torch.stack(
            [
                torch.stack([activation_movement(a, b) for a, b in zip(old, new, strict=True)], dim=1)
                for old, new in zip(then, activations, strict=True)
            ],
            dim=2,
        )  # (M, L', T)
        self._parameters, self._activations = parameters, activations
        known = max(learned - 1, 0)
        hidden = movement[:, : max(movement.shape[1] - 1, 1), :known]
        found = {
            "moved": moved,
            "norm": norm,
            "activations": movement,
            "mean_moved": whole,
            "earlier": hidden.mean(dim=(1, 2)) if known else torch.full((model.members,), torch.nan),
        }
        return {key: torch.full_like(each, torch.nan) for key, each in found.items()} if first else found

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`: also what the next boundary compares with."""
        kept = {"parameters": dict(self._parameters), "activations": [list(each) for each in self._activations]}
        return {**super().state_dict(), **kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        super().load_state_dict(state)
        self._parameters, self._activations = dict(state["parameters"]), [list(each) for each in state["activations"]]


@torch.no_grad()
def _leaving(model: StackedModel, x: Tensor) -> list[Tensor]:
    """What leaves each layer, the predictions last; these alone where the model does not tell."""
    tell = getattr(model, "activations", None)
    return [each.detach().clone() for each in (tell(x)[1:] if tell is not None else [model(x)])]


def parameter_movement(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], names: Sequence[str], members: int, rounding: float
) -> tuple[Tensor, Tensor]:
    """`moved` and `norm` of `Drift` for some parameters together, (M,) each, float64.

    Args:
        before: parameters by name, members first.
        after: the same later.
        names: which of them.
        members: M.
        rounding: c of `Drift`.
    """
    undefined = torch.full((members,), torch.nan, dtype=torch.float64)
    if not names or any(name not in before or before[name].shape != after[name].shape for name in names):
        return undefined, undefined
    old, new = (torch.cat([each[name].flatten(1) for name in names], dim=1) for each in (before, after))
    bound = rounding * torch.finfo(old.dtype).eps * torch.maximum(old.abs(), new.abs())
    old, new = old.double(), new.double()
    moved = ((new - old).abs() > bound).double().mean(dim=1)
    size = old.norm(dim=1)
    return moved.cpu(), ((new - old).norm(dim=1) / torch.where(size > 0.0, size, torch.nan)).cpu()


def activation_movement(before: Tensor, after: Tensor) -> Tensor:
    """`activations` of `Drift` for one layer and task, from (M, B, I) before and after: (M,), float64."""
    if before.shape != after.shape:
        return torch.full((after.shape[0],), torch.nan, dtype=torch.float64)
    old, new = before.double(), after.double()
    spread = (old - old.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).sqrt()
    moved = (new - old).square().mean(dim=(1, 2)).sqrt()
    return (moved / torch.where(spread > 0.0, spread, torch.nan)).cpu()
