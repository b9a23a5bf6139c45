"""The multilayer perceptron, for M members at once."""

__all__ = ["MLP", "Activation"]

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from kan.engines.local.fitting import Fit, is_unhooked
from kan.engines.local.plan import Shape, Tensors
from kan.engines.local.shapes import affine_shape
from kan.members import draw_uniform, member_generators, stacked_input
from kan.members import layer_sizes as sizes_from
from mlp_baselines.activations import expansion_of, label_of
from mlp_baselines.affine import LayerNorm, affine, fan_ins, product_flops
from mlp_baselines.jacobian import jacobian

Activation = Literal["relu", "silu", "gelu", "tanh", "sine"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "sine": torch.sin,
}


class MLP(nn.Module):
    r"""Affine layers with one nonlinearity between them, \(x_{l+1} = \sigma(x_l W_l + b_l)\), the last one affine.

    Weights and biases start uniform on \(\pm 1/\sqrt{n_l}\), as in `torch.nn.Linear`. With "sine" they follow SIREN
    (Sitzmann et al., 2020, https://arxiv.org/abs/2006.09661): \(\sigma(z) = \sin(\omega z)\), first weights on
    \(\pm 1/n_0\), later ones on \(\pm \sqrt{6/n_l}/\omega\).

    **Locality: global** with any of these names: every weight acts on, and has a gradient from, almost every input.
    `Elephant` and `FuzzyTiling` are activations that are not.

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each hidden layer.
        depth: number of layers with parameters; depth 1 is an affine map.
        activation: "relu", "silu", "gelu", "tanh" or "sine"; or any module without parameters that maps (M, B, J) to
            (M, B, J), or to (M, B, J e) with e its attribute `expansion`.
        layer_norm: whether a `LayerNorm` of its own stands before the activation of each hidden layer. Of two features
            it leaves nothing but which of them is larger.
        layer_sizes: all sizes spelled out, [I, …, O], instead of `width` and `depth`.
        omega: \(\omega\) of "sine", in radians per unit.
        members: independent replicas M.
        generators: one source of randomness a member; torch's global one by default.
        dtype: of parameters and computation.
        device: of parameters and computation.

    Raises:
        ValueError: a size below 1, an activation that is unknown or has parameters, an `omega` that is not positive, or
            `layer_norm` of a single feature.

    Example:
        >>> model = MLP(2, 1, width=64, depth=3, members=10)
        >>> model(torch.rand(100, 2)).shape
        torch.Size([10, 100, 1])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 64,
        depth: int = 2,
        activation: Activation | nn.Module = "silu",
        *,
        layer_norm: bool = False,
        layer_sizes: Sequence[int] | None = None,
        omega: float = 30.0,
        members: int = 1,
        generators: Sequence[Generator] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(activation, nn.Module) and activation not in get_args(Activation):
            raise ValueError(f"activation must be one of {', '.join(get_args(Activation))}, got {activation!r}")
        if not omega > 0:
            raise ValueError(f"omega must be positive, got {omega}")
        draws = member_generators(members, generators)
        self.layer_sizes = sizes_from(in_features, out_features, width, depth, layer_sizes)
        self.in_features = in_features
        self.out_features = out_features
        self.members = members
        self.activation: Activation | nn.Module = activation
        self.expansion = expansion_of(activation)
        self.omega = omega
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.norms = nn.ModuleList()
        for index, (i, o) in enumerate(
            zip(fan_ins(self.layer_sizes, self.expansion), self.layer_sizes[1:], strict=True)
        ):
            weight = draw_uniform((i, o), self.initial_bound(index), draws)
            bias = draw_uniform((1, o), i**-0.5, draws)
            self.weights.append(nn.Parameter(weight.to(dtype=dtype or torch.get_default_dtype(), device=device)))
            self.biases.append(nn.Parameter(bias.to(dtype=dtype or torch.get_default_dtype(), device=device)))
        if layer_norm:
            self.norms.extend(LayerNorm(size, members, dtype, device) for size in self.layer_sizes[1:-1])

    @property
    def depth(self) -> int:
        """Number of layers with parameters."""
        return len(self.weights)

    def initial_bound(self, index: int) -> float:
        """Between which two numbers, this one and minus it, the weights of an affine layer start."""
        inputs = fan_ins(self.layer_sizes, self.expansion)[index]
        if self.activation != "sine":
            return float(inputs**-0.5)
        return float(1.0 / inputs if index == 0 else (6.0 / inputs) ** 0.5 / self.omega)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        return self.activations(x)[-1]

    def activations(self, x: Tensor) -> list[Tensor]:
        """What enters each affine layer, (M, B, J) each, and the output (M, B, O) last."""
        x = stacked_input(x, self.members, self.in_features, self.weights[0])
        found, units = [], self.units()
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if index:
                if self.norms:
                    x = self.norms[index - 1](x)
                x = units[index - 1](x)
            found.append(x)
            x = affine(x, weight, bias)
        return [*found, x]

    def fitting(self) -> Fit:
        """The mean squared error with its gradients, and steps of Adam, each in one call; see `Fit`."""
        return Fit(self._compiled)

    def _compiled(self) -> list[tuple[Shape, Tensors]] | None:
        own = type(self)
        plain = own.forward is MLP.forward and own.activations is MLP.activations and own.units is MLP.units
        if not plain or own.activate is not MLP.activate or self.norms or not is_unhooked(self):
            return None
        if self.activation not in ("silu", "tanh", "relu"):
            return None
        found: list[tuple[Shape, Tensors]] = []
        entering = "identity"
        for weight, bias in zip(self.weights, self.biases, strict=True):
            shape = affine_shape(weight.shape[1], weight.shape[2], entering)
            if shape is None:
                return None
            found.append((shape, (None, weight, None, bias)))
            entering = str(self.activation)
        return found

    def units(self, members: Sequence[int] | None = None) -> Sequence[Callable[[Tensor], Tensor]]:
        """The nonlinearity of every hidden layer, for some members or all, (M, B, J) to (M, B, J e)."""
        return [self.activate] * (self.depth - 1)

    def activate(self, x: Tensor) -> Tensor:
        """The activation, at each number."""
        if isinstance(self.activation, nn.Module):
            activated: Tensor = self.activation(x)
            return activated
        return _ACTIVATIONS[self.activation](self.omega * x if self.activation == "sine" else x)

    def jacobian(self, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Predictions (M, B, O) and their derivatives in the trained parameters (M, B, O, P); see the module of it."""
        return jacobian(self, x, members)

    def flops(self) -> int:
        """Floating-point operations of one sample of one member, forward.

        A multiplication and an addition for each weight, an addition for each bias folded into the first product,
        one operation for each number that an activation makes, and those of `LayerNorm` for each of its features.
        """
        each = self.expansion + (LayerNorm.FLOPS if self.norms else 0)
        return product_flops(self.layer_sizes, self.expansion) + each * sum(self.layer_sizes[1:-1])

    def describe(self) -> dict[str, Any]:
        """What records and figures say about the model, in plain types."""
        return {
            "family": str(getattr(self.activation, "family", "MLP")),
            "layer_sizes": list(self.layer_sizes),
            "depth": self.depth,
            "activation": label_of(self.activation),
            **({"layer_norm": True} if self.norms else {}),
        }

    def extra_repr(self) -> str:
        """Sizes for `print(model)`."""
        sizes = " → ".join(map(str, self.layer_sizes))
        return f"{sizes}, activation={label_of(self.activation)}, members={self.members}"
