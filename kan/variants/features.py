r"""Edges that are sums of fixed features: what the variants of B-splines share.

A family is a feature map, the size of its initial coefficients and a sentence on how local it is; everything else is
here. All edges of an input share its features, so a layer is one feature map and one matrix product.
"""

__all__ = ["FeatureArguments", "FeatureLayer"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from kan.edge_layer import EdgeLayer
from kan.engines.dense import BASES, Base
from kan.members import MemberArguments, draw_normal, draw_uniform, member_generators


class FeatureArguments(MemberArguments, total=False):
    """What networks and layers of features hand on to `FeatureLayer`, which says what it means."""

    train_coefficients: bool
    train_base_weight: bool


class FeatureLayer(EdgeLayer):
    r"""Sums \(\phi_{i,o}(x) = w^b_{i,o} \, b(x) + \sum_f c_{i,f,o} F_{i,f}(x)\) over the inputs, for M members.

    Subclasses give the features F (`features`), the inputs they are made for (`input_window`) and what they cost
    (`feature_flops`). No tensor of shape (B, I, O) is made.

    Args:
        in_features: input features I.
        out_features: output features O.
        deviations: standard deviation of the initial coefficients of each feature, length F; they are Gaussian with
            mean 0.
        base: b, one of "silu", "identity", "zero"; "zero" has no \(w^b\) at all, otherwise it starts Xavier uniform.
        train_coefficients: whether c is trained, or stays as drawn.
        train_base_weight: whether \(w^b\) is trained, or stays as drawn.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Attributes:
        coefficients: c, shape (M, I, F, O).
        base_weight: \(w^b\), shape (M, I, O), or None.

    Raises:
        ValueError: a size below 1, an unknown base, or a deviation that is negative or not finite.
    """

    AXES: ClassVar[Mapping[str, str]] = {**EdgeLayer.AXES, "coefficients": "MIFO", "base_weight": "MIO"}

    base_weight: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        deviations: Sequence[float],
        *,
        base: Base,
        train_coefficients: bool = True,
        train_base_weight: bool = True,
        members: int = 1,
        generators: Sequence[Generator] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(in_features, out_features, members)
        if base not in BASES:
            raise ValueError(f"base must be one of {', '.join(BASES)}, got {base!r}")
        if not all(0.0 <= each < math.inf for each in deviations):
            raise ValueError(f"noise_scale must be finite and not negative, got deviations of {max(deviations)}")
        draws = member_generators(members, generators)
        dtype = dtype or torch.get_default_dtype()
        self.base: Base = base
        sizes = torch.tensor(list(deviations), dtype=torch.float64).unsqueeze(-1)
        coefficients = sizes * draw_normal((in_features, len(sizes), out_features), 1.0, draws)
        # drawn with every base, so that the coefficients of later layers do not depend on it
        base_weight = draw_uniform((in_features, out_features), (6.0 / (in_features + out_features)) ** 0.5, draws)

        def parameter(values: Tensor, trained: bool) -> nn.Parameter:
            return nn.Parameter(values.to(dtype=dtype, device=device), requires_grad=trained)

        self.coefficients = parameter(coefficients, train_coefficients)
        self.base_weight = None if base == "zero" else parameter(base_weight, train_base_weight)

    def features(self, x: Tensor) -> Tensor:
        """The features that the coefficients belong to, at (M, B, I) inputs: (M, B, I, F)."""
        raise NotImplementedError

    def feature_flops(self) -> int:
        """Floating-point operations of all features of one input."""
        raise NotImplementedError

    def learned(self, x: Tensor, gate: Tensor | None) -> Tensor:
        """The sum of all edges, each times its entry of the gate (M, I, O): (M, B, I) to (M, B, O)."""
        weights: Tensor = self.coefficients
        base_weight: Tensor | None = self.base_weight
        if gate is not None:
            weights = weights * gate.unsqueeze(2)
            base_weight = None if base_weight is None else base_weight * gate
        y = torch.bmm(self.features(x).flatten(2), weights.flatten(1, 2))
        return y if base_weight is None else torch.baddbmm(y, BASES[self.base](x), base_weight)

    def edge_features(self, x: Tensor) -> Tensor:
        """The F features, and the base function last if there is one: (M, B, I, F) or (M, B, I, F+1)."""
        features = self.features(x)
        if self.base_weight is None:
            return features
        return torch.cat([features, BASES[self.base](x).unsqueeze(-1)], dim=-1)

    def edge_weights(self) -> Tensor:
        """Coefficients, and base weights last if there are any: (M, I, F, O) or (M, I, F+1, O)."""
        weights: Tensor = self.coefficients
        if self.base_weight is not None:
            weights = torch.cat([weights, self.base_weight.unsqueeze(2)], dim=2)
        gate = self.gate()
        return weights if gate is None else weights * gate.unsqueeze(2)

    def first_feature(self) -> Tensor:
        """Coefficients of every edge that give its first feature alone: (M, I, F, O)."""
        coefficients = torch.zeros_like(self.coefficients, requires_grad=False)
        coefficients[:, :, 0] = 1.0
        return coefficients

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward.

        Per edge a multiplication and an addition for each feature and for the base function; per input the features,
        see `feature_flops`, and one operation for b.
        """
        with_base = 0 if self.base_weight is None else 1
        products = 2 * self.in_features * self.out_features * (self.coefficients.shape[2] + with_base)
        return products + self.in_features * (self.feature_flops() + with_base)
