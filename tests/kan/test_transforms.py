"""Models outside plain eager code: compiled, exported, transformed, converted: right values and gradients, or one line.

What works is written down in docs/transforms.md, whose table these tests hold to.
"""

import copy
import io
import pickle
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.utils.checkpoint import checkpoint

from kan import KAN, RBFKAN, ChebyshevKAN, FourierKAN, KANLayer
from kan.edge_network import EdgeNetwork
from kan.engines import spline_sum
from kan.pruning.removal import prune
from kan.pruning.sizes import edge_l1, edge_std
from kan.pruning.sparsity import SparsityPenalty
from kan.symbolic.conversion import symbolify
from kan.symbolic.edges import edge_samples
from mlp_baselines import (
    MLP,
    SIREN,
    Elephant,
    FourierFeatures,
    FuzzyTiling,
    RBFLattice,
    RBFNetwork,
    SplineMLP,
    TensorSpline,
)

pytestmark = [  # torch's own: it scripts a part of itself for forward mode, and copies batches to search in them
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*searchsorted.*non-contiguous:UserWarning"),
]

DTYPES = [torch.float32, torch.float64]
FAMILIES: dict[str, Callable[..., nn.Module]] = {
    "KAN, G=5": lambda **options: KAN(2, 1, grid_size=5, **options),
    "KAN, G=200": lambda **options: KAN(2, 1, grid_size=200, **options),
    "KAN, dense": lambda **options: KAN(2, 1, grid_size=5, engine="dense", **options),
    "KAN, local": lambda **options: KAN(2, 1, grid_size=200, engine="local", **options),
    "Gaussian": lambda **options: RBFKAN(2, 1, **options),
    "Chebyshev": lambda **options: ChebyshevKAN(2, 1, **options),
    "Fourier": lambda **options: FourierKAN(2, 1, **options),
    "MLP": lambda **options: MLP(2, 1, width=5, **options),
    "spline MLP": lambda **options: SplineMLP(2, 1, width=5, **options),
    "MLP, LayerNorm": lambda **options: MLP(2, 1, width=5, layer_norm=True, **options),
    "MLP, elephants": lambda **options: MLP(2, 1, 5, 2, Elephant(0.5), **options),
    "MLP, tiles": lambda **options: MLP(2, 1, 5, 2, FuzzyTiling(6), **options),
    "SIREN": lambda **options: SIREN(2, 1, width=5, **options),
    "Gaussian lattice": lambda **options: RBFLattice(2, 1, grid_size=4, **options),
    "Gaussian network": lambda **options: RBFNetwork(2, 1, width=5, **options),
    "tensor product": lambda **options: TensorSpline(2, 1, grid_size=5, **options),
    "Fourier features": lambda **options: FourierFeatures(2, 1, width=9, **options),
}
TRANSFORMABLE = [name for name in FAMILIES if name != "KAN, local"]
STEEP = {"KAN, G=200": 1e4, "KAN, local": 1e4, "KAN, dense": 10.0, "SIREN": 1e3}
"""How much more than a number of order one a derivative of random splines is, per family."""


def build(name: str, dtype: torch.dtype = torch.float64, members: int = 1) -> tuple[nn.Module, Tensor]:
    generators = [torch.Generator().manual_seed(seed) for seed in range(members)]
    x = 1.8 * torch.rand(20, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64) - 0.9
    return FAMILIES[name](dtype=dtype, members=members, generators=generators), x.to(dtype)


