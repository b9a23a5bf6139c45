r"""B-splines of any order on any knots: local and dense basis, derivatives, least-squares fit.

A knot vector \(t_0 < t_1 < \dots < t_{G+2k}\) carries \(K = G + k\) basis functions of order (degree) k,

.. math::
    B_{i,0}(x) = [t_i \le x < t_{i+1}], \qquad
    B_{i,d}(x) = \frac{x - t_i}{t_{i+d} - t_i} B_{i,d-1}(x) + \frac{t_{i+d+1} - x}{t_{i+d+1} - t_{i+1}} B_{i+1,d-1}(x).

\(B_{i,k}\) is zero outside \((t_i, t_{i+k+1})\). The *grid* is \([t_k, t_{G+k}]\): G intervals, on which the bases sum
to one; the k knots on either side only complete the bases at the ends.

**Outside the grid** a basis function is what its definition says, everywhere on the real line: the spline fades to
zero over the k outer intervals, with k - 1 continuous derivatives, and is exactly zero beyond them. So every
coefficient has compact support, on all of the real line, which continuing the end polynomials would destroy. It is
also what pykan and efficient-kan compute. Derivatives at a knot are those of the interval to its right; at the right
end of the grid, which belongs to the grid, those of the interval to its left (as in `scipy.interpolate.BSpline`).

References:
    de Boor, A Practical Guide to Splines (1978), chapters IX and X.

In one file: the one definition of the bases, which all engines are held to, from knots to coefficients.
"""

__all__ = [
    "MOST_ORDER",
    "basis",
    "extend_grid",
    "fit_coefficients",
    "is_uniform",
    "local_basis",
    "uniform_grid",
    "uniform_polynomials",
]

from fractions import Fraction
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_ORDER = 50
"""Order of a spline, at most: the work grows with its square, and rounding leaves nothing of higher ones."""


