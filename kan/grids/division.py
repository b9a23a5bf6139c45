"""Intervals divided where samples lie, and nowhere else: a grid that is as fine as it has to be, where it has to be."""

__all__ = ["divided", "parts_of"]

import torch
from torch import Tensor

from kan.grids.coefficients import insert_knots
from kan.grids.knots import widened


def parts_of(knots: Tensor, spline_order: int, x: Tensor, width: float) -> Tensor:
    """Into how many parts each interval of a grid is to be divided, int64 (M, I, G); 1 where none of the samples lie.

    Args:
        knots: shape (M, I, G+2k+1).
        spline_order: order k.
        x: finite samples, (M, B, I); those outside the grid count nowhere.
        width: that intervals may have at most, in units of the inputs.
    """
    points = knots.double()[..., spline_order : knots.shape[-1] - spline_order].contiguous()
    values = x.double().transpose(1, 2).contiguous()
    count = points.shape[-1] - 1
    place = (torch.searchsorted(points, values, right=True) - 1).clamp(max=count)
    inside = (values >= points[..., :1]) & (values <= points[..., -1:])
    place = torch.where(inside, place.clamp(0, count - 1), count)  # the last one is nowhere
    hit = torch.zeros(*points.shape[:-1], count + 1, dtype=torch.bool, device=x.device).scatter_(-1, place, True)
    wanted = (points.diff(dim=-1) / width - 1e-6).ceil().long().clamp(min=1)  # an interval may be off by rounding
    return torch.where(hit[..., :count], wanted, 1)


def divided(coefficients: Tensor, knots: Tensor, spline_order: int, parts: Tensor) -> tuple[Tensor, Tensor]:
    """The same splines on grids whose intervals are divided evenly.

    All inputs and members get as many knots as the one that needs most: the others are widened above the grid by what
    they lack, where their new coefficients are zero.

    Args:
        coefficients: c, shape (M, I, K, O).
        knots: shape (M, I, K+k+1).
        spline_order: order k.
        parts: of each interval, (M, I, G).

    Returns:
        Coefficients and knots.
    """
    k, members, inputs = spline_order, *parts.shape[:2]
    missing = (parts - 1).sum(dim=-1)
    missing = missing.max() - missing
    rows_c, rows_t = [], []
    for row in range(members * inputs):
        m, i = divmod(row, inputs)
        lacks = int(missing[m, i])
        coarse = widened(knots[m, i], 0, lacks)
        padded = torch.nn.functional.pad(coefficients[m, i], (0, 0, 0, lacks))
        t, count = coarse.double(), parts.shape[2]
        low = t[k : k + count].repeat_interleave(parts[m, i])
        span = t[k : k + count + 1].diff().repeat_interleave(parts[m, i])
        ends = parts[m, i].cumsum(0).repeat_interleave(parts[m, i])
        whole = parts[m, i].repeat_interleave(parts[m, i])
        part = (torch.arange(len(low), device=t.device) - (ends - whole)) / whole.double()
        fine = torch.cat([t[:k], low + span * part, t[k + count :]]).to(knots.dtype)
        rows_c.append(insert_knots(padded, coarse, fine, k))
        rows_t.append(fine)
    shape = (members, inputs)
    return torch.stack(rows_c).unflatten(0, shape), torch.stack(rows_t).unflatten(0, shape)
