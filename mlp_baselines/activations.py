r"""Activations with settings: bumps and tiles, which make an MLP local in its hidden units.

What a hidden unit \(z = w \cdot x + b\) passes on is zero, or nearly so, but on a slab of the inputs across w. So a
sample moves the weights that *leave* the units whose slab it lies in, and spares the others; in as many dimensions as
it likes a slab stays a slab, which is why these are less local than products of one-dimensional bumps.
"""

__all__ = ["Elephant", "FuzzyTiling", "expansion_of", "label_of"]

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Elephant(nn.Module):
    r"""A flat bump, \(\sigma(z) = 1 / (1 + |z / a|^d)\).

    Lan and Mahmood, Elephant Neural Networks: Born to Be a Continual Learner (2023), https://arxiv.org/abs/2310.01365;
    there biases are spaced evenly, here they are the draws of `MLP`.

    **Locality: decaying.** Value and slope are small but where \(|z| \lesssim a\): 1/2 at a, \(|z/a|^{-d}\) far
    outside. The slope is \(d/4a\) at a and zero at 0: units that a sample lies in the middle of keep their own weights.

    Args:
        width: a, in units of the pre-activation.
        steepness: d ≥ 1; the larger, the more the bump is a box.

    Raises:
        ValueError: a width that is not positive and finite, or a steepness that is not finite and at least 1.

    Example:
        >>> Elephant(width=1.0, steepness=4.0)(torch.tensor([0.0, 1.0, -2.0]))
        tensor([1.0000, 0.5000, 0.0588])
    """

    family = "elephant MLP"

    def __init__(self, width: float = 0.1, steepness: float = 4.0) -> None:
        super().__init__()
        if not 0.0 < width < math.inf:
            raise ValueError(f"width must be positive and finite, got {width}")
        if not 1.0 <= steepness < math.inf:
            raise ValueError(f"steepness must be at least 1 and finite, got {steepness}")
        self.width, self.steepness = float(width), float(steepness)

    def forward(self, z: Tensor) -> Tensor:
        """At each number: any shape."""
        # powers stay finite, so that slopes far outside are 0 and not 0 times infinity
        most = torch.finfo(z.dtype).max ** (0.9 / self.steepness)
        power = (z / self.width).clamp(-most, most)
        squares = math.log2(self.steepness)
        if squares >= 1.0 and squares.is_integer():  # in a fraction of the time of a general power
            for _ in range(int(squares)):
                power = power.square()
        else:
            power = power.abs() ** self.steepness
        return 1.0 / (1.0 + power)

    def extra_repr(self) -> str:
        """Settings, for `print(model)` and records."""
        return f"width={self.width:g}, steepness={self.steepness:g}"


class FuzzyTiling(nn.Module):
    r"""k tiles with fuzzy edges of each unit.

    .. math::
        \sigma(z)_i = 1 - I_\eta(\max(c_i - z, 0) + \max(z - \delta - c_i, 0)), \qquad i = 1 \dots k

    Tile i covers \([c_i, c_i + \delta]\), the k of them \([l, u]\), and \(I_\eta(t)\) is t up to \(\eta\) and 1 beyond
    it: 1 on the tile, falling at slope 1 over \(\eta\) on either side, 0 from there on. Pan, Banman and White, Fuzzy
    Tiling Activations (2021), https://arxiv.org/abs/1911.08068. A layer of J units passes on J k numbers.

    **Locality: compact in the pre-activation.** At most \(2 \lfloor \eta/\delta \rfloor + 3\) tiles of a unit are not
    exactly zero, and the weights that leave the others get a gradient of exactly zero. Outside of
    \([l - \eta, u + \eta]\) a unit is silent and gets no gradient either. The weights that enter a unit are shared by
    its tiles, so they are as global as in any MLP; with \(\eta < \delta\) they get no gradient from samples within the
    inner parts of tiles, and with \(\eta = 0\) none at all.

    Args:
        tiles: k of each unit.
        tile_range: l and u, in units of the pre-activation.
        softness: \(\eta\), in units of the pre-activation; None for the width \(\delta\) of a tile. Edges drop by the
            \(1 - \eta\) that is left of them at their end, and below zero where \(\eta > 1\).

    Raises:
        ValueError: no tile, an empty range, or a softness that is negative or not finite.

    Example:
        >>> FuzzyTiling(tiles=4, tile_range=(0.0, 2.0))(torch.tensor([0.7]))
        tensor([0.8000, 1.0000, 0.7000, 0.0000])
    """

    family = "tiling MLP"

    def __init__(
        self, tiles: int = 20, tile_range: tuple[float, float] = (-2.0, 2.0), softness: float | None = None
    ) -> None:
        super().__init__()
        low, high = tile_range
        if tiles < 1:
            raise ValueError(f"tiles must be at least 1, got {tiles}")
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(f"tile_range must be two increasing numbers, got [{low}, {high}]")
        if softness is not None and not 0.0 <= softness < math.inf:
            raise ValueError(
                f"softness must be finite and not negative, or null for the width of a tile, got {softness}"
            )
        self.expansion = tiles
        self.low, self.tile = float(low), (high - low) / tiles
        self.softness = self.tile if softness is None else float(softness)

    def forward(self, z: Tensor) -> Tensor:
        """Maps (*, J) to (*, J k), the tiles of a unit side by side."""
        half = 0.5 * self.tile
        middle = self.low + half + self.tile * torch.arange(self.expansion, dtype=z.dtype, device=z.device)
        distance = F.relu((z.unsqueeze(-1) - middle).abs() - half)  # from the tile, either side
        # by thresholds, which keep what is NaN, and not by masks, which take as long as all else together
        limits = torch.finfo(z.dtype)
        beyond = self.softness * (1.0 + limits.eps) + limits.tiny  # the next number after it
        return (1.0 + F.threshold(-distance, -beyond, -1.0)).flatten(-2)

    def extra_repr(self) -> str:
        """Settings, for `print(model)` and records."""
        high = self.low + self.tile * self.expansion
        return f"tiles={self.expansion}, tile_range=[{self.low:g}, {high:g}], softness={self.softness:g}"


def expansion_of(activation: object) -> int:
    """Numbers that an activation makes of one unit: its `expansion`, 1 where it has none.

    Raises:
        ValueError: a module with parameters, or one that makes another number of them.
    """
    expansion = int(getattr(activation, "expansion", 1))
    if isinstance(activation, nn.Module):
        name = type(activation).__name__
        if any(True for _ in activation.parameters()):
            raise ValueError(f"activation must have no parameters, which members would share, got {name}")
        with torch.no_grad():
            made = activation(torch.zeros(1, 1, 2))
        if made.shape != (1, 1, 2 * expansion):
            raise ValueError(f"activation must make {expansion} numbers of each unit, got {name}, which does not")
    return expansion


def label_of(activation: Any) -> str:
    """The name of an activation in records: itself, or a module with its settings.

    Example:
        >>> label_of("tanh"), label_of(Elephant())
        ('tanh', 'Elephant(width=0.1, steepness=4)')
    """
    return activation if isinstance(activation, str) else " ".join(repr(activation).split())
