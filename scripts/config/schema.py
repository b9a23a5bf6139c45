"""Checks a composed config against the code it names, before anything is built: keys, types and choices."""

__all__ = ["MOST_THREADS", "ConfigError", "check_config", "nearest", "settings"]

import difflib
import inspect
import json
import logging
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import hydra.utils
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
)

from continual.metrics import metric_names
from tasks.curriculum import Split

Node = dict[str, Any]

MOST_THREADS = 1024
"""More than any machine makes use of; the memory for many more ends the process."""

_LARGEST = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}
"""The largest numbers of the dtypes that a run computes in."""

_LARGEST_INTEGER = 2**63 - 1

_COMPUTED = ("model", "curriculum", "optimizer", "penalty", "adaptation", "probe")
"""Groups whose numbers a run computes with."""


class ConfigError(ValueError):
    """The user's config is wrong; the message says where and how to mend it, in one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Training(_Strict):
    steps: PositiveInt
    batch_size: PositiveInt | None
    evaluate_every: PositiveInt
    checkpoint_seconds: PositiveFloat
    penalty_steps: PositiveInt | None
    evaluate_on: Split


class _Limits(_Strict):
    seconds: PositiveFloat | None
    memory: PositiveFloat | None


class _Debug(_Strict):
    settings: dict[str, Any] = Field(default_factory=dict)
    curriculum: Node | None = None
    runner: Node | None = None


class _Report(_Strict):
    title: str | None
    figures: dict[str, Node | None]  # null leaves one of the defaults out
    films: dict[str, Node | None] = {}  # runs from before there were films have none
    tables: dict[str, Node | None]
    captions: dict[str, str]


class _Range(_Strict):
    low: int | float
    high: int | float
    log: bool = False


def _options(options: Any) -> Any:
    """A list of values, or a range; refused in words, where a union of types would speak of types."""
    if isinstance(options, dict):
        try:
            _Range.model_validate(options)
        except ValidationError:
            raise ValueError("a range is {low: 0.001, high: 0.1}, two numbers, and log: true or false") from None
    elif not isinstance(options, list) or not options:
        raise ValueError("must be a list of values, or a range {low: 0.001, high: 0.1, log: true}")
    return options


class _Tune(_Strict):
    keys: dict[str, Annotated[Any, BeforeValidator(_options)]] | None
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    measure: str
    sampler: str = "grid"
    trials: PositiveInt | None = None


class _Root(_Strict):
    experiment_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]  # never "..", nothing hidden
    name: str | None
    seeds: PositiveInt | Annotated[list[NonNegativeInt], Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "float64"]
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)]
    jobs: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_THREADS)]
    results: Annotated[str, Field(min_length=1)]
    rerun: bool
    sweep: dict[str, Any]
    values: dict[str, Any]
    training: _Training
    tune: _Tune | None = None  # runs from before there was tuning have none
    limits: _Limits
    report: _Report
    model: Node
    curriculum: Node
    optimizer: Node
    strategy: Node
    adaptation: dict[str, Node | None]  # null leaves out one that an experiment has
    penalty: Node
    probe: dict[str, Node | None] = {}  # runs from before there were probes have none
    tracker: Node
    debug: _Debug


_PARTS: Mapping[str, type[BaseModel]] = {
    "training": _Training,
    "tune": _Tune,
    "limits": _Limits,
    "report": _Report,
    "debug": _Debug,
}

_BUILT_IN = {"in_features", "out_features", "members", "generators", "dtype", "device"}
_GIVEN: Mapping[str, set[str]] = {
    "model": _BUILT_IN,
    "curriculum": {"generators"},
    "optimizer": {"params"},
    "tracker": set(),
}
"""Arguments that the run itself supplies to what each group names."""

_ON_A_MODEL = {"model", "x"}
"""Arguments that training supplies to what adaptations and penalties call."""

_SUPPLIED = _BUILT_IN.union(*_GIVEN.values(), _ON_A_MODEL, {"records", "folder"})


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest valid ones, or all of them."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"valid: {', '.join(names)}" if names else "nothing is valid here"


def check_config(config: Node) -> None:
    """Checks a resolved config.

    Args:
        config: plain containers, without Hydra's own node.

    Raises:
        ConfigError: an unknown key, a missing one, or a value of the wrong type, named with its full path.
    """
    try:
        _Root.model_validate(config)
    except ValidationError as error:
        raise ConfigError(_root_message(error, config)) from None
    if isinstance(config["seeds"], list) and len(set(config["seeds"])) < len(config["seeds"]):
        raise ConfigError(f"seeds must differ from each other, got {config['seeds']}")
    _check_numbers(config, "", _LARGEST["float64"])
    for group in _COMPUTED:
        _check_numbers(config.get(group), group, _LARGEST[config["dtype"]], f" in {config['dtype']}")
    for group, given in _GIVEN.items():
        _check_node(config[group], group, given)
    _check_strategies(config["strategy"])
    for name, node in config["adaptation"].items():
        if node is not None:
            _check_node(node, f"adaptation.{name}", _ON_A_MODEL)
    for name, node in config.get("probe", {}).items():
        if node is not None:
            _check_node(node, f"probe.{name}", set())
    if config["penalty"]:
        _check_node(config["penalty"], "penalty", _ON_A_MODEL)
    for name, given in (("curriculum", {"curriculum"}), ("runner", {"run", "wait"})):
        if config["debug"].get(name) is not None:
            _check_node(config["debug"][name], f"debug.{name}", given)
    for kind in ("figures", "films"):
        for name, node in config["report"].get(kind, {}).items():
            if node is not None:
                _check_node(node, f"report.{kind}.{name}", {"records"})
                _check_metrics(node, f"report.{kind}.{name}")
    for name, node in config["report"]["tables"].items():
        if node is not None:
            _check_node(node, f"report.tables.{name}", {"records", "folder"})
            _check_metrics(node, f"report.tables.{name}")


def _check_metrics(node: Node, path: str) -> None:
    """Refuses a metric that does not exist, in a figure or table of the suite's own."""
    if not str(node["_target_"]).startswith("continual."):
        return
    for key, value in node.items():
        if key in ("metric", "metrics"):
            try:
                metric_names([value] if isinstance(value, str) else list(value))
            except ValueError as error:
                raise ConfigError(f"{path}.{key}: {error}") from None


