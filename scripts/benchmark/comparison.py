"""The comparisons: one case of networks, and the paper's experiment as a whole."""

__all__ = ["Row", "compare", "five_peaks"]

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from hydra import compose, initialize_config_module
from numpy.typing import NDArray

from continual.models import parameter_counts
from continual.training import train
from scripts.benchmark.cases import Case, networks, torch_mlp_job
from scripts.benchmark.peers import OWN, Peer
from scripts.benchmark.timing import Job, network_job, paired
from scripts.config.composed import plain
from scripts.config.parts import build_parts


@dataclass(frozen=True)
class Row:
    """One contender's times in one comparison; those of a comparison were taken in turns."""

    case: Case
    stage: str
    members: int
    threads: int
    contender: str
    parameters: int
    seconds: NDArray[np.float64]
    """Of one call, one value a round."""

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1e3 * float(np.median(self.seconds))


def compare(
    case: Case,
    stage: str,
    members: int,
    threads: int,
    *,
    dtype: torch.dtype,
    device: torch.device,
    peers: Sequence[str] = (),
    rounds: int = 15,
    span: float = 0.02,
) -> list[Row]:
    """Times all contenders on one case.

    Args:
        case: sizes.
        stage: "forward", "forward+backward" or "step".
        members: M.
        threads: CPU threads.
        dtype: of parameters and data.
        device: where.
        peers: other implementations, see `Peer`; those without members join where there is one.
        rounds: see `paired`.
        span: see `paired`.
    """
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(members, case.batch, case.layer_sizes[0], generator=generator) - 1
    y = torch.rand(members, case.batch, case.layer_sizes[-1], generator=generator)
    x, y = x.to(device, dtype), y.to(device, dtype)
    jobs: dict[str, Job] = {}
    parameters: dict[str, int] = {}
    with ExitStack() as stack:
        for name, build in networks(case, members, dtype, device).items():
            torch.manual_seed(0)
            model = build()
            jobs[name] = network_job(model, x, y, stage)
            parameters[name] = parameter_counts(model)["trainable"]
        if members == 1:
            jobs["torch MLP"], parameters["torch MLP"] = torch_mlp_job(case, x[0], y[0], stage)
        for text in peers:
            if members == 1 or text.partition("=")[0] == OWN:
                peer = stack.enter_context(Peer(text, threads))
                jobs[peer.kind], parameters[peer.kind] = peer.job(case, stage, members)
        seconds = paired(jobs, rounds, span)
    return [Row(case, stage, members, threads, name, parameters[name], seconds[name]) for name in jobs]


def five_peaks(peers: Sequence[str], rounds: int = 3, steps: int = 100) -> Iterator[tuple[str, float, float]]:
    """Trains the paper's KAN with L-BFGS on five Gaussian peaks: one seed, ten seeds, and one of pykan beside them.

    Yields:
        Contender, median seconds of all its seeds together, final test RMSE.
    """
    torch.set_num_threads(1)
    finals: dict[str, float] = {}

    def ours(name: str, seeds: int) -> Job:
        overrides = ["+experiment/five_peaks=kan", "dtype=float64", f"seeds={seeds}", f"training.steps={steps}"]
        with initialize_config_module("conf", version_base="1.3"):
            values = plain(compose("train", overrides))

        def job(calls: int) -> float:
            total = 0.0
            for _ in range(calls):
                parts = build_parts(values)
                began = time.perf_counter()
                history = train(parts.training)
                total += time.perf_counter() - began
                finals[name] = float(np.mean(history.matrix()[:, -1]))
            return total

        job(1)  # compiles the kernels
        return job

    jobs = {"KAN, 1 seed": ours("KAN, 1 seed", 1), "KAN, 10 seeds": ours("KAN, 10 seeds", 10)}
    with ExitStack() as stack:
        for text in peers:
            if text.startswith("pykan="):
                peer = stack.enter_context(Peer(text, 1))

                def job(calls: int, peer: Peer = peer) -> float:
                    answers = [peer.ask(peaks=steps) for _ in range(calls)]
                    finals["pykan, 1 seed"] = answers[-1]["rmse"]
                    return sum(float(answer["seconds"]) for answer in answers)

                jobs["pykan, 1 seed"] = job
        for name, seconds in paired(jobs, rounds, span=0.0).items():
            yield name, float(np.median(seconds)), finals[name]
