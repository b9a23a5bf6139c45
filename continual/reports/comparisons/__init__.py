"""Tables of what differs, ranks over many curricula, and how much of something it takes to keep what was learned."""

__all__ = [
    "Crossed",
    "Difference",
    "crossed",
    "differences",
    "known_axes",
    "model_of",
    "needed",
    "rank_notes",
    "ranks",
    "text_differences",
    "text_ranks",
    "write_differences",
    "write_needed",
    "write_ranks",
]

from continual.reports.comparisons.crossed import Crossed, crossed, known_axes, model_of
from continual.reports.comparisons.differences import Difference, differences, text_differences, write_differences
from continual.reports.comparisons.needed import needed, write_needed
from continual.reports.comparisons.rank_tables import rank_notes, ranks, text_ranks, write_ranks
