"""Which layers of splines the network kernel takes, by their shape."""

__all__ = ["ACTIVATIONS", "BASES", "MOST_SAMPLES", "affine_shape", "network_shape", "spline_shape"]

import functools

from kan.engines.local.plan import DENSEST, Kind, Shape

BASES = {"zero": 0, "identity": 1, "silu": 2}
ACTIVATIONS = {"identity": 1, "silu": 2, "tanh": 3, "relu": 4}
MOST_SAMPLES = 1 << 14
"""Beyond, threads share the samples of a member, which the network kernel does not."""

_FEW = 8  # outputs with which a vector of outputs is not filled


# of a layer in a network that is computed as a whole
_MOST_EDGES, _MOST_OUTPUTS, _MOST_WEIGHTS = 512, 32, 4096


@functools.lru_cache(maxsize=256)
def network_shape(inputs: int, outputs: int, count: int, spline_order: int, uniform: bool, base: str) -> Shape | None:
    """A layer of cubic splines in a network that is computed as a whole; None where single layers are better.

    Args:
        inputs: and the following: see `spline_shape`.
        outputs: see there.
        count: see there.
        spline_order: see there.
        uniform: see there.
        base: see there.
    """
    most = _MOST_OUTPUTS if count <= DENSEST else _FEW - 1
    if inputs * outputs > _MOST_EDGES or outputs > most or spline_order != 3:
        return None
    return _shape(inputs, outputs, count, uniform, base)


@functools.lru_cache(maxsize=256)
def spline_shape(inputs: int, outputs: int, count: int, spline_order: int, uniform: bool, base: str) -> Shape | None:
    """A layer of cubic splines with few outputs; None where the kernels with lanes over outputs are better.

    Args:
        inputs: I.
        outputs: O.
        count: coefficients K of an edge.
        spline_order: k.
        uniform: whether knots are evenly spaced.
        base: the base function.
    """
    return _shape(inputs, outputs, count, uniform, base) if spline_order == 3 and outputs < _FEW else None


def _shape(inputs: int, outputs: int, count: int, uniform: bool, base: str) -> Shape:
    kind = Kind.DENSE if count <= DENSEST else Kind.GATHERED
    return Shape(int(kind), inputs, outputs, count, BASES[base], count + 4, uniform)


@functools.lru_cache(maxsize=256)
def affine_shape(inputs: int, outputs: int, activation: str) -> Shape | None:
    """An affine layer behind an activation, in a network that is computed as a whole; None where products are better.

    Args:
        inputs: I.
        outputs: O.
        activation: of what enters it, one of `ACTIVATIONS`.
    """
    if inputs * outputs > _MOST_WEIGHTS:
        return None
    return Shape(int(Kind.AFFINE), inputs, outputs, 1, ACTIVATIONS[activation], 0, True)
