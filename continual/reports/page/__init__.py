"""The page of an experiment, or of many: everything to look at in one HTML file that asks nothing of any server."""

__all__ = ["DEFINITIONS", "SAFE", "STYLE", "PageRun", "write_overview", "write_page"]

from continual.reports.page.assets import STYLE
from continual.reports.page.definitions import DEFINITIONS
from continual.reports.page.document import SAFE, write_overview, write_page
from continual.reports.page.runs import PageRun
