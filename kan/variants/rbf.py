"""Gaussian radial basis functions on the edges, the form of FastKAN: almost local, decaying like exp(-d²)."""

__all__ = ["RBFKAN", "RBFLayer", "gaussian"]

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.engines.dense import Base
from kan.members import layer_sizes as sizes_from
from kan.members import passes_on
from kan.splines import uniform_grid
from kan.variants.features import FeatureArguments, FeatureLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack


def gaussian(squared: Tensor) -> Tensor:
    r"""\(e^{-r^2}\) of squared distances, zero where that is below the root of the smallest normal number."""
    # numbers that underflow, here or in products, take ten times as long as others
    least = 0.5 * math.log(torch.finfo(squared.dtype).tiny)
    return F.threshold(torch.exp(-squared.clamp(max=-least)), 1.001 * math.exp(least), 0.0)


class RBFLayer(FeatureLayer):
    r"""Sums of Gaussians, \(\phi(x) = w^b b(x) + \sum_{j=0}^{G} c_j \exp(-(x - g_j)^2 / h^2)\).

    The centres \(g_j\) are the G + 1 points of an even grid, and h is their spacing: Li, Kolmogorov-Arnold Networks are
    Radial Basis Function Networks (FastKAN, 2024), https://arxiv.org/abs/2405.06721. Its coefficients start as
    \(N(0, 0.1^2)\), and its base is silu.

    **Locality: decaying.** A sample d away from its centre gives a coefficient \(e^{-(d/h)^2}\) times the gradient
    of the output: 2e-2 at two intervals, 1e-7 at four. In exact arithmetic that is never zero; here Gaussians below the
    square root of the smallest normal number, from 19 intervals on in float64 and 7 in float32, are. A base other than
    "zero" acts on all inputs.

    Unlike FastKAN there is no LayerNorm in front: it would set a single input feature to zero, and it mixes the inputs,
    so that no coefficient would be local in any of them. `grid_range` must cover the inputs instead; it is [-1, 1] by
    default, where FastKAN has [-2, 2] for what its LayerNorm gives. Outside it the Gaussians fade to zero.

    Args:
        in_features: input features I.
        out_features: output features O.
        grid_size: intervals G ≥ 1 between the first centre and the last.
        grid_range: the first and the last centre, in units of the inputs.
        noise_scale: standard deviation of the initial coefficients.
        base: b, one of "silu", "identity", "zero"; "zero" has no \(w^b\) at all.
        arguments: `train_coefficients`, `train_base_weight`, `members`, `generators`, `dtype`, `device`, see
            `FeatureLayer`.

    Attributes:
        coefficients: c, shape (M, I, G+1, O).
        base_weight: \(w^b\), shape (M, I, O), or None.
        centers: g, shape (M, I, G+1); evenly spaced for each input, not trained.

    Raises:
        ValueError: a size below 1, an empty range, an unknown base, or a negative `noise_scale`.

    Example:
        >>> layer = RBFLayer(2, 5, grid_size=10, members=3)
        >>> layer(torch.rand(7, 2)).shape
        torch.Size([3, 7, 5])
    """

    AXES: ClassVar[Mapping[str, str]] = {**FeatureLayer.AXES, "centers": "MIF"}

    centers: Tensor

    @passes_on(FeatureLayer, "deviations")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 7,
        *,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        noise_scale: float = 0.1,
        base: Base = "silu",
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        grid = uniform_grid(*grid_range, grid_size, dtype=torch.float64)
        super().__init__(
            in_features,
            out_features,
            [noise_scale] * (grid_size + 1),
            base=base,
            **arguments,
        )
        like = self.coefficients
        self.register_buffer("centers", grid.to(like).expand(self.members, in_features, -1).contiguous())

    @property
    def grid_size(self) -> int:
        """Intervals G between the first centre and the last."""
        return self.centers.shape[-1] - 1

    @property
    def width(self) -> Tensor:
        """Width h of the Gaussians, the spacing of their centres: (M, I, 1)."""
        return (self.centers[..., -1:] - self.centers[..., :1]) / self.grid_size

    def features(self, x: Tensor) -> Tensor:
        """The Gaussians at (M, B, I) inputs: (M, B, I, G+1)."""
        distance = (x.unsqueeze(-1) - self.centers.unsqueeze(1)) / self.width.unsqueeze(1)
        return gaussian(distance.square())

    def input_window(self) -> tuple[Tensor, Tensor]:
        """The first and the last centre of every input, (M, I) each."""
        return self.centers[..., 0], self.centers[..., -1]

    def feature_flops(self) -> int:
        """Four a Gaussian: difference, division, square, exponential."""
        return 4 * (self.grid_size + 1)

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = f"{self.in_features} → {self.out_features}, grid_size={self.grid_size}"
        return f"{sizes}, base={self.base}, members={self.members}"


class RBFKAN(EdgeNetwork):
    """`RBFLayer`s in a row, for M independent members side by side.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers.
        grid_size: intervals G of every grid, see `RBFLayer`.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        layer: what else every `RBFLayer` takes: `grid_range`, `noise_scale`, `base`, `train_coefficients`,
            `train_base_weight`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: see `RBFLayer`; also a depth or width below 1.

    Example:
        >>> model = RBFKAN(2, 1, width=5, depth=2, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(RBFLayer)
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 5,
        depth: int = 2,
        grid_size: int = 7,
        *,
        layer_sizes: Sequence[int] | None = None,
        **layer: Any,
    ) -> None:
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        super().__init__([RBFLayer(i, o, grid_size, **layer) for i, o in pairwise(sizes)])

    def layer(self, index: int) -> RBFLayer:
        """One layer, counted from 0."""
        layer = super().layer(index)
        assert isinstance(layer, RBFLayer)
        return layer

    @property
    def input_range(self) -> tuple[float, float]:
        """The interval that the centres of every input cover."""
        low, high = self.layer(0).input_window()
        return float(low.max()), float(high.min())

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        first = self.layer(0)
        return {**super().describe(), "edges": "rbf", "grid_size": first.grid_size, "base": first.base}
