"""Synthetic run records that look like the suite's own, for tests of everything that only reads records."""

__all__ = [
    "assert_no_word_is_cut_off",
    "centres",
    "five_peaks",
    "grid_depth",
    "power_law",
    "toy_functions",
    "write_growing",
    "write_run",
]

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from continual.metrics import rmse
from continual.records.record import Record, write_record

POINTS = 201
SAMPLES = 40


def centres(tasks: int) -> np.ndarray:
    """Where the Gaussian peak of each task sits, (T,)."""
    return np.linspace(-0.8, 0.8, tasks) if tasks > 1 else np.zeros(1)


def _peaks(x: np.ndarray, tasks: int) -> np.ndarray:
    return np.exp(-300 * (x[..., None] - centres(tasks)) ** 2).sum(-1)


def _predictions(
    generator: np.random.Generator, x: np.ndarray, tasks: int, keep: float, noise: float, wander: float
) -> np.ndarray:
    """Predictions of one member after each task, (T+1, P): old peaks fade by `keep`, the far side runs off."""
    target, c = _peaks(x, tasks), centres(tasks)
    half = 1.0 / tasks
    out = [0.1 * generator.standard_normal() * x]
    for i in range(tasks):
        faded = target.copy()
        for j in range(tasks):
            near = np.abs(x - c[j]) <= half
            share = 1.0 if j == i else (keep ** (i - j) if j < i else 0.0)
            faded[near] *= share * (1 + 0.1 * generator.standard_normal() * (j != i) * (keep < 1))
        slope = wander * generator.standard_normal(2)
        beyond = np.maximum(np.abs(x - c[i]) - half, 0.0)
        faded += np.where(x < c[i], slope[0], slope[1]) * beyond**2
        out.append(faded + noise * np.exp(generator.standard_normal()) * np.sin(37 * x + generator.uniform(0, 6)))
    return np.stack(out)


