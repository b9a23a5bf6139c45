"""Mean, interval and median of a metric over the members in which it is defined."""

__all__ = ["Summary", "summarize"]

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]


class Summary(NamedTuple):
    """Mean, half width of its 95 % interval and median over the members in which a value is defined."""

    mean: Array
    half_width: Array
    median: Array
    defined: NDArray[np.int64]
    members: int


def summarize(values: ArrayLike, axis: int = 0) -> Summary:
    r"""Mean over members with its 95 % interval, \(\bar v \pm t_{0.975, n-1} \, s / \sqrt n\) (Student's t).

    Undefined values (NaN) are left out of the mean and counted: `defined` of `members` must be shown wherever the
    two differ. The half width is NaN below two values, the mean below one.

    Args:
        values: numbers with the members along `axis`.
        axis: which axis that is.

    Returns:
        A `Summary` whose arrays lack that axis.
    """
    array = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    present = ~np.isnan(array)
    n = present.sum(axis=0)
    some = np.maximum(n, 1)
    mean = np.where(n > 0, np.where(present, array, 0.0).sum(axis=0) / some, np.nan)
    squares = (np.where(present, array - mean, 0.0) ** 2).sum(axis=0)
    freedom = np.maximum(n - 1, 1)
    half = np.where(n > 1, stdtrit(freedom, 0.975) * np.sqrt(squares / freedom / some), np.nan)
    # numpy's nanmedian warns where nothing is defined, which is no surprise here
    ordered = np.sort(np.where(present, array, np.inf), axis=0)
    if len(ordered):
        low = np.take_along_axis(ordered, ((some - 1) // 2)[None], axis=0)[0]
        high = np.take_along_axis(ordered, (some // 2)[None], axis=0)[0]
        median = np.where(n > 0, 0.5 * (low + high), np.nan)
    else:
        median = mean
    return Summary(mean, half, median, n, array.shape[0])
