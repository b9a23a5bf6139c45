r"""L-BFGS for a stack of members, each with its own history, line search and end.

Nocedal & Wright, Numerical Optimization (2006), algorithm 7.5, with the settings, order of tests and tolerances of
`torch.optim.LBFGS`: member m of a stack takes the steps that torch's optimizer takes on that member alone. All members
share each evaluation of the closure, and none waits for another: one that accepts a point tries its next direction in
the very next evaluation.
"""

__all__ = ["LBFGS"]

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.optim import Optimizer

from continual.line_search import FixedStep, Point, StrongWolfe

Closure = Callable[[], Tensor]


class LBFGS(Optimizer):
    """L-BFGS with a strong-Wolfe line search, run side by side for the M members of a stack.

    The closure clears the gradients, computes the loss of each member, backpropagates their **sum** (so that a
    member's slice of `.grad` is its own gradient) and returns the detached losses, shape (M,). The same closure serves
    every other optimizer of torch.

    A step is max over members of a member's own number of evaluations long. Members that are done before the others
    do not move by a bit. A member whose loss or gradient is not finite stops at its last accepted point and forgets
    its history, so that the next step starts it anew; only a loss of +∞ tried by a line search is a step too long and
    is shortened instead.

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
            if p.dtype != first.dtype or p.device != first.device or not p.is_floating_point():
                raise ValueError("parameters must share one real floating dtype and one device")

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
            state["history"] = params[0].new_zeros(members, 2, 0, n)
            state["inverse"] = params[0].new_zeros(members, 0, 0)
        return _Step(params, group, state, closure).run()


def _upload(values: list[Any], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Numbers of the host as a tensor where another one is, without waiting for the device."""
    numbers = torch.tensor(values, dtype=dtype or like.dtype)
    return numbers if like.is_cpu else numbers.to(like.device, non_blocking=True)


