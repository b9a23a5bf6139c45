"""What a metric is: a name, a formula in words, and a function from a finished run to numbers or to why it has none."""

__all__ = ["Evaluations", "Measured", "Metric", "Undefined", "Values"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Undefined(ValueError):  # noqa: N818
    """Why a metric has no value in any member of a run, in a few words."""


class Evaluations(NamedTuple):
    """A run's evaluations along training: M members, E evaluations, T tasks."""

    step: NDArray[np.int64]
    """Training steps done, (E,), ascending."""
    boundaries: NDArray[np.int64]
    """Steps done when each task ended, (T,); an evaluation was made at each."""
    scores: Array
    """What was measured on each task's test set, (M, E, T): an RMSE, say."""


class Measured(Protocol):
    """What metrics may know of a finished run; `continual.records.Record` is one."""

    @property
    def R(self) -> Array:
        """Test-RMSE matrix of each member, (M, T+1, T)."""
        ...

    @property
    def accuracy(self) -> Array | None:
        """The same of accuracies; None where tasks are no classification."""
        ...

    @property
    def baseline(self) -> Array:
        """RMSE of predicting the mean of each task's test targets, (M, T)."""
        ...

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Whether a member's loss or prediction became NaN or infinite, (M,)."""
        ...

    @property
    def evaluations(self) -> Evaluations:
        """The evaluations along training, of test RMSEs."""
        ...

    def reference(self, strategy: str) -> Array:
        """R of the run that is the same but for its strategy, its members by this run's seeds, (M, T+1, T).

        NaN for a seed that it has not.

        Raises:
            Undefined: there is none.
        """
        ...


Kind = Literal["error", "share", "signed", "score"]


@dataclass(frozen=True)
class Metric:
    """One number of each member of a finished run.

    Args:
        name: by which tables, figures and commands ask for it.
        title: for people, without an arrow.
        higher: whether more is better.
        definition: the formula in words, and how to read it.
        compute: from a run to (M,), NaN where a member has no value; raises `Undefined` where none has.
        sign: what the numbers on an axis are: "positive = worse", or a unit.
        otherwise: why a member that did not diverge may have no value.
        kind: how it is laid out: errors are positive and stand on logarithmic axes, shares lie in [0, 1], scores are
            at most 1, and what is signed has a meaning on both sides of zero.
        needs: what it is made of besides R: nothing, the evaluations along training, the record of another run, or
            accuracies in R's place.
    """

    name: str
    title: str
    higher: bool
    definition: str
    compute: Callable[[Measured], Array]
    sign: str
    otherwise: str = "not a finite number"
    kind: Kind = "signed"
    needs: Literal["matrix", "curves", "another run", "classes"] = "matrix"

    @property
    def label(self) -> str:
        """The title, with an arrow to the better side."""
        return f"{self.title} {'↑' if self.higher else '↓'}"

    def of(self, run: Measured) -> tuple[Array, tuple[str, ...]]:
        """Its values (M,), and for each member why it has none: "" where it has one."""
        lost = np.asarray(run.diverged, dtype=bool)
        try:
            values = np.asarray(self.compute(run), dtype=np.float64)
        except Undefined as why:
            return np.full(lost.shape, np.nan), (str(why),) * len(lost)
        gone = np.isnan(values)
        return values, tuple(
            "" if not none else "diverged" if out else self.otherwise for none, out in zip(gone, lost, strict=True)
        )


class Values(Mapping[str, Array]):
    """The metrics of one run by name, each made when it is first asked for.

    Args:
        run: of which.
        metrics: by name; names that are not listed may be found in it, too. Those of accuracies are listed of
            classifications only.
    """

    def __init__(self, run: Measured, metrics: Mapping[str, Metric]) -> None:
        self._run, self._metrics = run, metrics
        self._found: dict[str, tuple[Array, tuple[str, ...]]] = {}

    def __getitem__(self, name: str) -> Array:
        return self._of(name)[0]

    def __iter__(self) -> Iterator[str]:
        classes = self._run.accuracy is not None
        return (name for name, metric in self._metrics.items() if classes or metric.needs != "classes")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def reasons(self, name: str) -> tuple[str, ...]:
        """For each member why a metric is undefined; "" where it is not."""
        return self._of(name)[1]

    def reason(self, name: str) -> str:
        """Why a metric is undefined in some members or all: "diverged; a task was not learned"; "" if it is not."""
        return "; ".join(dict.fromkeys(why for why in self.reasons(name) if why))

    def _of(self, name: str) -> tuple[Array, tuple[str, ...]]:
        if name not in self._found:
            self._found[name] = self._metrics[name].of(self._run)
        return self._found[name]