def write_run(
    folder: Path,
    *,
    name: str = "KAN G=200, L-BFGS",
    family: str = "KAN",
    experiment: str = "five_peaks",
    order: int = 0,
    members: int = 4,
    tasks: int = 3,
    keep: float = 1.0,
    noise: float = 4e-6,
    wander: float = 0.0,
    diverged: Sequence[int] = (),
    view: bool = True,
    surface: bool = False,
    parameters: tuple[int, int] = (203, 405),
    flops: int = 406,
    sweep: Mapping[str, Any] | None = None,
    evaluations: int = 8,
    task_names: Sequence[str] | None = None,
) -> Record:
    """Writes one finished run and reads it back.

    Args:
        folder: the run's folder.
        name: label of the model.
        family: its family.
        experiment: name of the experiment.
        order: position in the experiment.
        members: M.
        tasks: T.
        keep: share of a peak that outlives one further task; 1 forgets nothing.
        noise: size of the error where the data are.
        wander: how far the prediction runs off away from the data last seen.
        diverged: indices of members that diverge in the second half of the training.
        view: whether the record has the arrays of a one-dimensional view.
        surface: or those of a two-dimensional one.
        parameters: trainable and total parameters.
        flops: FLOPs of a forward pass.
        sweep: the run's values along the sweep's axes.
        evaluations: evaluations along the training of one task.
        task_names: names of the tasks.
    """
    generator = np.random.default_rng(1000 + order)
    x, c = np.linspace(-1.0, 1.0, POINTS), centres(tasks)
    target = _peaks(x, tasks)
    predictions = np.stack(
        [_predictions(generator, x, tasks, keep, noise, wander) for _ in range(members)]
    )  # (M, T+1, P)
    middle = (tasks + 1) // 2 + 1
    for member in diverged:
        predictions[member, middle:] = np.nan
    near = np.abs(x[None] - c[:, None]) <= 1.0 / tasks  # (T, P)
    squares = (predictions - target) ** 2
    R = np.stack([rmse(squares[..., mask].sum(-1), int(mask.sum())) for mask in near], axis=-1)
    baseline = np.array([target[mask].std() for mask in near])

    E = tasks * evaluations + 1
    step = np.arange(E) * 10
    task = np.concatenate([[-1], np.repeat(np.arange(tasks), evaluations)])
    along = np.empty((members, E, tasks))
    along[:, 0] = R[:, 0]
    for i in range(tasks):
        for e in range(evaluations):
            share = (e + 1) / evaluations  # geometric from the matrix's one row to the next
            along[:, 1 + i * evaluations + e] = R[:, i] ** (1 - share) * R[:, i + 1] ** share
    train_x = c[None, :, None] + np.linspace(-0.5, 0.5, SAMPLES) / tasks
    train_x = np.repeat(train_x, members, axis=0)  # (M, T, N)
    curves: dict[str, Any] = {
        "step": step,
        "task": task,
        "rmse": along,
        "loss": np.nanmin(np.nan_to_num(along, nan=1e9), axis=-1) ** 2,
        "boundaries": np.arange(1, tasks + 1) * evaluations * 10,
    }
    if view:
        curves |= {
            "view_inputs": x,
            "view_targets": target[:, None],
            "predictions": predictions[..., None],
            "train_inputs": train_x,
            "train_targets": _peaks(train_x, tasks)[..., None],
        }
    if surface:
        side = np.linspace(-1.0, 1.0, 9)
        inputs = np.stack([np.tile(side, 9), np.repeat(side, 9)], axis=1)
        targets = inputs[:, :1] + inputs[:, 1:] ** 2
        wrong = generator.normal(scale=noise, size=(members, tasks + 1, 81, 1))
        edges = np.linspace(-1.0, 1.0, tasks + 1)
        curves |= {
            "surface_inputs": inputs,
            "surface_targets": targets,
            "surface_regions": np.array([[[a, -1.0], [b, 1.0]] for a, b in pairwise(edges)]),
            "predictions": targets + wrong,
        }
    lost = [m in diverged for m in range(members)]
    fields = {
        "name": name,
        "experiment": experiment,
        "identity": f"{order:08x}",
        "order": order,
        "status": "diverged" if all(lost) else "done",
        "device": "cpu (2 cores)",
        "model": {"family": family, "layer_sizes": [1, 5, 1], "depth": 2},
        "sweep": dict(sweep or {}),
        "seeds": list(range(members)),
        "diverged": lost,
        "task_names": list(task_names or [f"peak at {value:.1f}" for value in c]),
        "parameters": {"trainable": parameters[0], "total": parameters[1]},
        "flops": flops,
        "seconds": {"total": 8.5 + order, "train": 8.0 + order},
        "versions": {"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6"},
        "R": R,
        "baseline_rmse": np.broadcast_to(baseline, (members, tasks)),
    }
    return write_record(folder, fields, curves)


MODELS: list[dict[str, Any]] = [
    {"name": "KAN G=200, L-BFGS", "family": "KAN", "parameters": (203, 405)},
    {
        "name": "MLP SiLU 64, Adam",
        "family": "MLP",
        "keep": 0.1,
        "noise": 0.03,
        "wander": 9.0,
        "parameters": (193,) * 2,
    },
    {
        "name": "KAN [1,5,1] G=40, L-BFGS",
        "family": "KAN",
        "keep": 0.9,
        "noise": 0.01,
        "parameters": (430, 455),
    },
    {
        "name": "MLP tanh 64×2, L-BFGS",
        "family": "MLP",
        "keep": 0.0,
        "noise": 1e-3,
        "wander": 30.0,
        "diverged": [1],
    },
    {"name": "KAN G=200, trainable scales and silu base", "family": "KAN", "keep": 0.7, "noise": 1e-4},
    {"name": "MLP ReLU 64×2, Adam", "family": "MLP", "keep": 0.3, "noise": 0.02, "wander": 5.0},
    {"name": "KAN [1,5,1] G=20, L-BFGS", "family": "KAN", "keep": 0.6, "noise": 0.05, "wander": 1.0},
    {"name": "RBF network, 200 centres, fixed widths", "family": "RBF", "noise": 3e-5, "wander": 0.1},
    {"name": "KAN G=200, update_grid, Adam", "family": "KAN", "keep": 0.5, "noise": 4e-4, "wander": 0.3},
    {
        "name": "MLP SiLU 64×2, Adam, EWC (strength 100)",
        "family": "MLP",
        "keep": 0.8,
        "noise": 0.2,
        "wander": 2.0,
    },
    {"name": "Lookup table, 200 bins", "family": "Table", "noise": 2e-2},
    {"name": "MLP SiLU 64×2, SGD", "family": "MLP", "diverged": "all"},
]