class _History:
    r"""The last pairs of each member, and their inverse Hessian times a gradient.

    A pair is a movement s and the change y of the gradient along it, here scaled to s · y = 1. The two loops of
    algorithm 7.4 are triangular systems in R, R_ij = s_i · y_j where pair i is not younger than pair j and else 0
    (Byrd, Nocedal & Schnabel 1994, https://doi.org/10.1007/BF01582063):

    $$R α = S g,\quad q = g - Y^T α,\quad R^T δ = α - γ Y q,\quad H g = γ q + S^T δ$$

    R⁻¹ is kept in place of R: a new pair adds a column, the oldest one leaves with its row and column, so the slots of
    a ring need no order, and a direction is a handful of products for all members whatever the length of the history.
    """

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.state = state
        self.size = size
        self._look()

    def _look(self) -> None:
        self.history, self.inverse = self.state["history"], self.state["inverse"]
        self.y, self.s = self.history.unbind(1)
        self.y_columns, self.s_columns, self.inverse_columns = self.y.mT, self.s.mT, self.inverse.mT
        slots = self.inverse.shape[1]
        self.blank = -torch.eye(slots, dtype=self.inverse.dtype, device=self.inverse.device)

    def forget(self, m: int) -> None:
        """Leave a member as if it had never made a step."""
        for name in ("d", "g", "history", "inverse"):
            self.state[name][m] = 0.0
        self.state["n_iter"][m] = self.state["pairs"][m] = 0
        self.state["gamma"][m] = 1.0

    def direction(self, gyd: Tensor, new: list[tuple[int, float, float]]) -> Tensor:
        """−H g of every member, shape (M, 1, n), after new pairs have joined the history of some.

        Args:
            gyd: gradient, its change along the last movement, and the direction of that; shape (M, 3, n).
            new: members whose last movement makes a new pair, with its t (it was t d) and t d · y > 0.
        """
        pairs = self.state["pairs"]
        scales = [[0.0, 0.0, 0.0, -gamma] for gamma in self.state["gamma"]]
        for m, t, curvature in new:
            root = 1.0 / math.sqrt(curvature)
            scales[m][:3] = root, t * root, -root
        on_pair, on_column, minus_gamma = _upload(scales, gyd).unsqueeze(2).split((2, 1, 1), 1)
        g = gyd[:, :1]
        if new:
            self._make_room(1 + max(pairs[m] for m, _, _ in new))
            where = [[m for m, _, _ in new], [pairs[m] % self.size for m, _, _ in new]]
            rows, places = _upload(where, gyd, torch.int64).unbind()
            self.history[rows, :, places] = (gyd[:, 1:] * on_pair)[rows]
            # no other row has an entry in the column of the oldest pair, so its row is all there is to clear; with −1
            # on the diagonal the product −R⁻¹ r is the new column and its own 1 at once
            self.inverse[rows, places] = self.blank[places]
            products = torch.bmm(gyd[:, :2], self.s_columns)
            column = torch.bmm(products[:, 1:] * on_column, self.inverse_columns)
            self.inverse[rows, :, places] = column[rows, 0]
            for m, _, _ in new:
                pairs[m] += 1
        elif not any(pairs):
            return g * minus_gamma
        else:
            products = torch.bmm(g, self.s_columns)
        alpha = torch.bmm(products[:, :1], self.inverse_columns)
        q = torch.baddbmm(g, alpha, self.y, alpha=-1)
        delta = torch.bmm(torch.addcmul(alpha, torch.bmm(q, self.y_columns), minus_gamma), self.inverse)
        return torch.baddbmm(q * minus_gamma, delta, self.s, alpha=-1)

    def _make_room(self, needed: int) -> None:
        """Grow the ring by half at a time, up to its size, so that short histories stay cheap."""
        slots = self.inverse.shape[1]
        if slots < min(needed, self.size):
            more = min(self.size, slots + max(8, slots // 2)) - slots
            self.state["history"] = pad(self.history, (0, 0, 0, more))
            self.state["inverse"] = pad(self.inverse, (0, more, 0, more))
            self._look()


class _Step:
    """One step of the stack: the vectors of all members on the device, the searches of the members on the host.

    After each evaluation a few numbers of every member come to the host in one transfer, a `Point` each; after new
    directions a second, smaller one brings their slopes.
    """

    def __init__(
        self, params: list[Tensor], group: dict[str, Any], state: dict[str, Any], closure: Closure
    ) -> None:
        self.params = params
        self.group = group
        self.state = state
        self.closure = closure
        self.history = _History(state, group["history_size"])
        self.members, n = state["d"].shape
        self.gyd = state["d"].new_zeros(self.members, 3, n)
        self.g, self.y, self.d = self.gyd.unbind(1)
        self.d.copy_(state["d"])
        self.gy_columns, self.yd, self.g_and_d = self.gyd[:, :2].mT, self.gyd[:, 1:], self.gyd[:, ::2]
        self.trial = torch.empty_like(state["d"])
        self.trial_views, self.g_views = self._views(self.trial), self._views(self.g)
        torch._foreach_copy_(self.trial_views, params)
        self.x = self.trial.clone()
        self.best_g = self.x  # gradient at the best point of each search that goes on; read for those only
        self.searches: dict[int, FixedStep | StrongWolfe] = {}
        self.iterations = [0] * self.members
        self.evaluations = [0] * self.members

    def _views(self, flat: Tensor) -> list[Tensor]:
        """The columns of a flat (M, n) tensor that belong to each parameter, in its shape."""
        pieces = flat.split([p[0].numel() for p in self.params], dim=1)
        return [piece.view(p.shape) for piece, p in zip(pieces, self.params, strict=True)]

    def run(self) -> Tensor:
        """Run every member to its end; returns the losses at the start."""
        ready = {}
        losses, points = self._evaluate([0.0] * self.members)
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
        self.trial.copy_(self.x)
        torch._foreach_copy_(self.params, self.trial_views)
        self.state["d"].copy_(self.d)
        self.state["func_evals"] = [
            a + b for a, b in zip(self.state["func_evals"], self.evaluations, strict=True)
        ]
        return losses

    def _give_up(self, m: int) -> None:
        self.history.forget(m)
        self.d[m] = 0.0

    def _move(self, steps: list[float], out: Tensor) -> None:
        """Write x + t d into `out`, and the very bits of x where t is zero."""
        t = _upload(steps, self.x).unsqueeze(1)
        if all(steps):
            torch.addcmul(self.x, self.d, t, out=out)
        else:
            torch.where(t != 0.0, torch.addcmul(self.x, self.d, t), self.x, out=out)

    def _mask(self, members: Iterable[int]) -> Tensor:
        chosen = [False] * self.members
        for m in members:
            chosen[m] = True
        return _upload(chosen, self.x, torch.bool).unsqueeze(1)

    def _evaluate(self, steps: list[float]) -> tuple[Tensor, list[Point]]:
        """Losses at the parameters, shape (M,), and the members' points there, `steps` along their directions."""
        with torch.enable_grad():
            losses = self.closure()
        if not isinstance(losses, Tensor) or losses.shape != (self.members,):
            got = f"shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(
                f"closure must return the losses of the members, shape ({self.members},), got {got}"
            )
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
        moved = [0.0] * self.members
        earlier: list[int] = []
        improved: list[int] = []
        whole = True  # every search ended where it is now, so that x is the trial
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
                whole = whole and best is point
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
        if whole:
            self.x.copy_(self.trial)
        elif any(moved):
            self._move(moved, self.x)
        if earlier:
            torch.where(self._mask(earlier), self.best_g, self.g, out=self.g)
            torch.sub(self.g, state["g"], out=self.y)
        if improved:
            self.best_g = torch.where(self._mask(improved), self.g, self.best_g)
        return ready

    def _begin(self, ready: dict[int, Point]) -> None:
        """Start an iteration of some members: history, direction, and the search along it."""
        state, group = self.state, self.group
        n_iter, steps, lr = state["n_iter"], state["t"], group["lr"]
        new = []
        for m, point in ready.items():
            self.iterations[m] += 1
            n_iter[m] += 1
            curvature = steps[m] * point.bend
            if n_iter[m] > 1 and curvature > 1e-10:
                new.append((m, steps[m], curvature))
                state["gamma"][m] = curvature / point.change
        d = self.history.direction(self.gyd, new).squeeze(1)
        if len(ready) == self.members:
            self.d.copy_(d)
            state["g"].copy_(self.g)
        else:
            mask = self._mask(ready)
            torch.where(mask, d, self.d, out=self.d)
            torch.where(mask, self.g, state["g"], out=state["g"])
        slopes = torch.linalg.vecdot(self.g, self.d).tolist()
        lengths = self.g.abs().sum(1).tolist() if any(n_iter[m] == 1 for m in ready) else []
        final = [0.0] * self.members
        for m, point in ready.items():
            slope = slopes[m]
            t = steps[m] = lr * min(1.0, 1.0 / lengths[m]) if n_iter[m] == 1 else lr
            if not math.isfinite(slope):
                self._give_up(m)
            elif slope <= -group["tolerance_change"]:
                start = point._replace(step=0.0, slope=slope)
                if group["line_search_fn"] is not None:
                    budget = group["max_eval"] - self.evaluations[m]
                    self.searches[m] = StrongWolfe(start, t, budget, group["tolerance_change"])
                elif self.iterations[m] < group["max_iter"]:
                    self.searches[m] = FixedStep(start, t)
                else:
                    final[m] = t  # the loss after the last fixed step is left to the next call
        if any(final):
            self._move(final, self.x)
