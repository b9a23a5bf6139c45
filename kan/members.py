"""M members in one stack: shapes and random draws of every stacked model, and one member as an ordinary module.

In one file: the member axis, from the arguments that bring it in to the module that takes it away.
"""

__all__ = [
    "MOST_LAYERS",
    "MemberArguments",
    "Single",
    "draw_normal",
    "draw_uniform",
    "layer_sizes",
    "member_generators",
    "passes_on",
    "pick",
    "stacked_input",
]

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast, get_type_hints

import torch
from torch import Generator, Tensor, nn

MOST_LAYERS = 1000
"""Layers of a network, at most: each costs time and memory of its own, however narrow."""


class MemberArguments(TypedDict, total=False):
    """Arguments of every stacked model and layer: how many members, from which randomness, in which tensors."""

    members: int
    generators: Sequence[Generator] | None
    dtype: torch.dtype | None
    device: torch.device | None


Function = TypeVar("Function", bound=Callable[..., Any])


def passes_on(target: Callable[..., Any], *but: str) -> Callable[[Function], Function]:
    """Gives a function whose `**arguments` go to another one that one's names, types and defaults, all by keyword.

    So what a network hands to its layers stands in their signature alone, and whoever asks the network's (`help`, an
    editor, a check of settings) sees all of it.

    Args:
        target: where `**arguments` go, a function or a class.
        but: names that it has and the function does not hand on.

    Example:
        >>> def layer(size, *, base="silu", members=1): ...
        >>> @passes_on(layer, "size")
        ... def network(sizes, **arguments): ...
        >>> inspect.signature(network)
        <Signature (sizes, *, base='silu', members=1)>
    """
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)

    def decorate(function: Function) -> Function:
        own = inspect.signature(function)
        kept = {name: p for name, p in own.parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
        handed = {
            name: p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, p in inspect.signature(target).parameters.items()
            if name not in kept and name not in but
        }
        known = get_type_hints(function, localns={"Unpack": Iterable})  # which is of type checkers only
        function.__annotations__ = {
            **{name: hint for name, hint in known.items() if name in kept or name == "return"},
            **{name: hints[name] for name in handed if name in hints},
        }
        function.__signature__ = own.replace(parameters=[*kept.values(), *handed.values()])  # type: ignore[attr-defined]
        return function

    return decorate


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


class Single(nn.Module):
    """Maps (*, I) to (*, O) with one member of a stack: for torch's losses, containers and other people's loops.

    Its state dict is the stack's own, so that either loads what the other saved. Grids, pruning and formulas are
    changed on `model`; what makes a new network is wrapped anew. The other members of a larger stack are computed too
    and get no gradient.

    Args:
        model: a KAN, a variant, an MLP, a layer of one: any stack of M members.
        member: which one, counted from 0; may be left out where there is only one.

    Raises:
        ValueError: there is no such member, or none of several was chosen.

    Example:
        >>> import torch
        >>> from kan import KAN
        >>> model = Single(KAN(2, 3, width=5, depth=2))
        >>> model(torch.rand(100, 2)).shape
        torch.Size([100, 3])
    """

    def __init__(self, model: nn.Module, member: int | None = None) -> None:
        super().__init__()
        stack = cast(Any, model)
        if member is None and stack.members != 1:
            raise ValueError(f"the model has {stack.members} members; say which one, member=0 to {stack.members - 1}")
        if not 0 <= (member or 0) < stack.members:
            raise ValueError(f"member must be between 0 and {stack.members - 1}, got {member}")
        self.model = model
        self.member = member or 0

    def forward(self, x: Tensor) -> Tensor:
        """Maps (*, I) to (*, O).

        Raises:
            TypeError: no tensor.
            ValueError: another number of features, or another dtype than the model's.
        """
        features = cast(Any, self.model).in_features
        if isinstance(x, Tensor) and (x.dim() == 0 or x.shape[-1] != features):
            raise ValueError(f"expected input of shape (*, {features}), got {tuple(x.shape)}")
        if not isinstance(x, Tensor) or x.dim() == 2:
            return self.model(x)[self.member]
        y = self.model(x.reshape(-1, features))[self.member]
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The stack's state dict, under its own names."""
        return self.model.state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """The same names when loading, also as a part of another module."""
        for name in [name for name in state_dict if name.startswith(prefix)]:
            state_dict[f"{prefix}model.{name.removeprefix(prefix)}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *args)
