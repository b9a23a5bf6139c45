"""Settings that are chosen before a run: trials on validation sets and on seeds that are not reported."""

__all__ = ["check_trials", "check_tune", "choose", "is_tuned", "number_of_trials", "shown_settings", "with_settings"]

import copy
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from continual.models import parameter_counts
from continual.records.record import Record
from continual.records.store import TRIALS
from continual.run import Run, execute
from continual.trackers.tracker import RunInfo, Tracker
from scripts.config.identity import identity, own_code
from scripts.config.parts import build_parts, try_parts
from scripts.config.schema import ConfigError, check_config, nearest
from scripts.config.search import at_end, check_search, ends, proposals, tried_at_most

_GROUPS = ("model", "optimizer", "strategy", "adaptation", "penalty", "training")
"""What may be chosen: how something is learned, never what."""

MEASURES = ("learned_rmse", "final_rmse")
"""Metrics by which settings can be chosen: errors, of which less is better."""


def is_tuned(values: Mapping[str, Any]) -> bool:
    """Whether a plain config asks for settings to be chosen."""
    return bool((values.get("tune") or {}).get("keys"))


def number_of_trials(values: Mapping[str, Any]) -> int:
    """Trials that come before a run."""
    return tried_at_most(values["tune"]) if is_tuned(values) else 0


def with_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a plain config with other values at dotted keys.

    Raises:
        ConfigError: a key that is not there.
    """
    changed = copy.deepcopy(dict(values))
    for key, value in settings.items():
        *parents, last = key.split(".")
        node: Any = changed
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            names = [name for name in node if name != "_target_"] if isinstance(node, dict) else []
            hint = nearest(key, [".".join([*parents, name]) for name in names])
            raise ConfigError(f"tune.keys: {key} is not a config key; {hint}")
        node[last] = value
    return changed


def check_tune(values: Mapping[str, Any]) -> None:
    """Checks what a plain config, right otherwise, asks to be chosen, and every value that it names.

    Raises:
        ConfigError: in one line.
    """
    if not is_tuned(values):
        return
    tune = values["tune"]
    if tune["measure"] not in MEASURES:
        raise ConfigError(f"tune.measure must be one of {', '.join(MEASURES)}, got {tune['measure']!r}")
    if shared := sorted(set(tune["seeds"]) & set(values["seeds"])):
        raise ConfigError(f"tune.seeds must be none that are reported; {shared[0]} is among seeds, too")
    check_search(tune)
    for key, options in tune["keys"].items():
        if key.partition(".")[0] not in _GROUPS:
            raise ConfigError(f"tune.keys: {key} can't be chosen; what can belongs to {', '.join(_GROUPS)}")
        for option in ends(options):
            check_config(with_settings(values, {key: option}))


def check_trials(values: Mapping[str, Any]) -> None:
    """Builds, for one seed, what every value makes of a plain config that asks for settings to be chosen.

    Raises:
        ConfigError: what is wrong with one of them, and which one it is.
    """
    for key, options in values["tune"]["keys"].items() if is_tuned(values) else ():
        for option in ends(options):
            try:
                try_parts(with_settings(values, {key: option}))
            except ConfigError as error:
                raise ConfigError(f"{error} (in the trials with {key}={option})") from None


def choose(values: Mapping[str, Any], model: str, experiment: Path, name: str) -> dict[str, Any]:
    """Runs the trials of a config, or finds their records, and says which settings did best.

    A trial is a run of its own, in `trials/` of the experiment's folder, on the seeds for tuning, with errors measured
    on validation sets. The least mean over these seeds wins; a seed that diverged makes it infinite; of equal ones the
    first wins.

    Args:
        values: a plain config that asks for settings to be chosen.
        model: option of the model group, for the names of folders.
        experiment: folder of the experiment.
        name: what the run is called.

    Returns:
        What the record keeps of it: measure, seeds, tried (settings and score of each trial), chosen, and at_end, those
        keys whose best value is the lowest or highest that was tried.

    Raises:
        ConfigError: no trial was finite, or a trial's settings can't be built.
    """
    check_trials(values)
    tune = values["tune"]
    tried: list[dict[str, Any]] = []
    journal = experiment / TRIALS / f"{model}-{identity(dict(values))}.journal"
    for proposal in proposals(tune, journal):
        record = _trial(values, proposal.settings, model, experiment)
        mean = float(np.mean(record.metrics[tune["measure"]]))
        score = mean if math.isfinite(mean) else None
        proposal.tell(score)
        tried.append({"settings": proposal.settings, "score": score})
    finite = [trial for trial in tried if trial["score"] is not None]
    if not finite:
        keys = ", ".join(tune["keys"])
        raise ConfigError(f"none of the {len(tried)} trials of {keys} stayed finite; give tune.keys other values")
    chosen: dict[str, Any] = min(finite, key=lambda trial: trial["score"])["settings"]
    beyond = [key for key, options in tune["keys"].items() if at_end(chosen[key], options)]
    end = f"; at the end of what was tried: {', '.join(beyond)}" if beyond else ""
    print(f"{name}: {shown_settings(chosen)} chosen by {len(tried)} trials{end}")
    return {"measure": tune["measure"], "seeds": tune["seeds"], "tried": tried, "chosen": chosen, "at_end": beyond}


def shown_settings(settings: Mapping[str, Any]) -> str:
    """Settings in one line, as a command would have them."""
    shown = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in settings.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items())


def _trial(values: Mapping[str, Any], settings: Mapping[str, Any], model: str, experiment: Path) -> Record:
    tune = values["tune"]
    steps = values["training"]["steps"]
    training = {**values["training"], "evaluate_on": "validation", "evaluate_every": steps}
    changes = {"seeds": tune["seeds"], "training": training, "probe": {}, "tune": {**tune, "keys": None}}
    config = with_settings({**values, **changes}, settings)
    own = identity(config)
    parts = build_parts(config)
    info = RunInfo(
        experiment=f"{experiment.name}/{TRIALS}",
        name=shown_settings(settings),
        identity=own,
        folder=experiment / TRIALS / f"{model}-{own}",
        config=config,
        parameters=parameter_counts(parts.training.model),
        task_names=[task.name for task in parts.training.curriculum.tasks],
        seeds=config["seeds"],
        family=str(parts.training.model.describe()["family"]),
    )
    with _hushed():
        return execute(Run(info, parts.training, Tracker(), dict(settings), own_code(config), limits=parts.limits))


@contextmanager
def _hushed() -> Iterator[None]:
    """Keeps what trials say off the console: there are many, and a line tells of all."""
    handlers = logging.getLogger().handlers
    before = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(handlers, before, strict=True):
            handler.setLevel(level)
