"""Gaussian radial basis function networks: on a fixed lattice of centres, and with centres that are learned."""

__all__ = ["RBFLattice", "RBFNetwork", "matched_rbf_lattice", "matched_rbf_network"]

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kan.members import draw_uniform, member_generators, passes_on
from kan.splines import uniform_grid
from kan.variants.rbf import gaussian
from mlp_baselines.features import FeatureArguments, FeatureModel, check_memory, outer, outer_flops
from mlp_baselines.matching import Budget, Reference, closest_size

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _check_bandwidth(bandwidth: float) -> None:
    if not 0.0 < bandwidth < math.inf:
        raise ValueError(f"bandwidth must be positive and finite, got {bandwidth}")


def _squared_distances(x: Tensor, centers: Tensor) -> Tensor:
    """Of inputs (M, B, I) from centres (M, F, I): (M, B, F). Units come last, of which there are many."""
    first, *others = range(x.shape[2])
    squared = (x[..., None, first] - centers[:, None, :, first]).square()
    for index in others:
        offset = x[..., None, index] - centers[:, None, :, index]
        squared = torch.addcmul(squared, offset, offset)
    return squared


class RBFLattice(FeatureModel):
    r"""Gaussians on a lattice of centres, \(f(x) = \sum_j w_j \exp(-\|x - g_j\|^2 / h^2)\).

    The \(F = (G + 1)^I\) centres are all points of an even grid of G intervals an input, and h is a multiple of their
    spacing: Broomhead and Lowe, Multivariable Functional Interpolation and Adaptive Networks (1988). A Gaussian of
    the distance is the product of Gaussians of the coordinates: what `kan.RBFKAN` sums over inputs is multiplied here.

    **Locality: decaying, in all directions.** A sample at a distance r from a centre gives its weight
    \(e^{-(r/h)^2}\) times the gradient of the output, whichever inputs the distance is along. Nothing else is trained.
    With a small h that is as good as compact, and the model can't learn between its centres; the number of centres
    grows as a power of the inputs. Outside of the lattice the function fades to zero.

    Args:
        in_features: input features I.
        out_features: output features O.
        grid_size: intervals G ≥ 1 between the first centre and the last, of every input.
        grid_range: the first and the last centre, in units of the inputs.
        bandwidth: h, in units of the spacing of the centres.
        arguments: `noise_scale`, `bias`, `members`, `generators`, `dtype`, `device`, see `FeatureModel`.

    Attributes:
        weights: w, shape (M, (G+1)^I, O), the last input's centres side by side.
        centers: of every input, shape (M, I, G+1), not trained.

    Raises:
        ValueError: a size below 1, an empty range, a bandwidth that is not positive and finite, or more weights than
            there is memory for.

    Example:
        >>> model = RBFLattice(2, 1, grid_size=7, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    centers: Tensor

    @passes_on(FeatureModel, "count")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 7,
        *,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        bandwidth: float = 1.0,
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        _check_bandwidth(bandwidth)
        if grid_size >= 1:
            what = f"a lattice of {grid_size + 1} centres for each of {in_features} inputs"
            mend = "take a smaller grid_size, or model=rbf_network, whose centres are no lattice"
            weights = (grid_size + 1) ** in_features * out_features
            check_memory(what, weights, arguments.get("members", 1), arguments.get("dtype"), mend)
        grid = uniform_grid(*grid_range, grid_size, dtype=torch.float64)
        super().__init__(in_features, out_features, (grid_size + 1) ** in_features, **arguments)
        self.bandwidth = bandwidth
        self.register_buffer("centers", grid.to(self.weights).expand(self.members, in_features, -1).contiguous())

    @property
    def grid_size(self) -> int:
        """Intervals G between the first centre and the last of an input."""
        return self.centers.shape[2] - 1

    @property
    def input_range(self) -> tuple[float, float]:
        """The interval of every input that the centres cover."""
        return float(self.centers[0, 0, 0]), float(self.centers[0, 0, -1])

    def features(self, x: Tensor, chosen: Any = slice(None)) -> Tensor:
        """The Gaussians of all centres: (M', B, I) to (M', B, F)."""
        centers = self.centers[chosen]
        width = self.bandwidth * (centers[..., -1:] - centers[..., :1]) / self.grid_size
        return outer(gaussian(((x.unsqueeze(-1) - centers.unsqueeze(1)) / width.unsqueeze(1)).square()))

    def feature_flops(self) -> int:
        """Four a Gaussian of one input (difference, division, square, exponential), and the products over inputs."""
        return _lattice_flops(self.in_features, self.grid_size)

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {
            "family": "RBF network",
            **super().describe(),
            "centers": "lattice",
            "grid_size": self.grid_size,
            "bandwidth": self.bandwidth,
        }


def _lattice_flops(inputs: int, grid_size: int) -> int:
    return 4 * inputs * (grid_size + 1) + outer_flops(grid_size + 1, inputs)


class RBFNetwork(FeatureModel):
    r"""Gaussians with centres and widths that are learned, \(f(x) = \sum_j w_j \exp(-s_j^2 \|x - c_j\|^2)\).

    Moody and Darken, Fast Learning in Networks of Locally-Tuned Processing Units (1989),
    https://doi.org/10.1162/neco.1989.1.2.281, with everything trained by gradients. Centres start uniform in the box,
    and all widths \(1/s\) as a multiple of the spacing \((u - l) F^{-1/I}\) that F centres of a lattice would have.

    **Locality: decaying, in all directions, where the centres are.** A sample at a distance r from a centre gives its
    weight, centre and width gradients with the factor \(e^{-s^2 r^2}\). Unlike on a lattice units may wander to a new
    task and take with them what they have learned of an old one, and may widen.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: units F.
        grid_range: the box \([l, u]\) of every input in which centres start, in units of the inputs.
        bandwidth: initial width of the Gaussians, in units of the mean spacing of the centres.
        train_centers: whether c is trained, or stays as drawn.
        train_bandwidths: whether s is trained.
        arguments: `noise_scale`, `bias`, `members`, `generators`, `dtype`, `device`, see `FeatureModel`.

    Attributes:
        weights: w, shape (M, F, O).
        centers: c, shape (M, F, I).
        sharpness: s, shape (M, F), in units of 1 / input; its sign means nothing.

    Raises:
        ValueError: a size below 1, an empty range, or a bandwidth that is not positive and finite.

    Example:
        >>> model = RBFNetwork(2, 1, width=50, members=10)
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
        grid_range: tuple[float, float] = (-1.0, 1.0),
        bandwidth: float = 1.0,
        train_centers: bool = True,
        train_bandwidths: bool = True,
        **arguments: "Unpack[FeatureArguments]",
    ) -> None:
        _check_bandwidth(bandwidth)
        low, high = grid_range
        if not low < high:
            raise ValueError(f"grid_range must be two increasing numbers, got [{low}, {high}]")
        super().__init__(in_features, out_features, width, **arguments)
        draws = member_generators(self.members, arguments.get("generators"))
        centers = 0.5 * (low + high) + draw_uniform((width, in_features), 0.5 * (high - low), draws)
        self.centers = nn.Parameter(centers.to(self.weights), requires_grad=train_centers)
        sharpness = width ** (1.0 / in_features) / (bandwidth * (high - low))
        self.sharpness = nn.Parameter(torch.full_like(self.centers[..., 0], sharpness), requires_grad=train_bandwidths)

    def features(self, x: Tensor, chosen: Any = slice(None)) -> Tensor:
        """The Gaussians of all units: (M', B, I) to (M', B, F)."""
        centers = self.centers[chosen]
        # as squares and products, which cost a matrix product and its derivatives two; but half of the digits are lost
        # where Gaussians are narrow, so the value is that of the differences
        norms = x.square().sum(dim=2, keepdim=True) + centers.square().sum(dim=2).unsqueeze(1)
        squared = torch.baddbmm(norms, x, centers.transpose(1, 2), alpha=-2.0)
        squared = squared + (_squared_distances(x.detach(), centers.detach()) - squared.detach())
        return gaussian(self.sharpness[chosen].square().unsqueeze(1) * squared)

    def feature_flops(self) -> int:
        """Four an input of a unit (difference, product, square, sum), and the exponential."""
        return (4 * self.in_features + 1) * self.count

    def feature_slopes(self, x: Tensor, chosen: Any) -> Mapping[nn.Parameter, Tensor]:
        """See `FeatureModel.feature_slopes`: of centres and sharpness."""
        offset = x.unsqueeze(2) - self.centers[chosen].unsqueeze(1)
        s = self.sharpness[chosen].unsqueeze(1)
        # what a unit adds to an output, times twice its sharpness, (M', B, O, F)
        moved = self.weights[chosen].transpose(1, 2).unsqueeze(1) * (2.0 * s * self.features(x, chosen)).unsqueeze(2)
        centers = (moved * s.unsqueeze(2)).unsqueeze(4) * offset.unsqueeze(2)
        return {self.centers: centers.flatten(3), self.sharpness: -moved * offset.square().sum(dim=3).unsqueeze(2)}

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {
            "family": "RBF network",
            **super().describe(),
            "centers": "learned" if self.centers.requires_grad else "drawn",
        }


