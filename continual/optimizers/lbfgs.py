r"""L-BFGS for a stack of members, each with its own history, line search and end.

Nocedal & Wright, Numerical Optimization (2006), algorithm 7.5, with the settings, order of tests and tolerances of
`torch.optim.LBFGS`: member m of a stack takes the steps that torch's optimizer takes on that member alone. All members
share each evaluation of the closure, and none waits for another: one that accepts a point tries its next direction in
the very next evaluation.

In one file: one step of all members, who are at different places of it.
"""

__all__ = ["LBFGS"]

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from continual.optimizers.eager import Eager
from continual.optimizers.lbfgs_history import History, Slate
from continual.optimizers.line_search import FixedStep, Point, StrongWolfe

Closure = Callable[[], Tensor]
_DTYPES = (torch.float32, torch.float64)


class LBFGS(Eager):
    """L-BFGS with a strong-Wolfe line search, run side by side for the M members of a stack.

    The closure clears the gradients, computes the loss of each member, backpropagates their **sum** (so that a
    member's slice of `.grad` is its own gradient) and returns the detached losses, shape (M,). The same closure serves
    every other optimizer of torch.

    A step calls the closure as often as the member that needs most evaluations would alone. Members that are done
    before the others do not move by a bit. A member whose loss or gradient is not finite stops at its last accepted
    point and forgets its history, so that the next step starts it anew; only a loss of +∞ tried by a line search is
    a step too long, and shortened instead.

    `state_dict` holds tensors, numbers and lists only. As in every optimizer of torch it refers to the live state:
    save it or copy it deeply.

    Args:
        params: parameters (M, ...) of one dtype and device, all with the same first axis; one group. No gradient
            counts as a zero gradient.
        lr: length of the first step tried in each iteration, > 0; in the very first one it is shortened so that
            the parameters move by at most `lr` in the sum of absolute values.
        max_iter: iterations of a step, ≥ 1.
        max_eval: evaluations of a step after which no iteration is begun, ≥ 1; None means max_iter * 5 // 4.
        tolerance_grad: stop where max |gradient| is at most this, ≥ 0.
        tolerance_change: stop where the loss, or every parameter, changes by less than this, ≥ 0.
        history_size: pairs of steps and gradient differences kept per member, ≥ 1.
        line_search_fn: "strong_wolfe", or None to move by `lr` without a search.

    Raises:
        ValueError: if a setting is out of range, or the parameters are not one group with one first axis.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: Literal["strong_wolfe"] | None = "strong_wolfe",
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        if not 0.0 < lr < math.inf:
            raise ValueError(f"lr must be > 0 and finite, got {lr}")
        for name, count in (("max_iter", max_iter), ("max_eval", max_eval), ("history_size", history_size)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        for name, tolerance in (("tolerance_grad", tolerance_grad), ("tolerance_change", tolerance_change)):
            if not tolerance >= 0.0:
                raise ValueError(f"{name} must be ≥ 0, got {tolerance}")
        if line_search_fn not in ("strong_wolfe", None):
            raise ValueError(f'line_search_fn must be "strong_wolfe" or None, got {line_search_fn!r}')
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the one group of parameters.

        Args:
            param_group: the group, as for every optimizer of torch.

        Raises:
            ValueError: if there is a group already, or its parameters do not form a stack.
        """
        if self.param_groups:
            raise ValueError("LBFGS takes one group of parameters: settings can't differ between parameters")
        super().add_param_group(param_group)
        params = self.param_groups[0]["params"]
        first = params[0]
        for p in params:
            if p.ndim == 0 or p.shape[0] != first.shape[0] or p.shape[0] == 0:
                shapes = ", ".join(str(tuple(q.shape)) for q in params)
                raise ValueError(f"parameters must share their first axis, the members; got shapes {shapes}")
            if (p.dtype, p.device) != (first.dtype, first.device) or p.dtype not in _DTYPES:
                raise ValueError("parameters must share one device and one dtype, float32 or float64")

    @torch.no_grad()
    def step(self, closure: Closure) -> Tensor:  # type: ignore[override]
        """Run up to `max_iter` iterations of every member.

        Args:
            closure: clears gradients, backpropagates the sum of the members' losses, returns them, shape (M,).

        Returns:
            The losses before the step, shape (M,).

        Raises:
            ValueError: if the closure does not return a tensor of shape (M,).
        """
        group = self.param_groups[0]
        params: list[Tensor] = group["params"]
        state = self.state[params[0]]
        if not state:
            members, n = len(params[0]), sum(p[0].numel() for p in params)
            state["n_iter"] = [0] * members
            state["func_evals"] = [0] * members
            state["t"] = [0.0] * members
            state["pairs"] = [0] * members
            state["gamma"] = [1.0] * members
            state["d"] = params[0].new_zeros(members, n)
            state["g"] = params[0].new_zeros(members, n)
            state["history"] = params[0].new_zeros(members, 2, 1, n)
            state["inverse"] = params[0].new_zeros(members, 1, 1)
        with np.errstate(over="ignore"):  # a trial step too long for float32 ends up infinite, and is judged as such
            return _Step(params, group, state, closure).run()


