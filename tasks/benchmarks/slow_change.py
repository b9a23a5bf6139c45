"""Slowly changing regression: a stream whose inputs change one at a time, and a target network that stays."""

__all__ = ["slow_change"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Task, check_tasks

Kind = Literal["bits", "continuous"]


def slow_change(
    generators: Sequence[Generator],
    *,
    inputs: Kind = "bits",
    samples: int = 1_000_000,
    snapshots: int = 50,
    change_every: int = 10_000,
    slow: int = 15,
    fast: int = 5,
    units: int = 100,
    threshold: float = 0.7,
    points_per_step: int = 1,
    test_points: int = 64,
) -> Curriculum:
    r"""The slowly changing regression problem of Dohare et al. (Nature 2024, https://doi.org/10.1038/s41586-024-07711-7).

    Of 20 inputs 15 stay what they are for `change_every` samples, after which one of them, drawn at random, changes;
    the others are drawn anew for each sample. The target is a network of threshold units that never changes,

    .. math::
        y = \sum_i v_i \, [w_i \cdot x + b_i > \theta_i], \qquad \theta_i = (n + 1) \beta - S_i

    with n inputs, weights w, b and v of \(\pm 1\), and \(S_i\) the number of negative ones among w_i and b_i. Each
    member has a stream and a target of its own. What was learned is not asked again: what counts is how well a learner
    follows, see `continual.probes.Online`.

    * bits: inputs are 0 or 1, and what changes is flipped.
    * continuous: uniform on [0, 1], and what changes is drawn anew. Bits touch two points of an edge's function;
      these touch all of it.

    Samples of 10,000 steps are drawn at once, from generators that the place in the stream seeds: so drawing costs
    little, and a run goes on to the last bit.

    Args:
        generators: one a member, for the target and the stream.
        inputs: "bits" or "continuous".
        samples: steps of the stream, which must be `snapshots` times `training.steps`.
        snapshots: stretches T of it, after each of which errors are measured: on inputs as they are then.
        change_every: steps between changes.
        slow: inputs that change slowly.
        fast: inputs that are drawn anew each time.
        units: of the target.
        threshold: \(\beta\).
        points_per_step: samples of a step, that differ in the fast inputs.
        test_points: samples at the end of a stretch, and as many for validation.

    Raises:
        ValueError: an unknown kind, or a number out of range.
    """
    check_tasks(snapshots, "snapshots")
    if inputs not in get_args(Kind):
        raise ValueError(f"inputs must be one of {', '.join(get_args(Kind))}, got {inputs!r}")
    counts = {
        "samples": samples,
        "change_every": change_every,
        "slow": slow,
        "fast": fast,
        "units": units,
        "points_per_step": points_per_step,
        "test_points": test_points,
    }
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if samples % snapshots:
        raise ValueError(f"samples must be a multiple of snapshots={snapshots}, got {samples}")
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be from 0 to 1, got {threshold}")
    target = _Target.drawn(generators, slow + fast, units, threshold)
    places = _places(generators, inputs, slow, -(-samples // change_every))
    stream = _Stream(target, places, inputs, samples, change_every, fast, points_per_step)

    def task(index: int) -> Task:
        last = (index + 1) * (samples // snapshots) - 1
        sets = [stream.drawn(generators, last, count, f"snapshot {index} {kind}") for kind, count in sizes]
        flat = [each for pair in sets for each in pair]
        return Task(f"after {last + 1} samples", *flat)

    sizes = (("seen", points_per_step), ("test", test_points), ("validation", test_points))
    return Curriculum(
        f"slowly changing {inputs}", [task(index) for index in range(snapshots)], (0.0, 1.0), stream=stream
    )


def _seeded(generators: Sequence[Generator], purpose: str) -> list[Generator]:
    """Generators that depend on the members' own first seeds and a purpose, and on nothing that was drawn."""
    tag = int.from_bytes(purpose.encode(), "big")
    states = [np.random.SeedSequence([g.initial_seed(), tag]).generate_state(1, np.uint64)[0] for g in generators]
    return [Generator().manual_seed(int(state) >> 1) for state in states]


def _places(generators: Sequence[Generator], kind: Kind, slow: int, blocks: int) -> Tensor:
    """The slow inputs in each stretch without change, (M, blocks, slow)."""
    found = []
    for generator in generators:
        unit = torch.rand(blocks + 1, slow, generator=generator, dtype=torch.float64)
        which = torch.randint(slow, (blocks,), generator=generator)
        state = unit[0].round() if kind == "bits" else unit[0]
        rows = [state]
        for block in range(1, blocks):
            state = state.clone()
            at = int(which[block])
            state[at] = 1.0 - state[at] if kind == "bits" else unit[block, at]
            rows.append(state)
        found.append(torch.stack(rows))
    return torch.stack(found)


@dataclass(frozen=True)
class _Target:
    """A network of threshold units for each member."""

    weights: Tensor
    """(M, n, units)"""
    thresholds: Tensor
    """(M, 1, units), less the bias."""
    outputs: Tensor
    """(M, units, 1)"""

    @classmethod
    def drawn(cls, generators: Sequence[Generator], inputs: int, units: int, threshold: float) -> "_Target":
        def signs(*shape: int) -> Tensor:
            drawn = [torch.randint(2, shape, generator=g).double() for g in generators]
            return 2.0 * torch.stack(drawn) - 1.0

        weights, bias, outputs = signs(inputs, units), signs(1, units), signs(units, 1)
        negative = (weights < 0.0).sum(dim=1, keepdim=True) + (bias < 0.0)
        return cls(weights, (inputs + 1) * threshold - negative - bias, outputs)

    def __call__(self, x: Tensor) -> Tensor:
        """Of inputs (M, B, n): (M, B, 1)."""
        return (torch.bmm(x, self.weights) > self.thresholds).double() @ self.outputs


@dataclass
class _Stream:
    """The samples of each step, see `Curriculum.stream`; a piece of the stream is kept until the next is asked for."""

    target: _Target
    places: Tensor
    kind: Kind
    samples: int
    change_every: int
    fast: int
    points: int
    _piece: tuple[int, tuple[int, ...], Tensor, Tensor] | None = field(default=None, repr=False)

    PIECE = 10_000

    def __call__(self, position: float, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
        index = round(position * (self.samples - 1))
        number, place = divmod(index, self.PIECE)
        seeds = tuple(generator.initial_seed() for generator in generators)
        if self._piece is None or self._piece[:2] != (number, seeds):
            self._piece = (number, seeds, *self._drawn(generators, number))
        _, _, inputs, targets = self._piece
        part = slice(place * self.points, (place + 1) * self.points)
        return inputs[:, part], targets[:, part]

    def _drawn(self, generators: Sequence[Generator], number: int) -> tuple[Tensor, Tensor]:
        """A piece of the stream, inputs (M, steps · points, n) and targets, in float32."""
        first = number * self.PIECE
        at = torch.arange(first, min(first + self.PIECE, self.samples)).repeat_interleave(self.points)
        inputs = self._inputs(at, _seeded(generators, f"piece {number}"))
        return inputs.float(), self.target(inputs).float()

    def drawn(self, generators: Sequence[Generator], index: int, count: int, purpose: str) -> tuple[Tensor, Tensor]:
        """So many samples as they are at a step: inputs (M, count, n) and targets (M, count, 1)."""
        inputs = self._inputs(torch.full((count,), index), _seeded(generators, purpose))
        return inputs, self.target(inputs)

    def _inputs(self, at: Tensor, draws: Sequence[Generator]) -> Tensor:
        """Inputs at steps (N,): (M, N, n)."""
        slow = self.places[:, at // self.change_every]
        fast = torch.stack([torch.rand(len(at), self.fast, generator=g, dtype=torch.float64) for g in draws])
        return torch.cat([slow, fast.round() if self.kind == "bits" else fast], dim=2)
