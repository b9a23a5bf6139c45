r"""Grids that move and grow, and the coefficients that keep the function while they do.

Four changes of a knot vector, from the one that keeps everything to the one that keeps least:

* **Domain extension** (`widened`) adds intervals outside. The knots of all present bases stay where they are and the
  new coefficients are zero, so the spline is the same on the whole real line.
* **Refinement** (`refined_grid`, `insert_knots`), the grid extension of the KAN paper, divides intervals. Where the
  finer knots contain the coarser ones the spline is the same on the grid, by knot insertion; outside it fades over k of
  the finer intervals.
* **Division** (`divided`) divides the intervals that samples lie in, and no others: a refinement where a task is new.
* **Update from samples** (`sample_grid`) moves grid points to where the inputs are. No spline on the new knots equals
  the old one; `refit` comes closest, on the samples first and, where there are none, on the rest of the grid.

`GridLayer` is the layer that does these to itself; `roughness` says how far its splines are from polynomials.
"""

__all__ = [
    "EXTENSION",
    "GridLayer",
    "continued",
    "derivative_jumps",
    "divided",
    "insert_knots",
    "is_nested",
    "refined_grid",
    "refit",
    "roughness",
    "sample_grid",
    "stretched",
    "usable",
    "widened",
]

from kan.grids.coefficients import continued, insert_knots, refit
from kan.grids.division import divided
from kan.grids.knots import is_nested, refined_grid, sample_grid, stretched, widened
from kan.grids.layer import EXTENSION, GridLayer, usable
from kan.grids.roughness import derivative_jumps, roughness
