r"""What a task's predictions are judged by: its loss, with all that training, evaluation and strategies ask of one.

A `Loss` says, for M members, B samples and O output columns, without a special case at who asks:

| asked | shape | mean squared error | cross-entropy |
|---|---|---|---|
| `loss(f, y)` | (M,), (M, B, O) | \(\frac{1}{n} \sum (f - y)^2\), gradient \(\frac2n (f - y)\) | \(-\frac1B \sum y \log p\), gradient \(\frac1B (p - y)\) |
| `estimate` | (M, B, O) | f | \(p = \mathrm{softmax}(f)\) |
| `hits` | (M, B) | None | whether p and y are largest in the same column |
| `fisher_root` | (M, B, O, O) | 1 | \(S = \mathrm{diag}(\sqrt p) - p \sqrt p^T\), so that \(S S^T = \mathrm{diag}(p) - p p^T\) |
| `fisher_weight` | (M,) | \(2 / n\) | \(1 / B\) |

with n = B O. Targets of classes are one-hot, or probabilities.

**Masks.** Where a task has `columns` of its own, the others' targets are NaN in all of its sets: they take no part in
the loss, the softmax, the gradient (where they are exactly 0) or the errors, and n counts what is left. So samples
carry their mask along wherever they are put together with those of other tasks: in a replay, or a joint training.
"""  # noqa: E501

