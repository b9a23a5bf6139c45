"""Pictures show what the networks and curves are: opacities, icons, supports, sums, and nothing beside."""

from collections.abc import Callable
from html.parser import HTMLParser
from itertools import combinations
from math import comb
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.polynomial import Polynomial
from scipy.interpolate import BSpline

import kan.pruning.portraits
from continual.figures import save
from kan import KAN, ChebyshevKAN, FourierKAN
from kan import pictures as drawn
from kan.pictures import Move, Panel
from kan.pictures.curves import bernstein, de_casteljau
from kan.pictures.layout import arrange
from kan.pictures.locality import moved, moved_share
from kan.pictures.network import opacity
from kan.pictures.spline_curves import greville
from kan.pruning.portraits import portrait
from kan.symbolic.edges import fix_symbolic
from mlp_baselines.mlp import MLP

GENERATOR = torch.Generator()
SEED = 0


@pytest.fixture(autouse=True)
def _fresh_inputs() -> None:
    GENERATOR.manual_seed(SEED)


def rand(*shape: int) -> torch.Tensor:
    return 2.0 * torch.rand(*shape, generator=GENERATOR, dtype=torch.float64) - 1.0


def network(sizes: list[int], members: int = 1, **settings) -> KAN:
    model = KAN(sizes[0], sizes[-1], layer_sizes=sizes, members=members, dtype=torch.float64, **settings)
    with torch.no_grad():
        for layer in model.each_layer():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=GENERATOR, dtype=torch.float64))
    return model


def masked(model: KAN, share: float = 0.5) -> KAN:
    for layer in model.each_layer():
        live = torch.rand(layer.members, layer.in_features, layer.out_features, generator=GENERATOR) < share
        live[:, 0, 0] = True
        layer.set_mask(live)
    return model


def icons(figure: Figure) -> dict[tuple[int, ...], Axes]:
    found = [axes for axes in figure.axes if str(axes.get_label()).startswith("edge ")]
    return {tuple(map(int, str(axes.get_label()).split()[1:])): axes for axes in found}


def line(axes: Axes, gid: str) -> np.ndarray:
    (found,) = [each for each in axes.lines if each.get_gid() == gid]
    return np.asarray(found.get_xydata())


def lines(axes: Axes, prefix: str) -> list[np.ndarray]:
    return [np.asarray(each.get_xydata()) for each in axes.lines if str(each.get_gid()).startswith(prefix)]


