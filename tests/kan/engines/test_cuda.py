"""The engine "triton" against the dense reference: on a CUDA device, or else in Triton's interpreter on the CPU."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from unittest import mock

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

import kan.engines
import kan.engines.cuda
from kan import KANLayer
from kan.engines import choose_engine, spline_sum
from kan.splines import extend_grid, uniform_grid
from tests.kan.engines.test_engines import DOUBLE, INF, NAN, evaluated, problem

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

HAS_CUDA = torch.cuda.is_available()
DEVICE = "cuda" if HAS_CUDA else "cpu"
if not HAS_CUDA:
    if tuple(map(int, version("triton").split(".")[:2])) < (3, 7):
        pytest.skip("the interpreter before Triton 3.7 fails with NumPy 2.4", allow_module_level=True)
    if "triton" in sys.modules:
        pytest.skip("triton was imported before its interpreter could be asked for", allow_module_level=True)
    with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
        import kan.engines.cuda.kernels

on_device = pytest.mark.skipif(not HAS_CUDA, reason="needs a CUDA device")
# numpy, which the interpreter computes with, warns of what a GPU does without a word
pytestmark = [pytest.mark.filterwarnings(f"ignore:{what}:RuntimeWarning") for what in ("overflow", "invalid value")]


@pytest.fixture(scope="module", autouse=True)
def interpreted() -> Iterator[None]:
    """Lets the engine take tensors on the CPU where only the interpreter runs it, and leaves no trace of that."""
    if HAS_CUDA:
        yield
    else:
        environment = mock.patch.dict(os.environ, TRITON_INTERPRET="1")
        with environment, mock.patch.object(kan.engines, "triton_runs", return_value=True):
            yield


def placed(parts, dtype=DOUBLE) -> tuple[Tensor, ...]:
    return tuple(part.to(DEVICE, dtype) for part in parts)


def compare(parts, order, uniform, base) -> None:
    """Values, gradients and exact zeros."""
    dense = evaluated("dense", parts, order, uniform, base)
    ours = evaluated("triton", parts, order, uniform, base)
    tolerance = 1e-10 if parts[0].dtype == DOUBLE else 2e-4
    for name, a, b in zip(("y", "x", "c", "s", "w"), ours, dense, strict=True):
        size = float(b.abs().nan_to_num(posinf=0.0).clamp(max=1e8).max()) if b.numel() else 0.0
        torch.testing.assert_close(
            a,
            b,
            rtol=tolerance,
            atol=tolerance * (1 + size),
            equal_nan=True,
            msg=lambda text, name=name: f"{name}: {text}",
        )
    assert (ours[2][dense[2] == 0] == 0).all()


# finding the smallest failure takes the interpreter minutes
@settings(max_examples=60, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})
@given(
    kind=st.sampled_from(["uniform", "random", "repeated", "close"]),
    members=st.integers(1, 2),
    batch=st.sampled_from([0, 1, 3, 5, 40]),
    inputs=st.integers(1, 2),
    outputs=st.sampled_from([1, 2, 3, 8, 17]),
    grid_size=st.sampled_from([1, 2, 3, 7, 30]),
    order=st.integers(1, 5),
    base=st.sampled_from(["silu", "identity", "zero"]),
    dtype=st.sampled_from([torch.float32, DOUBLE]),
    seed=st.integers(0, 10**6),
)
def test_triton_is_the_reference(kind, members, batch, inputs, outputs, grid_size, order, base, dtype, seed) -> None:
    if dtype == torch.float32 and kind == "close":
        return  # slopes of 1e5 leave no digits to compare
    parts = problem(kind, members, batch, inputs, outputs, grid_size, order, seed)
    compare(placed(parts, dtype), order, kind == "uniform", base)


@pytest.mark.parametrize(
    ("batch", "inputs", "outputs", "grid_size"),
    [
        (3, 17, 2, 2),  # sums over inputs in parts
        (300, 1, 2, 3),  # sums over samples in parts, of which the last has fewer
        (3, 2, 70, 2),  # more outputs than one program takes
        (2, 1, 1, 80),  # more coefficients than one program takes
    ],
)
def test_sums_and_tiles_in_several_parts(batch, inputs, outputs, grid_size) -> None:
    parts = problem("uniform", 1, batch, inputs, outputs, grid_size, 1, 3)
    compare(placed((parts[0].clamp(-5.0, 5.0), *parts[1:])), 1, True, "silu")


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("order", [1, 3])
def test_nan_stays_nan_and_infinity_is_far_outside(order, uniform) -> None:
    knots = extend_grid(uniform_grid(-1.0, 1.0, 6), order)[None, None]
    c = torch.rand(1, 1, 6 + order, 2)
    x = torch.tensor([NAN, INF, -INF, 0.3, 1e38]).reshape(1, 5, 1)
    parts = placed((x, knots, c, torch.ones(1, 1, 2), torch.ones(1, 1, 2), torch.ones(1, 5, 2)), torch.float32)
    dense, ours = (evaluated(engine, parts, order, uniform, "zero") for engine in ("dense", "triton"))
    for part in ours[:2]:
        assert part[0, 0].isnan().all()
        assert (part[0, [1, 2, 4]] == 0).all()
        assert part[0, 3].isfinite().all()
    assert torch.equal(ours[2].isnan(), dense[2].isnan())


@pytest.mark.parametrize(("kind", "order", "base"), [("uniform", 3, "silu"), ("random", 2, "zero")])
def test_first_and_second_derivatives(kind, order, base) -> None:
    x, knots, *weights, _ = placed(problem(kind, 1, 2, 1, 2, 2, order, 5))
    low, high = knots[:, None, :, order], knots[:, None, :, -1 - order]
    x = low + torch.tensor([0.2, 0.7], dtype=DOUBLE, device=DEVICE)[None, :, None] * (high - low)
    leaves = [part.requires_grad_() for part in (x, *weights)]

    def function(x, c, s, w) -> Tensor:
        options = {"uniform": kind == "uniform", "scale": s, "base": base, "engine": "triton"}
        return spline_sum(x, knots, c, order, base_weight=w, **options)

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_gradients_that_nobody_wants_are_not_made() -> None:
    x, knots, *weights, upstream = placed(problem("uniform", 2, 9, 2, 3, 5, 2, 0))
    parts = [x, *weights]
    full = evaluated("triton", (x, knots, *weights, upstream), 2, True, "silu")[1:]
    options = {"uniform": True, "base": "silu", "engine": "triton"}
    for index in range(4):
        leaves = [part.detach().clone().requires_grad_(index == j) for j, part in enumerate(parts)]
        y = spline_sum(leaves[0], knots, leaves[1], 2, scale=leaves[2], base_weight=leaves[3], **options)
        with mock.patch.object(kan.engines.cuda, "_backward_inputs", wraps=kan.engines.cuda._backward_inputs) as made:
            y.backward(upstream)
        assert made.call_count == (index == 0)
        assert [leaf.grad is not None for leaf in leaves] == [index == j for j in range(4)]
        torch.testing.assert_close(leaves[index].grad, full[index], rtol=0, atol=0)


def test_without_scale_it_is_one() -> None:
    x, knots, c, _, w, _ = placed(problem("uniform", 2, 9, 2, 3, 5, 2, 0))
    bare = spline_sum(x, knots, c, 2, uniform=True, engine="triton")
    ones = spline_sum(x, knots, c, 2, uniform=True, scale=torch.ones_like(w), engine="triton")
    assert torch.equal(bare, ones)


def test_memory_layouts_make_no_difference() -> None:
    x, knots, c, s, w, upstream = placed(problem("random", 3, 20, 2, 3, 4, 2, 3))
    plain = evaluated("triton", (x, knots, c, s, w, upstream), 2, False, "silu")
    swapped = tuple(part.transpose(-1, -2).contiguous().transpose(-1, -2) for part in (x, knots, c, s, w, upstream))
    wide = torch.cat([x, x], dim=1)[:, :20]
    for parts in (swapped, (wide, knots, c, s, w, upstream)):
        assert all(map(torch.equal, plain, evaluated("triton", parts, 2, False, "silu")))
    shared = x[:1].expand(3, 20, 2)
    options = {"scale": s, "base": "silu", "base_weight": w, "engine": "triton"}
    assert torch.equal(
        spline_sum(shared, knots, c, 2, **options), spline_sum(shared.contiguous(), knots, c, 2, **options)
    )
    ones = torch.ones((), dtype=DOUBLE, device=DEVICE).expand(upstream.shape)  # what sum().backward() sends
    first = evaluated("triton", (x, knots, c, s, w, ones), 2, False, "silu")
    assert all(map(torch.equal, first, evaluated("triton", (x, knots, c, s, w, ones.contiguous()), 2, False, "silu")))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_a_member_is_the_same_alone_to_the_last_bit(dtype) -> None:
    *parts, upstream = placed(problem("random", 3, 20, 3, 3, 5, 2, 3), dtype)
    together = evaluated("triton", (*parts, upstream), 2, False, "silu")
    alone = evaluated("triton", tuple(part[2:3] for part in (*parts, upstream)), 2, False, "silu")
    assert all(torch.equal(p[2:3], q) for p, q in zip(together, alone, strict=True))


def test_gradient_is_exactly_zero_away_from_the_samples() -> None:
    layer = KANLayer(1, 2, 40, engine="triton", device=DEVICE)
    x = 0.1 * torch.rand(1, 20, 1, device=DEVICE) + 0.33
    layer(x).square().sum().backward()
    knots = layer.knots[0, 0]
    reached = (knots[4:] > 0.33) & (knots[:-4] < 0.43)
    assert (layer.coefficients.grad[:, :, ~reached] == 0).all()
    assert (layer.coefficients.grad[:, :, reached].abs().amax() > 0).all()


def test_backward_twice_and_without_graph() -> None:
    layer = KANLayer(2, 3, 2, engine="triton", dtype=DOUBLE, device=DEVICE)
    x = torch.rand(1, 7, 2, dtype=DOUBLE, device=DEVICE)
    y = layer(x)
    first = torch.autograd.grad(y.sum(), layer.coefficients, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(y.sum(), layer.coefficients)[0])
    with torch.no_grad():
        assert torch.equal(layer(x), y)
    with torch.inference_mode():
        assert torch.equal(layer(x), y)


def test_auto_takes_it_on_cuda_devices_only() -> None:
    assert choose_engine(torch.rand(1, 2, 3)) == "local"
    with mock.patch.object(kan.engines, "triton_runs", kan.engines.cuda.triton_runs):
        assert choose_engine(torch.rand(1, 2, 3, device="meta")) == "dense"
        if HAS_CUDA and torch.cuda.get_device_capability() >= (8, 0):
            assert choose_engine(torch.rand(1, 2, 3, device="cuda")) == "triton"
            assert choose_engine(torch.rand(1, 2, 3, device="cuda").half()) == "dense"
        layer = KANLayer(2, 3, engine="triton")
        with pytest.raises(ValueError, match=r"engine 'triton' needs .* got torch.float32 on cpu") as caught:
            layer(torch.rand(1, 4, 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("found", "enough"), [("3.4.1", False), ("3.5.0", True), ("3.10.0", True), ("4.0.0", True)])
def test_old_triton_counts_as_none(found, enough) -> None:
    with mock.patch.object(kan.engines.cuda, "version", return_value=found):
        assert kan.engines.cuda._installed.__wrapped__() is enough


def test_triton_waits_until_it_is_used() -> None:
    code = "import sys, kan; kan.KAN(2, 1, engine='dense'); assert 'triton' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


COMPILE = """
from types import SimpleNamespace
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction
from kan.engines.cuda import triton_sum

