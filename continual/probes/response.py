r"""The response profile: how far the function moves at a distance from a sample on which it is trained.

A small gradient step on the squared error at x alone changes the function at x' by \(-\eta' K(x', x) \, r\), to first
order, with r the residual and K the tangent kernel, \(K(x', x) = J(x') J(x)^\top\) of shape (O, O), J the derivatives
of the predictions in the trained parameters. This is that first order exactly, without a step: the size of the change,
its root mean square over the directions of r, is \(\|K(x', x)\|_F\) up to a factor that cancels.
"""

__all__ = ["Response", "fall_radius", "response_profile", "unit_directions"]

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from continual.extension import Training
from continual.models import StackedModel, columns_of, jacobian, jacobian_pieces
from continual.probes.kernel import piece_memory
from continual.probes.probe import Probe, check_positive, thinned
from tasks import Curriculum

Direction = Literal["diagonal", "axis", "random"]

_FINEST = 1e-3
"""The shortest distance but 0, as a part of the longest."""


class Response(Probe):
    r"""The response profile at every boundary, around samples of all tasks' training inputs.

    .. math::
        \rho(r) = \frac{\sum_{x,u} \|K(x + r u, x)\|_F}{\sum_{x,u} \|K(x, x)\|_F}

    over samples x and unit vectors u (Euclidean) with x + r u inside the box of the curriculum's inputs. Arrays:
    `radii` (R,) in units of the inputs; `kinds` (D,), 0 a diagonal, 1 an axis, 2 random; `profile` (M, T+1, D, R),
    D the `directions` in their order, NaN where no such
    point lies in the box; `half_radius` and `hundredth_radius` (M, T+1, D), the smallest r at which ρ has fallen to 1/2
    and to 1/100, between radii linearly, infinite where it does not within the box; `mean_half_radius` (M, T+1), their
    mean over the kinds of directions.

    Args:
        directions: "diagonal", all inputs move together, either way; "axis", one input moves, either way; "random",
            `count` unit vectors, the same for all members and boundaries. Of one input they are the same.
        samples: x, evenly spread over the training samples of all tasks.
        points: distances R, 0 and the others evenly on a logarithmic scale.
        reach: the longest distance, in units of the inputs; None for the diagonal of the box.
        count: random directions.

    Raises:
        ValueError: an unknown direction or none, a number that is not positive, or less than three distances.
    """

    def __init__(
        self,
        directions: Sequence[Direction] = ("diagonal", "axis", "random"),
        samples: int = 16,
        points: int = 32,
        reach: float | None = None,
        count: int = 4,
    ) -> None:
        super().__init__()
        known = get_args(Direction)
        if not directions or any(each not in known for each in directions):
            raise ValueError(f"probe.response.directions must be some of {', '.join(known)}, got {list(directions)}")
        check_positive("response", samples=samples, reach=reach, count=count)
        if points < 3:
            raise ValueError(f"probe.response.points must be at least 3, got {points}")
        self.directions, self.samples, self.points = list(directions), samples, points
        self.reach, self.count = reach, count

    def fixed(self, curriculum: Curriculum) -> Mapping[str, Any]:
        """The radii."""
        low, high = curriculum.input_range
        reach = self.reach or (high - low) * math.sqrt(curriculum.in_features)
        kinds = get_args(Direction)
        return {
            "kinds": [kinds.index(each) for each in self.directions],
            "radii": np.concatenate([[0.0], np.geomspace(_FINEST * reach, reach, self.points - 1)]),
        }

    def memory(self, training: Training, members: int) -> float:
        """See `Probe.memory`: the samples' Jacobian, once for each direction, and a piece of that around them."""
        model, curriculum = training.model, training.curriculum
        tasks, features = len(curriculum), curriculum.in_features
        samples = min(self.samples, sum(task.train_inputs.shape[1] for task in curriculum.tasks))
        ways = max(len(unit_directions(kind, features, self.count)) for kind in self.directions)
        anchor = samples * curriculum.out_features * columns_of(model)
        kept = members * (tasks + 1) * (len(self.directions) * (self.points + 2) + 1)
        return 8.0 * kept + 8.0 * members * anchor * (2 + ways) + piece_memory(model, members, samples * ways)

    def measure(self, model: StackedModel, curriculum: Curriculum, learned: int) -> Mapping[str, Any]:
        """See `Probe.measure`."""
        radii = self.fixed(curriculum)["radii"]
        x = thinned(torch.cat([task.train_inputs for task in curriculum.tasks], dim=1), self.samples)
        kinds = [unit_directions(kind, x.shape[2], self.count).to(x) for kind in self.directions]
        profile = np.stack(
            [response_profile(model, x, each, radii, curriculum.input_range).numpy() for each in kinds], axis=1
        )
        half = fall_radius(profile, radii, 0.5)
        return {
            "profile": profile,
            "half_radius": half,
            "hundredth_radius": fall_radius(profile, radii, 0.01),
            "mean_half_radius": half.mean(axis=1),
        }


