"""From a Hydra config to a run that is ready to start: identity, folder, and everything built and checked."""

__all__ = [
    "Parts",
    "build_parts",
    "build_run",
    "check_places",
    "entry_of",
    "experiment_folder",
    "plain",
    "shortest",
    "try_parts",
]

import hashlib
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from continual.extension import Settings, Training
from continual.models import StackedModel, parameter_counts, trainable
from continual.records.listing import Entry
from continual.records.versions import own_sources
from continual.run import Run
from continual.trackers.tracker import RunInfo, Tracker
from continual.training.loop import check_members, make_optimizer
from continual.training.stepping import TrainingStep
from scripts.needs import Needs, check_seeds, check_sizes, guarded, needs_of, shown_bytes, vast
from scripts.schema import ConfigError, check_config
from tasks import Curriculum
from tasks.functions import target_function
from tasks.sampling import generators_from

_BEGAN = time.time()
_WITHOUT_EFFECT = ("experiment_name", "name", "report", "rerun", "results", "sweep", "tracker", "values")
"""Keys that can't change a run's result, and so are not part of its identity."""

_KNOWN_AS = {
    "continual.adaptations.DomainExtension": "continual.adaptation.DomainExtension",
    "continual.adaptations.GridSchedule": "continual.adaptation.GridSchedule",
    "continual.adaptations.GridUpdate": "continual.adaptation.GridUpdate",
    "continual.adaptations.Once": "continual.adaptation.Once",
    "continual.optimizers.Adam": "continual.adam.Adam",
    "continual.optimizers.LBFGS": "continual.lbfgs.LBFGS",
    "continual.optimizers.LevenbergMarquardt": "continual.levenberg_marquardt.LevenbergMarquardt",
    "continual.optimizers.Staged": "continual.staged.Staged",
    "kan.pruning.SparsityPenalty": "kan.sparsity.SparsityPenalty",
    "kan.pruning.prune_in_place": "kan.surgery.prune_in_place",
    "kan.symbolic.symbolify_in_place": "kan.surgery.symbolify_in_place",
}
"""Names of what has moved, as they were when its first runs were made: a move of code makes no run a new one."""


def _kan_shape(function: str) -> list[int]:
    """Layer sizes of the KAN that the paper builds for a function by hand: `${kan_shape:exp_sin}` in a config."""
    shape = target_function(function).kan_shape
    if shape is None:
        raise ValueError(f"the paper has no KAN made by hand for {function}")
    return list(shape)


def _steps_on(each: int, grids: Sequence[int]) -> int:
    """Training steps for so many on each of some grids: `${steps_on:20,${values.sizes}}` in a config."""
    return each * len(grids)


OmegaConf.register_new_resolver("kan_shape", _kan_shape, replace=True)
OmegaConf.register_new_resolver("steps_on", _steps_on, replace=True)


