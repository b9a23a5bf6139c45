"""The Kolmogorov-Arnold layer: one learnable function of one variable on every edge, for M members at once.

In one file: the layer as it is built, computed and described.
"""

__all__ = ["Initialization", "KANLayer", "SplineArguments"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from kan.engines import Engine, choose_engine, spline_sum
from kan.engines.dense import BASES, Base
from kan.engines.local.plan import Shape, Tensors
from kan.engines.local.shapes import network_shape
from kan.grids import GridLayer
from kan.members import MemberArguments, draw_normal, draw_uniform, member_generators, stacked_input
from kan.splines import extend_grid, fit_coefficients, local_basis, uniform_grid

Initialization = Literal["paper", "pykan"]


class SplineArguments(MemberArguments, total=False):
    """What networks hand to their `KANLayer`s, which says what it means."""

    grid_range: tuple[float, float]
    base: Base
    train_coefficients: bool
    train_spline_scale: bool
    train_base_weight: bool
    initialization: Initialization
    noise_scale: float
    engine: Engine


class KANLayer(GridLayer):
    r"""Sums learnable univariate functions of the inputs (Liu et al., 2024, https://arxiv.org/abs/2404.19756).

    .. math::
        y_o = \sum_i \phi_{i,o}(x_i), \qquad
        \phi_{i,o}(x) = w^b_{i,o} \, b(x) + w^s_{i,o} \sum_{n=0}^{K-1} c_{i,n,o} B_{i,n}(x)

    with K = G + k B-splines of order k on G intervals (see `kan.splines`, also for inputs outside the grid). All
    edges of an input share its bases; the whole layer is one call of `kan.engines.spline_sum`, and nothing of shape
    (B, O, I) is made.

    Initialisation "paper": \(w^b\) Xavier uniform, \(w^s = 1\), \(c \sim N(0, 0.1^2)\). "pykan", as in its code:
    noise \(\nu (U(0,1) - \frac12) / G\) at the G + 1 grid points, interpolated by the coefficients of least norm;
    \(w^b = U(-1,1) / \sqrt I\); \(w^s = 1 / \sqrt I\).

    Args:
        in_features: input features I.
        out_features: output features O.
        grid_size: intervals G ≥ 1 of the grid.
        spline_order: order (degree) k ≥ 1 of the splines.
        grid_range: ends of the grid, in units of the inputs.
        grid: grid points instead of an even grid over `grid_range`, strictly increasing, shape (G+1,), (I, G+1) or
            (M, I, G+1); sets G.
        base: b, one of "silu", "identity", "zero"; "zero" has no \(w^b\) at all.
        train_coefficients: whether c is trained, or stays as drawn.
        train_spline_scale: whether \(w^s\) is trained, or stays as set.
        train_base_weight: whether \(w^b\) is trained, or stays as drawn.
        initialization: "paper" or "pykan".
        noise_scale: \(\nu\), used by "pykan" only.
        engine: what computes the splines, "auto", "dense", "local" or "triton", see `kan.engines`; changes nothing but
            time.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Attributes:
        coefficients: c, shape (M, I, K, O).
        spline_scale: \(w^s\), shape (M, I, O).
        base_weight: \(w^b\), shape (M, I, O), or None.
        knots: shape (M, I, G+2k+1).

    Raises:
        ValueError: a size below 1, an unknown name, or a grid that does not increase or has a wrong shape.

    Example:
        >>> layer = KANLayer(2, 5, grid_size=10, members=3)
        >>> layer(torch.rand(7, 2)).shape
        torch.Size([3, 7, 5])
    """

    AXES: ClassVar[Mapping[str, str]] = {
        **GridLayer.AXES,
        "coefficients": "MIKO",
        "spline_scale": "MIO",
        "base_weight": "MIO",
        "knots": "MIN",
    }

    base_weight: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 5,
        spline_order: int = 3,
        *,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        grid: Tensor | None = None,
        base: Base = "silu",
        train_coefficients: bool = True,
        train_spline_scale: bool = True,
        train_base_weight: bool = True,
        initialization: Initialization = "paper",
        noise_scale: float = 0.3,
        engine: Engine = "auto",
        members: int = 1,
        generators: Sequence[Generator] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(in_features, out_features, members)
        if base not in BASES:
            raise ValueError(f"base must be one of {', '.join(BASES)}, got {base!r}")
        if engine not in get_args(Engine):
            raise ValueError(f"engine must be one of {', '.join(get_args(Engine))}, got {engine!r}")
        if initialization not in ("paper", "pykan"):
            raise ValueError(f"initialization must be paper or pykan, got {initialization!r}")
        if not 0.0 <= noise_scale < math.inf:
            raise ValueError(f"noise_scale must be finite and not negative, got {noise_scale}")
        draws = member_generators(members, generators)
        dtype = dtype or torch.get_default_dtype()
        if grid is None:
            grid = uniform_grid(*grid_range, grid_size, dtype=torch.float64)
        if grid.shape[:-1] not in ((), (in_features,), (members, in_features)):
            raise ValueError(
                f"grid must have shape (G+1,), ({in_features}, G+1) or ({members}, {in_features}, G+1), "
                f"got {tuple(grid.shape)}"
            )
        self.spline_order = spline_order
        self.base: Base = base
        self.engine: Engine = engine
        knots = extend_grid(grid.double(), spline_order).expand(members, in_features, -1).contiguous()
        self.register_buffer("knots", knots.to(dtype=dtype, device=device, copy=True))
        self.refresh()

        edges = (in_features, out_features)
        bases = (in_features, self.grid_size + spline_order, out_features)
        root = in_features**-0.5
        if initialization == "paper":
            coefficients = draw_normal(bases, 0.1, draws)
            spline_scale = torch.ones(members, *edges, dtype=torch.float64)
            base_weight = draw_uniform(edges, (6.0 / (in_features + out_features)) ** 0.5, draws)
        else:
            points = knots[..., spline_order : knots.shape[-1] - spline_order].transpose(-1, -2)
            noise = draw_uniform((*points.shape[1:], out_features), 0.5 * noise_scale / self.grid_size, draws)
            coefficients = fit_coefficients(points, noise, knots, spline_order)
            spline_scale = torch.full((members, *edges), root, dtype=torch.float64)
            base_weight = draw_uniform(edges, root, draws)

        def parameter(values: Tensor, trained: bool) -> nn.Parameter:
            return nn.Parameter(values.to(dtype=dtype, device=device), requires_grad=trained)

        self.coefficients = parameter(coefficients, train_coefficients)
        self.spline_scale = parameter(spline_scale, train_spline_scale)
        self.base_weight = None if base == "zero" else parameter(base_weight, train_base_weight)

    def refresh(self) -> None:
        """See `GridLayer.refresh`; the engine is asked for too, so that a tracer finds that question answered."""
        super().refresh()
        if self.engine == "auto" and not self.knots.is_meta:
            choose_engine(self.knots)

    def learned(self, x: Tensor, gate: Tensor | None) -> Tensor:
        """The sum of base functions and splines, each times its entry of the gate (M, I, O): (M, B, I) to (M, B, O)."""
        return self._sum(x, self.knots, self.coefficients, *self._gated(gate))

    def edge_values(self, x: Tensor) -> Tensor:
        """See `EdgeLayer.edge_values`; by the same engine as the layer, which is faster than by features."""
        x = stacked_input(x, self.members, self.in_features, self.like())

        def alone(tensor: Tensor) -> Tensor:
            return tensor.flatten(0, 1).unsqueeze(1)  # each input a member of its own: (M, I, *) to (M·I, 1, *)

        scale, base_weight = self._gated(self.gate())
        values = self._sum(
            x.transpose(1, 2).flatten(0, 1).unsqueeze(-1),
            alone(self.knots),
            alone(self.coefficients),
            alone(scale),
            None if base_weight is None else alone(base_weight),
        )
        values = values.unflatten(0, (self.members, self.in_features)).transpose(1, 2)
        return values if self.symbolic is None else values + self.symbolic.edge_values(x, self.mask)

    def compiled(self) -> tuple[Shape, Tensors] | None:
        """See `EdgeLayer.compiled`: cubic splines, with all edges alive and learnable."""
        own, kept = self._parameters, self._buffers
        coefficients, scale, weight = (own.get(name) for name in ("coefficients", "spline_scale", "base_weight"))
        if coefficients is None or scale is None or (weight is None and self.base != "zero"):
            return None
        if kept["mask"] is not None or self.symbolic is not None:
            return None
        if self.engine not in ("auto", "local") or type(self).learned is not KANLayer.learned:
            return None
        _, inputs, count, outputs = coefficients.shape
        shape = network_shape(inputs, outputs, count, self.spline_order, self.uniform, self.base)
        return None if shape is None else (shape, (kept["knots"], coefficients, scale, weight))

    def _gated(self, gate: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Spline scales and base weights, times the gate (M, I, O) if there is one."""
        scale: Tensor = self.spline_scale
        base_weight: Tensor | None = self.base_weight
        if gate is not None:
            scale = scale * gate
            base_weight = None if base_weight is None else base_weight * gate
        return scale, base_weight

    def _sum(self, x: Tensor, knots: Tensor, coefficients: Tensor, scale: Tensor, base_weight: Tensor | None) -> Tensor:
        return spline_sum(
            x,
            knots,
            coefficients,
            self.spline_order,
            uniform=self.uniform,
            scale=scale,
            base=self.base,
            base_weight=base_weight,
            engine=self.engine,
        )

    def edge_features(self, x: Tensor) -> Tensor:
        """The K basis functions, and the base function last if there is one: (M, B, I, K) or (M, B, I, K+1)."""
        features = self.basis(x)
        if self.base_weight is None:
            return features
        return torch.cat([features, BASES[self.base](x).unsqueeze(-1)], dim=-1)

    @property
    def local_width(self) -> int:  # type: ignore[override]
        """See `EdgeLayer`: k + 1."""
        return self.spline_order + 1

    def live_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `EdgeLayer.live_features`."""
        return local_basis(x, self.knots, self.spline_order, uniform=self.uniform)

    def other_features(self, x: Tensor) -> Tensor:
        """See `EdgeLayer.other_features`: the base function, if there is one."""
        return x.new_empty((*x.shape, 0)) if self.base_weight is None else BASES[self.base](x).unsqueeze(-1)

    def edge_weights(self) -> Tensor:
        """Scaled coefficients, and base weights last if there are any: (M, I, K, O) or (M, I, K+1, O)."""
        weights = self.coefficients * self.spline_scale.unsqueeze(2)
        if self.base_weight is not None:
            weights = torch.cat([weights, self.base_weight.unsqueeze(2)], dim=2)
        gate = self.gate()
        return weights if gate is None else weights * gate.unsqueeze(2)

    @torch.no_grad()
    def constants(self) -> Tensor:
        """See `EdgeLayer.constants`: the bases sum to one on the grid, so it is one over the scale for each of them."""
        scale = self.spline_scale.unsqueeze(2).expand_as(self.coefficients)
        return torch.where(scale != 0.0, 1.0 / scale, 0.0)

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward, when only live bases are touched.

        Per edge a multiplication and an addition for each of the k + 1 live bases and for the base function; per
        input six operations in each of the k (k + 1) / 2 steps of the recursion, and one for b.
        """
        k, edges = self.spline_order, self.in_features * self.out_features
        with_base = 0 if self.base_weight is None else 1
        return 2 * edges * (k + 1 + with_base) + self.in_features * (3 * k * (k + 1) + with_base)

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        return (
            f"{self.in_features} → {self.out_features}, grid_size={self.grid_size}, "
            f"spline_order={self.spline_order}, base={self.base}, members={self.members}"
        )
