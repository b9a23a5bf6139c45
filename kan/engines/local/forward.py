"""Forward kernel of the spline operation on the CPU: live bases of an input, and the sum over inputs.

In one file: the kernel and the parts that are compiled into it.
"""

__all__ = ["forward"]

from typing import Any

import numpy as np

from kan.engines.local.pointers import (
    BLOCK,
    cast,
    exact,
    exp,
    inlined,
    integers,
    offset_by,
    pointer,
    smooth,
    sums,
    sums_inside,
)
from kan.engines.local.vectors import load, multiply_add, multiply_then_add, some_zeros, splat, store, zeros


@exact
def _find(one: Any, x: Any, stride: int, count: int, t: Any, N: int, k: int, first: Any, u: Any) -> Any:
    """Intervals by the same comparisons as `kan.splines`; NaN goes to the last basis, so that something is NaN."""
    low, high, end = t[0], t[N - 1], t[N - 1 - k]
    for b in range(count):
        p = x[b * stride]
        u[b] = p
        if p != p:
            first[b] = cast(N - k - 2, one)
            continue
        at_end = p == end and end > low
        if not at_end and (p < low or p >= high):
            first[b] = cast(N - k - 1, one)
            u[b] = low
            continue
        j, above = 0, N - 1
        while above - j > 1:
            middle = (j + above) // 2
            if t[middle] <= p:
                j = middle
            else:
                above = middle
        if at_end:
            while j > 0 and t[j] >= p:
                j -= 1
        first[b] = cast(j - k, one)
    return (high - low) / cast(N - 1, one)


@exact
def _find_uniform(one: Any, x: Any, stride: int, count: int, t: Any, N: int, k: int, first: Any, u: Any) -> Any:
    """The same on uniform knots, with the place in the interval, from 0 to 1, in u.

    In steps of which all but one become vectors: what reads knots by number cannot, beside code that writes.
    """
    zero = one - one
    low, high, end = t[0], t[N - 1], t[N - 1 - k]
    step = (high - low) / cast(N - 1, one)
    inverse, top, order, before_end = one / step, cast(N - 2, one), cast(k, one), t[N - 2 - k]
    beyond, last, end_interval = cast(N - k - 1, one), cast(N - k - 2, one), cast(N - 2 - k, one)
    # knots around the guess, where values go later
    previous, lower, upper = offset_by(u, 2 * BLOCK), offset_by(u, 3 * BLOCK), offset_by(u, 4 * BLOCK)
    for b in range(count):
        u[b] = x[b * stride]
    for b in range(count, BLOCK):
        u[b] = low
    for b in range(BLOCK):
        guess = (u[b] - low) * inverse
        guess = guess if guess > zero else zero  # NaN becomes 0
        guess = guess if guess < top else top
        first[b] = cast(np.int32(guess), one)
    for b in range(BLOCK):
        j = int(first[b])
        previous[b], lower[b], upper[b] = t[max(j - 1, 0)], t[j], t[j + 1]
    for b in range(BLOCK):
        p, guess = u[b], first[b]
        # rounding puts the guess in the next interval at most
        up, down, at_end = (upper[b] <= p) & (guess < top), (lower[b] > p) & (guess > zero), p == end
        index = guess + one if up else guess
        index = guess - one if down else index
        index = end_interval if at_end else index
        left = upper[b] if up else lower[b]
        left = previous[b] if down else left
        left = before_end if at_end else left
        inside = at_end | ((p >= low) & (p < high))
        index = index - order if inside else beyond
        first[b] = index if p == p else last
        place = (p - left) / step if inside else zero
        u[b] = place if p == p else p
    return step


@exact
def _horner(one: Any, u: Any, rows: Any, k: int, values: Any) -> None:
    """Values on uniform knots."""
    zero = zeros(one, 16)
    for b in range(0, BLOCK, 16):
        place = load(offset_by(u, b), 16, zero)
        for r in range(k + 1):
            # NaN where the place is, also where the polynomial is a constant
            value = multiply_then_add(one - one, place, splat(rows[k * (k + 1) + r], zero))
            for p in range(k - 1, -1, -1):
                value = multiply_then_add(value, place, splat(rows[p * (k + 1) + r], zero))
            store(offset_by(values, r * BLOCK + b), 16, value)


