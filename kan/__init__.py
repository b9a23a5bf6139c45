"""Kolmogorov-Arnold networks: B-splines, the layer, the network, M members at a time."""

__all__ = ["KAN", "KANLayer"]

from kan.layer import KANLayer
from kan.network import KAN
