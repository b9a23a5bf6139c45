r"""Metrics of a classification's accuracies, higher is better: A[i, j] is the share of right classes where R has RMSEs.

Each is the metric of an error in `matrix`, taken of the shares \(1 - A\) that are wrong: so \(\min\) becomes
\(\max\), and signs are those of the papers, which are of accuracies.
"""

__all__ = ["accuracy_backward_transfer", "accuracy_forgetting", "final_accuracy", "learned_accuracy"]

import numpy as np
from numpy.typing import ArrayLike, NDArray

from continual.metrics import matrix
from continual.metrics.metric import Measured, Metric, Undefined

Array = NDArray[np.float64]


def _wrong(A: ArrayLike) -> Array:
    return 1.0 - matrix.matrix_of(A)


def final_accuracy(A: ArrayLike) -> Array:
    r"""Mean over all tasks at the end, \(\frac1T \sum_j A_{T,j}\): the "average accuracy". Higher is better.

    Args:
        A: matrix of accuracies, (..., T+1, T), its first row of the untrained model.

    Example:
        >>> final_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]]).item()
        0.875
    """
    return 1.0 - matrix.final_rmse(_wrong(A))


def learned_accuracy(A: ArrayLike) -> Array:
    r"""Mean over all tasks right after learning it, \(\frac1T \sum_j A_{j,j}\). Higher is better."""
    return 1.0 - matrix.learned_rmse(_wrong(A))


def accuracy_forgetting(A: ArrayLike) -> Array:
    r"""How far tasks end below their best, \(\frac{1}{T-1} \sum_{j<T} (\max_{j \le l < T} A_{l,j} - A_{T,j})\).

    Positive is worse. NaN for a single task. Chaudhry et al. (2018, https://arxiv.org/abs/1801.10112).
    """
    return matrix.forgetting(_wrong(A))


def accuracy_backward_transfer(A: ArrayLike) -> Array:
    r"""What later tasks did to earlier ones, \(\frac{1}{T-1} \sum_{j<T} (A_{T,j} - A_{j,j})\).

    Positive is better. NaN for a single task. Lopez-Paz & Ranzato (2017, https://arxiv.org/abs/1706.08840).
    """
    return matrix.backward_transfer(_wrong(A))


def _of(run: Measured) -> Array:
    if run.accuracy is None:
        raise Undefined("no classification")
    return run.accuracy


def _several(run: Measured) -> Array:
    matrix.several_tasks(run)
    return _of(run)


MEASURES = (
    Metric(
        "learned_accuracy",
        "learned accuracy",
        True,
        "mean over all tasks of the share of right classes right after learning the task: mean over j of A[j, j].",
        lambda run: learned_accuracy(_of(run)),
        "1 = all right",
        kind="share",
        needs="classes",
    ),
    Metric(
        "final_accuracy",
        "final accuracy",
        True,
        "average accuracy: mean over all tasks of the share of right classes at the very end, mean over j of A[T, j].",
        lambda run: final_accuracy(_of(run)),
        "1 = all right",
        kind="share",
        needs="classes",
    ),
    Metric(
        "accuracy_forgetting",
        "forgetting, accuracy",
        False,
        "how far each task but the last ends below the best accuracy since it was learned: mean over j < T of (largest "
        "A[l, j] with j ≤ l < T − A[T, j]). Positive is worse.",
        lambda run: accuracy_forgetting(_several(run)),
        "positive = worse",
        needs="classes",
    ),
    Metric(
        "accuracy_backward_transfer",
        "backward transfer, accuracy",
        True,
        "what later tasks did to the accuracy on earlier ones: mean over j < T of (A[T, j] − A[j, j]). Positive is "
        "better.",
        lambda run: accuracy_backward_transfer(_several(run)),
        "positive = better",
        needs="classes",
    ),
)
"""Metrics of accuracies."""
