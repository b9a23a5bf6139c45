"""Pictures of KANs and of the curves they are made of: functions that return a matplotlib Figure, nothing else."""

__all__ = [
    "Move",
    "Panel",
    "draw_network",
    "draw_networks",
    "plot_bernstein",
    "plot_bezier",
    "plot_bspline_basis",
    "plot_edges",
    "plot_locality",
    "plot_network",
    "plot_recursion",
    "plot_refinement",
    "plot_spline_curve",
]

from kan.pictures.bases import plot_bspline_basis, plot_recursion
from kan.pictures.curves import plot_bernstein, plot_bezier
from kan.pictures.edges import plot_edges
from kan.pictures.locality import Move, plot_locality
from kan.pictures.network import Panel, draw_network, draw_networks, plot_network
from kan.pictures.spline_curves import plot_refinement, plot_spline_curve