def values_and_gradients(call: Callable[[Tensor], Tensor], model: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    model.zero_grad(set_to_none=True)
    y = call(x)
    y.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return [y.detach(), x.grad, *gradients]


def near(found: Tensor, expected: Tensor, name: str = "") -> None:
    eps = torch.finfo(expected.dtype).eps
    scale = float(expected.detach().abs().max()) + 1.0
    torch.testing.assert_close(found, expected, rtol=0.0, atol=64 * eps * scale * STEEP.get(name, 1.0))


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_equals_eager(name, dtype) -> None:
    model, x = build(name, dtype, members=2)
    expected = values_and_gradients(model, model, x)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for found, right in zip(values_and_gradients(compiled, model, x), expected, strict=True):
        near(found, right)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings("ignore")  # inductor's own, which differ between releases
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_by_inductor_equals_eager(name, dtype) -> None:
    model, x = build(name, dtype, members=2)
    expected = values_and_gradients(model, model, x)
    for found, right in zip(values_and_gradients(torch.compile(model), model, x), expected, strict=True):
        near(found, right)


@pytest.mark.usefixtures("fresh_compiler")
def test_a_model_compiled_after_it_ran_equals_itself() -> None:
    model = KAN(2, 1)
    x = torch.rand(10, 2)
    expected = model(x)
    compiled = torch.compile(model, backend="eager")
    for _ in range(3):
        assert torch.equal(compiled(x), expected)
    with torch.no_grad():
        assert torch.equal(compiled(x), expected)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the compiler's own look at what it goes on with
def test_a_compiler_that_gave_up_goes_on_by_the_operator() -> None:
    """Where a compiler leaves a function to Python, it takes those that this one calls, one by one."""
    model, x = build("KAN, G=200")
    expected = values_and_gradients(model, model, x)
    _, tangent = jvp(torch.compile(model, backend="aot_eager"), (x,), (torch.ones_like(x),))  # it gives up on this
    near(tangent, jvp(model, (x,), (torch.ones_like(x),))[1], "KAN, G=200")
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for found, right in zip(values_and_gradients(compiled, model, x), expected, strict=True):
        near(found, right)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize(
    "name", ["KAN, G=5", *(pytest.param(n, marks=pytest.mark.slow) for n in ("KAN, local", "spline MLP"))]
)
def test_gradients_of_gradients_of_compiled_models(name) -> None:
    model, x = build(name)

    def twice(call: Callable[[Tensor], Tensor]) -> Tensor:
        z = x.clone().requires_grad_()
        first = torch.autograd.grad(call(z).sum(), z, create_graph=True)[0]
        return torch.autograd.grad(first.square().sum(), z)[0]

    near(twice(torch.compile(model, backend="eager")), twice(model), name)
    with pytest.raises(RuntimeError):  # ahead of time torch compiles first gradients only, and says so
        twice(torch.compile(model, backend="aot_eager"))


@pytest.mark.parametrize("name", TRANSFORMABLE)
def test_transforms_of_functions(name) -> None:
    model, x = build(name)
    y = model(x)[0]
    z = x.clone().requires_grad_()
    rows = torch.stack([torch.autograd.grad(model(z)[0, i, 0], z)[0][i] for i in range(len(x))])

    def one(point: Tensor) -> Tensor:
        return model(point[None])[0, 0]

    near(vmap(one)(x), y, name)
    near(vmap(jacrev(one))(x)[:, 0], rows, name)
    near(vmap(jacfwd(one))(x)[:, 0], rows, name)
    _, tangent = jvp(lambda points: model(points)[0], (x,), (torch.ones_like(x),))
    near(tangent[:, 0], rows.sum(1), name)
    twice = torch.autograd.functional.hessian(lambda point: one(point)[0], x[0])
    near(hessian(lambda point: one(point)[0])(x[0]), twice, name)
    vectorized = torch.autograd.functional.jacobian(lambda points: model(points)[0, :, 0], x, vectorize=True)
    near(vectorized.diagonal(dim1=0, dim2=1).T, rows, name)


@pytest.mark.parametrize("name", TRANSFORMABLE)
def test_gradients_of_functional_calls(name) -> None:
    model, x = build(name, members=3)
    parameters = {key: p.detach() for key, p in model.named_parameters() if p.requires_grad}
    found = grad(lambda p: functional_call(model, p, (x,)).square().sum())(parameters)
    values_and_gradients(model, model, x)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            near(found[key], parameter.grad, name)


@pytest.mark.parametrize("name", TRANSFORMABLE)
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("graph", [False, True])
def test_forward_mode_is_never_zero_without_reason(name, frozen, graph) -> None:
    model, x = build(name)
    z = x.clone().requires_grad_()
    expected = torch.autograd.grad(model(z).sum(), z)[0].sum(1)
    model.requires_grad_(not frozen)
    with forward_ad.dual_level(), torch.set_grad_enabled(graph):
        tangent = forward_ad.unpack_dual(model(forward_ad.make_dual(x, torch.ones_like(x)))).tangent
    assert tangent is not None
    near(tangent[0, :, 0], expected, name)


@pytest.mark.parametrize("name", TRANSFORMABLE)
@pytest.mark.parametrize("strict", [False, True])
def test_exported_equals_eager(name, strict) -> None:
    model, x = build(name)
    batch = torch.export.Dim("batch", min=2, max=4096)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: batch},), strict=strict).module()
    near(exported(x), model(x), name)
    near(exported(torch.cat([x, x])), model(torch.cat([x, x])), name)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # sizes that are compared stay what they are
