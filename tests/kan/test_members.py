"""One member as an ordinary module: shapes, gradients, names, for every family."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call

from kan import KAN, KANLayer, Single
from kan.pruning.removal import prune
from kan.symbolic.edges import fix_symbolic
from tests.kan.test_transforms import FAMILIES, build

LAYER = "one layer"


def stack(name: str, members: int) -> nn.Module:
    if name == LAYER:
        return KANLayer(2, 1, members=members, dtype=torch.float64)
    return build(name, members=members)[0]


@pytest.mark.parametrize("name", [*FAMILIES, LAYER])
def test_a_single_member_has_no_member_axis(name) -> None:
    model = stack(name, 3)
    x = 1.8 * torch.rand(4, 5, 2, dtype=torch.float64) - 0.9
    for member in range(3):
        single = Single(model, member)
        expected = model(x.flatten(0, 1))[member]
        assert torch.equal(single(x.flatten(0, 1)), expected)
        assert torch.equal(single(x), expected.unflatten(0, (4, 5)))
        torch.testing.assert_close(single(x[1, 2]), expected[7], rtol=1e-12, atol=1e-12)
        assert single(x[:0]).shape == (0, 5, 1)


@pytest.mark.parametrize("name", [*FAMILIES, LAYER])
def test_gradients_are_those_of_the_stack_and_reach_no_other_member(name) -> None:
    model, x = stack(name, 2), 1.8 * torch.rand(30, 2, dtype=torch.float64) - 0.9
    y = torch.rand(30, 1, dtype=torch.float64)
    (model(x)[1] - y).square().mean().backward()
    expected = [p.grad for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    nn.functional.mse_loss(Single(model, 1)(x), y).backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        if gradient is None:
            assert parameter.grad is None
            continue
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-12)
        assert not parameter.grad[0].any()


@pytest.mark.parametrize("name", [*FAMILIES, LAYER])
def test_the_state_dict_is_that_of_the_stack(name) -> None:
    model, other = stack(name, 1), stack(name, 1)
    x = torch.rand(9, 2, dtype=torch.float64)
    single = Single(model)
    assert list(single.state_dict()) == list(model.state_dict())
    for source, target in ((single, Single(copy.deepcopy(other))), (model, Single(copy.deepcopy(other)))):
        target.load_state_dict(source.state_dict())
        assert torch.equal(target(x), single(x))
    outer, inner = nn.Sequential(nn.Identity(), Single(copy.deepcopy(other))), nn.Sequential(nn.Identity(), single)
    assert list(inner.state_dict()) == [f"1.{key}" for key in model.state_dict()]
    outer.load_state_dict(inner.state_dict())
    assert torch.equal(outer(x), single(x))
    for twin in (copy.deepcopy(single), pickle.loads(pickle.dumps(single))):
        assert torch.equal(twin(x), single(x))


def test_a_state_dict_of_another_shape_is_refused_by_name() -> None:
    single, state = Single(KAN(2, 1)), KAN(2, 1).state_dict()
    first = next(iter(state))
    with pytest.raises(RuntimeError, match="Missing key"):
        single.load_state_dict({key: value for key, value in state.items() if key != first})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        single.load_state_dict({**state, "else": torch.zeros(1)})
    assert next(iter(state)) == first  # and is not changed


def test_pruned_networks_formulas_and_functional_calls() -> None:
    torch.manual_seed(0)
    model, x = KAN(2, 1, dtype=torch.float64), 2.0 * torch.rand(200, 2, dtype=torch.float64) - 1.0
    smaller, _ = prune(model, x)
    assert torch.equal(Single(smaller)(x), smaller(x)[0])
    fix_symbolic(model, 0, 0, 0, "sin", x)
    single = Single(model)
    assert torch.equal(single(x), model(x)[0])
    assert torch.equal(functional_call(single, dict(single.named_parameters()), (x,)), model(x)[0])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_it_is_one_graph() -> None:
    torch._dynamo.reset()
    single, x = Single(KAN(2, 1, grid_size=200)), torch.rand(20, 2)
    compiled = torch.compile(single, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), single(x))
    torch._dynamo.reset()


def test_what_it_can_not_take_is_one_line() -> None:
    with pytest.raises(ValueError, match="has 3 members; say which one, member=0 to 2"):
        Single(KAN(2, 1, members=3))
    with pytest.raises(ValueError, match="between 0 and 0, got 1"):
        Single(KAN(2, 1), 1)
    single = Single(KAN(2, 1))
    for shape in ((), (3,), (4, 3), (2, 5, 3)):
        with pytest.raises(ValueError, match=r"expected input of shape \(\*, 2\)"):
            single(torch.zeros(shape))
    with pytest.raises(TypeError, match="expected a tensor"):
        single([[0.0, 1.0]])
    with pytest.raises(ValueError, match="convert the input"):
        single(torch.zeros(4, 2, dtype=torch.float64))
