"""Adam for networks so small that a step of `torch.optim.Adam` costs as much as their gradients."""

__all__ = ["Adam"]

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import optimizer as _optimizer

from continual.optimizers.eager import Eager

_OTHERWISE = ("amsgrad", "maximize", "differentiable", "decoupled_weight_decay")

# torch's own, with the hooks and the profiling that it adds to a class when the first of its optimizers is made, and
# without what keeps the compiler out, see `Eager`
_torch_step: Callable[..., Any] = torch.optim.Optimizer.profile_hook_step(
    torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
)


class Moments(NamedTuple):
    """What is kept of a parameter: the running means of its gradient and of its square, and the steps taken."""

    mean: Tensor
    square: Tensor
    steps: Tensor
    counter: NDArray[Any]
    """The same number: torch takes a microsecond to add to it."""


class Adam(Eager, torch.optim.Adam):
    """`torch.optim.Adam(fused=True)` to the last bit, without the Python around its kernel.

    torch checks and sorts parameters and states in each step, which takes several times as long as the update of a
    small network. A step that is not plain goes through torch's own code: the first one, several parameter groups,
    hooks, a gradient scaler, settings that this class does not offer.

    Args:
        params: parameters, or groups of them.
        lr: learning rate, > 0.
        betas: decay of the running means of the gradient and of its square, in [0, 1).
        eps: added to the root of the second running mean.
        weight_decay: L2 penalty; 0 for none.

    Raises:
        ValueError: a setting out of range.
    """

    _kept: tuple[Any, Any, dict[Tensor, Moments]] | None = None  # of the class, for copies have none

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, (betas[0], betas[1]), eps, weight_decay, fused=True)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; returns what the closure, if there is one, returns."""
        if not self._plain():
            return _torch_step(self, closure)
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        group = self.param_groups[0]
        parameters, gradients, means, squares, steps = group["params"], [], [], [], []
        for parameter in parameters:
            state, gradient = self.state[parameter], parameter.grad
            if gradient is None or not state:
                _torch_step(self)
                return result
            gradients.append(gradient)
            means.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            steps.append(state["step"])
        beta1, beta2 = group["betas"]
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                parameters,
                gradients,
                means,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
        return result

    def fitted(self, fit: Any, inputs: Tensor, targets: Tensor, steps: int) -> Tensor | None:
        """Steps on the mean squared error of a model whose kernels know it, see `kan.KAN.fitting`.

        Args:
            fit: the model's.
            inputs: (M, B, I).
            targets: (M, B, O).
            steps: how many.

        Returns:
            The losses before each step, (steps, M); None, and nothing is done, where this can't be: in the first step,
            with settings, hooks or groups that `step` leaves to torch, or where the kernels don't know the model.
        """
        group = self.param_groups[0]
        if not self._plain() or group["weight_decay"]:
            return None
        moments = self._moments(group["params"])
        if moments is None:
            return None
        settings = (float(group["lr"]), *group["betas"], group["eps"])
        losses: Tensor | None = fit.adam(inputs, targets, steps, moments, settings)
        if losses is not None:
            for own in moments.values():
                np.add(own.counter, steps, out=own.counter)
        return losses

    def _moments(self, parameters: list[Tensor]) -> dict[Tensor, Moments] | None:
        """What is kept of each parameter, if it is there, gathered anew when the state is another one."""
        kept = self._kept
        first = self.state.get(parameters[0])
        if kept is None or kept[0] is not self.state or kept[1] is not first or len(kept[2]) != len(parameters):
            states = [self.state.get(parameter) for parameter in parameters]
            if not all(states):
                return None
            found = [Moments(o["exp_avg"], o["exp_avg_sq"], o["step"], o["step"].numpy()) for o in states if o]
            kept = self._kept = (self.state, first, dict(zip(parameters, found, strict=True)))
        return kept[2]

    step.hooked = True  # type: ignore[attr-defined]  # keeps torch from wrapping it for its profiler, at 20 µs a step

    def _plain(self) -> bool:
        groups = self.param_groups
        return (
            len(groups) == 1
            and bool(groups[0]["fused"])
            and not any(groups[0].get(name) for name in _OTHERWISE)
            and not (self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks)
            and not (_optimizer._global_optimizer_pre_hooks or _optimizer._global_optimizer_post_hooks)
            and getattr(self, "grad_scale", None) is None
            and getattr(self, "found_inf", None) is None
        )
