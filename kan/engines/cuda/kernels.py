"""Kernels of the spline operation on the GPU: outputs, gradients of inputs, gradients of everything else.

Who computes what is fixed by the sizes alone, and every sum has one fixed order: no atomics. Tiles of the batch find
the k + 1 bases alive at their inputs anew in every kernel, which costs less than to write them and read them again.
Matrices are row after row; places within all members are counted in 64 bits.

In one file: the three kernels share their parts, which the compiler has to see together.
"""

__all__ = ["add_parts", "backward_inputs", "backward_weights", "finish_weights", "forward"]

import triton
import triton.language as tl

# nothing that differs between a member among others and alone may lead to other code: it might sum in another order
_STEPS = ["member_step", "row_step", "input_step"]


@triton.jit
def _live(
    p: tl.tensor,
    t: tl.tensor,
    N: tl.tensor,
    halvings: tl.tensor,
    ORDER: tl.constexpr,
    UNIFORM: tl.constexpr,
    PIECES: tl.constexpr,
    DERIVATIVE: tl.constexpr,
) -> "tuple[tl.tensor, tuple[tl.tensor, ...]]":
    """The first of the bases alive at the points p, and values (derivative 0) or slopes (1) of all k + 1.

    Intervals by the same comparisons as `kan.splines`. Outside the knots the first is K, so that none exists; at NaN
    it is the last, K - 1, so that something is NaN.
    """
    low, high, end = tl.load(t), tl.load(t + (N - 1)), tl.load(t + (N - 1 - ORDER))
    at_end = (p == end) & (p > low)
    inside = at_end | ((p >= low) & (p < high))
    j = tl.zeros(p.shape, tl.int32)
    above = j + (N - 1)
    for _ in range(halvings):
        middle = (j + above) // 2
        knot = tl.load(t + middle)
        reached = tl.where(at_end, knot < p, knot <= p)
        j = tl.where(reached, middle, j)
        above = tl.where(reached, above, middle)
    j = tl.where(inside, j, N - 1)
    x = tl.where(inside, p, high)
    step = (high - low) / (N - 1)
    values = ()
    if UNIFORM:
        u = (x - tl.load(t + j)) / step
        for r in tl.static_range(ORDER + 1):
            v = tl.full(p.shape, PIECES[ORDER - DERIVATIVE][r], p.dtype)
            for q in tl.static_range(ORDER - DERIVATIVE):
                v = v * u + tl.full(p.shape, PIECES[ORDER - DERIVATIVE - 1 - q][r], p.dtype)
            if DERIVATIVE:
                v = v / step
            values = values + (v,)
    else:
        near = ()  # t_{j-k+1} … t_{j+k}; beyond the ends only for bases that do not exist, but those must stay finite
        for q in tl.static_range(2 * ORDER):
            n = j + (q + 1 - ORDER)
            knot = tl.load(t + tl.minimum(tl.maximum(n, 0), N - 1))
            near = near + (knot + (tl.minimum(n, 0) + tl.maximum(n - (N - 1), 0)) * step,)
        values = (tl.full(p.shape, 1.0, p.dtype),)
        for d in tl.static_range(1, ORDER + 1):
            grown = ()
            saved = tl.zeros(p.shape, p.dtype)
            for r in tl.static_range(d):
                left, right = near[ORDER - d + r], near[ORDER + r]
                part = values[r] / (right - left)
                if DERIVATIVE == 1 and d == ORDER:
                    part = part * ORDER
                    grown = grown + (saved - part,)
                    saved = part
                else:
                    grown = grown + (saved + part * (right - x),)
                    saved = part * (x - left)
            values = grown + (saved,)
    nan = p != p
    out = ()
    for r in tl.static_range(ORDER + 1):
        out = out + (tl.where(nan, p, values[r]),)
    return tl.where(nan, N - 2, j) - ORDER, out


@triton.jit
def _base(p: tl.tensor, KIND: tl.constexpr) -> tl.tensor:
    """The identity (kind 1) or silu (2)."""
    if KIND == 1:
        return p
    return p / (1.0 + tl.exp(-p))


@triton.jit
def _base_slope(p: tl.tensor, KIND: tl.constexpr) -> tl.tensor:
    """Derivative of `_base`."""
    if KIND == 1:
        return tl.full(p.shape, 1.0, p.dtype)
    grown = 1.0 + tl.exp(-p)
    return (1.0 + p * (1.0 - 1.0 / grown)) / grown


