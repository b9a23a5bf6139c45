"""Tables of what differs, ranks over many curricula, how much of something it takes, ours beside published numbers."""

__all__ = [
    "Crossed",
    "Difference",
    "Found",
    "Published",
    "compare_published",
    "crossed",
    "differences",
    "known_axes",
    "model_of",
    "needed",
    "rank_notes",
    "ranks",
    "read_published",
    "text_differences",
    "text_published",
    "text_ranks",
    "write_differences",
    "write_needed",
    "write_ranks",
]

from continual.reports.comparisons.crossed import Crossed, crossed, known_axes, model_of
from continual.reports.comparisons.differences import Difference, differences, text_differences, write_differences
from continual.reports.comparisons.needed import needed, write_needed
from continual.reports.comparisons.published import (
    Found,
    Published,
    compare_published,
    read_published,
    text_published,
)
from continual.reports.comparisons.rank_tables import rank_notes, ranks, text_ranks, write_ranks
