"""What every probe has: it looks at the model at the boundaries of tasks, changes nothing, and keeps what it saw."""

__all__ = ["Probe", "check_positive", "named_parameters", "probe_arrays", "thinned", "thinned_count"]

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from continual.extension import Extension, Training
from continual.models import StackedModel
from tasks import Curriculum

Array = NDArray[np.float64]


class Probe(Extension):
    """Measures a model when it is untrained and after each task, T + 1 times, and keeps arrays with the member axis.

    Subclasses implement `measure`, and `fixed` where an axis of their arrays needs numbers. What they give stands in
    the run's `curves.npz` as "probe/NAME/KEY", read by `continual.records.Record.probes` as "NAME/KEY": shape (M, T+1,
    …) of what is measured, any shape of what is fixed. Whatever is one number a member and boundary, (M, T+1), stands
    in `record.json` too. A diverged member has NaN.

    A probe draws nothing from a generator of the training, and leaves gradients, modes and hooks as they were: with
    and without probes a run is the same to the last bit.

    Attributes:
        name: by which its arrays are found; the class's own, in lower case, unless it says otherwise.
        values: what was measured so far, by key, (M, …) each time.
    """

    name: str

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    def __init__(self) -> None:
        self.values: dict[str, list[Array]] = {}
        self._training: Training | None = None

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """Looks at the model.

        Args:
            model: M members; must not be changed.
            curriculum: T tasks.
            learned: how many of them were learned, 0 (untrained) to T.

        Returns:
            Tensors or arrays by key, the member axis first, of the same shape at every boundary.
        """
        raise NotImplementedError

    def fixed(self, curriculum: Curriculum) -> Mapping[str, Any]:
        """Arrays that do not change along the training, by key: radii, say."""
        return {}

    def memory(self, training: Training, members: int) -> float:
        """Bytes that the probe takes, about: what it keeps until the end, and what it holds while it measures.

        For the forecast of a run, which is refused where there is not as much; 0, the default, is nothing to mention.

        Args:
            training: built for some members, one suffices.
            members: M of the run.
        """
        return 0.0

    def check(self, training: Training) -> None:
        """See `Extension.check`; begins anew, with the training whose model it looks at.

        Raises:
            ValueError: another probe has the same name.
        """
        others = [each for each in training.observers if isinstance(each, Probe) and each is not self]
        if any(other.name == self.name for other in others):
            raise ValueError(f"two probes are called {self.name!r}; leave one of them out, or give it another name")
        self._training, self.values = training, {}

    def task_done(self, index: int, rmse: Array) -> None:
        """See `Extension.task_done`: measures.

        Raises:
            ValueError: what was measured lacks the member axis, or has another shape or other keys than before.
        """
        assert self._training is not None, "a probe is asked by a training, which checks it first"
        model, curriculum = self._training.model, self._training.curriculum
        found = {key: _plain(value) for key, value in self.measure(model, curriculum, index).items()}
        alive = np.isfinite(rmse).all(axis=1)
        for key, value in found.items():
            before = self.values.get(key, [value])[0].shape
            if value.ndim < 1 or value.shape != before or value.shape[0] != model.members:
                raise ValueError(
                    f"probe {self.name!r} must give {key!r} with {model.members} members first and of one shape at "
                    f"all boundaries, got {value.shape}"
                )
            value[~alive] = np.nan
        if self.values and found.keys() != self.values.keys():
            raise ValueError(f"probe {self.name!r} must give the same keys at all boundaries, got {sorted(found)}")
        for key, value in found.items():
            self.values.setdefault(key, []).append(value)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything so far: fixed arrays, and what was measured with the boundaries as second axis, (M, T+1, …)."""
        assert self._training is not None, "a probe is asked by a training, which checks it first"
        fixed = {key: _plain(value) for key, value in self.fixed(self._training.curriculum).items()}
        return {**fixed, **{key: np.stack(each, axis=1) for key, each in self.values.items()}}

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`: a resumed run keeps what was measured before."""
        return {"values": {key: [torch.from_numpy(each) for each in values] for key, values in self.values.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        self.values = {key: [_plain(each) for each in values] for key, values in state["values"].items()}


def _plain(value: Any) -> Array:
    """A copy in float64, of a tensor or an array."""
    if isinstance(value, Tensor):
        value = value.detach().double().cpu().numpy()
    return np.array(value, dtype=np.float64)


def probe_arrays(observers: Iterable[Any]) -> dict[str, NDArray[Any]]:
    """The arrays of all probes among some observers, as "NAME/KEY"."""
    probes = [each for each in observers if isinstance(each, Probe)]
    return {f"{probe.name}/{key}": array for probe in probes for key, array in probe.arrays().items()}


def thinned(data: Tensor, samples: int | None) -> Tensor:
    """At most that many of the samples (M, N, …), evenly spread from the first to the last; all where it is None."""
    count = data.shape[1]
    if samples is None or count <= samples:
        return data
    chosen = torch.linspace(0, count - 1, samples, dtype=torch.float64).round().long()
    return data[:, chosen.to(data.device)]


def thinned_count(data: Tensor, samples: int | None) -> int:
    """How many samples `thinned` leaves."""
    return data.shape[1] if samples is None else min(samples, data.shape[1])


def check_positive(owner: str, **numbers: float | None) -> None:
    """Refuses settings that are not positive; None is none.

    Raises:
        ValueError: in one line.
    """
    for name, value in numbers.items():
        if value is not None and not value > 0:
            raise ValueError(f"probe.{owner}.{name} must be positive, got {value}")


def named_parameters(model: StackedModel) -> dict[str, nn.Parameter]:
    """The parameters of a model by name; by their place where it is no `torch.nn.Module`."""
    if isinstance(model, nn.Module):
        return dict(model.named_parameters())
    return {str(index): parameter for index, parameter in enumerate(model.parameters())}
