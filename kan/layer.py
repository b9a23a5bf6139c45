"""The Kolmogorov-Arnold layer: one learnable function of one variable on every edge, for M members at once."""

__all__ = ["EXTENSION", "Initialization", "KANLayer"]

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from kan.edges import EdgeLayer, replace_tensor
from kan.engines import Engine, choose_engine, spline_sum
from kan.grids import insert_knots, is_nested, refined_grid, refit, sample_grid, stretched, widened
from kan.members import draw_normal, draw_uniform, member_generators, stacked_input
from kan.reference import BASES, Base
from kan.splines import basis, extend_grid, fit_coefficients, is_uniform, uniform_grid, uniform_polynomials

EXTENSION = 1000
"""Most intervals that a domain extension adds on either side."""

Initialization = Literal["paper", "pykan"]


class KANLayer(EdgeLayer):
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
        **EdgeLayer.AXES,
        "coefficients": "MIKO",
        "spline_scale": "MIO",
        "base_weight": "MIO",
        "knots": "MIN",
    }

    base_weight: nn.Parameter | None
    knots: Tensor

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

    @property
    def grid_size(self) -> int:
        """Intervals G of the grid."""
        return self.knots.shape[-1] - 2 * self.spline_order - 1

    @property
    def grid_range(self) -> tuple[float, float]:
        """The interval that lies in the grid of every input and member."""
        low, high = self.input_window()
        return float(low.max()), float(high.min())

    def refresh(self) -> None:
        """Takes note of the knots after they were changed, or became others by a conversion.

        Raises:
            ValueError: knots that the dtype can't tell apart.
        """
        if self.knots.is_meta:  # shapes only
            self.uniform = False
            return
        _check_apart(self.knots)
        self.uniform = is_uniform(self.knots)
        if self.uniform:
            uniform_polynomials(self.spline_order, 0, self.knots.dtype, self.knots.device)
        if self.engine == "auto":
            choose_engine(self.knots)  # like the polynomials here already, so that a tracer finds the question answered

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "KANLayer":
        without_values = self.knots.is_meta
        super()._apply(fn, recurse)
        if without_values:  # `to_empty`: there are none before they are loaded
            self.uniform = False
        else:
            self.refresh()
        return self

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.refresh()

    def select(self, members: Sequence[int], inputs: Tensor | None = None, outputs: Tensor | None = None) -> "KANLayer":
        """See `EdgeLayer.select`."""
        chosen = super().select(members, inputs, outputs)
        assert isinstance(chosen, KANLayer)
        chosen.refresh()
        return chosen

    def basis(self, x: Tensor, derivative: int = 0) -> Tensor:
        """Basis functions, or their derivatives, at (M, B, I) inputs: (M, B, I, K)."""
        return basis(x, self.knots, self.spline_order, derivative, self.uniform)

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

    def input_window(self) -> tuple[Tensor, Tensor]:
        """Ends of the grid of every input, (M, I) each."""
        return self.knots[..., self.spline_order], self.knots[..., -1 - self.spline_order]

    @torch.no_grad()
    def update_grid(self, x: Tensor, *, grid_eps: float = 0.02, margin: float = 0.0) -> None:
        """Moves the grid to where the samples are, and refits the coefficients; see `kan.grids`.

        Args:
            x: samples, (M, B, I) or (B, I).
            grid_eps: 0 for the samples' quantiles to 1 for an even grid.
            margin: what is added on either side, as a part of the samples' range.

        Raises:
            ValueError: no samples, samples that are not finite, or a setting out of range.
        """
        x = stacked_input(x, self.members, self.in_features, self.like())
        k = self.spline_order
        knots = sample_grid(x, self.knots, k, self.grid_size, grid_eps=grid_eps, margin=margin)
        self._move(refit(self.coefficients, self.knots, knots, k, x), knots)

    @torch.no_grad()
    def refine(self, grid_size: int, x: Tensor | None = None) -> None:
        """Divides the grid into more intervals: the grid extension of the KAN paper; see `kan.grids`.

        Exact on the grid if `grid_size` is a multiple of the present one and no sample lies outside. Otherwise the
        closest spline: without samples to the function on the whole grid, whose ends stay; with samples to the function
        on these first, and the grid reaches out to those that lie outside.

        Args:
            grid_size: intervals to have.
            x: samples, (M, B, I) or (B, I).

        Raises:
            ValueError: fewer intervals than there are, or samples that are not finite.
        """
        k = self.spline_order
        knots = refined_grid(self.knots, k, grid_size)
        if x is not None:
            x = stacked_input(x, self.members, self.in_features, self.like())
            if x.shape[1] == 0:
                raise ValueError("a grid can be refined on at least one sample, got none")
            if not bool(x.isfinite().all()):
                raise ValueError("a grid can be refined on finite samples only, got NaN or inf")
            knots = stretched(knots, k, x)
        nested = is_nested(self.knots, knots, k)
        coefficients = insert_knots(self.coefficients, self.knots, knots, k)
        if not bool(nested.all()):
            closest = refit(self.coefficients, self.knots, knots, k, x)
            coefficients = torch.where(nested[..., None, None], coefficients, closest)
        self._move(coefficients, knots)

    @torch.no_grad()
    def extend_domain(self, x: Tensor, *, margin: float = 0.0, limit: int = EXTENSION) -> int:
        """Adds intervals outside the grid until it covers the samples; the function stays what it was everywhere.

        All inputs and members get as many as the one that needs most; the new coefficients are zero.

        Args:
            x: samples, (M, B, I) or (B, I).
            margin: how far beyond the samples the grid shall reach, in units of the inputs.
            limit: most intervals to add on either side: memory grows with them, for all members.

        Returns:
            Intervals added.

        Raises:
            ValueError: no samples, samples that are not finite or farther off than `limit`, or a negative margin.
        """
        x = stacked_input(x, self.members, self.in_features, self.like()).double()
        if x.shape[1] == 0:
            raise ValueError("the domain can be extended to at least one sample, got none")
        if not 0.0 <= margin < float("inf"):
            raise ValueError(f"margin must be at least 0, got {margin}")
        if not bool(x.isfinite().all()):
            raise ValueError("the domain can be extended to finite inputs only, got NaN or inf")
        below, above = self.intervals_missing(x, margin)
        most = max(float(below.max()), float(above.max()))
        if most > limit:
            raise ValueError(
                f"the samples lie {most:.3g} intervals outside the grid, and at most {limit} are added at a time; use "
                "wider intervals, or samples of a smaller range"
            )
        slack = 1e-6  # of an interval: an end of the grid may be off by rounding
        left, right = (max(math.ceil(float(need.max()) - slack), 0) for need in (below, above))
        if left or right:
            padded = torch.nn.functional.pad(self.coefficients, (0, 0, left, right))
            self._move(padded, widened(self.knots, left, right))
        return left + right

    def intervals_missing(self, x: Tensor, margin: float = 0.0) -> tuple[Tensor, Tensor]:
        """How many intervals the grid lacks below and above to cover finite samples (M, B, I): (M, I) each."""
        low, high = (end.double() for end in self.input_window())
        knots, x = self.knots.double(), x.double()
        below = (low - x.amin(dim=1) + margin) / (knots[..., 1] - knots[..., 0])
        above = (x.amax(dim=1) + margin - high) / (knots[..., -1] - knots[..., -2])
        return below, above

    def _move(self, coefficients: Tensor, knots: Tensor) -> None:
        """Takes on other knots, in place as long as there are as many."""
        _check_apart(knots)
        if coefficients.shape == self.coefficients.shape:
            self.coefficients.copy_(coefficients)
            self.knots.copy_(knots)
        else:
            replace_tensor(self, "coefficients", coefficients)
            replace_tensor(self, "knots", knots)
        self.refresh()

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


def _check_apart(knots: Tensor) -> None:
    """Refuses knots that are the same in their dtype, or not numbers: no spline is left between them."""
    if not bool((knots.diff(dim=-1) > 0).all()):
        raise ValueError(
            f"{knots.dtype} can't tell knots so close apart: use float64, fewer intervals, or a grid around zero"
        )
