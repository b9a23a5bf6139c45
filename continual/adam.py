"""Adam for networks so small that a step of `torch.optim.Adam` costs as much as their gradients."""

__all__ = ["Adam"]

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# with hooks and profiling, which torch adds to a class when the first of its optimizers is made
_torch_step: Callable[..., Any] = torch.optim.Adam.step
if not getattr(_torch_step, "hooked", False):
    _torch_step = torch.optim.Optimizer.profile_hook_step(_torch_step)


class Adam(torch.optim.Adam):
    """`torch.optim.Adam(fused=True)` to the last bit, without the Python around its kernel.

    torch collects, checks and sorts parameters and states anew in each step; here that is done in the first one and
    kept. A step that is not like the others (a parameter without gradient, hooks) goes through torch's own code, as do
    all steps with several parameter groups.

    Args:
        params: parameters, or groups of them.
        lr: learning rate, > 0.
        betas: decay of the running means of the gradient and of its square, in [0, 1).
        eps: added to the root of the second running mean.
        weight_decay: L2 penalty; 0 for none.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, (betas[0], betas[1]), eps, weight_decay, fused=True)
        self._kept: tuple[list[Tensor], ...] | None = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; returns what the closure, if there is one, returns."""
        kept = self._kept
        if kept is None or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks:
            result = _torch_step(self, closure)
            self._kept = self._collect()
            return result
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        parameters, means, squares, steps = kept
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if len(gradients) < len(parameters):
            _torch_step(self)
            return result
        group = self.param_groups[0]
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

    step.hooked = True  # type: ignore[attr-defined]  # keeps torch from wrapping it for its profiler, at 20 µs a step

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch."""
        super().load_state_dict(state_dict)
        self._kept = self._collect()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch."""
        super().add_param_group(param_group)
        self._kept = None

    def _collect(self) -> tuple[list[Tensor], ...] | None:
        """Parameters and their states, if all have one."""
        if len(self.param_groups) > 1:
            return None
        parameters = self.param_groups[0]["params"]
        if any(len(self.state[parameter]) == 0 for parameter in parameters):
            return None
        names = ("exp_avg", "exp_avg_sq", "step")
        return (parameters, *([self.state[parameter][name] for parameter in parameters] for name in names))
