"""The coefficients that keep a spline's function on other knots: exactly by knot insertion, or the closest there is."""

__all__ = ["continued", "insert_knots", "refit"]

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from kan.splines import extend_grid, local_basis

UNSEEN = 1e-3
"""Weight of the whole grid beside the samples in `refit`; at 1e-6 the fit bought a hundred-thousandth on the samples
with errors a thousand times as large right beside them."""

REACH = 0.25
"""How far beyond its grid a spline is worth following, as a part of the grid's length, when it is fitted on another."""


def insert_knots(coefficients: Tensor, coarse: Tensor, fine: Tensor, spline_order: int) -> Tensor:
    r"""Coefficients on finer knots that contain the coarser ones: the same spline on the whole grid.

    Coefficient j of the finer spline is the blossom of a polynomial piece p in the support of its basis function,

    .. math:: c'_j = \hat p(t'_{j+1}, \dots, t'_{j+k}),

    computed by k steps of de Boor's recursion, each with a knot of its own in place of the point (Ramshaw 1989,
    https://doi.org/10.1016/0167-8396(89)90032-0; Goldman 1990, https://doi.org/10.1016/0167-8396(90)90017-E). It also
    serves the knots outside, which need not contain the coarser ones.

    Args:
        coefficients: c, shape (*, K, O).
        coarse: knots, shape (*, K+k+1).
        fine: knots, shape (*, K'+k+1), see `is_nested`.
        spline_order: order k.

    Returns:
        Shape (*, K', O), computed in float64 and returned in the dtype of `coefficients`.
    """
    k, t, u = spline_order, coarse.double().contiguous(), fine.double()
    count, finer = t.shape[-1] - k - 1, u.shape[-1] - k - 1
    low, high = t[..., k, None], t[..., -1 - k, None]
    middle = 0.5 * (torch.maximum(u[..., :finer], low) + torch.minimum(u[..., k + 1 :], high))
    piece = (torch.searchsorted(t, middle.contiguous(), right=True) - 1).clamp(k, count - 1)  # (*, K')
    near = torch.arange(1 - k, k + 1, device=t.device) + piece.unsqueeze(-1)
    knots = t.gather(-1, near.flatten(-2)).view(*near.shape)  # t_{m-k+1} … t_{m+k}
    arguments = u[..., torch.arange(finer, device=u.device)[:, None] + torch.arange(1, k + 1, device=u.device)]
    # row i, column s: how much of the coefficient m-k+s is in the i-th number of the recursion
    shares = torch.eye(k + 1, dtype=t.dtype, device=t.device).expand(*piece.shape, k + 1, k + 1)
    for step in range(1, k + 1):
        left, right = knots[..., step - 1 : k], knots[..., k : 2 * k - step + 1]
        alpha = ((arguments[..., step - 1, None] - left) / (right - left)).unsqueeze(-1)
        shares = (1.0 - alpha) * shares[..., :-1, :] + alpha * shares[..., 1:, :]
    weights = shares.squeeze(-2)  # (*, K', k+1)
    result = torch.zeros(*piece.shape, coefficients.shape[-1], dtype=t.dtype, device=t.device)
    for s in range(k + 1):
        index = (piece - k + s).unsqueeze(-1).expand(result.shape)
        result += weights[..., s, None] * coefficients.double().gather(-2, index)
    return result.to(coefficients.dtype)


def continued(coefficients: Tensor, knots: Tensor, spline_order: int, reach: float = REACH) -> tuple[Tensor, Tensor]:
    """The same spline on its grid, which goes on beyond the ends as the outermost polynomials do, and fades later.

    Args:
        coefficients: c, shape (*, K, O).
        knots: shape (*, K+k+1).
        spline_order: order k.
        reach: how far on either side, as a part of the grid's length.

    Returns:
        Coefficients (*, K+2, O) and knots (*, K+k+3), one long interval more on either side.
    """
    points = knots.double()[..., spline_order : knots.shape[-1] - spline_order]
    more = reach * (points[..., -1:] - points[..., :1])
    longer = torch.cat([points[..., :1] - more, points, points[..., -1:] + more], dim=-1)
    further = extend_grid(longer, spline_order)
    return insert_knots(coefficients, knots, further, spline_order), further


