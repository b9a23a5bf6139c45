"""Backward kernel of the spline operation on the CPU: gradients from the records of the forward kernel."""

__all__ = ["backward"]

from typing import Any

from kan.pointers import BLOCK, offset_by, pointer, sums


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
            for b in range(min(BLOCK, B - block * BLOCK)):
                g, f = offset_by(pointer(at[4], one), (begin + b) * O), int(first[b])
                n, last, v = max(f, 0), min(f + k + 1, K), offset_by(first, (4 + max(-f, 0)) * BLOCK + b)
                d = offset_by(v, (k + 1) * BLOCK)
                total = one - one
                if O == 1:
                    for r in range(last - n):
                        if gc_at:
                            gc[n + r] += v[r * BLOCK] * g[0]
                        if gx_at:
                            total += d[r * BLOCK] * c[n + r]
                    total *= g[0] * s[0]
                    n = last
                while n + 4 <= last:
                    if gc_at:
                        h0, h1 = offset_by(gc, n * O), offset_by(gc, (n + 1) * O)
                        h2, h3 = offset_by(gc, (n + 2) * O), offset_by(gc, (n + 3) * O)
                        v0, v1, v2, v3 = v[0], v[BLOCK], v[2 * BLOCK], v[3 * BLOCK]
                        for o in range(O):
                            h0[o] += v0 * g[o]
                            h1[o] += v1 * g[o]
                            h2[o] += v2 * g[o]
                            h3[o] += v3 * g[o]
                    if gx_at:
                        c0, c1 = offset_by(c, n * O), offset_by(c, (n + 1) * O)
                        c2, c3 = offset_by(c, (n + 2) * O), offset_by(c, (n + 3) * O)
                        v0, v1, v2, v3 = d[0], d[BLOCK], d[2 * BLOCK], d[3 * BLOCK]
                        for o in range(O):
                            total += g[o] * s[o] * (v0 * c0[o] + v1 * c1[o] + v2 * c2[o] + v3 * c3[o])
                    n, v, d = n + 4, offset_by(v, 4 * BLOCK), offset_by(d, 4 * BLOCK)
                while n < last:
                    if gc_at:
                        h0, v0 = offset_by(gc, n * O), v[0]
                        for o in range(O):
                            h0[o] += v0 * g[o]
                    if gx_at:
                        c0, v0 = offset_by(c, n * O), d[0]
                        for o in range(O):
                            total += g[o] * s[o] * (v0 * c0[o])
                    n, v, d = n + 1, offset_by(v, BLOCK), offset_by(d, BLOCK)
                if gw_at:
                    v0 = first[2 * BLOCK + b]
                    for o in range(O):
                        gw[o] += v0 * g[o]
                if gx_at:
                    if kind:
                        slope = one - one
                        for o in range(O):
                            slope += g[o] * w[o]
                        total += slope * first[3 * BLOCK + b]
                    pointer(gx_at, one)[(begin + b) * I + item % I] = total
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
