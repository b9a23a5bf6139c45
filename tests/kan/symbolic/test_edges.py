"""Edges that follow formulas: values, gradients, fixing and releasing, members, nodes and state dicts."""

import math

import pytest
import torch
from torch.testing import assert_close

from kan import KAN, KANLayer
from kan.symbolic.edges import SymbolicEdges, fix_symbolic, release_symbolic
from kan.symbolic.functions import LIBRARY, SymbolicFunction, add_function, find_function

DOUBLE = torch.float64
NAMES = ("sin", "exp", "x^2", "J0", "0")


def edges_of_all_kinds(members=2, inputs=3, outputs=2) -> SymbolicEdges:
    """Some edges that follow a random formula, some that are free."""
    edges = SymbolicEdges(members, inputs, outputs, dtype=DOUBLE)
    for name in NAMES:
        some = torch.rand(members, inputs, outputs) < 0.25
        edges.fix(some, find_function(name), torch.randn(members, inputs, outputs, 4, dtype=DOUBLE))
    edges.fix(one(edges, 0, 0, 0), find_function("tanh"), torch.randn(members, inputs, outputs, 4, dtype=DOUBLE))
    edges.release(one(edges, 1, 1, 1))
    return edges


def one(edges: SymbolicEdges, *place) -> torch.Tensor:
    chosen = torch.zeros_like(edges.fixed)
    chosen[place] = True
    return chosen


def edge_by_edge(edges: SymbolicEdges, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    values = torch.zeros(*edges.function.shape, x.shape[1], dtype=x.dtype)
    for m, i, o in edges.fixed.nonzero().tolist():
        a, b, c, d = edges.affine[m, i, o].tolist()
        if mask is None or mask[m, i, o]:
            values[m, i, o] = c * edges.function_at(m, i, o)(a * x[m, :, i] + b) + d
    return values.permute(0, 3, 1, 2)


@pytest.mark.parametrize("masked", [False, True])
def test_values_are_the_formulas(masked) -> None:
    edges = edges_of_all_kinds()
    mask = (torch.rand(2, 3, 2) > 0.3).to(DOUBLE) if masked else None
    x = torch.randn(2, 7, 3, dtype=DOUBLE)
    assert_close(edges.edge_values(x, mask), edge_by_edge(edges, x, mask))
    assert_close(edges(x, mask), edge_by_edge(edges, x, mask).sum(2))
    assert not edges.complete(mask)
    assert edges.function_at(1, 1, 1) is None


def test_gradients() -> None:
    edges = edges_of_all_kinds()
    mask = torch.ones(2, 3, 2, dtype=DOUBLE)
    mask[0, 0, 0] = 0.0
    x = torch.randn(2, 5, 3, dtype=DOUBLE, requires_grad=True)
    affine = edges.affine.detach().clone().requires_grad_()

    def function(x: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(edges, {"affine": affine}, (x, mask))

    assert torch.autograd.gradcheck(function, (x, affine))
    edges(x, mask).square().sum().backward()
    acting = edges.fixed & (mask != 0)
    assert (edges.affine.grad[~acting] == 0).all()
    assert (edges.affine.grad[..., 3][acting] != 0).all()


def test_masked_formulas_are_zero_even_where_they_overflow() -> None:
    edges = SymbolicEdges(1, 1, 2, dtype=DOUBLE)
    edges.fix(torch.ones(1, 1, 2, dtype=torch.bool), find_function("exp"), torch.ones(1, 1, 2, 4))
    x = torch.full((1, 3, 1), 1e4, dtype=DOUBLE, requires_grad=True)
    y = edges(x, torch.tensor([[[0.0, 0.0]]], dtype=DOUBLE))
    assert (y == 0).all()
    assert (edges.edge_values(x, torch.tensor([[[0.0, 1.0]]], dtype=DOUBLE))[..., 0] == 0).all()
    assert edges.complete(torch.tensor([[[0.0, 0.0]]], dtype=DOUBLE))


def test_what_is_evaluated_follows_every_change() -> None:
    edges, other = edges_of_all_kinds(), edges_of_all_kinds()
    mask = torch.ones(2, 3, 2, dtype=DOUBLE)
    x = torch.randn(2, 5, 3, dtype=DOUBLE)
    before = edges(x, mask)
    mask[0, 0, 0] = 0.0
    assert_close(before - edges(x, mask), edges.edge_values(x, 1.0 - mask).sum(2))
    edges.load_state_dict(other.state_dict())
    assert torch.equal(edges(x, None), other(x, None))
    edges.release(torch.ones_like(edges.fixed))
    assert (edges(x, None) == 0).all()
    with torch.inference_mode():
        inside = edges_of_all_kinds()
        inside(x, None)
        inside.release(torch.ones_like(inside.fixed))
        assert (inside(x, None) == 0).all()


def trained_looking_model(members=2) -> KAN:
    model = KAN(2, 1, width=3, grid_size=6, members=members, dtype=DOUBLE)
    live = torch.ones(members, 2, 3, dtype=torch.bool)
    live[0, 1, 2] = False
    model.layer(0).set_mask(live)
    return model


def test_fixed_edges_follow_the_formula_and_released_ones_are_what_they_were() -> None:
    model, x = trained_looking_model(), 2 * torch.rand(2, 50, 2, dtype=DOUBLE) - 1
    before = model(x)
    inside = model.layer(0)(x)
    fix_symbolic(model, 0, 1, 0, "sin", affine=(2.0, 0.5, -1.5, 0.25))
    layer = model.layer(0)
    values = layer.edge_values(x)
    assert_close(values[:, :, 1, 0], -1.5 * torch.sin(2.0 * x[..., 1] + 0.5) + 0.25)
    assert_close(values.sum(2), layer(x), rtol=1e-12, atol=1e-14)
    assert_close(layer(x)[..., 1:], inside[..., 1:], rtol=0, atol=0)
    release_symbolic(model, 0, 1, 0)
    assert layer.symbolic is None
    assert torch.equal(model(x), before)


def test_one_member_can_be_fixed_and_released_by_itself() -> None:
    model, x = trained_looking_model(), 2 * torch.rand(50, 2, dtype=DOUBLE) - 1
    before = model(x)
    r2 = fix_symbolic(model, 1, 0, 0, "x", x, member=1)
    fix_symbolic(model, 1, 1, 0, "x", x)
    assert r2.shape == (1,)
    release_symbolic(model, 1, 1, 0)
    after = model(x)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])
    release_symbolic(model, 1, member=1)
    assert torch.equal(model(x), before)


