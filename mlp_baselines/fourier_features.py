"""Random Fourier features: fixed random frequencies and a trained linear head, which stands for a Gaussian kernel."""

__all__ = ["FourierFeatures", "matched_fourier_features"]

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kan.members import draw_normal, draw_uniform, member_generators, passes_on
from mlp_baselines.features import FeatureArguments, FeatureModel
from mlp_baselines.matching import Budget, Reference, closest_size

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FourierFeatures(FeatureModel):
    r"""A sum of random waves, \(f(x) = \sum_{j=1}^{F} w_j \sqrt{2} \cos(\omega_j \cdot x + \beta_j)\).

    Frequencies \(\omega \sim N(0, 1/\sigma^2)\) and phases \(\beta\) uniform on \([-\pi, \pi)\) stay as drawn (Rahimi
    and Recht, Random Features for Large-Scale Kernel Machines, 2007). With \(\phi_j\) the waves,

    .. math::
        \frac{1}{F} \sum_j \phi_j(x) \, \phi_j(x') \to k(x - x') = e^{-\|x - x'\|^2 / 2 \sigma^2},

    an estimate without bias whose variance is \((1 + k(2(x - x'))/2 - k(x - x')^2) / F\).

    **Locality: in the mean, not in the parameters.** Every weight acts on, and has a gradient from, almost every input.
    But a step of gradient descent on one sample moves the function as the kernel says: at distances beyond
    \(\sigma\) contributions of the waves cancel, but for noise of relative size \(F^{-1/2}\) that reaches everywhere.
    A control for whether it is the support of each function that matters or the kernel of all of them.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: waves F.
        bandwidth: \(\sigma\), in units of the inputs.
        arguments: `noise_scale`, `bias`, `members`, `generators`, `dtype`, `device`, see `FeatureModel`. The standard
            deviation of the initial weights is `noise_scale` / √F, so that the function's is `noise_scale`.

    Attributes:
        weights: w, shape (M, F, O).
        frequencies: \(\omega\), in radians per unit, shape (M, I, F), not trained.
        phases: \(\beta\), shape (M, 1, F), not trained.

    Raises:
        ValueError: a size below 1, or a bandwidth that is not positive and finite.

    Example:
        >>> model = FourierFeatures(2, 1, width=50, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(FeatureModel, "count")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 64,
        *,
        bandwidth: float = 0.2,
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        if not 0.0 < bandwidth < math.inf:
            raise ValueError(f"bandwidth must be positive and finite, got {bandwidth}")
        super().__init__(in_features, out_features, width, **arguments)
        with torch.no_grad():
            self.weights.mul_(width**-0.5)
        self.bandwidth = bandwidth
        draws = member_generators(self.members, arguments.get("generators"))
        frequencies = draw_normal((in_features, width), 1.0 / bandwidth, draws)
        self.frequencies = nn.Parameter(frequencies.to(self.weights), requires_grad=False)
        phases = draw_uniform((1, width), math.pi, draws)
        self.phases = nn.Parameter(phases.to(self.weights), requires_grad=False)

    def features(self, x: Tensor, chosen: Any = slice(None)) -> Tensor:
        """The waves: (M', B, I) to (M', B, F)."""
        return math.sqrt(2.0) * torch.baddbmm(self.phases[chosen], x, self.frequencies[chosen]).cos()

    def feature_flops(self) -> int:
        """A multiplication and an addition for each frequency, the cosine and its factor."""
        return (2 * self.in_features + 2) * self.count

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {"family": "Fourier features", **super().describe(), "bandwidth": self.bandwidth}


@passes_on(FourierFeatures, "width")
def matched_fourier_features(
    in_features: int, out_features: int, reference: Reference, *, budget: Budget = "parameters", **waves: Any
) -> FourierFeatures:
    """`FourierFeatures` with the number of waves that comes closest to the reference's budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: see `matched_mlp`; frequencies and phases are not trained and do not count.
        budget: see `matched_mlp`.
        waves: what else `FourierFeatures` takes.

    Raises:
        ValueError: an unknown budget, or what `FourierFeatures` raises.
    """
    bias = out_features if waves.get("bias") else 0

    def costs(width: int) -> tuple[int, int]:
        return out_features * width + bias, (2 * in_features + 2 + 2 * out_features) * width

    width = closest_size(costs, reference, in_features, out_features, budget)
    return FourierFeatures(in_features, out_features, width, **waves)
