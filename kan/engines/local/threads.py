"""Kernels in the threads that torch itself computes with.

Threads of our own would have to share the processor with torch's, which wait for their next work by spinning: on two
cores that made two threads slower than one. So where torch brings GNU OpenMP, as on Linux, kernels go to its team of
threads, by the entry point that compilers call for a parallel region.
"""

__all__ = ["run_in_team"]

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import binding
from numba import types

from kan.engines.local.backward import backward
from kan.engines.local.forward import forward
from kan.engines.local.narrow.kernel import network
from kan.engines.local.normal import normal
from kan.engines.local.pointers import SOURCES, pointer


def _open() -> Any:
    """The OpenMP library that torch has loaded, or None."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            binding.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        return library
    return None


_library = _open()
_index = types.ExternalFunction("omp_get_thread_num", types.int32())
_size = types.ExternalFunction("omp_get_num_threads", types.int32())


@functools.cache
def _share(kernel_name: str, dtype: Any) -> Any:
    """What a thread runs, compiled: its share of a kernel, whose arguments lie in an array of integers."""
    one, version = dtype.type(1), int(SOURCES[:15], 16)

    def forward_share(address: int) -> None:
        version  # noqa: B018  # what a closure refers to is part of the cache's key
        a = pointer(address, np.int64(1))
        start, stop = a[0] * _index() // _size(), a[0] * (_index() + 1) // _size()
        at = (a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8])
        forward(one, at, a[9], (a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17], a[18]), start, stop)

    def backward_share(address: int) -> None:
        version  # noqa: B018  # what a closure refers to is part of the cache's key
        a = pointer(address, np.int64(1))
        start, stop = a[0] * _index() // _size(), a[0] * (_index() + 1) // _size()
        at = (a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9])
        backward(one, at, (a[10], a[11], a[12], a[13], a[14], a[15]), start, stop)

    def network_share(address: int) -> None:
        version  # noqa: B018  # what a closure refers to is part of the cache's key
        a = pointer(address, np.int64(1))
        network(one, a[1], a[0] * _index() // _size(), a[0] * (_index() + 1) // _size())

    def normal_share(address: int) -> None:
        version  # noqa: B018  # what a closure refers to is part of the cache's key
        a = pointer(address, np.int64(1))
        normal(one, a[1], a[0] * _index() // _size(), a[0] * (_index() + 1) // _size())

    shares: dict[str, Callable[[int], None]] = {
        "forward": forward_share,
        "backward": backward_share,
        "network": network_share,
        "normal": normal_share,
    }
    share = shares[kernel_name]
    signature = types.void(types.int64)
    try:
        return numba.cfunc(signature, cache=True)(share)
    except RuntimeError:  # no place to keep it, which `kan.engines.local.pointers` has said
        return numba.cfunc(signature)(share)


def run_in_team(kernel: Any, arguments: tuple[Any, ...], items: int, threads: int) -> bool:
    """Runs a kernel over 0..items in so many of torch's threads, or fewer if it has no more.

    Args:
        kernel: `forward`, `backward`, `network` or `normal`.
        arguments: the kernel's, without start and stop.
        items: how many.
        threads: how many.

    Returns:
        False, and nothing is done, where torch's team cannot be reached.
    """
    if _library is None:
        return False
    one, *rest = arguments
    numbers: list[int] = [items]
    for part in rest:
        numbers += part if isinstance(part, tuple) else [part]
    data = np.array(numbers, dtype=np.int64)
    _library.GOMP_parallel(_share(kernel.__name__, one.dtype).address, data.ctypes.data, threads, 0)
    return True