def five_peaks(folder: Path, count: int = 4, members: int = 4, tasks: int = 5, **changes: Any) -> list[Record]:
    """The first `count` of a dozen models on the five peaks."""
    records = []
    for order, model in enumerate(MODELS[:count]):
        settings = {"members": members, "tasks": tasks, "order": order, **model, **changes}
        if settings.get("diverged") == "all":
            settings["diverged"] = range(members)
        records.append(write_run(folder / f"model-{order}", **settings))
    return records


def grid_depth(
    folder: Path,
    grids: Sequence[int] = (5, 20, 50),
    depths: Sequence[int] = (1, 2),
    missing: Sequence[tuple[str, int, int]] = (),
    members: int = 3,
) -> list[Record]:
    """The experiment `grid_depth`: KANs by grid size and depth, and MLPs of as many parameters."""
    records = []
    for family in ("KAN", "MLP"):
        for depth in depths:
            for grid in grids:
                if (family, grid, depth) in missing:
                    continue
                order = len(records)
                count = grid * (1 if depth == 1 else 10 * (depth - 1))
                kan = family == "KAN"
                records.append(
                    write_run(
                        folder / f"run-{order}",
                        name=f"{family} G={grid} depth {depth}" if kan else f"MLP like G={grid} depth {depth}",
                        family=family,
                        experiment="grid_depth",
                        order=order,
                        members=members,
                        keep=min(1.0, grid / (60 * depth)) if kan else 0.3,
                        noise=0.5 / grid**2 if kan else 0.1 / grid,
                        wander=0.0 if kan else 4.0,
                        parameters=(count + 3, count + 3),
                        sweep={"grid_size": grid, "depth": depth},
                        view=False,
                    )
                )
    return records


def toy_functions(folder: Path, functions: int = 3, members: int = 3, models: int = 4) -> list[Record]:
    """The experiment `toy_functions`: the same models on curricula made of several functions."""
    names = ["J0(20x)", "exp(sin(πx) + y²)", "xy", "exp(Σ sin²(πx/2)/100), 100 inputs", "nested, 4 inputs"]
    kinds = MODELS[:models]
    records = []
    for f, function in enumerate(names[:functions]):
        for model in kinds:
            order = len(records)
            settings = {**model, "noise": model.get("noise", 4e-6) * 10**f}
            settings["name"] = f"{model['name']}: {function}"
            settings["keep"] = max(0.0, model.get("keep", 1.0) - 0.2 * f)
            records.append(
                write_run(
                    folder / f"run-{order}",
                    experiment="toy_functions",
                    order=order,
                    members=members,
                    view=False,
                    sweep={"curriculum": "domains" if f % 2 else "slices", "function": function},
                    **settings,
                )
            )
    return records


