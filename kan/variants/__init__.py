"""Networks of edges that are no B-splines: Gaussians, Chebyshev polynomials, Fourier series."""

__all__ = ["RBFKAN", "ChebyshevKAN", "ChebyshevLayer", "FeatureLayer", "FourierKAN", "FourierLayer", "RBFLayer"]

from kan.variants.chebyshev import ChebyshevKAN, ChebyshevLayer
from kan.variants.features import FeatureLayer
from kan.variants.fourier import FourierKAN, FourierLayer
from kan.variants.rbf import RBFKAN, RBFLayer
