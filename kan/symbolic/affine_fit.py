r"""Affine fits of a function to samples of many edges at once, \(y \approx c \, f(a x + b) + d\).

As in Liu et al. (2024), section 2.5.1 (https://arxiv.org/abs/2404.19756), a and b are found on a grid, c and d by
linear regression, and what counts is the fraction of variance explained,

.. math::
    R^2 = 1 - \frac{\sum (c \, f(a x + b) + d - y)^2}{\sum (y - \bar y)^2}.

The search runs on inputs mapped to [-1, 1], so that it does not depend on their units: a coarse grid, finer grids
around its best few points, then damped Gauss–Newton steps in a and b with c and d eliminated (variable projection;
Golub & Pereyra, 1973; with the simplified Jacobian of Kaufman, 1975). What a symmetry of f makes superfluous is not
searched.

In one file: one search, from the coarse grid to the last Gauss–Newton step.
"""

__all__ = ["AffineFit", "fit_symbol"]

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kan.symbolic.functions import SymbolicFunction

_STARTS = 4  # best points of the coarse grid that are followed
_COARSE_SAMPLES = 128
_CHUNK = 1 << 22  # numbers in the largest intermediate tensor
_MARGIN = 1e-9  # to the ends of a domain, so that a and b in the units of the inputs keep to it in spite of rounding
_FLAT = 1e-3  # candidates that vary by less than this share of their size would cancel all but a few digits


class AffineFit(NamedTuple):
    """The best fit of one function to every edge.

    Attributes:
        affine: (a, b, c, d) of each edge, shape (M, I, O, 4), float64.
        r2: fraction of variance explained, (M, I, O); 1 for an edge that is constant. It is 0, and c = 0, where no a
            and b keep all samples where the function equals its formula.
    """

    affine: Tensor
    r2: Tensor


