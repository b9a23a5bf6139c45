"""The memory of a batched L-BFGS: pairs of steps and gradient changes, and directions from them."""

__all__ = ["History", "Slate"]

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


class Slate:
    """Numbers of the host for the device, written over and over: on a CPU without any operation of torch."""

    def __init__(self, like: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> None:
        self._host = torch.zeros(shape, dtype=dtype or like.dtype)
        self._numbers = self._host.view(-1).numpy()
        self.tensor = self._host if like.is_cpu else self._host.to(like.device)

    def write(self, numbers: Sequence[float]) -> Tensor:
        """The numbers, in the order of the flattened tensor, as that tensor."""
        with np.errstate(over="ignore"):  # a step too long for float32 is infinite, which the search sees by itself
            self._numbers[:] = numbers
        if self.tensor is not self._host:
            self.tensor.copy_(self._host, non_blocking=True)  # memory not pinned: free again when this returns
        return self.tensor


class History:
    r"""The last pairs of each member, and their inverse Hessian times a gradient.

    A pair is a movement s and the change y of the gradient along it, here scaled to s · y = 1. The two loops of
    algorithm 7.4 are triangular systems in R, R_ij = s_i · y_j where pair i is not younger than pair j and else 0
    (Byrd, Nocedal & Schnabel 1994, https://doi.org/10.1007/BF01582063):

    $$R α = S g,\quad q = g - Y^T α,\quad R^T δ = α - γ Y q,\quad H g = γ q + S^T δ$$

    R⁻¹ is kept in place of R: a new pair adds a column, the oldest one leaves with its row and column, so the slots of
    a ring need no order, and a direction is a handful of products for all members whatever the length of the history.
    One slot more than the ring has takes what members without a new pair would write.

    Args:
        state: where all of it is kept, as `history` (−Y and S, shape (M, 2, slots + 1, n)), `inverse` (R⁻¹), `pairs`
            (how many joined so far) and `gamma` of each member.
        size: slots to grow to.
        gyd: gradient, its change along the last movement, and the direction of that, shape (M, 3, n); the last two
            are overwritten by `direction` for members with a new pair.
    """

    def __init__(self, state: dict[str, Any], size: int, gyd: Tensor) -> None:
        self.state = state
        self.size = size
        self.g, self.gy, self.yd = gyd[:, :1], gyd[:, :2], gyd[:, 1:]
        members = len(gyd)
        self.rows = torch.arange(members, device=gyd.device)
        self.places = Slate(gyd, (members,), torch.int64)
        self.scales = Slate(gyd, (members, 3, 1))
        self.on_pair, self.minus_gamma = self.scales.tensor.split((2, 1), 1)
        self._look()

    def _look(self) -> None:
        history, inverse = self.state["history"], self.state["inverse"]
        self.slots = inverse.shape[1] - 1
        self.history = history
        self.minus_y, self.s = history[:, :, :-1].unbind(1)
        self.minus_y_columns, self.s_columns = self.minus_y.mT, self.s.mT
        self.inverse_rows, self.inverse_columns = inverse[:, :, :-1], inverse[:, :-1]
        self.inverse = self.inverse_rows[:, :-1]
        self.inverse_transposed = self.inverse.mT
        self.blank = -torch.eye(self.slots + 1, self.slots, dtype=inverse.dtype, device=inverse.device)

    def forget(self, m: int) -> None:
        """Leave a member as if it had never made a step."""
        for name in ("d", "g", "history", "inverse"):
            self.state[name][m] = 0.0
        self.state["n_iter"][m] = self.state["pairs"][m] = 0
        self.state["gamma"][m] = 1.0

    def direction(self, new: list[tuple[int, float, float]]) -> Tensor:
        """−H g of every member, shape (M, 1, n), after new pairs have joined the history of some.

        Args:
            new: members whose last movement makes a new pair, with its t (it was t d) and t d · y > 0.
        """
        pairs = self.state["pairs"]
        if new:
            self._make_room(1 + max(pairs[m] for m, _, _ in new))
        scales = [number for gamma in self.state["gamma"] for number in (1.0, 1.0, -gamma)]
        places = [self.slots] * len(pairs)
        for m, t, curvature in new:
            root = 1.0 / math.sqrt(curvature)
            scales[3 * m] = -root
            scales[3 * m + 1] = t * root
            places[m] = pairs[m] % self.size
            pairs[m] += 1
        self.scales.write(scales)
        if new:
            rows, columns = self.rows, self.places.write(places)
            self.history[rows, :, columns] = self.yd.mul_(self.on_pair)
            # no other row has an entry in the column of the oldest pair, so its row is all there is to clear; with −1
            # on the diagonal the product −R⁻¹ r is the new column and its own 1 at once
            self.inverse_rows[rows, columns] = self.blank[columns]
            products = torch.bmm(self.gy, self.s_columns)
            column = torch.bmm(products[:, 1:], self.inverse_transposed)
            self.inverse_columns[rows, :, columns] = column.squeeze(1)
            products = products[:, :1]
        elif any(pairs):
            products = torch.bmm(self.g, self.s_columns)
        else:
            return self.g * self.minus_gamma
        alpha = torch.bmm(products, self.inverse_transposed)
        q = torch.baddbmm(self.g, alpha, self.minus_y)
        inner = torch.addcmul(alpha, torch.bmm(q, self.minus_y_columns), self.minus_gamma, value=-1)
        return torch.baddbmm(q * self.minus_gamma, torch.bmm(inner, self.inverse), self.s, alpha=-1)

    def _make_room(self, needed: int) -> None:
        """Grow the ring by half at a time, up to its size, so that short histories stay cheap."""
        if self.slots < min(needed, self.size):
            more = min(self.size, self.slots + max(8, self.slots // 2)) - self.slots
            self.state["history"] = pad(self.state["history"][:, :, :-1], (0, 0, 0, more + 1))
            self.state["inverse"] = pad(self.inverse, (0, more + 1, 0, more + 1))
            self._look()
