r"""Weights of pykan 0.2 (https://github.com/KindXiaoming/pykan), read into our `KAN` and written back.

Its `MultKAN` keeps, for I inputs and O outputs,

========================  ===========  ====================================================
entry                     shape        here
========================  ===========  ====================================================
act_fun.l.grid            (I, G+2k+1)  knots
act_fun.l.coef            (I, O, G+k)  coefficients
act_fun.l.scale_sp        (I, O)       spline_scale, frozen if `sp_trainable` is false
act_fun.l.scale_base      (I, O)       base_weight, frozen if `sb_trainable` is false
act_fun.l.mask            (I, O)       mask
symbolic_fun.l.mask       (O, I)       refused unless zero
symbolic_fun.l.affine     (O, I, 4)    nothing: without effect while the mask is zero
node_scale_l, …           (O,)         refused unless they change nothing
========================  ===========  ====================================================

What has no effect there does not come back: with base function "zero" the values of `scale_base`, and what is left in
`affine` of formulas that were taken off again. Both are written as zeros, which is what `affine` is in a new network.

pykan's package is called `kan` as well, so the two can't be imported side by side: go through its checkpoints.
"""

__all__ = ["from_pykan", "pykan_config", "save_pykan", "to_pykan"]

import os
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor

from kan.edge_network import EdgeNetwork
from kan.interchange.pykan_files import WANTED, WHOSE, Source, read_network, write_checkpoint
from kan.interchange.weights import LayerWeights, base_name, entry, layers_to_write, stack
from kan.network import KAN

_NEUTRAL = {"node_bias": 0.0, "node_scale": 1.0, "subnode_bias": 0.0, "subnode_scale": 1.0}


