"""Chebyshev polynomials on the edges: global, every coefficient acts on every input."""

__all__ = ["ChebyshevKAN", "ChebyshevLayer", "chebyshev_polynomials"]

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.engines.dense import Base
from kan.members import layer_sizes as sizes_from
from kan.members import passes_on
from kan.variants.features import FeatureArguments, FeatureLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack


def chebyshev_polynomials(u: Tensor, degree: int) -> Tensor:
    r"""\(T_0(u), \dots, T_n(u)\), with \(T_k(\cos\theta) = \cos k\theta\): shape (*) to (*, n+1).

    By \(T_{a+b} = 2 T_a T_b - T_{a-b}\), which doubles what is known with each step: log2(n) steps, and unlike with
    the arc cosine gradients are finite at both ends.

    Args:
        u: points, in [-1, 1] for values in [-1, 1].
        degree: n ≥ 1.

    Example:
        >>> chebyshev_polynomials(torch.tensor(0.5), 3)
        tensor([ 1.0000,  0.5000, -0.5000, -1.0000])
    """
    values = torch.stack([torch.ones_like(u), u], dim=-1)
    while (known := values.shape[-1] - 1) < degree:
        more = 2.0 * values[..., -1:] * values[..., 1:] - values[..., :-1].flip(-1)
        values = torch.cat([values, more[..., : degree - known]], dim=-1)
    return values


class ChebyshevLayer(FeatureLayer):
    r"""Sums of Chebyshev polynomials, \(\phi(x) = w^b b(x) + \sum_{k=0}^{n} c_k T_k(\tanh x)\).

    The tanh takes any input into the interval on which the polynomials are bounded: Sidharth et al., Chebyshev
    Polynomial-Based Kolmogorov-Arnold Networks (2024), https://arxiv.org/abs/2405.07200, and
    https://github.com/SynodicMonth/ChebyKAN. The start is also theirs: \(c_k \sim N(0, (I (n + 1))^{-2})\), no base.

    **Locality: global.** \(T_k\) vanishes at k points only, so every coefficient acts on, and has a gradient from,
    almost every input; nothing decays with distance. What a step of gradient descent changes at one input for a sample
    at another, \(\sum_k T_k(\tanh x) T_k(\tanh x')\), is a plateau of 1/2 and a kernel that falls with distance: the
    plateau is there because the constant's mean square is twice that of the others. `orthonormal` takes it away.

    Args:
        in_features: input features I.
        out_features: output features O.
        degree: n ≥ 1.
        orthonormal: whether \(T_0\) is \(\sqrt{1/2}\) instead of 1, which gives all polynomials the same mean square in
            the angle \(\theta\), \(\tanh x = \cos \theta\).
        noise_scale: factor on the standard deviation of the initial coefficients.
        base: b, one of "silu", "identity", "zero"; "zero" has no \(w^b\) at all.
        arguments: `train_coefficients`, `train_base_weight`, `members`, `generators`, `dtype`, `device`, see
            `FeatureLayer`.

    Attributes:
        coefficients: c, shape (M, I, n+1, O).
        base_weight: \(w^b\), shape (M, I, O), or None.

    Raises:
        ValueError: a size below 1, an unknown base, or a negative `noise_scale`.

    Example:
        >>> layer = ChebyshevLayer(2, 5, degree=10, members=3)
        >>> layer(torch.rand(7, 2)).shape
        torch.Size([3, 7, 5])
    """

    @passes_on(FeatureLayer, "deviations")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        degree: int = 7,
        *,
        orthonormal: bool = False,
        noise_scale: float = 1.0,
        base: Base = "zero",
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        if degree < 1:
            raise ValueError(f"degree must be at least 1, got {degree}")
        super().__init__(
            in_features,
            out_features,
            [noise_scale / (max(in_features, 1) * (degree + 1))] * (degree + 1),
            base=base,
            **arguments,
        )
        self.orthonormal = orthonormal

    @property
    def degree(self) -> int:
        """Degree n of the last polynomial."""
        return self.coefficients.shape[2] - 1

    @property
    def constant(self) -> float:
        """Value of the first polynomial."""
        return math.sqrt(0.5) if self.orthonormal else 1.0

    def features(self, x: Tensor) -> Tensor:
        """The polynomials at (M, B, I) inputs: (M, B, I, n+1)."""
        values = chebyshev_polynomials(torch.tanh(x), self.degree)
        if not self.orthonormal:
            return values
        return torch.cat([values[..., :1] * self.constant, values[..., 1:]], dim=-1)

    def constants(self) -> Tensor:
        """See `EdgeLayer.constants`: the first polynomial."""
        return self.first_feature() / self.constant

    def input_window(self) -> tuple[Tensor, Tensor]:
        """-1 and 1, (M, I) each: beyond them the tanh leaves little to tell inputs apart by."""
        ones = torch.ones_like(self.coefficients[:, :, 0, 0])
        return -ones, ones

    def feature_flops(self) -> int:
        """One for tanh, and two products and a difference for each polynomial from the second degree on."""
        return 1 + 3 * (self.degree - 1)

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = f"{self.in_features} → {self.out_features}, degree={self.degree}"
        return f"{sizes}, base={self.base}, members={self.members}"


class ChebyshevKAN(EdgeNetwork):
    """`ChebyshevLayer`s in a row, for M independent members side by side.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers.
        degree: of the polynomials on every edge.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        layer: what else every `ChebyshevLayer` takes: `orthonormal`, `noise_scale`, `base`, `train_coefficients`,
            `train_base_weight`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: see `ChebyshevLayer`; also a depth or width below 1.

    Example:
        >>> model = ChebyshevKAN(2, 1, width=5, depth=2, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(ChebyshevLayer)
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 5,
        depth: int = 2,
        degree: int = 7,
        *,
        layer_sizes: Sequence[int] | None = None,
        **layer: Any,
    ) -> None:
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        super().__init__([ChebyshevLayer(i, o, degree, **layer) for i, o in pairwise(sizes)])

    def layer(self, index: int) -> ChebyshevLayer:
        """One layer, counted from 0."""
        layer = super().layer(index)
        assert isinstance(layer, ChebyshevLayer)
        return layer

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        first = self.layer(0)
        return {
            **super().describe(),
            "edges": "chebyshev",
            "degree": first.degree,
            "orthonormal": first.orthonormal,
            "base": first.base,
        }
