"""Tensor products of B-splines: the ceiling of locality, in as many inputs as memory allows."""

__all__ = ["MOST_INPUTS", "TensorSpline", "matched_tensor_spline"]

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.members import MemberArguments, passes_on, stacked_input
from kan.splines import basis, extend_grid, is_uniform, local_basis, uniform_grid
from mlp_baselines.features import FeatureModel, check_memory, outer, outer_flops, shown_bytes
from mlp_baselines.matching import Budget, Reference, closest_size

if TYPE_CHECKING:
    from typing_extensions import Unpack

MOST_INPUTS = 4
"""Inputs, at most: the number of coefficients is a power of them."""


class TensorSpline(FeatureModel):
    r"""A spline in all inputs at once.

    .. math::
        f(x) = \sum_{i_1 \dots i_I} c_{i_1 \dots i_I} \, B_{i_1}(x_1) \cdots B_{i_I}(x_I)

    \(K = G + k\) B-splines of order k on G intervals an input (see `kan.splines`), and one coefficient for each of
    their \(K^I\) products: de Boor, A Practical Guide to Splines (1978), chapter XVII. In one input it is a KAN of one
    layer whose base is zero.

    **Locality: compact, in all directions.** A sample reaches the \((k+1)^I\) coefficients of the box of k + 1
    intervals an input around it; the gradient of all others is exactly zero, so what is learned in a box that is
    farther away than that is not touched: it forgets nothing there, whatever the number of inputs. An additive model,
    such as a KAN of one layer, has that only where tasks are apart on every axis. The price is the number of
    coefficients, and that between samples more than a box apart nothing is learned. Outside of the grid the function
    fades to zero over k intervals.

    Args:
        in_features: input features I, at most `MOST_INPUTS`.
        out_features: output features O.
        grid_size: intervals G of every input's grid.
        spline_order: order k of every input's splines.
        grid_range: ends of every grid, in units of the inputs.
        noise_scale: standard deviation of the initial coefficients, which are Gaussian with mean 0.
        arguments: `members`, `generators`, `dtype`, `device`, see `FeatureModel`.

    Attributes:
        weights: c, shape (M, K^I, O), those of the last input side by side.
        knots: shape (M, I, G+2k+1), not trained.

    Raises:
        ValueError: a size below 1, an empty grid or one that the dtype can't tell apart; too many inputs, or more
            coefficients than there is memory for: with the memory that they would take, before any of it is taken.

    Example:
        >>> model = TensorSpline(2, 1, grid_size=10, members=10)
        >>> model(torch.rand(100, 2)).shape, model.weights.shape
        (torch.Size([10, 100, 1]), torch.Size([10, 169, 1]))
    """

    knots: Tensor

    @passes_on(FeatureModel, "count", "bias")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 10,
        spline_order: int = 3,
        *,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        noise_scale: float = 0.1,
        **arguments: "Unpack[MemberArguments]",
    ) -> None:
        if min(in_features, out_features, grid_size, spline_order) >= 1:
            _check_size(in_features, out_features, grid_size, spline_order, arguments)
        knots = extend_grid(uniform_grid(*grid_range, grid_size, dtype=torch.float64), spline_order)
        dtype = arguments.get("dtype") or torch.get_default_dtype()
        if not bool((knots.to(dtype).diff() > 0).all()):
            raise ValueError(
                f"{dtype} can't tell knots so close apart; take a smaller grid_size, a wider grid_range or float64"
            )
        count = (grid_size + spline_order) ** in_features
        super().__init__(in_features, out_features, count, noise_scale=noise_scale, **arguments)
        self.grid_size, self.spline_order = grid_size, spline_order
        self.register_buffer("knots", knots.to(self.weights).expand(self.members, in_features, -1).contiguous())
        self.uniform = is_uniform(self.knots)

    @property
    def input_range(self) -> tuple[float, float]:
        """The interval of every input that the grid covers."""
        k = self.spline_order
        return float(self.knots[0, 0, k]), float(self.knots[0, 0, -1 - k])

    def features(self, x: Tensor, chosen: Any = slice(None)) -> Tensor:
        """All products of B-splines, of which at most (k+1)^I are not zero: (M', B, I) to (M', B, K^I)."""
        return outer(basis(x, self.knots[chosen], self.spline_order, uniform=self.uniform))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O); makes the products that are not zero only."""
        x = stacked_input(x, self.members, self.in_features, self.weights)
        values, first = local_basis(x, self.knots, self.spline_order, uniform=self.uniform)
        count = self.grid_size + self.spline_order
        # where there is no such B-spline its value is zero, and any coefficient will do
        each = (first.unsqueeze(-1) + torch.arange(values.shape[-1], device=x.device)).clamp(0, count - 1)
        places = each[..., 0, :]
        for index in range(1, self.in_features):
            places = (count * places.unsqueeze(-1) + each[..., index, None, :]).flatten(-2)
        wanted = places.flatten(1).unsqueeze(-1).expand(-1, -1, self.out_features)
        near = self.weights.gather(1, wanted).unflatten(1, places.shape[1:])
        return (near * outer(values).unsqueeze(-1)).sum(dim=2)

    def feature_flops(self) -> int:
        """Those of k + 1 B-splines an input, as in `kan.KANLayer`, and of their products."""
        return _spline_flops(self.in_features, self.spline_order)

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward.

        The products that are not zero, see `feature_flops`, and a multiplication and an addition for each of their
        coefficients.
        """
        return self.feature_flops() + 2 * (self.spline_order + 1) ** self.in_features * self.out_features

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {
            "family": "tensor-product spline",
            "layer_sizes": [self.in_features, self.out_features],
            "depth": 1,
            "grid_size": self.grid_size,
            "spline_order": self.spline_order,
        }

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = f"{self.in_features} → {self.out_features}, grid_size={self.grid_size}"
        return f"{sizes}, spline_order={self.spline_order}, members={self.members}"


