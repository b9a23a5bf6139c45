# mypy: ignore-errors
"""Runs inside another implementation's Python and times it there; knows nothing of this project but its messages.

One JSON object a line comes in, one goes out: {"build": [sizes, grid, batch, stage]} answers the number of parameters,
{"run": calls} answers seconds, {"peaks": steps} trains pykan on five Gaussian peaks and answers seconds and RMSE.
"""

import contextlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any


def _build(
    kind: str, sizes: list[int], grid: int, batch: int, stage: str, members: int = 1
) -> tuple[Callable[[], None], int]:
    import torch

    model: Any
    if kind == "kan-continual":
        return _own(sizes, grid, batch, stage, members)

    torch.manual_seed(0)
    if kind == "pykan":
        importlib.metadata.version("pykan")  # other packages are named kan as well
        from kan import KAN

        model = KAN(width=list(sizes), grid=grid, k=3, seed=0, auto_save=False)
        model.speed()
    else:
        from efficient_kan import KAN

        model = KAN(list(sizes), grid_size=grid, spline_order=3)
    x, y = 2 * torch.rand(batch, sizes[0]) - 1, torch.rand(batch, sizes[-1])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def work() -> None:
        if stage == "forward":
            with torch.no_grad():
                model(x)
            return
        optimizer.zero_grad(set_to_none=True)
        (model(x) - y).square().mean().backward()
        if stage == "step":
            optimizer.step()

    return work, sum(p.numel() for p in parameters)


def _own(sizes: list[int], grid: int, batch: int, stage: str, members: int) -> tuple[Callable[[], None], int]:
    """The same network of another commit of this project."""
    import torch

    from kan import KAN
    from scripts.benchmark.timing import network_job

    torch.manual_seed(0)
    model = KAN(sizes[0], sizes[-1], layer_sizes=sizes, grid_size=grid, members=members)
    x, y = 2 * torch.rand(members, batch, sizes[0]) - 1, torch.rand(members, batch, sizes[-1])
    job = network_job(model, x, y, stage)
    return lambda: job(1), sum(p.numel() for p in model.parameters()) // members


def _peaks(steps: int) -> dict[str, float]:
    """Example 8 of pykan's documentation: KAN [1,1], 200 intervals, L-BFGS, one peak after the other."""
    import torch

    from kan import KAN

    centers = torch.linspace(-0.8, 0.8, 5)

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-300 * (x - centers) ** 2).sum(dim=1, keepdim=True)

    dense = torch.linspace(-1, 1, 500)[:, None]
    frozen = {"sp_trainable": False, "sb_trainable": False, "base_fun": "zero"}
    model: Any = KAN(width=[1, 1], grid=200, k=3, noise_scale=0.1, seed=0, auto_save=False, **frozen)
    began = time.perf_counter()
    for center in centers:
        x = torch.linspace(float(center) - 0.2, float(center) + 0.2, 100)[:, None]
        data = {"train_input": x, "train_label": function(x), "test_input": x, "test_label": function(x)}
        model.fit(data, opt="LBFGS", steps=steps, update_grid=False)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        rmse = float((model(dense) - function(dense)).square().mean().sqrt())
    return {"seconds": seconds, "rmse": rmse}


def _main() -> None:
    kind, threads = sys.argv[1], int(sys.argv[2])
    sys.path[:0] = sys.argv[3:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # progress bars and greetings
    os.dup2(nowhere, 2)
    os.chdir(tempfile.mkdtemp())  # pykan leaves a folder where it is
    import torch

    torch.set_num_threads(threads)
    work: Callable[[], None] | None = None
    for line in sys.stdin:
        message = json.loads(line)
        answer: dict[str, Any]
        try:
            if "build" in message:
                work, parameters = _build(kind, *message["build"])
                answer = {"parameters": parameters}
            elif "peaks" in message:
                answer = _peaks(message["peaks"])
            else:
                began = time.perf_counter()
                assert work is not None
                for _ in range(message["run"]):
                    work()
                answer = {"seconds": time.perf_counter() - began}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)


_main()
