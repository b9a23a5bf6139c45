"""What a model predicts while it learns, frame by frame: a film's material, denser than the evaluations."""

__all__ = ["Film", "frame_steps"]

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from continual.extension import Training
from continual.models import edges, portrait, some_of
from continual.probes.probe import Probe, check_positive, thinned

EXPONENT = 2.5
"""Of a frame's share of a task's steps by its share of the task's frames: most happens in a task's first steps."""


def frame_steps(steps: int, frames: int) -> list[int]:
    r"""The steps after which a task's frames are taken, \(\lceil S \, (i/F)^{2.5} \rceil\), i = 1, …, F, each once.

    Args:
        steps: S of a task.
        frames: F, at most so many of it.

    Example:
        >>> frame_steps(100, 8)
        [1, 4, 9, 18, 31, 49, 72, 100]
    """
    return sorted({math.ceil(round(steps * (index / frames) ** EXPONENT, 9)) for index in range(1, frames + 1)})


class Film(Probe):
    """Keeps what the model predicts at the points of the curriculum's view, at F moments of its training.

    The moments are the beginning and those of `frame_steps` in every task, which are the closer to each other the
    nearer a task's beginning is. Arrays: `step` (F,), training steps done; `inputs` (P, I) and `targets` (P,) of the
    view, `predictions` (M, F, P), first output, where the curriculum has a view; and with `edges`
    `INDEX/edge_x_0` and so on, see `kan.pruning.portrait`, for models of few edges. In float32, for pictures.

    Args:
        frames: of each task, at most.
        points: of a view of one input, evenly thinned; None for all. A view of two inputs is kept whole.
        edges: whether the functions on the edges are kept, too, where the model has such.

    Raises:
        ValueError: numbers that are not positive.
    """

    def __init__(self, frames: int = 16, points: int | None = 401, edges: bool = False) -> None:
        super().__init__()
        check_positive("film", frames=frames, points=points)
        self.frames, self.points, self.edges = frames, points, edges
        self._steps: list[int] = []
        self._predictions: list[NDArray[np.float32]] = []
        self._portraits: list[dict[str, NDArray[Any]]] = []

    def check(self, training: Training) -> None:
        """See `Extension.check`.

        Raises:
            ValueError: another probe has the same name, or there is nothing to film.
        """
        super().check(training)
        model = training.model
        if training.curriculum.view is None and not (self.edges and hasattr(model, "portrait")):
            raise ValueError(
                f"probe=film finds nothing to film: {training.curriculum.name} has no view of one or two inputs"
                f"{', and the model no edges' if self.edges else ''}"
            )
        self._steps, self._predictions, self._portraits = [], [], []
        self._moments = set(frame_steps(training.settings.steps, self.frames))

    def memory(self, training: Training, members: int) -> float:
        """See `Probe.memory`: all frames, until the end."""
        curriculum = training.curriculum
        count = 1 + len(curriculum) * len(frame_steps(training.settings.steps, self.frames))
        points = 0 if curriculum.view is None else len(self._seen(curriculum.view.inputs, curriculum.view.inputs))
        sizes = training.model.describe()["layer_sizes"]
        curves = 130 * edges(sizes) if self.edges and hasattr(training.model, "portrait") else 0
        return 4.0 * members * count * (points + curves)

    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """See `Extension.after_step`: takes a frame where it is time for one."""
        assert self._training is not None, "a probe is asked by a training, which checks it first"
        steps = self._training.settings.steps
        if (step - 1) % steps + 1 in self._moments:  # a stream counts its steps through
            self._take(task * steps + step)

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """See `Extension.task_done`: the first frame, of the untrained model."""
        if index == 0:
            self._take(0)

    @torch.no_grad()
    def _take(self, total: int) -> None:
        assert self._training is not None, "a probe is asked by a training, which checks it first"
        model, curriculum = self._training.model, self._training.curriculum
        self._steps.append(total)
        if curriculum.view is not None:
            inputs = curriculum.view.inputs
            self._predictions.append(_small(model(self._seen(inputs, inputs))[..., 0]))
        if self.edges:
            inputs = torch.cat([task.train_inputs for task in curriculum.tasks], dim=1)
            arrays = portrait(model, some_of(inputs)) or {}
            self._portraits.append({name: each.copy() for name, each in arrays.items()})

    def _seen(self, values: Tensor, inputs: Tensor) -> Tensor:
        """Of values at the points of a view, those at the points that are kept; its inputs are (P, I)."""
        return values if inputs.shape[1] > 1 else thinned(values[None], self.points)[0]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Probe.arrays`; the second axis is that of the frames."""
        assert self._training is not None, "a probe is asked by a training, which checks it first"
        kept: dict[str, NDArray[Any]] = {"step": np.array(self._steps)}
        view = self._training.curriculum.view
        if view is not None:
            kept["inputs"] = _small(self._seen(view.inputs, view.inputs))
            kept["targets"] = _small(self._seen(view.targets[:, 0], view.inputs))
            kept["predictions"] = np.stack(self._predictions, axis=1)
        for index, arrays in enumerate(self._portraits):
            kept |= {f"{index}/{name}": each for name, each in arrays.items()}
        return kept

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        return {
            "steps": list(self._steps),
            "predictions": [torch.from_numpy(each) for each in self._predictions],
            "portraits": [{name: torch.from_numpy(a) for name, a in each.items()} for each in self._portraits],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        self._steps = list(state["steps"])
        self._predictions = [each.cpu().numpy() for each in state["predictions"]]
        self._portraits = [{name: a.cpu().numpy() for name, a in each.items()} for each in state["portraits"]]


def _small(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