def fit_symbol(function: SymbolicFunction, x: Tensor, y: Tensor, edges: Tensor | None = None) -> AffineFit:
    r"""Fits \(c \, f(a x + b) + d\) to the samples of every edge by itself.

    Args:
        function: f.
        x: inputs, shape (M, B, I).
        y: values of the edges there, (M, B, I, O).
        edges: which edges, bool (M, I, O), None for all; others are fitted by their mean.

    Raises:
        ValueError: shapes that do not match, no samples, or samples that are not finite.

    Example:
        >>> from kan.symbolic.functions import find_function
        >>> x = torch.linspace(0, 1, 50, dtype=torch.float64).reshape(1, 50, 1)
        >>> fit = fit_symbol(find_function("tanh"), x, 3.0 * torch.tanh(2.0 * x - 1.0).unsqueeze(-1) + 0.5)
        >>> [round(value, 6) for value in fit.affine.flatten().tolist()]
        [2.0, -1.0, 3.0, 0.5]
    """
    if x.dim() != 3 or y.shape[:-1] != x.shape or x.shape[1] == 0:
        raise ValueError(
            "expected inputs (M, B, I) and values (M, B, I, O) of B ≥ 1 samples, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not (bool(x.isfinite().all()) and bool(y.isfinite().all())):
        raise ValueError("inputs and values of the edges must be finite, got NaN or infinity")
    with torch.no_grad():
        nodes = x.detach().double().transpose(1, 2).flatten(0, 1)  # (M·I, B)
        targets = y.detach().double().permute(0, 2, 3, 1).flatten(0, 1)  # (M·I, O, B)
        low, high = nodes.amin(1), nodes.amax(1)
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        half = torch.where(half > 0, half, 1.0)
        mean = targets.mean(-1)
        varying = (targets - mean.unsqueeze(-1)).abs().amax(-1) > 1e-12 * targets.abs().amax(-1)
        r2 = (~varying).double()
        if edges is not None:
            varying &= edges.flatten(0, 1)
        affine = torch.stack((1 / half, -middle / half, torch.zeros_like(half), torch.zeros_like(half)), -1)
        affine = affine.unsqueeze(1).repeat(1, targets.shape[1], 1)
        affine[..., 3] = mean
        if bool(varying.any()):
            points = (nodes - middle.unsqueeze(1)) / half.unsqueeze(1)
            node, _ = varying.nonzero(as_tuple=True)
            used = varying.any(1)
            starts = _coarse(function, points[used], targets[used])[varying[used]]
            step = max(1, _CHUNK // (25 * starts.shape[1] * points.shape[1]))
            parts = zip(points[node].split(step), targets[varying].split(step), starts.split(step), strict=True)
            found = torch.cat([_search(function, *part) for part in parts])
            a, b, c, d, r2[varying] = found.unbind(1)
            affine[varying] = torch.stack((a / half[node], b - a * (middle / half)[node], c, d), -1)
    shape = (x.shape[0], x.shape[2], y.shape[3])
    return AffineFit(affine.view(*shape, 4), r2.view(shape))


def _grid(function: SymbolicFunction, like: Tensor) -> Tensor:
    """Pairs (a, b) to begin with, for inputs in [-1, 1]: shape (A, C, 2), neighbours next to each other."""

    def line(low: float, high: float, count: int) -> Tensor:
        return torch.linspace(low, high, count, dtype=like.dtype, device=like.device)

    if function.stretch is not None:
        slopes = line(1.0, 1.0, 1)
    elif function.oscillates:
        slopes = torch.cat((0.5 * 2.0 ** line(-3.0, -1.0, 3), line(0.5, 32.0, 64)))
    else:
        slopes = 10.0 ** line(-1.5, 2.0, 29)
    if function.mirror is None:
        slopes = torch.cat((-slopes.flip(0), slopes))
    if function.shift is not None:
        return torch.stack((slopes, torch.zeros_like(slopes)), -1).unsqueeze(1)
    if function.antiperiod is not None:
        offsets = line(0.0, function.antiperiod, 9)[:-1].expand(len(slopes), -1)
    else:
        far = 10.0 ** line(-3.0, 2.0, 11)  # centres outside the samples, from just beyond their ends
        near = torch.sin(0.5 * math.pi * line(-1.0, 1.0, 51))
        centres = torch.cat((-1.0 - far.flip(0), near, 1.0 + far))
        offsets = -slopes.unsqueeze(1) * centres
    return torch.stack((slopes.unsqueeze(1).expand_as(offsets), offsets), -1)


def _coarse(function: SymbolicFunction, points: Tensor, targets: Tensor) -> Tensor:
    """The best few local optima on the coarse grid, for each edge: points (N, B), targets (N, O, B) to (N, O, S, 2).

    All edges of an input share the values of f, so that the fits are one matrix product.
    """
    grid = _grid(function, points)
    pairs = grid.flatten(0, 1)
    starts = min(_STARTS, len(pairs))
    order = _thinned(points)
    found = []
    step = max(1, _CHUNK // (len(pairs) * order.shape[1]))
    for rows in torch.arange(len(points), device=points.device).split(step):
        t = points[rows].gather(1, order[rows]).unsqueeze(1)
        y = targets[rows].gather(2, order[rows].unsqueeze(1).expand(-1, targets.shape[1], -1))
        _, centred, usable = _candidates(function, t, pairs[:, 0], pairs[:, 1])
        y = y - y.mean(-1, keepdim=True)
        unit = torch.where(usable.unsqueeze(-1), F.normalize(centred, dim=-1), 0.0)
        score = (unit @ y.transpose(1, 2)).square().transpose(1, 2)  # (n, O, candidates)
        score = score.masked_fill(~usable.unsqueeze(1), -1.0).unflatten(-1, grid.shape[:2])
        peaks = score == F.max_pool2d(score, 3, stride=1, padding=1)
        best = torch.where(peaks, score, score - 2.0 * y.square().sum(-1)[..., None, None]).flatten(2)
        found.append(pairs[best.topk(starts, dim=-1).indices])
    return torch.cat(found)


def _thinned(points: Tensor) -> Tensor:
    """Which samples to search with at first, from all over the range: inputs (N, B) to indices (N, B')."""
    count = min(_COARSE_SAMPLES, points.shape[1])
    return points.argsort(1)[:, torch.linspace(0, points.shape[1] - 1, count, device=points.device).long()]


def _candidates(function: SymbolicFunction, t: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values f(a t + b), the same without their means, and which candidates can be used at all."""
    u = a.unsqueeze(-1) * t + b.unsqueeze(-1)
    values = function(u)
    usable = values.isfinite().all(-1)
    if function.low > -math.inf or function.high < math.inf or function.gap:
        usable &= (function.contains(u - _MARGIN) & function.contains(u + _MARGIN)).all(-1)
    if function.gap:  # a fit with a pole among the samples would hang on the sample that is nearest to it
        usable &= (u > 0).all(-1) | (u < 0).all(-1)
    values = torch.where(usable.unsqueeze(-1), values, 0.0)
    centred = values - values.mean(-1, keepdim=True)
    return values, centred, usable & (centred.abs().amax(-1) > _FLAT * values.abs().amax(-1))


def _search(function: SymbolicFunction, points: Tensor, targets: Tensor, starts: Tensor) -> Tensor:
    """The best a, b, c, d and R² of each edge, (P, 5), from starts (P, S, 2) and samples (P, B)."""
    few = _thinned(points)
    rough = _Samples(function, points.gather(1, few), targets.gather(1, few))
    a, b = rough.polish(*rough.zoom(starts[..., 0], starts[..., 1], reach=0.1), steps=15)
    best = rough.unexplained(a, b).argmin(1, keepdim=True)
    return _Samples(function, points, targets).finish(a.gather(1, best), b.gather(1, best))


class _Samples:
    """Samples of P edges, each with its own inputs, and fits to them from S starts each: a and b are (P, S).

    Args:
        function: f.
        points: inputs in [-1, 1], shape (P, B).
        targets: values there, none constant, (P, B).
    """

    def __init__(self, function: SymbolicFunction, points: Tensor, targets: Tensor) -> None:
        self.function = function
        self.points = points.unsqueeze(1)
        self.means = targets.mean(-1)
        self.targets = (targets - self.means.unsqueeze(-1)).unsqueeze(1)
        self.power = self.targets.square().sum(-1)

    def finish(self, a: Tensor, b: Tensor) -> Tensor:
        """The optimum near one pair for each edge, with all that belongs to it: a, b, c, d and R², (P, 5)."""
        a, b = self.polish(*self.zoom(a, b, reach=0.05), steps=50)
        values, centred, usable = _candidates(self.function, self.points, a, b)
        c = self.slope(centred).masked_fill(~usable, 0.0)
        d = self.means.unsqueeze(1) - c * values.mean(-1)
        return torch.cat((a, b, c, d, 1.0 - self.unexplained(a, b).masked_fill(~usable, 1.0)), 1)

    def slope(self, centred: Tensor) -> Tensor:
        """The best c for values without their means."""
        power = centred.square().sum(-1)
        return (centred * self.targets).sum(-1) / torch.where(power > 0, power, 1.0)

    def unexplained(self, a: Tensor, b: Tensor) -> Tensor:
        """The fraction of variance that the best c and d leave; ∞ where a and b can't be used."""
        _, centred, usable = _candidates(self.function, self.points, a, b)
        left = self.targets - self.slope(centred).unsqueeze(-1) * centred
        return (left.square().sum(-1) / self.power).masked_fill(~usable, math.inf)

    def zoom(self, a: Tensor, b: Tensor, reach: float) -> tuple[Tensor, Tensor]:
        """Grids of five by five around each pair, three times, each finer than the one before.

        The slope changes by a factor and keeps the root of a u + b; then the offset moves, by more where the slope is
        steeper than 1.
        """
        ticks = torch.linspace(-1.0, 1.0, 5, dtype=a.dtype, device=a.device)
        one = torch.zeros_like(ticks[:1])
        factors = ticks if self.function.stretch is None else one
        shifts = ticks if self.function.shift is None else one
        p, q = (side.flatten() for side in torch.meshgrid(factors, shifts, indexing="ij"))
        for size in (reach, 0.4 * reach, 0.16 * reach):
            growth = torch.exp(size * p)
            tried_a = a.unsqueeze(-1) * growth
            tried_b = b.unsqueeze(-1) * (growth if self.function.antiperiod is None else 1.0)
            tried_b = tried_b + size * q * tried_a.abs().clamp(min=1.0)
            best = self.unexplained(tried_a.flatten(1), tried_b.flatten(1)).view(tried_a.shape).argmin(-1, keepdim=True)
            a, b = tried_a.gather(-1, best).squeeze(-1), tried_b.gather(-1, best).squeeze(-1)
        return a, b

    def polish(self, a: Tensor, b: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Damped Gauss–Newton steps, of which only those are taken that improve the fit (Marquardt, 1963)."""
        if self.function.stretch is not None and self.function.shift is not None:
            return a, b
        error, damping = self.unexplained(a, b), torch.full_like(a, 1e-3)
        done = torch.zeros_like(a, dtype=torch.bool)  # an edge ends by itself, whoever is fitted beside it
        for _ in range(steps):
            slope_a, slope_b, bend, twist, kink = self.normal_equations(a, b)
            bend, kink = (h * (1.0 + damping) + torch.finfo(h.dtype).tiny for h in (bend, kink))
            scale = bend * kink - twist.square()
            tried_a = a + (kink * slope_a - twist * slope_b) / scale
            tried_b = b + (bend * slope_b - twist * slope_a) / scale
            tried = self.unexplained(tried_a, tried_b)
            better = (tried < error) & ~done
            a, b = torch.where(better, tried_a, a), torch.where(better, tried_b, b)
            damping = torch.where(better, 0.1 * damping, 8.0 * damping).clamp(1e-6, 1e6)
            settled = (damping > 1e3) | (better & (error - tried <= 1e-9 * error)) | (tried < 1e-26)
            error = torch.where(better, tried, error)
            done |= settled
            if bool(done.all()):
                break
        return a, b

    def normal_equations(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gradient in a and b of half the squared error, downhill, and its matrix: aa, ab and bb."""
        with torch.enable_grad():
            u = (a.unsqueeze(-1) * self.points + b.unsqueeze(-1)).requires_grad_()
            (derivative,) = torch.autograd.grad(self.function(u).sum(), u)
        _, centred, _ = _candidates(self.function, self.points, a, b)
        c = self.slope(centred).unsqueeze(-1)
        left = self.targets - c * centred
        unit = F.normalize(centred, dim=-1)
        columns = []
        for column, fixed in (
            (c * derivative * self.points, self.function.stretch),
            (c * derivative, self.function.shift),
        ):
            column = column - column.mean(-1, keepdim=True)
            column = column - unit * (unit * column).sum(-1, keepdim=True)
            columns.append(column if fixed is None else torch.zeros_like(column))
        along_a, along_b = columns
        return (
            (along_a * left).sum(-1),
            (along_b * left).sum(-1),
            along_a.square().sum(-1),
            (along_a * along_b).sum(-1),
            along_b.square().sum(-1),
        )
