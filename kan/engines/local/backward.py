"""Backward kernel of the spline operation on the CPU: gradients from the records of the forward kernel."""

__all__ = ["backward"]

from typing import Any

from kan.engines.local.pointers import BLOCK, inlined, integers, offset_by, pointer, scratch, sums, sums_inside
from kan.engines.local.vectors import load, multiply_add, plus, some_zeros, store, total, zeros


@inlined
def _strips(
    zero: Any,
    lanes: int,
    o: int,
    end: int,
    O: int,  # noqa: E741
    count: int,
    first: Any,
    K: int,
    c_edge: Any,
    gc_edge: Any,
    s: Any,
    w: Any,
    gw: Any,
    g: Any,
    gx: Any,
    flags: Any,
) -> int:
    """Gradients of a block through the outputs from o on, `lanes` at a time; returns where it stopped.

    Samples of one interval that follow each other share what was loaded of the coefficients, and their sums are written
    once. What the outputs add to dx is gathered in gx.
    """
    kind, want_x, want_c, want_w, k = flags
    base, base_slope, order = (
        offset_by(first, 2 * BLOCK),
        offset_by(first, 3 * BLOCK),
        integers(offset_by(first, 4 * BLOCK)),
    )
    values = offset_by(first, 5 * BLOCK)
    while o < end:
        room = O - o
        scale = load(offset_by(s, o), room, zero)
        weight = load(offset_by(w, o), room, zero) if kind else zero
        weight_sum = zero
        i = 0
        while i < count:
            f = first[order[i]]
            n, skipped = max(int(f), 0), max(-int(f), 0)
            live = min(int(f) + k + 1, K) - n
            edge, sums_edge = offset_by(c_edge, n * O + o), offset_by(gc_edge, n * O + o)
            if live == 4:
                h1, h2, h3 = offset_by(sums_edge, O), offset_by(sums_edge, 2 * O), offset_by(sums_edge, 3 * O)
                c0, c1 = load(edge, room, zero), load(offset_by(edge, O), room, zero)
                c2, c3 = load(offset_by(edge, 2 * O), room, zero), load(offset_by(edge, 3 * O), room, zero)
                sum0 = sum1 = sum2 = sum3 = zero
                if want_c:
                    sum0, sum1 = load(sums_edge, room, zero), load(h1, room, zero)
                    sum2, sum3 = load(h2, room, zero), load(h3, room, zero)
                while i < count and first[order[i]] == f:
                    b = order[i]
                    v, up = offset_by(values, skipped * BLOCK + b), load(offset_by(g, b * O + o), room, zero)
                    sum0, sum1 = multiply_add(v[0], up, sum0), multiply_add(v[BLOCK], up, sum1)
                    sum2, sum3 = multiply_add(v[2 * BLOCK], up, sum2), multiply_add(v[3 * BLOCK], up, sum3)
                    if want_x:
                        d = offset_by(v, (k + 1) * BLOCK)
                        slope = multiply_add(d[0], c0, multiply_add(d[BLOCK], c1, zero))
                        slope = multiply_add(d[2 * BLOCK], c2, multiply_add(d[3 * BLOCK], c3, slope))
                        slope = multiply_add(scale, slope, zero)
                        if kind:
                            slope = multiply_add(base_slope[b], weight, slope)
                        gx[b] += total(multiply_add(slope, up, zero))
                    if want_w:
                        weight_sum = multiply_add(base[b], up, weight_sum)
                    i += 1
                if want_c:
                    store(sums_edge, room, sum0)
                    store(h1, room, sum1)
                    store(h2, room, sum2)
                    store(h3, room, sum3)
            else:
                b = order[i]
                v, up, slope = offset_by(values, skipped * BLOCK + b), load(offset_by(g, b * O + o), room, zero), zero
                for r in range(live):
                    if want_x:
                        slope = multiply_add(v[(k + 1 + r) * BLOCK], load(offset_by(edge, r * O), room, zero), slope)
                    if want_c:
                        h = offset_by(sums_edge, r * O)
                        store(h, room, multiply_add(v[r * BLOCK], up, load(h, room, zero)))
                if want_x:
                    slope = multiply_add(scale, slope, zero)
                    if kind:
                        slope = multiply_add(base_slope[b], weight, slope)
                    gx[b] += total(multiply_add(slope, up, zero))
                if want_w:
                    weight_sum = multiply_add(base[b], up, weight_sum)
                i += 1
        if want_w:
            h = offset_by(gw, o)
            store(h, room, plus(weight_sum, load(h, room, zero)))
        o += lanes
    return o


@inlined
def _scale(zero: Any, lanes: int, O: int, K: int, c: Any, gc: Any, s: Any, gs: Any, want_s: bool) -> None:  # noqa: E741
    """From the gradient in s · c that of s and of c."""
    for o in range(0, O, lanes):
        room = O - o
        factor, part = load(offset_by(s, o), room, zero), zero
        for n in range(o, o + K * O, O):
            gradient = load(offset_by(gc, n), room, zero)
            if want_s:
                part = multiply_add(load(offset_by(c, n), room, zero), gradient, part)
            store(offset_by(gc, n), room, multiply_add(factor, gradient, zero))
        if want_s:
            store(offset_by(gs, o), room, part)


