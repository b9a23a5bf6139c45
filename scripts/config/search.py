"""Which settings are tried before a run: all combinations of a grid, or what a sampler of Optuna proposes."""

__all__ = ["SAMPLERS", "Proposal", "at_end", "check_search", "ends", "proposals", "tried_at_most"]

import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from scripts.config.schema import ConfigError

SAMPLERS = ("grid", "random", "tpe", "gp")
"""All combinations; or, of Optuna: uniform, tree-structured Parzen estimators, Gaussian processes."""

_NEAR = 0.02
"""Part of a range, from either end, within which the best value says that a better one may lie beyond."""


@dataclass(frozen=True)
class Proposal:
    """Settings to be tried.

    Args:
        settings: values by key.
        tell: takes the score, None where there is none.
    """

    settings: dict[str, Any]
    tell: Callable[[float | None], None]


def _is_range(options: Any) -> bool:
    return isinstance(options, Mapping)


def ends(options: Any) -> list[Any]:
    """What has to be right for all that may be tried of a key to be: every value of a list, both ends of a range."""
    return [options["low"], options["high"]] if _is_range(options) else list(options)


def tried_at_most(tune: Mapping[str, Any]) -> int:
    """Trials of a search."""
    if tune.get("sampler", "grid") == "grid":
        return math.prod(len(options) for options in tune["keys"].values())
    return int(tune["trials"])


def check_search(tune: Mapping[str, Any]) -> None:
    """Checks what is to be tried, and by what.

    Raises:
        ConfigError: in one line.
    """
    sampler, trials = tune.get("sampler", "grid"), tune.get("trials")
    if sampler not in SAMPLERS:
        raise ConfigError(f"tune.sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    if (sampler == "grid") != (trials is None):
        raise ConfigError(
            f"tune.trials={trials} has no use for a grid, all of which is tried; choose a tune.sampler"
            if sampler == "grid"
            else f"tune.sampler={sampler} needs tune.trials, the number of settings to try"
        )
    for key, options in tune["keys"].items():
        if _is_range(options):
            _check_range(key, options, sampler)
        elif len(options) != len({repr(option) for option in options}):
            raise ConfigError(f"tune.keys: {key} has a value twice")
    if sampler != "grid" and importlib.util.find_spec("optuna") is None:
        raise ConfigError(f"tune.sampler={sampler} needs Optuna: pip install 'kan-continual[optuna]'")


def _check_range(key: str, options: Mapping[str, Any], sampler: str) -> None:
    low, high, log = options["low"], options["high"], options.get("log", False)
    if sampler == "grid":
        raise ConfigError(
            f"tune.keys: {key} is a range, of which a grid has no values; give a list, or choose a tune.sampler"
        )
    if not low < high or (log and low <= 0):
        need = "0 < low < high, for it is logarithmic" if log else "low < high"
        raise ConfigError(f"tune.keys: {key} must have {need}; got low={low}, high={high}")


def at_end(value: Any, options: Any) -> bool:
    """Whether the best value is at an end of what was tried, so that a better one may lie beyond.

    Of a list of numbers, three or more, the lowest and the highest; of a range its outer fiftieths.
    """
    if _is_range(options):
        scale = math.log if options.get("log", False) else float
        low, high, place = (scale(each) for each in (options["low"], options["high"], value))
        return not _NEAR < (place - low) / (high - low) < 1.0 - _NEAR
    numbers = [option for option in options if isinstance(option, int | float) and not isinstance(option, bool)]
    return len(numbers) == len(options) > 2 and value in (min(numbers), max(numbers))


def proposals(tune: Mapping[str, Any], journal: Path) -> Iterator[Proposal]:
    """What is to be tried, one after the other; each has to be told its score before the next is asked for.

    A search that begins again proposes the same for the same scores. So one that was interrupted goes on where it was
    by the records of its trials, which are found instead of run, to the last bit as if nothing had happened.

    Args:
        tune: a search that `check_search` finds right.
        journal: where Optuna's own file of the whole search goes at its end, for its tools to read.
    """
    keys = tune["keys"]
    if tune.get("sampler", "grid") == "grid":
        for options in product(*keys.values()):
            yield Proposal(dict(zip(keys, options, strict=True)), lambda score: None)
        return
    import optuna  # optional

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = int(tune["seeds"][0])
    samplers: dict[str, Callable[[], Any]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed),
    }
    study = optuna.create_study(sampler=samplers[tune["sampler"]](), study_name=journal.stem)
    space = {key: _distribution(optuna.distributions, options) for key, options in keys.items()}
    for _ in range(tune["trials"]):
        trial = study.ask(space)

        def tell(score: float | None, asked: Any = trial) -> None:
            study.tell(asked, score, state=None if score is not None else optuna.trial.TrialState.FAIL)

        yield Proposal(dict(trial.params), tell)
    _write(optuna, study, journal)


def _distribution(kinds: Any, options: Any) -> Any:
    if not _is_range(options):
        return kinds.CategoricalDistribution(options)
    low, high, log = options["low"], options["high"], options.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    return (kinds.IntDistribution if whole else kinds.FloatDistribution)(low, high, log=log)


def _write(optuna: Any, study: Any, journal: Path) -> None:
    """A study as one of Optuna's journals, which is there whole or not at all."""
    being = journal.with_name(f".{journal.name}.{os.getpid()}")
    backend = optuna.storages.journal.JournalFileBackend(str(being))
    optuna.copy_study(
        from_study_name=study.study_name,
        from_storage=study._storage,
        to_storage=optuna.storages.JournalStorage(backend),
    )
    being.replace(journal)
