"""Baselines: the MLP family, and how its width is matched to the budget of another model."""

__all__ = ["MLP", "matched_mlp"]

from mlp_baselines.matching import matched_mlp
from mlp_baselines.mlp import MLP