@passes_on(RBFLattice, "grid_size")
def matched_rbf_lattice(
    in_features: int, out_features: int, reference: Reference, *, budget: Budget = "parameters", **lattice: Any
) -> RBFLattice:
    """An `RBFLattice` with the number of intervals that comes closest to the reference's budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: see `matched_mlp`.
        budget: see `matched_mlp`.
        lattice: what else `RBFLattice` takes.

    Raises:
        ValueError: an unknown budget, or what `RBFLattice` raises.
    """

    def costs(grid_size: int) -> tuple[int, int]:
        count = (grid_size + 1) ** in_features
        bias = out_features if lattice.get("bias") else 0
        return count * out_features + bias, _lattice_flops(in_features, grid_size) + 2 * count * out_features

    size = closest_size(costs, reference, in_features, out_features, budget)
    return RBFLattice(in_features, out_features, size, **lattice)


@passes_on(RBFNetwork, "width")
def matched_rbf_network(
    in_features: int,
    out_features: int,
    reference: Reference,
    *,
    budget: Budget = "parameters",
    train_centers: bool = True,
    train_bandwidths: bool = True,
    **network: Any,
) -> RBFNetwork:
    """An `RBFNetwork` with the number of units that comes closest to the reference's budget.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: see `matched_mlp`.
        budget: see `matched_mlp`.
        train_centers: see `RBFNetwork`; what is not trained does not count.
        train_bandwidths: see `RBFNetwork`.
        network: what else `RBFNetwork` takes.

    Raises:
        ValueError: an unknown budget, or what `RBFNetwork` raises.
    """
    each = out_features + (in_features if train_centers else 0) + (1 if train_bandwidths else 0)
    bias = out_features if network.get("bias") else 0

    def costs(width: int) -> tuple[int, int]:
        return each * width + bias, (4 * in_features + 1 + 2 * out_features) * width

    width = closest_size(costs, reference, in_features, out_features, budget)
    return RBFNetwork(
        in_features, out_features, width, train_centers=train_centers, train_bandwidths=train_bandwidths, **network
    )