def uniform_grid(
    low: float,
    high: float,
    grid_size: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """G + 1 evenly spaced grid points from `low` to `high`, both included.

    Raises:
        ValueError: `grid_size` below 1, or an empty range.
    """
    if grid_size < 1:
        raise ValueError(f"grid_size must be at least 1 interval, got {grid_size}")
    if not low < high:
        raise ValueError(f"grid_range must be two increasing numbers, got [{low}, {high}]")
    return torch.linspace(low, high, grid_size + 1, dtype=dtype, device=device)


def extend_grid(grid: Tensor, spline_order: int) -> Tensor:
    """Adds k knots on either side of the grid points, spaced by the mean interval of the grid.

    Args:
        grid: grid points, strictly increasing, shape (*, G+1).
        spline_order: order k.

    Returns:
        Knots of shape (*, G+2k+1).

    Raises:
        ValueError: `spline_order` below 1 or above `MOST_ORDER`, fewer than two points, or points that do not strictly
            increase.
    """
    if spline_order < 1:
        raise ValueError(f"spline_order must be at least 1, got {spline_order}")
    if spline_order > MOST_ORDER:
        raise ValueError(f"spline_order must be at most {MOST_ORDER}, got {spline_order}")
    intervals = grid.shape[-1] - 1
    if intervals < 1 or not bool((grid.diff(dim=-1) > 0).all()):
        raise ValueError("grid points must be at least two, finite and strictly increasing")
    first, last = grid[..., :1], grid[..., -1:]
    steps = torch.arange(1, spline_order + 1, dtype=grid.dtype, device=grid.device) * ((last - first) / intervals)
    return torch.cat([first - steps.flip(-1), grid, last + steps], dim=-1)


def is_uniform(knots: Tensor) -> bool:
    """Whether all knot vectors (*, N) are evenly spaced within rounding, so that one polynomial form serves.

    Rounding must also be small beside the spacing, or the place of a point within its interval means little: a fine
    grid far from zero counts as uneven, whatever was meant.
    """
    t = knots.double()
    step = (t[..., -1:] - t[..., :1]) / (t.shape[-1] - 1)
    even = t[..., :1] + step * torch.arange(t.shape[-1], dtype=t.dtype, device=t.device)
    rounding = 4 * torch.finfo(knots.dtype).eps * t.abs().amax(dim=-1, keepdim=True)
    return bool((((t - even).abs() <= rounding) & (rounding <= 0.01 * step)).all())


_PIECES: dict[int, list[list[float]]] = {}


def _uniform_pieces(spline_order: int) -> list[list[float]]:
    r"""Power coefficients of the k + 1 bases that live on an interval of uniform knots, in \(u = (x - t_j) / h\).

    Row p holds the coefficients of \(u^p\) for \(B_{j-k}, \dots, B_j\); from the recursion in exact fractions.
    """
    if spline_order in _PIECES:
        return _PIECES[spline_order]
    pieces = [[Fraction(1)]]  # one polynomial a live basis, constant first
    for d in range(1, spline_order + 1):
        grown = []
        for r in range(d + 1):  # basis B_{j-d+r} of order d
            polynomial = [Fraction(0)] * (d + 1)
            if r > 0:  # (x - t_{j-d+r}) / (d h) · B_{j-d+r, d-1}, and x - t_{j-d+r} = (u + d - r) h
                for p, c in enumerate(pieces[r - 1]):
                    polynomial[p] += c * Fraction(d - r, d)
                    polynomial[p + 1] += c / d
            if r < d:  # (t_{j+r+1} - x) / (d h) · B_{j-d+r+1, d-1}
                for p, c in enumerate(pieces[r]):
                    polynomial[p] += c * Fraction(r + 1, d)
                    polynomial[p + 1] -= c / d
            grown.append(polynomial)
        pieces = grown
    _PIECES[spline_order] = [[float(piece[p]) for piece in pieces] for p in range(spline_order + 1)]
    return _PIECES[spline_order]


def uniform_polynomials(spline_order: int, derivative: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    r"""The k + 1 bases that live on an interval of uniform knots, as polynomials in \(u = (x - t_j) / h\).

    Args:
        spline_order: order k.
        derivative: how many derivatives in u.
        dtype: of the result.
        device: of the result.

    Returns:
        Coefficients of \(u^p\) in row p, one column a basis, shape (k+1-derivative, k+1). Cached: do not change it.
    """
    if torch.compiler.is_compiling():  # a compiler looks through caches, and warns of them
        return _polynomials(spline_order, derivative, dtype, device)
    return _kept_polynomials(spline_order, derivative, dtype, device)


def _polynomials(spline_order: int, derivative: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    rows = torch.tensor(_uniform_pieces(spline_order), dtype=torch.float64)
    for _ in range(derivative):
        rows = rows[1:] * torch.arange(1, len(rows), dtype=torch.float64)[:, None]
    return rows.to(device=device, dtype=dtype)


@cache
def _kept_polynomials(spline_order: int, derivative: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # what is kept must serve training too, whoever asks first
        return _polynomials(spline_order, derivative, dtype, device)


def _intervals(x: Tensor, knots: Tensor, spline_order: int) -> tuple[Tensor, Tensor]:
    """Index j with t_j ≤ x < t_{j+1}, -1 left and N-1 right of all knots, and x moved next to the knots if far off.

    Shapes (*, I, B), so that knots and points are sorted against each other along the last axis.
    """
    low, high = knots[..., :1], knots[..., -1:]
    reach = high - low
    x = torch.clamp(x, low - reach, high + reach)  # all bases are zero there; keeps powers of x finite
    end = knots[..., -1 - spline_order, None]
    # without gradient: the interval is constant between knots
    at = x.detach()
    searched = torch.where(at == end, torch.nextafter(end, low), at)
    return torch.searchsorted(knots.detach().contiguous(), searched.contiguous(), right=True) - 1, x


def local_basis(
    x: Tensor, knots: Tensor, spline_order: int, derivative: int = 0, uniform: bool = False
) -> tuple[Tensor, Tensor]:
    r"""The k + 1 basis functions that are alive at each point, and where they stand among all.

    Costs O(k²) a point, whatever the grid size. Differentiable in `x` (not in `knots`).

    Args:
        x: points, shape (*, B, I).
        knots: nondecreasing knots of every input, shape (*, I, N), N = G + 2k + 1.
        spline_order: order k ≥ 1.
        derivative: n for the n-th derivative \(\partial^n B_i / \partial x^n\), in units of x to the power -n.
        uniform: whether the knots are evenly spaced (see `is_uniform`), which takes a shorter closed form.

    Returns:
        Values of shape (*, B, I, k+1), and the index of the first of these bases, (*, B, I). Indices reach from -k-1
        to K: those outside 0..K-1 name no basis and have value zero. NaN points give NaN values.
    """
    k = spline_order
    position, points = _intervals(x.transpose(-1, -2), knots, k)
    if derivative > k:
        values = torch.zeros((*x.shape, k + 1), dtype=x.dtype, device=x.device)
    elif uniform:
        step = (knots[..., -1:] - knots[..., :1]) / (knots.shape[-1] - 1)
        left = knots.gather(-1, position.clamp(0, knots.shape[-1] - 1))
        u = ((points - left) / step).transpose(-1, -2).unsqueeze(-1)
        rows = uniform_polynomials(k, derivative, x.dtype, x.device)
        values = rows[-1].expand(*x.shape, k + 1)
        for power in reversed(range(k - derivative)):
            values = torch.addcmul(rows[power], values, u)
        if derivative:
            values = values / step.transpose(-1, -2).unsqueeze(-1) ** derivative
    else:
        values = _triangle(points, position, knots, k, derivative)
    first = position.transpose(-1, -2) - k
    index = first.unsqueeze(-1) + torch.arange(k + 1, device=x.device)
    # a product and not a choice, so that NaN stays NaN
    return values * ((index >= 0) & (index < knots.shape[-1] - k - 1)), first


def _triangle(points: Tensor, position: Tensor, knots: Tensor, k: int, derivative: int) -> Tensor:
    """The Cox–de Boor triangle restricted to live bases, all of one order at once; last `derivative` rows differ."""
    # bases that reach over the first or last knot want knots beyond it; their own values are discarded
    step = (knots[..., -1:] - knots[..., :1]) / (knots.shape[-1] - 1)
    more = torch.arange(1, k + 2, dtype=knots.dtype, device=knots.device) * step
    padded = torch.cat([knots[..., :1] - more.flip(-1), knots, knots[..., -1:] + more], dim=-1)
    around = torch.arange(1 - k, k + 1, device=knots.device) + (k + 1)
    index = (position.clamp(-1, knots.shape[-1] - 1).unsqueeze(-1) + around).flatten(-2)
    near = padded.gather(-1, index).unflatten(-1, (-1, 2 * k)).transpose(-2, -3)  # t_{j-k+1} … t_{j+k}
    x = points.transpose(-1, -2).unsqueeze(-1)
    values = torch.ones_like(x)
    for d in range(1, k + 1):
        left, right = near[..., k - d : k], near[..., k : k + d]
        # positive even where knots repeat: each of these intervals contains [t_j, t_{j+1}), which is not empty
        scaled = values / (right - left)
        if d <= k - derivative:
            values = F.pad(scaled * (x - left), (1, 0)) + F.pad(scaled * (right - x), (0, 1))
        else:
            values = d * (F.pad(scaled, (1, 0)) - F.pad(scaled, (0, 1)))
    return values


def basis(x: Tensor, knots: Tensor, spline_order: int, derivative: int = 0, uniform: bool = False) -> Tensor:
    """All K basis functions at each point, of which at most k + 1 are not zero.

    Args:
        x: points, shape (*, B, I).
        knots: knots of every input, shape (*, I, N).
        spline_order: order k ≥ 1.
        derivative: which derivative in x.
        uniform: whether the knots are evenly spaced.

    Returns:
        Shape (*, B, I, K).

    Example:
        >>> knots = extend_grid(uniform_grid(-1.0, 1.0, 4), 3)
        >>> values = basis(torch.tensor([[0.3]]), knots[None], 3)
        >>> values.shape, round(float(values.sum()), 6)
        (torch.Size([1, 1, 7]), 1.0)
    """
    values, first = local_basis(x, knots, spline_order, derivative, uniform)
    count = knots.shape[-1] - spline_order - 1
    index = first.unsqueeze(-1) + torch.arange(spline_order + 1, device=x.device)
    dense = torch.zeros((*values.shape[:-1], count), dtype=values.dtype, device=values.device)
    # values without a basis are zero (or NaN), so it does not matter that they all go to an end
    return dense.scatter_add(-1, index.clamp(0, count - 1), values)


def fit_coefficients(x: Tensor, y: Tensor, knots: Tensor, spline_order: int, uniform: bool = False) -> Tensor:
    r"""Least-squares coefficients, \(\arg\min_c \sum_b (\sum_i c_i B_i(x_b) - y_b)^2\), of least norm if not unique.

    Args:
        x: points, shape (*, B, I).
        y: values at the points for every edge, shape (*, B, I, O).
        knots: knots of every input, shape (*, I, N).
        spline_order: order k ≥ 1.
        uniform: whether the knots are evenly spaced.

    Returns:
        Coefficients of shape (*, I, K, O), solved in float64 and returned in the dtype of `y`.
    """
    design = basis(x.double(), knots.double(), spline_order, uniform=uniform).transpose(-2, -3)
    target = y.double().transpose(-2, -3)
    return (torch.linalg.pinv(design) @ target).to(y.dtype)
