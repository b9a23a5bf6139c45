"""From trained networks to formulas: suggestions, conversion, SymPy expressions, the example of the KAN paper."""

import math

import pytest
import sympy
import torch
from torch.testing import assert_close

from continual.optimizers.lbfgs import LBFGS
from kan import KAN, KANLayer
from kan.edge_network import EdgeNetwork
from kan.pruning.removal import prune, shapes
from kan.pruning.sparsity import SparsityPenalty
from kan.symbolic.conversion import suggest, symbolify
from kan.symbolic.edges import fix_symbolic
from kan.symbolic.formulas import formula
from kan.symbolic.functions import LIBRARY, find_function
from tasks.sampling import generators_from

DOUBLE = torch.float64


def numeric(expression, names, x) -> torch.Tensor:
    """The expression at inputs (B, I)."""
    function = sympy.lambdify(sympy.symbols(names), expression, ["scipy", "numpy"])
    return torch.as_tensor(function(*x.T.numpy()), dtype=DOUBLE).expand(len(x))


def network_of(*functions) -> tuple[KAN, torch.Tensor]:
    """One layer with a fine spline for each function on the edges from input i to output o, and samples."""
    inputs, outputs = len(functions), len(functions[0])
    layer = KANLayer(inputs, outputs, 40, base="zero", dtype=DOUBLE)
    x = torch.linspace(-1, 1, 400, dtype=DOUBLE).unsqueeze(1).expand(-1, inputs)
    values = torch.stack([torch.stack([f(x[:, i]) for f in row], -1) for i, row in enumerate(functions)])
    layer.coefficients.data = (torch.linalg.pinv(layer.basis(x[None])[0].transpose(0, 1)) @ values).unsqueeze(0)
    return EdgeNetwork([layer]), x


def test_suggestions_begin_with_the_function_that_made_the_edge() -> None:
    model, x = network_of(
        [lambda u: torch.sin(3.0 * u + 1.0), lambda u: 2.0 * (u - 0.3) ** 2],
        [lambda u: torch.exp(1.5 * u), lambda u: 0.5 * u - 1.0],
        [lambda u: torch.tanh(4.0 * u), torch.ones_like],
    )
    expected = [["sin", "x^2"], ["exp", "x"], ["tanh", "0"]]
    for i, row in enumerate(expected):
        for o, name in enumerate(row):
            ranked = suggest(model, 0, i, o, x)
            assert ranked[0].name == name
            assert ranked[0].r2 > 1.0 - 1e-6
            assert [s.score for s in ranked] == sorted(s.score for s in ranked)
            assert len(ranked) == len(LIBRARY)
    few = suggest(model, 0, 0, 1, x, library=["x^2", "cos"])
    assert [s.name for s in few] == ["x^2", "cos"]
    a, b, c, d = few[0].affine
    assert (c * a**2, b / a, d) == pytest.approx((2.0, -0.3, 0.0), abs=1e-4)


def test_simplicity_has_its_price() -> None:
    """A cosine fits a parabola as well as one likes; what to prefer is for the user to say."""
    model, x = network_of([lambda u: u**2 - 0.02 * u**4])
    assert suggest(model, 0, 0, 0, x, weight=4.0)[0].name == "x^2"
    assert suggest(model, 0, 0, 0, x, weight=0.0, library=["x^2", "gaussian", "cos"])[-1].name == "x^2"


def test_conversion_of_many_members_is_that_of_each() -> None:
    model = KAN(2, 1, width=2, grid_size=3, members=3, dtype=DOUBLE)
    model.layer(0).set_mask(torch.tensor([[True, False], [True, True]]).expand(3, -1, -1))
    fix_symbolic(model, 1, 0, 0, "sin", affine=(1.0, 0.0, 0.1, 0.0), member=1)
    x = 2 * torch.rand(3, 60, 2, dtype=DOUBLE) - 1
    alone = model.member(1)
    library = ["x", "x^2", "x^3", "sin", "tanh"]
    reports = symbolify(model, x, library, r2_threshold=0.0)
    places = [(r.member, r.layer, r.input, r.output) for r in reports]
    assert places == sorted(places)
    assert [p for p in places if p[0] == 1] == [(1, 0, 0, 0), (1, 0, 1, 0), (1, 0, 1, 1), (1, 1, 1, 0)]
    assert len(places) == 5 + 4 + 5
    assert all(r.fixed and r.best.name in library for r in reports)
    assert all(layer.symbolic.complete(layer.mask) for layer in model.each_layer())
    lone = symbolify(alone, x[1:2], library, r2_threshold=0.0)
    assert_close(model(x)[1], alone(x[1:2])[0], rtol=0, atol=1e-5)
    assert [r.best.r2 for r in lone] == pytest.approx([r.best.r2 for r in reports if r.member == 1], abs=1e-5)


