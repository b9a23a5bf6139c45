"""Affine layers of M members: the product, normalisation between them, their parameters and cost in operations."""

__all__ = ["LayerNorm", "affine", "fan_ins", "parameter_count", "product_flops"]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDE = 64  # inputs of a layer from which on it is


def fan_ins(layer_sizes: Sequence[int], expansion: int = 1) -> list[int]:
    """Numbers that enter each affine layer: its features, each hidden one as the `expansion` numbers made of it."""
    return [size * (expansion if index else 1) for index, size in enumerate(layer_sizes[:-1])]


def parameter_count(layer_sizes: Sequence[int], expansion: int = 1) -> int:
    r"""Weights and biases of an MLP, \(\sum_l (e_l n_l + 1) \, n_{l+1}\), with e numbers made of each hidden unit."""
    return sum((i + 1) * o for i, o in zip(fan_ins(layer_sizes, expansion), layer_sizes[1:], strict=True))


def product_flops(layer_sizes: Sequence[int], expansion: int = 1) -> int:
    r"""Multiplications and additions of an MLP's affine layers, \(\sum_l 2 e_l n_l \, n_{l+1}\); see `MLP.flops`."""
    return sum(2 * i * o for i, o in zip(fan_ins(layer_sizes, expansion), layer_sizes[1:], strict=True))


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X W + b of every member; x (M, B, I), W (M, I, O), b (M, 1, O) or None."""
    if weight.shape[2] == 1 and weight.shape[0] > 1 and weight.shape[1] < _WIDE:
        # batched matrix products are at their worst with a single column: forward and backward of a network with one
        # output and 10 or 32 members take 1.4 to 1.9 times as long with them; where the layer is wide, the products
        # before they are summed are many, and writing them down takes two to four times as long as the matrix product
        y = (x * weight.transpose(1, 2)).sum(dim=-1, keepdim=True)
        return y if bias is None else y + bias
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias, x, weight)


class LayerNorm(nn.Module):
    r"""Layer normalisation of M members.

    .. math::
        y_j = g_j \frac{z_j - \bar z}{\sqrt{\overline{(z - \bar z)^2} + 10^{-5}}} + s_j

    Means are over the features of one sample and member (Ba et al., 2016, https://arxiv.org/abs/1607.06450).

    Args:
        features: J, at least 2: of one feature nothing is left beside its mean.
        members: independent replicas M.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Attributes:
        gain: g, ones at the start, shape (M, 1, J).
        shift: s, zeros at the start, shape (M, 1, J).

    Raises:
        ValueError: fewer than two features.
    """

    EPS = 1e-5
    FLOPS = 7
    """Operations for each feature: mean, difference, square, sum, division, gain, shift."""

    def __init__(
        self, features: int, members: int, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(
                "layer_norm needs at least 2 features in every hidden layer, of a single one it leaves nothing; "
                f"got {features}: take a larger width or layer_norm=false"
            )
        self.gain = nn.Parameter(torch.ones(members, 1, features, dtype=dtype, device=device))
        self.shift = nn.Parameter(torch.zeros(members, 1, features, dtype=dtype, device=device))

    def standardized(self, z: Tensor) -> Tensor:
        """What gain and shift are applied to, of mean 0 and mean square 1 over the features: (M, B, J) to (M, B, J)."""
        return F.layer_norm(z, z.shape[-1:], eps=self.EPS)

    def forward(self, z: Tensor) -> Tensor:
        """Maps (M, B, J) to (M, B, J)."""
        return self.standardized(z) * self.gain + self.shift
