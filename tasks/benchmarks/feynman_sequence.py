"""Feynman equations one after the other: a task is one equation, with columns of its own or on one head for all."""

__all__ = ["EQUATIONS", "feynman_sequence"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from tasks.curriculum import Curriculum, Split, Task
from tasks.functions import TargetFunction, target_function
from tasks.functions.feynman import FEYNMAN_EQUATIONS, FURTHER_FEYNMAN_EQUATIONS
from tasks.sampling import quasi_random_points

Scenario = Literal["task", "domain"]

_PREFIX = "feynman_"

EQUATIONS: tuple[str, ...] = tuple(
    sorted(name.removeprefix(_PREFIX).replace("_", ".") for name in (*FEYNMAN_EQUATIONS, *FURTHER_FEYNMAN_EQUATIONS))
)
"""The 34 numbers in the order of their characters, which is that in which Lee et al. learn them: I.11.19, I.12.11, …"""

_MEASURED_ON = 2**14
"""Points from which the mean and the standard deviation of an equation's values are taken, the same every time."""


def feynman_sequence(
    generators: Sequence[Generator],
    *,
    scenario: Scenario = "task",
    equations: Sequence[str] | int = 34,
    points: int = 5000,
    test_points: int = 500,
) -> Curriculum:
    r"""Equations in sequence, standardised: regression with and without being told which task it is.

    Inputs are uniform on their ranges (`tasks.functions.feynman`) and scaled to mean 0 and variance 1, and so are the
    values, by their mean and standard deviation on the whole domain.

    * task: each equation has input columns and an output of its own, 83 and 34 in all. Other inputs are 0, which is
      their mean; other outputs take no part in loss and errors, see `Task.columns`. The TI-Feynman stream of Lee et
      al., KANs Still Catastrophically Forget But Differently From MLP (AAAI 2025,
      https://github.com/tachyonicClock/AAAI25-clkan). Their ranges are in a file that has to be downloaded: these
      follow from pykan's list. Which of I.32.17, II.34.29b and III.15.27 has their 83rd input is a guess, too.
    * domain: all equations share six inputs and one output, and nothing tells them apart: an equation of fewer inputs
      is asked at values of the others that mean nothing. Equations contradict each other, so that at the end at best
      what they have in common can be kept.

    All members see the same samples, as in the paper: they differ in how they begin and in their batches. (Of 83
    columns, samples of their own would take more memory than everything else.)

    Args:
        generators: one a member; not used, see above.
        scenario: "task" or "domain".
        equations: numbers such as "I.12.11", in the order in which they are learned; or how many of `EQUATIONS`.
        points: training points of an equation; the paper has 81,000.
        test_points: scrambled Sobol points, and as many for validation; the paper has 10,000 and 9,000.

    Raises:
        ValueError: an unknown scenario or equation, one twice, or a count out of range.
    """
    if scenario not in get_args(Scenario):
        raise ValueError(f"scenario must be one of {', '.join(get_args(Scenario))}, got {scenario!r}")
    for name, count in (("points", points), ("test_points", test_points)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    chosen = [_Equation.named(name) for name in _names(equations)]
    widths = [each.target.in_features for each in chosen]
    own = scenario == "task"
    columns = sum(widths) if own else max(widths)
    members = len(generators)

    def sets(index: int, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (M, N, I) and targets (M, N, O) at points (N, columns or its own) of [0, 1]."""
        inputs, values = chosen[index].at(raw)
        if not own:
            return inputs.expand(members, -1, -1), values.expand(members, -1, -1)
        placed = inputs.new_zeros(len(inputs), columns)
        placed[:, sum(widths[:index]) : sum(widths[: index + 1])] = inputs
        targets = torch.full((len(inputs), len(chosen)), torch.nan, dtype=torch.float64)
        targets[:, index] = values[:, 0]
        return placed.expand(members, -1, -1), targets.expand(members, -1, -1)

    def task(index: int) -> Task:
        width = widths[index] if own else columns
        source = Generator().manual_seed(index)
        unit = torch.zeros(width, dtype=torch.float64), torch.ones(width, dtype=torch.float64)
        drawn = torch.rand(points, width, generator=source, dtype=torch.float64)
        spread = [quasi_random_points(*unit, test_points, split) for split in get_args(Split)]
        train, test, validation = (sets(index, raw) for raw in (drawn, *spread))
        return Task(chosen[index].name, *train, *test, *validation, columns=(index,) if own else None)

    reach = 3.0**0.5  # of a uniform variable, in standard deviations
    return Curriculum(
        f"{len(chosen)} Feynman equations, {scenario}-incremental",
        [task(index) for index in range(len(chosen))],
        (-reach, reach),
    )


def _names(equations: Sequence[str] | int) -> Sequence[str]:
    """The equations asked for."""
    if isinstance(equations, int):
        if not 1 <= equations <= len(EQUATIONS):
            raise ValueError(f"equations must be from 1 to {len(EQUATIONS)}, or a list of them; got {equations}")
        return EQUATIONS[:equations]
    unknown = [name for name in equations if name not in EQUATIONS]
    if unknown or not equations or len(set(equations)) < len(equations):
        raise ValueError(f"equations must be different ones of {', '.join(EQUATIONS)}; got {list(equations)}")
    return equations


@dataclass(frozen=True)
class _Equation:
    """An equation, with the mean and the standard deviation of its values."""

    name: str
    target: TargetFunction
    mean: float
    deviation: float

    @classmethod
    def named(cls, name: str) -> "_Equation":
        target = target_function(_PREFIX + name.replace(".", "_")).normalized()
        side = torch.ones(target.in_features, dtype=torch.float64)
        values = target.function(quasi_random_points(-side, side, _MEASURED_ON))
        return cls(name, target, float(values.mean()), float(values.std()))

    def at(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised inputs (N, I) and values (N, 1) at points of [0, 1]."""
        scaled = 2.0 * raw - 1.0
        return scaled * 3.0**0.5, (self.target.function(scaled) - self.mean) / self.deviation
