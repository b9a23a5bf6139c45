"""Backward kernel of the spline operation on the CPU: gradients from the records of the forward kernel."""

__all__ = ["backward"]

from typing import Any

from kan.pointers import BLOCK, inlined, load, multiply_add, offset_by, pointer, store, sums, sums_inside, total, zeros


@inlined
def _strips(
    zero: Any,
    lanes: int,
    o: int,
    O: int,  # noqa: E741
    live: int,
    c: Any,
    gc: Any,
    v: Any,
    s: Any,
    w: Any,
    gw: Any,
    g: Any,
    base: Any,
    base_slope: Any,
    flags: Any,
) -> Any:
    """Gradients through the outputs from o on, `lanes` at a time; returns where it stopped and its part of dx."""
    kind, want_x, want_c, want_w, k = flags
    d = offset_by(v, (k + 1) * BLOCK)
    part = zero
    while o + lanes <= O:
        up, edge = load(offset_by(g, o), zero), offset_by(c, o)
        # before anything is written: coefficients and their gradients often lie a multiple of 4 KiB apart, and a read
        # waits for a write that looks like it in its last 12 bits
        if want_x:
            slope = zero
            if live == 4:
                c1, c2, c3 = offset_by(edge, O), offset_by(edge, 2 * O), offset_by(edge, 3 * O)
                slope = multiply_add(d[3 * BLOCK], load(c3, zero), slope)
                slope = multiply_add(d[2 * BLOCK], load(c2, zero), slope)
                slope = multiply_add(d[BLOCK], load(c1, zero), slope)
                slope = multiply_add(d[0], load(edge, zero), slope)
            else:
                for r in range(live):
                    slope = multiply_add(d[r * BLOCK], load(offset_by(edge, r * O), zero), slope)
            slope = multiply_add(load(offset_by(s, o), zero), slope, zero)
            if kind:
                slope = multiply_add(base_slope, load(offset_by(w, o), zero), slope)
            part = multiply_add(slope, up, part)
        if want_c:
            h0 = offset_by(gc, o)
            if live == 4:
                h1, h2, h3 = offset_by(h0, O), offset_by(h0, 2 * O), offset_by(h0, 3 * O)
                sum0, sum1 = multiply_add(v[0], up, load(h0, zero)), multiply_add(v[BLOCK], up, load(h1, zero))
                sum2, sum3 = (
                    multiply_add(v[2 * BLOCK], up, load(h2, zero)),
                    multiply_add(v[3 * BLOCK], up, load(h3, zero)),
                )
                store(h0, sum0)
                store(h1, sum1)
                store(h2, sum2)
                store(h3, sum3)
            else:
                for r in range(live):
                    h = offset_by(h0, r * O)
                    store(h, multiply_add(v[r * BLOCK], up, load(h, zero)))
        if want_w:
            h = offset_by(gw, o)
            store(h, multiply_add(base, up, load(h, zero)))
        o += lanes
    return o, total(part)


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
    flags: Any,
) -> None:
    """Gradients of a block of samples where there is one output."""
    kind, want_x, want_c, want_w, k = flags
    base = offset_by(first, 2 * BLOCK)
    if want_w:
        part = one - one
        for b in range(count):
            part += base[b] * g[b]
        gw[0] += part
    for b in range(count):
        f = int(first[b])
        n, last, v, up = max(f, 0), min(f + k + 1, K), offset_by(first, (4 + max(-f, 0)) * BLOCK + b), g[b]
        d, e, h = offset_by(v, (k + 1) * BLOCK), offset_by(c, n), offset_by(gc, n)
        if last - n == 4:
            if want_c:
                h[0] += v[0] * up
                h[1] += v[BLOCK] * up
                h[2] += v[2 * BLOCK] * up
                h[3] += v[3 * BLOCK] * up
            if want_x:
                slope = (d[0] * e[0] + d[BLOCK] * e[1]) + (d[2 * BLOCK] * e[2] + d[3 * BLOCK] * e[3])
                gx[b * I] = slope * s[0] * up
        else:
            slope = one - one
            for r in range(last - n):
                if want_c:
                    h[r] += v[r * BLOCK] * up
                if want_x:
                    slope += d[r * BLOCK] * e[r]
            if want_x:
                gx[b * I] = slope * s[0] * up
    if want_x and kind:
        base_slope = offset_by(first, 3 * BLOCK)
        for b in range(count):
            gx[b * I] += g[b] * w[0] * base_slope[b]


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
    K, record = N - k - 1, (2 * k + 6) * BLOCK
    blocks = (B + BLOCK - 1) // BLOCK
    for item in range(start, stop):
        c, gc = offset_by(pointer(at[0], one), item * K * O), offset_by(pointer(gc_at, one), item * K * O)
        s, gs = offset_by(pointer(at[1], one), item * O), offset_by(pointer(gs_at, one), item * O)
        w, gw = offset_by(pointer(at[2], one), item * O), offset_by(pointer(gw_at, one), item * O)
        if gc_at:
            for o in range(K * O):
                gc[o] = one - one
        if gw_at:
            for o in range(O):
                gw[o] = one - one
        for block in range(blocks):
            first = offset_by(pointer(at[3], one), (item * blocks + block) * record)
            begin = item // I * B + block * BLOCK
            gx = offset_by(pointer(gx_at, one), begin * I + item % I)
            count = min(BLOCK, B - block * BLOCK)
            if O == 1:
                _single(one, first, count, K, I, c, gc, s, w, gw, offset_by(pointer(at[4], one), begin), gx, flags)
                continue
            for b in range(count):
                g, f = offset_by(pointer(at[4], one), (begin + b) * O), int(first[b])
                n, last, v = max(f, 0), min(f + k + 1, K), offset_by(first, (4 + max(-f, 0)) * BLOCK + b)
                e, h, v0, v1 = offset_by(c, n * O), offset_by(gc, n * O), first[2 * BLOCK + b], first[3 * BLOCK + b]
                o, p0 = _strips(zeros(one, 32), 32, 0, O, last - n, e, h, v, s, w, gw, g, v0, v1, flags)
                o, p1 = _strips(zeros(one, 8), 8, o, O, last - n, e, h, v, s, w, gw, g, v0, v1, flags)
                o, p2 = _strips(zeros(one, 4), 4, o, O, last - n, e, h, v, s, w, gw, g, v0, v1, flags)
                o, p3 = _strips(zeros(one, 2), 2, o, O, last - n, e, h, v, s, w, gw, g, v0, v1, flags)
                o, p4 = _strips(zeros(one, 1), 1, o, O, last - n, e, h, v, s, w, gw, g, v0, v1, flags)
                result = p0 + p1 + p2 + p3 + p4
                if gx_at:
                    gx[b * I] = result
        if gs_at:
            for o in range(O):
                gs[o] = one - one
            for n in range(K):
                for o in range(O):
                    gs[o] += gc[n * O + o] * c[n * O + o]
        if gc_at:
            for n in range(K):
                for o in range(O):
                    gc[n * O + o] *= s[o]
