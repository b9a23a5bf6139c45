"""What the network kernel is told of a network: sizes and addresses, as one array of integers.

A plan lays out the scratch memory of one member once for all networks of the same shapes; a call fills addresses in.
"""

__all__ = ["BLOCK", "DENSEST", "Call", "Kind", "Shape", "Tensors"]

import enum
import functools
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kan.engines.local.running import ONES, Memory, compiled, spread

BLOCK, HEADER, FIELDS = 64, 24, 32  # as in the kernels, which must not be imported yet
DENSEST = 32
"""Coefficients of an edge up to which all of them are multiplied, zeros too: to gather four of them costs more."""

_TORCHS = {"AVX512": 64}  # bytes of the vectors of torch's kernels; 32 elsewhere
_LANES = 256 // 8  # bytes of a slim vector


class Kind(enum.IntEnum):
    """How a layer makes rows of its inputs."""

    DENSE = 0
    """All bases of a cubic spline."""
    GATHERED = 1
    """The four cubic bases that live at a sample."""
    AFFINE = 2
    """A function of each input, and a one for the biases."""


class Shape(NamedTuple):
    """What a layer's share of the scratch memory depends on."""

    kind: int
    inputs: int
    outputs: int
    features: int
    base: int
    knots: int
    uniform: bool

    def rows(self) -> int:
        """Rows of an input."""
        return 1 if self.kind == Kind.AFFINE else self.features + (self.base != 0)


Tensors = Sequence[Tensor | None]
"""Of a layer: knots, coefficients, scales, base weights or biases; or the gradients of the last three."""


def _round(number: int, to: int) -> int:
    return -(-number // to) * to


@functools.lru_cache(maxsize=256)
def _plan(shapes: tuple[Shape, ...], size: int) -> tuple["array[int]", int, int]:
    """The array without addresses, and for a member numbers of scratch memory and work a sample.

    Args:
        shapes: of all layers.
        size: bytes of a number.
    """
    data = array("q", bytes(8 * (HEADER + len(shapes) * FIELDS)))
    used = 0

    def take(count: int) -> int:
        nonlocal used
        used += _round(count, BLOCK)
        return used - _round(count, BLOCK)

    lanes = _LANES // size
    live = take(10 * BLOCK)
    widths = [*(shape.inputs for shape in shapes), shapes[-1].outputs]
    entering, pulled = ([take(width * BLOCK) for width in widths] for _ in range(2))
    for index, shape in enumerate(shapes):
        edges, count, gathered = shape.inputs * shape.outputs, shape.features, shape.kind == Kind.GATHERED
        rows = shape.inputs * (1 if gathered else shape.rows()) + (shape.kind == Kind.AFFINE)
        padded = _round(rows, 4)
        fields = [shape.kind, shape.inputs, shape.outputs, count, shape.rows(), shape.base, shape.knots, 3]
        fields += [0] * 7 + [
            padded,
            take(edges * (count + 8) if gathered else padded * shape.outputs),
            take((edges * (count + 7) if gathered else 0) + padded * shape.outputs * lanes),
            0 if gathered else take(shape.inputs * (_round(count, 4) + 7)),
            take(((11 * shape.inputs if gathered else 0) + padded + 4) * BLOCK),
            take((padded + 4) * BLOCK),
            entering[index],
            pulled[index + 1],
            int(shape.uniform),
            live,
            entering[index + 1],
            pulled[index],
        ]
        at = HEADER + index * FIELDS
        data[at : at + len(fields)] = array("q", fields)
    data[1], data[10] = len(shapes), used
    return data, used, sum(shape.inputs * (shape.outputs + 32) for shape in shapes)


class Call:
    """A call of the network kernel.

    Args:
        shapes: of the layers from input to output.
        tensors: of each layer, contiguous and of one dtype.
    """

    __slots__ = ("data", "dtype", "kept", "members", "numbers", "work")

    def __init__(self, shapes: tuple[Shape, ...], tensors: Sequence[Tensors]) -> None:
        first = tensors[0][1]
        assert first is not None
        self.members, self.dtype = first.shape[0], first.dtype
        template, self.numbers, self.work = _plan(shapes, first.element_size())
        self.data, self.kept = template[:], tensors  # copies that nobody else holds must outlive the call
        self.data[11] = self.members
        self._fill(8, tensors)

    def give(self, gradients: Sequence[Tensors]) -> None:
        """Where the gradients of each layer's coefficients, scales and base weights go, if anywhere."""
        self._fill(12, gradients)

    def _fill(self, field: int, tensors: Sequence[Tensors]) -> None:
        data, at = self.data, HEADER + field
        for own in tensors:
            for index, tensor in enumerate(own, at):
                data[index] = 0 if tensor is None else tensor.data_ptr()
            at += FIELDS

    def run(
        self,
        mode: int,
        x: Tensor,
        stride: int,
        given: Tensor | None = None,
        losses: Tensor | None = None,
        y: Tensor | None = None,
        gx: Tensor | None = None,
        update: "tuple[int, array[int], array[float]] | None" = None,
    ) -> None:
        """Runs the kernel.

        Args:
            mode: 0 for predictions, 1 for the gradients that belong to `given` ones, 2 for those of the mean squared
                error against `given` targets.
            x: inputs, whose rows (B, I) are contiguous.
            stride: numbers from member to member in x.
            given: (M, B, O), whose rows (B, O) are contiguous.
            losses: where the mean squared errors go, (M,); of several steps (steps, M).
            y: where predictions go, (M, B, O).
            gx: where the gradients of the inputs go, (M, B, I).
            update: steps of Adam to take; of each parameter addresses of it, its gradient, both running means and its
                count of steps, and its numbers a member; learning rate, both betas, epsilon.
        """
        memory = Memory(self.members * self.numbers, x)
        data, batch = self.data, x.shape[1]
        data[0], data[2], data[3], data[4], data[9] = batch, mode, x.data_ptr(), stride, memory.tensor.data_ptr()
        data[17] = 0 if given is None else given.stride(0)
        for index, tensor in enumerate((given, losses, y, gx), 5):
            data[index] = 0 if tensor is None else tensor.data_ptr()
        if update is not None:
            steps, table, hyper = update
            data[12], data[13], data[14], data[15] = (
                steps,
                len(table) // 6,
                table.buffer_info()[0],
                hyper.buffer_info()[0],
            )
            data[16] = _TORCHS.get(torch.backends.cpu.get_cpu_capability(), 32) // self.dtype.itemsize
        else:
            data[12], data[13] = 1, 0
        work = self.members * batch * self.work * (1 if mode == 0 else 3) * data[12]
        spread(compiled().network, (ONES[self.dtype], data.buffer_info()[0]), self.members, work)
