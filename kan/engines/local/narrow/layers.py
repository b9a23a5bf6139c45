"""What a layer of the network kernel does with one block of samples, and before the first and after the last one.

A layer is `FIELDS` integers: sizes, addresses of what it reads and writes, and where its part of the scratch memory
lies, in numbers from its beginning; `kan.engines.local.plan` fills them in.
"""

__all__ = ["FIELDS", "finish", "layer_backward", "layer_forward", "prepare"]

import math
from typing import Any

import numpy as np

from kan.engines.local.forward import _find, _find_uniform, _triangle
from kan.engines.local.narrow.features import base_rows, cubic_pieces, cubic_rows, place_in_uniform
from kan.engines.local.narrow.gathered import add_gathered, pull_back_gathered, scatter
from kan.engines.local.narrow.lanes import lanes_of, slim
from kan.engines.local.narrow.products import add_outer, add_product, pull_back
from kan.engines.local.pointers import BLOCK, cast, exact, integers, offset_by, pointer
from kan.engines.local.vectors import load, total

FIELDS = 32
DENSE, GATHERED, AFFINE = 0, 1, 2


@exact
def _clear(one: Any, at: Any, count: int) -> None:
    for i in range(count):
        at[i] = one - one


@exact
def prepare(one: Any, L: Any, m: int, scratch: Any) -> None:
    """Weights of member m in the order in which they are used, scales included; marks of intervals; zeros.

    Args:
        one: 1 in the dtype of the numbers.
        L: the layer, see `FIELDS`.
        m: member.
        scratch: of the member.
    """
    kind, I, O, K, F, N, R = L[0], L[1], L[2], L[3], L[4], L[6], L[15]  # noqa: E741
    edges, based, scaled = I * O, L[5] != 0, L[10] != 0
    c, s, w = (
        offset_by(pointer(L[9], one), m * edges * K),
        offset_by(pointer(L[10], one), m * edges),
        offset_by(pointer(L[11], one), m * edges),
    )
    weights, sums = offset_by(scratch, L[16]), offset_by(scratch, L[17])
    zero = one - one
    if kind == GATHERED:
        stride = K + 7
        for i in range(I):
            for o in range(O):
                scale, at = s[i * O + o] if scaled else one, offset_by(weights, (i * O + o) * stride)
                for n in range(3):
                    at[n] = zero
                for n in range(4):
                    at[K + 3 + n] = zero
                for n in range(K):
                    at[n + 3] = scale * c[(i * K + n) * O + o]
        if based:
            for e in range(edges):
                weights[edges * stride + e] = w[e]
        _clear(one, sums, edges * stride + R * O * lanes_of(slim(one)))
        _clear(one, offset_by(scratch, L[19] + 12 * I * BLOCK), (R - I) * BLOCK)
        return
    for i in range(I):
        at, e = offset_by(weights, i * F * O), offset_by(c, i * K * O)
        for n in range(K):
            for o in range(O):
                at[n * O + o] = s[i * O + o] * e[n * O + o] if scaled else e[n * O + o]
        if based and kind == DENSE:
            for o in range(O):
                at[K * O + o] = w[i * O + o]
    if kind == AFFINE:
        bias = offset_by(pointer(L[11], one), m * O)
        for o in range(O):
            weights[I * O + o] = bias[o]
    _clear(one, sums, R * O * lanes_of(slim(one)))
    rows = offset_by(scratch, L[19])
    used = I * F + (1 if kind == AFFINE else 0)
    _clear(one, offset_by(rows, used * BLOCK), (R + 4 - used) * BLOCK)
    if kind == AFFINE:
        for b in range(BLOCK):
            rows[I * BLOCK + b] = one
        return
    count = (K + 3) // 4 * 4 + 7
    for i in range(I):
        t, marks = offset_by(pointer(L[8], one), (m * I + i) * N), offset_by(scratch, L[18] + i * count)
        for n in range(count):
            if n >= N - 1:
                marks[n] = cast(math.nan, one)
            elif L[23]:
                marks[n] = t[n]
            else:
                marks[n] = cast(n, one)


@exact
def _live(one: Any, L: Any, m: int, i: int, x: Any, scratch: Any, key: Any) -> None:
    """Where samples lie among the knots of input i, and the four bases that live there with their slopes.

    Writes (BLOCK,) marks or indices of intervals to key, behind it places, four rows of values, four of slopes.
    """
    N, k = L[6], 3
    t = offset_by(pointer(L[8], one), (m * L[1] + i) * N)
    u, values, slopes = offset_by(key, BLOCK), offset_by(key, 2 * BLOCK), offset_by(key, 6 * BLOCK)
    if L[23]:
        if L[0] == DENSE:
            inverse = place_in_uniform(one, x, t, N, k, key, u)
        else:
            inverse = one / _find_uniform(one, x, 1, BLOCK, t, N, k, key, u)
        cubic_pieces(one, u, inverse, values, slopes)
        return
    step = _find(one, x, 1, BLOCK, t, N, k, key, u)
    _triangle(one, u, BLOCK, key, t, N, k, step, values, slopes)
    if L[0] == DENSE:
        for b in range(BLOCK):
            key[b] += cast(k, one)


