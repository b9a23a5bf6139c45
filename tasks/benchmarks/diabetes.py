"""A small regression of people: patients in the order of one of their features, a part at a time."""

__all__ = ["diabetes"]

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from tasks.benchmarks.pictures import check_scikit_learn
from tasks.curriculum import Curriculum, Task, check_tasks

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def diabetes(
    generators: Sequence[Generator], *, feature: str = "bmi", tasks: int = 4, test_share: float = 0.2
) -> Curriculum:
    """The 442 patients of Efron et al. (2004, https://doi.org/10.1214/009053604000000067), split by a feature.

    A task is the patients between two quantiles of the feature; what is learned is the disease's progress from ten
    features. Features are scaled to [-1, 1] and the target to mean 0 and variance 1, over all patients. Each member
    draws its own test and validation patients.

    Args:
        generators: one a member.
        feature: one of age, sex, bmi, bp and s1 to s6, whose values order the patients; equal ones as they come.
        tasks: T; patients that are over are the last ones, and left out.
        test_share: part of a task's patients for its test set, and as many for validation.

    Raises:
        ValueError: scikit-learn is missing, an unknown feature, or a part without patients.
    """
    check_tasks(tasks, "tasks")
    if feature not in FEATURES:
        raise ValueError(f"feature must be one of {', '.join(FEATURES)}, got {feature!r}")
    check_scikit_learn("curriculum=diabetes")
    from sklearn.datasets import load_diabetes  # optional, and slow to import

    found = load_diabetes(scaled=False)
    raw, values = np.asarray(found.data, dtype=np.float64), np.asarray(found.target, dtype=np.float64)
    size = len(raw) // tasks
    few = int(test_share * size)
    if not 1 <= few <= (size - 1) // 2:
        raise ValueError(f"test_share={test_share} of the {size} patients of a task must leave some for each set")
    low, high = raw.min(axis=0), raw.max(axis=0)
    x = torch.from_numpy(2.0 * (raw - low) / (high - low) - 1.0)
    y = torch.from_numpy((values - values.mean()) / values.std())[:, None]
    column = FEATURES.index(feature)
    order = np.argsort(raw[:, column], kind="stable")

    def task(index: int) -> Task:
        own = torch.from_numpy(order[index * size : (index + 1) * size])
        drawn = torch.stack([own[torch.randperm(size, generator=generator)] for generator in generators])
        sets: list[Tensor] = []
        for rows in drawn.split([size - 2 * few, few, few], dim=1):
            sets += [x[rows], y[rows]]
        ends = raw[own.numpy()][:, column]
        return Task(f"{feature} {ends.min():.4g} to {ends.max():.4g}", *sets)

    return Curriculum(f"diabetes by {feature}", [task(index) for index in range(tasks)], (-1.0, 1.0))