class _Step:
    """One step of the stack: the vectors of all members on the device, the searches of the members on the host.

    After each evaluation a few numbers of every member come to the host in one transfer, a `Point` each; after new
    directions a second, smaller one brings their slopes.
    """

    def __init__(self, params: list[Tensor], group: dict[str, Any], state: dict[str, Any], closure: Closure) -> None:
        self.params = params
        self.group = group
        self.state = state
        self.closure = closure
        self.members, n = state["d"].shape
        gyd = state["d"].new_zeros(self.members, 3, n)
        self.g, self.y, self.d = gyd.unbind(1)
        self.d.copy_(state["d"])
        self.gy_columns, self.yd, self.g_and_d = gyd[:, :2].mT, gyd[:, 1:], gyd[:, ::2]
        self.history = History(state, group["history_size"], gyd)
        self.t = Slate(gyd, (self.members, 1))
        self.mask = Slate(gyd, (self.members, 1), torch.bool)
        self.trial, self.x = torch.empty_like(state["d"]), torch.empty_like(state["d"])
        self.trial_views, self.x_views, self.g_views = map(self._views, (self.trial, self.x, self.g))
        torch._foreach_copy_(self.x_views, params)
        self.best_g = torch.zeros_like(self.x)  # gradient at the best point of each search, 0 until it moves
        self.searches: dict[int, FixedStep | StrongWolfe] = {}
        self.iterations = [0] * self.members
        self.evaluations = [0] * self.members

    def _views(self, flat: Tensor) -> list[Tensor]:
        """The columns of a flat (M, n) tensor that belong to each parameter, in its shape."""
        pieces = flat.split([p[0].numel() for p in self.params], dim=1)
        return [piece.view(p.shape) for piece, p in zip(pieces, self.params, strict=True)]

    def _select(self, members: Iterable[int], there: Tensor, elsewhere: Tensor, out: Tensor) -> None:
        """Write the rows of some members from one tensor, those of all others from another."""
        chosen = [False] * self.members
        for m in members:
            chosen[m] = True
        torch.where(self.mask.write(chosen), there, elsewhere, out=out)

    def run(self) -> Tensor:
        """Run every member to its end; returns the losses at the start."""
        ready = {}
        losses, points = self._evaluate([0.0] * self.members)
        start = losses.clone()  # a closure may return the same memory every time
        for m, point in enumerate(points):
            self.evaluations[m] = 1
            if not (math.isfinite(point.loss) and math.isfinite(point.largest)):
                self._give_up(m)
            elif point.largest > self.group["tolerance_grad"]:
                ready[m] = point
        while ready:
            self._begin(ready)
            ready = {}
            while self.searches and not ready:
                steps = [0.0] * self.members
                for m, search in self.searches.items():
                    steps[m] = search.step
                self._move(steps, self.trial)
                torch._foreach_copy_(self.params, self.trial_views)
                ready = self._observe(self._evaluate(steps)[1])
        torch._foreach_copy_(self.params, self.x_views)
        self.state["d"].copy_(self.d)
        for m, count in enumerate(self.evaluations):
            self.state["func_evals"][m] += count
        return start

    def _give_up(self, m: int) -> None:
        self.history.forget(m)
        self.d[m] = 0.0

    def _move(self, steps: list[float], out: Tensor) -> None:
        """Write x + t d into `out`, and the very bits of x where t is zero."""
        t = self.t.write(steps)
        if all(steps):
            torch.addcmul(self.x, self.d, t, out=out)
        else:
            torch.where(t != 0.0, torch.addcmul(self.x, self.d, t), self.x, out=out)

    def _evaluate(self, steps: list[float]) -> tuple[Tensor, list[Point]]:
        """Losses at the parameters, shape (M,), and the members' points there, `steps` along their directions."""
        with torch.enable_grad():
            losses = self.closure()
        if not isinstance(losses, Tensor) or losses.shape != (self.members,):
            got = f"shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(f"closure must return losses of shape ({self.members},), one a member, got {got}")
        losses = losses.detach()
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        torch._foreach_copy_(self.g_views, grads)
        torch.sub(self.g, self.state["g"], out=self.y)
        dots = torch.bmm(self.yd, self.gy_columns).view(self.members, 4)
        rows = torch.cat((losses.unsqueeze(1), dots, self.g_and_d.abs().amax(2)), 1).tolist()
        return losses, [
            Point(t, loss, slope, bend, change, largest, reach)
            for t, (loss, _, change, slope, bend, largest, reach) in zip(steps, rows, strict=True)
        ]

    def _observe(self, points: list[Point]) -> dict[int, Point]:
        """Give each search its evaluation; returns the accepted points of members that go on."""
        state, group = self.state, self.group
        max_iter, max_eval = group["max_iter"], group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        ready: dict[int, Point] = {}
        moved: dict[int, float] = {}
        earlier: list[int] = []
        improved: list[int] = []
        whole, back = True, False  # every search ended; one of them ended at another point than its trial
        for m, search in list(self.searches.items()):
            self.evaluations[m] += 1
            point = points[m]
            finite = math.isfinite(point.loss) and math.isfinite(point.largest)
            if not finite and (point.loss != math.inf or isinstance(search, FixedStep)):
                self._give_up(m)
                del self.searches[m]
                whole = False
            elif search.observe(point):
                del self.searches[m]
                best = search.best
                state["t"][m] = moved[m] = best.step
                back = back or best is not point
                if not (
                    self.iterations[m] == max_iter
                    or self.evaluations[m] >= max_eval
                    or best.largest <= tolerance_grad
                    or abs(best.step) * point.reach <= tolerance_change
                    or abs(best.loss - search.start.loss) < tolerance_change
                ):
                    ready[m] = best
                    if best is not point:
                        earlier.append(m)
            else:
                whole = False
                if search.best is point:
                    improved.append(m)
        if whole and not back:
            self.x, self.trial = self.trial, self.x
            self.x_views, self.trial_views = self.trial_views, self.x_views
        elif back:
            self._move([moved.get(m, 0.0) for m in range(self.members)], self.x)
        elif moved:
            self._select(moved, self.trial, self.x, out=self.x)
        if earlier:
            self._select(earlier, self.best_g, self.g, out=self.g)
            torch.sub(self.g, state["g"], out=self.y)
        if improved:
            self._select(improved, self.g, self.best_g, out=self.best_g)
        return ready

    def _begin(self, ready: dict[int, Point]) -> None:
        """Start an iteration of some members: history, direction, and the search along it."""
        state, group = self.state, self.group
        n_iter, steps, lr = state["n_iter"], state["t"], group["lr"]
        max_iter, max_eval = group["max_iter"], group["max_eval"]
        tolerance_change, searching = group["tolerance_change"], group["line_search_fn"] is not None
        new = []
        for m, point in ready.items():
            self.iterations[m] += 1
            n_iter[m] += 1
            curvature = steps[m] * point.bend
            if curvature > 1e-10 and point.change > 0.0:
                new.append((m, steps[m], curvature))
                state["gamma"][m] = curvature / point.change
        d = self.history.direction(new).squeeze(1)
        if len(ready) == self.members:
            self.d.copy_(d)
            state["g"].copy_(self.g)
        else:
            self._select(ready, d, self.d, out=self.d)
            self._select(ready, self.g, state["g"], out=state["g"])
        slopes = torch.linalg.vecdot(self.g, self.d).tolist()
        lengths = self.g.abs().sum(1).tolist() if any(n_iter[m] == 1 for m in ready) else []
        final = [0.0] * self.members
        for m, point in ready.items():
            slope = slopes[m]
            t = steps[m] = lr * min(1.0, 1.0 / lengths[m]) if n_iter[m] == 1 else lr
            if not math.isfinite(slope):
                self._give_up(m)
            elif slope <= -tolerance_change:
                start = Point(0.0, point.loss, slope, 0.0, 0.0, point.largest, 0.0)
                if searching:
                    self.searches[m] = StrongWolfe(start, t, max_eval - self.evaluations[m])
                elif self.iterations[m] < max_iter:
                    self.searches[m] = FixedStep(start, t)
                else:
                    final[m] = t  # the loss after the last fixed step is left to the next call
        if any(final):
            self._move(final, self.x)
