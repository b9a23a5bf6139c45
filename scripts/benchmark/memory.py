"""Peak memory of one forward and backward pass, each measured in a fresh process."""

__all__ = ["check_memory", "least_memory", "peak_memory"]

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from continual.models import edges
from scripts.benchmark.cases import Case, networks
from scripts.benchmark.timing import network_job

_STATUS = Path("/proc/self/status")


def _resident(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def _measure(case: Case, name: str, dtype: torch.dtype, device: torch.device) -> int | None:
    torch.set_num_threads(1)
    tiny = Case((1,) * len(case.layer_sizes), 1, 1)
    for sizes in (tiny, case):  # the tiny one loads and compiles whatever is needed
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        else:
            if not _STATUS.is_file():
                return None  # only Linux tells
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
            before = _resident("VmRSS")
        model = networks(sizes, 1, dtype, device)[name]()
        x = torch.rand(1, sizes.batch, sizes.layer_sizes[0], dtype=dtype, device=device)
        y = torch.rand(1, sizes.batch, sizes.layer_sizes[-1], dtype=dtype, device=device)
        network_job(model, x, y, "forward+backward")(2)
        peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else _resident("VmHWM")
    return peak - before


def peak_memory(case: Case, name: str, dtype: torch.dtype, device: torch.device) -> int | None:
    """Bytes that a network, its gradients and two passes take at most; None where the system does not say."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (case, name, dtype, device))


def least_memory(case: Case, parameters: int, dtype: torch.dtype) -> int:
    """Bytes of parameters and activations alone."""
    return (parameters + case.batch * sum(case.layer_sizes)) * dtype.itemsize


def check_memory(cases: Sequence[Case], members: int, dtype: torch.dtype) -> None:
    """Refuses what cannot fit: parameters, gradients and the optimizer's two means, four times the parameters.

    Raises:
        ValueError: a case that needs more memory than the machine has.
    """
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return  # the system does not say
    for case in cases:
        needed = 4 * members * least_memory(case, edges(case.layer_sizes) * (case.grid_size + 5), dtype)
        if needed > there:
            raise ValueError(
                f"{case} with {members} members needs {needed / 1e9:.3g} GB, and there are {there / 1e9:.3g}"
            )
