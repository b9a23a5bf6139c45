"""What pictures of matrices and curves show: RMSEs, or accuracies where all of their runs are classification."""

__all__ = ["ACCURACY", "RMSE", "Measure", "measure_of"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from continual.figures.parts.scales import Scale, metric_scale
from continual.metrics import ACCURACIES, CORE
from continual.records.record import Record


@dataclass(frozen=True)
class Measure:
    """One way to measure tasks.

    Args:
        name: in words; in small letters that of its array in `Record.curves`.
        metric: whose scale its values have.
        axis: label of an axis of values.
        compared: the metrics that are shown of many runs, a panel each.
        listed: those that are listed of one run.
    """

    name: str
    metric: str
    axis: str
    compared: tuple[str, ...]
    listed: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of its values, for a place between two commas: " units of the target,"; "" of shares."""
        unit = self.axis.partition(",")[2]
        return f"{unit}," if unit else ""

    def matrix(self, record: Record) -> NDArray[np.float64]:
        """Of each member, (M, T+1, T)."""
        found = record.accuracy if self is ACCURACY else record.R
        assert found is not None  # see `measure_of`
        return found

    def curves(self, record: Record) -> NDArray[np.float64]:
        """Along training, (M, E, T)."""
        found: NDArray[np.float64] = record.curves[self.name.lower()]
        return found

    def scale(self, values: NDArray[np.float64]) -> Scale:
        """The scale that shows all these values."""
        return metric_scale(self.metric, values)

    def norm(self, matrices: Sequence[NDArray[np.float64]]) -> Normalize:
        """One scale of colours for all these matrices."""
        values = np.concatenate([matrix.ravel() for matrix in matrices])
        return self.scale(values[np.isfinite(values) & (values > 0)]).norm


RMSE = Measure(
    "RMSE",
    "final_rmse",
    "test RMSE, units of the target",
    ("forgetting", "learned_rmse", "final_rmse"),
    CORE,
)

ACCURACY = Measure(
    "accuracy",
    "final_accuracy",
    "test accuracy",
    ("accuracy_forgetting", "learned_accuracy", "final_accuracy"),
    (*ACCURACIES, "learned_rmse", "final_rmse"),
)


def measure_of(records: Sequence[Record]) -> Measure:
    """Accuracies where all runs have some, RMSEs otherwise."""
    return ACCURACY if records and all(record.accuracy is not None for record in records) else RMSE