def _check_numbers(node: Any, path: str, largest: float, where: str = "") -> None:
    """Refuses numbers that are none, or too large to compute with, wherever they stand: no setting needs them."""
    if isinstance(node, float) and not math.isfinite(node):
        raise ConfigError(f"{path} must be a finite number, got {node}")
    if isinstance(node, float) and abs(node) > largest:
        raise ConfigError(f"{path} must be at most {largest:.3g}{where}, got {node}")
    if isinstance(node, int) and abs(node) > _LARGEST_INTEGER:
        raise ConfigError(f"{path} must be at most {_LARGEST_INTEGER:.3g}, got {_shown(node)}")
    if isinstance(node, Mapping):
        for key, value in node.items():
            _check_numbers(value, f"{path}.{key}" if path else str(key), largest, where)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            _check_numbers(value, f"{path}[{index}]", largest, where)


def _check_strategies(node: Node) -> None:
    """Checks a strategy, or several by name and what is said of all of them."""
    if "_target_" in node:
        _check_node(node, "strategy", set())
        return
    for name, value in node.items():
        if name == "reset_optimizer":
            _check_value(value, bool, f"strategy.{name}")
        elif isinstance(value, dict):
            _check_node(value, f"strategy.{name}", {"reset_optimizer"})
        elif value is not None:
            raise ConfigError(f"strategy.{name} is not a config key; {nearest(name, node.keys() - {name})}")