target = GPUTarget("cuda", 80, 32)
triton.runtime.driver.set_active(SimpleNamespace(
    get_current_device=lambda: 0, get_current_stream=lambda device: 0, get_current_target=lambda: target))
run, compiled = JITFunction.run, set()
def compile_only(kernel, *arguments, **options):
    compiled.add(kernel.fn.__name__)
    assert run(kernel, *arguments, **{**options, "warmup": True}).asm["cubin"]
JITFunction.run = compile_only
for order, outputs, uniform, base, dtype in ((3, 5, True, "silu", torch.float32), (2, 1, False, "zero", torch.float64)):
    knots = torch.linspace(0, 1, 40, dtype=dtype).expand(2, 17, 40)
    shapes = ((2, 3, 17), (2, 17, 39 - order, outputs), (2, 17, outputs), (2, 17, outputs))
    x, c, s, w = (torch.rand(*shape, dtype=dtype, requires_grad=True) for shape in shapes)
    triton_sum(x, knots, c, s, w, order, uniform, base).sum().backward()
assert compiled == {"forward", "backward_inputs", "backward_weights", "finish_weights", "add_parts"}, compiled
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton brings its assembler on Linux only")
def test_every_kernel_compiles_for_a_device_that_is_not_there(tmp_path) -> None:
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", COMPILE], check=True, env=environment
    )


