"""Models and data for tests of probes, in float64, and derivatives by brute force."""

__all__ = ["Foreign", "brute_jacobian", "drawn", "local_kan", "mlp", "training"]

import functools

import torch
from torch import Tensor, nn

from continual.extension import Settings, Training
from continual.models import trainable
from continual.optimizers import LBFGS, Adam
from continual.strategies import FineTune
from kan import KAN
from mlp_baselines import MLP
from tasks import gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64
MAKERS = {
    "adam": functools.partial(Adam, lr=0.01),
    "lbfgs": functools.partial(LBFGS, max_iter=3),
    "sgd": functools.partial(torch.optim.SGD, lr=0.1),
}


def _generators(members: int) -> dict:
    return {"members": members, "generators": generators_from(range(members), "model"), "dtype": DOUBLE}


def local_kan(inputs: int = 1, outputs: int = 1, members: int = 2, grid_size: int = 20, **options) -> KAN:
    """One layer of splines and nothing else, linear in its parameters."""
    options = {"depth": 1, "base": "zero", "train_spline_scale": False, **options}
    return KAN(inputs, outputs, grid_size=grid_size, **options, **_generators(members))


def mlp(inputs: int = 1, outputs: int = 1, members: int = 2, **options) -> MLP:
    return MLP(inputs, outputs, **{"width": 6, "depth": 3, "activation": "tanh", **options}, **_generators(members))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Uniform on [-1, 1]."""
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE) - 1


def brute_jacobian(model, x: Tensor) -> Tensor:
    """(M, B, O, P), one backward pass a number."""
    y = model(x)
    result = y.new_zeros(*y.shape, sum(p[0].numel() for p in trainable(model)))
    for m, b, o in torch.cartesian_prod(*map(torch.arange, y.shape)):
        slopes = torch.autograd.grad(y[m, b, o], trainable(model), retain_graph=True)
        result[m, b, o] = torch.cat([each[m].flatten() for each in slopes])
    return result


class Foreign(nn.Module):
    """A stacked model that offers nothing but what is asked of every model."""

    def __init__(self, inputs: int = 1, outputs: int = 1, members: int = 2) -> None:
        super().__init__()
        self.members, self.in_features, self.out_features = members, inputs, outputs
        self.first = nn.Parameter(drawn(members, inputs, 5, seed=1))
        self.last = nn.Parameter(drawn(members, 5, outputs, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.first) @ self.last

    def flops(self) -> int:
        return 0

    def describe(self) -> dict:
        return {"family": "MLP", "layer_sizes": [self.in_features, 5, self.out_features], "depth": 2}


def training(model=None, make: str = "adam", seeds=(0, 1), steps: int = 6, strategy=None, **options) -> Training:
    """Three peaks, a few steps each."""
    peaks = gaussian_peaks(generators_from(seeds, "data"), peaks=3, points_per_task=20, test_points=20)
    model = local_kan(members=len(seeds), depth=2, width=3, base="silu") if model is None else model
    settings = Settings(steps, batch_size=7, evaluate_every=2, checkpoint_seconds=1e-9)
    strategy = strategy or FineTune()
    batches = generators_from(seeds, "batches")
    return Training(model, peaks.to(DOUBLE), MAKERS[make], strategy, settings, batches, **options)
