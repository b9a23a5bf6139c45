r"""Levenberg–Marquardt for a stack of members, each with its own damping, gains and end.

For small networks and smooth targets the error that first-order and quasi-Newton methods leave is their own: their
problem has a condition number of \(10^{12}\) and more. A step here solves the linearized problem as a whole.
"""

__all__ = ["LevenbergMarquardt"]

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from continual.least_squares import Problem

PROBE = 0.1
"""How far along a step its curvature is measured, as a part of it."""

_DTYPES = (torch.float32, torch.float64)


class LevenbergMarquardt(Optimizer):
    r"""Damped Gauss–Newton steps on the mean squared residual of every member, side by side.

    With residuals r, their Jacobian J, R of them, and \(\rho\) the weight of the roughness Q (see below), member by
    member,

    .. math::
        F(\theta) = \tfrac1R |r|^2 + \rho \, \theta^T Q \theta, \qquad
        \big( \tfrac1R J^T J + \rho Q + \lambda I \big) \, d = -\tfrac1R J^T r - \rho Q \theta,

    (Levenberg 1944, https://doi.org/10.1090/qam/10666; Marquardt 1963, https://doi.org/10.1137/0111030). A step d is
    taken if it lowers F. With g the ratio of the gain to the gain that the linear problem promised, \(\lambda\) becomes
    \(\lambda \max(\frac15, 1 - (2g - 1)^3)\) after a step that was taken, and grows by 2, 4, 8, … after those that were
    not (Nielsen 1999, Damping Parameter in Marquardt's Method, IMM-REP-1999-05, Technical University of Denmark, with
    \(\gamma = 5\) instead of 3). The first \(\lambda\) is `damping` times the largest diagonal entry of the matrix, and
    times F where that is below 1: a small residual says that the solution is near, where little damping is wanted
    (Yamashita & Fukushima 2001, https://doi.org/10.1007/978-3-7091-6217-0_18). So an optimizer that begins anew on a
    finer grid goes on at once.

    **Acceleration.** The residuals curve along the step. Transtrum & Sethna (2012, https://arxiv.org/abs/1201.5885) add
    to it, with \(r_{dd}\) their second derivative along d, here a central difference,

    .. math::
        a = -\tfrac12 \big( \tfrac1R J^T J + \rho Q + \lambda I \big)^{-1} \tfrac1R J^T r_{dd}
        \qquad \text{where} \quad 2 |a| \le \alpha |d|.

    It costs two evaluations and a backward pass, and is what brings networks of edges to their solutions: these lie on
    valleys that bend, for a hidden feature may be scaled and shifted at will, and straight steps can only be short
    there. Not in float32, whose second differences are noise.

    The damping is Levenberg's I and not Marquardt's diagonal: what the data determine weakly shall move little. So a
    parameter whose column of J is zero does not move by a bit, however many others do: locality survives the solution
    of the whole system. Where there are more parameters than residuals and no roughness, the same step comes from the
    smaller system, \(d = -J^T (J J^T + R \lambda I)^{-1} r\). Matrices are solved in float64 whatever the parameters'
    dtype, by Cholesky factors; they square the condition, which costs further steps but no accuracy, for the gradient
    on their right side is exact.

    **Roughness.** A spline coefficient that hardly any sample touches is nearly free, and takes any value for a little
    gain: training errors fall, and the function explodes between and beyond the samples. A model may therefore offer
    `roughness()`, a matrix Q that says how far it is from something smooth (`kan.roughness`); 1e-8 of it is nothing
    beside the data, and decides what they leave open. It also moves coefficients that no sample touches, so it is 0 by
    default, and should be where forgetting is studied.

    **Done.** A member whose next step promises less than `tolerance` of its F, the end of what rounding lets it see,
    rests at its point to the bit until F is another there, with other data. One whose F is not finite does not move; a
    trial that is not finite is a step too long.

    Batches of samples are possible but seldom wise: a step fits its batch as well as it can, and forgets the others.
    A step holds about 3 M P² numbers of float64; M R (3 R + 2 P) in the smaller system.

    `state_dict` holds tensors, numbers and lists only.

    Args:
        params: the parameters (M, ...) that the model trains, in its order, of one dtype and device; one group.
        max_iter: steps tried in each call of `step`, ≥ 1.
        damping: first \(\lambda\), as a part of the largest diagonal entry, > 0; times F where that is below 1.
        tolerance: part of F below which a promised gain ends it, ≥ 0.
        roughness: \(\rho\), ≥ 0.
        acceleration: \(\alpha\), ≥ 0; 0 for none.

    Raises:
        ValueError: a setting out of range, or parameters that are not one group with one first axis.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        max_iter: int = 20,
        damping: float = 1e-3,
        tolerance: float = 1e-14,
        roughness: float = 0.0,
        acceleration: float = 0.75,
    ) -> None:
        if max_iter < 1:
            raise ValueError(f"max_iter must be at least 1, got {max_iter}")
        if not 0.0 < damping < math.inf:
            raise ValueError(f"damping must be > 0 and finite, got {damping}")
        for name, number in (("tolerance", tolerance), ("roughness", roughness), ("acceleration", acceleration)):
            if not 0.0 <= number < math.inf:
                raise ValueError(f"{name} must be ≥ 0 and finite, got {number}")
        defaults = {
            "max_iter": max_iter,
            "damping": damping,
            "tolerance": tolerance,
            "roughness": roughness,
            "acceleration": acceleration,
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
            raise ValueError("LevenbergMarquardt takes one group of parameters: they are solved for together")
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
    def step(self, problem: Problem) -> Tensor:  # type: ignore[override]
        """Try up to `max_iter` steps of every member.

        Args:
            problem: what the parameters are to solve, see `continual.least_squares`.

        Returns:
            F before the step, shape (M,), in float64.
        """
        group = self.param_groups[0]
        params: list[Tensor] = group["params"]
        state = self.state[params[0]]
        if not state:
            members = len(params[0])
            unknown = torch.full((members,), math.nan, dtype=torch.float64, device=params[0].device)
            state["damping"] = unknown
            state["growth"] = torch.full_like(unknown, 2.0)
            state["rests"] = unknown.clone()  # F at which the member was done
            state["n_iter"] = [0] * members
        return _Step(params, group, state, problem).run()


class _Step:
    """One step of the stack: the linearized problems of all members, solved and tried together.

    Members that rest or fail are left out of all that costs time but the trials' predictions.
    """

    def __init__(self, params: list[Tensor], group: dict[str, Any], state: dict[str, Any], problem: Problem) -> None:
        self.params, self.group, self.state, self.problem = params, group, state, problem
        self.sizes = [p[0].numel() for p in params]
        self.x = torch.cat([p.detach().flatten(1) for p in params], dim=1)
        self.members, self.count = self.x.shape
        matrix = problem.roughness() if group["roughness"] > 0.0 else None
        self.rough = None if matrix is None else group["roughness"] * matrix.double()
        self.rows = 0
        self.matrix = self.slopes = self.errors = self.x.new_empty(0)
        self.gradient = torch.zeros_like(self.x, dtype=torch.float64)

    def run(self) -> Tensor:
        """Run every member to its end; returns F at the start."""
        state, device = self.state, self.x.device
        loss = start = self._evaluate(self.x)
        active = loss.isfinite() & (loss != state["rests"])
        state["rests"][active] = math.nan
        stale = active
        for _ in range(self.group["max_iter"]):
            if bool(stale.any()):
                self._linearize(stale.nonzero().squeeze(1).tolist(), loss)
            places = active.nonzero().squeeze(1).tolist()
            if not places:
                break
            chosen = torch.tensor(places, device=device)
            step, promised, solved = self._solve(chosen)
            done = solved & (promised <= self.group["tolerance"] * loss[chosen])
            state["rests"][chosen[done]] = loss[chosen[done]]
            active = active.index_fill(0, chosen[done], False)
            going = (solved & ~done).nonzero().squeeze(1)
            trial = self.x.clone()
            moved = step[going].to(trial.dtype)
            here = trial[chosen[going]]
            trial[chosen[going]] = torch.where(moved == 0.0, here, here + moved)  # -0 + 0 would lose its sign
            tried = self._evaluate(trial)[chosen]
            gained = loss[chosen] - tried
            taken = solved & ~done & (gained > 0.0)  # False where the trial is not finite
            self._adapt(chosen, taken, done, gained / promised)
            accepted = chosen[taken]
            self.x[accepted] = trial[accepted]
            loss = loss.index_copy(0, accepted, tried[taken])
            stale = torch.zeros_like(active).index_fill(0, accepted, True)
            for m in chosen[~done].tolist():
                state["n_iter"][m] += 1
        self._write(self.x)
        return start

    def _adapt(self, chosen: Tensor, taken: Tensor, done: Tensor, ratio: Tensor) -> None:
        """Nielsen's update of the dampings of the members chosen."""
        damping, growth = self.state["damping"], self.state["growth"]
        shrunk = damping[chosen] * (1.0 - (2.0 * ratio - 1.0) ** 3).clamp(min=0.2)
        raised = damping[chosen] * growth[chosen]
        damping[chosen] = torch.where(taken, shrunk, torch.where(done, damping[chosen], raised))
        growth[chosen] = torch.where(taken, 2.0, torch.where(done, growth[chosen], 2.0 * growth[chosen]))

    def _write(self, x: Tensor) -> None:
        for p, piece in zip(self.params, x.split(self.sizes, dim=1), strict=True):
            p.copy_(piece.view(p.shape))

    def _evaluate(self, x: Tensor) -> Tensor:
        """F of all members at other parameters (M, P), which the model keeps: (M,) in float64."""
        self._write(x)
        residuals = self.problem.residuals().double()
        self.rows = residuals.shape[1]
        loss = residuals.square().mean(1)
        if self.rough is not None:
            wide = x.double().unsqueeze(1)
            loss = loss + (wide @ self.rough * wide).sum((1, 2))
        return loss

    @property
    def _dual(self) -> bool:
        """Whether the system of the residuals is the smaller one."""
        return self.rough is None and self.count > self.rows

    def _linearize(self, places: list[int], loss: Tensor) -> None:
        """The matrices and gradients of some members at the present point, where F is `loss` (M,)."""
        chosen = torch.tensor(places, device=self.x.device)
        size = self.rows if self._dual else self.count
        if not self.matrix.numel():
            self.matrix = self.gradient.new_zeros(self.members, size, size)
        self._write(self.x)
        if self._dual:
            if not self.slopes.numel():
                self.slopes = self.gradient.new_zeros(self.members, self.rows, self.count)
            residuals, slopes = (each.double() for each in next(iter(self.problem.linearized(places, True))))
            self.slopes[chosen] = slopes
            self.matrix[chosen] = slopes @ slopes.mT / self.rows
            self.gradient[chosen] = (slopes.mT @ residuals.unsqueeze(2)).squeeze(2) / self.rows
            diagonal = slopes.square().sum(1) / self.rows
        else:
            matrix = self.gradient.new_zeros(len(places), size, size)
            gradient = self.gradient.new_zeros(len(places), size)
            pieces = []
            for errors, slopes in self.problem.linearized(places, False):
                wide = slopes.double()
                pieces.append(errors.double())
                matrix.baddbmm_(wide.mT, wide, alpha=1.0 / self.rows)
                gradient += (wide.mT @ pieces[-1].unsqueeze(2)).squeeze(2) / self.rows
            residuals = torch.cat(pieces, dim=1)
            if self.rough is not None:
                matrix += self.rough[chosen]
                gradient += (self.rough[chosen] @ self.x[chosen].double().unsqueeze(2)).squeeze(2)
            self.matrix[chosen], self.gradient[chosen] = matrix, gradient
            diagonal = matrix.diagonal(dim1=1, dim2=2)
        if not self.errors.numel():
            self.errors = self.gradient.new_zeros(self.members, self.rows)
        self.errors[chosen] = residuals
        largest = diagonal.amax(1)
        # never so small that growth could not bring it back, nor the factor of a singular matrix fail for ever
        least = torch.finfo(torch.float64).eps ** 1.25 * largest + torch.finfo(torch.float64).tiny
        present = self.state["damping"][chosen]
        first = self.group["damping"] * largest * loss[chosen].clamp(max=1.0)
        self.state["damping"][chosen] = torch.maximum(torch.where(present.isnan(), first, present), least)

    def _solve(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Steps (m, P) of the members chosen, the gains they promise (m,), and whether there is a solution (m,)."""
        damping, gradient = self.state["damping"][chosen], self.gradient[chosen]
        damped = self.matrix[chosen]
        damped.diagonal(dim1=1, dim2=2).add_(damping.unsqueeze(1))
        factor, info = torch.linalg.cholesky_ex(damped)
        if self._dual:
            step = -self._from_rows(self.errors[chosen], factor, chosen)
        else:
            step = -self._from_gradient(gradient, factor, chosen)
        # F at the step, of the linear problem, by the equation that the step solves
        promised = damping * step.square().sum(1) - (gradient * step).sum(1)
        solved = (info == 0) & promised.isfinite()
        if self.group["acceleration"] > 0.0 and self.x.dtype == torch.float64:
            step = self._bent(torch.where(solved.unsqueeze(1), step, 0.0), factor, chosen)
        return step, promised, solved

    def _bent(self, step: Tensor, factor: Tensor, chosen: Tensor) -> Tensor:
        """Steps with the acceleration added, where it is small enough."""
        move = torch.zeros_like(self.x).index_copy(0, chosen, PROBE * step)
        values = []
        for x in (self.x + move, self.x - move):
            self._write(x)
            values.append(self.problem.residuals())
        bend = (values[0] - 2.0 * self.errors + values[1])[chosen] / PROBE**2
        if self._dual:
            acceleration = -0.5 * self._from_rows(bend, factor, chosen)
        else:
            self._write(self.x)
            pulled = self.problem.pullback(torch.zeros_like(self.errors).index_copy(0, chosen, bend))[chosen]
            acceleration = -0.5 * self._from_gradient(pulled / self.rows, factor, chosen)
        small = 2.0 * acceleration.norm(dim=1) <= self.group["acceleration"] * step.norm(
            dim=1
        )  # False where not finite
        return torch.where(small.unsqueeze(1), step + acceleration, step)

    def _from_gradient(self, gradient: Tensor, factor: Tensor, chosen: Tensor) -> Tensor:
        """The inverse of the damped matrix times gradients (m, P)."""
        result = torch.cholesky_solve(gradient.unsqueeze(2), factor).squeeze(2)
        # exact already where factors are built from plain products; not left to how the library builds them
        return torch.where(self.matrix[chosen].diagonal(dim1=1, dim2=2) == 0.0, 0.0, result)

    def _from_rows(self, rows: Tensor, factor: Tensor, chosen: Tensor) -> Tensor:
        """The same times the gradients of rows (m, R), by the matrix of the residuals."""
        weights = torch.cholesky_solve(rows.unsqueeze(2), factor)
        return (self.slopes[chosen].mT @ weights).squeeze(2) / self.rows
