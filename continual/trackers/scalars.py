"""What every tracker is shown of a run, as flat names and numbers: settings, curves, rows of R, and the summary."""

from __future__ import annotations

__all__ = [
    "accuracy_row",
    "curve_row",
    "finite",
    "member_accuracy_row",
    "member_curve_row",
    "member_summary",
    "settings",
    "summary",
    "tags",
    "task_row",
]

from typing import TYPE_CHECKING, Any

import numpy as np

from continual.metrics import find_metric, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from continual.records.record import Record
    from continual.trackers.tracker import RunInfo

_LONGEST_TAG = 64


def settings(run: RunInfo, member: int | None = None) -> dict[str, Any]:
    """The resolved config and what else was fixed before training; `axes` has what was set or swept for this run.

    Args:
        run: what is known of it.
        member: that the settings are to be of alone, by its seed; None for all.
    """
    of_one = {} if member is None else {"seed": run.seeds[member]}
    return {
        "identity": run.identity,
        "seeds": list(run.seeds),
        **of_one,
        "axes": {key.replace(".", "_"): value for key, value in run.axes.items()},  # a dot would nest it
        "task_names": list(run.task_names),
        **run.config,
        "parameters": dict(run.parameters),
    }


def tags(run: RunInfo) -> list[str]:
    """The model's family, and the last names of curriculum, optimizer and strategies that the config builds."""
    nodes = [run.config.get(group) for group in ("curriculum", "optimizer", "strategy")]
    strategies = nodes[-1].values() if isinstance(nodes[-1], dict) else ()
    targets = [
        str(node["_target_"]).rpartition(".")[2]
        for node in [*nodes, *strategies]
        if isinstance(node, dict) and "_target_" in node
    ]
    return list(dict.fromkeys([run.family, *(target[:_LONGEST_TAG] for target in targets)]))


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values, with NaN for what a diverged member made infinite."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def curve_row(loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> dict[str, float]:
    """Loss and RMSE on every task: mean over the members, and the ends of its 95 % interval where there are several.

    Args:
        loss: training loss, (M,).
        rmse: test RMSE, (M, T).
    """
    names = ["curve/loss", *(f"curve/rmse/task_{j + 1}" for j in range(rmse.shape[1]))]
    diverged = int((~np.isfinite(rmse)).any(axis=1).sum())
    return {"curve/diverged": diverged} | _intervals(names, np.column_stack([loss, rmse]))


def accuracy_row(accuracy: NDArray[np.float64]) -> dict[str, float]:
    """Accuracy on every task (M, T): mean over the members, and the ends of its interval where there are several."""
    return _intervals([f"curve/accuracy/task_{j + 1}" for j in range(accuracy.shape[1])], accuracy)


def _intervals(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    """Mean of values (M, K) over the members, and the ends of its interval, by K names."""
    along = summarize(finite(values))
    row: dict[str, float] = {}
    for name, mean, half in zip(names, along.mean, along.half_width, strict=True):
        row[f"{name}/mean"] = float(mean)
        if along.members > 1:  # one member has no interval
            row[f"{name}/low"] = float(mean - half)
            row[f"{name}/high"] = float(mean + half)
    return row


def member_curve_row(loss: float, rmse: NDArray[np.float64]) -> dict[str, float]:
    """Loss and RMSE of one member on every task, (T,)."""
    row = {"curve/loss": float(finite(np.asarray(loss)))}
    return row | {f"curve/rmse/task_{j + 1}": float(value) for j, value in enumerate(finite(rmse))}


def member_accuracy_row(accuracy: NDArray[np.float64]) -> dict[str, float]:
    """Accuracy of one member on every task, (T,)."""
    return {f"curve/accuracy/task_{j + 1}": float(value) for j, value in enumerate(finite(accuracy))}


def task_row(index: int, rmse: NDArray[np.float64]) -> dict[str, float]:
    """A row of R: the mean RMSE on every task over members (M, T), and over those tasks that have been learned."""
    values = finite(rmse)
    row = {f"task/rmse/task_{j + 1}": float(mean) for j, mean in enumerate(summarize(values).mean)}
    if index > 0:
        row["task/seen_rmse"] = float(summarize(values[:, :index].mean(axis=1)).mean)
    return row


def summary(record: Record) -> dict[str, Any]:
    """The numbers of a run as a whole, each metric's mean with its 95 % interval; NaN where a metric is undefined."""
    numbers: dict[str, Any] = {
        "members": len(record.seeds),
        "diverged": int(record.diverged.sum()),
        **_costs(record),
    }
    for name in _alone(record):
        found = summarize(record.metrics[name])
        mean, half = float(found.mean), float(found.half_width)
        numbers[f"{name}/mean"] = mean
        numbers[f"{name}/low"], numbers[f"{name}/high"] = mean - half, mean + half
        numbers[f"{name}/half_width"] = half
        numbers[f"{name}/median"] = float(found.median)
        numbers[f"{name}/defined"] = int(found.defined)
    return numbers


def member_summary(record: Record, member: int) -> dict[str, Any]:
    """The numbers of one member: every metric under its plain name."""
    metrics = {name: float(record.metrics[name][member]) for name in _alone(record)}
    return {"diverged": int(record.diverged[member]), **_costs(record), **metrics}


def _alone(record: Record) -> list[str]:
    """Metrics that a run has as soon as it is done."""
    return [name for name in record.metrics if find_metric(name).needs != "another run"]


def _costs(record: Record) -> dict[str, Any]:
    costs: dict[str, Any] = {
        "seconds": record.seconds,
        "parameters/trainable": record.trainable_parameters,
        "parameters/total": record.total_parameters,
    }
    if record.fields.get("flops") is not None:
        costs["flops"] = record.fields["flops"]
    return costs
