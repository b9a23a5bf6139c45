"""What strategies with a memory of samples share: what they keep, and when."""

__all__ = ["Rehearsal", "check_size"]

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from continual.extension import Moment, Session, Training, owner
from continual.strategies.memory.reservoir import Reservoir
from continual.strategies.strategy import Strategy


def check_size(name: str, size: int) -> None:
    """Refuses a memory of less than nothing.

    Raises:
        ValueError: in one line.
    """
    if size < 0:
        raise ValueError(f"{name}.size must be at least 0 samples, got {size}")


class Rehearsal(Strategy):
    """Keeps a `Reservoir` of samples: of tasks each one once, when the task is done; of a stream, those of each step.

    Args:
        name: of the strategy in a config, which also tells its random numbers from others'.
        size: samples of a member, of all tasks together; 0 for none.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a negative size.
    """

    def __init__(self, name: str, size: int, reset_optimizer: bool = True) -> None:
        super().__init__(reset_optimizer)
        check_size(name, size)
        self.name, self.size = name, size

    def check(self, training: Training) -> None:
        """Refuses a choice of what tasks train on: samples of the past would be counted twice."""
        for choose in training.hooks("task_data"):
            raise ValueError(
                f"{type(self).__name__} keeps samples of earlier tasks, and {owner(choose).partition('.')[0]} chooses "
                "what a task trains on: use one of them"
            )

    def begin(self, session: Session) -> None:
        """An empty memory, unless a state comes."""
        self.session = session
        self.kept = Reservoir(self.size, session.generators(self.name))

    def memory(self, training: Training, members: int) -> int:
        """The samples; no more than there will be."""
        tasks = training.curriculum.tasks
        there = sum(task.train_inputs.shape[1] for task in tasks)
        rows = self.size if training.curriculum.stream is not None else min(self.size, there)
        return members * rows * self._numbers(training) * tasks[0].train_inputs.element_size()

    def _numbers(self, training: Training) -> int:
        """Numbers of a sample that are kept."""
        return training.curriculum.in_features + training.curriculum.out_features

    def step_data(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Draws what the step wants of the memory, before samples of a stream go into it."""
        remembered = self.kept.draw(self.wanted(inputs.shape[1])) if self.kept.filled else []
        if self.session.stream:
            self.kept.add(inputs, targets)
        return self.use(inputs, targets, remembered)

    def wanted(self, batch: int) -> int | None:
        """How many samples of the memory a step with so many of its own draws; None for all."""
        raise NotImplementedError

    def use(self, inputs: Tensor, targets: Tensor, remembered: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The samples of a step, given those of the memory: inputs and targets (M, R, ·), nothing of an empty one."""
        raise NotImplementedError

    def after_task(self, moment: Moment) -> None:
        """Keeps samples of the task."""
        if not self.session.stream:
            self.kept.add(moment.inputs, moment.targets)

    def state_dict(self) -> dict[str, Any]:
        """The memory."""
        return self.kept.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives the memory back."""
        self.kept.load_state_dict(state)