def plain(config: DictConfig) -> dict[str, Any]:
    """The config resolved, in plain containers, without Hydra's own node, and checked.

    Raises:
        ConfigError: see `scripts.schema`; also a value that is missing or refers to nothing.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from None
    assert isinstance(resolved, dict)
    values = {str(key): value for key, value in resolved.items()}
    check_config(values)
    if isinstance(values["seeds"], int):
        check_seeds(values["seeds"])
        values["seeds"] = list(range(values["seeds"]))
    if values["device"] == "auto":
        values["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return values


def _identity(values: dict[str, Any]) -> str:
    """Hash of everything that can change the result."""
    relevant = {key: value for key, value in values.items() if key not in _WITHOUT_EFFECT}
    # how often a checkpoint is written changes nothing either
    relevant["training"] = {k: v for k, v in values["training"].items() if k != "checkpoint_seconds"}
    return hashlib.sha256(json.dumps(_as_known(relevant), sort_keys=True).encode()).hexdigest()[:8]


def _as_known(node: Any) -> Any:
    """A config with what it builds under the names that identities know."""
    if isinstance(node, dict):
        known = {key: _as_known(value) for key, value in node.items()}
        if isinstance(target := known.get("_target_"), str):
            known["_target_"] = _KNOWN_AS.get(target, target)
        return known
    return [_as_known(item) for item in node] if isinstance(node, list) else node


def _named_code(node: Any) -> set[str]:
    """The dotted names of what a config builds a run from."""
    if isinstance(node, dict):
        target = str(node.get("_target_", ""))
        looked_up = {str(node.get("path"))} if target.startswith("hydra.utils.get_") else set()
        return {target, *looked_up} - {""} | {name for value in node.values() for name in _named_code(value)}
    if isinstance(node, list):
        return {name for value in node for name in _named_code(value)}
    return set()


def experiment_folder(config: DictConfig) -> Path:
    """results/<experiment>."""
    return Path(str(config.results)) / str(config.experiment_name)


def _swept(hydra: Any) -> dict[str, Any]:
    """The values that were set for this run on the command line or by a sweep, by the shortest form of their keys."""
    chosen = {}
    for override in hydra.overrides.task:
        key, _, text = override.lstrip("+").partition("=")
        if not key.startswith(("experiment", "tracker", "results", "report", "sweep", "rerun")):
            try:
                value = OmegaConf.from_dotlist([f"value={text}"]).value  # read as YAML, as Hydra does
            except (YAMLError, OmegaConfBaseException):  # or nearly so: a lone * or @ is a string to Hydra
                value = text
            chosen[key] = value if isinstance(value, int | float | str) else text
    return dict(zip(shortest(list(chosen)), chosen.values(), strict=True))


def shortest(keys: Sequence[str]) -> list[str]:
    """The last parts of dotted keys, as many of them as tell each key from the others.

    Example:
        >>> shortest(["model.grid_size", "optimizer.first.lr", "optimizer.then.lr"])
        ['grid_size', 'first.lr', 'then.lr']
    """
    found = []
    for key in keys:
        parts = key.split(".")
        others = [f".{other}" for other in keys if other != key]
        endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        found.append(next((end for end in endings if not any(o.endswith(f".{end}") for o in others)), key))
    return found


def _label(values: dict[str, Any], hydra: Any, swept: dict[str, Any]) -> str:
    """The run's name: the configured one, or the model and whatever was set on the command line."""
    if values["name"]:
        return str(values["name"])
    groups = dict(hydra.runtime.choices)
    shown = [
        str(value) if groups.get(key) == value else f"{key}={value}"
        for key, value in swept.items()
        if key not in ("model", "seeds")
    ]
    return ", ".join([str(hydra.runtime.choices.model), *shown])


def check_places(hydra: Any) -> None:
    """Refuses what would make relative paths mean something else in a run than in its report.

    Raises:
        ConfigError: a change of the working directory.
    """
    if hydra.job.chdir:
        raise ConfigError("hydra.job.chdir has no use here: results=… says where results go")


def entry_of(values: dict[str, Any], hydra: Any, number: int) -> Entry:
    """How a sweep sees one of its runs.

    Args:
        values: the run's plain config.
        hydra: Hydra's own node of it.
        number: its place in the sweep.
    """
    return Entry(
        number=number,
        folder=_folder_name(values, hydra),
        model=str(hydra.runtime.choices.model),
        name=values["name"],
        sweep={**_swept(hydra), **values["sweep"]},
        overrides=tuple(hydra.overrides.task),
    )


def _folder_name(values: dict[str, Any], hydra: Any) -> str:
    return f"{hydra.runtime.choices.model}-{_identity(values)}"


@dataclass(frozen=True)
class Parts:
    """What a run is built of, before it has a folder."""

    training: Training
    tracker: Tracker
    needs: Needs


def try_parts(values: dict[str, Any]) -> Parts:
    """`build_parts` for the first seed alone, with what all of them need.

    Raises:
        ConfigError: whatever is wrong with the config's values, or needs more memory than there is, in one line.
    """
    check_sizes(values)
    members = len(values["seeds"])
    alone = {**values, "seeds": values["seeds"][:1]}
    if not vast(values):
        return build_parts(alone, members)
    with guarded(members):
        return build_parts(alone, members)