def refit(coefficients: Tensor, before: Tensor, after: Tensor, spline_order: int, x: Tensor | None = None) -> Tensor:
    r"""Coefficients on other knots whose spline s' is closest to the present spline s.

    .. math::
        \min_{c'} \; \frac1B \sum_b (s'(x_b) - s(x_b))^2 + \frac{\lambda}{h - l} \int_l^h (s'(t) - s(t))^2 \, dt

    over the new grid [l, h]. With samples \(\lambda = 10^{-3}\): they come first, and the integral decides what they
    leave open, so that a handful of samples does not erase what was learned elsewhere. Without samples the integral
    alone is left, the orthogonal projection. Both are sums over the few bases alive at a point, the integral by
    Gauss–Legendre points between neighbouring knots of either grid, where it is exact.

    Where the new grid is longer, s in the integral is the present spline `continued`. What it really does out there is
    to fade over k of its intervals: no sample asked for that, and a fit that followed so steep a fall would spoil the
    function on the samples beside it (by a factor of 20,000 in one network). Samples out there keep what they have. A
    grid that lies elsewhere altogether takes what is there: a cubic far from its intervals is nothing to go on with.

    Args:
        coefficients: c, shape (M, I, K, O).
        before: present knots, (M, I, K+k+1).
        after: new knots, (M, I, K'+k+1).
        spline_order: order k.
        x: samples, (M, B, I), or None.

    Returns:
        Shape (M, I, K', O), solved in float64 and returned in the dtype of `coefficients`.
    """
    fitted = [
        _refit(c.double(), old.double(), new.double(), spline_order, None if x is None else x[m].double())
        for m, (c, old, new) in enumerate(zip(coefficients.detach(), before, after, strict=True))
    ]  # member by member: the matrices of all of them would be M times as large
    return torch.stack(fitted).to(coefficients.dtype)


def _refit(c: Tensor, before: Tensor, after: Tensor, k: int, x: Tensor | None) -> Tensor:
    """`refit` of one member: c (I, K, O), knots (I, N) and (I, N'), x (B, I)."""
    target, further = (c, before) if x is None else continued(c, before, k)
    points, weights = _quadrature(further, after, k)
    matrix = _products(points, weights, after, after, k)
    right = _products(points, weights, after, further, k) @ target
    near = _overlap(before, after, k)
    if x is not None and not bool(near.all()):
        points, weights = _quadrature(before, after, k)
        right = torch.where(near[:, None, None], right, _products(points, weights, after, before, k) @ c)
    if x is not None:
        mean = torch.full_like(x, 1.0 / len(x))
        matrix = UNSEEN * matrix + _products(x, mean, after, after, k)
        right = UNSEEN * right + _products(x, mean, after, before, k) @ c
    scale = matrix.diagonal(dim1=-2, dim2=-1).rsqrt()  # intervals differ in width, and bases with them
    scaled = scale.unsqueeze(-1) * matrix * scale.unsqueeze(-2)
    factor = torch.linalg.cholesky(scaled)

    def solve(b: Tensor) -> Tensor:
        return scale.unsqueeze(-1) * torch.cholesky_solve(scale.unsqueeze(-1) * b, factor)

    solution = solve(right)
    return solution + solve(right - matrix @ solution)  # one refinement: the matrix squares the condition of the fit


def _overlap(before: Tensor, after: Tensor, k: int) -> Tensor:
    """Whether each new grid has a part in common with the present one, and not just an end but for rounding, (I,)."""
    (low, high), (start, end) = ((knots[:, k], knots[:, -1 - k]) for knots in (before, after))
    return torch.minimum(high, end) - torch.maximum(low, start) > 1e-6 * (end - start)


def _quadrature(before: Tensor, after: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Points and weights (P, I) that average a product of both splines over the new grid exactly."""
    low, high = after[:, k, None], after[:, -1 - k, None]
    cuts = torch.cat([before, after], dim=1).clamp(low, high).sort(dim=1).values
    nodes, shares = (torch.from_numpy(part).to(after) for part in leggauss(k + 1))
    width, start = cuts.diff(dim=1), cuts[:, :-1]
    points = start.unsqueeze(-1) + 0.5 * width.unsqueeze(-1) * (nodes + 1.0)
    weights = 0.5 * width.unsqueeze(-1) * shares / (high - low).unsqueeze(-1)
    return points.flatten(1).T, weights.flatten(1).T


def _products(x: Tensor, weights: Tensor, rows: Tensor, columns: Tensor, k: int) -> Tensor:
    """Σ_b w_b B_i(x_b) B'_j(x_b) of the bases on two knot vectors: x and w (P, I), knots (I, N): (I, K, K')."""
    sizes = [knots.shape[-1] - k - 1 for knots in (rows, columns)]
    (a, first), (b, second) = (local_basis(x, knots, k) for knots in (rows, columns))
    live = torch.arange(k + 1, device=x.device)
    # where there is no basis the value is zero, so it does not matter where it goes
    at = [(f.unsqueeze(-1) + live).clamp(0, n - 1) for f, n in zip((first, second), sizes, strict=True)]
    product = (a * weights.unsqueeze(-1)).unsqueeze(-1) * b.unsqueeze(-2)  # (P, I, k+1, k+1)
    place = at[0].unsqueeze(-1) * sizes[1] + at[1].unsqueeze(-2)
    inputs = x.shape[1]
    total = torch.zeros(inputs, sizes[0] * sizes[1], dtype=x.dtype, device=x.device)
    total.scatter_add_(1, place.transpose(0, 1).reshape(inputs, -1), product.transpose(0, 1).reshape(inputs, -1))
    return total.view(inputs, *sizes)
