"""What a config names, built and checked to fit together: model, curriculum and all that takes part in training."""

__all__ = ["Parts", "build_curriculum", "build_parts", "try_parts"]

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from continual.extension import Settings, Training
from continual.models import StackedModel, trainable
from continual.optimizers.making import check_members, make_optimizer
from continual.stopping import Limits
from continual.strategies import FineTune
from continual.trackers.tracker import Tracker
from continual.training.stepping import TrainingStep, step_hooks
from scripts.config.needs import Needs, check_sizes, guarded, needs_of, shown_bytes, vast
from scripts.config.schema import ConfigError
from tasks import Curriculum
from tasks.sampling import generators_from


@dataclass(frozen=True)
class Parts:
    """What a run is built of, before it has a folder."""

    training: Training
    tracker: Tracker
    needs: Needs
    limits: Limits


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
    with _in_one_line():
        return _built(values, members)


def build_curriculum(values: dict[str, Any]) -> Curriculum:
    """The curriculum alone, in float64 on the CPU.

    Args:
        values: a plain config.

    Raises:
        ConfigError: whatever is wrong with it, in one line.
    """
    with _in_one_line():
        return _curriculum(values)


def _curriculum(values: dict[str, Any]) -> Curriculum:
    made: Curriculum = _partial(values["curriculum"])(generators_from(values["seeds"], "data"))
    changed = values["debug"].get("curriculum")
    return _partial(changed)(made) if changed else made


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Turns what is raised about a config's values into a `ConfigError`."""
    try:
        yield
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


def _built(values: dict[str, Any], members: int | None) -> Parts:
    seeds = values["seeds"]
    dtype = getattr(torch, values["dtype"])
    device = torch.device(values["device"])
    curriculum = _curriculum(values).to(dtype, device)
    model: StackedModel = _partial(values["model"])(
        in_features=curriculum.in_features,
        out_features=curriculum.out_features,
        members=len(seeds),
        generators=generators_from(seeds, "model"),
        dtype=dtype,
        device=device,
    )
    settings, limits = Settings(**values["training"]), Limits(**values["limits"])
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
        _strategies(values["strategy"]),
        settings,
        generators_from(seeds, "batches"),
        adaptations,
        penalty,
        [instantiate(node) for node in values.get("probe", {}).values() if node],
    )
    training.check()
    needs = needs.with_extensions(training, members or len(seeds))
    needs.check()
    TrainingStep(model, optimizer, penalty, **step_hooks(training))  # whether they go together
    # what only a pass forward and back shows, an engine that does not run here for example
    output = model(curriculum.tasks[0].train_inputs[:, :1])
    torch.autograd.grad(output.sum(), trainable(model), allow_unused=True)
    _check_losses(model, curriculum)
    return Parts(training, instantiate(values["tracker"]), needs, limits)


def _partial(node: dict[str, Any]) -> Any:
    return instantiate({**node, "_partial_": True})


def _strategies(node: dict[str, Any]) -> Any:
    """One strategy, or all that are named, with what is said of all of them."""
    if "_target_" in node:
        return instantiate(node)
    named = [instantiate(value) for value in node.values() if isinstance(value, dict)] or [FineTune()]
    for each in named:
        each.reset_optimizer = node.get("reset_optimizer", True)
    return named[0] if len(named) == 1 else named


def _check_losses(model: StackedModel, curriculum: Curriculum) -> None:
    """Refuses losses that overflow before anything was learned."""
    with torch.no_grad():
        for task in curriculum.tasks[:: max(len(curriculum) - 1, 1)]:  # the first and the last
            some = slice(None, None, -(-task.train_inputs.shape[1] // 100))
            losses, _ = curriculum.loss(model(task.train_inputs[:, some].contiguous()), task.train_targets[:, some])
            if not bool(losses.isfinite().all()):
                largest = max(float(x.abs().max()) for x in (task.train_inputs, task.own(task.train_targets)))
                raise ConfigError(
                    f"the untrained model's loss is not a finite number in {losses.dtype}: the values of "
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
