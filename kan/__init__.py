"""Kolmogorov-Arnold networks: B-splines and their variants, the layer, the network, M members at a time."""

__all__ = ["KAN", "RBFKAN", "ChebyshevKAN", "FourierKAN", "KANLayer", "Single"]

from kan.layer import KANLayer
from kan.network import KAN
from kan.single import Single
from kan.variants import RBFKAN, ChebyshevKAN, FourierKAN