@on_device
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_same_bits_twice_at_full_size(dtype) -> None:
    parts = placed(problem("uniform", 3, 5000, 20, 33, 40, 3, 7), dtype)
    first, second = (evaluated("triton", parts, 3, True, "silu") for _ in range(2))
    assert all(map(torch.equal, first, second))
    alone = evaluated("triton", tuple(part[2:3] for part in parts), 3, True, "silu")
    assert all(torch.equal(p[2:3], q) for p, q in zip(first, alone, strict=True))


@on_device
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("kind", ["uniform", "random"])
def test_large_layers_are_the_reference(kind, dtype) -> None:
    parts = problem(kind, 2, 3000, 30, 70, 100, 3, 1)
    compare(placed((parts[0].clamp(-20.0, 20.0), *parts[1:]), dtype), 3, kind == "uniform", "silu")


@on_device
def test_training_steps_fit_in_a_cuda_graph() -> None:
    layers = [KANLayer(3, 4, 6, members=2, engine="triton", device="cuda") for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.rand(2, 50, 3, device="cuda")

    def step(layer) -> None:
        gradients = torch.autograd.grad(layer(x).square().mean(), list(layer.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient

    step(layers[0])  # compiles; what follows in the graph starts from there
    for _ in range(5):
        step(layers[0])
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step(layers[1])
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(layers[1])
    for _ in range(5):
        graph.replay()
    assert all(map(torch.equal, layers[0].parameters(), layers[1].parameters()))
