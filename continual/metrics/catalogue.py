"""Every metric by its name, those of other people's modules too."""

__all__ = ["ACCURACIES", "CORE", "METRICS", "find_metric", "metric_names", "metrics_of", "values_of"]

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module

from continual.metrics import accuracies, against, along, explained, matrix
from continual.metrics.metric import Measured, Metric, Values

_OWN = {metric.name: metric for each in (matrix, explained, along, against, accuracies) for metric in each.MEASURES}

CORE = tuple(metric.name for metric in matrix.MEASURES)
"""What is said of every run wherever there is room for a few numbers: the metrics of R alone."""

ACCURACIES = tuple(metric.name for metric in accuracies.MEASURES)
"""What only runs of classification have."""


def find_metric(name: str) -> Metric:
    """A metric by its name, or by `module:NAME` one that a module on the path holds.

    Raises:
        ValueError: there is no such metric.
    """
    if name in _OWN:
        return _OWN[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"no such metric: {name}; there are {', '.join(_OWN)}")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        raise ValueError(f"no such metric: {name}, since {error}") from error
    if not isinstance(found, Metric):
        raise ValueError(f"no such metric: {name}; {module} has no Metric of that name")
    return found


def metric_names(names: Sequence[str]) -> list[str]:
    """The names, each checked.

    Raises:
        ValueError: one of them is no metric.
    """
    for name in names:
        find_metric(name)
    return list(names)


class _Metrics(Mapping[str, Metric]):
    """The suite's metrics, and whatever else can be found by its name."""

    def __getitem__(self, name: str) -> Metric:
        try:
            return find_metric(name)
        except ValueError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(_OWN)

    def __len__(self) -> int:
        return len(_OWN)


class _Labels(Mapping[str, str]):
    """Their labels; listed are those that any run may have."""

    def __getitem__(self, name: str) -> str:
        return _FOUND[name].label

    def __iter__(self) -> Iterator[str]:
        return (name for name in _OWN if name not in ACCURACIES)

    def __len__(self) -> int:
        return len(_OWN) - len(ACCURACIES)


_FOUND = _Metrics()

METRICS: Mapping[str, str] = _Labels()
"""Every metric by name, with its label; the arrow points to the better side. Those of `ACCURACIES` are found, too."""


def metrics_of(runs: Iterable[Measured]) -> list[str]:
    """The names of what is to be said of some runs: of accuracies only where one of them has some."""
    return [*METRICS, *(ACCURACIES if any(run.accuracy is not None for run in runs) else ())]


def values_of(run: Measured) -> Values:
    """All metrics of a run by name, each made when it is first asked for."""
    return Values(run, _FOUND)
