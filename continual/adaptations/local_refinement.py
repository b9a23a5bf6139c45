"""Grids that get finer where a task is, and stay coarse where none has been."""

__all__ = ["LocalRefinement"]

from continual.adaptations.adaptation import Adaptation, offers
from continual.extension import Change, Moment, Training


class LocalRefinement(Adaptation):
    """Divides the intervals that a task's inputs lie in, at its beginning, until they are narrow enough.

    The function stays what it was on the grid. Where earlier tasks have been, intervals are narrow already: so a grid
    grows only where a task is new. With `DomainExtension` before it, which adds intervals beyond the grid, a model may
    begin with the first task's domain. All members and inputs get as many intervals as the one that needs most, the
    others beyond their grid, where nothing reads them.

    Hidden layers are divided where their inputs are at that moment, and again every so many steps, since these move as
    the network learns.

    Args:
        width: of an interval that inputs lie in, at most, in units of the inputs, > 0.
        every: steps between further looks within a task; null for none.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(self, width: float, every: int | None = None) -> None:
        if not 0.0 < width < float("inf"):
            raise ValueError(f"adaptation.local_refinement.width must be positive and finite, got {width}")
        if every is not None and every < 1:
            raise ValueError(f"adaptation.local_refinement.every must be at least 1, got {every}")
        self.width, self.every = width, every

    def check(self, training: Training) -> None:
        """The model must have grids."""
        offers(training.model, "divide", "adaptation.local_refinement")

    def before_step(self, moment: Moment) -> Change | None:
        """Divides what is too wide."""
        if moment.step and (self.every is None or moment.step % self.every):
            return None
        added = offers(moment.model, "divide", "adaptation.local_refinement")(moment.inputs, self.width)
        return Change(f"{added} intervals more where the task is") if added else None
