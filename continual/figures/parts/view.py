"""The one-dimensional view of a record: what figures need to draw predictions over their input."""

__all__ = ["View", "predictions_of"]

from dataclasses import dataclass

import numpy as np

from continual.figures.parts.style import Array
from continual.records.record import Record

NEEDED = ("view_inputs", "view_targets", "predictions", "train_inputs", "train_targets")


def predictions_of(record: Record) -> Array:
    """First output feature after each task at the points of the view, (M, T, P); NaN where a member had diverged."""
    predictions = np.asarray(record.curves["predictions"], dtype=np.float64)[:, 1:, :, 0]
    alive = np.isfinite(predictions).all(axis=2) & np.isfinite(record.R[:, 1:]).all(axis=2)
    return np.where(np.expand_dims(alive, 2), predictions, np.nan)


@dataclass(frozen=True)
class View:
    """The one-dimensional view of a record, first output feature, inputs in ascending order."""

    x: Array
    """Inputs, (P,)."""
    target: Array
    """(P,)."""
    predictions: Array
    """After each task, (M, T, P); NaN where a member had diverged by then."""
    train_x: Array
    """Training inputs of the first member, (T, N)."""
    train_y: Array
    """Training targets of the first member, (T, N)."""
    notes: tuple[str, ...]
    """What a reader must know beside the legend."""

    @classmethod
    def of(cls, record: Record) -> "View | None":
        """The view of a record, None where its inputs are not one-dimensional."""
        curves = record.curves
        if any(name not in curves for name in NEEDED):
            return None
        x = np.asarray(curves["view_inputs"], dtype=np.float64).reshape(-1)
        order = np.argsort(x, kind="stable")
        train_x, train_y = (np.asarray(curves[name], dtype=np.float64) for name in NEEDED[3:])
        predictions = predictions_of(record)[:, :, order]
        notes = []
        if (outputs := curves["view_targets"].shape[-1]) > 1:
            notes.append(f"output 1 of {outputs}")
        middle = train_x.mean(axis=2)
        if len(middle) > 1 and (middle.max(axis=0) - middle.min(axis=0)).max() > 0.25 * (x.max() - x.min()):
            # a median over members that learned different tasks in this phase would show none of them
            notes.append(f"tasks come in another order for each seed: only seed {record.seeds[0]} is drawn")
            predictions = predictions[:1]
        target = np.asarray(curves["view_targets"], dtype=np.float64)[order, 0]
        return cls(x[order], target, predictions, train_x[0], train_y[0, ..., 0], tuple(notes))

    def same_data(self, other: "View") -> bool:
        """Whether both models were to learn the same."""
        pairs = ((self.x, other.x), (self.target, other.target), (self.train_x, other.train_x))
        return all(a.shape == b.shape and np.allclose(a, b) for a, b in pairs)
