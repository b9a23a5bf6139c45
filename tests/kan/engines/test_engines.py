"""Engines of the spline operation against the dense reference: values, gradients, exact zeros, same bits."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kan import KAN, KANLayer
from kan.engines import choose_engine, spline_sum
from kan.splines import extend_grid, uniform_grid

DOUBLE = torch.float64
NAN, INF = float("nan"), float("inf")


def knots_of(kind: str, shape: tuple[int, int], grid_size: int, order: int, generator: torch.Generator) -> Tensor:
    """Knots (M, I, N) in float64."""
    if kind == "uniform":
        return extend_grid(uniform_grid(-1.0, 1.5, grid_size, dtype=DOUBLE).expand(*shape, -1), order)
    widths = 0.05 + torch.rand(*shape, grid_size + 2 * order, generator=generator, dtype=DOUBLE)
    chosen = torch.rand(widths.shape, generator=generator) < 0.4
    chosen[..., order] = False  # the grid itself is not empty
    if kind == "repeated":
        widths[chosen] = 0.0
    if kind == "close":
        widths[chosen] = 1e-5
    return torch.cat([torch.zeros(*shape, 1, dtype=DOUBLE), widths.cumsum(-1)], dim=-1) - 1.0


def problem(kind, members, batch, inputs, outputs, grid_size, order, seed) -> tuple[Tensor, ...]:
    """Inputs inside, at knots, at the ends, outside and far out; knots, coefficients, scale, weight, upstream."""
    generator = torch.Generator().manual_seed(seed)
    knots = knots_of(kind, (members, inputs), grid_size, order, generator)
    low, high = knots[..., :1], knots[..., -1:]
    x = low - 0.3 + (high - low + 0.6) * torch.rand(members, inputs, batch, generator=generator, dtype=DOUBLE)
    count = knots.shape[-1]
    picked = torch.randint(count, (members, inputs, batch), generator=generator)
    at_knots = torch.rand(x.shape, generator=generator) < 0.3
    x = torch.where(at_knots, knots.gather(-1, picked), x)
    ends = torch.rand(x.shape, generator=generator) < 0.1
    x = torch.where(ends, knots[..., -1 - order, None], x).transpose(1, 2).contiguous()
    if batch > 3:
        x[0, 0, 0], x[0, 1, 0] = 1e30, -1e20  # not of one size: the sum of the two would leave no digits

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=DOUBLE)

    bases = draw(members, inputs, count - order - 1, outputs)
    edges = (members, inputs, outputs)
    return x, knots, bases, draw(*edges), draw(*edges), draw(members, batch, outputs)


def evaluated(engine, parts, order, uniform, base) -> tuple[Tensor, ...]:
    """Output and gradients of x, coefficients, scale, base weight."""
    x, knots, *weights, upstream = parts
    leaves = [part.detach().clone().requires_grad_() for part in (x, *weights)]
    y = spline_sum(
        leaves[0],
        knots,
        leaves[1],
        order,
        uniform=uniform,
        scale=leaves[2],
        base=base,
        base_weight=None if base == "zero" else leaves[3],
        engine=engine,
    )
    return y.detach(), *torch.autograd.grad(y, leaves, upstream, materialize_grads=True, allow_unused=True)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["uniform", "random", "repeated", "close"]),
    members=st.integers(1, 3),
    batch=st.sampled_from([0, 1, 5, 64, 70, 130]),
    inputs=st.integers(1, 4),
    outputs=st.sampled_from([1, 2, 3, 8, 17, 49]),
    grid_size=st.sampled_from([1, 2, 3, 7, 30, 70]),
    order=st.integers(1, 5),
    base=st.sampled_from(["silu", "identity", "zero"]),
    dtype=st.sampled_from([torch.float32, DOUBLE]),
    seed=st.integers(0, 10**6),
)
def test_local_is_the_reference(kind, members, batch, inputs, outputs, grid_size, order, base, dtype, seed) -> None:
    parts = problem(kind, members, batch, inputs, outputs, grid_size, order, seed)
    uniform = kind == "uniform"
    parts = tuple(part.to(dtype) for part in parts)
    if dtype == torch.float32 and kind == "close":
        return  # slopes of 1e5 leave no digits to compare
    dense = evaluated("dense", parts, order, uniform, base)
    local = evaluated("local", parts, order, uniform, base)
    tolerance = 1e-10 if dtype == DOUBLE else 2e-4
    for name, theirs, ours in zip(("y", "x", "c", "s", "w"), dense, local, strict=True):
        scale = float(theirs.abs().nan_to_num(posinf=0.0).clamp(max=1e8).max()) if theirs.numel() else 0.0
        torch.testing.assert_close(
            ours,
            theirs,
            rtol=tolerance,
            atol=tolerance * (1 + scale),
            equal_nan=True,
            msg=lambda m, n=name: f"{n}: {m}",
        )
    zero = dense[2] == 0
    assert (local[2][zero] == 0).all()


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_nan_stays_nan_and_infinity_is_far_outside(order, uniform) -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 6), order)[None, None]
    c = torch.rand(1, 1, 6 + order, 2)
    x = torch.tensor([NAN, INF, -INF, 0.3, 1e38]).reshape(1, 5, 1)
    for engine in ("dense", "local"):
        y = spline_sum(x, knots, c, order, uniform=uniform, engine=engine)
        assert y[0, 0].isnan().all()
        assert (y[0, [1, 2, 4]] == 0).all()
        assert y[0, 3].isfinite().all()
    parts = (x, knots, c, torch.ones(1, 1, 2), torch.ones(1, 1, 2), torch.ones(1, 5, 2))
    local = evaluated("local", parts, order, uniform, "zero")
    assert local[1][0, 0].isnan().all()
    assert (local[1][0, [1, 2, 4]] == 0).all()
    nan = evaluated("dense", parts, order, uniform, "zero")[2].isnan()
    assert torch.equal(local[2].isnan(), nan)


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
@pytest.mark.parametrize(("kind", "order"), [("uniform", 3), ("random", 2), ("repeated", 4)])
def test_first_and_second_derivatives(kind, order, base) -> None:
    x, knots, *weights, _ = problem(kind, 2, 4, 2, 2, 3, order, 5)
    generator = torch.Generator().manual_seed(1)
    inside = torch.rand(2, 4, 2, generator=generator, dtype=DOUBLE)
    edges = knots[..., order], knots[..., -1 - order]
    x = edges[0][:, None] + inside * (edges[1] - edges[0])[:, None]
    leaves = [part.requires_grad_() for part in (x, *weights)]

    def function(x, c, s, w) -> Tensor:
        options = {"uniform": kind == "uniform", "scale": s, "base": base, "engine": "local"}
        return spline_sum(x, knots, c, order, base_weight=w, **options)

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_fine_grids_far_from_zero() -> None:
    for low, high, grid_size in ((999.0, 1001.0, 20), (1000.0, 1001.0, 500), (-3e4, -2.9e4, 1000)):
        layer = KANLayer(1, 2, grid_size, grid_range=(low, high), engine="local")
        x = torch.cat([layer.knots[0, 0], low + (high - low) * torch.rand(500)])[None, :, None]
        dense = spline_sum(x, layer.knots, layer.coefficients, 3, uniform=layer.uniform, engine="dense")
        local = spline_sum(x, layer.knots, layer.coefficients, 3, uniform=layer.uniform, engine="local")
        torch.testing.assert_close(local, dense, rtol=0, atol=1e-6)


def test_gradients_that_nobody_wants_are_not_made() -> None:
    x, knots, *weights, upstream = problem("uniform", 2, 9, 3, 4, 5, 3, 0)
    parts = [x, *weights]
    full = evaluated("local", (x, knots, *weights, upstream), 3, True, "silu")[1:]
    for index in range(4):
        leaves = [part.detach().clone().requires_grad_(index == j) for j, part in enumerate(parts)]
        y = spline_sum(
            leaves[0], knots, leaves[1], 3, uniform=True, scale=leaves[2], base="silu", base_weight=leaves[3]
        )
        y.backward(upstream)
        assert [leaf.grad is not None for leaf in leaves] == [index == j for j in range(4)]
        torch.testing.assert_close(leaves[index].grad, full[index], rtol=0, atol=0)


def test_without_scale_it_is_one() -> None:
    x, knots, c, _, w, _ = problem("uniform", 2, 9, 3, 4, 5, 3, 0)
    for engine in ("dense", "local"):
        bare = spline_sum(x, knots, c, 3, uniform=True, engine=engine)
        ones = spline_sum(x, knots, c, 3, uniform=True, scale=torch.ones_like(w), engine=engine)
        assert torch.equal(bare, ones)


def test_memory_layouts_make_no_difference() -> None:
    x, knots, c, s, w, upstream = problem("random", 3, 70, 2, 5, 6, 3, 3)
    plain = evaluated("local", (x, knots, c, s, w, upstream), 3, False, "silu")
    swapped = [part.transpose(-1, -2).contiguous().transpose(-1, -2) for part in (x, knots, c, s, w, upstream)]
    wide = torch.cat([x, x], dim=1)[:, :70]  # rows are contiguous, members are not
    for parts in (swapped, (wide, knots, c, s, w, upstream)):
        for a, b in zip(plain, evaluated("local", parts, 3, False, "silu"), strict=True):
            assert torch.equal(a, b)
    shared = x[:1].expand(3, 70, 2)
    a = spline_sum(shared, knots, c, 3, scale=s, base="silu", base_weight=w, engine="local")
    b = spline_sum(shared.contiguous(), knots, c, 3, scale=s, base="silu", base_weight=w, engine="local")
    assert torch.equal(a, b)
    ones = torch.ones((), dtype=DOUBLE).expand(upstream.shape)  # what sum().backward() sends
    first = evaluated("local", (x, knots, c, s, w, ones), 3, False, "silu")
    second = evaluated("local", (x, knots, c, s, w, ones.contiguous()), 3, False, "silu")
    assert all(torch.equal(p, q) for p, q in zip(first, second, strict=True))


def test_a_member_is_the_same_alone_to_the_last_bit() -> None:
    *parts, upstream = problem("random", 4, 130, 3, 5, 6, 3, 3)
    together = evaluated("local", (*parts, upstream), 3, False, "silu")
    alone = evaluated("local", tuple(part[2:3] for part in (*parts, upstream)), 3, False, "silu")
    assert all(torch.equal(p[2:3], q) for p, q in zip(together, alone, strict=True))


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("members", [1, 3])
def test_same_bits_with_any_number_of_threads(members) -> None:
    parts = tuple(part.float() for part in problem("uniform", members, 2000, 20, 33, 9, 3, 7))
    results = []
    for threads in (1, 1, 2, 3):
        torch.set_num_threads(threads)
        results.append(evaluated("local", parts, 3, True, "silu"))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.usefixtures("restored_threads")
def test_same_bits_without_torchs_own_threads(monkeypatch) -> None:
    from kan.engines.local import threads as teams

    parts = tuple(part.float() for part in problem("uniform", 2, 2000, 20, 33, 9, 3, 7))
    torch.set_num_threads(1)
    alone = evaluated("local", parts, 3, True, "silu")
    torch.set_num_threads(2)
    monkeypatch.setattr(teams, "_library", None)
    assert all(torch.equal(a, b) for a, b in zip(alone, evaluated("local", parts, 3, True, "silu"), strict=True))


def test_inference_first_and_training_then() -> None:
    code = """
