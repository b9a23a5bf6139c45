r"""How far from one polynomial a spline is: what decides where the data leave it open.

A spline of order k is one polynomial of degree k exactly where its k-th derivative has no jumps. Their squares,

.. math::
    R(\phi) = \sum_{j=1}^{G-1} \big( \bar h^k \, [\phi^{(k)}(g_j + 0) - \phi^{(k)}(g_j - 0)] \big)^2,

over the G - 1 points inside the grid, with \(\bar h\) its mean interval, are the measure of smoothness of Dierckx
(1975, https://doi.org/10.1016/0771-050X(75)90034-0). On an even grid they are the (k+1)-th differences of the
coefficients, the penalty of Eilers & Marx's P-splines (1996, https://doi.org/10.1214/ss/1038425655).

A smooth function loses nothing by it: least squares with \(\rho R\) beside them move it by the order of
\(\rho \, G \, \bar h^{2k+2} \phi^{(2k+2)}\), far below the error of any spline, which is of the order of
\(\bar h^{k+1} \phi^{(k+1)}\). So one small weight serves every grid, and decides only what the data leave open: a
coefficient that no sample touches, or a few where its basis is next to nothing, continues the polynomial beside it.
"""

__all__ = ["derivative_jumps", "roughness"]

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from kan.grids.layer import GridLayer


def derivative_jumps(knots: Tensor, spline_order: int) -> Tensor:
    r"""Jumps of the k-th derivative at the points inside the grid, times \(\bar h^k\), for each coefficient.

    By the derivative of a spline, \(c'_i = k (c_i - c_{i-1}) / (t_{i+k} - t_i)\), k times over (de Boor, A Practical
    Guide to Splines, 1978, chapter X).

    Args:
        knots: increasing, shape (*, G+2k+1).
        spline_order: order k.

    Returns:
        Shape (*, G-1, G+k), in float64.

    Example:
        >>> derivative_jumps(torch.arange(9.0), 3)
        tensor([[ 1., -4.,  6., -4.,  1.]], dtype=torch.float64)
    """
    t, k = knots.double(), spline_order
    count = t.shape[-1] - k - 1
    rows = torch.eye(count, dtype=t.dtype, device=t.device).expand(*t.shape[:-1], count, count)
    mean = (t[..., -1 - k] - t[..., k]) / (count - k)
    for step in range(1, k + 1):
        order = k - step + 1
        reach = t[..., step + order : count + order] - t[..., step:count]
        rows = rows.diff(dim=-2) * (order * mean.unsqueeze(-1) / reach).unsqueeze(-1)
    return rows.diff(dim=-2)


@torch.no_grad()
def roughness(layers: Sequence[GridLayer]) -> list[tuple[Tensor, Tensor]]:
    r"""Rows whose products with the parameters are the jumps of all splines, \([\phi^{(k)}] \bar h^k / u_\phi\).

    The splines count with their scales and masks; the scales are taken as they are now. A hidden feature has no unit of
    its own, only the grid that it runs into: the unit u of an edge is the length of that grid, and 1 for edges into the
    output. Base functions and formulas are not counted.

    Args:
        layers: of M members, from input to output.

    Returns:
        For each layer whose coefficients are trained and whose grids have points inside: the places (E, K) of the
        coefficients of its E = I O edges among the P trained parameters of a member (in the order of
        the layers' parameters, each flattened from its second axis on), and the rows (M, E, G-1, K), in float64.
    """
    blocks = []
    start = 0
    places = {}
    for parameter in chain.from_iterable(layer.parameters() for layer in layers):
        if parameter.requires_grad:
            places[parameter] = start
            start += parameter[0].numel()
    for index, layer in enumerate(layers):
        if layer.coefficients not in places or layer.grid_size < 2:
            continue
        gate, scale = layer.gate(), layer.spline_scale.double()
        if gate is not None:
            scale = scale * gate
        if index + 1 < len(layers):
            low, high = layers[index + 1].input_window()
            scale = scale / (high - low).double().unsqueeze(1)
        jumps = derivative_jumps(layer.knots, layer.spline_order)
        rows = (jumps.unsqueeze(2) * scale[..., None, None]).flatten(1, 2)
        count = layer.coefficients[0].numel()
        columns = (
            torch.arange(count, device=rows.device).view(layer.coefficients.shape[1:]) + places[layer.coefficients]
        )
        blocks.append((columns.transpose(1, 2).flatten(0, 1), rows))
    return blocks
