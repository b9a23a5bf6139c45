"""What identifies a run: the hash of all in its config that can change its result."""

__all__ = ["WITHOUT_EFFECT", "identity", "named_code", "own_code"]

import hashlib
import json
from typing import Any

from continual.records.versions import own_sources

_NO_VALUE = object()

WITHOUT_EFFECT = (
    "experiment_name",
    "jobs",
    "limits",
    "name",
    "report",
    "rerun",
    "results",
    "sweep",
    "tracker",
    "values",
)
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


_NEUTRAL: dict[str, dict[str, Any]] = {
    "training": {"evaluate_on": "test"},
    "tune": {"sampler": "grid", "trials": None},
    "tasks.gaussian_peaks": {
        "dimension": 1,
        "layout": "diagonal",
        "target": "product",
        "rotation": 0.0,
        "intrinsic_dimension": None,
        "overlap": None,
        "normalize": None,
    },
    "tasks.toy_regions": {"overlap": 1.0},
    "continual.strategies.EWC": {"estimate": "exact", "batch": 64},
    "mlp_baselines.MLP": {"layer_norm": False},
    "mlp_baselines.matched_mlp": {"layer_norm": False},
}
"""Settings that came later, of a group or what a `_target_` names, and the value that leaves all as it was
before there were such: a new setting makes no run a new one."""


def identity(values: dict[str, Any]) -> str:
    """Hash of everything that can change the result."""
    relevant = {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}
    # how often a checkpoint is written changes nothing either
    relevant["training"] = {
        key: value
        for key, value in values["training"].items()
        if key != "checkpoint_seconds" and _NEUTRAL["training"].get(key, _NO_VALUE) != value
    }
    if not relevant.get("debug"):
        relevant.pop("debug", None)
    if not any(values.get("probe", {}).values()):  # what measures nothing makes no run a new one
        relevant.pop("probe", None)
    if "strategy" in relevant:
        relevant["strategy"] = _as_one(relevant["strategy"])
    tune = relevant.pop("tune", None)
    if tune and tune["keys"]:  # what is chosen follows from what there is to choose from
        relevant["tune"] = {key: value for key, value in tune.items() if _NEUTRAL["tune"].get(key, _NO_VALUE) != value}
        for key in tune["keys"]:
            relevant = _without(relevant, key.split("."))
    return hashlib.sha256(json.dumps(_as_known(relevant), sort_keys=True).encode()).hexdigest()[:8]


def _as_one(strategy: dict[str, Any]) -> dict[str, Any]:
    """A lonely strategy as it was written when there was no other way; several as they are."""
    named = [node for node in strategy.values() if isinstance(node, dict)]
    if "_target_" in strategy or len(named) > 1:
        return strategy
    (node,) = named or [{"_target_": "continual.strategies.FineTune"}]
    return {**node, "reset_optimizer": strategy.get("reset_optimizer", True)}


def _without(node: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """A nested dictionary without what lies at a path."""
    first, *rest = path
    if not rest:
        return {key: value for key, value in node.items() if key != first}
    inner = node.get(first)
    return {**node, first: _without(inner, rest)} if isinstance(inner, dict) else node


def _as_known(node: Any) -> Any:
    """A config with what it builds under the names that identities know, and without what leaves all as it was."""
    if isinstance(node, dict):
        neutral = _NEUTRAL.get(str(node.get("_target_")), {})
        known = {key: _as_known(value) for key, value in node.items() if neutral.get(key, _NO_VALUE) != value}
        if isinstance(target := known.get("_target_"), str):
            known["_target_"] = _KNOWN_AS.get(target, target)
        return known
    return [_as_known(item) for item in node] if isinstance(node, list) else node


def own_code(values: dict[str, Any]) -> dict[str, str]:
    """Hashes of the code that a config builds a run from and that is not this project's, by module."""
    return own_sources(named_code({key: value for key, value in values.items() if key not in WITHOUT_EFFECT}))


def named_code(node: Any) -> set[str]:
    """The dotted names of what a config builds a run from."""
    if isinstance(node, dict):
        target = str(node.get("_target_", ""))
        looked_up = {str(node.get("path"))} if target.startswith("hydra.utils.get_") else set()
        return {target, *looked_up} - {""} | {name for value in node.values() for name in named_code(value)}
    if isinstance(node, list):
        return {name for value in node for name in named_code(value)}
    return set()
