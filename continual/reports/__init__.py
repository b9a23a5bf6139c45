"""What an experiment ends with besides its figures: tables, fits, comparisons with the paper, the page."""

__all__ = [
    "all_series",
    "fit_scaling",
    "probe_values",
    "rank_correlation",
    "write_comparison",
    "write_differences",
    "write_needed",
    "write_page",
    "write_ranks",
    "write_scaling",
    "write_structures",
    "write_tables",
]

from continual.reports.comparisons import write_differences, write_needed, write_ranks
from continual.reports.correlation import probe_values, rank_correlation
from continual.reports.page import write_page
from continual.reports.paper_comparison import write_comparison
from continual.reports.scaling_law import fit_scaling, write_scaling
from continual.reports.series import all_series
from continual.reports.structure import write_structures
from continual.reports.tables import write_tables