def summed(axes: Axes, x: np.ndarray) -> np.ndarray:
    """The sum of an edge's terms, each of which is drawn where it is not zero."""
    total = np.zeros_like(x)
    for points, values in (term.T for term in [*lines(axes, "term"), *lines(axes, "base")] if len(term)):
        total += np.where(np.isin(x, points), np.interp(x, points, values), 0.0)
    return total


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def boxes(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Visible texts and their boxes in pixels: left, bottom, right, top."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = set()  # labels of ticks beyond the axes' limits, which are not drawn
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-6 * (high - low)
            for tick in axis.get_major_ticks():
                if not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {tick.label1, tick.label2}
    found = []
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text not in hidden:
            found.append((text.get_text(), text.get_window_extent(canvas.get_renderer()).extents))
    return found


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


# --- portraits ------------------------------------------------------------------------------------------------------


def test_portrait_of_linear_edges_by_hand() -> None:
    model = KAN(2, 3, depth=1, members=2, base="identity", dtype=torch.float64)
    layer = model.layer(0)
    with torch.no_grad():
        layer.coefficients.zero_()
        layer.base_weight.copy_(rand(2, 2, 3))
    x = rand(2, 50, 2)
    arrays = portrait(model, x, points=9)
    weights = layer.base_weight.detach()
    np.testing.assert_allclose(arrays["edge_l1_0"], weights.abs() * x.abs().mean(1).unsqueeze(-1), rtol=1e-6, atol=1e-7)
    assert arrays["edge_x_0"].shape == (2, 2, 9)
    np.testing.assert_allclose(
        arrays["edge_y_0"], arrays["edge_x_0"][..., None] * weights.unsqueeze(2).numpy(), rtol=1e-5, atol=1e-6
    )
    width = x.amax(1) - x.amin(1)
    np.testing.assert_allclose(arrays["edge_x_0"][..., 0], x.amin(1) - 0.03 * width, rtol=1e-5)
    np.testing.assert_allclose(arrays["edge_x_0"][..., -1], x.amax(1) + 0.03 * width, rtol=1e-5)
    assert all(array.dtype in (np.float32, np.bool_) for array in arrays.values())


def test_curves_of_a_portrait_add_up_to_the_network() -> None:
    model = masked(network([3, 4, 2], members=2))
    x = rand(40, 3)
    arrays = portrait(model, x)
    activations = model.activations(x)
    for index in range(2):
        for m in range(2):
            total = 0.0
            for i in range(model.layer_sizes[index]):
                seen = activations[index][m, :, i].detach().numpy()
                total = total + np.stack(
                    [
                        np.interp(seen, arrays[f"edge_x_{index}"][m, i], arrays[f"edge_y_{index}"][m, i, :, o])
                        for o in range(model.layer_sizes[index + 1])
                    ],
                    -1,
                )
            expected = activations[index + 1][m].detach().numpy()
            assert np.median(np.abs(total - expected)) < 0.05 * np.abs(expected).max()  # 65 points, interpolated
        np.testing.assert_array_equal(arrays[f"edge_live_{index}"], model.layer(index).live_edges().numpy())
        assert (arrays[f"edge_l1_{index}"][~arrays[f"edge_live_{index}"]] == 0).all()


def test_range_of_a_portrait_ignores_what_lies_far_out_but_not_rare_values() -> None:
    model = network([4, 1])
    x = rand(200, 4)
    x[0, 0] = 1e6  # one sample far out
    x[:, 1] = 7.5  # constant
    x[:, 2] = 0.0
    x[:3, 2] = 1.0  # mostly one value
    x[1, 3] = float("nan")
    places = portrait(model, x)["edge_x_0"][0]
    assert places[0].max() < 3.0
    assert places[1].min() < 7.5 < places[1].max() < 9.0
    assert places[2].min() < 0.0 < 1.0 < places[2].max()
    assert np.isfinite(places).all()
    assert (np.diff(places, axis=-1) > 0).all()


def test_pieces_do_not_change_a_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = network([3, 5, 2], members=2), rand(2, 31, 3)
    whole = portrait(model, x)
    monkeypatch.setattr(kan.pruning.portraits, "PIECE", 64)
    monkeypatch.setattr("kan.pruning.sizes.PIECE", 64)
    parts = portrait(model, x)
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-5, atol=1e-6)


