"""Target functions of the KAN paper's table of special functions: 15 of two inputs, in float64 by SciPy."""

__all__ = ["SPECIAL_FUNCTIONS"]

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import scipy.special
import torch
from torch import Tensor

from tasks.functions.target import TargetFunction

Array = npt.NDArray[np.float64]


def _of_two(function: Callable[[Array, Array], Array]) -> Callable[[Tensor], Tensor]:
    """A function of two arrays as one of a tensor's first two inputs."""

    def of_tensor(x: Tensor) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(function(x[..., 0:1].numpy(), x[..., 1:2].numpy())))

    return of_tensor


def _sn(u: Array, m: Array) -> Array:
    return scipy.special.ellipj(u, m)[0]


def _legendre(order: int) -> Callable[[Array, Array], Array]:
    return lambda degree, x: scipy.special.lpmv(order, degree, x)


def _spherical_harmonic(order: int, degree: int) -> Callable[[Array, Array], Array]:
    def real_part(azimuth: Array, polar: Array) -> Array:
        # SciPy 1.15 replaced sph_harm by sph_harm_y, which takes degree and order, and both angles, the other way round
        if hasattr(scipy.special, "sph_harm_y"):
            return scipy.special.sph_harm_y(degree, order, polar, azimuth).real
        return scipy.special.sph_harm(order, degree, azimuth, polar).real

    return real_part


# The paper states no ranges for these functions, and pykan has no such example: the ranges are chosen here. All values
# are finite and smooth on them, and of moderate size.
_WAVES = (0.0, 10.0)  # three half waves at m = 0
_AMPLITUDE = (0.0, math.pi)  # a whole period of the integrands
_PARAMETER = (0.0, 0.9)  # F(φ, m) has its pole at m = 1, φ = π/2, 0.1 away; and the period of sn has its own at m = 1
_ORDER = (0.0, 2.0)
_ARGUMENT = (1.0, 20.0)  # three waves; Y_v has a pole at 0, and J_v(x) ~ x^v there, which jumps at v = 0
_GROWING_ARGUMENT = (1.0, 5.0)  # the same at 0; exp(x) above
_DEGREE = (0.0, 4.0)
_COSINE = (-0.9, 0.9)  # P_v^m of broken degree v is singular at -1, 0.1 away, and for odd m has infinite slope at 1
_SPHERE = ((0.0, 2.0 * math.pi), (0.0, math.pi))  # azimuth and polar angle: the whole sphere, as they are defined

SPECIAL_FUNCTIONS: Mapping[str, TargetFunction] = {
    "ellipj": TargetFunction("sn(u, m)", (_WAVES, _PARAMETER), _of_two(_sn)),
    "ellipkinc": TargetFunction("F(φ, m)", (_AMPLITUDE, _PARAMETER), _of_two(scipy.special.ellipkinc)),
    "ellipeinc": TargetFunction("E(φ, m)", (_AMPLITUDE, _PARAMETER), _of_two(scipy.special.ellipeinc)),
    "jv": TargetFunction("J_v(x)", (_ORDER, _ARGUMENT), _of_two(scipy.special.jv)),
    "yv": TargetFunction("Y_v(x)", (_ORDER, _ARGUMENT), _of_two(scipy.special.yv)),
    "kv": TargetFunction("K_v(x)", (_ORDER, _GROWING_ARGUMENT), _of_two(scipy.special.kv)),
    "iv": TargetFunction("I_v(x)", (_ORDER, _GROWING_ARGUMENT), _of_two(scipy.special.iv)),
    **{f"lpmv_{m}": TargetFunction(f"P_v^{m}(x)", (_DEGREE, _COSINE), _of_two(_legendre(m))) for m in (0, 1, 2)},
    **{
        f"sph_harm_{m}_{n}": TargetFunction(f"Re Y_{n}^{m}(θ, φ)", _SPHERE, _of_two(_spherical_harmonic(m, n)))
        for m, n in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    },
}
"""Functions of Liu et al. (2024), https://arxiv.org/abs/2404.19756, table 1, by their names in `scipy.special`.

Inputs are in SciPy's order after the fixed ones: lpmv_m takes degree v and x; sph_harm_m_n (order m, degree n) takes
the azimuth θ first, then the polar angle φ, and its values are real parts."""