def write_growing(
    folder: Path,
    errors: np.ndarray,
    *,
    function: str = "exp(sin(πx) + y²)",
    series: str = "KAN, Levenberg–Marquardt",
    grids: Sequence[int] | None = (3, 5, 10, 20),
    layer_sizes: Sequence[int] = (2, 1, 1),
    parameters: Sequence[int] | None = None,
    steps: int = 20,
    group: str | None = None,
    order: int = 0,
    seeds: Sequence[int] | None = None,
) -> Record:
    """Writes a run whose model grows in stages of equal length, with the errors that it is to have at their ends.

    Args:
        folder: the run's folder.
        errors: test RMSE at the end of each stage, (M, S); NaN for a member that diverged.
        function: what was learned.
        series: line that the run belongs to.
        grids: intervals in each stage; None for an MLP.
        layer_sizes: of the model.
        parameters: trained ones in each stage; by default those of a KAN with k = 3, or of an MLP.
        steps: of each stage.
        group: group of its Pareto front.
        order: position in the experiment.
        seeds: of the members.
    """
    errors = np.asarray(errors, dtype=np.float64)
    M, S = errors.shape
    family = "MLP" if grids is None else "KAN"
    edges = sum(i * o for i, o in zip(layer_sizes[:-1], layer_sizes[1:], strict=True))
    if parameters is None:
        parameters = [edges + sum(layer_sizes[1:])] if grids is None else [edges * (grid + 5) for grid in grids]
    each = 4  # evaluations of a stage
    stage = np.concatenate([[0], np.repeat(np.arange(S), each)])
    before = np.concatenate([np.ones((M, 1)), errors], axis=1)
    shares = np.arange(1, each + 1) / each  # geometric from the end of one stage to that of the next
    between = before[:, :-1, None] ** (1 - shares) * errors[..., None] ** shares
    along = np.concatenate([np.ones((M, 1)), between.reshape(M, -1)], axis=1)
    curves: dict[str, Any] = {
        "step": np.arange(S * each + 1) * (steps // each),
        "task": np.minimum(np.arange(S * each + 1) - 1, 0),
        "rmse": along[..., None],
        "median": along[..., None] / 3,
        "loss": np.where(np.arange(S * each + 1) > 0, (along / 1.2) ** 2, np.nan),
        "boundaries": np.array([S * steps]),
        "parameters": np.asarray(parameters)[stage],
    }
    if grids is not None:
        curves["grid_size"] = np.asarray(grids)[stage]
    R = along[:, [0, -1], None]
    fields = {
        "name": f"{series} {list(layer_sizes)}: {function}",
        "experiment": "scaling",
        "order": order,
        "status": "done",
        "model": {"family": family, "layer_sizes": list(layer_sizes), "depth": len(layer_sizes) - 1}
        | ({} if grids is None else {"spline_order": 3, "grid_size": grids[-1]}),
        "sweep": {"function": function, "series": series, **({"group": group} if group else {})},
        "seeds": list(range(M) if seeds is None else seeds),
        "diverged": list(np.isnan(errors).any(axis=1)),
        "task_names": [function],
        "parameters": {"trainable": int(parameters[-1]), "total": int(parameters[-1])},
        "flops": 100,
        "seconds": {
            "total": 9.0,
            "train": 8.0,
            "along": list(np.cumsum(np.asarray(parameters)[stage]) * 1e-3),
        },
        "R": R,
        "baseline_rmse": np.ones((M, 1)),
    }
    return write_record(folder, fields, curves)


def power_law(
    sizes: Sequence[float], power: float, members: int = 5, scale: float = 1.0, spread: float = 0.1, order: int = 0
) -> np.ndarray:
    """Errors that fall as a power of the size, each member off by a constant factor, (M, S)."""
    generator = np.random.default_rng(order)
    factors = np.exp(spread * generator.standard_normal((members, 1)))
    return scale * factors * np.asarray(sizes, dtype=np.float64) ** power


def assert_no_word_is_cut_off(figure: Figure) -> None:
    """Every visible text of a figure lies within it."""
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -1, text.get_text()
            assert box.x1 <= width + 1, text.get_text()
            assert box.y1 <= height + 1, text.get_text()
