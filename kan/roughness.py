r"""How far from one polynomial a spline is: what decides where the data leave it open.

A spline of order k is one polynomial of degree k exactly where its k-th derivative has no jumps. Their squares,

.. math::
    R(\phi) = \sum_{j=1}^{G-1} \big( \bar h^k \, [\phi^{(k)}(g_j + 0) - \phi^{(k)}(g_j - 0)] \big)^2,

over the G - 1 points inside the grid, with \(\bar h\) its mean interval, are the measure of smoothness of Dierckx
(1975, https://doi.org/10.1016/0771-050X(75)90034-0). On an even grid they are the (k+1)-th differences of the
coefficients, the penalty of Eilers & Marx's P-splines (1996, https://doi.org/10.1214/ss/1038425655).

For a smooth function the jumps shrink like \(\bar h^{k+1}\), just as the error of the best spline does, so one small
weight is small beside the data on every grid: 1e-8 times R is to the mean squared error what 1e-3 is to 1. It decides
only what the data leave open: a coefficient that no sample touches, or few where its basis is next to nothing,
continues the polynomial beside it.
"""

__all__ = ["derivative_jumps", "roughness"]

import torch
from torch import Tensor

from kan.layer import KANLayer
from kan.network import KAN


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
def roughness(network: KAN) -> Tensor:
    r"""The matrix Q of the roughness of all splines, \(\theta^T Q \theta = \sum_\phi R(\phi) / u_\phi^2\).

    The splines count with their scales and masks; the scales are taken as they are now. A hidden feature has no unit of
    its own, only the grid that it runs into: the unit u of an edge is the length of that grid, and 1 for edges into the
    output. Base functions and formulas are not counted.

    Args:
        network: M members.

    Returns:
        Shape (M, P, P) in float64, over the parameters that require a gradient in the order of `network.parameters()`;
        zero in the rows and columns of all but coefficients.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    sizes = [parameter[0].numel() for parameter in trained]
    like = network.layer(0).knots
    result = torch.zeros(network.members, sum(sizes), sum(sizes), dtype=torch.float64, device=like.device)
    starts = {parameter: sum(sizes[:index]) for index, parameter in enumerate(trained)}
    for index in range(network.depth):
        layer = network.layer(index)
        if layer.coefficients not in starts or layer.grid_size < 2:
            continue
        jumps = derivative_jumps(layer.knots, layer.spline_order)
        blocks = jumps.mT @ jumps  # (M, I, K, K)
        scale = _scale(layer)
        if index + 1 < network.depth:
            low, high = network.layer(index + 1).input_window()
            scale = scale / (high - low).double().unsqueeze(1)
        start, (_, inputs, count, outputs) = starts[layer.coefficients], layer.coefficients.shape
        place = torch.arange(inputs * count * outputs, device=like.device).view(inputs, count, outputs) + start
        for i in range(inputs):
            for o in range(outputs):
                rows = place[i, :, o]
                result[:, rows.unsqueeze(1), rows] = blocks[:, i] * scale[:, i, o, None, None].square()
    return result


def _scale(layer: KANLayer) -> Tensor:
    """What multiplies the spline of every edge, (M, I, O), in float64."""
    gate = layer.gate()
    scale = layer.spline_scale.double()
    return scale if gate is None else scale * gate.double()
