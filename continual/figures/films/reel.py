"""What a film needs of a record: predictions along training on a clock that all models of an experiment share."""

__all__ = ["Reel", "clock"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from continual.figures.parts.style import Array
from continual.probes.film import EXPONENT
from continual.records.record import Record


def clock(step: ArrayLike, steps: int) -> Array:
    r"""When in a film a training step is shown: k after task k; within a task \((s/S)^{1/2.5}\), slow at first.

    Args:
        step: training steps done over all tasks.
        steps: S of a task.

    Example:
        >>> clock([0, 100, 150], 100).round(3).tolist()
        [0.0, 1.0, 1.758]
    """
    done = np.asarray(step, dtype=np.float64)
    task = np.maximum(np.ceil(done / steps) - 1, 0)
    return task + ((done - task * steps) / steps) ** (1.0 / EXPONENT)


@dataclass(frozen=True)
class Reel:
    """The frames of one run, first output feature, F of them at P inputs."""

    record: Record
    step: Array
    """Training steps done at each frame, (F,)."""
    steps: int
    """Of a task."""
    inputs: Array
    """(P, I), of one input in ascending order."""
    target: Array
    """(P,)."""
    predictions: Array
    """(M, F, P); NaN where one is not finite."""
    regions: Array
    """Lowest and highest inputs of each task's training samples, of the first member, (T, 2, I)."""

    @classmethod
    def of(cls, record: Record) -> "Reel | None":
        """The frames of a record, None where it was not filmed or has more than two inputs."""
        film = {name.removeprefix("film/"): a for name, a in record.probes.items() if name.startswith("film/")}
        if "predictions" not in film:
            return None
        curves = record.curves
        inputs = np.asarray(film["inputs"], dtype=np.float64)
        order = np.argsort(inputs[:, 0], kind="stable") if inputs.shape[1] == 1 else np.arange(len(inputs))
        if inputs.shape[1] == 1:
            seen = np.asarray(curves["train_inputs"], dtype=np.float64)[0]
            regions = np.stack([seen.min(axis=1), seen.max(axis=1)], axis=1)[..., None]
        else:
            regions = np.asarray(curves["surface_regions"], dtype=np.float64)
        predictions = np.asarray(film["predictions"], dtype=np.float64)[:, :, order]
        whole = np.isfinite(predictions).all(axis=2, keepdims=True)
        return cls(
            record,
            np.asarray(film["step"], dtype=np.float64),
            int(curves["boundaries"][0]),
            inputs[order],
            np.asarray(film["targets"], dtype=np.float64)[order],
            np.where(whole, predictions, np.nan),
            regions,
        )

    @property
    def times(self) -> Array:
        """When each frame is shown, (F,)."""
        return clock(self.step, self.steps)

    def frame(self, time: float) -> int:
        """The last frame at a time of the film."""
        return int(np.searchsorted(self.times, time + 1e-9, side="right")) - 1

    def errors(self) -> Array:
        """RMSE at the film's own inputs in each task's region, the median over members, (F, T).

        What was not trained on yet has an error, too: that of what the model says there.
        """
        columns = []
        for low, high in self.regions:
            inside = ((self.inputs >= low - 1e-9) & (self.inputs <= high + 1e-9)).all(axis=1)
            squares = np.square(self.predictions[:, :, inside] - self.target[inside])
            columns.append(np.sqrt(squares.mean(axis=2)) if inside.any() else np.full(squares.shape[:2], np.nan))
        errors = np.stack(columns, axis=2)  # (M, F, T)
        lost = np.isnan(errors).all(axis=0)
        return np.where(lost, np.nan, np.nanmedian(np.where(lost, 0.0, errors), axis=0))