__all__ = ["LOSSES", "ClassSquaredError", "CrossEntropy", "Loss", "LossName", "MeanSquaredError"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

LossName = Literal["mean_squared_error", "cross_entropy", "squared_error_of_classes"]


class Loss(ABC):
    """A loss of M members, each on its own samples; predictions f and targets y have shape (M, B, O).

    Args:
        masked: whether targets may be NaN, which says that their columns take no part; without, a NaN is a NaN.

    Attributes:
        name: of `LOSSES`.
        title: in words.
        classifies: whether columns are classes, so that there is an accuracy.
    """

    name: ClassVar[LossName]
    title: ClassVar[str]
    classifies: ClassVar[bool]

    def __init__(self, masked: bool = False) -> None:
        self.masked = masked

    @abstractmethod
    def __call__(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each member, (M,), and its gradient in the predictions, (M, B, O), both without graph.

        The gradient is there in closed form, to be handed to a backward pass: `predictions.backward(gradient)`.
        """

    def differentiable(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The loss of each member, (M,), with a graph: for terms of a loss. Its first derivatives are right, once."""
        value, gradient = self(predictions, targets)
        return value + ((predictions - predictions.detach()) * gradient).sum(dim=(1, 2))

    @abstractmethod
    def estimate(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """What is expected of the targets, (M, B, O), in their units."""

    @abstractmethod
    def hits(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """Whether each sample's class is the right one, (M, B), of equals the first; None where there are no classes.

        NaN where a prediction is not finite.
        """

    @abstractmethod
    def fisher_root(self, predictions: Tensor, targets: Tensor) -> Tensor:
        r"""A root S of each sample's Fisher information in the predictions, \(F = S S^T\): (M, B, O, O).

        F is exact, over all targets that the predictions deem possible: of a Gaussian with variance 1, or of classes.
        With J the Jacobian of the predictions, \(J^T F J\) is a sample's Fisher information in the parameters; of the
        targets only the mask is asked. Times `fisher_weight` the sum over samples is the Gauss–Newton matrix of the
        loss.
        """

    @abstractmethod
    def fisher_weight(self, targets: Tensor) -> Tensor:
        r"""The weight w (M,) with which \(w F\) is the Hessian of the loss in the predictions, sample by sample."""

    @property
    @abstractmethod
    def least_squares(self) -> bool:
        """Whether the loss is the mean of the squares of predictions minus targets, all of them."""


class MeanSquaredError(Loss):
    """The mean over samples and columns of squared errors; see the module.

    Example:
        >>> value, gradient = MeanSquaredError()(torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]]))
        >>> value.tolist(), gradient.tolist()
        ([2.0], [[[2.0, 0.0]]])
    """

    name: ClassVar[LossName] = "mean_squared_error"
    title = "mean squared error"
    classifies = False

    def __call__(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        targets = targets.detach()
        errors = predictions.detach() - targets
        if not self.masked:
            losses = errors.square().mean(dim=(1, 2))
            return losses, errors.mul_(2.0 / max(errors.shape[1] * errors.shape[2], 1))
        errors = errors.masked_fill_(targets.isnan(), 0.0)
        weight = self.fisher_weight(targets).to(errors)
        return 0.5 * weight * errors.square().sum(dim=(1, 2)), errors.mul_(weight[:, None, None])

    def estimate(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`: the predictions."""
        return predictions

    def hits(self, predictions: Tensor, targets: Tensor) -> None:
        """See `Loss`: there are no classes."""

    def fisher_root(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`: the identity, without the columns that take no part."""
        if self.masked:
            return torch.diag_embed((~targets.isnan()).to(predictions.dtype))
        one = torch.eye(predictions.shape[2], dtype=predictions.dtype, device=predictions.device)
        return one.expand(*predictions.shape, -1)

    def fisher_weight(self, targets: Tensor) -> Tensor:
        """See `Loss`: 2 over the number of values."""
        if not self.masked:
            return targets.new_full(targets.shape[:1], 2.0 / max(targets.shape[1] * targets.shape[2], 1))
        return 2.0 / (~targets.isnan()).sum(dim=(1, 2)).clamp(min=1).to(targets.dtype)

    @property
    def least_squares(self) -> bool:
        """See `Loss`: unless there are masks."""
        return not self.masked


class CrossEntropy(Loss):
    """The mean over samples of the cross-entropy of targets and the softmax of predictions; see the module.

    Example:
        >>> value, gradient = CrossEntropy()(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]]))
        >>> round(value.item(), 4), gradient.tolist()
        (0.6931, [[[0.5, -0.5]]])
    """

    name = "cross_entropy"
    title = "cross-entropy"
    classifies = True

    def __call__(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        wanted = targets.detach()
        logs = torch.log_softmax(self._logits(predictions.detach(), wanted), dim=2)
        probabilities = logs.exp()
        if self.masked:
            out = wanted.isnan()
            wanted, logs = wanted.masked_fill(out, 0.0), logs.masked_fill(out, 0.0)
        losses = -(wanted * logs).sum(dim=2).mean(dim=1)
        # the sum of a sample's targets is 1 but for rounding, and where it is not, this is still the derivative
        gradient = probabilities.mul_(wanted.sum(dim=2, keepdim=True)).sub_(wanted)
        return losses, gradient.div_(max(wanted.shape[1], 1))

    def _logits(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return predictions.masked_fill(targets.isnan(), -torch.inf) if self.masked else predictions

    def estimate(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`: the probabilities, 0 in columns that take no part."""
        return torch.softmax(self._logits(predictions, targets), dim=2)

    def hits(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        return right_class(predictions, targets, self.masked)

    def fisher_root(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`: column c is the root of p_c times the gradient of log p_c."""
        p = self.estimate(predictions, targets)
        root = p.sqrt()
        return torch.diag_embed(root) - p.unsqueeze(3) * root.unsqueeze(2)

    def fisher_weight(self, targets: Tensor) -> Tensor:
        """See `Loss`: 1 over the number of samples."""
        return targets.new_full(targets.shape[:1], 1.0 / max(targets.shape[1], 1))

    @property
    def least_squares(self) -> bool:
        """See `Loss`."""
        return False


class ClassSquaredError(MeanSquaredError):
    """The mean squared error of one-hot targets: classes by regression, whose largest column is the class.

    Example:
        >>> y, f = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.5, 0.75]]])
        >>> ClassSquaredError().hits(f, y).tolist()
        [[1.0]]
    """

    name = "squared_error_of_classes"
    title = "mean squared error of classes"

    def hits(self, predictions: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        """See `Loss`."""
        return right_class(predictions, targets, self.masked)


def right_class(predictions: Tensor, targets: Tensor, masked: bool) -> Tensor:
    """Whether predictions and targets are largest in the same column, of those that take part; see `Loss.hits`."""
    if masked:
        out = targets.isnan()
        predictions, targets = (each.masked_fill(out, -torch.inf) for each in (predictions, targets))
    right = predictions.argmax(dim=2) == targets.argmax(dim=2)
    broken = (predictions.isnan() | (predictions == torch.inf)).any(dim=2) | (predictions == -torch.inf).all(dim=2)
    return right.to(predictions.dtype).masked_fill(broken, torch.nan)


LOSSES: Mapping[LossName, type[Loss]] = {
    each.name: each for each in (MeanSquaredError, CrossEntropy, ClassSquaredError)
}
"""Every loss by its name."""
