"""Fourier series on the edges: global and periodic, every coefficient acts on every input."""

__all__ = ["FourierKAN", "FourierLayer"]

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.engines.dense import Base
from kan.members import layer_sizes as sizes_from
from kan.members import passes_on
from kan.variants.features import FeatureArguments, FeatureLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FourierLayer(FeatureLayer):
    r"""Sums of Fourier series.

    .. math::
        \phi(x) = w^b b(x) + c_0 + \sum_{k=1}^{n} \big( a_k \cos(\omega k x) + b_k \sin(\omega k x) \big),
        \qquad \omega = 2 \pi / P

    with the period P: GistNoesis, FourierKAN (2024), https://github.com/GistNoesis/FourierKAN, where P is \(2 \pi\) and
    there is no base. The start is also its own: \(a_k, b_k \sim N(0, 1 / (I n))\), for outputs of unit variance, and
    \(c_0 = 0\); what is one bias for each output there is here the sum of the offsets \(c_0\) of the edges.

    **Locality: global.** Sines and cosines vanish at single points only, so every coefficient acts on, and has a
    gradient from, almost every input; nothing decays with distance, and inputs a period apart can't be told apart.
    What a step of gradient descent changes at one input for a sample d away, \(1 + \sum_k \cos(\omega k d)\), is a
    plateau of 1/2 and Dirichlet's kernel, which falls with distance: the plateau is there because the constant's mean
    square is twice that of the waves. `orthonormal` takes it away.

    Args:
        in_features: input features I.
        out_features: output features O.
        frequencies: n ≥ 1, multiples of the lowest frequency 1 / P.
        period: P, in units of the inputs.
        offset: whether there is \(c_0\).
        orthonormal: whether \(c_0\) counts \(\sqrt{1/2}\) of itself, which gives all features the same mean square over
            a period; of no effect without \(c_0\).
        noise_scale: factor on the standard deviation of the initial coefficients.
        base: b, one of "silu", "identity", "zero"; "zero" has no \(w^b\) at all.
        arguments: `train_coefficients`, `train_base_weight`, `members`, `generators`, `dtype`, `device`, see
            `FeatureLayer`.

    Attributes:
        coefficients: \(c_0\) if there is one, then \(a_1 \dots a_n\), then \(b_1 \dots b_n\): shape (M, I, F, O).
        base_weight: \(w^b\), shape (M, I, O), or None.
        period: P of every input, shape (M, I), not trained.

    Raises:
        ValueError: a size below 1, a period that is not positive and finite, an unknown base, or a negative
            `noise_scale`.

    Example:
        >>> layer = FourierLayer(2, 5, frequencies=10, members=3)
        >>> layer(torch.rand(7, 2)).shape
        torch.Size([3, 7, 5])
    """

    AXES: ClassVar[Mapping[str, str]] = {**FeatureLayer.AXES, "period": "MI"}

    period: Tensor

    @passes_on(FeatureLayer, "deviations")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        frequencies: int = 4,
        *,
        period: float = 2 * math.pi,
        offset: bool = True,
        orthonormal: bool = False,
        noise_scale: float = 1.0,
        base: Base = "zero",
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        if frequencies < 1:
            raise ValueError(f"frequencies must be at least 1, got {frequencies}")
        if not 0.0 < period < math.inf:
            raise ValueError(f"period must be positive and finite, got {period}")
        waves = [noise_scale * (max(in_features, 1) * frequencies) ** -0.5] * (2 * frequencies)
        super().__init__(
            in_features,
            out_features,
            [0.0, *waves] if offset else waves,
            base=base,
            **arguments,
        )
        self.orthonormal = orthonormal
        self.register_buffer("period", torch.full_like(self.coefficients[:, :, 0, 0], period, requires_grad=False))

    @property
    def frequencies(self) -> int:
        """Number n of frequencies."""
        return self.coefficients.shape[2] // 2

    @property
    def offset(self) -> bool:
        """Whether there is a constant."""
        return self.coefficients.shape[2] % 2 == 1

    @property
    def constant(self) -> float:
        """Value of the feature that the offset belongs to."""
        return math.sqrt(0.5) if self.orthonormal else 1.0

    def features(self, x: Tensor) -> Tensor:
        """The constant if there is one, cosines and sines at (M, B, I) inputs: (M, B, I, F)."""
        multiples = torch.arange(1, self.frequencies + 1, dtype=x.dtype, device=x.device)
        angles = (x * (2 * math.pi / self.period).unsqueeze(1)).unsqueeze(-1) * multiples
        waves = [angles.cos(), angles.sin()]
        constant = [torch.full_like(x, self.constant).unsqueeze(-1)] if self.offset else []
        return torch.cat([*constant, *waves], dim=-1)

    def constants(self) -> Tensor | None:
        """See `EdgeLayer.constants`: the offsets."""
        return self.first_feature() / self.constant if self.offset else None

    def input_window(self) -> tuple[Tensor, Tensor]:
        """The period around zero of every input, (M, I) each."""
        return -0.5 * self.period, 0.5 * self.period

    def feature_flops(self) -> int:
        """One for the angle, and a product, a cosine and a sine for each frequency."""
        return 1 + 3 * self.frequencies

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = f"{self.in_features} → {self.out_features}, frequencies={self.frequencies}, offset={self.offset}"
        return f"{sizes}, base={self.base}, members={self.members}"


class FourierKAN(EdgeNetwork):
    """`FourierLayer`s in a row, for M independent members side by side.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers.
        frequencies: of the series on every edge.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        layer: what else every `FourierLayer` takes: `period`, `offset`, `orthonormal`, `noise_scale`, `base`,
            `train_coefficients`, `train_base_weight`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: see `FourierLayer`; also a depth or width below 1.

    Example:
        >>> model = FourierKAN(2, 1, width=5, depth=2, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(FourierLayer)
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 5,
        depth: int = 2,
        frequencies: int = 4,
        *,
        layer_sizes: Sequence[int] | None = None,
        **layer: Any,
    ) -> None:
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        super().__init__([FourierLayer(i, o, frequencies, **layer) for i, o in pairwise(sizes)])

    def layer(self, index: int) -> FourierLayer:
        """One layer, counted from 0."""
        layer = super().layer(index)
        assert isinstance(layer, FourierLayer)
        return layer

    @property
    def input_range(self) -> tuple[float, float]:
        """The period that the inputs must lie in to be told apart."""
        low, high = self.layer(0).input_window()
        return float(low.max()), float(high.min())

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        first = self.layer(0)
        return {
            **super().describe(),
            "edges": "fourier",
            "frequencies": first.frequencies,
            "offset": first.offset,
            "orthonormal": first.orthonormal,
            "period": float(first.period[0, 0]),
            "base": first.base,
        }
