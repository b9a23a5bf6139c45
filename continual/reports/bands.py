"""How members become bands: quantiles over those of them that are finite."""

__all__ = ["BAND", "band"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BAND = (0.1, 0.9)
"""Quantiles of the members between which a band is drawn."""


def band(values: ArrayLike, quantiles: Sequence[float] = (BAND[0], 0.5, BAND[1])) -> Array:
    """Quantiles over the members of what is finite.

    Args:
        values: shape (M, ...); what is not finite is left out, and where nothing is left the result is NaN.
        quantiles: which ones.

    Returns:
        Shape (len(quantiles), ...).
    """
    array = np.asarray(values, dtype=np.float64)
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    finite = np.isfinite(flat)
    result = np.full((len(quantiles), flat.shape[1]), np.nan)
    if len(flat) == 0:
        return result.reshape(len(quantiles), *array.shape[1:])
    whole = finite.all(axis=0)
    if whole.any():
        result[:, whole] = np.quantile(flat[:, whole], quantiles, axis=0)
    partly = finite.any(axis=0) & ~whole
    if partly.any():
        gaps = np.where(finite[:, partly], flat[:, partly], np.nan)
        result[:, partly] = np.nanquantile(gaps, quantiles, axis=0)
    return result.reshape(len(quantiles), *array.shape[1:])
