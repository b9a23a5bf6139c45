"""Where tasks of several inputs lie: centres by layout, boxes around them, and turned axes in which they are seen."""

__all__ = ["Layout", "box_points", "centers", "levels_by_axis", "share_in_others", "turned_range", "turns"]

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

Layout = Literal["diagonal", "line", "lattice", "random"]


def _side(count: int, dimension: int) -> tuple[int, int]:
    """Points along each axis of a lattice of so many points, and its axes: as few as will do, two or more.

    Raises:
        ValueError: they fill no lattice.
    """
    for axes in range(2, dimension + 1):
        side = round(count ** (1.0 / axes))
        if side > 1 and side**axes == count:
            return side, axes
    fitting = ", ".join(str(side**axes) for axes in range(2, min(dimension, 3) + 1) for side in (2, 3))
    raise ValueError(f"layout=lattice needs n² tasks, or n³ and so on in as many inputs ({fitting}, …), got {count}")


def check_layout(layout: str, count: int, dimension: int) -> None:
    """Refuses what no tasks can be laid out by.

    Raises:
        ValueError: an unknown layout, or a lattice that does not work out.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout must be one of {', '.join(get_args(Layout))}, got {layout!r}")
    if layout != "diagonal" and dimension == 1:
        raise ValueError(f"layout={layout} needs at least 2 inputs, got 1")
    if layout == "lattice":
        _side(count, dimension)


def levels_by_axis(layout: Layout, count: int, dimension: int, spacing: float) -> list[Tensor]:
    """The coordinates that centres take on each axis, without repetition, a tensor an axis."""
    if layout == "line":
        return [_levels(count, spacing)] + [torch.zeros(1, dtype=torch.float64)] * (dimension - 1)
    if layout == "lattice":
        side, axes = _side(count, dimension)
        return [_levels(side, spacing)] * axes + [torch.zeros(1, dtype=torch.float64)] * (dimension - axes)
    return [_levels(count, spacing)] * dimension


def _levels(count: int, spacing: float) -> Tensor:
    """Evenly spaced and symmetric about 0."""
    return torch.tensor([spacing * (index - (count - 1) / 2) for index in range(count)], dtype=torch.float64)


def centers(layout: Layout, count: int, dimension: int, spacing: float, generators: Sequence[Generator]) -> Tensor:
    """Centres of tasks, (M, T, d), or (1, T, d) where they are the same for all members.

    Args:
        layout: "diagonal": apart on every axis, (c, c, …, c); "line": apart on the first axis, 0 on all others;
            "lattice": a grid of centres, as many to a side on as few axes as will do; "random": apart on every axis, in
            an order of its own on each axis but the first, drawn for each member.
        count: of tasks, T.
        dimension: d.
        spacing: of neighbouring levels on an axis.
        generators: one a member.

    Raises:
        ValueError: see `check_layout`.
    """
    check_layout(layout, count, dimension)
    levels = levels_by_axis(layout, count, dimension, spacing)
    if layout == "lattice":
        return torch.cartesian_prod(*levels)[None]
    if layout == "random":
        later = [
            torch.stack([level[torch.randperm(count, generator=generator)] for level in levels[1:]], dim=-1)
            for generator in generators
        ]
        return torch.stack([torch.cat([levels[0][:, None], rest], dim=-1) for rest in later])
    return torch.stack([level.expand(count) for level in levels], dim=-1)[None]


def turns(share: float, dimension: int, intrinsic: int, generators: Sequence[Generator]) -> Tensor | None:
    r"""Orthonormal columns (M, d, r) by which coordinates of tasks become inputs, x = Q u, one of each member's own.

    Where r = d, Q is a rotation drawn uniformly (by Haar's measure) and taken a `share` of its way, \(Q^s\), that is
    each of its planes turned by that share of its angle. Where r < d, the columns are drawn uniformly: an embedding.

    Args:
        share: s, from 0, which turns nothing, to 1.
        dimension: d.
        intrinsic: r.
        generators: one a member.

    Returns:
        None where nothing is turned.
    """
    if share == 0.0 and intrinsic == dimension:
        return None
    drawn = torch.stack([_rotation(dimension, generator) for generator in generators])
    if intrinsic < dimension:
        return drawn[..., :intrinsic]
    return drawn if share == 1.0 else torch.stack([_part_of(rotation, share) for rotation in drawn])


def _rotation(dimension: int, generator: Generator) -> Tensor:
    """A rotation by Haar's measure: Q of a Gaussian matrix, with the signs of R (Mezzadri, math-ph/0609050)."""
    q, r = torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()
    q[:, -1] *= torch.linalg.det(q).sign()  # of the orthogonal matrices those that turn and do not mirror
    return q


def _part_of(rotation: Tensor, share: float) -> Tensor:
    """A fractional power of a rotation, by its eigenvalues, which lie on the unit circle."""
    values, vectors = torch.linalg.eig(rotation)
    powers = torch.polar(torch.ones_like(values.real), share * values.angle())
    q, r = torch.linalg.qr((vectors * powers @ torch.linalg.inv(vectors)).real)  # orthogonal to the last digit
    return q * r.diagonal().sign()


def turned_range(turn: Tensor, places: Tensor, reach: float) -> Tensor:
    r"""The largest coordinate that any box around a centre takes when it is turned, for each member, (M,).

    \(\max_{p,i} |Q_i c_p| + h \sum_j |Q_{ij}|\), the corners being what reaches farthest.

    Args:
        turn: Q, (M, d, r).
        places: centres, (M or 1, T, r).
        reach: h, half the width of a box.
    """
    along = (places @ turn.transpose(1, 2)).abs() + reach * turn.abs().sum(dim=2)[:, None]
    return along.amax(dim=(1, 2))


def box_points(center: Tensor, reach: float, count: int, generators: Sequence[Generator]) -> Tensor:
    """Points uniform in a box around a centre (M or 1, r), each member's its own: (M, N, r)."""
    draws = [torch.rand(count, center.shape[-1], generator=generator, dtype=torch.float64) for generator in generators]
    return center[:, None] + reach * (2.0 * torch.stack(draws) - 1.0)


def share_in_others(samples: Sequence[Tensor], places: Tensor, reach: float) -> Tensor:
    """Share of a task's samples that lie in the box of another task, the mean over at most 100 tasks, (M,).

    Args:
        samples: coordinates (M or 1, N, r) of each task, in the order of the centres.
        places: centres, (M or 1, T, r).
        reach: half the width of a box.
    """
    shares = []
    for own in range(0, len(samples), -(-len(samples) // 100)):
        others = torch.cat([places[:, :own], places[:, own + 1 :]], dim=1)
        apart = (samples[own][:, :, None] - others[:, None]).abs().amax(dim=-1)
        inside = (apart < reach * (1.0 - 1e-9)).any(dim=-1)  # neighbours share a face
        shares.append(inside.double().mean(dim=1))
    return torch.stack(shares).mean(dim=0)
