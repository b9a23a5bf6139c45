"""One member of a stack as an ordinary module, without the member axis."""

__all__ = ["Single"]

from typing import Any, cast

from torch import Tensor, nn


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