@pytest.mark.parametrize("name", TRANSFORMABLE)
def test_traced_equals_eager(name) -> None:
    model, x = build(name)
    traced = torch.jit.trace(model, (x,), check_trace=False)
    near(traced(0.9 * x), model(0.9 * x), name)


def test_an_engine_that_can_not_says_so() -> None:
    model, x = build("KAN, local")
    with pytest.raises(ValueError, match=r"engine .local. has no rules for torch\.func transforms") as caught:
        vmap(lambda point: model(point[None])[0, 0])(x)
    assert "\n" not in str(caught.value)
    with forward_ad.dual_level(), pytest.raises(ValueError, match="use 'auto' or 'dense'"):
        model(forward_ad.make_dual(x, torch.ones_like(x)))


def test_modes_that_watch_operations_see_the_operation() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    model, x = build("KAN, G=200")
    expected = model(x)
    with Watching():
        found = model(x)
    assert torch.equal(found, expected)
    assert any("kan.spline_sum" in name for name in seen)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert model(mode.from_tensor(x)).shape == expected.shape


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("base", ["zero", "identity", "silu"])
def test_the_operator_passes_torchs_own_checks(uniform, base) -> None:
    import kan.engines.operators  # noqa: F401 # registers it

    layer = KANLayer(3, 2, grid_size=4, base=base, members=2, dtype=torch.float64)
    if not uniform:
        layer.update_grid(torch.randn(50, 3, dtype=torch.float64))
    x = torch.rand(2, 5, 3, dtype=torch.float64, requires_grad=True)
    arguments = (x, layer.knots, layer.coefficients, layer.spline_scale, layer.base_weight, 3, uniform, base, "local")
    torch.library.opcheck(torch.ops.kan.spline_sum.default, arguments)
    plain = spline_sum(
        x, layer.knots, layer.coefficients, 3, uniform=uniform, scale=layer.spline_scale, base=base,
        base_weight=layer.base_weight,
    )  # fmt: skip
    assert torch.equal(torch.ops.kan.spline_sum(*arguments), plain)