@exact
def layer_forward(one: Any, L: Any, m: int, sloped: bool, x: Any, y: Any, scratch: Any) -> None:
    """Rows, their slopes if wanted, and outputs of a block.

    Args:
        one: 1 in the dtype of the numbers.
        L: the layer.
        m: member.
        sloped: whether slopes are wanted.
        x: inputs, (I, BLOCK).
        y: outputs, (O, BLOCK).
        scratch: of the member.
    """
    kind, I, O, K, F, base = L[0], L[1], L[2], L[3], L[4], L[5]  # noqa: E741
    weights, rows, slopes = offset_by(scratch, L[16]), offset_by(scratch, L[19]), offset_by(scratch, L[20])
    _clear(one, y, O * BLOCK)
    if kind == GATHERED:
        stride = K + 7
        for i in range(I):
            at, own = offset_by(rows, i * 11 * BLOCK), offset_by(x, i * BLOCK)
            _live(one, L, m, i, own, scratch, at)
            first = integers(offset_by(at, 10 * BLOCK))
            for b in range(BLOCK):
                first[b] = np.int32(at[b]) + 3
            add_gathered(one, first, offset_by(at, 2 * BLOCK), offset_by(weights, i * O * stride), stride, O, y)
            if base:
                based = offset_by(rows, (11 * I + i) * BLOCK)
                base_rows(one, own, base, based, offset_by(slopes, i * BLOCK))
        if base:
            add_product(one, offset_by(rows, 11 * I * BLOCK), I, offset_by(weights, I * O * stride), O, y)
        return
    for i in range(I):
        own, at, slope = offset_by(x, i * BLOCK), offset_by(rows, i * F * BLOCK), offset_by(slopes, i * F * BLOCK)
        if kind == DENSE:
            live, marks = offset_by(scratch, L[24]), offset_by(scratch, L[18] + i * ((K + 3) // 4 * 4 + 7))
            _live(one, L, m, i, own, scratch, live)
            cubic_rows(one, live, marks, offset_by(live, 2 * BLOCK), K, at)
            if sloped:
                cubic_rows(one, live, marks, offset_by(live, 6 * BLOCK), K, slope)
            if base:
                base_rows(one, own, base, offset_by(at, K * BLOCK), offset_by(slope, K * BLOCK))
        else:
            base_rows(one, own, base, at, slope)
    add_product(one, rows, I * F + (1 if kind == AFFINE else 0), weights, O, y)


@exact
def layer_backward(one: Any, L: Any, sloped: bool, g: Any, gx: Any, count: int, scratch: Any) -> None:
    """Adds the gradients of the weights, and gives those of the inputs if wanted.

    Args:
        one: 1 in the dtype of the numbers.
        L: the layer.
        sloped: whether gradients of the inputs are wanted.
        g: gradients of the outputs, (O, BLOCK).
        gx: of the inputs, (I, BLOCK).
        count: samples.
        scratch: of the member.
    """
    kind, I, O, K, F, base, R = L[0], L[1], L[2], L[3], L[4], L[5], L[15]  # noqa: E741
    weights, sums = offset_by(scratch, L[16]), offset_by(scratch, L[17])
    rows, slopes = offset_by(scratch, L[19]), offset_by(scratch, L[20])
    if kind == GATHERED:
        stride = K + 7
        based = offset_by(rows, 11 * I * BLOCK)
        for i in range(I):
            at = offset_by(rows, i * 11 * BLOCK)
            first, own, to = integers(offset_by(at, 10 * BLOCK)), i * O * stride, offset_by(gx, i * BLOCK)
            scatter(one, first, offset_by(at, 2 * BLOCK), g, stride, O, count, offset_by(sums, own))
            if sloped:
                if base:
                    w = offset_by(weights, I * O * stride + i * O)
                    pull_back(one, offset_by(slopes, i * BLOCK), 1, w, g, O, to)
                else:
                    _clear(one, to, BLOCK)
                live = offset_by(at, 6 * BLOCK)
                pull_back_gathered(one, first, live, offset_by(weights, own), stride, g, O, to)
        if base:
            add_outer(one, based, R, g, O, offset_by(sums, I * O * stride))
        return
    add_outer(one, rows, R, g, O, sums)
    if sloped:
        for i in range(I):
            own = offset_by(slopes, i * F * BLOCK)
            pull_back(one, own, F, offset_by(weights, i * F * O), g, O, offset_by(gx, i * BLOCK))


@exact
def finish(one: Any, L: Any, m: int, scratch: Any) -> None:
    """Writes the gradients of member m where they are wanted.

    Args:
        one: 1 in the dtype of the numbers.
        L: the layer.
        m: member.
        scratch: of the member.
    """
    kind, I, O, K, F = L[0], L[1], L[2], L[3], L[4]  # noqa: E741
    edges, scaled = I * O, L[10] != 0
    c, s = offset_by(pointer(L[9], one), m * edges * K), offset_by(pointer(L[10], one), m * edges)
    gc, gs = offset_by(pointer(L[12], one), m * edges * K), offset_by(pointer(L[13], one), m * edges)
    sums, narrow = offset_by(scratch, L[17]), slim(one)
    lanes = lanes_of(narrow)
    gw = offset_by(pointer(L[14], one), m * (O if kind == AFFINE else edges))
    for i in range(I):
        for o in range(O):
            scale, part = s[i * O + o] if scaled else one, one - one
            for n in range(K):
                if kind == GATHERED:
                    gradient = sums[(i * O + o) * (K + 7) + n + 3]
                else:
                    gradient = total(load(offset_by(sums, ((i * F + n) * O + o) * lanes), 0, narrow))
                part += c[(i * K + n) * O + o] * gradient
                if L[12]:
                    gc[(i * K + n) * O + o] = scale * gradient if scaled else gradient
            if L[13]:
                gs[i * O + o] = part
            if L[14] and kind != AFFINE:
                row = edges * (K + 7) + (i * O + o) * lanes if kind == GATHERED else ((i * F + K) * O + o) * lanes
                gw[i * O + o] = total(load(offset_by(sums, row), 0, narrow))
    if L[14] and kind == AFFINE:
        for o in range(O):
            gw[o] = total(load(offset_by(sums, (I * O + o) * lanes), 0, narrow))
