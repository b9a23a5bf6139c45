"""Small trainings under every strategy, for tests of what all of them promise."""

__all__ = ["ADAM", "DOUBLE", "MODELS", "SGD", "STRATEGIES", "Break", "InterruptionError", "model", "same", "training"]

import functools

import torch

from continual.extension import Extension, Settings, Training
from continual.optimizers import Adam
from continual.strategies import (
    AGEM,
    DERPP,
    L2,
    MAS,
    OGD,
    SI,
    ContinualBackprop,
    FineTune,
    Independent,
    Joint,
    LwF,
    Replay,
    ShrinkPerturb,
)
from kan import KAN
from kan.variants import ChebyshevKAN
from mlp_baselines import MLP, SIREN, RBFNetwork, SplineMLP
from tasks import Curriculum, Task, drift, gaussian_peaks
from tasks.sampling import generators_from

DOUBLE = torch.float64
ADAM = functools.partial(Adam, lr=0.01)
SGD = functools.partial(torch.optim.SGD, lr=0.05)

STRATEGIES = {
    "joint": Joint,
    "independent": Independent,
    "replay": functools.partial(Replay, size=15, share=0.3),
    "replay all": functools.partial(Replay, size=1000, share=None),
    "derpp": functools.partial(DERPP, size=15),
    "agem": functools.partial(AGEM, size=15, batch=6),
    "ogd": functools.partial(OGD, samples=2),
    "si": functools.partial(SI, weight=5.0),
    "mas": functools.partial(MAS, weight=0.5, samples=6),
    "lwf": LwF,
    "l2": functools.partial(L2, weight=0.01),
    "l2 init": functools.partial(L2, weight=0.01, towards="initial"),
    "l2 last": functools.partial(L2, weight=0.1, towards="last"),
    "shrink perturb": functools.partial(ShrinkPerturb, every=4),
    "continual backprop": functools.partial(ContinualBackprop, rate=0.05, maturity=3),
}
"""Every strategy by name, with settings under which it does something in a few steps."""

MODELS = {
    "kan": functools.partial(KAN, depth=2, width=3, grid_size=6),
    "mlp": functools.partial(MLP, depth=3, width=6),
    "rbf": functools.partial(RBFNetwork, width=8),
    "chebyshev": functools.partial(ChebyshevKAN, depth=2, width=3),
    "norm": functools.partial(MLP, depth=3, width=6, layer_norm=True),
    "siren": functools.partial(SIREN, depth=3, width=6),
    "spline mlp": functools.partial(SplineMLP, depth=3, width=6),
}


def model(name, seeds, outputs=1):
    """A model of `MODELS` for these seeds."""
    return MODELS[name](1, outputs, members=len(seeds), generators=generators_from(seeds, "model"), dtype=DOUBLE)


def curriculum(name, seeds) -> Curriculum:
    """Peaks, the same with columns of their own, classes in columns of their own, or a stream."""
    generators = generators_from(seeds, "data")
    if name == "stream":
        return drift(generators, snapshots=3, points_per_step=9, test_points=20, noise=0.1).to(DOUBLE)
    peaks = gaussian_peaks(generators, peaks=3, points_per_task=20, test_points=20, noise=0.1).to(DOUBLE)
    if name == "peaks":
        return peaks
    found = []
    for index, task in enumerate(peaks.tasks):

        def outputs(y, index=index):
            wide = torch.zeros(*y.shape[:2], 6, dtype=DOUBLE)
            wide[..., 2 * index] = (y[..., 0] > 0.5).to(DOUBLE) if name == "classes" else y[..., 0]
            wide[..., 2 * index + 1] = 1.0 - wide[..., 2 * index]
            return wide

        found.append(
            Task(
                task.name,
                task.train_inputs,
                outputs(task.train_targets),
                task.test_inputs,
                outputs(task.test_targets),
                loss="cross_entropy" if name == "classes" else "mean_squared_error",
                columns=(2 * index, 2 * index + 1),
            )
        )
    return Curriculum(name, found, (-1.0, 1.0))


def training(strategy=None, seeds=(0, 1), kind="mlp", data="peaks", make=ADAM, steps=6, batch_size=7, **options):
    """A training of some steps a task."""
    tasks = curriculum(data, seeds)
    settings = Settings(steps, None if data == "stream" else batch_size, evaluate_every=4, checkpoint_seconds=1e-9)
    stack = model(kind, seeds, tasks.out_features)
    batches = generators_from(seeds, "batches")
    return Training(stack, tasks, make, strategy or FineTune(), settings, batches, **options)


def same(ours, theirs) -> bool:
    """Whether two models have the same parameters to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


class InterruptionError(Exception):
    """Stands for a Ctrl-C."""


class Break(Extension):
    """Breaks a training off after a step: task from 0, steps done."""

    def __init__(self, stop) -> None:
        self.stop = stop

    def after_step(self, task, step, losses) -> None:
        if (task, step) == self.stop:
            raise InterruptionError
