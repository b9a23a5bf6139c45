"""Baselines: the MLP family, local controls that are no KANs, and how they are matched to another model's budget.

The MLP and what makes it local in its hidden units (`mlp`, `activations`, `spline_mlp`), sines (`siren`), an affine
layer into a KAN (`linear_kan`), models that are linear in features of the inputs (`features`: `rbf_network`,
`tensor_spline`, `fourier_features`). How local each one is, and in what sense, its docstring says.
"""

__all__ = [
    "MLP",
    "SIREN",
    "Elephant",
    "FourierFeatures",
    "FuzzyTiling",
    "LinearKAN",
    "RBFLattice",
    "RBFNetwork",
    "SplineMLP",
    "TensorSpline",
    "matched",
    "matched_fourier_features",
    "matched_mlp",
    "matched_rbf_lattice",
    "matched_rbf_network",
    "matched_siren",
    "matched_spline_mlp",
    "matched_tensor_spline",
]

from mlp_baselines.activations import Elephant, FuzzyTiling
from mlp_baselines.fourier_features import FourierFeatures, matched_fourier_features
from mlp_baselines.linear_kan import LinearKAN
from mlp_baselines.matching import matched, matched_mlp, matched_spline_mlp
from mlp_baselines.mlp import MLP
from mlp_baselines.rbf_network import RBFLattice, RBFNetwork, matched_rbf_lattice, matched_rbf_network
from mlp_baselines.siren import SIREN, matched_siren
from mlp_baselines.spline_mlp import SplineMLP
from mlp_baselines.tensor_spline import TensorSpline, matched_tensor_spline