def _root_message(error: ValidationError, config: Node) -> str:
    """The first error of the outer config in one line."""
    first = error.errors()[0]
    *parents, key = [str(part) for part in first["loc"]]
    path = ".".join([*parents, key])
    if first["type"] == "extra_forbidden":
        fields = _PARTS.get(".".join(parents), _Root).model_fields
        return f"{path} is not a config key; {nearest(key, fields)}"
    if first["type"] == "missing":
        return f"{path} is missing"
    if path.startswith("jobs"):
        return f"jobs must be auto or a number of runs at a time of at least 1, got {_shown(config.get('jobs'))}"
    if path.startswith("seeds"):
        return f"seeds must be a number of seeds of at least 1 or a list of them, got {_shown(config.get('seeds'))}"
    return f"{path}: {_sentence(first['msg'])}, got {_shown(first['input'])}"


def _shown(value: Any) -> str:
    """A value in a message, of whose length there is no limit otherwise."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than some thousand digits
        return "an integer with too many digits"
    return text if len(text) <= 100 else f"{text[:80]}… ({len(text)} signs)"


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _target(node: Node, path: str) -> Callable[..., Any]:
    name = node.get("_target_")
    if not isinstance(name, str):
        raise ConfigError(f"{path}._target_ must name what to build, got {name!r}")
    try:
        with _quiet("hydra.utils"):  # which tells of it in its own words before it raises
            found = hydra.utils.get_object(name)
    except (ImportError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}._target_: {name} can't be found ({str(error).splitlines()[0]})") from None
    if not callable(found):
        raise ConfigError(f"{path}._target_: {name} can't be called")
    return found


def settings(node: Mapping[str, Any]) -> list[str]:
    """What can be set of that which a `_target_` node names; nothing where there is no such."""
    try:
        parameters = inspect.signature(_target({"_target_": node.get("_target_")}, "")).parameters
    except (ConfigError, ValueError, TypeError):
        return []
    return [name for name in parameters if name not in _SUPPLIED]


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keeps a logger silent."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_node(node: Node, path: str, given: set[str], partial: bool = False) -> None:
    """Checks the keys and values of one `_target_` node against the signature that it will be called with.

    What a `partial` one lacks is left to its caller.
    """
    target = _target(node, path)
    if not isinstance(node.get("_partial_", False), bool):
        raise ConfigError(f"{path}._partial_ must be true or false, got {node['_partial_']!r}")
    try:
        parameters = inspect.signature(target).parameters
    except ValueError:  # some of those that are built in
        raise ConfigError(f"{path}._target_: {node['_target_']} does not say what it takes") from None
    hints = _hints(target)
    free = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in node.items():
        where = f"{path}.{key}"
        if key in ("_target_", "_partial_"):
            continue
        if key in given:
            raise ConfigError(f"{where} is set by the run itself and can't be configured")
        if key not in parameters:
            if free:
                continue
            valid = parameters.keys() - given
            hint = nearest(key, valid) if valid else f"{node['_target_']} has no settings"
            raise ConfigError(f"{where} is not a config key; {hint}")
        if isinstance(value, dict) and "_target_" in value:
            _check_node(value, where, given, partial=bool(value.get("_partial_")))
        else:
            _check_value(value, hints.get(key, Any), where)
    for key, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind in (
            parameter.KEYWORD_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        )
        if required and not partial and key not in given and key not in node:
            raise ConfigError(f"{path}.{key} is missing")


def _hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    """Type hints of a function, or of a class's constructor; none where they can't be evaluated."""
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):
        return {}


def _check_value(value: Any, hint: Any, path: str) -> None:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticSchemaGenerationError:
        return
    try:
        # as JSON, in which an int is a good float and a list a good tuple, but a string is no number
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        messages = [_sentence(first["msg"]) for first in error.errors() if first["type"] != "is_instance_of"]
        expected = " or ".join(dict.fromkeys(messages)) or "has a wrong type"
        raise ConfigError(f"{path}: {expected}, got {_shown(value)}") from None