@sums_inside
def _single(
    one: Any,
    first: Any,
    count: int,
    K: int,
    I: int,  # noqa: E741
    c: Any,
    gc: Any,
    s: Any,
    w: Any,
    gw: Any,
    g: Any,
    gx: Any,
    part: Any,
    flags: Any,
) -> None:
    """Gradients of a block of samples where there is one output."""
    kind, want_x, want_c, want_w, k = flags
    base = offset_by(first, 2 * BLOCK)
    if want_w:
        weight_sum = one - one
        for b in range(count):
            weight_sum += base[b] * g[b]
        gw[0] += weight_sum
    for b in range(count):
        f = int(first[b])
        n, last, v, up = max(f, 0), min(f + k + 1, K), offset_by(first, (5 + max(-f, 0)) * BLOCK + b), g[b]
        d, e, h = offset_by(v, (k + 1) * BLOCK), offset_by(c, n), offset_by(gc, n)
        if last - n == 4:
            if want_x:
                part[b] = (d[0] * e[0] + d[BLOCK] * e[1]) + (d[2 * BLOCK] * e[2] + d[3 * BLOCK] * e[3])
            if want_c:
                h0, h1 = h[0] + v[0] * up, h[1] + v[BLOCK] * up
                h2, h3 = h[2] + v[2 * BLOCK] * up, h[3] + v[3 * BLOCK] * up
                h[0], h[1], h[2], h[3] = h0, h1, h2, h3
        else:
            slope = one - one
            for r in range(last - n):
                if want_c:
                    h[r] += v[r * BLOCK] * up
                if want_x:
                    slope += d[r * BLOCK] * e[r]
            part[b] = slope
    if want_x:
        scale = s[0]
        if kind:
            weight, base_slope = w[0], offset_by(first, 3 * BLOCK)
            for b in range(count):
                part[b] = g[b] * (scale * part[b] + weight * base_slope[b])
        else:
            for b in range(count):
                part[b] = g[b] * scale * part[b]
        for b in range(count):
            gx[b * I] = part[b]


@sums
def backward(one: Any, at: tuple[int, ...], sizes: tuple[int, ...], start: int, stop: int) -> None:
    """Gradients of the inputs start..stop, counted through all members.

    Args:
        one: 1 in the dtype of the tensors.
        at: addresses of coefficients, scale, base weight, records, gradient of the outputs; and of the gradients of x,
            coefficients, scale and base weight, 0 where not wanted (that of the scale needs that of coefficients).
        sizes: B, I, N, O, k, base.
        start: first input.
        stop: one after the last input.
    """
    B, I, N, O, k, kind = sizes  # noqa: E741
    gx_at, gc_at, gs_at, gw_at = at[5], at[6], at[7], at[8]
    flags = (kind, gx_at != 0, gc_at != 0, gw_at != 0, k)
    K, record = N - k - 1, (2 * k + 7) * BLOCK
    blocks, part = (B + BLOCK - 1) // BLOCK, scratch(one)
    for item in range(start, stop):
        c, gc = offset_by(pointer(at[0], one), item * K * O), offset_by(pointer(gc_at, one), item * K * O)
        s, gs = offset_by(pointer(at[1], one), item * O), offset_by(pointer(gs_at, one), item * O)
        w, gw = offset_by(pointer(at[2], one), item * O), offset_by(pointer(gw_at, one), item * O)
        if gc_at:
            for o in range(0, K * O - 7, 8):
                store(offset_by(gc, o), 8, zeros(one, 8))
            for o in range(K * O // 8 * 8, K * O):
                gc[o] = one - one
        if gw_at:
            for o in range(O):
                gw[o] = one - one
        for block in range(blocks):
            first = offset_by(pointer(at[3], one), (item * blocks + block) * record)
            begin = item // I * B + block * BLOCK
            gx = offset_by(pointer(gx_at, one), begin * I + item % I)
            count = min(BLOCK, B - block * BLOCK)
            g = offset_by(pointer(at[4], one), begin * O)
            if O == 1:
                _single(one, first, count, K, I, c, gc, s, w, gw, g, gx, part, flags)
                continue
            for b in range(BLOCK):
                part[b] = one - one
            o = _strips(zeros(one, 32), 32, 0, O - 31, O, count, first, K, c, gc, s, w, gw, g, part, flags)
            o = _strips(zeros(one, 16), 16, o, O - 15, O, count, first, K, c, gc, s, w, gw, g, part, flags)
            _strips(some_zeros(one, 8), 8, o, O, O, count, first, K, c, gc, s, w, gw, g, part, flags)
            if gx_at:
                for b in range(count):
                    gx[b * I] = part[b]
        if gc_at:
            _scale(some_zeros(one, 16), 16, O, K, c, gc, s, gs, gs_at != 0)