def unit_directions(kind: Direction, features: int, count: int) -> Tensor:
    """Unit vectors (n, I) of a kind, see `Response`; random ones always the same."""
    if kind == "random":
        drawn = torch.randn(count, features, generator=Generator().manual_seed(0), dtype=torch.float64)
        return drawn / drawn.norm(dim=1, keepdim=True)
    along = torch.eye(features, dtype=torch.float64)
    if kind == "diagonal":
        along = torch.full((1, features), features**-0.5, dtype=torch.float64)
    return torch.cat([along, -along])


@torch.no_grad()
def response_profile(
    model: StackedModel, x: Tensor, directions: Tensor, radii: NDArray[Any], box: tuple[float, float]
) -> Tensor:
    """The profile of `Response`.

    Args:
        model: M members.
        x: samples, (M, S, I).
        directions: unit vectors, (n, I).
        radii: distances, (R,).
        box: lowest and highest value of an input.

    Returns:
        Shape (M, R), float64, on the CPU; NaN where no sample has a point in the box, or no parameter moves any.
    """
    anchors = jacobian(model, x)[1].double()  # (M, S, O, P)
    at_zero = torch.matmul(anchors, anchors.mT).flatten(2).norm(dim=2)  # (M, S)
    moved = torch.zeros(x.shape[0], len(radii), dtype=torch.float64)
    normal = torch.zeros_like(moved)
    slack = 1e-9 * (box[1] - box[0])  # an end may be off by rounding
    count = len(directions)
    anchors, at_zero = anchors.repeat(1, count, 1, 1), at_zero.repeat(1, count)
    for index, radius in enumerate(radii.tolist()):
        there = (x.unsqueeze(1) + radius * directions[:, None]).flatten(1, 2)  # (M, n S, I)
        inside = ((there >= box[0] - slack) & (there <= box[1] + slack)).all(dim=2)
        if not bool(inside.any()):
            continue
        sizes = [
            torch.matmul(slopes.double(), anchors[:, part].mT).flatten(2).norm(dim=2)
            for part, _, slopes in jacobian_pieces(model, there)
        ]
        moved[:, index] = torch.where(inside, torch.cat(sizes, dim=1), 0.0).sum(dim=1).cpu()
        normal[:, index] = torch.where(inside, at_zero, 0.0).sum(dim=1).cpu()
    return moved / torch.where(normal > 0.0, normal, torch.nan)


def fall_radius(profile: NDArray[Any], radii: NDArray[Any], level: float) -> NDArray[np.float64]:
    """The smallest distance at which a profile has fallen to a level, between distances linearly.

    Args:
        profile: (..., R), 1 at the first distance.
        radii: (R,), increasing.
        level: below 1.

    Returns:
        Shape (...), in units of the radii; infinite where it stays above, NaN where nothing is known.

    Example:
        >>> fall_radius(np.array([1.0, 0.8, 0.0]), np.array([0.0, 1.0, 2.0]), 0.4).item()
        1.5
    """
    values = np.asarray(profile, dtype=np.float64)
    low = values <= level
    first = low.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    a, b = (np.take_along_axis(values, i[..., None], axis=-1)[..., 0] for i in (before, first))
    with np.errstate(invalid="ignore", divide="ignore"):
        place = radii[before] + (a - level) / (a - b) * (radii[first] - radii[before])
    # a gap in what is known ends the profile: beyond it nothing is inside the box, or only by chance
    gap = np.isnan(values)
    ends = np.where(gap.any(axis=-1), gap.argmax(axis=-1), values.shape[-1])
    found = low.any(axis=-1) & (first < ends)
    return np.where(np.isnan(values[..., 0]), np.nan, np.where(found, place, np.inf))
