"""The small models whose pictures the introduction shows: each is trained in seconds, always to the same numbers."""

__all__ = ["best", "one_dimensional", "product_network", "samples", "toy", "toy_networks", "train", "wave"]

from functools import cache

import torch
from torch import Generator, Tensor, nn

from continual.optimizers.lbfgs import LBFGS
from kan.network import KAN
from mlp_baselines.mlp import MLP

STARTS = {1: 6, 5: 1}
"""Members by width: narrow networks often get stuck, so the best of several is shown."""


def _generators(count: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in range(count)]


def toy(x: Tensor) -> Tensor:
    """exp(sin(πx) + y²), the KAN paper's first example, (..., 2) → (..., 1)."""
    return torch.exp(torch.sin(torch.pi * x[..., :1]) + x[..., 1:] ** 2)


def samples(count: int = 600) -> Tensor:
    """Points uniform on the square [-1, 1]², (count, 2)."""
    return 2.0 * torch.rand(count, 2, generator=Generator().manual_seed(0), dtype=torch.float64) - 1.0


def wave(x: Tensor) -> Tensor:
    """A curve of one variable for the picture of locality."""
    return torch.sin(3.0 * x) + 0.3 * torch.cos(9.0 * x)


def train(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """Fits every member by L-BFGS on all samples: (M,) mean squared errors."""
    optimizer = LBFGS(model.parameters(), max_iter=steps)

    def losses() -> Tensor:
        return (model(x) - y).square().mean(dim=(1, 2))

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = losses()
        found.sum().backward()
        return found.detach()

    optimizer.step(closure)
    with torch.no_grad():
        return losses()


def best(errors: Tensor) -> int:
    """The member with the least error; one whose error is no number is never the best."""
    return int(errors.nan_to_num(nan=torch.inf).argmin())


@cache
def toy_networks() -> list[tuple[KAN, int]]:
    """KANs [2,1,1] and [2,5,1] that have learned `toy`, and the member of each that did best."""
    found = []
    for width, members in STARTS.items():
        model = KAN(2, 1, width=width, members=members, generators=_generators(members), dtype=torch.float64)
        found.append((model, best(train(model, samples(), toy(samples()), 200))))
    return found


@cache
def product_network() -> tuple[KAN, int]:
    """A KAN [2,2,1] that has learned xy, and the member that did best."""
    model = KAN(2, 1, width=2, members=6, generators=_generators(6), dtype=torch.float64)
    return model, best(train(model, samples(), samples().prod(dim=1, keepdim=True), 200))


@cache
def one_dimensional() -> tuple[KAN, KAN, MLP]:
    """A KAN of one layer, one of two, and an MLP, all of which have learned the same curve."""
    x = torch.linspace(-1.0, 1.0, 400, dtype=torch.float64)[:, None]
    start = _generators(1)
    flat = KAN(1, 1, depth=1, grid_size=10, base="zero", generators=start, dtype=torch.float64)
    deep = KAN(1, 1, width=3, grid_size=10, base="zero", generators=start, dtype=torch.float64)
    mlp = MLP(1, 1, width=16, activation="tanh", generators=start, dtype=torch.float64)
    for model in (flat, deep, mlp):
        train(model, x, wave(x), 1000)
    return flat, deep, mlp
