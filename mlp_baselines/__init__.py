"""Baselines: the MLP family, the local control, and how their width is matched to the budget of another model."""

__all__ = ["MLP", "SplineMLP", "matched_mlp", "matched_spline_mlp"]

from mlp_baselines.matching import matched_mlp, matched_spline_mlp
from mlp_baselines.mlp import MLP
from mlp_baselines.spline_mlp import SplineMLP