def test_fixing_fits_what_the_edge_is() -> None:
    model, x = trained_looking_model(), 2 * torch.rand(2, 300, 2, dtype=DOUBLE) - 1
    layer = model.layer(1)
    hidden = model.layer(0)(x)
    inputs = hidden[..., 2:3]
    target = 0.3 * torch.tanh(2.0 * inputs - 0.4) + 0.1
    with torch.no_grad():  # the least-squares spline
        layer.base_weight[:, 2] = 0.0
        layer.coefficients[:, 2] = torch.linalg.pinv(layer.basis(hidden)[:, :, 2]) @ target
    assert_close(layer.edge_values(hidden)[:, :, 2], target, rtol=0, atol=1e-2)
    before = model(x)
    assert (fix_symbolic(model, 1, 2, 0, "tanh", x) > 0.999).all()
    assert_close(model(x), before, rtol=0, atol=1e-2)
    again = fix_symbolic(model, 1, 2, 0, "tanh", x)  # what follows a formula is fitted by it exactly
    assert_close(again, torch.ones(2, dtype=DOUBLE), rtol=0, atol=1e-12)


def test_a_layer_of_formulas_does_without_its_splines() -> None:
    layer = KANLayer(1, 2, members=2, dtype=DOUBLE)
    live = torch.tensor([[[True, False]], [[True, True]]])
    layer.set_mask(live)
    layer.symbolic = SymbolicEdges(2, 1, 2, dtype=DOUBLE)
    layer.symbolic.fix(live, find_function("exp"), torch.ones(2, 1, 2, 4))
    layer.learned = None
    x = torch.rand(2, 5, 1, dtype=DOUBLE)
    assert_close(layer(x), (torch.exp(x + 1.0) + 1.0) * live)


def test_members_and_nodes_take_their_formulas_along() -> None:
    model, x = trained_looking_model(3), torch.rand(3, 20, 2, dtype=DOUBLE)
    fix_symbolic(model, 0, 0, 1, "sin", x)
    fix_symbolic(model, 1, 2, 0, "exp", x, member=1)
    model(x)
    for m in range(3):
        alone = model.member(m)
        assert_close(alone(x[m : m + 1])[0], model(x)[m], rtol=0, atol=1e-14)
    order = torch.tensor([[2, 0, 1], [1, 2, 0], [0, 1, 2]])
    turned = [model.layer(0).select(range(3), outputs=order), model.layer(1).select(range(3), inputs=order)]
    assert_close(model.rebuilt(turned)(x), model(x), rtol=0, atol=1e-14)
    assert_close(
        fix_symbolic(model.member(2), 0, 1, 0, "tanh", x[2:]),
        fix_symbolic(model, 0, 1, 0, "tanh", x)[2:],
        rtol=0,
        atol=1e-6,
    )


