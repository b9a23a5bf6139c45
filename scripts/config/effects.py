"""Settings that change nothing where they stand: found by changing them and looking, and said before a run."""

__all__ = ["chosen_keys", "without_effect"]

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from continual.extension import hooks
from scripts.config.needs import vast
from scripts.config.parts import Parts, build_parts
from scripts.config.schema import ConfigError

_NEVER = {"model.engine", "model._target_", "curriculum._target_"}
"""What is not asked about: how splines are computed is documented to change no result."""


def chosen_keys(overrides: Iterable[str]) -> list[str]:
    """The keys of a command line's overrides."""
    return [override.lstrip("+~").partition("=")[0] for override in overrides]


def without_effect(values: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Which of the settings that a user made change nothing, each with a reason.

    Of models and curricula it is seen from what is built of them with another value; the rest follows rules.

    Args:
        values: a plain config that is right.
        keys: what was set, with dots.

    Returns:
        A sentence each.
    """
    keys = [key for key in dict.fromkeys(keys) if _is_asked(key, values)]
    if not keys or vast(values):  # which is not built once more to answer a question
        return []
    alone = {**values, "seeds": values["seeds"][:1]}
    parts = build_parts(alone)
    found = []
    for key in keys:
        group, _, name = key.partition(".")
        reason = _reason(key, values, parts)
        if group in ("model", "curriculum") and name and not _matters(alone, parts, group, name):
            reason = f"with any other value the {group} is the same here"
        if reason:
            found.append(f"{key} has no effect: {reason}")
    return found


def _is_asked(key: str, values: Mapping[str, Any]) -> bool:
    """Whether a key is one of those that are looked at."""
    group, _, name = key.partition(".")
    return key not in _NEVER and (
        (group in ("model", "curriculum", "training") and name in values[group])
        or (group == "strategy" and (not name or name in values[group]))
    )


def _reason(key: str, values: Mapping[str, Any], parts: Parts) -> str:
    samples = max(task.train_inputs.shape[1] for task in parts.training.curriculum.tasks)
    one_task = len(parts.training.curriculum) == 1
    training = values["training"]
    reasons = {
        "training.penalty_steps": (parts.training.penalty is None, "there is no penalty; penalty=sparsity is one"),
        "training.batch_size": (
            (training["batch_size"] or 0) >= samples,
            f"tasks have {samples} samples, all of which are in each step",
        ),
        "training.evaluate_every": (
            training["evaluate_every"] > training["steps"],
            f"a task has {training['steps']} steps, and is evaluated at its end",
        ),
        "strategy.reset_optimizer": (one_task, "there is one task only"),
        "strategy": (one_task and not _acts_within(parts), "there is one task only"),
    }
    preset = values["debug"].get("settings", {}).get("training", {})
    if key.startswith("training.") and key.partition(".")[2] in preset:
        return "the debug preset sets it; debug.settings.training has what it sets"
    holds, reason = reasons.get(key, (False, ""))
    return reason if holds else ""


def _acts_within(parts: Parts) -> bool:
    """Whether a strategy does something within a task, and not only because there was one before."""
    each = [strategy for strategy in parts.training.strategies if not getattr(strategy, "needs_boundaries", False)]
    return any(hooks(each, name) for name in ("loss_term", "quadratics", "gradients", "before_step"))


def _others(value: Any) -> Iterator[Any]:
    """Values beside one, some of which should differ in what they do."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value + 2, max(value - 1, 0))
    elif isinstance(value, float):
        yield from (2.0 * value, 0.5 * value) if value else (0.1, 1.0)
    elif isinstance(value, list) and value and all(isinstance(item, float | int) for item in value):
        for index, item in enumerate(value):
            for other in _others(item):
                yield [*value[:index], other, *value[index + 1 :]]


def _matters(values: dict[str, Any], parts: Parts, group: str, name: str) -> bool:
    """Whether another value of a key makes another model or curriculum, or none."""
    seen = False
    for other in _others(values[group][name]):
        try:
            changed = build_parts({**values, group: {**values[group], name: other}})
        except ConfigError:
            return True
        seen = True
        if not _same(_content(parts, group), _content(changed, group)):
            return True
    return not seen


def _content(parts: Parts, group: str) -> dict[str, Tensor | bool]:
    """What a model or a curriculum is, as far as it can have an effect."""
    tasks = parts.training.curriculum.tasks
    if group == "curriculum":
        return {f"{index} {name}": each for index, task in enumerate(tasks) for name, each in task.tensors().items()}
    model = parts.training.model
    with torch.no_grad():
        output = model(tasks[0].train_inputs[:, :50])
    trained = {
        f"{key} trained": parameter.requires_grad for key, parameter in cast(nn.Module, model).named_parameters()
    }
    return {"output": output, **trained, **model.state_dict()}


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    if first.keys() != second.keys():
        return False
    pairs = [(first[key], second[key]) for key in first]
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)