def _check_size(inputs: int, outputs: int, grid_size: int, order: int, arguments: MemberArguments) -> None:
    """Refuses too many inputs or coefficients, with the memory that they would take."""
    members, dtype = arguments.get("members", 1), arguments.get("dtype") or torch.get_default_dtype()
    each = grid_size + order
    what = f"a tensor-product spline of {inputs} inputs with {each} coefficients each, {each}^{inputs} an output,"
    check_memory(what, each**inputs * outputs, members, dtype, "take a smaller grid_size, or fewer inputs")
    if inputs > MOST_INPUTS:
        size = shown_bytes(each**inputs * outputs * members * dtype.itemsize)
        raise ValueError(f"{what} would take {size}; it is offered for at most {MOST_INPUTS} inputs")


def _spline_flops(inputs: int, order: int) -> int:
    return 3 * order * (order + 1) * inputs + outer_flops(order + 1, inputs)


@passes_on(TensorSpline, "grid_size")
def matched_tensor_spline(
    in_features: int,
    out_features: int,
    reference: Reference,
    spline_order: int = 3,
    *,
    budget: Budget = "parameters",
    **spline: Any,
) -> TensorSpline:
    """A `TensorSpline` with the number of intervals that comes closest to the reference's parameters.

    Its FLOPs do not depend on the number of intervals, so they can't be matched.

    Args:
        in_features: input features I.
        out_features: output features O.
        reference: see `matched_mlp`.
        spline_order: see `TensorSpline`.
        budget: "parameters".
        spline: what else `TensorSpline` takes.

    Raises:
        ValueError: another budget, or what `TensorSpline` raises.
    """
    if budget == "flops":
        raise ValueError(
            "budget=flops can't be matched by a tensor-product spline, whose FLOPs are the same for any grid_size; "
            "take budget=parameters"
        )

    def costs(grid_size: int) -> tuple[int, int]:
        return (grid_size + spline_order) ** in_features * out_features, 0

    size = closest_size(costs, reference, in_features, out_features, budget)
    return TensorSpline(in_features, out_features, size, spline_order, **spline)