@pytest.mark.parametrize("name", FAMILIES)
def test_conversions_and_copies_predict_the_same_as_what_is_loaded(name) -> None:
    model, x = build(name, torch.float32, members=2)
    there = model.double()
    x = x.double()
    fresh, _ = build(name, torch.float64, members=2)
    fresh.load_state_dict(there.state_dict())
    buffer = io.BytesIO()
    torch.save(there, buffer)
    buffer.seek(0)
    pickled = pickle.loads(pickle.dumps(there))
    saved = torch.load(buffer, weights_only=False)
    assigned, _ = build(name, torch.float64, members=2)
    assigned.load_state_dict(there.state_dict(), assign=True)
    for other in (fresh, pickled, saved, assigned, copy.deepcopy(there)):
        assert torch.equal(other(x), there(x))
        assert all(
            torch.equal(a, b)
            for a, b in zip(values_and_gradients(other, other, x), values_and_gradients(there, there, x), strict=True)
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in STEEP])
def test_half_precision_is_near(name, dtype) -> None:
    model, x = build(name)
    half = copy.deepcopy(model).to(dtype)
    assert half(x.to(dtype)).dtype == dtype
    expected = model.to(dtype).double()(x.to(dtype).double())
    torch.testing.assert_close(half(x.to(dtype)).double(), expected, rtol=0, atol=40 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("name", FAMILIES)
def test_autocast_takes_what_other_modules_give(name) -> None:
    model, x = build(name, torch.float32)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near_enough = model(x).float()
        given = model(x.bfloat16()).float()
    tolerance = 0.05 * float(expected.detach().abs().max()) + 0.05
    torch.testing.assert_close(near_enough, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(given, model(x.bfloat16().float()), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", FAMILIES)
def test_inference_mode_hooks_and_checkpoints(name) -> None:
    model, x = build(name)
    with torch.inference_mode():
        inferred = model(x)
    expected = values_and_gradients(model, model, x)
    assert torch.equal(inferred, expected[0])
    calls = []
    handles = [
        model.register_forward_hook(lambda *_: calls.append("forward")),
        model.register_full_backward_hook(lambda *_: calls.append("backward")),
    ]
    for found, right in zip(values_and_gradients(model, model, x), expected, strict=True):
        assert torch.equal(found, right)
    assert calls == ["forward", "backward"]
    for handle in handles:
        handle.remove()
    again = values_and_gradients(lambda z: checkpoint(model, z, use_reentrant=False), model, x)
    for found, right in zip(again, expected, strict=True):
        assert torch.equal(found, right)


@pytest.mark.parametrize("name", FAMILIES)
def test_threads_may_share_a_model(name) -> None:
    model, x = build(name, members=2)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    expected = [torch.autograd.grad(model(x * k).sum(), trained) for k in (1, 0.5)]
    wrong = []

    def work(k: int) -> None:
        scale = (1, 0.5)[k % 2]
        for _ in range(5):
            found = torch.autograd.grad(model(x * scale).sum(), trained)
            if not all(torch.equal(a, b) for a, b in zip(found, expected[k % 2], strict=True)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_of_another_type_are_answered_with_the_conversion(name) -> None:
    model, x = build(name, torch.float32)
    for entrance in entrances(model):
        for bad in (x.numpy(), x.tolist(), 3.0, None):
            with pytest.raises(TypeError, match=r"a tensor as input, got \w+; convert it: torch.as_tensor") as e:
                entrance(bad)
            assert "dtype=torch.float32" in str(e.value)
            assert "\n" not in str(e.value)
        for dtype in (torch.float64, torch.int64, torch.bool, torch.complex64, torch.bfloat16):
            said = re.escape(f"is {dtype}, but the model computes in torch.float32")
            with pytest.raises(ValueError, match=said) as e:
                entrance(x.to(dtype))
            assert "x.to(torch.float32)" in str(e.value)
            assert "\n" not in str(e.value)
        for shape in ((20, 1), (20, 3), (20,), (2, 20, 2), (1, 1, 20, 2)):
            with pytest.raises(ValueError, match="expected input of shape"):
                entrance(torch.zeros(shape))
        with pytest.raises(TypeError, match=r"expected a dense tensor as input.*x\.to_dense\(\)"):
            entrance(x.to_sparse())
        with pytest.raises(ValueError, match="the input is on meta, but the model is on cpu"):
            entrance(x.to("meta"))


def entrances(model: nn.Module) -> list[Callable[[Tensor], object]]:
    """Whatever takes samples."""
    found: list[Callable[[Tensor], object]] = [model, model.jacobian]
    if isinstance(model, KAN | SplineMLP):
        found.append(model.update_grid)
    if isinstance(model, SplineMLP):
        found += [model.pre_activations, model.outside]
    if isinstance(model, EdgeNetwork):
        found += [model.activations, lambda x: prune(model, x), lambda x: symbolify(model, x)]
        found += [lambda x: SparsityPenalty(1.0)(model, x), lambda x: edge_samples(model, 0, 0, 0, x)]
        found += [lambda x, measure=measure: measure(model.layer(0), x) for measure in (edge_l1, edge_std)]
    if isinstance(model, KAN):
        found += [lambda x: model.refine(300, x), model.extend_domain, model.layer(0).edge_values]
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_without_memory_is_filled_by_loading(name) -> None:
    model, x = build(name)
    for assign in (False, True):
        empty, _ = build(name)
        empty = empty.to("meta") if assign else empty.to("meta").to_empty(device="cpu")
        empty.load_state_dict(model.state_dict(), assign=assign)
        assert torch.equal(empty(x), model(x))


def test_knots_that_a_dtype_can_not_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match=r"torch\.float32 can't tell knots so close apart"):
        KAN(1, 1, grid_range=(1e6, 1e6 + 1e-3), dtype=torch.float32)
    with pytest.raises(ValueError, match=r"torch\.float32 can't tell"):
        KANLayer(1, 1, grid=torch.tensor([0.0, 1e-9, 1.0], dtype=torch.float64) + 1.0, dtype=torch.float32)
    fine = KAN(1, 1, grid_size=1000, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"torch\.bfloat16 can't tell"):
        fine.bfloat16()
    with pytest.raises(ValueError, match="float64"):
        SplineMLP(1, 1, width=2, grid_range=(1e6, 1e6 + 1e-3), dtype=torch.float32)


def test_models_can_be_moved_to_meta() -> None:
    for name in FAMILIES:
        model, x = build(name)
        if name != "KAN, local":  # has no memory to read there, and says so
            assert model.to("meta")(x.to("meta")).shape == (1, 20, 1)


def test_the_page_names_every_family() -> None:
    page = (Path(__file__).parents[2] / "docs" / "transforms.md").read_text(encoding="utf-8")
    for word in ("torch.compile", "torch.export", "torch.func", "torch.jit.trace", "autocast", "engine=local"):
        assert word in page
