"""Grids that reach out to inputs beyond them."""

__all__ = ["DomainExtension"]

from continual.adaptations.adaptation import Adaptation, offers
from continual.extension import Change, Moment, Training


class DomainExtension(Adaptation):
    """Adds intervals when a task's inputs fall outside the grids, which changes nothing that was learned.

    Acts at the beginning of each task, and on hidden layers, whose inputs move as the network learns, again every so
    many steps.

    Args:
        every: steps between further looks within a task; null for none.
        margin: how far beyond the inputs the grids shall reach, in units of the inputs.
    """

    widens = True

    def __init__(self, every: int | None = None, margin: float = 0.0) -> None:
        if every is not None and every < 1:
            raise ValueError(f"adaptation.domain_extension.every must be at least 1, got {every}")
        if not 0.0 <= margin < float("inf"):
            raise ValueError(f"adaptation.domain_extension.margin must be at least 0, got {margin}")
        self.every, self.margin = every, margin

    def check(self, training: Training) -> None:
        """The model must have grids."""
        offers(training.model, "extend_domain", "adaptation.domain_extension")

    def before_step(self, moment: Moment) -> Change | None:
        """Extends the domain where it is left."""
        if moment.step and (self.every is None or moment.step % self.every):
            return None
        extend = offers(moment.model, "extend_domain", "adaptation.domain_extension")
        added = extend(moment.inputs, margin=self.margin)
        return Change(f"domain extension by {added} intervals") if added else None
