r"""The mean squared error of a whole network, its gradients and steps of Adam in one call of a kernel.

Of networks as small as those of this field, layers, losses, their graph and the optimizer cost several times what is
computed. Here all of it is one call, for any number of steps on the same samples; it computes

.. math::
    L_m = \frac{1}{B O} \sum_{b,o} \big( f_m(x_{m,b})_o - y_{m,b,o} \big)^2

for each member m, and the same gradients as autograd through the layers.
"""

__all__ = ["Fit", "Moments", "Network", "is_unhooked"]

from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.modules.module as _modules
from torch import Tensor, nn

from kan.engines.local.plan import Call, Shape, Tensors
from kan.engines.local.running import ONES, usable
from kan.engines.local.shapes import MOST_SAMPLES
from kan.engines.plain import is_plain

Network = Sequence[tuple[Shape, Tensors]]
"""Of each layer from input to output the shape, and knots, coefficients, scales, and base weights or biases."""


class Moments(NamedTuple):
    """What Adam keeps of a parameter."""

    mean: Tensor
    square: Tensor


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
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.dtype == dtype
        and tensor.is_contiguous()
        and not tensor._backward_hooks
        and not getattr(tensor, "_post_accumulate_grad_hooks", None)
    )


class Fit:
    """The mean squared error of a network, as often as it is asked for.

    Args:
        describe: what the network is at present; None where it is nothing that the kernel knows.
    """

    def __init__(self, describe: Callable[[], Network | None]) -> None:
        self._describe = describe
        self._gradients: list[Tensor] = []

    def _network(self, x: Tensor, targets: Tensor) -> Network | None:
        """The network, if it and the samples are such that the kernel may run."""
        if x.device.type != "cpu" or x.dtype not in ONES or not usable() or not (is_plain(x) and is_plain(targets)):
            return None
        network = self._describe()
        if network is None or x.requires_grad or x.dim() != 3 or not x.is_contiguous() or not targets.is_contiguous():
            return None
        members = network[0][1][1].shape[0]  # type: ignore[union-attr]
        shape = (members, x.shape[1], network[0][0].inputs), (members, x.shape[1], network[-1][0].outputs)
        if (x.shape, targets.shape) != shape or not 0 < x.shape[1] <= MOST_SAMPLES or targets.dtype != x.dtype:
            return None
        return network if all(_is_own(each, x.dtype) for _, own in network for each in own) else None

    def gradients(self, x: Tensor, targets: Tensor) -> Tensor | None:
        """Sets the gradients of all parameters that want one, as a backward pass into none would.

        Args:
            x: inputs, (M, B, I).
            targets: (M, B, O).

        Returns:
            The mean squared error of each member, (M,); None, and nothing is done, where the kernel can't compute it.
        """
        network = self._network(x, targets)
        if network is None:
            return None
        fresh = []
        for _, own in network:
            given = [torch.empty_like(each) if each is not None and each.requires_grad else None for each in own[1:]]
            fresh.append(given)
        losses = x.new_empty(x.shape[0])
        call = self._call(network)
        call.give(fresh)
        call.run(2, x, x.shape[1] * x.shape[2], given=targets, losses=losses)
        for (_, own), given in zip(network, fresh, strict=True):
            for parameter, gradient in zip(own[1:], given, strict=True):
                if gradient is not None:
                    parameter.grad = gradient  # type: ignore[union-attr]
        return losses

    def adam(
        self,
        x: Tensor,
        targets: Tensor,
        steps: int,
        parameters: Sequence[Tensor],
        moments: Sequence[Moments],
        settings: tuple[float, float, float, float],
        done: int,
    ) -> Tensor | None:
        """Takes steps of Adam on the mean squared error of all samples; leaves no gradients.

        Args:
            x: inputs, (M, B, I).
            targets: (M, B, O).
            steps: how many, ≥ 1.
            parameters: that are to move: all of the network's that want a gradient.
            moments: of each of these, which are changed.
            settings: learning rate, both betas, epsilon.
            done: steps before.

        Returns:
            The mean squared errors before each step, (steps, M); None, and nothing is done, where the kernel can't.
        """
        network = self._network(x, targets)
        if network is None:
            return None
        state = dict(zip(parameters, moments, strict=True))
        wanted = [each for _, own in network for each in own[1:] if each is not None and each.requires_grad]
        if len(wanted) != len(state) or not all(each in state for each in wanted):
            return None
        if not all(_is_own(each, x.dtype) for pair in moments for each in pair):
            return None
        if [g.shape for g in self._gradients] != [p.shape for p in wanted] or self._gradients[0].dtype != x.dtype:
            self._gradients = [torch.empty_like(each) for each in wanted]
        into, table, given = iter(self._gradients), array("q"), []
        for _, own in network:
            given.append([next(into) if each is not None and each.requires_grad else None for each in own[1:]])
        for parameter, gradient in zip(wanted, self._gradients, strict=True):
            mean, square = state[parameter]
            addresses = [each.data_ptr() for each in (parameter, gradient, mean, square)]
            table.extend([*addresses, parameter.numel() // x.shape[0]])
        losses, hyper = x.new_empty((steps, x.shape[0])), array("d", settings)
        call = self._call(network)
        call.give(given)
        call.optimize(steps, table, hyper, done)
        call.run(2, x, x.shape[1] * x.shape[2], given=targets, losses=losses)
        return losses

    @staticmethod
    def _call(network: Network) -> Call:
        return Call(tuple([shape for shape, _ in network]), [own for _, own in network])
