"""A KAN whose first layer is an affine map, for M members at once: the KAN of a study of forgetting."""

__all__ = ["LinearKAN"]

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kan.edge_network import EdgeNetwork
from kan.jacobian import jacobian
from kan.layer import KANLayer, SplineArguments
from kan.members import draw_uniform, member_generators, passes_on, stacked_input
from kan.members import layer_sizes as sizes_from
from mlp_baselines.affine import affine, product_flops

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LinearKAN(nn.Module):
    r"""An affine layer, and `KANLayer`s after it, \(y = (\Phi_{L-1} \circ \dots \circ \Phi_1)(x W + b)\).

    What Lee et al. call a KAN in KANs Still Catastrophically Forget But Differently From MLP (AAAI 2025,
    https://github.com/tachyonicClock/AAAI25-clkan) on tasks of many inputs: an affine layer is much smaller than one of
    splines. Its splines are local in directions that are learned and that all of its outputs share.

    Weights and biases start uniform on \(\pm 1/\sqrt I\), as in `torch.nn.Linear`, the other layers as in `KAN`.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers with parameters, the affine one included; at least 2.
        grid_size: intervals G of every grid.
        spline_order: order k of every spline.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        layer: what else every `KANLayer` takes, see `KAN`; `members`, `generators`, `dtype` and `device` are of
            all layers.

    Attributes:
        weight: W, (M, I, J).
        bias: b, (M, 1, J).
        head: the other layers, an `EdgeNetwork` of J inputs.

    Raises:
        ValueError: see `KANLayer`; also a width below 1, or a depth below 2.

    Example:
        >>> model = LinearKAN(83, 34, width=123, grid_size=15, grid_range=(-3.0, 3.0), members=5)
        >>> model(torch.rand(100, 83)).shape, sum(p[0].numel() for p in model.parameters())
        (torch.Size([5, 100, 34]), 93972)
    """

    @passes_on(KANLayer, "grid")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 20,
        depth: int = 2,
        grid_size: int = 5,
        spline_order: int = 3,
        *,
        layer_sizes: Sequence[int] | None = None,
        **layer: "Unpack[SplineArguments]",
    ) -> None:
        super().__init__()
        sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        if len(sizes) < 3:
            raise ValueError(f"depth must be at least 2, an affine layer and one of splines, got {len(sizes) - 1}")
        members, dtype, device = layer.get("members", 1), layer.get("dtype"), layer.get("device")
        draws = member_generators(members, layer.get("generators"))
        root = in_features**-0.5

        def parameter(shape: tuple[int, int]) -> nn.Parameter:
            values = draw_uniform(shape, root, draws)
            return nn.Parameter(values.to(dtype=dtype or torch.get_default_dtype(), device=device))

        self.in_features, self.out_features, self.members = in_features, out_features, members
        self.weight = parameter((in_features, sizes[1]))
        self.bias = parameter((1, sizes[1]))
        self.head = EdgeNetwork([KANLayer(i, o, grid_size, spline_order, **layer) for i, o in pairwise(sizes[1:])])

    @property
    def layer_sizes(self) -> list[int]:
        """Features from input to output, [I, J, …, O]."""
        return [self.in_features, *self.head.layer_sizes]

    def hidden(self, x: Tensor) -> Tensor:
        """What enters the splines, at inputs (M, B, I) or (B, I): (M, B, J)."""
        return affine(stacked_input(x, self.members, self.in_features, self.weight), self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        result: Tensor = self.head(self.hidden(x))
        return result

    def basis_values(self, x: Tensor) -> list[Tensor]:
        """The bases of each layer of splines at what enters it, (M, B, J, K) each."""
        return self.head.basis_values(self.hidden(x))

    def outside(self, x: Tensor) -> Tensor:
        """The share of the inputs of each layer of splines that lie outside their grids, (M, depth - 1), 0 to 1."""
        return self.head.outside(self.hidden(x))

    def jacobian(self, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Predictions (M, B, O) and their derivatives in the trained parameters (M, B, O, P); see `kan.jacobian`.

        Args:
            x: inputs, (M, B, I) or (B, I).
            members: only these, in this order; None for all.
        """
        x = stacked_input(x, self.members, self.in_features, self.weight).detach()
        chosen = slice(None) if members is None else torch.as_tensor(list(members), device=x.device)
        x = x[chosen]
        entering = affine(x, self.weight.detach()[chosen], self.bias.detach()[chosen])
        head = self.head
        if members is not None:
            head = head.rebuilt([layer.select(members) for layer in head.each_layer()])
        predictions, own = jacobian(head, entering)
        with torch.enable_grad():
            leaf = entering.clone().requires_grad_()
            outputs = head(leaf)
            slopes = [torch.autograd.grad(each.sum(), leaf, retain_graph=True)[0] for each in outputs.unbind(2)]
        delta = torch.stack(slopes, dim=2)  # (M, B, O, J)
        columns = []
        if self.weight.requires_grad:
            columns.append((x[:, :, None, :, None] * delta[:, :, :, None, :]).flatten(3))
        if self.bias.requires_grad:
            columns.append(delta)
        return predictions, torch.cat([*columns, own], dim=3)

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward."""
        return product_flops(self.layer_sizes[:2]) + self.head.flops()

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        splines = self.head.layer(0)
        assert isinstance(splines, KANLayer)
        return {
            "family": "linear KAN",
            "layer_sizes": self.layer_sizes,
            "depth": len(self.layer_sizes) - 1,
            "grid_size": splines.grid_size,
            "spline_order": splines.spline_order,
            "base": splines.base,
        }
