r"""A network's edges as plain arrays: the curve of each on the inputs that it really sees, and its size.

All that a picture of a network needs (`kan.pictures.draw_network`), small enough to be kept in a run's record and
readable without the model's class. The size of an edge is the L1 norm of the KAN paper,
\(|\phi|_1 = \frac1B \sum_b |\phi(x_b)|\) (Liu et al., 2024, https://arxiv.org/abs/2404.19756, section 2.5.1).
"""

__all__ = ["Portrait", "portrait"]

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.pruning.sizes import PIECE, edge_l1

Portrait = dict[str, NDArray[Any]]
"""Arrays by name: `edge_x_0`, `edge_y_0`, `edge_l1_0`, `edge_live_0`, and so on for every layer."""

MARGIN = 0.03
"""How far a curve is drawn beyond the inputs seen, as a share of their range."""

WINDOW = 0.1
"""Half width of what is drawn of an edge whose input is constant, in units of that constant, or of 1 if it is small."""


def portrait(model: LayeredNetwork, x: Tensor, points: int = 65) -> Portrait:
    r"""The function of every edge, on evenly spaced points of the range of its inputs.

    The range is that of the activations with 3 % on either side. Activations farther outside the 5 % and 95 % quantiles
    than half their distance do not widen it; a constant activation gets a small window around it; non-finite ones do
    not count, and where there are no others the curves are NaN.

    Args:
        model: a network of M members; needs `activations(x)` and layers with `edge_values(x)` and `live_edges()`.
        x: inputs (M, B, I), or (B, I) shared by all members.
        points: points P of a curve, at least 2.

    Returns:
        For each layer l of I inputs and O outputs, in float32 but for the last:

        - `edge_x_l`, shape (M, I, P): where the curves are given, in units of the layer's inputs;
        - `edge_y_l`, shape (M, I, P, O): \(\phi_{i,o}\) there, in units of the layer's outputs;
        - `edge_l1_l`, shape (M, I, O): mean of \(|\phi_{i,o}|\) over the samples, same units;
        - `edge_live_l`, bool, shape (M, I, O): false for edges that were pruned.

    Raises:
        ValueError: a wrong shape of `x`, no samples, or fewer than two points.

    Example:
        >>> from kan.network import KAN
        >>> arrays = portrait(KAN(2, 1, width=5), torch.rand(100, 2))
        >>> {name: array.shape for name, array in arrays.items() if name.endswith("_1")}
        {'edge_x_1': (1, 5, 65), 'edge_y_1': (1, 5, 65, 1), 'edge_l1_1': (1, 5, 1), 'edge_live_1': (1, 5, 1)}
    """
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    if x.dim() in (2, 3) and x.shape[-2] == 0:
        raise ValueError("a portrait needs at least one sample, got none")
    arrays: Portrait = {}
    with torch.no_grad():
        activations = model.activations(x)
        for index, inputs in enumerate(activations[:-1]):
            layer = model.layer(index)
            places = _places(inputs, points)
            curves = torch.cat([layer.edge_values(part) for part in _parts(layer, places)], dim=1)
            arrays[f"edge_x_{index}"] = _plain(places.transpose(1, 2))
            arrays[f"edge_y_{index}"] = _plain(curves.transpose(1, 2))
            arrays[f"edge_l1_{index}"] = _plain(edge_l1(layer, inputs))
            arrays[f"edge_live_{index}"] = layer.live_edges().cpu().numpy()
    return arrays


def _plain(tensor: Tensor) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is beyond float32 is drawn as what it is, not finite
        return np.ascontiguousarray(tensor.cpu().numpy().astype(np.float32))


def _parts(layer: EdgeLayer, x: Tensor) -> Iterator[Tensor]:
    """Points (M, P, I) cut along P, so that the edges' values of each part stay small."""
    count = max(1, PIECE // (layer.members * layer.in_features * layer.out_features))
    return iter(x.split(count, dim=1))


def _places(inputs: Tensor, points: int) -> Tensor:
    """Evenly spaced points over the activations (M, B, I) of each input: (M, P, I)."""
    values = inputs.double().cpu().numpy()
    values = np.where(np.isfinite(values), values, np.nan)
    lost = np.isnan(values).all(axis=1, keepdims=True)
    values = np.where(lost, 0.0, values)
    low, first, last, high = np.nanquantile(values, (0.0, 0.05, 0.95, 1.0), axis=1)
    # where most values are the same, all of them are shown
    reach = np.where(last > first, 0.5 * (last - first), np.inf)
    low, high = np.maximum(low, first - reach), np.minimum(high, last + reach)
    centre, half = 0.5 * (low + high), 0.5 * (high - low)
    scale = np.maximum(1.0, np.abs(centre))
    half = np.where(half > 1e-6 * scale, half * (1 + 2 * MARGIN), WINDOW * scale)
    places = centre[:, None] + half[:, None] * np.linspace(-1.0, 1.0, points)[:, None]
    places[np.broadcast_to(lost, places.shape)] = np.nan
    return torch.from_numpy(places).to(inputs)
