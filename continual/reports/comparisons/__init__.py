"""Tables of what differs and what does not: paired differences to a reference, and ranks over many curricula."""

__all__ = [
    "Crossed",
    "Difference",
    "crossed",
    "differences",
    "known_axes",
    "model_of",
    "rank_notes",
    "ranks",
    "text_differences",
    "text_ranks",
    "write_differences",
    "write_ranks",
]

from continual.reports.comparisons.crossed import Crossed, crossed, known_axes, model_of
from continual.reports.comparisons.differences import Difference, differences, text_differences, write_differences
from continual.reports.comparisons.rank_tables import rank_notes, ranks, text_ranks, write_ranks
