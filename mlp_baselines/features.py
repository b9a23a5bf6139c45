"""Models that are linear in features of their inputs: what lattices, tensor products and Fourier features share."""

__all__ = ["FeatureArguments", "FeatureModel", "check_memory", "outer", "outer_flops", "shown_bytes"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from kan.members import MemberArguments, draw_normal, layer_sizes, member_generators, stacked_input
from mlp_baselines.affine import affine

MOST_BYTES = 2 * 10**9
"""Of the weights of all members, at most; training takes about five times as much."""


class FeatureArguments(MemberArguments, total=False):
    """What models hand on to `FeatureModel`, which says what it means."""

    noise_scale: float
    bias: bool


def check_memory(what: str, weights: int, members: int, dtype: torch.dtype | None, mend: str) -> None:
    """Refuses a model that is too large, before anything of it is made.

    Args:
        what: its weights, in words that say where the number comes from.
        weights: of one member.
        members: M.
        dtype: of the weights.
        mend: what to do.

    Raises:
        ValueError: more than `MOST_BYTES`, with the memory that it would take.
    """
    size = weights * members * (dtype or torch.get_default_dtype()).itemsize
    if size > MOST_BYTES:
        stack = f" for {members} members" if members > 1 else ""
        raise ValueError(f"{what} would take {shown_bytes(size)}{stack}, more than {shown_bytes(MOST_BYTES)}: {mend}")


def shown_bytes(size: int) -> str:
    """A number of bytes in words.

    Example:
        >>> shown_bytes(64 * 10**9), shown_bytes(1200)
        ('64 GB', '1.2 kB')
    """
    for unit, one in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return f"{size / 1000:.3g} kB"


def outer(values: Tensor) -> Tensor:
    """Products of one value of every input: (M, B, I, n) to (M, B, n^I), those of the last input side by side."""
    product = values[..., 0, :]
    for index in range(1, values.shape[-2]):
        product = (product.unsqueeze(-1) * values[..., index, None, :]).flatten(-2)
    return product


def outer_flops(each: int, inputs: int) -> int:
    """Multiplications of `outer`.

    Example:
        >>> outer_flops(4, 3)  # 16 + 64
        80
    """
    return sum(each**power for power in range(2, inputs + 1))


class FeatureModel(nn.Module):
    r"""A weighted sum of features, \(f(x)_o = \sum_j w_{j,o} \, \phi_j(x) + b_o\), for M members.

    Subclasses say which features (`features`) and what they cost (`feature_flops`). Where features are fixed the model
    is linear in all that is trained: its tangent kernel is \(\sum_j \phi_j(x) \phi_j(x')\) (and 1 of the bias), always.

    Args:
        in_features: input features I.
        out_features: output features O.
        count: features F.
        noise_scale: standard deviation of the initial weights, which are Gaussian with mean 0.
        bias: whether there is b. It starts at 0, and acts everywhere: with it no model is local.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Attributes:
        weights: w, shape (M, F, O).
        bias: b, shape (M, 1, O), or None.

    Raises:
        ValueError: a size below 1, or a `noise_scale` that is negative or not finite.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        count: int,
        *,
        noise_scale: float = 0.1,
        bias: bool = False,
        members: int = 1,
        generators: Sequence[Generator] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 <= noise_scale < math.inf:
            raise ValueError(f"noise_scale must be finite and not negative, got {noise_scale}")
        layer_sizes(in_features, out_features, count, 2)  # refuses what is none
        draws = member_generators(members, generators)
        self.in_features, self.out_features, self.members = in_features, out_features, members
        weights = draw_normal((count, out_features), noise_scale, draws)
        self.weights = nn.Parameter(weights.to(dtype=dtype or torch.get_default_dtype(), device=device))
        self.bias = nn.Parameter(torch.zeros_like(self.weights[:, :1])) if bias else None

    @property
    def count(self) -> int:
        """Number F of features."""
        return self.weights.shape[1]

    def features(self, x: Tensor, chosen: Any = slice(None)) -> Tensor:
        """The features at inputs (M', B, I) of the members that `chosen` takes from a leading axis M: (M', B, F)."""
        raise NotImplementedError

    def feature_flops(self) -> int:
        """Floating-point operations of all features of one sample."""
        raise NotImplementedError

    def feature_slopes(self, x: Tensor, chosen: Any) -> Mapping[nn.Parameter, Tensor]:
        """Derivatives of the predictions in the features' parameters, (M', B, O, numbers) each; see `features`."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        x = stacked_input(x, self.members, self.in_features, self.weights)
        return affine(self.features(x), self.weights, self.bias)

    @torch.no_grad()
    def jacobian(self, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Predictions and their derivatives in the trained parameters, without graph.

        Args:
            x: inputs, (M, B, I) or (B, I).
            members: only these, M' of them, in this order; None for all.

        Returns:
            Predictions (M', B, O) and the Jacobian (M', B, O, P), with columns as those of `MLP.jacobian`.
        """
        x = stacked_input(x, self.members, self.in_features, self.weights)
        chosen = slice(None) if members is None else torch.as_tensor(list(members), device=x.device)
        x = x[chosen]
        features = self.features(x, chosen)
        predictions = affine(features, self.weights[chosen], None if self.bias is None else self.bias[chosen])
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        sizes = [parameter[0].numel() for parameter in trained]
        result = features.new_zeros(*predictions.shape, sum(sizes))
        columns = dict(zip(trained, result.split(sizes, dim=3), strict=True))
        if self.weights in columns:
            own = columns[self.weights].unflatten(-1, self.weights.shape[1:])
            own.diagonal(dim1=2, dim2=4).copy_(features.unsqueeze(-1).expand(*features.shape, self.out_features))
        if self.bias is not None and self.bias in columns:
            columns[self.bias].diagonal(dim1=2, dim2=3).fill_(1.0)
        for parameter, slopes in self.feature_slopes(x, chosen).items():
            if parameter in columns:
                columns[parameter].copy_(slopes)
        return predictions, result

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward.

        The features, see `feature_flops`, and a multiplication and an addition for each weight.
        """
        return self.feature_flops() + 2 * self.count * self.out_features

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {"layer_sizes": [self.in_features, self.count, self.out_features], "depth": 2}

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        return f"{self.in_features} → {self.count} features → {self.out_features}, members={self.members}"
