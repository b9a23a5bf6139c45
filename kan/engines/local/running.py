"""What every call of a compiled kernel needs: the kernels themselves, threads, and memory that is used again."""

__all__ = ["ONES", "Memory", "compiled", "spread", "usable"]

import functools
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

log = logging.getLogger(__name__)

_PROCESS = os.getpid()
_WORTH_A_THREAD = 1 << 19  # edges and inputs: about 0.2 ms, several times what it takes to wake a thread
ONES = {torch.float32: np.float32(1), torch.float64: np.float64(1)}
"""1 in each dtype that there are kernels for."""


@functools.cache
def compiled() -> ModuleType:
    """What needs numba, imported at first use: it takes some tenths of a second that not everybody needs."""
    import numba

    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    from kan.engines.local import kernels

    return kernels


_usable: bool | None = None  # not known yet


def usable() -> bool:
    """Whether there are compiled kernels: numba can be told to compile nothing (`NUMBA_DISABLE_JIT`), or be broken."""
    global _usable  # noqa: PLW0603 # a plain name is all that a tracer can read here
    if _usable is None:
        try:
            compiled()
            _usable = True
        except Exception as error:  # whatever numba and llvmlite raise while they load
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("no compiled kernels (%s): splines are computed by the slower dense engine", why)
            _usable = False
    return _usable


@functools.cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process; a fork starts with its own, because threads do not survive one."""
    return ThreadPoolExecutor(workers, thread_name_prefix=f"kan-{process}")


def spread(kernel: Callable[..., None], arguments: tuple[Any, ...], items: int, work: int) -> None:
    """Runs the kernel over 0..items, in as many threads as torch has if that pays: torch's own, or ours where not.

    Items write to places of their own, each in one fixed order: who computes which does not change a bit.
    """
    threads = min(torch.get_num_threads(), items) if work > _WORTH_A_THREAD else 1
    if threads < 2:
        kernel(*arguments, 0, items)
        return
    # in a process forked off, OpenMP's threads are not there and would be waited for in vain
    if os.getpid() == _PROCESS and compiled().run_in_team(kernel, arguments, items, threads):
        return
    ends = [items * part // threads for part in range(threads + 1)]
    pool = _pool(os.getpid(), threads - 1)
    others: list[Future[None]] = [
        pool.submit(kernel, *arguments, start, stop) for start, stop in zip(ends[1:-1], ends[2:], strict=True)
    ]
    kernel(*arguments, 0, ends[1])
    for other in others:
        other.result()


class Memory:
    """A buffer that goes back to where it came from when nobody needs it any more.

    Fresh memory costs more than filling it: the system hands it out page by page, and every step would ask anew.
    """

    _free: ClassVar[dict[tuple[int, torch.dtype], list[Tensor]]] = {}
    _kept: ClassVar[int] = 4  # of one size, about as many as layers of one network are alike
    _largest: ClassVar[int] = 1 << 24  # numbers; whoever needs more has other costs

    def __init__(self, numbers: int, x: Tensor) -> None:
        self.place = (numbers, x.dtype)
        try:
            self.tensor = self._free[self.place].pop()
        except (KeyError, IndexError):
            self.tensor = x.new_empty(numbers)

    def __del__(self) -> None:
        if self.place[0] <= self._largest:
            free = self._free.setdefault(self.place, [])
            if len(free) < self._kept:
                free.append(self.tensor)
