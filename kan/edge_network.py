"""Edge layers in a row: what every network of this package can do, whatever the functions on its edges."""

__all__ = ["EdgeLayer", "EdgeNetwork"]

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer
from kan.engines.local.fitting import Fit, is_unhooked
from kan.engines.local.plan import Shape, Tensors
from kan.jacobian import jacobian, normal_equations
from kan.members import stacked_input
from kan.pruning import portrait, shapes
from kan.symbolic import formula, symbolic_edges

FORMULA_DIGITS = 4
"""Decimals of the numbers in a formula that `describe` gives."""

Network = TypeVar("Network", bound="EdgeNetwork")


class EdgeNetwork(nn.Module):
    """Edge layers in a row, each one's outputs the inputs of the next.

    Args:
        layers: at least one, of the same members, each with as many inputs as the one before has outputs.

    Raises:
        ValueError: layers that do not fit together.
    """

    def __init__(self, layers: Sequence[EdgeLayer]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a network needs at least one layer")
        for before, after in zip(layers[:-1], layers[1:], strict=True):
            if (before.out_features, before.members) != (after.in_features, after.members):
                raise ValueError(
                    f"a layer with {before.out_features} outputs and {before.members} members can't feed one with "
                    f"{after.in_features} inputs and {after.members} members"
                )
        self.layers = nn.ModuleList(layers)

    def layer(self, index: int) -> EdgeLayer:
        """One layer, counted from 0."""
        layer = self.layers[index]
        assert isinstance(layer, EdgeLayer)
        return layer

    def each_layer(self) -> Iterator[EdgeLayer]:
        """The layers from input to output."""
        return (self.layer(index) for index in range(self.depth))

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @property
    def members(self) -> int:
        """Independent replicas M."""
        return self.layer(0).members

    @property
    def in_features(self) -> int:
        """Input features I."""
        return self.layer(0).in_features

    @property
    def out_features(self) -> int:
        """Output features O."""
        return self.layer(-1).out_features

    def like(self) -> Tensor:
        """A parameter, of the dtype and on the device in which the network computes."""
        return self.layer(0).like()

    @property
    def layer_sizes(self) -> list[int]:
        """Features from input to output, [I, …, O]."""
        return [self.in_features, *(layer.out_features for layer in self.each_layer())]

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def fitting(self) -> Fit:
        """The mean squared error with its gradients, and steps of Adam, each in one call; see `Fit`."""
        return Fit(self._compiled)

    def _compiled(self) -> list[tuple[Shape, Tensors]] | None:
        if type(self).forward is not EdgeNetwork.forward or not is_unhooked(self) or not is_unhooked(self.layers):
            return None
        found = []
        layers: Any = self.layers._modules.values()  # past the search by number, which takes longer than a small layer
        for layer in layers:
            own = layer.compiled() if type(layer).forward is EdgeLayer.forward and is_unhooked(layer) else None
            if own is None:
                return None
            found.append(own)
        return found

    def activations(self, x: Tensor) -> list[Tensor]:
        """What enters each layer, (M, B, I) each, and the output (M, B, O) last."""
        found = [stacked_input(x, self.members, self.in_features, self.like())]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found

    def basis_values(self, x: Tensor) -> list[Tensor]:
        """The bases of each layer at what enters it, (M, B, I, K) each, zero where no edge uses them any more."""
        entering = self.activations(x)[:-1]
        return [layer.basis_values(inputs) for layer, inputs in zip(self.each_layer(), entering, strict=True)]

    @torch.no_grad()
    def outside(self, x: Tensor) -> Tensor:
        """The share of each layer's inputs that lie outside its `input_window`, shape (M, L), between 0 and 1.

        Args:
            x: inputs of the network, (M, B, I) or (B, I).
        """
        entering = self.activations(x)[:-1]
        shares = [layer.outside(inputs) for layer, inputs in zip(self.each_layer(), entering, strict=True)]
        return torch.stack(shares, dim=1)

    def jacobian(self, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Predictions (M, B, O) and their derivatives in the trained parameters (M, B, O, P); see `kan.jacobian`."""
        return jacobian(self, x, members)

    def normal_equations(
        self, x: Tensor, targets: Tensor, members: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Residuals and the normal equations of a least-squares step; see `kan.jacobian.normal_equations`."""
        return normal_equations(self, x, targets, members)

    def portrait(self, x: Tensor, points: int = 65) -> dict[str, Any]:
        """What a picture of the network needs, as plain arrays; see `kan.pruning.portrait`."""
        return portrait(self, x, points)

    def member(self, index: int) -> "EdgeNetwork":
        """A new network with that member alone.

        Raises:
            ValueError: there is no such member.
        """
        if not 0 <= index < self.members:
            raise ValueError(f"member must be between 0 and {self.members - 1}, got {index}")
        return self.rebuilt([layer.select([index]) for layer in self.each_layer()])

    def rebuilt(self: Network, layers: Sequence[EdgeLayer]) -> Network:
        """A network of the same kind with these layers."""
        other = copy.copy(self)  # whatever else a subclass keeps
        other._modules = {}
        EdgeNetwork.__init__(other, layers)
        return other

    def fit_to(self, state: Mapping[str, Tensor]) -> None:
        """Takes on the shapes of a state dict: grid sizes, widths, masks and formulas; then load the state dict.

        Raises:
            ValueError: another number of layers, members, inputs or outputs.
        """
        layers = {name.split(".")[1] for name in state if name.startswith("layers.")}
        before = (self.members, self.in_features, self.out_features)
        if len(layers) != self.depth:
            raise ValueError(f"the state dict holds {len(layers)} layers, the network {self.depth}")
        copied = [copy.deepcopy(layer) for layer in self.each_layer()]
        for index, layer in enumerate(copied):
            layer.fit_to(state, f"layers.{index}.")
            if f"layers.{index}.symbolic.function" in state:
                symbolic_edges(layer)
        after = (copied[0].members, copied[0].in_features, copied[-1].out_features)
        if after != before:
            raise ValueError(f"the state dict has (members, inputs, outputs) {after}, the network {before}")
        self.layers = nn.ModuleList(copied)

    def live_parameters(self) -> Tensor:
        """How many trained numbers act on the output of each member, int64 (M,); see the layers."""
        return torch.stack([layer.live_parameters() for layer in self.each_layer()]).sum(0)

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward; see the layers."""
        return sum(layer.flops() for layer in self.each_layer())

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types.

        A member whose formula can't be written, since its numbers are beyond float64, has "nan".

        Of a pruned network also `shapes`, nodes of each layer that are left, for each member; of one with edges that
        follow formulas `formulas`, one for each output, for each member.
        """
        found: dict[str, Any] = {"family": "KAN", "layer_sizes": self.layer_sizes, "depth": self.depth}
        if any(layer.mask is not None for layer in self.each_layer()):
            found["shapes"] = shapes(self)
        if any(layer.symbolic is not None for layer in self.each_layer()):

            def said(member: int) -> list[str]:
                try:
                    return [str(output) for output in formula(self, member, digits=FORMULA_DIGITS)]
                except (ArithmeticError, ValueError, TypeError):  # numbers beyond float64, of a member that diverged
                    return ["nan"] * self.out_features

            found["formulas"] = [said(member) for member in range(self.members)]
        return found
