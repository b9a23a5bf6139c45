"""SIREN: a multilayer perceptron of sines, whose start keeps their distribution nearly the same in all layers."""

__all__ = ["SIREN", "matched_siren"]

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.members import MemberArguments, passes_on
from mlp_baselines.matching import Budget, Reference, matched_width
from mlp_baselines.mlp import MLP

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SIREN(MLP):
    r"""Layers of sines, \(x_{l+1} = \sin(\omega_l (x_l W_l + b_l))\), the last one affine.

    Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions (2020),
    https://arxiv.org/abs/2006.09661: \(\omega_0\) in the first layer, which spreads inputs on [-1, 1] over several
    periods, \(\omega\) in the others. First weights start uniform on \(\pm 1/n_0\), so that the first sines nearly
    follow the arcsine law, of variance 1/2; later ones on \(\pm \sqrt{6/n_l}/\omega\), so that \(\omega \, x_l W_l\),
    normal in the limit of large width, has the variance \(2 \, \overline{x_l^2}\). That is 1 behind the first layer,
    and \(1 - e^{-2 s^2}\) behind phases of variance \(s^2\): between 0.79 and 1, whatever the depth. Biases start on
    \(\pm 1/\sqrt{n_l}\) as in the authors' code: they shift phases, and add \(\omega^2/3 n_l\) to their variance. With
    \(\omega_0 = \omega\) it is the `MLP` with activation "sine".

    **Locality: global.** Sines vanish at single points only: every weight acts on, and has a gradient from, almost
    every input. High frequencies make the tangent kernel narrow, as that of `FourierFeatures`, but here they are
    trained.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers with parameters; depth 1 is an affine map.
        first_omega: \(\omega_0\), in radians per unit.
        omega: \(\omega\), in radians per unit.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        arguments: `members`, `generators`, `dtype`, `device`, see `MLP`.

    Raises:
        ValueError: a size below 1, or a frequency that is not positive.

    Example:
        >>> model = SIREN(2, 1, width=50, depth=3, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(MLP, "activation", "layer_norm")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 64,
        depth: int = 3,
        *,
        first_omega: float = 30.0,
        omega: float = 30.0,
        layer_sizes: Sequence[int] | None = None,
        **arguments: "Unpack[MemberArguments]",
    ) -> None:
        if not first_omega > 0:
            raise ValueError(f"first_omega must be positive, got {first_omega}")
        super().__init__(
            in_features, out_features, width, depth, "sine", omega=omega, layer_sizes=layer_sizes, **arguments
        )
        self.first_omega = first_omega

    def units(self, members: Sequence[int] | None = None) -> Sequence[Callable[[Tensor], Tensor]]:
        """See `MLP.units`."""
        return [self.activate_first, *[self.activate] * (self.depth - 2)][: self.depth - 1]

    def activate_first(self, x: Tensor) -> Tensor:
        """The sine of the first layer, at each number."""
        return torch.sin(self.first_omega * x)

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {**super().describe(), "family": "SIREN", "first_omega": self.first_omega, "omega": self.omega}


@passes_on(SIREN, "width", "layer_sizes")
def matched_siren(
    in_features: int,
    out_features: int,
    reference: Reference,
    depth: int = 3,
    *,
    budget: Budget = "parameters",
    **siren: Any,
) -> SIREN:
    """A `SIREN` of this depth with the width that comes closest to the reference's budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: see `matched_mlp`.
        depth: layers with parameters.
        budget: see `matched_mlp`.
        siren: what else `SIREN` takes.

    Raises:
        ValueError: an unknown budget, or what `SIREN` raises.
    """
    width = matched_width(in_features, out_features, reference, depth, budget)
    return SIREN(in_features, out_features, width, depth, **siren)
