r"""The damped linear least-squares problems of a stack, solved by the smaller of two systems.

With residuals r, R of them, their Jacobian J and rows D that are to be small, each member has

.. math::
    H = \tfrac1R J^T J + D^T D, \qquad d = -(H + \lambda I)^{-1} (\tfrac1R J^T r + D^T D \theta)
    \;=\; -\tfrac1R J^T (\tfrac1R J J^T + \lambda I)^{-1} r \quad \text{without } D.
"""

__all__ = ["DampedSystem", "Extra", "Roughness"]

from collections.abc import Sequence

import torch
from torch import Tensor

from continual.extension import Quadratic
from continual.optimizers.least_squares import Blocks, Problem


class Roughness:
    r"""The term \(|D \theta|^2\), by its rows: what is nearly zero in it comes from no difference of large squares.

    Args:
        blocks: rows in blocks, each of parameters that the others leave alone.
        weight: what their squares count.
    """

    def __init__(self, blocks: Blocks, weight: float) -> None:
        self.blocks = [(places, weight**0.5 * rows.double()) for places, rows in blocks]

    def value(self, x: Tensor) -> Tensor:
        """The term at parameters (M, P), (M,) in float64."""
        total = x.new_zeros(len(x), dtype=torch.float64)
        for places, rows in self.blocks:
            total += (rows @ x[:, places].double().unsqueeze(3)).square().sum((1, 2, 3))
        return total

    def add(self, chosen: Tensor, x: Tensor, matrix: Tensor, gradient: Tensor) -> None:
        r"""Adds \(D^T D\) and \(D^T D \theta\) of some members, (m,), to matrices (m, P, P) and gradients (m, P)."""
        for places, rows in self.blocks:
            own = rows[chosen]
            columns = own.mT
            pulled = columns @ (own @ x[chosen][:, places].double().unsqueeze(3))
            gradient[:, places] += pulled.squeeze(3)
            matrix[:, places.unsqueeze(2), places.unsqueeze(1)] += columns @ own


Extra = Roughness | Quadratic


class DampedSystem:
    """Matrices and gradients of M members in float64, each kept until its member moves.

    Args:
        problem: what is linearized.
        x: parameters, (M, P).
        rows: residuals R of each member.
        extras: D, as `Roughness`, and quadratic terms, which stand for more of its rows.

    Attributes:
        residuals: of each member where it was linearized last, (M, R).
    """

    def __init__(self, problem: Problem, x: Tensor, rows: int, extras: Sequence[Extra]) -> None:
        self.problem, self.rows, self.extras = problem, rows, extras
        members, count = x.shape
        self.dual = not extras and count > rows
        size = rows if self.dual else count
        like = x.new_empty(0, dtype=torch.float64)
        self.residuals = like.new_zeros(members, rows)
        self.gradient = like.new_zeros(members, count)
        self.matrix = like.new_zeros(members, size, size)
        self.touched = torch.zeros(members, count, dtype=torch.bool, device=x.device)
        self.slopes = like.new_zeros(members, rows, count) if self.dual else like
        self.factor = self.damped = like

    def linearize(self, chosen: Tensor, x: Tensor) -> Tensor:
        """Takes the problems of some members, (m,), at the parameters x (M, P), where the model is.

        Returns:
            The largest diagonal entry of each one's H, (m,).
        """
        if self.dual:
            residuals, slopes = (each.double() for each in next(iter(self.problem.linearized(chosen.tolist(), True))))
            self.slopes[chosen] = slopes
            self.matrix[chosen] = slopes @ slopes.mT / self.rows
            gradient = (slopes.mT @ residuals.unsqueeze(2)).squeeze(2) / self.rows
            diagonal = slopes.square().sum(1) / self.rows
        elif (direct := self.problem.normal(chosen.tolist())) is not None:
            residuals, matrix, gradient = direct
            diagonal = self._take(chosen, x, matrix, gradient)
        else:
            pieces = []
            matrix, gradient = torch.zeros_like(self.matrix[chosen]), torch.zeros_like(self.gradient[chosen])
            for errors, jacobian in self.problem.linearized(chosen.tolist(), False):
                slopes = jacobian.double()
                pieces.append(errors.double())
                matrix.baddbmm_(slopes.mT, slopes, alpha=1.0 / self.rows)
                gradient += (slopes.mT @ pieces[-1].unsqueeze(2)).squeeze(2) / self.rows
            residuals = torch.cat(pieces, dim=1)
            diagonal = self._take(chosen, x, matrix, gradient)
        self.residuals[chosen], self.gradient[chosen] = residuals, gradient
        self.touched[chosen] = diagonal != 0.0
        return diagonal.amax(1)

    def _take(self, chosen: Tensor, x: Tensor, matrix: Tensor, gradient: Tensor) -> Tensor:
        """Adds what else there is to H, of which only the lower triangle is read, keeps it, and gives its diagonal."""
        for extra in self.extras:
            extra.add(chosen, x, matrix, gradient)
        if len(chosen) == len(self.matrix):
            self.matrix = matrix
        else:
            self.matrix[chosen] = matrix
        return matrix.diagonal(dim1=1, dim2=2)

    def solve(self, chosen: Tensor, damping: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The steps d of some members, (m,), with their dampings (m,); their factors are kept for `correct`.

        Returns:
            Steps (m, P), the loss that each takes away from its linear problem (m,), and whether there is a step (m,).
        """
        if len(chosen) < len(self.matrix):
            damped = self.matrix[chosen]
        else:
            if self.damped.shape != self.matrix.shape:
                self.damped = torch.empty_like(self.matrix)  # fresh memory costs more than filling it
            damped = self.damped.copy_(self.matrix)
        damped.diagonal(dim1=1, dim2=2).add_(damping.unsqueeze(1))
        self.factor, info = torch.linalg.cholesky_ex(damped)
        gradient = self.gradient[chosen]
        step = -(
            self._from_rows(self.residuals[chosen], chosen) if self.dual else self._from_gradient(gradient, chosen)
        )
        # 2 gᵀd + dᵀHd with the sign turned, by the equation that d solves
        gain = damping * step.square().sum(1) - (gradient * step).sum(1)
        return step, gain, (info == 0) & gain.isfinite()

    def correct(self, chosen: Tensor, residuals: Tensor) -> Tensor:
        """The steps of the same members if other numbers (M, R) were their residuals and D were not: (m, P)."""
        if self.dual:
            return -self._from_rows(residuals[chosen], chosen)
        return -self._from_gradient(self.problem.pullback(residuals)[chosen].double() / self.rows, chosen)

    def _from_gradient(self, gradient: Tensor, chosen: Tensor) -> Tensor:
        result = self._solved(gradient).squeeze(2)
        # zero already where factors are built from plain products; not left to how the library builds them
        return torch.where(self.touched[chosen], result, 0.0)

    def _from_rows(self, rows: Tensor, chosen: Tensor) -> Tensor:
        weights = self._solved(rows)
        return (self.slopes[chosen].mT @ weights).squeeze(2) / self.rows

    def _solved(self, right: Tensor) -> Tensor:
        """The factors' systems with right sides (m, size): (m, size, 1); `cholesky_solve` would copy all factors."""
        lower = torch.linalg.solve_triangular(self.factor, right.unsqueeze(2), upper=False)
        return torch.linalg.solve_triangular(self.factor.mT, lower, upper=True)