def test_a_portrait_of_a_diverged_member_can_be_kept_and_drawn() -> None:
    model = network([2, 2, 1], members=2)
    with torch.no_grad():
        model.layer(0).coefficients[1] = float("nan")
    arrays = portrait(model, rand(30, 2))
    assert np.isfinite(arrays["edge_l1_0"][0]).all()
    figure = drawn.draw_network(arrays, member=1)
    assert texts(figure).count("NaN") == 6
    assert "NaN" not in texts(drawn.draw_network(arrays, member=0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: portrait(m, torch.zeros(5, 3)), r"expected input of shape"),
        (lambda m: portrait(m, torch.zeros(0, 2)), "at least one sample"),
        (lambda m: portrait(m, torch.zeros(5, 2), points=1), "points must be at least 2"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 3)), r"expected input of shape"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), member=2), "member must be between 0 and 1, got 2"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), input_names=["x"]), "input_names must be 2 names"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), output_names="ab"), "output_names must be 1 names"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), beta=0), "beta must be positive"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), max_edges=0), "max_edges must be at least 1"),
        (lambda m: drawn.plot_network(m, torch.zeros(5, 2), formulas={(2, 0, 0): "x"}), "no edge"),
        (lambda m: drawn.draw_network({}), "no portrait"),
        (lambda m: drawn.draw_networks([]), "no network to draw"),
        (lambda m: drawn.plot_edges(m, layer=2), "layer must be between 0 and 1, got 2"),
        (lambda m: drawn.plot_edges(m, member=-1), "member must be between 0 and 1, got -1"),
        (lambda m: drawn.plot_edges(m, edges=[(0, 3)]), r"layer 0 has no edge \(0, 3\)"),
        (lambda m: drawn.plot_edges(m, edges=[]), "no edges to draw"),
        (lambda m: drawn.plot_edges(m, torch.zeros(5, 3)), r"expected input of shape"),
        (lambda m: drawn.plot_locality([]), "no move to draw"),
        (lambda m: drawn.plot_locality([Move(m, "nothing", (0,), 1.0)]), "no parameter 'nothing'"),
        (lambda m: drawn.plot_locality([Move(m, "layers.0.spline_scale", (0, 2, 0), 1.0)]), "there is no number"),
        (lambda m: drawn.plot_bezier(((0.0, 0.0),)), "at least two"),
        (lambda m: drawn.plot_bezier(t=1.5), "t must be between 0 and 1"),
        (lambda m: drawn.plot_bernstein(()), "degrees must be"),
        (lambda m: drawn.plot_bspline_basis((-1,)), "orders must be"),
        (lambda m: drawn.plot_bspline_basis(grid_size=0), "grid_size must be at least 1"),
        (lambda m: drawn.plot_recursion(0), "order must be at least 1"),
        (lambda m: drawn.plot_spline_curve([1.0, 2.0]), "needs at least 4 coefficients"),
        (lambda m: drawn.plot_refinement([1.0], 0), "spline_order must be at least 1"),
    ],
)
def test_mistakes_are_answered_in_one_line(call: Callable[[KAN], object], message: str) -> None:
    model = KAN(2, 1, width=3, members=2)
    with pytest.raises(ValueError, match=message) as caught:
        call(model)
    assert "\n" not in str(caught.value)


# --- network pictures -----------------------------------------------------------------------------------------------


def test_every_live_edge_has_its_curve_and_the_opacity_of_its_size() -> None:
    model = masked(network([3, 4, 2], members=2))
    x = rand(60, 3)
    figure = drawn.plot_network(model, x, member=1)
    found = icons(figure)
    live = [layer.live_edges()[1] for layer in model.each_layer()]
    assert len(found) == sum(int(each.sum()) for each in live)
    expected = {}
    entering = x
    for index in range(2):
        layer = model.layer(index).select([1])
        values = layer.edge_values(entering)[0].detach()
        for (_, i, o), axes in [(where, axes) for where, axes in found.items() if where[0] == index]:
            strength = float(np.tanh(3 * values[:, i, o].abs().mean().item()))
            expected[index, i, o] = strength
            (curve,) = axes.lines
            assert curve.get_alpha() == pytest.approx(strength, abs=1e-6)
            assert axes.patch.get_edgecolor()[3] == pytest.approx(strength, abs=1e-6)
            points, drawn_values = np.asarray(curve.get_xydata()).T
            inside = torch.from_numpy(points)[:, None].repeat(1, layer.in_features)
            np.testing.assert_allclose(drawn_values, layer.edge_values(inside)[0, :, i, o].detach(), atol=1e-4)
        entering = layer(entering).detach()[0]
    # two lines for each edge, from node to icon and from icon to node
    (strokes,) = [each for each in figure.findobj(LineCollection) if each.get_gid() == "lines"]
    alphas = sorted(colour[3] for colour in strokes.get_colors())
    np.testing.assert_allclose(alphas, sorted(np.repeat(list(expected.values()), 2)), atol=1e-6)


