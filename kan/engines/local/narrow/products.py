"""The three products of a layer on a block of samples, lanes over samples: outputs, gradients of weights, of rows.

*Rows* are the numbers that are multiplied with weights, R rows of `BLOCK` samples; outputs are O rows of as many.
Weights have shape (R, O). Sums run in one fixed order, whatever the number of samples, members and threads.
"""

__all__ = ["add_outer", "add_product", "pull_back"]

from typing import Any

from kan.engines.local.narrow.lanes import folded, lanes_of, slim, wide
from kan.engines.local.pointers import BLOCK, exact, offset_by
from kan.engines.local.vectors import load, multiply_add, plus, store


@exact
def add_product(one: Any, rows: Any, R: int, weights: Any, O: int, y: Any) -> None:  # noqa: E741
    """Adds to every output the rows times its weights, four outputs at a time.

    Args:
        one: 1 in the dtype of the numbers.
        rows: (R, BLOCK).
        R: how many.
        weights: (R, O).
        O: outputs.
        y: (O, BLOCK).
    """
    zero = wide(one)
    step = lanes_of(zero)
    o = 0
    while o + 4 <= O:
        for b in range(0, BLOCK, step):
            out = offset_by(y, o * BLOCK + b)
            y0, y1 = load(out, 0, zero), load(offset_by(out, BLOCK), 0, zero)
            y2, y3 = load(offset_by(out, 2 * BLOCK), 0, zero), load(offset_by(out, 3 * BLOCK), 0, zero)
            for r in range(R):
                row, w = load(offset_by(rows, r * BLOCK + b), 0, zero), offset_by(weights, r * O + o)
                y0, y1 = multiply_add(w[0], row, y0), multiply_add(w[1], row, y1)
                y2, y3 = multiply_add(w[2], row, y2), multiply_add(w[3], row, y3)
            store(out, 0, y0)
            store(offset_by(out, BLOCK), 0, y1)
            store(offset_by(out, 2 * BLOCK), 0, y2)
            store(offset_by(out, 3 * BLOCK), 0, y3)
        o += 4
    while o < O:
        for b in range(0, BLOCK, step):
            out = offset_by(y, o * BLOCK + b)
            y0 = load(out, 0, zero)
            for r in range(R):
                y0 = multiply_add(weights[r * O + o], load(offset_by(rows, r * BLOCK + b), 0, zero), y0)
            store(out, 0, y0)
        o += 1


@exact
def add_outer(one: Any, rows: Any, R: int, g: Any, O: int, into: Any) -> None:  # noqa: E741
    """Adds the products of rows and gradients of the outputs, summed over the samples but for a slim vector's lanes.

    Args:
        one: 1 in the dtype of the numbers.
        rows: (R, BLOCK).
        R: how many, a multiple of 4.
        g: gradients of the outputs, (O, BLOCK).
        O: outputs.
        into: (R, O, lanes of a slim vector).
    """
    zero, narrow = wide(one), slim(one)
    step, lanes = lanes_of(zero), lanes_of(narrow)
    for r in range(0, R, 4):
        for o in range(O):
            s0 = s1 = s2 = s3 = zero
            for b in range(0, BLOCK, step):
                row, up = offset_by(rows, r * BLOCK + b), load(offset_by(g, o * BLOCK + b), 0, zero)
                s0 = multiply_add(load(row, 0, zero), up, s0)
                s1 = multiply_add(load(offset_by(row, BLOCK), 0, zero), up, s1)
                s2 = multiply_add(load(offset_by(row, 2 * BLOCK), 0, zero), up, s2)
                s3 = multiply_add(load(offset_by(row, 3 * BLOCK), 0, zero), up, s3)
            at = offset_by(into, (r * O + o) * lanes)
            store(at, 0, plus(load(at, 0, narrow), folded(s0)))
            at = offset_by(at, O * lanes)
            store(at, 0, plus(load(at, 0, narrow), folded(s1)))
            at = offset_by(at, O * lanes)
            store(at, 0, plus(load(at, 0, narrow), folded(s2)))
            at = offset_by(at, O * lanes)
            store(at, 0, plus(load(at, 0, narrow), folded(s3)))


@exact
def pull_back(one: Any, slopes: Any, F: int, weights: Any, g: Any, O: int, gx: Any) -> None:  # noqa: E741
    """The gradient in one input: slopes of its F rows times what the outputs' gradients are, by their weights.

    Args:
        one: 1 in the dtype of the numbers.
        slopes: (F, BLOCK).
        F: rows of the input.
        weights: of these rows, (F, O).
        g: gradients of the outputs, (O, BLOCK).
        O: outputs.
        gx: (BLOCK,).
    """
    zero = wide(one)
    step = lanes_of(zero)
    for b in range(0, BLOCK, step):
        result = zero
        r = 0
        while r + 4 <= F:
            w, z0 = offset_by(weights, r * O), zero
            w1, w2, w3 = offset_by(w, O), offset_by(w, 2 * O), offset_by(w, 3 * O)
            z1 = z2 = z3 = zero
            for o in range(O):
                up = load(offset_by(g, o * BLOCK + b), 0, zero)
                z0, z1 = multiply_add(w[o], up, z0), multiply_add(w1[o], up, z1)
                z2, z3 = multiply_add(w2[o], up, z2), multiply_add(w3[o], up, z3)
            at = offset_by(slopes, r * BLOCK + b)
            result = multiply_add(load(at, 0, zero), z0, result)
            result = multiply_add(load(offset_by(at, BLOCK), 0, zero), z1, result)
            result = multiply_add(load(offset_by(at, 2 * BLOCK), 0, zero), z2, result)
            result = multiply_add(load(offset_by(at, 3 * BLOCK), 0, zero), z3, result)
            r += 4
        while r < F:
            z0 = zero
            for o in range(O):
                z0 = multiply_add(weights[r * O + o], load(offset_by(g, o * BLOCK + b), 0, zero), z0)
            result = multiply_add(load(offset_by(slopes, r * BLOCK + b), 0, zero), z0, result)
            r += 1
        store(offset_by(gx, b), 0, result)
