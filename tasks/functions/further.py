"""Target functions of other studies than the KAN paper's."""

__all__ = ["FURTHER_FUNCTIONS"]

from collections.abc import Mapping

import numpy as np
import scipy.special
import torch
from torch import Tensor

from tasks.functions.target import TargetFunction


def _bessel_sum(x: Tensor) -> Tensor:
    first, second = x[..., 0:1].numpy(), x[..., 1:2].numpy()
    values = scipy.special.i1(first) + np.exp(scipy.special.i1e(second)) + np.sin(first * second)
    return torch.from_numpy(np.ascontiguousarray(values))


FURTHER_FUNCTIONS: Mapping[str, TargetFunction] = {
    "bessel_sum": TargetFunction("I1(x) + exp(I1e(y)) + sin(xy)", ((-1.0, 1.0), (-1.0, 1.0)), _bessel_sum),
}
"""One of the functions of Rigas et al. (2025), https://arxiv.org/abs/2509.03417, of which two are the KAN paper's."""
