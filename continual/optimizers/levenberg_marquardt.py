r"""Levenberg–Marquardt for a stack of members, each with its own damping, gains and end.

For small networks and smooth targets the error that first-order and quasi-Newton methods leave is their own: their
problem has a condition number of \(10^{12}\) and more. A step here solves the linearized problem as a whole.

In one file: the method as it is read, from the linear problem to the step that is taken.
"""

__all__ = ["LevenbergMarquardt"]

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from continual.optimizers.eager import Eager
from continual.optimizers.gauss_newton import DampedSystem, Extra, Roughness
from continual.optimizers.least_squares import Problem

PROBE = 0.1
"""How far along a step its curvature is measured, as a part of it."""

_DTYPES = (torch.float32, torch.float64)


class LevenbergMarquardt(Eager):
    r"""Damped Gauss–Newton steps on the mean squared residual of every member, side by side.

    With R residuals r, their Jacobian J, and \(\rho\) the weight of the roughness D (see below), member by member,

    .. math::
        F(\theta) = \tfrac1R |r|^2 + \rho \, |D \theta|^2, \qquad
        \big( \tfrac1R J^T J + \rho D^T D + \lambda I \big) \, d = -\tfrac1R J^T r - \rho D^T D \theta,

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
        a = -\tfrac12 \big( \tfrac1R J^T J + \rho D^T D + \lambda I \big)^{-1} \tfrac1R J^T r_{dd}
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
    `roughness()`, rows D that say how far it is from something smooth (`kan.grids.roughness`). A weight of 1e-7 costs
    the data nothing and decides what they leave open. It also moves coefficients that no sample touches, so it is 0 by
    default, and should be where forgetting is studied.

    **Quadratic terms** of a problem, such as a penalty against forgetting, are added to F, and to the matrix and its
    right side, as they are (`continual.extension.Quadratic`).

    **Done.** A member whose next step promises less than `tolerance` of its F rests at its point to the bit until F is
    another there, with other data. The default is what rounding lets it see, and long valleys need it; where the floor
    is the model's, as on grids that grow, 1e-3 loses nothing and saves most of the time. One whose F is not finite does
    not move; a trial that is not finite is a step too long.

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
            problem: what the parameters are to solve, see `continual.optimizers.least_squares`.

        Returns:
            The mean squared residuals before the step, shape (M,), in float64; the roughness is left out.
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
        blocks = problem.roughness() if group["roughness"] > 0.0 else ()
        rough = [Roughness(blocks, group["roughness"])] if blocks else []
        self.extras: list[Extra] = [*rough, *problem.quadratics()]
        self.bends = group["acceleration"] > 0.0 and self.x.dtype == torch.float64

    def run(self) -> Tensor:
        """Run every member to its end; returns the mean squared residuals at the start."""
        state = self.state
        residuals = self._residuals(self.x)
        loss = self._loss(residuals, self.x)
        self.system = DampedSystem(self.problem, self.x, residuals.shape[1], self.extras)
        active = loss.isfinite() & (loss != state["rests"])
        woken = active & ~state["rests"].isnan()
        state["rests"][woken] = state["damping"][woken] = math.nan  # by other data, for which the damping means nothing
        state["growth"][woken] = 2.0
        stale = active
        for _ in range(self.group["max_iter"]):
            self._linearize(stale.nonzero().squeeze(1), loss)
            chosen = active.nonzero().squeeze(1)
            if not len(chosen):
                break
            step, promised, solved = self.system.solve(chosen, state["damping"][chosen])
            done = solved & (promised <= self.group["tolerance"] * loss[chosen])
            going = solved & ~done
            state["rests"][chosen[done]] = loss[chosen[done]]
            if self.bends:
                step = self._bent(torch.where(going.unsqueeze(1), step, 0.0), chosen)
            trial = self._moved(chosen, torch.where(going.unsqueeze(1), step, 0.0))
            tried = self._loss(self._residuals(trial), trial)[chosen]
            gained = loss[chosen] - tried
            taken = going & (gained > 0.0)  # False where the trial is not finite
            self._adapt(chosen[~done], taken[~done], (gained / promised)[~done])
            accepted = chosen[taken]
            self.x[accepted] = trial[accepted]
            loss = loss.index_copy(0, accepted, tried[taken])
            active = active.index_fill(0, chosen[done], False)
            stale = torch.zeros_like(active).index_fill(0, accepted, True)
        self._write(self.x)
        return residuals.square().mean(1)

    def _linearize(self, chosen: Tensor, loss: Tensor) -> None:
        """The linear problems of some members at the present point, where F is `loss` (M,), and their first damping."""
        if not len(chosen):
            return
        self._write(self.x)
        largest = self.system.linearize(chosen, self.x)
        first = self.group["damping"] * largest * loss[chosen].clamp(max=1.0)
        # never so small that growth could not bring it back, nor the factor of a singular matrix fail for ever
        least = torch.finfo(torch.float64).eps ** 1.25 * largest
        present = self.state["damping"][chosen]
        damping = torch.maximum(torch.where(present.isnan(), first, present), least)
        self.state["damping"][chosen] = torch.where(largest > 0.0, damping, 1.0)

    def _adapt(self, chosen: Tensor, taken: Tensor, ratio: Tensor) -> None:
        """Nielsen's update of the dampings of the members chosen."""
        damping, growth = self.state["damping"], self.state["growth"]
        shrunk = damping[chosen] * (1.0 - (2.0 * ratio - 1.0) ** 3).clamp(min=0.2)
        damping[chosen] = torch.where(taken, shrunk, damping[chosen] * growth[chosen])
        growth[chosen] = torch.where(taken, 2.0, 2.0 * growth[chosen])
        for m in chosen.tolist():
            self.state["n_iter"][m] += 1

    def _bent(self, step: Tensor, chosen: Tensor) -> Tensor:
        """Steps (m, P) with the acceleration added where it is small enough."""
        ahead, behind = (self._residuals(self._moved(chosen, part * step)) for part in (PROBE, -PROBE))
        here = self.system.residuals
        bend = torch.where(here.isfinite(), (ahead - 2.0 * here + behind) / PROBE**2, 0.0)
        self._write(self.x)
        acceleration = 0.5 * self.system.correct(chosen, bend)
        # false where it is not finite
        small = 2.0 * acceleration.norm(dim=1) <= self.group["acceleration"] * step.norm(dim=1)
        return torch.where(small.unsqueeze(1), step + acceleration, step)

    def _moved(self, chosen: Tensor, step: Tensor) -> Tensor:
        """All parameters (M, P) after steps (m, P) of the members chosen; to the bit as they are where a step is 0."""
        here, move = self.x[chosen], step.to(self.x.dtype)
        return self.x.index_copy(0, chosen, torch.where(move == 0.0, here, here + move))  # -0 + 0 would lose its sign

    def _write(self, x: Tensor) -> None:
        for p, piece in zip(self.params, x.split(self.sizes, dim=1), strict=True):
            p.copy_(piece.view(p.shape))

    def _residuals(self, x: Tensor) -> Tensor:
        """Residuals (M, R) of all members at other parameters (M, P), which the model keeps, in float64."""
        self._write(x)
        return self.problem.residuals().double()

    def _loss(self, residuals: Tensor, x: Tensor) -> Tensor:
        """F of all members from their residuals there, (M,)."""
        loss = residuals.square().mean(1)
        for extra in self.extras:
            loss = loss + extra.value(x)
        return loss