def build_parts(values: dict[str, Any], members: int | None = None) -> Parts:
    """Builds what a plain config names and checks that it fits together; trains nothing, writes nothing.

    Args:
        values: the config.
        members: how many there will be, to see whether there is memory for them; as many as are built by default.

    Raises:
        ConfigError: whatever is wrong with the config's values, in one line.
    """
    if values["device"] == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch finds no CUDA device here; use device=cpu or device=auto")
    seeds = values["seeds"]
    dtype = getattr(torch, values["dtype"])
    device = torch.device(values["device"])
    try:
        curriculum = _partial(values["curriculum"])(generators_from(seeds, "data")).to(dtype, device)
        model: StackedModel = _partial(values["model"])(
            in_features=curriculum.in_features,
            out_features=curriculum.out_features,
            members=len(seeds),
            generators=generators_from(seeds, "model"),
            dtype=dtype,
            device=device,
        )
        settings = Settings(**values["training"])
        adaptations = [instantiate(node) for node in values["adaptation"].values() if node]
        if not any(adaptation.widens for adaptation in adaptations):
            _check_range(model, curriculum.input_range)
        make = _partial(values["optimizer"])
        optimizer = make_optimizer(make, model)
        check_members(make)
        needs = needs_of(model, curriculum, settings, optimizer, adaptations, members or len(seeds))
        needs.check()
        switch_at = getattr(optimizer, "switch_at", 0)
        if switch_at >= settings.steps:
            raise ConfigError(f"optimizer.switch_at={switch_at} is never reached with training.steps={settings.steps}")
        penalty = instantiate(values["penalty"]) if values["penalty"] else None
        if penalty is not None:
            with torch.no_grad():  # whether it can be computed for this model
                penalty(model, curriculum.tasks[0].train_inputs[:, :2])
        training = Training(
            model,
            curriculum,
            make,
            instantiate(values["strategy"]),
            settings,
            generators_from(seeds, "batches"),
            adaptations,
            penalty,
        )
        training.check()
        terms, gradients = training.hooks("loss_term"), training.hooks("gradients")
        TrainingStep(model, optimizer, penalty, terms=terms, gradients=gradients)  # whether they go together
        # what only a pass forward and back shows, an engine that does not run here for example
        output = model(curriculum.tasks[0].train_inputs[:, :1])
        torch.autograd.grad(output.sum(), trainable(model), allow_unused=True)
        _check_losses(model, curriculum)
        return Parts(training, instantiate(values["tracker"]), needs)
    except ConfigError:
        raise
    except (ValueError, TypeError, ArithmeticError, InstantiationException, MemoryError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, ConfigError):
            raise cause from None
        if isinstance(cause, MemoryError) or "allocate memory" in str(cause) or "out of memory" in str(cause):
            asked = re.search(r"(\d+) bytes", str(cause))
            size = f": {shown_bytes(int(asked[1]))} at once" if asked else ""
            message = f"the run needs more memory than there is{size}; take fewer seeds or a smaller model"
            raise ConfigError(message) from error
        if isinstance(cause, RuntimeError):
            raise
        message = str(cause).partition("Exception raised from")[0]  # torch adds the way through its own code
        raise ConfigError(" ".join(message.split())) from error


def build_run(config: DictConfig) -> Run:
    """Everything that a run needs, from the config that Hydra composed for it.

    Raises:
        ConfigError: whatever is wrong with the config, in one line.
    """
    values = plain(config)
    hydra: Any = HydraConfig.get()
    check_places(hydra)
    if vast(values):
        try_parts(values)
    parts = build_parts(values)
    swept = {**_swept(hydra), **values["sweep"]}
    info = RunInfo(
        experiment=values["experiment_name"],
        name=_label(values, hydra, swept),
        identity=_identity(values),
        folder=experiment_folder(config) / _folder_name(values, hydra),
        config=values,
        parameters=parameter_counts(parts.training.model),
        task_names=[task.name for task in parts.training.curriculum.tasks],
        seeds=values["seeds"],
        family=str(parts.training.model.describe()["family"]),
    )
    return Run(
        info,
        parts.training,
        parts.tracker,
        swept,
        own_sources(_named_code({key: value for key, value in values.items() if key not in _WITHOUT_EFFECT})),
        _BEGAN if values["rerun"] else None,
    )


def _partial(node: dict[str, Any]) -> Any:
    return instantiate({**node, "_partial_": True})


def _check_losses(model: StackedModel, curriculum: Curriculum) -> None:
    """Refuses losses that overflow before anything was learned."""
    with torch.no_grad():
        for task in curriculum.tasks[:: max(len(curriculum) - 1, 1)]:  # the first and the last
            some = slice(None, None, -(-task.train_inputs.shape[1] // 100))
            errors = model(task.train_inputs[:, some].contiguous()) - task.train_targets[:, some]
            if not bool(errors.square().mean(dim=(1, 2)).isfinite().all()):
                largest = max(float(x.abs().max()) for x in (task.train_inputs, task.train_targets))
                raise ConfigError(
                    f"the untrained model's loss is not a finite number in {errors.dtype}: the values of "
                    f"{task.name!r} reach {largest:.3g}; take smaller ones, or a smaller start of the model"
                )


def _check_range(model: StackedModel, reached: tuple[float, float]) -> None:
    """Refuses tasks that lie outside a model's grid, where it could not learn them."""
    covered = getattr(model, "input_range", None)
    if covered is None:
        return
    slack = 1e-6 * (covered[1] - covered[0])
    if reached[0] < covered[0] - slack or reached[1] > covered[1] + slack or not math.isfinite(sum(reached)):
        raise ConfigError(
            f"the curriculum's inputs reach from {reached[0]:g} to {reached[1]:g}, outside the model's grid from "
            f"{covered[0]:g} to {covered[1]:g}; widen model.grid_range, narrow the curriculum or add "
            "adaptation=domain_extension"
        )
