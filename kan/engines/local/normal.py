"""Normal equations of a least-squares problem whose Jacobian has few entries in a row, compiled for the CPU."""

__all__ = ["normal"]

from typing import Any

import numpy as np

from kan.engines.local.pointers import cached, integers, offset_by, pointer


@cached(nogil=True, error_model="numpy")
def normal(one: Any, address: int, start: int, stop: int) -> None:
    """Adds the products of all pairs in a row to a matrix, below its diagonal and on it, and those with the residual.

    Args:
        one: 1 in the dtype of the numbers.
        address: of nine integers: rows R, samples' rows that share their columns Q, entries of a row Z, columns P;
            addresses of columns (M, R / Q, Z), 32-bit and in ascending order, and of values (M, R, Z), residuals
            (M, R), matrices (M, P, P) and vectors (M, P).
        start: first member.
        stop: one after the last member.
    """
    d = pointer(address, np.int64(1))
    R, Q, Z, P = d[0], d[1], d[2], d[3]
    for m in range(start, stop):
        matrix, vector = offset_by(pointer(d[7], one), m * P * P), offset_by(pointer(d[8], one), m * P)
        for r in range(R):
            v = offset_by(pointer(d[5], one), (m * R + r) * Z)
            c = offset_by(integers(pointer(d[4], one)), (m * (R // Q) + r // Q) * Z)
            residual = pointer(d[6], one)[m * R + r]
            for i in range(Z):
                value, row = v[i], offset_by(matrix, int(c[i]) * P)
                if value == 0.0:
                    continue
                vector[c[i]] += value * residual
                for j in range(i + 1):
                    row[c[j]] += value * v[j]