def test_opacity_is_the_papers() -> None:
    np.testing.assert_allclose(opacity([0.0, 0.1, 1.0, np.nan, np.inf]), [0, np.tanh(0.3), np.tanh(3.0), 0, 0])


def crosses(start: np.ndarray, end: np.ndarray, x: float, y: float, half: float) -> bool:
    """Whether a segment enters the open square around (x, y), by clipping it (Liang and Barsky)."""
    first, last = 0.0, 1.0
    for axis, centre in ((0, x), (1, y)):
        step = end[axis] - start[axis]
        low, high = centre - half - start[axis], centre + half - start[axis]
        if abs(step) < 1e-12:
            if not low < 0 < high:
                return False
            continue
        near, far = sorted((low / step, high / step))
        first, last = max(first, near), min(last, far)
    return first < last


@pytest.mark.parametrize("sizes", [[1, 1], [2, 5, 1], [4, 4, 2, 1], [6, 8, 8, 4], [1, 20, 1], [13, 2, 5]])
@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("width", [3.0, 7.0])
def test_no_icon_overlaps_and_no_line_crosses_an_icon(sizes: list[int], share: float, width: float) -> None:
    shown = [
        (torch.rand(i, o, generator=GENERATOR) < share).numpy() for i, o in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    layout = arrange(shown, width)
    half = 0.5 * layout.side
    assert len(layout.edges) == sum(int(layer.sum()) for layer in shown)
    for a, b in combinations(layout.edges, 2):
        assert max(abs(a.x - b.x), abs(a.y - b.y)) > layout.side * 1.02
    for edge in layout.edges:
        assert half <= edge.x + 1e-9 <= layout.width - half + 2e-9
        np.testing.assert_allclose(edge.lower[0], layout.nodes[edge.layer][edge.source])
        np.testing.assert_allclose(edge.upper[-1], layout.nodes[edge.layer + 1][edge.target])
        np.testing.assert_allclose(edge.lower[-1], (edge.x, edge.y - half), atol=1e-12)
        np.testing.assert_allclose(edge.upper[0], (edge.x, edge.y + half), atol=1e-12)
    segments = [
        (corners[n], corners[n + 1])
        for edge in layout.edges
        for corners in (edge.lower, edge.upper)
        for n in range(len(corners) - 1)
    ]
    for edge in layout.edges:
        for start, end in segments:
            assert not crosses(start, end, edge.x, edge.y, half - 1e-6)
    if layout.edges and sizes == [6, 8, 8, 4]:
        assert layout.width < 12.5
        assert layout.side >= 0.3 - 1e-9


def test_texts_stay_in_the_figure_and_apart() -> None:
    model = masked(network([4, 3, 2]), 0.7)
    names = ["x", "a name that is far too long to lie beside others", "price in $", "$x_1$ {"]
    formulas = {(0, 0, 0): "sin(3.1x + 0.2)", (1, 0, 0): "$"}
    panel = Panel("before $ pruning", portrait(model, rand(30, 4)), 0, names, ["left", "right"], formulas)
    for figure in (
        drawn.draw_network(panel.portrait, input_names=names, formulas=formulas, title="a title"),
        drawn.draw_networks([[panel, panel], [panel]]),
        drawn.draw_network(panel.portrait, show_pruned=True),
    ):
        found = boxes(figure)
        high, right = figure.get_size_inches()[1] * figure.dpi, figure.get_size_inches()[0] * figure.dpi
        for text, (x0, y0, x1, y1) in found:
            assert min(x0, y0) >= -1, text
            assert x1 <= right + 1, text
            assert y1 <= high + 1, text
        for (one, a), (other, b) in combinations(found, 2):
            apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
            assert apart, (one, other)


def test_pruned_edges_are_left_out_or_faint() -> None:
    model = network([2, 3, 1])
    live = torch.zeros(1, 2, 3, dtype=torch.bool)
    live[:, :, 1] = True
    model.layer(0).set_mask(live)
    model.layer(1).set_mask(torch.tensor([[[False], [True], [False]]]))
    x = rand(20, 2)
    closed, faint = drawn.plot_network(model, x), drawn.plot_network(model, x, show_pruned=True)
    assert set(icons(closed)) == set(icons(faint)) == {(0, 0, 1), (0, 1, 1), (1, 1, 0)}

    def nodes(figure: Figure) -> list[str]:
        return [str(each.get_markerfacecolor()) for each in figure.axes[0].lines if each.get_gid() == "node"]

    assert len(nodes(closed)) == 4
    assert len(nodes(faint)) == 6
    assert nodes(faint).count("white") == 2  # the hidden nodes that are gone
    assert len([each for each in faint.axes[0].patches if each.get_width() > 0]) == 6
    assert any("pruned" in text for text in texts(faint))


def test_only_the_strongest_edges_of_a_large_layer_are_drawn_and_the_rest_is_counted() -> None:
    model = network([5, 6, 1])
    arrays = portrait(model, rand(30, 5))
    figure = drawn.draw_network(arrays, max_edges=7)
    found = icons(figure)
    assert len(found) == 7 + 6
    kept = sorted(float(arrays["edge_l1_0"][0, i, o]) for index, i, o in found if index == 0)
    np.testing.assert_array_equal(kept, np.sort(arrays["edge_l1_0"], axis=None)[-7:])
    assert any("23 weaker edges" in text.replace("\n", " ") for text in texts(figure))


def test_networks_of_a_row_have_icons_of_one_size() -> None:
    large, small = portrait(network([2, 5, 1]), rand(20, 2)), portrait(network([2, 1, 1]), rand(20, 2))
    figure = drawn.draw_networks([[("wide", large, 0), ("narrow", small)]])
    assert len(icons(figure)) == 15 + 3 - 3  # labels of the second repeat those of the first
    every = [axes for axes in figure.axes if str(axes.get_label()).startswith("edge ")]
    assert len(every) == 15 + 3
    widths = {round(axes.get_position().width, 9) for axes in every}
    assert len(widths) == 1
    assert {"wide", "narrow"} <= set(texts(figure))


# --- edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["silu", "zero"])
def test_terms_of_an_edge_add_up_to_it(base: str) -> None:
    model = network([2, 3, 1], members=2, base=base)
    figure = drawn.plot_edges(model, rand(50, 2), layer=1, member=1)
    found = icons(figure)
    assert set(found) == {(1, 0, 0), (1, 1, 0), (1, 2, 0)}
    layer = model.layer(1)
    for (_, i, o), axes in found.items():
        x, y = line(axes, "edge").T
        np.testing.assert_allclose(summed(axes, x), y, atol=1e-10)
        knots = layer.knots[1, i].numpy()
        scaled = (layer.coefficients[1, i, :, o] * layer.spline_scale[1, i, o]).detach().numpy()
        np.testing.assert_allclose(line(axes, "coefficients"), np.stack([greville(knots, 3), scaled], -1), atol=1e-12)
        np.testing.assert_allclose(line(axes, "grid points")[:, 0], knots[3:-3])
        if base == "zero":
            inside = (x >= knots[3]) & (x < knots[-4])
            np.testing.assert_allclose(y[inside], BSpline(knots, scaled, 3)(x[inside]), atol=1e-10)
        assert len(axes.patches) > 1  # the field and the bars of the histogram


def test_edges_of_other_kinds_masked_and_symbolic_ones_are_drawn() -> None:
    for family in (ChebyshevKAN, FourierKAN):
        model = family(2, 1, width=2, dtype=torch.float64)
        for axes in icons(drawn.plot_edges(model)).values():
            x, y = line(axes, "edge").T
            np.testing.assert_allclose(summed(axes, x), y, atol=1e-10)
    model = network([2, 2, 1])
    model.layer(0).set_mask(torch.tensor([[[False, True], [True, True]]]))
    fix_symbolic(model, 0, 1, 1, "sin", affine=(2.0, 0.1, 1.5, -0.3))
    found = icons(drawn.plot_edges(model))
    assert "pruned" in [text.get_text() for text in found[0, 0, 0].texts]
    x, y = line(found[0, 1, 1], "edge").T
    np.testing.assert_allclose(y, 1.5 * np.sin(2.0 * x + 0.1) - 0.3, atol=1e-12)
    assert not lines(found[0, 1, 1], "term")
    assert any("4 of 6 edges" in text for text in texts(drawn.plot_edges(network([2, 3]), max_panels=4)))


def test_greville_points_reproduce_the_identity() -> None:
    knots = np.sort(rand(12).numpy())
    x = np.linspace(knots[3], knots[-4], 50)
    np.testing.assert_allclose(BSpline(knots, greville(knots, 3), 3)(x), x, atol=1e-10)


# --- locality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("grid_size", [8, 10, 16])
def test_a_coefficient_moves_k_plus_one_intervals_and_a_weight_moves_everything(order: int, grid_size: int) -> None:
    model = network([1, 1], base="zero", grid_size=grid_size, spline_order=order)
    mlp = MLP(1, 1, width=5, activation="tanh", dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    n = order + int(torch.randint(grid_size - order - 1, (1,), generator=GENERATOR))
    figure = drawn.plot_locality(
        [
            Move(model, "layers.0.coefficients", (0, 0, n, 0), 0.5, "KAN $"),
            Move(mlp, "weights.0", (0, 0, 2), 0.5, "MLP"),
        ]
    )
    said = [text.replace("\n", " ") for text in texts(figure) if "domain moved" in text.replace("\n", " ")]
    share = f"{100 * (order + 1) / grid_size:.3g} %"
    assert said[0].startswith(f"{share} of the domain moved; the basis has {order + 1} of {grid_size} intervals")
    assert said[1].startswith("all of the domain moved")
    knots = model.layer(0).knots[0, 0]
    for axes in figure.axes[:2]:  # one stretch, from knot to knot
        (field,) = [patch for patch in axes.patches if patch.get_gid() == "moved"]
        ends = field.get_x(), field.get_x() + field.get_width()
        np.testing.assert_allclose(ends, (float(knots[n]), float(knots[n + order + 1])), atol=1e-9)
    spline = 0.5 * float(model.layer(0).spline_scale.detach())
    x, difference = line(figure.axes[1], "difference").T
    expected = BSpline.basis_element(knots[n : n + order + 2].numpy(), extrapolate=False)(x)
    np.testing.assert_allclose(difference, spline * np.nan_to_num(expected), atol=1e-12)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_at_the_end_of_the_grid_fewer_intervals_move() -> None:
    model = network([1, 1], base="zero", grid_size=10)
    for n, intervals in ((0, 1), (1, 2), (12, 1)):
        move = Move(model, "layers.0.coefficients", (0, 0, n, 0), 1.0)
        x = -1.0 + (np.arange(1000) + 0.5) / 500
        assert moved_share(*moved(move, x)) == pytest.approx(intervals / 10)
        assert any(
            f"{intervals} of 10 intervals" in text.replace("\n", " ") for text in texts(drawn.plot_locality([move]))
        )


def test_of_a_stack_the_member_that_is_moved_is_drawn() -> None:
    model = network([1, 1], members=3)
    x = np.linspace(-1, 1, 20)
    before, after = moved(Move(model, "layers.0.base_weight", (2, 0, 0), 1.0), x)
    np.testing.assert_allclose(before, model(torch.from_numpy(x)[:, None])[2, :, 0].detach(), atol=1e-14)
    np.testing.assert_allclose(after - before, x / (1 + np.exp(-x)), atol=1e-12)
    assert moved_share(np.zeros(4), np.array([0.0, 1.0, 0.005, -2.0]), 0.01) == 0.5


# --- curves ---------------------------------------------------------------------------------------------------------


def test_bernstein_polynomials_by_expansion_and_their_sum() -> None:
    t = np.linspace(0, 1, 41)
    for n in range(6):
        values = bernstein(n, t)
        for i in range(n + 1):
            expected = comb(n, i) * Polynomial([0, 1]) ** i * Polynomial([1, -1]) ** (n - i)
            np.testing.assert_allclose(values[:, i], expected(t), atol=1e-13)
        assert (values >= 0).all()
    figure = drawn.plot_bernstein()
    for degree, axes in enumerate(figure.axes, start=1):
        assert len(lines(axes, "basis")) == degree + 1
        np.testing.assert_allclose(sum(basis[:, 1] for basis in lines(axes, "basis")), 1.0, atol=1e-14)
        np.testing.assert_allclose(line(axes, "sum")[:, 1], 1.0, atol=1e-14)


def test_de_casteljau_ends_on_the_curve_that_bernstein_weighs() -> None:
    points, t = rand(5, 2).numpy(), float(torch.rand((), generator=GENERATOR))
    levels = de_casteljau(points, t)
    assert [len(level) for level in levels] == [5, 4, 3, 2, 1]
    np.testing.assert_allclose(levels[-1][0], bernstein(4, t) @ points, atol=1e-13)
    figure = drawn.plot_bezier(points.tolist(), t)
    for r, level in enumerate(levels):
        np.testing.assert_allclose(line(figure.axes[0], f"level {r}"), level)
    np.testing.assert_allclose(line(figure.axes[0], "curve")[[0, -1]], points[[0, -1]])
    # each round divides the lines of the round before in the same ratio
    np.testing.assert_allclose(levels[1], points[:-1] + t * np.diff(points, axis=0))


def test_bspline_bases_sum_to_one_on_the_grid_and_end_where_they_say() -> None:
    figure = drawn.plot_bspline_basis()
    assert len(figure.axes) == 5
    for order, axes in enumerate(figure.axes):
        bases = lines(axes, "basis")
        assert len(bases) == 5 + order
        for basis in bases:  # k + 1 intervals of width 1/5
            assert np.ptp(basis[:, 0]) == pytest.approx((order + 1) / 5)
        total = line(axes, "sum")
        inside = (total[:, 0] >= 0) & (total[:, 0] <= 1)
        np.testing.assert_allclose(total[inside, 1], 1.0, atol=1e-12)
        if order:
            outside = (total[:, 0] < -1e-3) | (total[:, 0] > 1 + 1e-3)
            assert (total[outside, 1] < 1).all()


def test_recursion_adds_up_to_the_next_order() -> None:
    for order, axes in enumerate(drawn.plot_recursion(4).axes, start=1):
        x, y = line(axes, "sum").T
        expected = BSpline.basis_element(np.arange(order + 2.0), extrapolate=False)(x)
        np.testing.assert_allclose(y, expected, atol=1e-11)


def test_a_spline_is_the_sum_of_its_terms_and_refinement_keeps_it() -> None:
    c = rand(9).numpy()
    (axes,) = drawn.plot_spline_curve(c.tolist()).axes
    curve = line(axes, "spline")
    total = sum(np.interp(curve[:, 0], *term.T, left=0.0, right=0.0) for term in lines(axes, "term"))
    np.testing.assert_allclose(total, curve[:, 1], atol=1e-10)
    np.testing.assert_allclose(line(axes, "coefficients")[:, 1], c)
    coarse, fine = drawn.plot_refinement(c.tolist()).axes
    assert len(line(fine, "coefficients")) == 2 * 6 + 3
    places = curve[:, 0]
    step = 1 / 6
    knots = np.arange(-1 - 3 * step, 1 + 3.5 * step, step)
    refined = BSpline(knots, line(fine, "coefficients")[:, 1], 3)
    np.testing.assert_allclose(refined(places), curve[:, 1], atol=1e-12)
    np.testing.assert_allclose(line(coarse, "coefficients"), line(axes, "coefficients"))


# --- all of them ----------------------------------------------------------------------------------------------------


def every_picture() -> dict[str, Figure]:
    model = KAN(2, 1, width=3, dtype=torch.float64, generators=[torch.Generator().manual_seed(0)])
    flat = KAN(1, 1, depth=1, dtype=torch.float64, generators=[torch.Generator().manual_seed(0)])
    x = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(20, 2)
    return {
        "network": drawn.plot_network(model, x),
        "networks": drawn.draw_networks([[("a", portrait(model, x), 0)]]),
        "edges": drawn.plot_edges(model, x),
        "locality": drawn.plot_locality([Move(flat, "layers.0.coefficients", (0, 0, 4, 0), 1.0)]),
        "bezier": drawn.plot_bezier(),
        "bernstein": drawn.plot_bernstein(),
        "basis": drawn.plot_bspline_basis(),
        "recursion": drawn.plot_recursion(),
        "spline": drawn.plot_spline_curve(),
        "refinement": drawn.plot_refinement(),
    }


def test_pictures_leave_no_trace_and_are_the_same_twice(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    state = torch.random.get_rng_state()
    first = every_picture()
    assert torch.equal(torch.random.get_rng_state(), state)
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": True, "text.color": "red"}):
        second = every_picture()  # whatever the settings of the caller
    assert dict(mpl.rcParams) == before
    for name, figure in first.items():
        np.testing.assert_array_equal(pixels(figure), pixels(second[name]), err_msg=name)
        for text, (x0, y0, x1, y1) in boxes(figure):
            W, H = figure.get_size_inches() * figure.dpi
            assert min(x0, y0) >= -1, (name, text)
            assert x1 <= W + 1, (name, text)
            assert y1 <= H + 1, (name, text)
    for name in ("network", "edges"):
        one, two = save(first[name], tmp_path / "one", name), save(second[name], tmp_path / "two", name)
        for a, b in zip(one, two, strict=True):
            assert a.read_bytes() == b.read_bytes(), a.name


class _Page(HTMLParser):
    """Tags, attributes and whether all are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images = 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in ("meta", "img", "br", "path", "use"):
            self.open.append(tag)
        self.images += tag == "img" and found["src"].startswith("data:image/png;base64,")
        if tag == "section":
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])

    def handle_endtag(self, tag):
        if tag not in ("path", "use"):
            assert self.open.pop() == tag


def test_the_introduction_draws_and_explains_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scripts.explain.__main__ import main
    from scripts.explain.chapters import CHAPTERS
    from scripts.explain.models import product_network, samples, toy, toy_networks

    main(["--out", str(tmp_path)])
    assert "index.html" in capsys.readouterr().out
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert not page.open
    assert page.ids == [*(chapter.name for chapter in CHAPTERS), "measured"]
    assert page.images - 1 == text.count("<svg role") == len(CHAPTERS)
    for link in page.links:
        assert (link[1:] in page.ids) if link.startswith("#") else (tmp_path / link).is_file()
    for chapter in CHAPTERS:
        assert {f"{chapter.name}.png", f"{chapter.name}.pdf"} <= {path.name for path in tmp_path.iterdir()}
        assert len(chapter.text) > 200
    model, member = product_network()
    error = (model(samples())[member, :, 0] - samples().prod(dim=1)).square().mean().sqrt()
    assert error.item() < 0.02
    for model, member in toy_networks():  # the text says that they have learned it
        error = (model(samples())[member] - toy(samples())).square().mean().sqrt()
        assert error.item() < 0.02


def test_the_introduction_refuses_a_file_for_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scripts.explain.__main__ import main

    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "file")])
    assert "must be a folder" in capsys.readouterr().err
