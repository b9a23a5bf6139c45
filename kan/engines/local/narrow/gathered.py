"""The products of a layer of cubic splines on fine grids: only the four bases that live at a sample are touched.

Weights lie by edge, (I, O, K + 7) with three zeros on either side, so that four of them are there for every sample,
also where fewer bases live.
"""

__all__ = ["add_gathered", "pull_back_gathered", "scatter"]

from typing import Any

from kan.engines.local.pointers import BLOCK, offset_by, sums_inside


@sums_inside
def add_gathered(one: Any, first: Any, v: Any, weights: Any, stride: int, O: int, y: Any) -> None:  # noqa: E741
    """Adds to every output the spline of one input.

    Args:
        one: 1 in the dtype of the numbers.
        first: place of each sample's first live weight, 32-bit integers, (BLOCK,).
        v: live bases, (4, BLOCK).
        weights: (O, stride).
        stride: see above.
        O: outputs.
        y: (O, BLOCK).
    """
    for o in range(O):
        w, out = offset_by(weights, o * stride), offset_by(y, o * BLOCK)
        for b in range(BLOCK):
            e = offset_by(w, first[b])
            out[b] += (v[b] * e[0] + v[BLOCK + b] * e[1]) + (v[2 * BLOCK + b] * e[2] + v[3 * BLOCK + b] * e[3])


@sums_inside
def scatter(one: Any, first: Any, v: Any, g: Any, stride: int, O: int, count: int, into: Any) -> None:  # noqa: E741
    """Adds the gradients of the weights of one input, sample by sample.

    Args:
        one: 1 in the dtype of the numbers.
        first: see `add_gathered`.
        v: live bases, (4, BLOCK).
        g: gradients of the outputs, (O, BLOCK).
        stride: see `add_gathered`.
        O: outputs.
        count: samples.
        into: (O, stride).
    """
    for o in range(O):
        h, up = offset_by(into, o * stride), offset_by(g, o * BLOCK)
        for b in range(count):
            e, p = offset_by(h, first[b]), up[b]
            e0, e1 = e[0] + v[b] * p, e[1] + v[BLOCK + b] * p
            e2, e3 = e[2] + v[2 * BLOCK + b] * p, e[3] + v[3 * BLOCK + b] * p
            e[0], e[1], e[2], e[3] = e0, e1, e2, e3


@sums_inside
def pull_back_gathered(one: Any, first: Any, d: Any, weights: Any, stride: int, g: Any, O: int, gx: Any) -> None:  # noqa: E741
    """Adds to the gradient in one input what goes through its spline.

    Args:
        one: 1 in the dtype of the numbers.
        first: see `add_gathered`.
        d: slopes of the live bases, (4, BLOCK).
        weights: (O, stride).
        stride: see `add_gathered`.
        g: gradients of the outputs, (O, BLOCK).
        O: outputs.
        gx: (BLOCK,).
    """
    for o in range(O):
        w, up = offset_by(weights, o * stride), offset_by(g, o * BLOCK)
        for b in range(BLOCK):
            e = offset_by(w, first[b])
            gx[b] += up[b] * ((d[b] * e[0] + d[BLOCK + b] * e[1]) + (d[2 * BLOCK + b] * e[2] + d[3 * BLOCK + b] * e[3]))
