"""The local control: an MLP whose activations are B-splines, one a hidden unit, for M members at once."""

__all__ = ["Initialization", "SplineMLP", "SplineUnits", "unit_costs"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from kan.engines import Engine
from kan.engines.dense import BASES, Base
from kan.grids import usable
from kan.layer import KANLayer
from kan.members import MemberArguments, passes_on, stacked_input
from kan.splines import extend_grid, fit_coefficients, uniform_grid
from mlp_baselines.affine import affine, product_flops
from mlp_baselines.mlp import MLP

if TYPE_CHECKING:
    from typing_extensions import Unpack

Initialization = Literal["relu", "silu", "gelu", "tanh", "noise"]

_POINTS = 20
"""Points of an interval at which a spline is fitted to an activation."""


class SplineUnits(KANLayer):
    """J functions of one variable each, on J features: the edges of a `KANLayer` of one output that are not summed.

    They are computed by the layer's engine, with each unit as a member of its own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, J), or (B, J) shared by all members, to (M, B, J)."""
        return self.edge_values(x).squeeze(-1)


class SplineMLP(MLP):
    r"""An MLP with an activation of its own for every hidden unit, each a B-spline and a base function.

    .. math::
        x_{l+1,j} = \phi_{l,j}(w_{l,j} \cdot x_l + b_{l,j}), \qquad
        \phi_{l,j}(z) = v_{l,j} \, b(z) + \sum_{n=0}^{K-1} c_{l,j,n} B_n(z)

    with K = G + k B-splines of order k on G intervals, and the last layer affine (learnable spline activations: Bohra
    et al., 2020, https://doi.org/10.1109/OJSP.2020.3039379, here of any order). Its functions are as local as those of
    a KAN, but in directions that it learns, not along coordinates, and there is one a unit, not one an edge: a control
    for what locality alone does.

    It begins as the `MLP` of the same generators: weights and biases are the same draws, \(v = 1\), and the splines are
    fitted on the grid to what the activation is beyond the base. With `initialization` and `base` both "silu" they are
    zero, and it is that MLP exactly and everywhere. "noise" is the start of a KAN instead, \(c \sim N(0, 0.1^2)\).

    **Outside the grid** the spline fades to zero over k intervals (see `kan.splines`), and the base is what remains.
    With base "zero" a unit is silent there: samples to which all units of a layer are silent move nothing but what
    comes after it. `outside` says how many leave. A pre-activation has no natural range: in the first layer, of inputs
    on \([-1, 1]\), it begins within \(\pm (\sqrt I + 1/\sqrt I)\), and it grows with the weights. `update_grid` moves
    each unit's grid to where its pre-activations are.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers with weights; depth 1 is an affine map, without any spline.
        grid_size: intervals G of every grid.
        spline_order: order k of every spline.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        grid_range: ends of every grid, in units of the pre-activations.
        base: b, one of "silu", "identity", "zero"; "zero" has no v at all.
        train_base_weight: whether v is trained, or stays 1.
        initialization: the activation that it begins with, "relu", "silu", "gelu" or "tanh"; or "noise".
        engine: what computes the splines, see `kan.engines`; changes nothing but time.
        arguments: `members`, `generators`, `dtype`, `device`, see `MLP`.

    Attributes:
        splines: the activations of each hidden layer, a `SplineUnits` of J inputs: `coefficients` (M, J, K, 1),
            `base_weight` (M, J, 1) or None, `knots` (M, J, G+2k+1), and a `spline_scale` of ones that is not trained.

    Raises:
        ValueError: a size below 1, an unknown name, or a grid that is empty.

    Example:
        >>> model = SplineMLP(2, 1, width=20, depth=3, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(MLP, "activation", "layer_norm", "omega")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 20,
        depth: int = 2,
        grid_size: int = 10,
        spline_order: int = 3,
        *,
        layer_sizes: Sequence[int] | None = None,
        grid_range: tuple[float, float] = (-3.0, 3.0),
        base: Base = "silu",
        train_base_weight: bool = True,
        initialization: Initialization = "silu",
        engine: Engine = "auto",
        **arguments: "Unpack[MemberArguments]",
    ) -> None:
        if initialization not in get_args(Initialization):
            names = ", ".join(get_args(Initialization))
            raise ValueError(f"initialization must be one of {names}, got {initialization!r}")
        super().__init__(
            in_features,
            out_features,
            width,
            depth,
            "silu" if initialization == "noise" else initialization,
            layer_sizes=layer_sizes,
            **arguments,
        )
        self.initialization: Initialization = initialization
        self.grid_size, self.spline_order, self.base = grid_size, spline_order, base
        self.splines = nn.ModuleList()
        for size in self.layer_sizes[1:-1]:
            units = SplineUnits(
                size,
                1,
                grid_size,
                spline_order,
                grid_range=grid_range,
                base=base,
                train_spline_scale=False,
                train_base_weight=train_base_weight,
                engine=engine,
                **arguments,
            )
            with torch.no_grad():
                if units.base_weight is not None:
                    units.base_weight.fill_(1.0)
                if initialization != "noise":
                    units.coefficients.copy_(self._fitted(grid_range))
            self.splines.append(units)

    def _fitted(self, grid_range: tuple[float, float]) -> Tensor:
        """Coefficients (K, 1) of the spline closest to what the activation is beyond the base, on the grid."""
        knots = extend_grid(uniform_grid(*grid_range, self.grid_size, dtype=torch.float64), self.spline_order)
        z = torch.linspace(*grid_range, _POINTS * (self.grid_size + self.spline_order) + 1, dtype=torch.float64)[
            :, None
        ]
        beyond = self.activate(z) - BASES[self.base](z)
        return fit_coefficients(z, beyond.unsqueeze(-1), knots.unsqueeze(0), self.spline_order).squeeze(0)

    def units(self, members: Sequence[int] | None = None) -> Sequence[SplineUnits]:
        """See `MLP.units`."""
        chosen = []
        for units in self.splines:
            assert isinstance(units, SplineUnits)
            taken = units if members is None else units.select(members)
            assert isinstance(taken, SplineUnits)
            chosen.append(taken)
        return chosen

    @torch.no_grad()
    def pre_activations(self, x: Tensor) -> list[Tensor]:
        """What enters the splines of every hidden layer at inputs (M, B, I) or (B, I): (M, B, J) each."""
        x = stacked_input(x, self.members, self.in_features, self.weights[0])
        found = []
        for units, weight, bias in zip(self.units(), self.weights, self.biases, strict=False):  # no units at the end
            found.append(affine(x, weight, bias))
            x = units(found[-1])
        return found

    def basis_values(self, x: Tensor) -> list[Tensor]:
        """The bases of each hidden layer's splines at its pre-activations, (M, B, J, K) each."""
        return [units.basis_values(z) for units, z in zip(self.units(), self.pre_activations(x), strict=True)]

    def outside(self, x: Tensor) -> Tensor:
        """The share of each hidden layer's pre-activations that lie outside their grids, (M, depth - 1), 0 to 1.

        Args:
            x: inputs of the network, (M, B, I) or (B, I).
        """
        shares = [torch.zeros(self.members, 0, dtype=torch.float64, device=self.weights[0].device)]
        for units, z in zip(self.units(), self.pre_activations(x), strict=True):
            shares.append(units.outside(z).unsqueeze(1))
        return torch.cat(shares, dim=1)

    @torch.no_grad()
    def update_grid(
        self, x: Tensor, *, grid_eps: float = 0.02, margin: float = 0.0, hidden_only: bool = False
    ) -> Tensor:
        """Moves the grid of every unit to where its pre-activations are, layer by layer; see `KANLayer.update_grid`.

        Args:
            x: samples, (M, B, I) or (B, I).
            grid_eps: 0 for the samples' quantiles to 1 for an even grid.
            margin: what is added on either side, as a part of the samples' range.
            hidden_only: changes nothing: all grids are those of hidden units, none that of an input.

        Returns:
            How far each member's predictions on the samples moved, root mean square, (M,).

        Raises:
            ValueError: no samples, or a setting out of range.
        """
        before = self(x)
        entering = stacked_input(x, self.members, self.in_features, self.weights[0])
        for units, weight, bias in zip(self.units(), self.weights, self.biases, strict=False):  # no units at the end
            z = affine(entering, weight, bias)
            units.update_grid(usable(units, z), grid_eps=grid_eps, margin=margin)
            entering = units(z)
        return (self(x) - before).double().square().mean(dim=(1, 2)).sqrt()

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward.

        Products as in `MLP`, units as the edges of a `KANLayer`.
        """
        return product_flops(self.layer_sizes) + sum(units.flops() for units in self.units())

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {
            "family": "spline MLP",
            "layer_sizes": list(self.layer_sizes),
            "depth": self.depth,
            "grid_size": self.grid_size,
            "spline_order": self.spline_order,
            "base": self.base,
            "initialization": self.initialization,
        }

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = " → ".join(map(str, self.layer_sizes))
        return f"{sizes}, grid_size={self.grid_size}, base={self.base}, members={self.members}"


def unit_costs(grid_size: int, spline_order: int, base: Base, train_base_weight: bool) -> tuple[int, int]:
    """Trained parameters and FLOPs of the activation of one hidden unit.

    Example:
        >>> unit_costs(10, 3, "silu", True)
        (14, 47)
    """
    unit = SplineMLP(
        1,
        1,
        1,
        2,
        grid_size,
        spline_order,
        base=base,
        train_base_weight=train_base_weight,
        generators=[Generator()],
    ).units()[0]
    return sum(p.numel() for p in unit.parameters() if p.requires_grad), unit.flops()
