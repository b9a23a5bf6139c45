"""The Kolmogorov-Arnold network: layers in a row."""

__all__ = ["KAN"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator

from kan.edges import EdgeNetwork
from kan.engines import Engine
from kan.layer import Initialization, KANLayer
from kan.members import layer_sizes as sizes_from
from kan.reference import Base


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
        grid_range: ends of every grid.
        base: b, see `KANLayer`.
        train_coefficients: see `KANLayer`.
        train_spline_scale: see `KANLayer`.
        train_base_weight: see `KANLayer`.
        initialization: see `KANLayer`.
        noise_scale: see `KANLayer`.
        engine: see `KANLayer`.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Raises:
        ValueError: see `KANLayer`; also a depth or width below 1.

    Example:
        >>> model = KAN(2, 1, width=5, depth=2, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

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
        grid_range: tuple[float, float] = (-1.0, 1.0),
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
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        super().__init__(
            [
                KANLayer(
                    i,
                    o,
                    grid_size,
                    spline_order,
                    grid_range=grid_range,
                    base=base,
                    train_coefficients=train_coefficients,
                    train_spline_scale=train_spline_scale,
                    train_base_weight=train_base_weight,
                    initialization=initialization,
                    noise_scale=noise_scale,
                    engine=engine,
                    members=members,
                    generators=generators,
                    dtype=dtype,
                    device=device,
                )
                for i, o in zip(sizes[:-1], sizes[1:], strict=True)
            ]
        )

    def layer(self, index: int) -> KANLayer:
        """One layer, counted from 0."""
        layer = super().layer(index)
        assert isinstance(layer, KANLayer)
        return layer

    @property
    def input_range(self) -> tuple[float, float]:
        """The interval that the grid of every input covers."""
        return self.layer(0).grid_range

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        first = self.layer(0)
        return {
            **super().describe(),
            "grid_size": first.grid_size,
            "spline_order": first.spline_order,
            "base": first.base,
        }
