"""Grids that get finer: the grid extension of the KAN paper."""

__all__ = ["GridSchedule"]

from collections.abc import Sequence

from continual.adaptations.adaptation import Adaptation, offers, spread
from continual.extension import Change, Moment, Training


class GridSchedule(Adaptation):
    """Grid extension: grids of more and more intervals, each trained for a number of steps.

    Steps count over all tasks; the last grid stays. Where a size is a multiple of the one before, nothing that was
    learned changes.

    Args:
        steps: trained on each grid before the next.
        sizes: intervals G, increasing; the first is that of the model.
        on_samples: whether grids reach out to the task's inputs that lie outside, and refinements that can't be exact
            keep the function on these inputs first; otherwise on the whole grid alike, which earlier tasks need.
    """

    def __init__(self, steps: int = 200, sizes: Sequence[int] = (3, 5, 10, 20, 50), on_samples: bool = False) -> None:
        if steps < 1:
            raise ValueError(f"adaptation.grid_schedule.steps must be at least 1, got {steps}")
        if not sizes or sizes[0] < 1 or any(b <= a for a, b in zip(sizes[:-1], sizes[1:], strict=True)):
            raise ValueError(f"adaptation.grid_schedule.sizes must increase from at least 1, got {list(sizes)}")
        self.steps, self.sizes, self.on_samples = steps, list(sizes), on_samples
        self.growth = sizes[-1] / sizes[0]

    def check(self, training: Training) -> None:
        """The model must have a grid of the first size, and there must be time for the last."""
        offers(training.model, "refine", "adaptation.grid_schedule")
        size = training.model.describe().get("grid_size")
        if size != self.sizes[0]:
            raise ValueError(f"adaptation.grid_schedule.sizes must begin with model.grid_size={size}, got {self.sizes}")
        begins, steps = self.steps * (len(self.sizes) - 1), training.settings.steps * len(training.curriculum)
        if begins >= steps:
            raise ValueError(
                f"adaptation.grid_schedule reaches size {self.sizes[-1]} after {begins} steps, but there are only "
                f"{steps}; raise training.steps"
            )

    def before_step(self, moment: Moment) -> Change | None:
        """Refines the grids when the next size is due."""
        index, rest = divmod(moment.total, self.steps)
        if rest or not 0 < index < len(self.sizes):
            return None
        refine = offers(moment.model, "refine", "adaptation.grid_schedule")
        moved = refine(self.sizes[index], moment.inputs, on_samples=self.on_samples)
        return Change(f"grid extension to {self.sizes[index]} intervals, predictions moved by {spread(moved)} (RMS)")
