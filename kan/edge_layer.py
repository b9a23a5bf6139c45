r"""A layer of learnable edges, whatever the functions on them: what B-splines and their alternatives have in common.

A layer sums one function of one variable per edge, \(y_o = \sum_i \phi_{i,o}(x_i)\). Every family here is linear in
its parameters, \(\phi_{i,o}(x) = \sum_f F_{i,f}(x) \, W_{i,f,o}\), with features F that all edges of an input share. On
that rest what works on any of them: sizes of edges and pruning (`kan.pruning`), formulas (`kan.symbolic`), derivatives
in the parameters (`kan.jacobian`) and pictures (`kan.pictures`). These ask of a network only what `LayeredNetwork`
says, and `kan.edge_network`, which offers them, stands above all of them.

In one file: what a layer is, and what is asked of a network of them.
"""

__all__ = ["EdgeLayer", "LayeredNetwork", "replace_tensor"]

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from kan.engines.local.plan import Shape, Tensors
from kan.members import pick, stacked_input

if TYPE_CHECKING:
    from kan.symbolic.edges import SymbolicEdges


class EdgeLayer(nn.Module):
    r"""A layer of learnable univariate functions for M members; subclasses say which functions.

    A *masked* edge is gone: exactly zero for every input, and so are the gradients of its parameters. A *symbolic* edge
    follows a formula instead of its learnable function, which is silenced in the same way.

    Args:
        in_features: input features I.
        out_features: output features O.
        members: independent replicas M.

    Attributes:
        mask: 1 for edges that live and 0 for those that are gone, shape (M, I, O); None while all of them live.
        symbolic: edges that are fixed to formulas, or None.

    Raises:
        ValueError: no input or no output.
    """

    AXES: ClassVar[Mapping[str, str]] = {"mask": "MIO"}
    """Axes of every parameter and buffer: M members, I inputs, O outputs, other letters for what is an edge's own."""

    local_width = 0
    """How many of the features with coefficients differ from zero at an input, at most; 0 where all of them may."""

    mask: Tensor | None
    symbolic: "SymbolicEdges | None"

    def __init__(self, in_features: int, out_features: int, members: int) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise ValueError(f"a layer needs at least one input and output, got {in_features} → {out_features}")
        self.in_features = in_features
        self.out_features = out_features
        self.members = members
        self.register_buffer("mask", None)
        self.symbolic = None

    def learned(self, x: Tensor, gate: Tensor | None) -> Tensor:
        """The sum of the learnable functions, each times its entry of the gate (M, I, O): (M, B, I) to (M, B, O)."""
        raise NotImplementedError

    def edge_features(self, x: Tensor) -> Tensor:
        """Features F that all edges of an input share, at (M, B, I) inputs: (M, B, I, F)."""
        raise NotImplementedError

    def live_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The `local_width` features with coefficients that may differ from zero, at (M, B, I) inputs: (M, B, I, n).

        And where they begin among all, (M, B, I); those beyond the ends are zero.
        """
        raise NotImplementedError

    def other_features(self, x: Tensor) -> Tensor:
        """The features behind those with coefficients, where those are local, at (M, B, I) inputs: (M, B, I, f)."""
        raise NotImplementedError

    def basis_values(self, x: Tensor) -> Tensor:
        """The features that have coefficients, at (M, B, I) inputs: (M, B, I, K); zero where no edge uses them."""
        values = self.edge_features(x)[..., : self.get_parameter("coefficients").shape[2]]
        gate = self.gate()
        return values if gate is None else values * (gate != 0).any(dim=2)[:, None, :, None]

    def edge_weights(self) -> Tensor:
        """Weights W of the features on every edge, zero on masked and symbolic ones: (M, I, F, O)."""
        raise NotImplementedError

    def input_window(self) -> tuple[Tensor, Tensor]:
        """Ends of the interval of inputs that the layer is made for, (M, I) each, in units of the inputs."""
        raise NotImplementedError

    def outside(self, x: Tensor) -> Tensor:
        """The share of inputs (M, B, I) that lie outside the `input_window`, (M,), between 0 and 1."""
        low, high = (end.unsqueeze(1) for end in self.input_window())
        slack = 1e-6 * (high - low)  # an end of the window may be off by rounding
        return ((x < low - slack) | (x > high + slack)).double().mean(dim=(1, 2))

    def compiled(self) -> tuple[Shape, Tensors] | None:
        """What the kernels for whole networks want to know of the layer, see `kan.engines.local.fitting`.

        None where it, or what is done to it, is nothing that they know.
        """
        return None

    def like(self) -> Tensor:
        """A parameter, of the dtype and on the device in which the layer computes."""
        # every family has some; past the search that attributes of modules cost
        found = self._parameters.get("coefficients")
        return getattr(self, "coefficients") if found is None else found  # noqa: B009 # parametrized, say

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward."""
        raise NotImplementedError

    def gate(self) -> Tensor | None:
        """What every learnable function is multiplied with, (M, I, O); None where that is 1 throughout."""
        if self.symbolic is None:
            return self.mask
        free = (~self.symbolic.fixed).to(next(self.parameters()).dtype)
        return free if self.mask is None else free * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        x = stacked_input(x, self.members, self.in_features, self.like())
        if self.symbolic is None:
            return self.learned(x, self.gate())
        formulas = self.symbolic(x, self.mask)
        return formulas if self.symbolic.complete(self.mask) else formulas + self.learned(x, self.gate())

    def edge_values(self, x: Tensor) -> Tensor:
        r"""The function of every edge, \(\phi_{i,o}(x_i)\), at inputs (M, B, I) or (B, I): (M, B, I, O)."""
        x = stacked_input(x, self.members, self.in_features, self.like())
        values = torch.einsum("mbif,mifo->mbio", self.edge_features(x), self.edge_weights())
        return values if self.symbolic is None else values + self.symbolic.edge_values(x, self.mask)

    def live_edges(self) -> Tensor:
        """Which edges are not masked, bool (M, I, O)."""
        if self.mask is None:
            device = next(self.parameters()).device
            return torch.ones(self.members, self.in_features, self.out_features, dtype=torch.bool, device=device)
        return self.mask != 0

    def live_parameters(self) -> Tensor:
        """How many trained numbers act on the output of each member, int64 (M,).

        Those of learnable functions that live, what edges share counting once, and four for each formula that lives.
        """
        live = self.live_edges()
        fixed = torch.zeros_like(live) if self.symbolic is None else self.symbolic.fixed
        count = torch.zeros(self.members, dtype=torch.int64, device=live.device)
        if self.symbolic is not None and self.symbolic.affine.requires_grad:
            count += 4 * (live & fixed).sum((1, 2))
        for name, parameter in self.named_parameters(recurse=False):
            if parameter.requires_grad:
                owners = live & ~fixed
                for dim, letter in ((2, "O"), (1, "I")):
                    owners = owners if letter in self.AXES[name] else owners.any(dim, keepdim=True)
                count += owners.sum((1, 2)) * (parameter[0].numel() // owners[0].numel())
        return count

    def set_mask(self, live: Tensor | None) -> None:
        """Masks all edges but the live ones, bool (M, I, O); None, or all of them alive, takes the mask away.

        Raises:
            ValueError: a wrong shape.
        """
        shape = (self.members, self.in_features, self.out_features)
        if live is not None and tuple(live.shape) != shape:
            raise ValueError(f"a mask of these edges has shape {shape}, got {tuple(live.shape)}")
        kept = None if live is None or bool(live.all()) else live
        like = next(self.parameters())
        self.mask = None if kept is None else kept.to(dtype=like.dtype, device=like.device)

    def constants(self) -> Tensor | None:
        """What to add to `coefficients` to raise every learnable function by 1 on its input window, in their shape.

        Zero for edges that can't be raised so; None where the family holds no constants.
        """
        return None

    @torch.no_grad()
    def shiftable(self) -> Tensor:
        """Edges that `shift_edges` can move, bool (M, I, O): alive, and with a formula or a learnable constant."""
        constants, live = self.constants(), self.live_edges()
        fixed = torch.zeros_like(live) if self.symbolic is None else self.symbolic.fixed
        return live & (fixed if constants is None else fixed | (constants != 0.0).any(dim=2))

    @torch.no_grad()
    def shift_edges(self, delta: Tensor) -> None:
        """Adds a constant to the function of every edge: exactly on its input window, a formula's everywhere.

        Args:
            delta: the constants, (M, I, O).

        Raises:
            ValueError: a wrong shape, or another constant than 0 for an edge that is not `shiftable`.
        """
        shiftable = self.shiftable()
        if delta.shape != shiftable.shape:
            raise ValueError(f"shifts of these edges have shape {tuple(shiftable.shape)}, got {tuple(delta.shape)}")
        if bool((delta[~shiftable] != 0.0).any()):
            raise ValueError(
                "edges that are masked, have spline_scale 0 or are of a family without constants can't be shifted"
            )
        if self.symbolic is not None:
            self.symbolic.affine[..., 3].add_(torch.where(self.symbolic.fixed, delta, 0.0))
            delta = torch.where(self.symbolic.fixed, 0.0, delta)
        constants = self.constants()
        if constants is not None:
            self.get_parameter("coefficients").add_(delta.unsqueeze(2) * constants)

    def select(
        self, members: Sequence[int], inputs: Tensor | None = None, outputs: Tensor | None = None
    ) -> "EdgeLayer":
        """A new layer of some members, and of some inputs and outputs of each, in the order given.

        Args:
            members: which members, M' of them.
            inputs: which inputs of each of them, (M', I'); None for all.
            outputs: which outputs of each of them, (M', O'); None for all.
        """
        chosen = copy.deepcopy(self)
        chosen.members = len(members)
        chosen.in_features = self.in_features if inputs is None else inputs.shape[1]
        chosen.out_features = self.out_features if outputs is None else outputs.shape[1]
        _select(self, chosen, self.AXES, members, inputs, outputs)
        if self.symbolic is not None and chosen.symbolic is not None:
            _select(self.symbolic, chosen.symbolic, self.symbolic.AXES, members, inputs, outputs)
        return chosen

    def fit_to(self, state: Mapping[str, Tensor], prefix: str = "") -> None:
        """Takes on the shapes of a state dict, so that it can be loaded; what the parameters hold is lost.

        Formulas are taken away; `EdgeNetwork.fit_to` brings those of the state dict.
        """
        for name, axes in self.AXES.items():
            saved, own = state.get(prefix + name), getattr(self, name)
            if saved is None and name == "mask":
                self.mask = None
            elif saved is not None and (own is None or own.shape != saved.shape):
                like = next(self.parameters())
                replace_tensor(self, name, torch.empty(saved.shape, dtype=like.dtype, device=like.device))
                for axis, attribute in (("M", "members"), ("I", "in_features"), ("O", "out_features")):
                    if axis in axes:
                        setattr(self, attribute, saved.shape[axes.index(axis)])
        self.symbolic = None


def replace_tensor(module: nn.Module, name: str, value: Tensor) -> None:
    """Replaces a parameter or buffer by a new one, of another shape perhaps; it is trained if the old one was."""
    old = getattr(module, name)
    if isinstance(old, nn.Parameter):
        value = nn.Parameter(value, requires_grad=old.requires_grad)
    setattr(module, name, value)


def _select(
    source: nn.Module,
    target: nn.Module,
    axes: Mapping[str, str],
    members: Sequence[int],
    inputs: Tensor | None,
    outputs: Tensor | None,
) -> None:
    for name, letters in axes.items():
        tensor = getattr(source, name)
        if tensor is not None:
            replace_tensor(target, name, pick(tensor.detach(), letters, members, {"I": inputs, "O": outputs}))


class LayeredNetwork(Protocol):
    """What functions that work on a network's layers ask of it; `kan.edge_network.EdgeNetwork` has it."""

    layers: nn.ModuleList

    @property
    def members(self) -> int:
        """Independent replicas M."""

    @property
    def in_features(self) -> int:
        """Input features I."""

    @property
    def out_features(self) -> int:
        """Output features O."""

    @property
    def depth(self) -> int:
        """Number of layers."""

    @property
    def layer_sizes(self) -> list[int]:
        """Features from input to output, [I, …, O]."""

    def layer(self, index: int) -> EdgeLayer:
        """One layer, counted from 0."""

    def each_layer(self) -> Iterator[EdgeLayer]:
        """The layers from input to output."""

    def like(self) -> Tensor:
        """A parameter, of the dtype and on the device in which the network computes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters, in the order of the layers."""

    def live_parameters(self) -> Tensor:
        """How many trained numbers act on the output of each member, int64 (M,)."""

    def activations(self, x: Tensor) -> list[Tensor]:
        """What enters each layer, (M, B, I) each, and the output (M, B, O) last."""

    def rebuilt(self: "Network", layers: Sequence[EdgeLayer]) -> "Network":
        """A network of the same kind with these layers."""

    def __call__(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""


Network = TypeVar("Network", bound=LayeredNetwork)