def test_poor_fits_stay_splines_and_negligible_edges_become_constants() -> None:
    def hill(u):
        return torch.exp(-200 * (u - 0.5) ** 2) - torch.exp(-200 * (u + 0.5) ** 2)

    model, x = network_of([hill], [torch.exp], [lambda u: 1e-4 * hill(u) + 0.7])
    first, second, third = symbolify(model, x, ["x", "exp", "sign"])
    assert (first.fixed, second.fixed, third.fixed) == (False, True, True)
    assert first.best.r2 < 0.9
    assert second.best.name == "exp"
    assert (third.best.name, third.best.affine[2]) == ("0", 0.0)
    assert third.best.affine[3] == pytest.approx(0.7, abs=1e-6)
    assert model.layer(0).symbolic.fixed.flatten().tolist() == [False, True, True]
    [expression] = formula(model, digits=3)
    x1, x2 = sympy.symbols("x1 x2")
    assert expression == sympy.Function("phi_0_0_0")(x1) + sympy.exp(x2) + sympy.Float(0.7)
    assert symbolify(model, x, ["x"], r2_threshold=0.0)[0].fixed
    assert symbolify(model, x) == []


def random_formulas(names, members=2) -> KAN:
    """A deep network whose edges all follow formulas, with arguments in the domains of their functions."""
    model = KAN(3, 2, layer_sizes=[3, 2, 2], members=members, dtype=DOUBLE)
    names = iter(names)
    for index, layer in enumerate(model.each_layer()):
        for i in range(layer.in_features):
            for o in range(layer.out_features):
                function = find_function(next(names))
                a, b, c, d = torch.randn(4, dtype=DOUBLE).tolist()
                fix_symbolic(model, index, i, o, function.name, affine=(a, b, c, d))
    model.layer(0).set_mask(torch.rand(members, 3, 2) > 0.2)
    return model