@triton.jit(do_not_specialize=_STEPS, do_not_specialize_on_alignment=["x"])
def forward(
    x: tl.tensor,
    t: tl.tensor,
    c: tl.tensor,
    s: tl.tensor,
    w: tl.tensor,
    y: tl.tensor,
    member_step: tl.tensor,
    row_step: tl.tensor,
    input_step: tl.tensor,
    B: tl.tensor,
    I: tl.tensor,
    N: tl.tensor,
    O: tl.tensor,
    halvings: tl.tensor,
    share: tl.tensor,
    ORDER: tl.constexpr,
    UNIFORM: tl.constexpr,
    PIECES: tl.constexpr,
    KIND: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_O: tl.constexpr,
) -> None:
    """Outputs (splits, M, B, O), each over a share of the inputs. A program a tile of outputs, split and member."""
    K = N - ORDER - 1
    split, m = tl.program_id(1), tl.program_id(2).to(tl.int64)
    o_blocks = tl.cdiv(O, BLOCK_O)
    b = (tl.program_id(0) // o_blocks).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    o = (tl.program_id(0) % o_blocks) * BLOCK_O + tl.arange(0, BLOCK_O)
    rows = x + m * member_step + b * row_step
    total = tl.zeros([BLOCK_B, BLOCK_O], y.dtype.element_ty)
    for i in range(split * share, tl.minimum(split * share + share, I)):
        edge = m * I + i
        p = tl.load(rows + input_step.to(tl.int64) * i, mask=b < B, other=0.0)
        first, values = _live(p, t + edge * N, N, halvings, ORDER, UNIFORM, PIECES, 0)
        spline = tl.zeros([BLOCK_B, BLOCK_O], y.dtype.element_ty)
        for r in tl.static_range(ORDER + 1):
            n = first + r
            there = ((n >= 0) & (n < K))[:, None] & (o < O)[None, :]
            weights = tl.load(c + edge * K * O + n[:, None] * O + o[None, :], mask=there, other=0.0)
            spline += values[r][:, None] * weights
        total += spline * tl.load(s + edge * O + o, mask=o < O, other=0.0)[None, :]
        if KIND:
            total += _base(p, KIND)[:, None] * tl.load(w + edge * O + o, mask=o < O, other=0.0)[None, :]
    place = ((split.to(tl.int64) * tl.num_programs(2) + m) * B + b) * O
    tl.store(y + place[:, None] + o[None, :], total, mask=(b < B)[:, None] & (o < O)[None, :])


@triton.jit(do_not_specialize=_STEPS, do_not_specialize_on_alignment=["x"])
def backward_inputs(
    x: tl.tensor,
    t: tl.tensor,
    c: tl.tensor,
    s: tl.tensor,
    w: tl.tensor,
    g: tl.tensor,
    gx: tl.tensor,
    member_step: tl.tensor,
    row_step: tl.tensor,
    input_step: tl.tensor,
    B: tl.tensor,
    I: tl.tensor,
    N: tl.tensor,
    O: tl.tensor,
    halvings: tl.tensor,
    ORDER: tl.constexpr,
    UNIFORM: tl.constexpr,
    PIECES: tl.constexpr,
    KIND: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_O: tl.constexpr,
) -> None:
    """Gradient of the inputs (M, B, I) from that of the outputs. A program a block of the batch, input and member."""
    K = N - ORDER - 1
    m = tl.program_id(2).to(tl.int64)
    i = tl.program_id(0) % I  # neighbours read the same upstream gradients
    b = (tl.program_id(0) // I).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    edge = m * I + i
    p = tl.load(x + m * member_step + b * row_step + input_step.to(tl.int64) * i, mask=b < B, other=0.0)
    first, slopes = _live(p, t + edge * N, N, halvings, ORDER, UNIFORM, PIECES, 1)
    total = tl.zeros([BLOCK_B, BLOCK_O], gx.dtype.element_ty)
    for o_start in range(0, O, BLOCK_O):
        o = o_start + tl.arange(0, BLOCK_O)
        slope = tl.zeros([BLOCK_B, BLOCK_O], gx.dtype.element_ty)
        for r in tl.static_range(ORDER + 1):
            n = first + r
            there = ((n >= 0) & (n < K))[:, None] & (o < O)[None, :]
            weights = tl.load(c + edge * K * O + n[:, None] * O + o[None, :], mask=there, other=0.0)
            slope += slopes[r][:, None] * weights
        slope = slope * tl.load(s + edge * O + o, mask=o < O, other=0.0)[None, :]
        if KIND:
            slope += _base_slope(p, KIND)[:, None] * tl.load(w + edge * O + o, mask=o < O, other=0.0)[None, :]
        place = (m * B + b)[:, None] * O + o[None, :]
        total += slope * tl.load(g + place, mask=(b < B)[:, None] & (o < O)[None, :], other=0.0)
    tl.store(gx + (m * B + b) * I + i, tl.sum(total, axis=1), mask=b < B)


@triton.jit(do_not_specialize=_STEPS, do_not_specialize_on_alignment=["x"])
def backward_weights(
    x: tl.tensor,
    t: tl.tensor,
    g: tl.tensor,
    parts: tl.tensor,
    member_step: tl.tensor,
    row_step: tl.tensor,
    input_step: tl.tensor,
    B: tl.tensor,
    I: tl.tensor,
    N: tl.tensor,
    O: tl.tensor,
    halvings: tl.tensor,
    share: tl.tensor,
    ORDER: tl.constexpr,
    UNIFORM: tl.constexpr,
    PIECES: tl.constexpr,
    KIND: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_O: tl.constexpr,
) -> None:
    """Upstream gradients weighted by every basis, and by the base function in one more row, summed over samples.

    Shape (splits, M, I, K or K + 1, O), each over a share of the blocks of the batch. A program a tile of these, input,
    split and member: basis functions (BLOCK_N, BLOCK_B), never in memory, times gradients (BLOCK_B, BLOCK_O).
    """
    K = N - ORDER - 1
    R = K + 1 if KIND else K
    split, m = tl.program_id(1), tl.program_id(2).to(tl.int64)
    o_blocks, n_blocks = tl.cdiv(O, BLOCK_O), tl.cdiv(R, BLOCK_N)
    o_block, rest = tl.program_id(0) % o_blocks, tl.program_id(0) // o_blocks
    n_start, i = (rest % n_blocks) * BLOCK_N, rest // n_blocks
    o = o_block * BLOCK_O + tl.arange(0, BLOCK_O)
    n = n_start + tl.arange(0, BLOCK_N)
    edge = m * I + i
    inputs = x + m * member_step + input_step.to(tl.int64) * i
    total = tl.zeros([BLOCK_N, BLOCK_O], parts.dtype.element_ty)
    for block in range(split * share, tl.minimum(split * share + share, tl.cdiv(B, BLOCK_B))):
        b = tl.arange(0, BLOCK_B).to(tl.int64) + block * BLOCK_B
        p = tl.load(inputs + b * row_step, mask=b < B, other=0.0)
        first, values = _live(p, t + edge * N, N, halvings, ORDER, UNIFORM, PIECES, 0)
        reached = (first + ORDER >= n_start) & (first < n_start + BLOCK_N) & (b < B)
        wanted = tl.max(reached.to(tl.int32), axis=0)
        if KIND:
            wanted = tl.where(n_start + BLOCK_N > K, 1, wanted)
        if wanted > 0:  # on fine grids few samples reach a tile, if they are in order or close together
            tile = tl.zeros([BLOCK_N, BLOCK_B], parts.dtype.element_ty)
            for r in tl.static_range(ORDER + 1):
                tile = tl.where(n[:, None] == (first + r)[None, :], values[r][None, :], tile)
            if KIND:
                tile = tl.where((n == K)[:, None], _base(p, KIND)[None, :], tile)
            place = (m * B + b)[:, None] * O + o[None, :]
            up = tl.load(g + place, mask=(b < B)[:, None] & (o < O)[None, :], other=0.0)
            total = tl.dot(tile, up, total, input_precision="ieee", out_dtype=total.dtype)
    place = ((split.to(tl.int64) * tl.num_programs(2) + m) * I + i) * R * O
    tl.store(parts + place + n[:, None] * O + o[None, :], total, mask=(n < R)[:, None] & (o < O)[None, :])


@triton.jit(do_not_specialize=["size"])
def add_parts(parts: tl.tensor, out: tl.tensor, size: tl.tensor, SPLITS: tl.constexpr, BLOCK: tl.constexpr) -> None:
    """The sum of parts (splits, size), first to last."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < size
    total = tl.load(parts + place, mask=there, other=0.0)
    for split in tl.static_range(1, SPLITS):
        total += tl.load(parts + size.to(tl.int64) * split + place, mask=there, other=0.0)
    tl.store(out + place, total, mask=there)


@triton.jit
def finish_weights(
    raw: tl.tensor,
    c: tl.tensor,
    s: tl.tensor,
    gc: tl.tensor,
    gs: tl.tensor,
    gw: tl.tensor,
    K: tl.tensor,
    O: tl.tensor,
    NEED_C: tl.constexpr,
    NEED_S: tl.constexpr,
    NEED_W: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_O: tl.constexpr,
) -> None:
    """Gradients of coefficients, scale and base weight from the sums over samples. A program a block of one edge."""
    edge = tl.program_id(0).to(tl.int64)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    rows = raw + edge * (K + 1 if NEED_W else K) * O
    scale = tl.load(s + edge * O + o, mask=o < O, other=0.0)
    total = tl.zeros([BLOCK_N, BLOCK_O], scale.dtype)
    for n_start in range(0, K, BLOCK_N):
        n = n_start + tl.arange(0, BLOCK_N)
        there = (n < K)[:, None] & (o < O)[None, :]
        place = n[:, None] * O + o[None, :]
        part = tl.load(rows + place, mask=there, other=0.0)
        if NEED_C:
            tl.store(gc + edge * K * O + place, part * scale[None, :], mask=there)
        if NEED_S:
            total += part * tl.load(c + edge * K * O + place, mask=there, other=0.0)
    if NEED_S:
        tl.store(gs + edge * O + o, tl.sum(total, axis=0), mask=o < O)
    if NEED_W:
        tl.store(gw + edge * O + o, tl.load(rows + K * O + o, mask=o < O, other=0.0), mask=o < O)
