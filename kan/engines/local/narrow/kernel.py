"""Whole networks on the CPU, a block of samples at a time through all layers and back, so that all stays in the cache.

In one call: predictions; the gradients that belong to given ones of the predictions; the mean squared error and its
gradients; or some steps of Adam on it.
"""

__all__ = ["HEADER", "network"]

from typing import Any

import numpy as np

from kan.engines.local.narrow.adam import adam
from kan.engines.local.narrow.layers import FIELDS, finish, layer_backward, layer_forward, prepare
from kan.engines.local.pointers import BLOCK, cached, cast, exact, offset_by, pointer

HEADER = 24
PREDICT, PULL_BACK, FIT = 0, 1, 2


@exact
def _turned(one: Any, into: Any, rows: Any, features: int, begin: int, count: int) -> None:
    """Samples from `begin` on as a block, (features, BLOCK), with zeros behind them."""
    for i in range(features):
        for b in range(count):
            into[i * BLOCK + b] = rows[(begin + b) * features + i]
        for b in range(count, BLOCK):
            into[i * BLOCK + b] = one - one


@exact
def _turned_back(rows: Any, block: Any, features: int, begin: int, count: int) -> None:
    """The same back."""
    for i in range(features):
        for b in range(count):
            rows[(begin + b) * features + i] = block[i * BLOCK + b]


@exact
def _pass(one: Any, d: Any, m: int, scratch: Any) -> Any:
    """One pass over the samples of member m; returns the sum of squared errors."""
    B, depth, mode = d[0], d[1], d[2]
    first, last = offset_by(d, HEADER), offset_by(d, HEADER + (depth - 1) * FIELDS)
    I, O, pulled = first[1], last[2], d[8] != 0  # noqa: E741
    x, given = offset_by(pointer(d[3], one), m * d[4]), offset_by(pointer(d[5], one), m * d[17])
    y, gx = offset_by(pointer(d[7], one), m * B * O), offset_by(pointer(d[8], one), m * B * I)
    out, g = offset_by(scratch, last[25]), offset_by(scratch, last[22])
    errors, factor = one - one, cast(2, one) / cast(B * O, one)
    for index in range(depth):
        prepare(one, offset_by(d, HEADER + index * FIELDS), m, scratch)
    for begin in range(0, B, BLOCK):
        count = min(BLOCK, B - begin)
        _turned(one, offset_by(scratch, first[21]), x, I, begin, count)
        for index in range(depth):
            L = offset_by(d, HEADER + index * FIELDS)
            sloped = mode != PREDICT and (index > 0 or pulled)
            layer_forward(one, L, m, sloped, offset_by(scratch, L[21]), offset_by(scratch, L[25]), scratch)
        if mode == PREDICT:
            _turned_back(y, out, O, begin, count)
            continue
        _turned(one, g, given, O, begin, count)
        if mode == FIT:
            for o in range(O):
                for b in range(o * BLOCK, o * BLOCK + count):
                    error = out[b] - g[b]
                    errors += error * error
                    g[b] = error * factor
        for index in range(depth - 1, -1, -1):
            L = offset_by(d, HEADER + index * FIELDS)
            back = offset_by(scratch, L[26])
            layer_backward(one, L, index > 0 or pulled, offset_by(scratch, L[22]), back, count, scratch)
        if pulled:
            _turned_back(gx, offset_by(scratch, first[26]), I, begin, count)
    if mode != PREDICT:
        for index in range(depth):
            finish(one, offset_by(d, HEADER + index * FIELDS), m, scratch)
    return errors / cast(B * O, one)


@cached(nogil=True, error_model="numpy")
def network(one: Any, address: int, start: int, stop: int) -> None:
    """Members start..stop of what a plan says, see `kan.engines.local.plan`; each takes all its steps.

    Args:
        one: 1 in the dtype of the tensors.
        address: of the plan.
        start: first member.
        stop: one after the last member.
    """
    d = pointer(address, np.int64(1))
    scratch = offset_by(pointer(d[9], one), start * d[10])
    losses, members = pointer(d[6], one), d[11]
    for m in range(start, stop):
        for step in range(d[12]):
            loss = _pass(one, d, m, scratch)
            if d[2] == FIT:
                losses[step * members + m] = loss
            if d[13]:
                table, hyper = pointer(d[14], np.int64(1)), pointer(d[15], np.float64(1))
                adam(one, table, d[13], m, members, d[16], hyper, step + 1)
