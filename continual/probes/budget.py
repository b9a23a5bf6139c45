"""A forgetting budget: how much less is forgotten where a part of the model, or of its training, keeps still."""

__all__ = ["Budget", "Freeze", "Part", "forgetting_budget"]

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from continual.extension import Change, Extension, Moment, Training
from continual.metrics import forgetting, learned_rmse
from continual.probes.parts import kind_of, layers_of
from continual.probes.probe import named_parameters
from continual.training.loop import train

log = logging.getLogger(__name__)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What a part has to do with forgetting, member by member; see `forgetting_budget`.

    Args:
        group: "training", "kinds" or "layers".
        name: of the part.
        due: forgetting due to it, (M,), in units of the target.
        forgetting: without what it does, (M,).
        learned: learned RMSE then, (M,): a part without which nothing is learned is one without which nothing is
            forgotten.
    """

    group: str
    name: str
    due: Array
    forgetting: Array
    learned: Array


@dataclass(frozen=True)
class Budget:
    """The forgetting of a training and its parts.

    Args:
        R: test-RMSE matrices of the training as it is, (M, T+1, T).
        parts: all that were tried.
    """

    R: Array
    parts: Sequence[Part]

    def left_over(self, group: str) -> Array:
        """Forgetting that the parts of a group, and those of "training", leave unexplained, (M,).

        Below 0 where several of them could each have saved the same.

        Args:
            group: "kinds" or "layers".
        """
        return forgetting(self.R) - sum(part.due for part in self.parts if part.group in ("training", group))


class Freeze(Extension):
    """Some parameters are not trained after the first task.

    Args:
        names: of the parameters.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def before_task(self, moment: Moment) -> None:
        """See `Extension.before_task`."""
        if moment.task > 1:
            for name, parameter in named_parameters(moment.model).items():
                if name in self.names:
                    parameter.requires_grad_(False)


class _FirstTaskOnly:
    """An adaptation that changes nothing after the first task."""

    def __init__(self, adaptation: Any) -> None:
        self.adaptation = adaptation

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["adaptation"], name)

    def before_step(self, moment: Moment) -> Change | None:
        change: Change | None = self.adaptation.before_step(moment) if moment.task == 1 else None
        return change


def forgetting_budget(training: Training) -> Budget:
    r"""Trains again and again, each time with one part kept still after the first task, and compares what is forgotten.

    Every training has the same seeds, data, start, batches and, to the last bit, first task, so members are compared
    with themselves. With F the forgetting of the training as it is, and F' that with a fresh optimizer for each task
    (the same where it has that):

    - group "training": "stale optimizer state", \(F - F'\); "grid changes", F' less the forgetting of a training whose
      adaptations act in the first task only, where it has adaptations;
    - group "kinds": F' less the forgetting where all parameters of one kind (coefficients, base_weight, spline_scale,
      weights, …) are frozen after the first task, with a fresh optimizer for each task;
    - group "layers": the same with all parameters of a layer.

    What is frozen keeps still, but for what adaptations do to it. Where a part is everything, nothing is trained after
    the first task, and nothing forgotten.

    Args:
        training: a training that has not begun; it stays so. Its observers, checkpoint and signals are left out.

    Returns:
        The budget; what its parts leave over is `Budget.left_over`.

    Raises:
        ValueError: a single task, or whatever the training refuses.
    """
    if len(training.curriculum) < 2:
        raise ValueError("a single task is never forgotten: a forgetting budget needs a curriculum of two at least")
    R = _matrix(training)
    keeps = not training.reset_optimizer
    fresh = _matrix(training, reset=True) if keeps else R
    parts = [_part("training", "stale optimizer state", forgetting(R), fresh)]
    if training.adaptations:
        parts.append(_part("training", "grid changes", forgetting(fresh), _matrix(training, reset=True, still=True)))
    trained = [name for name, p in named_parameters(training.model).items() if p.requires_grad]
    kinds: dict[str, list[str]] = {}
    for name in trained:
        kinds.setdefault(kind_of(name), []).append(name)
    layers = {f"layer {layer + 1}": names for layer, names in layers_of(trained).items()}
    known: dict[tuple[str, ...], Array] = {}
    for group, members in (("kinds", kinds), ("layers", layers)):
        for name, names in members.items():
            if tuple(names) not in known:
                known[tuple(names)] = _frozen(training, names, len(names) == len(trained), fresh)
            parts.append(_part(group, name, forgetting(fresh), known[tuple(names)]))
    return Budget(R, parts)


def _part(group: str, name: str, whole: Array, R: Array) -> Part:
    log.info("without %s: forgetting %.3g instead of %.3g", name, np.nanmean(forgetting(R)), np.nanmean(whole))
    return Part(group, name, whole - forgetting(R), forgetting(R), learned_rmse(R))


def _frozen(training: Training, names: Sequence[str], everything: bool, fresh: Array) -> Array:
    """R where these parameters are frozen; where that is all of them, there is nothing to train after the first task.

    What adaptations would do meanwhile is left out then.
    """
    if not everything:
        return _matrix(training, reset=True, freeze=names)
    stays = fresh.copy()
    stays[:, 1:] = fresh[:, 1:2]
    return stays


def _matrix(training: Training, *, reset: bool = False, still: bool = False, freeze: Sequence[str] = ()) -> Array:
    """R of a copy of a training."""
    strategy, adaptations = copy.deepcopy(training.strategy), copy.deepcopy(training.adaptations)
    if reset:
        for each in strategy if isinstance(strategy, tuple) else (strategy,):
            each.reset_optimizer = True
    if still:
        adaptations = tuple(_FirstTaskOnly(each) for each in adaptations)
    changed = replace(
        training,
        model=copy.deepcopy(training.model),
        strategy=strategy,
        adaptations=adaptations,
        penalty=copy.deepcopy(training.penalty),
        generators=[_copied(each) for each in training.generators],
        observers=[Freeze(freeze)] if freeze else [],
        checkpoint=None,
        stop=None,
    )
    return train(changed).matrix()


def _copied(generator: Generator) -> Generator:
    other = Generator(device=generator.device)
    other.set_state(generator.get_state())
    return other