def from_pykan(
    source: Source | Sequence[Source],
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> KAN:
    """Our `KAN` with the weights of a pykan network, or of several of one shape as the members of a stack.

    What it computes equals theirs within rounding, on uniform grids and on updated ones, also outside them.

    Args:
        source: where `saveckpt` put a checkpoint, the path that its files `…_state` and `…_config.yml` begin with; or a
            live pykan module; or a list of these. Files are read without running anything they hold.
        dtype: of the network; that of the source by default.
        device: of the network; the CPU for a checkpoint and that of the module by default.

    Raises:
        ValueError: in one line, what is no such network or can't be held: multiplication nodes, symbolic edges, scales
            or biases of nodes, a mask of other values than 0 and 1, inputs that were pruned away, an unknown base
            function, a grid that does not increase, shapes that do not fit together, sources of several shapes.
    """
    sources = list(source) if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    return stack([_layers(*read_network(each)) for each in sources], dtype, device)


def _layers(state: Mapping[str, Any], config: Mapping[str, Any]) -> list[LayerWeights]:
    if missing := [name for name in WANTED if name not in config]:
        raise ValueError(f"this is no config of {WHOSE}: it has no {missing[0]}")
    width = [size if isinstance(size, Sequence) else [size, 0] for size in config["width"]]
    if any(multiplied for _, multiplied in width):
        raise ValueError(f"multiplication nodes can't be carried: pykan's width is {config['width']}")
    depth = len(width) - 1
    if unknown := sorted(set(state) - {name for index in range(depth) for name in _names(index)}):
        raise ValueError(f"this is no state dict of {WHOSE} with {depth} layers: it has an entry {unknown[0]}")
    found = [_one_layer(state, config, index) for index in range(depth)]
    sizes = [(layer.in_features, layer.out_features) for layer in found]
    if sizes != [(int(i), int(o)) for (i, _), (o, _) in zip(width[:-1], width[1:], strict=True)]:
        raise ValueError(f"pykan's width {config['width']} does not fit layers of inputs and outputs {sizes}")
    return found


def _names(index: int) -> list[str]:
    """The entries of a layer."""
    layer = [f"act_fun.{index}.{name}" for name in ("grid", "coef", "mask", "scale_base", "scale_sp")]
    symbolic = [f"symbolic_fun.{index}.{name}" for name in ("mask", "affine")]
    return [*(f"{name}_{index}" for name in _NEUTRAL), *layer, *symbolic]


def _one_layer(state: Mapping[str, Any], config: Mapping[str, Any], index: int) -> LayerWeights:
    name = f"act_fun.{index}"
    grid, coefficients, mask, scale_base, scale_sp, symbolic_mask, _ = (
        entry(state, each, WHOSE) for each in _names(index)[len(_NEUTRAL) :]
    )
    if bool(symbolic_mask.any()):
        output, input_ = symbolic_mask.nonzero()[0].tolist()
        functions = config.get(f"symbolic.funs_name.{index}")
        raise ValueError(
            f"symbolic edges can't be carried: in layer {index} the edge from input {input_} to output {output} is "
            f"{functions[output][input_] if functions else 'one'}; unfix_symbolic it first"
        )
    for kind, value in _NEUTRAL.items():
        if bool((entry(state, f"{kind}_{index}", WHOSE) != value).any()):
            raise ValueError(f"{kind}_{index} can't be carried: it must be {value:g} everywhere")
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError(f"{name}.mask can't be carried: it must be 0 or 1 everywhere")
    base, order = (
        value[index] if isinstance(value, Sequence) and not isinstance(value, str) else value
        for value in (config["base_fun_name"], config["k"])
    )
    layer = LayerWeights(
        name,
        grid,
        coefficients.transpose(1, -1) if coefficients.dim() == 3 else coefficients,
        scale_sp,
        scale_base,
        base_name(base),
        mask != 0,
        train_spline_scale=bool(config["sp_trainable"]),
        train_base_weight=bool(config["sb_trainable"]),
    )
    if layer.spline_order != order:
        raise ValueError(
            f"{name} has splines of order {layer.spline_order} by its shapes, of order {order} by its config"
        )
    return layer


def to_pykan(model: EdgeNetwork, member: int | None = None) -> dict[str, Tensor]:
    """One member as a state dict of pykan's `MultKAN`, in new tensors.

    It loads into a `MultKAN` made with the entries of `pykan_config`; `save_pykan` writes both as a checkpoint.

    Args:
        model: a `KAN` of B-splines.
        member: which member; may be left out where there is only one.

    Raises:
        ValueError: in one line, what pykan can't hold: other functions than B-splines, symbolic edges, several base
            functions, frozen coefficients, scales or base weights that are frozen in some layers only; or no choice of
            one member among several.

    Example:
        >>> to_pykan(KAN(2, 1, width=3))["act_fun.0.coef"].shape
        torch.Size([2, 3, 8])
    """
    layers = _written(model, member)
    nodes: dict[str, Tensor] = {}
    edges: dict[str, Tensor] = {}
    symbols: dict[str, Tensor] = {}
    for index, layer in enumerate(layers):
        names = _names(index)
        like = layer.spline_scale
        for name, value in zip(names, _NEUTRAL.values(), strict=False):
            nodes[name] = like.new_full((layer.out_features,), value)
        mask = torch.ones_like(like) if layer.live is None else layer.live.to(like.dtype)
        values = (layer.knots, layer.coefficients.transpose(1, 2), mask, layer.base_weight, layer.spline_scale)
        edges.update({name: value.contiguous() for name, value in zip(names[4:9], values, strict=True)})
        symbols[names[9]] = like.new_zeros((layer.out_features, layer.in_features))
        symbols[names[10]] = like.new_zeros((layer.out_features, layer.in_features, 4))
    return {**nodes, **edges, **symbols}


def pykan_config(model: EdgeNetwork, member: int | None = None) -> dict[str, Any]:
    """What goes with `to_pykan`: pykan's config of a checkpoint, in plain types.

    Grid sizes and orders are lists where layers differ in them. What we have no word for (`grid_eps`, …) is as in a new
    network of theirs, except that it does not save itself. Raises what `to_pykan` raises.
    """
    layers = _written(model, member)
    sizes = [layer.grid_size for layer in layers]
    orders = [layer.spline_order for layer in layers]
    names = {
        f"symbolic.funs_name.{index}": [["0"] * layer.in_features for _ in range(layer.out_features)]
        for index, layer in enumerate(layers)
    }
    ends = layers[0].knots[:, [orders[0], -1 - orders[0]]]
    return {
        "width": [[size, 0] for size in model.layer_sizes],
        "grid": sizes[0] if len(set(sizes)) == 1 else sizes,
        "k": orders[0] if len(set(orders)) == 1 else orders,
        "mult_arity": 2,
        "base_fun_name": layers[0].base,
        "symbolic_enabled": True,
        "affine_trainable": False,
        "grid_eps": 0.02,
        "grid_range": [float(ends[:, 0].min()), float(ends[:, 1].max())],
        "sp_trainable": layers[0].train_spline_scale,
        "sb_trainable": layers[0].train_base_weight,
        "state_id": 0,
        "auto_save": False,
        "ckpt_path": "./model",
        "round": 0,
        "device": "cpu",
        **names,
    }


def save_pykan(model: EdgeNetwork, prefix: str | os.PathLike[str], member: int | None = None) -> None:
    """Writes one member as a checkpoint that pykan's `MultKAN.loadckpt(prefix)` opens.

    Args:
        model: a `KAN` of B-splines.
        prefix: what the files `…_config.yml`, `…_state` and `…_cache_data` (empty) begin with, in a folder that exists.
        member: which member; may be left out where there is only one.

    Raises:
        ValueError: see `to_pykan`.
        OSError: the files can't be written.
    """
    write_checkpoint(prefix, to_pykan(model, member), pykan_config(model, member))


def _written(model: EdgeNetwork, member: int | None) -> list[LayerWeights]:
    layers = layers_to_write(model, member, "pykan")
    shared: dict[str, Set[object]] = {
        "base function": {layer.base for layer in layers},
        "rule on whether spline scales are trained": {layer.train_spline_scale for layer in layers},
        "rule on whether base weights are trained": {layer.train_base_weight for layer in layers},
    }
    for what, values in shared.items():
        if len(values) > 1:
            raise ValueError(f"pykan has one {what} for all layers, and these differ in it")
    return layers