@exact
def _horner_slopes(one: Any, u: Any, rows: Any, k: int, step: Any, slopes: Any) -> None:
    """Slopes on uniform knots."""
    zero, inverse = zeros(one, 16), one / step
    for b in range(0, BLOCK, 16):
        place = load(offset_by(u, b), 16, zero)
        for r in range(k + 1):
            slope = multiply_then_add(one - one, place, splat(rows[k * (k + 1) + r] * cast(k, one) * inverse, zero))
            for p in range(k - 1, 0, -1):
                slope = multiply_then_add(slope, place, splat(rows[p * (k + 1) + r] * cast(p, one) * inverse, zero))
            store(offset_by(slopes, r * BLOCK + b), 16, slope)


@exact
def _triangle(one: Any, x: Any, count: int, first: Any, t: Any, N: int, k: int, step: Any, v: Any, slopes: Any) -> None:
    """Values and slopes on any knots, by the recursion over live bases."""
    for b in range(count):
        p = x[b]
        j = int(first[b]) + k
        if p != p or j >= N - 1:
            for r in range(b, (k + 1) * BLOCK, BLOCK):
                v[r], slopes[r] = p, p
            continue
        v[b] = one
        for d in range(1, k + 1):
            saved = before = one - one
            for r in range(d):
                lower, upper = j + 1 - d + r, j + 1 + r
                # beyond the ends only for bases that do not exist, but their values must not trap
                left = t[lower] if lower >= 0 else t[0] + cast(lower, one) * step
                right = t[upper] if upper < N else t[N - 1] + cast(upper - N + 1, one) * step
                part = v[r * BLOCK + b] / (right - left)
                v[r * BLOCK + b] = saved + part * (right - p)
                saved = part * (p - left)
                if d == k:
                    slopes[r * BLOCK + b] = (before - part) * cast(k, one)
                    before = part
            v[d * BLOCK + b] = saved
        slopes[k * BLOCK + b] = before * cast(k, one)


@smooth
def _base(one: Any, x: Any, stride: int, count: int, kind: int, value: Any, slope: Any) -> None:
    """b(x) and b'(x) of the identity (kind 1) or silu (2)."""
    zero = one - one
    for b in range(count):
        value[b] = x[b * stride]
    for b in range(count, BLOCK):
        value[b] = zero
    if kind == 1:
        for b in range(BLOCK):
            slope[b] = one
        return
    for b in range(BLOCK):
        p = value[b]
        sigmoid = one / (one + exp(-p, one))
        value[b] = p * sigmoid
        slope[b] = (one + p * (one - sigmoid)) * sigmoid


@exact
def _sort(first: Any, count: int, N: int, k: int, sorts: int, order: Any, ends: Any) -> None:
    """Puts samples in the order of their intervals, of which there are at most BLOCK, by counting; or leaves them."""
    if not sorts:
        for b in range(count):
            order[b] = b
        return
    for j in range(N):
        ends[j] = 0
    for b in range(count):
        ends[int(first[b]) + k] += 1
    total = 0
    for j in range(N):
        total += ends[j]
        ends[j] = total
    for b in range(count - 1, -1, -1):
        j = int(first[b]) + k
        ends[j] -= 1
        order[ends[j]] = b


@sums_inside
def _single(
    one: Any,
    first: Any,
    count: int,
    K: int,
    k: int,
    c: Any,
    s: Any,
    w: Any,
    kind: int,
    base: Any,
    values: Any,
    y: Any,
) -> None:
    """The same where there is one output."""
    for b in range(count):
        f = int(first[b])
        n, last, v = max(f, 0), min(f + k + 1, K), offset_by(values, b + max(-f, 0) * BLOCK)
        e, spline = offset_by(c, n), one - one
        if last - n == 4:
            spline = (v[0] * e[0] + v[BLOCK] * e[1]) + (v[2 * BLOCK] * e[2] + v[3 * BLOCK] * e[3])
        else:
            for r in range(last - n):
                spline += v[r * BLOCK] * e[r]
        y[b] += s[0] * spline
        if kind:
            y[b] += base[b] * w[0]