def test_state_dicts_hold_the_formulas() -> None:
    model, x = trained_looking_model(), torch.rand(20, 2, dtype=DOUBLE)
    fix_symbolic(model, 0, 0, 1, "gaussian", x)
    other = KAN(2, 1, width=5, members=2, dtype=DOUBLE)
    other.fit_to(model.state_dict())
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))
    release_symbolic(model, 0)
    other.fit_to(model.state_dict())
    assert other.layer(0).symbolic is None


def test_functions_of_the_users_own_need_adding_before_a_state_dict_is_used() -> None:
    softplus = SymbolicFunction("softplus", torch.nn.functional.softplus, lambda u: u)
    add_function(softplus)
    try:
        model, x = KAN(1, 1, depth=1), torch.rand(20, 1)
        fix_symbolic(model, 0, 0, 0, "softplus", affine=(1, 0, 1, 0))
        expected = model(x)
        assert_close(expected[0], torch.nn.functional.softplus(x))
        state = model.state_dict()
    finally:
        del LIBRARY["softplus"]
    other = KAN(1, 1, depth=1)
    other.fit_to(state)
    other.load_state_dict(state)
    with pytest.raises(ValueError, match="which the library lacks: add_function it first"):
        other(x)


def test_parameters_that_act_are_counted() -> None:
    model = trained_looking_model()
    per_edge = 6 + 3 + 2
    assert model.live_parameters().tolist() == [8 * per_edge, 9 * per_edge]
    fix_symbolic(model, 0, 0, 0, "sin", affine=(1, 0, 1, 0))
    fix_symbolic(model, 0, 1, 2, "sin", affine=(1, 0, 1, 0))  # masked in member 0
    assert model.live_parameters().tolist() == [7 * per_edge + 4, 7 * per_edge + 8]
    for layer in model.each_layer():
        layer.spline_scale.requires_grad_(False)
    model.layer(0).symbolic.affine.requires_grad_(False)
    assert model.live_parameters().tolist() == [7 * (per_edge - 1), 7 * (per_edge - 1)]
    whole = KAN(3, 2, width=4)
    assert int(whole.live_parameters()) == sum(parameter.numel() for parameter in whole.parameters())


def test_affine_parameters_are_trained_and_silenced_splines_are_not() -> None:
    model, x = trained_looking_model(), torch.rand(2, 30, 2, dtype=DOUBLE)
    fix_symbolic(model, 0, 0, 1, "sin", x)
    model(x).square().sum().backward()
    layer = model.layer(0)
    assert (layer.coefficients.grad[:, 0, :, 1] == 0).all()
    assert (layer.symbolic.affine.grad[:, 0, 1] != 0).all()
    rest = layer.symbolic.affine.grad.clone()
    rest[:, 0, 1] = 0.0
    assert (rest == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sinus", x), "nearest is 'sin' of"),
        (lambda model, x: fix_symbolic(model, 2, 0, 0, "sin", x), "layer must be between 0 and 1, got 2"),
        (lambda model, x: fix_symbolic(model, 0, -1, 0, "sin", x), "input must be between 0 and 1, got -1"),
        (lambda model, x: fix_symbolic(model, 0, 0, 3, "sin", x), "output must be between 0 and 2, got 3"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin", x, member=2), "member must be between 0 and 1, got 2"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin"), "needs either inputs x"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin", x, affine=(1, 0, 1, 0)), "needs either inputs x"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin", affine=(1, 0, 1)), "must be four finite numbers"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin", affine=(1, 0, math.nan, 0)), "must be four finite"),
        (lambda model, x: fix_symbolic(model, 0, 0, 0, "sin", x[..., :1]), "expected input of shape"),
        (lambda model, x: release_symbolic(model, 5), "layer must be between 0 and 1, got 5"),
    ],
)
def test_bad_arguments_are_refused_in_one_line_and_change_nothing(call, message) -> None:
    model, x = trained_looking_model(), torch.rand(5, 2, dtype=DOUBLE)
    with pytest.raises(ValueError, match=message) as caught:
        call(model, x)
    assert "\n" not in str(caught.value)
    assert model.layer(0).symbolic is None
