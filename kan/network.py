"""The Kolmogorov-Arnold network: layers in a row."""

__all__ = ["KAN"]

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.grids import roughness, usable
from kan.layer import KANLayer, SplineArguments
from kan.members import layer_sizes as sizes_from
from kan.members import passes_on, stacked_input

if TYPE_CHECKING:
    from typing_extensions import Unpack


class KAN(EdgeNetwork):
    r"""Composes `KANLayer`s, \(\mathrm{KAN}(x) = (\Phi_{L-1} \circ \dots \circ \Phi_0)(x)\).

    Liu et al., KAN: Kolmogorov-Arnold Networks (2024), https://arxiv.org/abs/2404.19756, equation 2.7. Holds M
    independent members side by side; what one computes does not depend on the others.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers; depth 1 is a single `KANLayer`, the [I, O] network of the paper.
        grid_size: intervals G of every grid.
        spline_order: order k of every spline.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        layer: what else every `KANLayer` takes: `grid_range`, `base`, `train_coefficients`, `train_spline_scale`,
            `train_base_weight`, `initialization`, `noise_scale`, `engine`, `members`, `generators`, `dtype`, `device`.

    Raises:
        ValueError: see `KANLayer`; also a depth or width below 1.

    Example:
        >>> model = KAN(2, 1, width=5, depth=2, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    @passes_on(KANLayer, "grid")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 5,
        depth: int = 2,
        grid_size: int = 5,
        spline_order: int = 3,
        *,
        layer_sizes: Sequence[int] | None = None,
        **layer: "Unpack[SplineArguments]",
    ) -> None:
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        super().__init__([KANLayer(i, o, grid_size, spline_order, **layer) for i, o in pairwise(sizes)])

    def layer(self, index: int) -> KANLayer:
        """One layer, counted from 0."""
        layer = super().layer(index)
        assert isinstance(layer, KANLayer)
        return layer

    @property
    def input_range(self) -> tuple[float, float]:
        """The interval that the grid of every input covers."""
        return self.layer(0).grid_range

    @property
    def grid_size(self) -> int:
        """Intervals G of the finest grid."""
        return max(self.layer(index).grid_size for index in range(self.depth))

    def roughness(self) -> list[tuple[Tensor, Tensor]]:
        """Rows that say how far all splines are from polynomials; see `kan.grids.roughness`."""
        return roughness([self.layer(index) for index in range(self.depth)])

    @torch.no_grad()
    def update_grid(
        self, x: Tensor, *, grid_eps: float = 0.02, margin: float = 0.0, hidden_only: bool = False
    ) -> Tensor:
        """Moves the grid of every layer to where its inputs are, in one pass; see `KANLayer.update_grid`.

        Args:
            x: samples, (M, B, I) or (B, I).
            grid_eps: 0 for the samples' quantiles to 1 for an even grid.
            margin: what is added on either side, as a part of the samples' range.
            hidden_only: whether the grids of the first layer stay, as they should where the domain is known: there may
                be inputs beyond the samples, and the spline fades outside its grid.

        Returns:
            How far each member's predictions on the samples moved, root mean square, (M,).
        """

        def change(layer: KANLayer, inputs: Tensor) -> None:
            if not (hidden_only and layer is self.layer(0)):
                layer.update_grid(inputs, grid_eps=grid_eps, margin=margin)

        return self._adapt(x, change)

    @torch.no_grad()
    def refine(self, grid_size: int, x: Tensor, *, on_samples: bool = False) -> Tensor:
        """Divides the grid of every layer into more intervals; see `KANLayer.refine`.

        Layers that have as many or more, since their domain was extended, stay as they are.

        Args:
            grid_size: intervals to have.
            x: samples, (M, B, I) or (B, I), on which the change is measured.
            on_samples: whether the grids reach out to samples outside, and a refinement that can't be exact keeps the
                function on the samples first; otherwise grids keep their ends, and the function counts alike on all of
                them.

        Returns:
            How far each member's predictions on the samples moved, root mean square, (M,).
        """

        def change(layer: KANLayer, inputs: Tensor) -> None:
            if layer.grid_size < grid_size:
                layer.refine(grid_size, inputs if on_samples else None)

        return self._adapt(x, change)

    @torch.no_grad()
    def extend_domain(self, x: Tensor, *, margin: float = 0.0) -> int:
        """Adds intervals to the grids that samples leave; see `KANLayer.extend_domain`.

        A member whose hidden values are not finite, or too far off, is left out and its grids stay.

        Returns:
            Intervals added, over all layers.
        """
        added = 0
        inputs = stacked_input(x, self.members, self.in_features, self.like())
        for index in range(self.depth):
            layer = self.layer(index)
            if index:
                inputs = usable(layer, inputs, margin)
            added += layer.extend_domain(inputs, margin=margin)
            inputs = layer(inputs)
        return added

    @torch.no_grad()
    def divide(self, x: Tensor, width: float) -> int:
        """Divides the intervals of all layers that their inputs lie in; see `KANLayer.divide`.

        Returns:
            Intervals added, over all layers.
        """
        added = 0

        def change(layer: KANLayer, inputs: Tensor) -> None:
            nonlocal added
            added += layer.divide(inputs, width)

        self._adapt(x, change)
        return added

    def _adapt(self, x: Tensor, change: Callable[[KANLayer, Tensor], None]) -> Tensor:
        """Changes layer after layer, each on what the changed ones before it make of the samples."""
        before = self(x)
        inputs = stacked_input(x, self.members, self.in_features, self.like())
        if inputs.shape[1] == 0:
            raise ValueError("grids can be changed with at least one sample, got none")
        for index in range(self.depth):
            layer = self.layer(index)
            if index:
                inputs = usable(layer, inputs)
            try:
                change(layer, inputs)
            except ValueError as error:
                raise ValueError(f"layer {index}: {error}") from None
            inputs = layer(inputs)
        return (inputs - before).double().square().mean(dim=(1, 2)).sqrt()

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        first = self.layer(0)
        return {
            **super().describe(),
            "grid_size": first.grid_size,
            "spline_order": first.spline_order,
            "base": first.base,
        }
