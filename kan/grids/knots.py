"""Where knots stand: grids from samples, with more intervals, reaching farther, and whether one contains another."""

__all__ = ["is_nested", "refined_grid", "sample_grid", "stretched", "widened"]

import torch
from torch import Tensor

from kan.splines import extend_grid

LEAST_EVEN = 1e-3
"""Least share of the even grid in a grid from samples: intervals are at least this times the mean one."""


def sample_grid(
    x: Tensor, knots: Tensor, spline_order: int, grid_size: int, *, grid_eps: float = 0.02, margin: float = 0.0
) -> Tensor:
    r"""Knots from samples: a mix of even spacing and of the samples' quantiles.

    .. math:: g_n = \epsilon \, u_n + (1 - \epsilon) \, q_n, \qquad n = 0 \dots G

    with u even from the least to the largest sample and q their quantiles n/G, interpolated between samples, so that
    there may be fewer samples than grid points (Liu et al., 2024, https://arxiv.org/abs/2404.19756, section 2.3, and
    pykan's `grid_eps`). \(\epsilon\) below 0.001 counts as 0.001: repeated samples never make an empty interval. An
    input whose samples are all the same says nothing about a range: it keeps the width that it had, moved to where the
    samples are if they lie outside.

    Args:
        x: samples, shape (M, B, I).
        knots: present knots, (M, I, N).
        spline_order: order k.
        grid_size: intervals G of the new grid.
        grid_eps: \(\epsilon\), 0 for quantiles to 1 for an even grid.
        margin: what is added on either side, as a part of the samples' range.

    Returns:
        Strictly increasing knots, shape (M, I, G+2k+1), in the dtype of `knots`.

    Raises:
        ValueError: no samples, samples that are not finite, or a setting out of range.
    """
    if not 0.0 <= grid_eps <= 1.0:
        raise ValueError(f"grid_eps must be between 0 (quantiles) and 1 (even), got {grid_eps}")
    if not 0.0 <= margin < float("inf"):
        raise ValueError(f"margin must be at least 0, got {margin}")
    if x.shape[1] == 0:
        raise ValueError("a grid from samples needs at least one sample")
    bad = ~x.isfinite().all(dim=1)
    if bool(bad.any()):
        member, feature = bad.nonzero()[0].tolist()
        raise ValueError(f"a grid from samples needs finite ones: input {feature} of member {member} holds NaN or inf")
    values = x.detach().double().transpose(1, 2).sort(dim=-1).values  # (M, I, B)
    even = torch.linspace(0.0, 1.0, grid_size + 1, dtype=torch.float64, device=x.device)
    quantiles = _between(values, even * (values.shape[-1] - 1))
    low, high = values[..., :1], values[..., -1:]
    span = high - low
    share = max(grid_eps, LEAST_EVEN)
    points = share * (low + span * even) + (1.0 - share) * quantiles
    points = points + margin * span * (2.0 * even - 1.0)

    # samples whose range the dtype can't divide into intervals are one value
    window = knots.double()[..., spline_order], knots.double()[..., -1 - spline_order]
    unit = 8.0 * torch.finfo(knots.dtype).eps * torch.maximum(low.abs(), high.abs())
    single = share * span <= unit * grid_size
    center = 0.5 * (low + high)
    inside = (window[0].unsqueeze(-1) <= low) & (high <= window[1].unsqueeze(-1))
    middle = torch.where(inside, 0.5 * (window[0] + window[1]).unsqueeze(-1), center)
    width = torch.maximum((window[1] - window[0]).unsqueeze(-1), unit * grid_size)
    points = torch.where(single, middle + width * (even - 0.5), points)
    return extend_grid(points, spline_order).to(knots.dtype)


def _between(values: Tensor, position: Tensor) -> Tensor:
    """Values (*, n) at fractional indices (P,), linearly interpolated: (*, P)."""
    lower = position.floor().long().clamp(0, max(values.shape[-1] - 2, 0))
    upper = (lower + 1).clamp(max=values.shape[-1] - 1)
    return torch.lerp(values[..., lower], values[..., upper], (position - lower).to(values.dtype))


def refined_grid(knots: Tensor, spline_order: int, grid_size: int) -> Tensor:
    """Knots of a grid with more intervals, spread within the present ones as these are spread.

    Where the new number is a multiple of the old one every interval is divided evenly and the knots of the grid stay,
    to the bit. Otherwise grid point n of G' lies at the fractional index n G / G' of the present grid points.

    Args:
        knots: present knots, (*, N).
        spline_order: order k.
        grid_size: intervals G' of the new grid.

    Returns:
        Knots of shape (*, G'+2k+1).

    Raises:
        ValueError: fewer intervals than there are.
    """
    points = knots.double()[..., spline_order : knots.shape[-1] - spline_order]
    present = points.shape[-1] - 1
    if grid_size < present:
        raise ValueError(f"a grid of {present} intervals can be refined to at least as many, got {grid_size}")
    index = torch.arange(grid_size + 1, dtype=torch.float64, device=knots.device) * present / grid_size
    return extend_grid(_between(points, index), spline_order).to(knots.dtype)


def stretched(knots: Tensor, spline_order: int, x: Tensor) -> Tensor:
    """Knots whose grid reaches out to the samples that lie outside, all its intervals widened alike; else as they are.

    Args:
        knots: shape (M, I, N).
        spline_order: order k.
        x: finite samples, (M, B, I).
    """
    points = knots.double()[..., spline_order : knots.shape[-1] - spline_order]
    low, high = points[..., :1], points[..., -1:]
    least = torch.minimum(low, x.double().amin(dim=1).unsqueeze(-1))
    most = torch.maximum(high, x.double().amax(dim=1).unsqueeze(-1))
    wider = extend_grid(least + (points - low) * ((most - least) / (high - low)), spline_order)
    return torch.where((least < low) | (most > high), wider.to(knots.dtype), knots)


def is_nested(coarse: Tensor, fine: Tensor, spline_order: int) -> Tensor:
    """Whether both grids have the same ends, and every knot inside the coarse one is one of the fine one's.

    Args:
        coarse: knots, (*, N).
        fine: knots, (*, N').
        spline_order: order k of both.

    Returns:
        Bool, shape (*).
    """
    inner = slice(spline_order, -spline_order)
    old, new = coarse.double()[..., inner].contiguous(), fine.double()[..., inner].contiguous()
    slack = 4.0 * torch.finfo(coarse.dtype).eps * old.abs().amax(dim=-1, keepdim=True)
    place = torch.searchsorted(new, old - slack).clamp(max=new.shape[-1] - 1)
    ends = (old[..., [0, -1]] - new[..., [0, -1]]).abs() <= slack
    return ((new.gather(-1, place) - old).abs() <= slack).all(dim=-1) & ends.all(dim=-1)


def widened(knots: Tensor, left: int, right: int) -> Tensor:
    """Knots with more of them on either side, as far apart as the outermost ones are.

    Present bases keep their knots; `left` bases come before them and `right` ones after them.

    Args:
        knots: shape (*, N).
        left: knots to add below.
        right: knots to add above.
    """
    t = knots.double()
    down = torch.arange(left, 0, -1, dtype=t.dtype, device=t.device)
    up = torch.arange(1, right + 1, dtype=t.dtype, device=t.device)
    below = t[..., :1] - (t[..., 1:2] - t[..., :1]) * down
    above = t[..., -1:] + (t[..., -1:] - t[..., -2:-1]) * up
    return torch.cat([below, t, above], dim=-1).to(knots.dtype)