@pytest.mark.parametrize("draw", range(6))
def test_expressions_equal_the_network(draw) -> None:
    whole_line = [name for name, f in LIBRARY.items() if f.high == -f.low == math.inf and not f.gap and name != "exp"]
    names = [whole_line[n] for n in torch.randint(len(whole_line), (10,)).tolist()]
    model = random_formulas(names)
    x = 2 * torch.rand(40, 3, dtype=DOUBLE) - 1
    expected = model(x).detach()
    for m in range(2):
        for o, expression in enumerate(formula(model, m, ["x", "y", "z"])):
            assert_close(numeric(expression, "x y z", x), expected[m, :, o], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_every_function_keeps_its_value_in_plain_form(name, sign) -> None:
    function = find_function(name)
    model = KAN(2, 1, depth=1, dtype=DOUBLE)
    inner = KAN(2, 1, depth=1, dtype=DOUBLE).layer(0)
    model = EdgeNetwork([inner, KANLayer(1, 1, dtype=DOUBLE)])
    fix_symbolic(model, 0, 0, 0, "x", affine=(0.3, 0.1, -0.7, 0.02))
    fix_symbolic(model, 0, 1, 0, "x^2", affine=(0.3, 0.1, 0.4, 0.05))
    low, high = max(function.low, -3.0) + 0.5, min(function.high, 3.0) - 0.5
    b = 0.5 * (low + high) if function.low > -math.inf else 2.0
    fix_symbolic(model, 1, 0, 0, name, affine=(0.8 * sign, b, 1.3, -0.4))
    x = 2 * torch.rand(40, 2, dtype=DOUBLE) - 1
    [expression] = formula(model, names=sympy.symbols("x y"))
    assert_close(numeric(expression, "x y", x), model(x)[0, :, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "affine", "plain"),
    [
        ("x", (2.0, 1.0, 3.0, -3.0), "6*x"),
        ("x^2", (-2.0, 1.0, 1.0, 0.0), "4*(x - 0.5)**2"),
        ("exp", (1.0, 1.0, math.exp(-1.0), 0.0), "exp(x)"),
        ("log", (2.0, 0.0, 1.0, -math.log(2.0)), "log(x)"),
        ("sqrt", (4.0, 0.0, 1.0, 1.0), "2*sqrt(x) + 1"),
        ("1/x", (-2.0, 0.0, 1.0, 0.0), "-0.5/x"),
        ("sin", (-math.pi, 3 * math.pi, 1.0, 0.0), "sin(3.1416*x)"),
        ("sin", (1.0, 0.5 * math.pi, 2.0, 0.0), "2*cos(x)"),
        ("sin", (1.0, -0.5 * math.pi, 2.0, 0.0), "-2*cos(x)"),
        ("cos", (1.0, 0.5 * math.pi, 2.0, 0.0), "-2*sin(x)"),
        ("cos", (1.0, 2 * math.pi + 0.1, 1.0, 0.0), "cos(x + 0.1)"),
        ("sigmoid", (-1.0, 0.0, 1.0, 0.0), "1 - 1/(1 + exp(-x))"),
        ("arccos", (-1.0, 0.0, -1.0, math.pi), "acos(x)"),
        ("abs", (-3.0, 0.0, 1.0, 1e-6), "3*Abs(x)"),
        ("0", (1.0, 0.0, 5.0, 0.25), "0.25"),
    ],
)
def test_numbers_are_as_few_as_they_can_be(name, affine, plain) -> None:
    model = KAN(1, 1, depth=1, dtype=DOUBLE)
    fix_symbolic(model, 0, 0, 0, name, affine=affine)
    [expression] = formula(model, names=["x"], digits=4)
    assert sympy.simplify(expression - sympy.sympify(plain)) == 0
    assert expression.count_ops() <= sympy.sympify(plain).count_ops()


def test_products_are_multiplied_out_where_that_is_shorter() -> None:
    """The paper's xy: ½ (x + y)² − ½ (x² + y²)."""
    model = KAN(2, 1, width=2, dtype=DOUBLE)
    for i in (0, 1):
        fix_symbolic(model, 0, i, 0, "x", affine=(0.7, 0.1, 1.0, 0.0))
        fix_symbolic(model, 0, i, 1, "x^2", affine=(0.5, 0.0, 4.0, 0.0))
    fix_symbolic(model, 1, 0, 0, "x^2", affine=(1.0, -0.2, 0.5 / 0.49, 0.0))
    fix_symbolic(model, 1, 1, 0, "x", affine=(-0.5, 0.0, 1.0, 0.0))
    x, y = sympy.symbols("x y")
    assert formula(model, names=[x, y], digits=6) == [x * y]


def test_bad_arguments_are_refused_in_one_line() -> None:
    model, x = KAN(2, 1), torch.rand(5, 2)
    for call, message in (
        (lambda: formula(model, 1), "member must be between 0 and 0, got 1"),
        (lambda: formula(model, names=["x"]), "a name for each of 2 inputs, got 1"),
        (lambda: suggest(model, 0, 0, 9, x), "output must be between 0 and 4, got 9"),
        (lambda: suggest(model, 0, 0, 0, x, member=1), "member must be between 0 and 0, got 1"),
        (lambda: symbolify(model, x, ["six"]), "no function 'six' in the library"),
        (lambda: symbolify(model, x, []), "library needs at least one function"),
        (lambda: symbolify(model, x, floor=0.0), "weight must be ≥ 0 and floor > 0, got 0.5 and 0.0"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert all(layer.symbolic is None for layer in model.each_layer())


def target(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.sin(math.pi * x[..., :1]) + x[..., 1:] ** 2)


def train(model, parameters, x, steps, penalty=None) -> torch.Tensor:
    """Some steps of L-BFGS on the mean squared error; returns the RMSE of every member."""
    y = target(x)
    optimizer = LBFGS(list(parameters), tolerance_change=0.0, tolerance_grad=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        prediction, extra = (model(x), 0.0) if penalty is None else penalty(model, x)
        losses = (prediction - y).square().mean((1, 2)) + extra
        losses.sum().backward()
        return losses.detach()

    for _ in range(steps):
        optimizer.step(closure)
    with torch.no_grad():
        return (model(x) - y).square().mean((1, 2)).sqrt()


def paper_example(members, samples, steps) -> list[tuple[list[int], float, sympy.Expr]]:
    """Sparsify, prune, convert, train what is left: for each seed the shape, the RMSE and the formula."""
    x = 2 * torch.rand(samples, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE) - 1
    model = KAN(2, 1, width=5, members=members, generators=generators_from(range(members), "model"), dtype=DOUBLE)
    train(model, model.parameters(), x, steps, SparsityPenalty(5e-3, l1=1.0, entropy=2.0, measure="std"))
    small, _ = prune(model, x, node_threshold=0.05, edge_threshold=0.05, measure="attribution", absorb_means=True)
    train(small, small.parameters(), x, steps)
    assert all(report.fixed for report in symbolify(small, x))
    error = train(small, [layer.symbolic.affine for layer in small.each_layer()], x, 20)
    expressions = [formula(small, m, ["x", "y"], digits=4)[0] for m in range(members)]
    return list(zip(shapes(small), error.tolist(), expressions, strict=True))


def test_the_papers_example_comes_out() -> None:
    x, y = sympy.symbols("x y")
    for shape, error, expression in paper_example(members=2, samples=250, steps=12):
        assert shape == [2, 1, 1]
        assert error < 1e-4
        assert expression == sympy.exp(sympy.sin(sympy.Float(3.1416) * x) + y**2)


@pytest.mark.slow
def test_the_papers_example_comes_out_for_nearly_every_seed() -> None:
    x, y = sympy.symbols("x y")
    wanted = sympy.exp(sympy.sin(sympy.Float(3.1416) * x) + y**2)
    found = paper_example(members=10, samples=500, steps=25)
    assert sum(expression == wanted for _, _, expression in found) >= 9
