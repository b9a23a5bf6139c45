r"""The mean squared error of a whole network, its gradients and steps of Adam in one call of a kernel.

Of networks as small as those of this field, layers, losses, their graph and the optimizer cost several times what is
computed. Here all of it is one call, for any number of steps on the same samples; it computes

.. math::
    L_m = \frac{1}{B O} \sum_{b,o} \big( f_m(x_{m,b})_o - y_{m,b,o} \big)^2

for each member m, and the same gradients as autograd through the layers.
"""

__all__ = ["Fit", "Network", "is_unhooked"]

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.modules.module as _modules
from torch import Tensor, nn

from kan.engines.local.plan import Call, Shape, Tensors
from kan.engines.local.running import ONES, usable
from kan.engines.local.shapes import MOST_SAMPLES
from kan.engines.plain import is_plain, is_plain_type

Network = Sequence[tuple[Shape, Tensors]]
"""Of each layer from input to output the shape, and knots, coefficients, scales, and base weights or biases."""


def is_unhooked(module: nn.Module) -> bool:
    """Whether nobody listens to a module's passes, or has put anything in front of its parameters."""
    return not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _modules._global_forward_hooks
        or _modules._global_forward_pre_hooks
        or _modules._global_backward_hooks
        or _modules._global_backward_pre_hooks
    )


def _is_own(tensor: Tensor | None, dtype: torch.dtype) -> bool:
    return tensor is None or (
        type(tensor) in (Tensor, nn.Parameter) and tensor.dtype == dtype and tensor.is_contiguous()
    )


def _has_rows(samples: Tensor) -> bool:
    """Whether samples (M, B, I) of each member are contiguous; members may share them."""
    return samples.dim() == 3 and samples.stride()[1:] == (samples.shape[2], 1) and samples.stride(0) >= 0


def _hooked(tensor: Tensor) -> bool:
    return bool(getattr(tensor, "_post_accumulate_grad_hooks", None))


class _Known(NamedTuple):
    """A network as it was when it was looked at last, with the call that is made of it."""

    addresses: tuple[int, ...]
    shapes: tuple[Shape, ...]
    call: Call
    wanted: list[list[Tensor | None]]
    """Of each layer the coefficients, scales and weights that want a gradient."""
    trained: list[Tensor]
    """The same in a row."""


class Fit:
    """The mean squared error of a network, as often as it is asked for.

    Args:
        describe: what the network is at present; None where it is nothing that the kernel knows.
    """

    def __init__(self, describe: Callable[[], Network | None]) -> None:
        self._describe = describe
        self._known: _Known | None = None
        self._update: tuple[tuple[int, ...], array[int], list[Tensor]] | None = None

    def _look(self, x: Tensor, targets: Tensor) -> _Known | None:
        """The network, if it and the samples are such that the kernel may run."""
        if (
            x.device.type != "cpu"
            or x.dtype not in ONES
            or not usable()
            or not (is_plain(x) and is_plain_type(targets))
        ):
            return None
        network = self._describe()
        if network is None or x.requires_grad or not (_has_rows(x) and _has_rows(targets)):
            return None
        addresses = tuple([0 if each is None else each.data_ptr() for _, own in network for each in own])
        shapes, known = tuple([shape for shape, _ in network]), self._known
        if known is None or known.addresses != addresses or known.shapes != shapes or known.call.dtype != x.dtype:
            if not all(_is_own(each, x.dtype) for _, own in network for each in own):
                return None
            call = Call(shapes, [own for _, own in network])
            known = self._known = _Known(addresses, shapes, call, [], [])
        wanted = [[each if each is not None and each.requires_grad else None for each in own[1:]] for _, own in network]
        trained = [each for own in wanted for each in own if each is not None]
        if any(each._backward_hooks or _hooked(each) for each in trained):
            return None
        batch, members = x.shape[1], known.call.members
        shape = (members, batch, shapes[0].inputs), (members, batch, shapes[-1].outputs)
        if (x.shape, targets.shape) != shape or not 0 < batch <= MOST_SAMPLES or targets.dtype != x.dtype:
            return None
        return known._replace(wanted=wanted, trained=trained)

    def gradients(self, x: Tensor, targets: Tensor) -> Tensor | None:
        """Sets the gradients of all parameters that want one, as a backward pass into none would.

        Args:
            x: inputs, (M, B, I).
            targets: (M, B, O).

        Returns:
            The mean squared error of each member, (M,); None, and nothing is done, where the kernel can't compute it.
        """
        known = self._look(x, targets)
        if known is None:
            return None
        fresh = [[None if each is None else torch.empty_like(each) for each in own] for own in known.wanted]
        losses = x.new_empty(x.shape[0])
        known.call.give(fresh)
        known.call.run(2, x, x.stride(0), given=targets, losses=losses)
        for parameters, given in zip(known.wanted, fresh, strict=True):
            for parameter, gradient in zip(parameters, given, strict=True):
                if parameter is not None:
                    parameter.grad = gradient
        return losses

    def adam(
        self,
        x: Tensor,
        targets: Tensor,
        steps: int,
        moments: Mapping[Tensor, Sequence[Tensor]],
        settings: tuple[float, float, float, float],
    ) -> Tensor | None:
        """Takes steps of Adam on the mean squared error of all samples; leaves the gradients of the last.

        Args:
            x: inputs, (M, B, I).
            targets: (M, B, O).
            steps: how many, ≥ 1.
            moments: of each parameter that is to move, all of the network's that want a gradient, both running means
                and the steps taken by now, one number in float32, first.
            settings: learning rate, both betas, epsilon.

        Returns:
            The mean squared errors before each step, (steps, M); None, and nothing is done, where the kernel can't.
        """
        known = self._look(x, targets)
        if known is None or len(known.trained) != len(moments):
            return None
        kept = [moments.get(each) for each in known.trained]
        own = tuple([each.data_ptr() for own in kept if own is not None for each in own[:3]])
        if len(own) != 3 * len(kept):
            return None
        key = (*known.addresses, *own)
        if self._update is None or self._update[0] != key:
            found = self._table(known, kept, key)
            if found is None:
                return None
            self._update = found
        _, table, gradients = self._update
        into = iter(gradients)
        known.call.give([[None if each is None else next(into) for each in own] for own in known.wanted])
        losses, hyper = x.new_empty((steps, x.shape[0])), array("d", settings)
        known.call.run(2, x, x.stride(0), given=targets, losses=losses, update=(steps, table, hyper))
        for parameter, gradient in zip(known.trained, gradients, strict=True):
            if parameter.grad is not gradient:
                parameter.grad = gradient
        return losses

    def _table(
        self, known: _Known, kept: Sequence[Sequence[Tensor] | None], key: tuple[int, ...]
    ) -> "tuple[tuple[int, ...], array[int], list[Tensor]] | None":
        """What the kernel is told of the parameters, and where it puts their gradients."""
        table, gradients = array("q"), [torch.empty_like(each) for each in known.trained]
        for parameter, gradient, own in zip(known.trained, gradients, kept, strict=True):
            if own is None or not all(_is_own(each, parameter.dtype) for each in own[:2]):
                return None
            if own[2].dtype != torch.float32 or own[2].numel() != 1:
                return None
            addresses = [each.data_ptr() for each in (parameter, gradient, *own[:3])]
            table.extend([*addresses, parameter.numel() // known.call.members])
        return key, table, gradients
