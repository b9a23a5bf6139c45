"""Shapes and random draws of M members: what every stacked model of the suite has in common."""

__all__ = ["MOST_LAYERS", "draw_normal", "draw_uniform", "layer_sizes", "member_generators", "pick", "stacked_input"]

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

MOST_LAYERS = 1000
"""Layers of a network, at most: each costs time and memory of its own, however narrow."""


def layer_sizes(
    in_features: int,
    out_features: int,
    width: int,
    depth: int,
    sizes: Sequence[int] | None = None,
) -> list[int]:
    """Features of every layer from input to output, [in_features, width, …, out_features].

    Args:
        in_features: input features I.
        out_features: output features O.
        width: features of each of the depth - 1 hidden layers; not used at depth 1.
        depth: number of layers that hold parameters.
        sizes: all sizes spelled out, instead of `width` and `depth`; must begin with I and end with O.

    Raises:
        ValueError: a size or the depth is below 1, there are more than `MOST_LAYERS` layers, or `sizes` contradicts
            `in_features` or `out_features`.
    """
    if sizes is not None:
        chosen = list(sizes)
        if len(chosen) > MOST_LAYERS + 1:
            raise ValueError(f"layer_sizes must have at most {MOST_LAYERS + 1} entries, got {len(chosen)}")
        if len(chosen) < 2:
            raise ValueError(f"layer_sizes needs at least input and output, got {chosen}")
        if (chosen[0], chosen[-1]) != (in_features, out_features):
            raise ValueError(
                f"layer_sizes must begin with {in_features} and end with {out_features} features, got {chosen}"
            )
    else:
        if depth < 1:
            raise ValueError(f"depth must be at least 1 (the number of layers with parameters), got {depth}")
        if depth > MOST_LAYERS:
            raise ValueError(f"depth must be at most {MOST_LAYERS}, got {depth}")
        if depth > 1 and width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        chosen = [in_features, *[width] * (depth - 1), out_features]
    if min(chosen) < 1:
        raise ValueError(f"every layer needs at least one feature, got {chosen}")
    return chosen


def member_generators(members: int, generators: Sequence[Generator] | None) -> list[Generator | None]:
    """One source of randomness a member: those given, or torch's global one for all.

    Raises:
        ValueError: no members, or not as many generators as members.
    """
    if members < 1:
        raise ValueError(f"members must be at least 1, got {members}")
    if generators is None:
        return [None] * members
    if len(generators) != members:
        raise ValueError(f"{members} members need as many generators, got {len(generators)}")
    return list(generators)


def draw_normal(shape: Sequence[int], std: float, generators: Sequence[Generator | None]) -> Tensor:
    """Gaussian values with mean 0, shape (M, *shape), float64, each member from its own generator.

    Drawn in float64 whatever the model's dtype, so that a float32 and a float64 model start at the same values.
    """
    return std * torch.stack([torch.randn(*shape, generator=g, dtype=torch.float64) for g in generators])


def draw_uniform(shape: Sequence[int], bound: float, generators: Sequence[Generator | None]) -> Tensor:
    """Values uniform on [-bound, bound), shape (M, *shape), float64, each member from its own generator."""
    values = torch.stack([torch.rand(*shape, generator=g, dtype=torch.float64) for g in generators])
    return bound * (2.0 * values - 1.0)


def stacked_input(x: Tensor, members: int, features: int, like: Tensor) -> Tensor:
    """Checks the input of a stacked model and gives it the member axis: (M, B, I), or (B, I) shared by all members.

    Under autocast, inputs of another floating dtype are converted: these models compute in that of their parameters.

    Args:
        x: the input.
        members: M.
        features: I.
        like: a parameter, whose dtype and device the input must have.

    Raises:
        TypeError: no tensor, or one that is not dense.
        ValueError: another shape, dtype or device.
    """
    if not isinstance(x, Tensor):
        wanted = f"torch.as_tensor(x, dtype={like.dtype})"
        raise TypeError(f"expected a tensor as input, got {type(x).__name__}; convert it: {wanted}")
    if x.layout is not torch.strided or x.is_nested:
        kind, way = ("a nested", "to_padded_tensor(0.0)") if x.is_nested else (f"a {x.layout}", "to_dense()")
        raise TypeError(f"expected a dense tensor as input, got {kind} one; convert it: x.{way}")
    if x.dtype != like.dtype:
        x = _converted(x, like)
    if x.device != like.device:
        raise ValueError(f"the input is on {x.device}, but the model is on {like.device}; move one: .to(device)")
    if x.dim() == 2:
        x = x.expand(members, *x.shape)
    if x.dim() != 3 or x.shape[0] != members or x.shape[2] != features:
        raise ValueError(f"expected input of shape ({members}, B, {features}) or (B, {features}), got {tuple(x.shape)}")
    return x


def _converted(x: Tensor, like: Tensor) -> Tensor:
    if x.is_floating_point() and torch.is_autocast_enabled(x.device.type):
        return x.to(like.dtype)
    other = f" or the model, model.to({x.dtype})" if x.is_floating_point() else ""
    raise ValueError(
        f"the input is {x.dtype}, but the model computes in {like.dtype}; convert the input, x.to({like.dtype}){other}"
    )


def pick(tensor: Tensor, axes: str, members: Sequence[int], chosen: Mapping[str, Tensor | None]) -> Tensor:
    """Takes members, and along other axes what each of them wants, in the order given: a new tensor.

    Args:
        tensor: values with the axes named, members first.
        axes: a letter for each axis, beginning with "M".
        members: which members, M' of them.
        chosen: for some of the letters the indices along that axis, (M', n) each; None for all.

    Example:
        >>> pick(torch.arange(6).reshape(1, 2, 3), "MIO", [0], {"O": torch.tensor([[2, 0]])})
        tensor([[[2, 0],
                 [5, 3]]])
    """
    taken = tensor[torch.as_tensor(list(members), device=tensor.device)]
    for letter, index in chosen.items():
        if index is not None and letter in axes:
            axis = axes.index(letter)
            shape = [1] * taken.dim()
            shape[0], shape[axis] = index.shape
            taken = torch.take_along_dim(taken, index.to(taken.device).view(shape), dim=axis)
    return taken.contiguous()