@inlined
def _strips(
    zero: Any,
    lanes: int,
    o: int,
    end: int,
    O: int,  # noqa: E741
    count: int,
    order: Any,
    first: Any,
    values: Any,
    c_edge: Any,
    s: Any,
    w: Any,
    base: Any,
    y: Any,
    sizes: Any,
) -> int:
    """Adds live bases and base function to the outputs from o on, `lanes` at a time; returns where it stopped.

    Samples of one interval that follow each other share what was loaded of the coefficients.
    """
    k, K, kind = sizes
    while o < end:
        room = O - o
        scale = load(offset_by(s, o), room, zero)
        weight = load(offset_by(w, o), room, zero) if kind else zero
        i = 0
        while i < count:
            f = first[order[i]]
            n, skipped = max(int(f), 0), max(-int(f), 0)
            live = min(int(f) + k + 1, K) - n
            edge = offset_by(c_edge, n * O + o)
            if live == 4:
                c0, c1 = load(edge, room, zero), load(offset_by(edge, O), room, zero)
                c2, c3 = load(offset_by(edge, 2 * O), room, zero), load(offset_by(edge, 3 * O), room, zero)
                while i < count and first[order[i]] == f:
                    b = order[i]
                    v, out = offset_by(values, skipped * BLOCK + b), offset_by(y, b * O + o)
                    spline = multiply_add(v[0], c0, multiply_add(v[BLOCK], c1, zero))
                    spline = multiply_add(v[2 * BLOCK], c2, multiply_add(v[3 * BLOCK], c3, spline))
                    result = multiply_add(scale, spline, load(out, room, zero))
                    if kind:
                        result = multiply_add(base[b], weight, result)
                    store(out, room, result)
                    i += 1
            else:
                b = order[i]
                v, out, spline = offset_by(values, skipped * BLOCK + b), offset_by(y, b * O + o), zero
                for r in range(live):
                    spline = multiply_add(v[r * BLOCK], load(offset_by(edge, r * O), room, zero), spline)
                result = multiply_add(scale, spline, load(out, room, zero))
                if kind:
                    result = multiply_add(base[b], weight, result)
                store(out, room, result)
                i += 1
        o += lanes
    return o


@sums
def forward(one: Any, at: tuple[int, ...], x_stride: int, sizes: tuple[int, ...], start: int, stop: int) -> None:
    """Outputs of the blocks of samples start..stop, counted through all members.

    Args:
        one: 1 in the dtype of the tensors.
        at: addresses of x, knots, coefficients, scale, base weight, polynomials, records, outputs.
        x_stride: numbers from member to member in x.
        sizes: B, I, N, O, k, uniform, base, whether slopes are wanted, whether records are kept for every input.
        start: first block.
        stop: one after the last block.
    """
    B, I, N, O, k, uniform, kind, slopes, keep = sizes  # noqa: E741
    K, record = N - k - 1, (2 * k + 7) * BLOCK
    blocks, sorts = (B + BLOCK - 1) // BLOCK, N <= BLOCK and O >= 8  # where it pays
    for item in range(start, stop):
        m, block = item // blocks, item % blocks
        begin = block * BLOCK
        count = min(BLOCK, B - begin)
        y = offset_by(pointer(at[7], one), (m * B + begin) * O)
        for o in range(count * O):
            y[o] = one - one
        for edge in range(m * I, (m + 1) * I):
            first = offset_by(pointer(at[6], one), (edge * blocks + block if keep else item) * record)
            u, base, values = offset_by(first, BLOCK), offset_by(first, 2 * BLOCK), offset_by(first, 5 * BLOCK)
            slope, order = offset_by(values, (k + 1) * BLOCK), integers(offset_by(first, 4 * BLOCK))
            x = offset_by(pointer(at[0], one), m * x_stride + begin * I + edge - m * I)
            t = offset_by(pointer(at[1], one), edge * N)
            if uniform:
                step = _find_uniform(one, x, I, count, t, N, k, first, u)
                if O > 1:
                    _sort(first, count, N, k, sorts, order, integers(values))
                _horner(one, u, pointer(at[5], one), k, values)
                if slopes:
                    _horner_slopes(one, u, pointer(at[5], one), k, step, slope)
            else:
                step = _find(one, x, I, count, t, N, k, first, u)
                if O > 1:
                    _sort(first, count, N, k, sorts, order, integers(values))
                _triangle(one, u, count, first, t, N, k, step, values, slope)
            if kind:
                _base(one, x, I, count, kind, base, offset_by(base, BLOCK))
            c_edge = offset_by(pointer(at[2], one), edge * K * O)
            s, w = offset_by(pointer(at[3], one), edge * O), offset_by(pointer(at[4], one), edge * O)
            if O == 1:
                _single(one, first, count, K, k, c_edge, s, w, kind, base, values, y)
                continue
            shape = (k, K, kind)
            o = _strips(zeros(one, 32), 32, 0, O - 31, O, count, order, first, values, c_edge, s, w, base, y, shape)
            o = _strips(zeros(one, 16), 16, o, O - 15, O, count, order, first, values, c_edge, s, w, base, y, shape)
            _strips(some_zeros(one, 8), 8, o, O, O, count, order, first, values, c_edge, s, w, base, y, shape)
