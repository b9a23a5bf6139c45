"""Rows of a layer on a block of samples, lanes over samples: cubic bases and base functions, with their slopes."""

__all__ = ["base_rows", "cubic_pieces", "cubic_rows", "place_in_uniform"]

import math
from typing import Any

from kan.engines.local.narrow.lanes import at_least, equal, exponential, lanes_of, minus, over, slim, times
from kan.engines.local.pointers import BLOCK, cast, exact, offset_by
from kan.engines.local.vectors import load, multiply_add, plus, splat, store


@exact
def place_in_uniform(one: Any, x: Any, t: Any, N: int, k: int, key: Any, u: Any) -> Any:
    """The knot that each sample's interval begins with, by comparisons with all of them, and the place within it.

    The same intervals as those of `kan.splines`: closed on the left, the last of the grid on both sides; inf outside,
    and the last knot but one for NaN, so that something is NaN.

    Args:
        one: 1 in the dtype of the numbers.
        x: samples, (BLOCK,).
        t: evenly spaced knots, (N,).
        N: how many.
        k: spline order.
        key: the knots found, (BLOCK,).
        u: the places, 0 to 1, (BLOCK,).

    Returns:
        One over the spacing of the knots.
    """
    zero, infinity, end = slim(one), cast(math.inf, one), t[N - 1 - k]
    inverse = cast(N - 1, one) / (t[N - 1] - t[0])
    for b in range(0, BLOCK, lanes_of(zero)):
        p = load(offset_by(x, b), 0, zero)
        left = splat(infinity, zero)
        for n in range(N - 1):
            left = at_least(p, t[n], t[n], left)
        left = at_least(p, t[N - 1], infinity, left)
        left = equal(p, end, t[N - 2 - k], left)
        left = equal(p, p, left, t[N - 2])
        store(offset_by(key, b), 0, left)
        store(offset_by(u, b), 0, times(minus(p, left), splat(inverse, zero)))
    return inverse


@exact
def cubic_pieces(one: Any, u: Any, inverse: Any, values: Any, slopes: Any) -> None:
    """The four cubic bases that live in an interval of evenly spaced knots, and their derivatives.

    Args:
        one: 1 in the dtype of the numbers.
        u: places in the interval, (BLOCK,).
        inverse: one over the spacing.
        values: (4, BLOCK).
        slopes: (4, BLOCK).
    """
    zero = slim(one)
    ones, half, sixth = splat(one, zero), splat(one / cast(2, one), zero), splat(one / cast(6, one), zero)
    two_thirds, minus_ones = splat(cast(2, one) / cast(3, one), zero), splat(-one, zero)
    down, up = splat(-inverse, zero), splat(inverse, zero)
    for b in range(0, BLOCK, lanes_of(zero)):
        p = load(offset_by(u, b), 0, zero)
        q = minus(ones, p)
        pp, qq, at, slope = times(p, p), times(q, q), offset_by(values, b), offset_by(slopes, b)
        store(at, 0, times(times(qq, q), sixth))
        store(offset_by(at, BLOCK), 0, multiply_add(pp, multiply_add(p, half, minus_ones), two_thirds))
        store(offset_by(at, 2 * BLOCK), 0, multiply_add(qq, multiply_add(q, half, minus_ones), two_thirds))
        store(offset_by(at, 3 * BLOCK), 0, times(times(pp, p), sixth))
        store(slope, 0, times(times(qq, half), down))
        # 3/2 p² - 2 p
        store(
            offset_by(slope, BLOCK),
            0,
            times(multiply_add(pp, plus(ones, half), times(p, plus(minus_ones, minus_ones))), up),
        )
        store(
            offset_by(slope, 2 * BLOCK),
            0,
            times(multiply_add(qq, plus(ones, half), times(q, plus(minus_ones, minus_ones))), down),
        )
        store(offset_by(slope, 3 * BLOCK), 0, times(times(pp, half), up))


@exact
def cubic_rows(one: Any, key: Any, marks: Any, pieces: Any, K: int, rows: Any) -> None:
    """All bases of every sample: a piece where the basis lives, 0 elsewhere; four of them at a time.

    Args:
        one: 1 in the dtype of the numbers.
        key: the mark of each sample's interval, (BLOCK,).
        marks: of the intervals, (K + 6,), rounded up to a multiple of 4 and 3 more; NaN where there is none.
        pieces: of the bases that live in each sample's interval, from left to right, (4, BLOCK).
        K: bases.
        rows: (K, BLOCK), rounded up to a multiple of 4.
    """
    zero = slim(one)
    for n in range(0, K, 4):
        m0, m1, m2, m3 = marks[n], marks[n + 1], marks[n + 2], marks[n + 3]
        m4, m5, m6 = marks[n + 4], marks[n + 5], marks[n + 6]
        for b in range(0, BLOCK, lanes_of(zero)):
            at, row, own = offset_by(pieces, b), offset_by(rows, n * BLOCK + b), load(offset_by(key, b), 0, zero)
            v0, v1 = load(at, 0, zero), load(offset_by(at, BLOCK), 0, zero)
            v2, v3 = load(offset_by(at, 2 * BLOCK), 0, zero), load(offset_by(at, 3 * BLOCK), 0, zero)
            store(row, 0, equal(own, m0, v3, equal(own, m1, v2, equal(own, m2, v1, equal(own, m3, v0, zero)))))
            row = offset_by(row, BLOCK)
            store(row, 0, equal(own, m1, v3, equal(own, m2, v2, equal(own, m3, v1, equal(own, m4, v0, zero)))))
            row = offset_by(row, BLOCK)
            store(row, 0, equal(own, m2, v3, equal(own, m3, v2, equal(own, m4, v1, equal(own, m5, v0, zero)))))
            row = offset_by(row, BLOCK)
            store(row, 0, equal(own, m3, v3, equal(own, m4, v2, equal(own, m5, v1, equal(own, m6, v0, zero)))))


@exact
def base_rows(one: Any, x: Any, kind: int, value: Any, slope: Any) -> None:
    """A function and its derivative: the identity (kind 1), silu (2), tanh (3), relu (4).

    Args:
        one: 1 in the dtype of the numbers.
        x: samples, (BLOCK,).
        kind: see above.
        value: (BLOCK,).
        slope: (BLOCK,).
    """
    zero = slim(one)
    ones, twos = splat(one, zero), splat(one + one, zero)
    for b in range(0, BLOCK, lanes_of(zero)):
        p = load(offset_by(x, b), 0, zero)
        if kind == 1:
            store(offset_by(value, b), 0, p)
            store(offset_by(slope, b), 0, ones)
        elif kind == 2:
            sigmoid = over(ones, plus(ones, exponential(minus(zero, p))))
            store(offset_by(value, b), 0, times(p, sigmoid))
            store(offset_by(slope, b), 0, times(multiply_add(p, minus(ones, sigmoid), ones), sigmoid))
        elif kind == 3:
            result = minus(ones, over(twos, plus(ones, exponential(plus(p, p)))))
            store(offset_by(value, b), 0, result)
            store(offset_by(slope, b), 0, minus(ones, times(result, result)))
        else:
            store(offset_by(value, b), 0, equal(p, p, at_least(p, one - one, p, zero), p))
            store(offset_by(slope, b), 0, minus(ones, at_least(minus(zero, p), one - one, ones, zero)))
