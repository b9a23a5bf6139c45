r"""Weights of efficient-kan (https://github.com/Blealtan/efficient-kan), read into our `KAN` and written back.

Its `KANLinear` keeps, for I inputs and O outputs,

======================  ===========  ============================
entry                   shape        here
======================  ===========  ============================
layers.l.grid           (I, G+2k+1)  knots
layers.l.spline_weight  (O, I, G+k)  coefficients
layers.l.spline_scaler  (O, I)       spline_scale; may be missing
layers.l.base_weight    (O, I)       base_weight
======================  ===========  ============================

and multiplies `spline_weight` by `spline_scaler` as `KANLayer` does, so the two stay apart. A layer without
`spline_scaler` (`enable_standalone_scale_spline=False`) becomes one whose scale is frozen at 1, and the other way
round. The base function is in no state dict: a module says it, for a state dict the caller does.
"""

__all__ = ["from_efficient_kan", "to_efficient_kan"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kan.edge_network import EdgeNetwork
from kan.engines.dense import Base
from kan.interchange.weights import LayerWeights, base_name, entry, layers_to_write, stack
from kan.network import KAN

_ENTRIES = ("base_weight", "spline_weight", "spline_scaler", "grid")  # in the order of its state dict

Source = Mapping[str, Any] | nn.Module


def from_efficient_kan(
    source: Source | Sequence[Source],
    *,
    base: Base | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> KAN:
    """Our `KAN` with the weights of an efficient-kan network, or of several of one shape as the members of a stack.

    What it computes equals theirs within rounding, on uniform grids and on updated ones, also outside them.

    Args:
        source: a state dict of `efficient_kan.KAN`, or such a module, or a list of them.
        base: the base function; by default the module's own, and "silu" for a state dict, as theirs. "zero" takes a
            network whose base weights are all zero, and leaves them out.
        dtype: of the network; that of the source by default.
        device: of the network; that of the source by default.

    Raises:
        ValueError: in one line, what is no such network or can't be held: an entry that is missing or unknown, shapes
            that do not fit together, a grid that does not increase, an unknown base function, sources of several
            shapes.

    Example:
        >>> theirs = to_efficient_kan(KAN(2, 1, width=3))
        >>> from_efficient_kan([theirs, theirs])(torch.rand(7, 2)).shape
        torch.Size([2, 7, 1])
    """
    sources = list(source) if isinstance(source, Sequence) else [source]
    return stack([_layers(each, base) for each in sources], dtype, device)


def _layers(source: Source, base: str | None) -> list[LayerWeights]:
    whose = "efficient-kan's KAN"
    if not isinstance(source, Mapping | nn.Module):
        raise ValueError(f"a state dict or a module of {whose} is needed, got {type(source).__name__}")
    state = source.state_dict() if isinstance(source, nn.Module) else source
    depth = 0
    while any(name.startswith(f"layers.{depth}.") for name in state):
        depth += 1
    unknown = sorted(set(state) - {f"layers.{index}.{name}" for index in range(depth) for name in _ENTRIES})
    if depth == 0 or unknown:
        what = f"an entry {unknown[0]}" if unknown else "no layers.0.spline_weight"
        raise ValueError(f"this is no state dict of {whose}: it has {what}")
    found = []
    for index in range(depth):
        prefix = f"layers.{index}."
        weight = entry(state, prefix + "base_weight", whose).T
        has_scale = prefix + "spline_scaler" in state
        coefficients = entry(state, prefix + "spline_weight", whose)
        layer = LayerWeights(
            f"layer {index}",
            entry(state, prefix + "grid", whose),
            coefficients.permute(1, 2, 0) if coefficients.dim() == 3 else coefficients,
            entry(state, prefix + "spline_scaler", whose).T if has_scale else torch.ones_like(weight),
            weight,
            base or _base(source, index),
            train_spline_scale=has_scale,
            train_base_weight=base != "zero",
        )
        if base == "zero" and bool(weight.any()):
            raise ValueError(f"{layer.name} has base weights that are not zero, which base 'zero' would drop")
        found.append(layer)
    return found


def _base(source: Source, index: int) -> str:
    if isinstance(source, Mapping):
        return "silu"
    layer: Any = source.get_submodule(f"layers.{index}")
    return base_name(layer.base_activation)


def to_efficient_kan(model: EdgeNetwork, member: int | None = None) -> dict[str, Tensor]:
    """One member as a state dict of `efficient_kan.KAN`, in new tensors.

    It loads into `efficient_kan.KAN(layer_sizes, grid_size=G, spline_order=k)` of the same sizes; where a scale is
    frozen at 1 the layer has no `spline_scaler`, as with `enable_standalone_scale_spline=False`. Base "identity" wants
    `base_activation=torch.nn.Identity` there. Base "zero" is written as base weights that are zero: the same function,
    but they train there; `from_efficient_kan(…, base="zero")` takes them back for what they were.

    Args:
        model: a `KAN` of B-splines.
        member: which member; may be left out where there is only one.

    Raises:
        ValueError: in one line, what efficient-kan can't hold: masked or symbolic edges, other functions than
            B-splines, several base functions, frozen coefficients or base weights, scales frozen at other values than
            1; or no choice of one member among several.
    """
    whose = "efficient-kan"
    layers = layers_to_write(model, member, whose)
    bases = sorted({layer.base for layer in layers} - {"zero"})
    if len(bases) > 1:
        raise ValueError(f"{whose} has one base function for all layers, not {' and '.join(bases)}")
    state = {}
    for index, layer in enumerate(layers):
        if layer.live is not None and not bool(layer.live.all()):
            raise ValueError(
                f"{layer.name} has masked edges, and {whose} has no mask: prune them away or set_mask(None)"
            )
        if layer.base != "zero" and not layer.train_base_weight:
            raise ValueError(
                f"the base weights of {layer.name} are frozen, which {whose} has no word for; unfreeze them"
            )
        without_scale = not layer.train_spline_scale
        if without_scale and not bool((layer.spline_scale == 1).all()):
            raise ValueError(
                f"the spline scales of {layer.name} are frozen at other values than 1, which {whose} has no word for; "
                "unfreeze them"
            )
        tensors = (layer.base_weight.T, layer.coefficients.permute(2, 0, 1), layer.spline_scale.T, layer.knots)
        for name, tensor in zip(_ENTRIES, tensors, strict=True):
            if not (name == "spline_scaler" and without_scale):
                state[f"layers.{index}.{name}"] = tensor.contiguous()
    return state