import torch
from kan import KAN
for engine in ("dense", "local"):
    model, x = KAN(2, 1, spline_order=2, engine=engine), torch.rand(1, 8, 2)
    with torch.inference_mode():
        model(x)
    y = model(x).sum()
    y.backward(create_graph=True)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_one_graph_from_several_threads() -> None:
    x, knots, c, s, w, _ = problem("uniform", 1, 4000, 3, 40, 5, 3, 0)
    y = spline_sum(x.requires_grad_(), knots, c, 3, uniform=True, scale=s, base="silu", base_weight=w, engine="local")
    upstream = torch.randn(4, *y.shape, dtype=DOUBLE)
    alone = [torch.autograd.grad(y, x, u, retain_graph=True)[0] for u in upstream]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            found = pool.map(lambda u: torch.autograd.grad(y, x, u, retain_graph=True)[0], upstream)
            assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))


@pytest.mark.parametrize("first", ["parent", "child"])
def test_kernels_work_in_a_forked_process(first) -> None:
    code = (
        f"first = {first!r}"
        + """
import os, torch
from kan import KANLayer
torch.set_num_threads(2)
layer, x = KANLayer(30, 30), torch.rand(1, 500, 30)
y = layer(x) if first == "parent" else None
child = os.fork()
if child == 0:
    mine = layer(x)
    os._exit(0 if y is None or torch.equal(mine, y) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_change_of_any_kernel_voids_the_cache_of_all() -> None:
    from kan.engines.local import backward as local_backward
    from kan.engines.local import forward as local_forward
    from kan.engines.local.pointers import SOURCES

    kernels = (local_forward.forward, local_forward._find_uniform, local_backward.backward)
    assert {kernel._cache._cache_file._source_stamp for kernel in kernels} == {SOURCES}


def test_gradient_is_exactly_zero_away_from_the_samples() -> None:
    layer = KANLayer(2, 3, 50, engine="local")
    x = 0.1 * torch.rand(1, 40, 2) + 0.33
    layer(x).square().sum().backward()
    knots = layer.knots[0, 0]
    reached = (knots[4:] > 0.33) & (knots[:-4] < 0.43)
    assert (layer.coefficients.grad[:, :, ~reached] == 0).all()
    assert (layer.coefficients.grad[:, :, reached].abs().amax(dim=(0, 1, 3)) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_networks_train_alike_with_every_engine(dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 2.0 * torch.rand(50, 2, generator=generator, dtype=dtype) - 1.0
    models = [KAN(2, 1, members=2, dtype=dtype, engine=engine) for engine in ("dense", "local", "auto")]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    for model in models:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(20):
            optimizer.zero_grad()
            (model(x) - x.prod(-1, keepdim=True)).square().mean().backward()
            optimizer.step()
    dense, local, auto = (torch.cat([p.flatten() for p in model.parameters()]) for model in models)
    torch.testing.assert_close(local, dense, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-13)
    assert torch.equal(local, auto)


def test_backward_twice_and_without_graph() -> None:
    layer = KANLayer(2, 3, engine="local", dtype=DOUBLE)
    x = torch.rand(1, 7, 2, dtype=DOUBLE)
    y = layer(x)
    first = torch.autograd.grad(y.sum(), layer.coefficients, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(y.sum(), layer.coefficients)[0])
    with torch.no_grad():
        assert torch.equal(layer(x), y)
    with torch.inference_mode():
        assert torch.equal(layer(x), y)


def test_auto_takes_what_runs() -> None:
    assert choose_engine(torch.rand(1, 2, 3)) == "local"
    assert choose_engine(torch.rand(1, 2, 3).half()) == "dense"
    assert choose_engine(torch.rand(1, 2, 3, device="meta")) == "dense"


def test_numba_waits_until_it_is_used() -> None:
    code = "import sys, kan; kan.KAN(2, 1, engine='dense'); assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


X, T = torch.rand(2, 5, 3), extend_grid(uniform_grid(-1.0, 1.0, 4), 3).expand(2, 3, 11)
C, W = torch.rand(2, 3, 7, 4), torch.rand(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spline_sum(X[0], T, C, 3), "expected x"),
        (lambda: spline_sum(X, T, C[0], 3), "expected x"),
        (lambda: spline_sum(X[..., :2], T, C, 3), "want x"),
        (lambda: spline_sum(X[:1], T, C, 3), "want x"),
        (lambda: spline_sum(X, T[..., :-1], C, 3), "want knots"),
        (lambda: spline_sum(X, T, C, 2), "want knots"),
        (lambda: spline_sum(X, T, C[:, :, :0], 3), "want knots"),
        (lambda: spline_sum(X, T, C, 0), "spline_order must be"),
        (lambda: spline_sum(X, T, C, 3, scale=W[..., :1]), "scale must have shape"),
        (lambda: spline_sum(X, T, C, 3, base="silu", base_weight=W[:1]), "base_weight must have shape"),
        (lambda: spline_sum(X, T, C, 3, base="silu"), "needs a base_weight"),
        (lambda: spline_sum(X, T, C, 3, base="relu"), "base must be one of"),
        (lambda: spline_sum(X, T, C, 3, engine="fast"), "engine must be one of"),
        (lambda: KAN(2, 1, engine="fast"), "engine must be one of"),
        (lambda: spline_sum(X, T, C.double(), 3), "coefficients is torch.float64"),
        (lambda: spline_sum(X.double(), T, C, 3), "knots is torch.float32"),
        (lambda: spline_sum(X, T, C, 3, scale=W.half()), "scale is torch.float16"),
        (lambda: spline_sum(X.half(), T.half(), C.half(), 3, engine="local"), "needs float32 or float64 on the CPU"),
        (lambda: spline_sum(*(p.to("meta") for p in (X, T, C)), 3, engine="local"), "got torch.float32 on meta"),
        (lambda: spline_sum(X, T.to("meta"), C, 3), "knots is torch.float32 on meta"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_without_a_compiler_splines_are_dense_and_it_is_said_once() -> None:
    code = (
        "import torch, kan\n"
        "m = kan.KAN(2, 1, dtype=torch.float64)\n"
        "x = torch.rand(9, 2, dtype=torch.float64)\n"
        "d = kan.KAN(2, 1, dtype=torch.float64, engine='dense')\n"
        "d.load_state_dict(m.state_dict())\n"
        "assert torch.equal(m(x), d(x)) and torch.equal(torch.compile(m, backend='eager')(x), d(x))\n"
        "try: kan.KAN(2, 1, engine='local')(x.float())\n"
        "except ValueError as error: print(error)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no compiled kernels (NUMBA_DISABLE_JIT is set)") == 1
    assert "engine 'local' needs float32 or float64 on the CPU and numba" in done.stdout


def test_kernels_that_can_not_be_kept_are_compiled_all_the_same(monkeypatch, caplog) -> None:
    import numba

    from kan.engines.local import pointers

    plain = numba.njit

    def nowhere(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return plain(*arguments, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    pointers._say_no_cache.cache_clear()
    for _ in range(2):
        assert pointers.cached()(lambda a: a + 1)(2) == 3
    assert caplog.text.count("compiled kernels can't be kept") == 1
