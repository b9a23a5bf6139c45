"""How long and on what to train."""

__all__ = ["Settings"]

from dataclasses import dataclass
from typing import get_args

from tasks.curriculum import Split


@dataclass(frozen=True)
class Settings:
    """How long and on what to train.

    Args:
        steps: optimizer steps a task; one step of L-BFGS is up to `max_iter` inner iterations.
        batch_size: samples of a step, drawn anew for each step without replacement, for each member of its own; None
            for all of them.
        evaluate_every: steps between evaluations of all tasks; also evaluated before training and after each task.
        checkpoint_seconds: least time between checkpoints within a task; there is always one after each task, and where
            training is asked to stop.
        penalty_steps: steps of each task whose loss has the penalty, if there is one; None for all.
        evaluate_on: which set of each task errors are measured on: "test", or "validation" for runs by which something
            is chosen.

    Raises:
        ValueError: a number below 1, or no such set.
    """

    steps: int
    batch_size: int | None = None
    evaluate_every: int = 100
    checkpoint_seconds: float = 30.0
    penalty_steps: int | None = None
    evaluate_on: Split = "test"

    def __post_init__(self) -> None:
        if self.evaluate_on not in get_args(Split):
            raise ValueError(f"evaluate_on must be one of {', '.join(get_args(Split))}, got {self.evaluate_on!r}")
        for name in ("steps", "batch_size", "evaluate_every", "penalty_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
