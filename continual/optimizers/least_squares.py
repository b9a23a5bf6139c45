"""A stack's mean squared error as a least-squares problem: residuals, and their Jacobian sample by sample."""

__all__ = ["Blocks", "LeastSquares", "Problem"]

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from continual.extension import Quadratic
from continual.models import StackedModel, columns_of, jacobian, trainable

PIECE = 2**24
"""Numbers of a Jacobian that are held at a time: 128 MiB in float64."""


Blocks = Sequence[tuple[Tensor, Tensor]]
"""Rows of matrices in blocks: the places (E, K) of E groups of parameters, and each group's rows (M, E, r, K)."""


class Problem(Protocol):
    """What a least-squares optimizer wants to know of M problems with R residuals in P parameters each."""

    def residuals(self) -> Tensor:
        """At the present parameters, (M, R)."""
        ...

    def linearized(self, members: Sequence[int], whole: bool) -> Iterator[tuple[Tensor, Tensor]]:
        """Residuals (M', r) and their Jacobian (M', r, P) of some members, in `whole` or in pieces of the R rows."""
        ...

    def normal(self, members: Sequence[int]) -> tuple[Tensor, Tensor, Tensor] | None:
        """Residuals (M', R), lower triangles of matrices, and right sides, where they need no Jacobian.

        Of some members, in float64: of the mean of the residuals' squares half the Hessian of the linear problem,
        (M', P, P), and half the gradient, (M', P).
        """
        ...

    def pullback(self, weights: Tensor) -> Tensor:
        """The transposed Jacobian at the present parameters times weights (M, R): (M, P)."""
        ...

    def roughness(self) -> Blocks:
        """Rows that are to be small beside the residuals, see `continual.optimizers.Roughness`."""
        ...

    def quadratics(self) -> Sequence[Quadratic]:
        """Terms that are added to the mean of the residuals' squares."""
        ...


class LeastSquares:
    r"""The problem of each member m: residuals \(f_m(x_{m,b})_o - y_{m,b,o}\), R = B O of them.

    Args:
        model: M members.
        inputs: (M, B, I).
        targets: (M, B, O).
        quadratics: terms that are added to the mean of the residuals' squares.
    """

    def __init__(
        self, model: StackedModel, inputs: Tensor, targets: Tensor, quadratics: Sequence[Quadratic] = ()
    ) -> None:
        self._quadratics = quadratics
        self.model = model
        self.inputs = inputs
        self.targets = targets

    @staticmethod
    def check(model: StackedModel, parameters: Sequence[Tensor], roughness: float) -> None:
        """Refuses what can't work, before any work is done.

        Args:
            model: M members.
            parameters: of the optimizer.
            roughness: weight of the roughness.

        Raises:
            ValueError: parameters that are not those which the model trains, or a model without roughness.
        """
        wanted = trainable(model)
        if len(wanted) != len(parameters) or any(a is not b for a, b in zip(wanted, parameters, strict=True)):
            raise ValueError("LevenbergMarquardt takes all parameters that the model trains, in the model's order")
        if roughness > 0.0 and not hasattr(model, "roughness"):
            raise ValueError(
                f"optimizer.roughness={roughness:g} needs a model with splines, such as model=kan; "
                f"{type(model).__name__} has none: set it to 0"
            )

    def residuals(self) -> Tensor:
        """At the present parameters, (M, R)."""
        with torch.no_grad():
            return (self.model(self.inputs) - self.targets).flatten(1)

    def linearized(self, members: Sequence[int], whole: bool) -> Iterator[tuple[Tensor, Tensor]]:
        """Residuals (M', r) and their Jacobian (M', r, P) of some members, in `whole` or in pieces of the samples."""
        every = len(members) == self.model.members
        chosen = torch.as_tensor(list(members), device=self.inputs.device)
        columns = columns_of(self.model)
        samples, outputs = self.targets.shape[1:]
        size = samples if whole else max(1, PIECE // max(1, len(members) * outputs * columns))
        for inputs, targets in zip(self.inputs.split(size, dim=1), self.targets.split(size, dim=1), strict=True):
            predictions, slopes = jacobian(self.model, inputs, None if every else members)
            errors = predictions - (targets if every else targets[chosen])
            yield errors.flatten(1), slopes.flatten(1, 2)

    def normal(self, members: Sequence[int]) -> tuple[Tensor, Tensor, Tensor] | None:
        """See `Problem`; a model may offer `normal_equations(inputs, targets, members)`, see `kan.jacobian`."""
        own: Any = getattr(self.model, "normal_equations", None)
        if own is None:
            return None
        every = len(members) == self.model.members
        chosen = self.targets if every else self.targets[torch.as_tensor(list(members), device=self.targets.device)]
        found: tuple[Tensor, Tensor, Tensor] | None = own(self.inputs, chosen, None if every else members)
        return found

    def pullback(self, weights: Tensor) -> Tensor:
        """The transposed Jacobian at the present parameters times weights (M, R), by one backward pass: (M, P)."""
        parameters = trainable(self.model)
        with torch.enable_grad():
            predictions = self.model(self.inputs)
            upstream = weights.view(predictions.shape).to(predictions.dtype)
            slopes = torch.autograd.grad(predictions, parameters, upstream, materialize_grads=True)
        return torch.cat([each.flatten(1) for each in slopes], dim=1)

    def roughness(self) -> Blocks:
        """The model's own, see `kan.roughness`; none where it offers none."""
        own: Any = getattr(self.model, "roughness", None)
        blocks: Blocks = () if own is None else own()
        return blocks

    def quadratics(self) -> Sequence[Quadratic]:
        """Those that were given."""
        return self._quadratics
