"""A layer whose edges are splines on grids of its own: where these stand, and how they move, get finer and grow.

In one file: all that may be done to a grid, and what the layer keeps of it.
"""

__all__ = ["EXTENSION", "GridLayer", "usable"]

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer, replace_tensor
from kan.grids.coefficients import insert_knots, refit
from kan.grids.division import divided, parts_of
from kan.grids.knots import is_nested, refined_grid, sample_grid, stretched, widened
from kan.members import stacked_input
from kan.splines import basis, is_uniform, uniform_polynomials

EXTENSION = 1000
"""Most intervals that a domain extension adds on either side."""


class GridLayer(EdgeLayer):
    """Edges with splines on a grid for every input of every member; `kan.layer.KANLayer` says what they sum to.

    Attributes:
        coefficients: c, shape (M, I, K, O).
        spline_scale: what every spline is multiplied with, shape (M, I, O).
        knots: shape (M, I, G+2k+1).
        spline_order: order k.
        uniform: whether all knots are evenly spaced, see `kan.splines.is_uniform`; kept by `refresh`.
    """

    coefficients: nn.Parameter
    spline_scale: nn.Parameter
    knots: Tensor
    spline_order: int
    uniform: bool

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
        if self.uniform:  # here already, so that a tracer finds the question answered
            uniform_polynomials(self.spline_order, 0, self.knots.dtype, self.knots.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "GridLayer":
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

    def select(
        self, members: Sequence[int], inputs: Tensor | None = None, outputs: Tensor | None = None
    ) -> "GridLayer":
        """See `EdgeLayer.select`."""
        chosen = super().select(members, inputs, outputs)
        assert isinstance(chosen, GridLayer)
        chosen.refresh()
        return chosen

    def basis(self, x: Tensor, derivative: int = 0) -> Tensor:
        """Basis functions, or their derivatives, at (M, B, I) inputs: (M, B, I, K)."""
        return basis(x, self.knots, self.spline_order, derivative, self.uniform)

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
    def divide(self, x: Tensor, width: float, *, limit: int = EXTENSION) -> int:
        """Divides the intervals that samples lie in until none of these is wider; the splines stay what they were.

        Args:
            x: samples, (M, B, I) or (B, I).
            width: of an interval at most, in units of the inputs.
            limit: most intervals to add: memory grows with them, for all inputs and members.

        Returns:
            Intervals added, for all inputs and members as many, see `kan.grids.division`.

        Raises:
            ValueError: a width that is not positive, samples that are not finite, or more than `limit` intervals.
        """
        x = stacked_input(x, self.members, self.in_features, self.like())
        if not 0.0 < width < math.inf:
            raise ValueError(f"width must be positive and finite, got {width}")
        if not bool(x.isfinite().all()):
            raise ValueError("intervals can be divided at finite inputs only, got NaN or inf")
        parts = parts_of(self.knots, self.spline_order, x, width)
        added = int((parts - 1).sum(dim=-1).max())
        if added > limit:
            raise ValueError(f"a width of {width:g} takes {added} intervals more, and at most {limit} are added")
        if added:
            self._move(*divided(self.coefficients, self.knots, self.spline_order, parts))
        return added

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


def usable(layer: GridLayer, inputs: Tensor, margin: float | None = None) -> Tensor:
    """What enters a hidden layer, without what members that diverged make of the samples.

    Theirs are replaced by points of their own grid, which changes nothing for them: a seed that is lost must not stop
    the others, nor fill the memory of all.

    Args:
        layer: the layer.
        inputs: what enters it, (M, B, I).
        margin: of a domain extension that shall follow; None where none does.
    """
    large = torch.finfo(inputs.dtype).max ** 0.5
    usable = (inputs.abs() < large).flatten(1).all(dim=1)  # false for NaN too
    if margin is not None:
        clean = torch.where(usable[:, None, None], inputs, 0.0)
        below, above = layer.intervals_missing(clean, margin)
        usable &= (torch.maximum(below, above) <= EXTENSION).all(dim=1)
    if bool(usable.all()):
        return inputs
    low, high = (end.unsqueeze(1) for end in layer.input_window())
    places = torch.linspace(0.0, 1.0, inputs.shape[1] + 2, dtype=inputs.dtype, device=inputs.device)[1:-1, None]
    return torch.where(usable[:, None, None], inputs, low + (high - low) * places)


def _check_apart(knots: Tensor) -> None:
    """Refuses knots that are the same in their dtype, or not numbers: no spline is left between them."""
    if not bool((knots.diff(dim=-1) > 0).all()):
        raise ValueError(
            f"{knots.dtype} can't tell knots so close apart: use float64, fewer intervals, or a grid around zero"
        )
