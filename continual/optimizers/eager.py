"""Optimizers without torch's compiler, whose import takes longer than many a run."""

__all__ = ["Eager"]

from typing import Any

from torch.optim import Optimizer


def _eager(name: str) -> Any:
    """A method of torch's optimizers as it is without the wrapper that hides it from the compiler, if it has that."""
    method = getattr(Optimizer, name)
    return getattr(method, "__wrapped__", method)


class Eager(Optimizer):
    """`torch.optim.Optimizer`, which imports the compiler as soon as one is made, only to keep it out.

    Nothing here is ever compiled: a step calls kernels that are none of torch's, and reads losses in Python.
    """

    add_param_group = _eager("add_param_group")
    load_state_dict = _eager("load_state_dict")
    state_dict = _eager("state_dict")
    zero_grad = _eager("zero_grad")
