"""What pruning takes and what it keeps: really smaller networks, each member by itself, and a report that is true."""

import dataclasses
import json

import pytest
import torch

from continual.optimizers.lbfgs import LBFGS
from kan import KAN
from kan.edge_network import EdgeNetwork
from kan.pruning.paths import connected, node_counts, strongest_paths
from kan.pruning.removal import prune, shapes
from kan.pruning.sizes import edge_scores
from kan.pruning.sparsity import SparsityPenalty
from kan.symbolic.edges import SymbolicEdges
from kan.symbolic.functions import find_function
from kan.variants import RBFKAN, ChebyshevKAN
from mlp_baselines import MLP
from tasks.sampling import generators_from

DOUBLE = torch.float64
EXACT = {"rtol": 1e-12, "atol": 1e-13}


def network(members: int = 3, sizes: tuple[int, ...] = (2, 5, 4, 2)) -> KAN:
    """A network whose edges differ in size by orders of magnitude, some masked, differently in each member."""
    model = KAN(sizes[0], sizes[-1], layer_sizes=sizes, grid_size=4, members=members, dtype=DOUBLE)
    with torch.no_grad():
        for layer in model.each_layer():
            size = 10.0 ** (-3.0 * torch.rand(members, layer.in_features, layer.out_features, dtype=DOUBLE))
            layer.get_parameter("spline_scale").mul_(size)
            layer.get_parameter("base_weight").mul_(size)
            live = torch.rand(size.shape) > 0.1
            live[:, 0, 0], live[:, 1] = False, True  # one at least is masked, and every output has a path
            layer.set_mask(live)
    return model


def samples(members: int = 3, features: int = 2, count: int = 60) -> torch.Tensor:
    return 2 * torch.rand(members, count, features, dtype=DOUBLE) - 1


def silence(model: EdgeNetwork, layer: int, inputs: slice, outputs: slice, factor: float = 0.0) -> None:
    """Multiplies some edges of a network without base functions by a small factor."""
    with torch.no_grad():
        model.layer(layer).get_parameter("coefficients")[:, inputs, :, outputs] *= factor


@pytest.mark.parametrize("absorb_means", [False, True])
def test_without_thresholds_nothing_changes_where_every_edge_does_something(absorb_means) -> None:
    model, x = KAN(2, 1, width=5, depth=3, members=3, dtype=DOUBLE), samples()
    for measure in ("l1", "std", "attribution"):
        same, report = prune(
            model, x, node_threshold=0.0, edge_threshold=0.0, measure=measure, absorb_means=absorb_means
        )
        assert type(same) is KAN
        assert same.layer_sizes == model.layer_sizes
        assert torch.equal(same(x), model(x))
        for before, after in zip(model.each_layer(), same.each_layer(), strict=True):
            assert after.mask is None
            for name, value in before.state_dict().items():
                assert torch.equal(after.state_dict()[name], value)
        for entry in report.members:
            assert entry.change == entry.relative_change == 0.0
            assert entry.shape == entry.shape_before == model.layer_sizes
            assert entry.live_edges == entry.live_edges_before == 10 + 25 + 5
            assert entry.parameters == entry.parameters_before == 40 * (5 + 3 + 2)


@pytest.mark.parametrize("measure", ["l1", "std", "attribution"])
def test_smaller_network_computes_what_the_masked_one_does(measure) -> None:
    model, x = network(), samples()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    smaller, report = prune(model, x, node_threshold=0.05, edge_threshold=0.02, measure=measure)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(entry.live_edges < entry.live_edges_before for entry in report.members)
    assert report.layer_sizes == smaller.layer_sizes

    masked = model.rebuilt([layer.select(range(3)) for layer in model.each_layer()])
    sizes = [getattr(score, measure) for score in edge_scores(model, x)]
    live = [layer.live_edges() & (size > 0.02) for layer, size in zip(model.each_layer(), sizes, strict=True)]
    for _ in range(10):  # the definition, node by node and as often as wanted
        for left, right in ((0, 1), (1, 2)):
            for m in range(3):
                for node in range(live[left].shape[2]):
                    into = torch.where(live[left][m, :, node], sizes[left][m, :, node], 0.0)
                    out = torch.where(live[right][m, node], sizes[right][m, node], 0.0)
                    if into.max() <= 0.05 or out.max() <= 0.05:
                        live[left][m, :, node] = False
                        live[right][m, node] = False
    assert all(entry.kept_outputs == [] for entry in report.members) == bool(live[-1].any(dim=1).all())
    for layer, alive in zip(masked.each_layer(), live, strict=True):
        layer.set_mask(alive)
    for m, entry in enumerate(report.members):
        if not entry.kept_outputs:
            torch.testing.assert_close(smaller(x)[m], masked(x)[m], **EXACT)
            assert entry.live_edges == sum(int(alive[m].sum()) for alive in live)


def test_report_is_true() -> None:
    model, x = network(), samples()
    smaller, report = prune(model, x, node_threshold=0.05, edge_threshold=0.02)
    before, after = model(x), smaller(x)
    assert report.layer_sizes_before == [2, 5, 4, 2]
    for m, entry in enumerate(report.members):
        change = (after[m] - before[m]).square().mean().sqrt()
        assert entry.change == pytest.approx(change.item(), rel=1e-12)
        spread = (before[m] - before[m].mean(0)).square().mean().sqrt()
        assert entry.relative_change == pytest.approx((change / spread).item(), rel=1e-12)
        live = [layer.live_edges()[m] for layer in smaller.each_layer()]
        assert entry.live_edges == sum(int(alive.sum()) for alive in live)
        assert entry.live_edges_before == sum(int(layer.live_edges()[m].sum()) for layer in model.each_layer())
        assert entry.parameters == int(smaller.live_parameters()[m]) == entry.live_edges * (4 + 3 + 2)
        assert entry.parameters_before == entry.live_edges_before * 9
        assert entry.shape == [2, *(int(alive.any(0).sum()) for alive in live[:-1]), 2] == shapes(smaller)[m]
        assert entry.shape_before == shapes(model)[m]
        assert entry.unused_inputs == [i for i in range(2) if not live[0][i].any()]
    widths = [max(entry.shape[index] for entry in report.members) for index in range(4)]
    assert smaller.layer_sizes == report.layer_sizes == widths
    json.dumps(dataclasses.asdict(report))


@pytest.mark.parametrize("absorb_means", [False, True])
def test_a_member_is_pruned_as_it_would_be_alone(absorb_means) -> None:
    model, x = network(), samples()
    settings = {"node_threshold": 0.05, "edge_threshold": 0.02, "absorb_means": absorb_means}
    stack, report = prune(model, x, **settings)
    for m in range(3):
        alone, own = prune(model.member(m), x[m : m + 1], **settings)
        assert alone.layer_sizes == [max(size, 1) for size in report.members[m].shape]
        torch.testing.assert_close(alone(x[m : m + 1])[0], stack(x)[m], **EXACT)
        for ours, theirs in zip(
            dataclasses.astuple(own.members[0]), dataclasses.astuple(report.members[m]), strict=True
        ):
            assert ours == pytest.approx(theirs, rel=1e-9)


def test_dead_ends_go_and_unused_inputs_are_named() -> None:
    model, x = KAN(3, 1, width=4, depth=3, base="zero", dtype=DOUBLE), samples(1, 3)
    silence(model, 2, slice(0, 1), slice(None))  # node 0 of the last hidden layer leads nowhere
    silence(model, 1, slice(2, 3), slice(1, None))  # node 2 of the first leads to that one only
    silence(model, 0, slice(1, 2), slice(None))  # input 1 leads nowhere
    silence(model, 0, slice(None), slice(3, 4))  # node 3 of the first sees no input
    smaller, report = prune(model, x, node_threshold=0.0, edge_threshold=0.0)
    entry = report.members[0]
    assert entry.shape == [3, 3 - 1, 3, 1]
    assert entry.unused_inputs == [1]
    assert smaller.in_features == 3
    assert torch.equal(smaller.layer(0).live_edges()[0, 1], torch.tensor([False, False]))


def test_a_node_needs_a_large_edge_on_either_side() -> None:
    model, x = KAN(2, 1, width=3, base="zero", dtype=DOUBLE), samples(1)
    silence(model, 0, slice(None), slice(0, 1), 1e-3)  # next to nothing comes in
    silence(model, 1, slice(1, 2), slice(None), 1e-3)  # next to nothing goes out
    assert prune(model, x, edge_threshold=0.0)[1].members[0].shape == [2, 1, 1]
    assert prune(model, x, node_threshold=0.0, edge_threshold=0.0)[1].members[0].shape == [2, 3, 1]


def test_every_output_keeps_a_path() -> None:
    model, x = network(), samples()
    smaller, report = prune(model, x, node_threshold=1e3, edge_threshold=1e3)
    sizes = [
        score.l1.where(layer.live_edges(), -1.0)
        for score, layer in zip(edge_scores(model, x), model.each_layer(), strict=True)
    ]
    for m, entry in enumerate(report.members):
        assert entry.kept_outputs == [0, 1]
        assert entry.live_edges <= 6
        for output in range(2):
            alone = strongest_paths([size[m : m + 1] for size in sizes], torch.arange(2)[None] == output)
            weakest = min(size[m : m + 1][path].item() for size, path in zip(sizes, alone, strict=True))
            every_path = [
                min(sizes[0][m, i, a].item(), sizes[1][m, a, b].item(), sizes[2][m, b, output].item())
                for i in range(2)
                for a in range(5)
                for b in range(4)
            ]
            assert weakest == max(every_path)
    assert bool(smaller(x).isfinite().all())


def test_a_member_that_is_not_finite_does_not_hold_the_others_back() -> None:
    model, x = network(), samples()
    expected, plain = prune(model, x, node_threshold=0.05, edge_threshold=0.02, absorb_means=True)
    with torch.no_grad():
        model.layer(1).get_parameter("coefficients")[1] = float("nan")
    smaller, report = prune(model, x, node_threshold=0.05, edge_threshold=0.02, absorb_means=True)
    for m in (0, 2):
        torch.testing.assert_close(smaller(x)[m], expected(x)[m], **EXACT)
        assert report.members[m] == plain.members[m]
    assert report.members[1].live_edges <= 6
    assert report.members[1].change != report.members[1].change  # NaN


def test_constants_of_removed_edges_are_kept_exactly() -> None:
    model, x = KAN(2, 2, width=4, base="zero", members=2, dtype=DOUBLE), samples(2)
    with torch.no_grad():
        first, second = (model.layer(index).get_parameter("coefficients") for index in range(2))
        first.mul_(0.2)  # hidden nodes stay within the grid
        first[:, 0, :, 1] = 0.3  # an edge that adds a constant to a node that stays
        first[:, :, :, 3] = 0.1  # a node that is constant, and what it says to the outputs
        second[:, 2, :, 1] = -0.4  # an output edge that is constant
    for measure in ("std", "attribution"):
        smaller, report = prune(
            model, x, node_threshold=1e-10, edge_threshold=1e-10, measure=measure, absorb_means=True
        )
        assert [entry.shape for entry in report.members] == [[2, 3, 2]] * 2
        assert [entry.live_edges for entry in report.members] == [5 + 5] * 2
        torch.testing.assert_close(smaller(x), model(x), **EXACT)
        without = prune(model, x, node_threshold=1e-10, edge_threshold=1e-10, measure=measure)[1]
        assert all(entry.change > 1e-2 for entry in without.members)
        assert all(entry.change < 1e-12 for entry in report.members)


def test_means_go_to_edges_that_can_take_them() -> None:
    model, x = KAN(2, 1, depth=1, base="zero", dtype=DOUBLE), samples(1)
    with torch.no_grad():
        layer = model.layer(0)
        layer.coefficients[:, 0] = 0.5
        layer.symbolic = SymbolicEdges(1, 2, 1, dtype=DOUBLE)
        fixed = torch.tensor([[[False], [True]]])
        layer.symbolic.fix(fixed, find_function("sin"), torch.ones(1, 2, 1, 4, dtype=DOUBLE))
    smaller, report = prune(model, x, measure="std", absorb_means=True)
    assert report.members[0].unused_inputs == [0]
    torch.testing.assert_close(smaller(3.0 * x), torch.sin(3.0 * x[..., 1:] + 1.0) + 1.5, **EXACT)
    with torch.no_grad():  # and where none can, the mean is lost, which the report says
        other = KAN(2, 1, depth=1, dtype=DOUBLE)
        other.layer(0).spline_scale[:, 1] = 0.0
        other.layer(0).base_weight[:, 0] = 0.0
        other.layer(0).coefficients[:, 0] = 0.5
    _, report = prune(other, x, measure="std", absorb_means=True)
    assert report.members[0].change == pytest.approx(0.5)


def test_shifts_are_exact_on_the_grid_and_refused_where_they_can_not_be() -> None:
    layer = network().layer(0)
    delta = torch.where(layer.shiftable(), torch.rand(3, 2, 5, dtype=DOUBLE), 0.0)
    x, before = samples(), layer.edge_values(samples())
    before = layer.edge_values(x)
    layer.shift_edges(delta)
    torch.testing.assert_close(layer.edge_values(x), before + delta.unsqueeze(1), **EXACT)
    with pytest.raises(ValueError, match="shifts of these edges have shape"):
        layer.shift_edges(delta[:1])
    with pytest.raises(ValueError, match="masked, have spline_scale 0 or are of a family without constants"):
        layer.shift_edges(torch.ones_like(delta))
    family = RBFKAN(2, 1, members=3)
    assert not family.layer(0).shiftable().any()
    with pytest.raises(ValueError, match="without constants"):
        family.layer(0).shift_edges(torch.ones(3, 2, 5))


@pytest.mark.parametrize("family", [RBFKAN, ChebyshevKAN])
def test_any_family_of_edges_is_pruned(family) -> None:
    model, x = family(2, 1, width=4, base="zero", members=2, dtype=DOUBLE), samples(2)
    silence(model, 1, slice(1, 3), slice(None))
    smaller, report = prune(model, x, node_threshold=0.0, edge_threshold=0.0, measure="std", absorb_means=True)
    assert type(smaller) is family
    assert [entry.shape for entry in report.members] == [[2, 2, 1]] * 2
    torch.testing.assert_close(smaller(x) - model(x), torch.zeros_like(model(x)), rtol=0, atol=1e-12)


def test_a_pruned_network_trains_and_is_saved_and_loaded() -> None:
    model, x = network(), samples()
    smaller, _ = prune(model, x, node_threshold=0.05, edge_threshold=0.02)
    smaller(x).square().sum().backward()
    for layer in smaller.each_layer():
        live = layer.live_edges()
        for name in ("spline_scale", "base_weight"):
            gradient = layer.get_parameter(name).grad
            assert gradient is not None
            assert (gradient[~live] == 0).all()
    again = KAN(2, 2, layer_sizes=[2, 5, 4, 2], members=3, dtype=DOUBLE)
    again.fit_to(smaller.state_dict())
    again.load_state_dict(smaller.state_dict())
    assert torch.equal(again(x), smaller(x))


def test_product_needs_two_hidden_nodes() -> None:
    """As xy = ((x + y)² - (x - y)²) / 4, a penalised [2, 5, 1] is pruned to [2, 2, 1] at next to no cost."""
    seeds = range(3)
    draws = generators_from(seeds, "data")
    x = torch.stack([2 * torch.rand(300, 2, generator=draw, dtype=DOUBLE) - 1 for draw in draws])
    y = x[..., :1] * x[..., 1:]
    model = KAN(2, 1, grid_size=3, members=3, generators=generators_from(seeds, "model"), dtype=DOUBLE)
    penalty = SparsityPenalty(2e-3, measure="std")
    optimizer = LBFGS(model.parameters())

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        predictions, penalties = penalty(model, x)
        losses = (predictions - y).square().mean(dim=(1, 2)) + penalties
        losses.sum().backward()
        return losses.detach()

    for _ in range(15):
        optimizer.step(closure)
    smaller, report = prune(model, x, edge_threshold=3e-2, measure="attribution", absorb_means=True)
    assert smaller.layer_sizes == [2, 2, 1]
    assert [entry.live_edges for entry in report.members] == [6, 6, 6]
    assert all(entry.relative_change < 0.02 for entry in report.members)
    assert bool(((smaller(x) - y).square().mean(dim=(1, 2)).sqrt() < 0.03).all())


def test_paths() -> None:
    live = [torch.rand(2, 3, 5) > 0.6, torch.rand(2, 5, 4) > 0.6, torch.rand(2, 4, 2) > 0.6]
    found = connected(live)
    for m in range(2):
        for a in range(5):
            reached = live[0][m, :, a].any()
            onward = any(live[1][m, a, b] and live[2][m, b].any() for b in range(4))
            assert torch.equal(found[0][m, :, a], live[0][m, :, a] & onward)
            for b in range(4):
                leads = live[2][m, b].any()
                assert bool(found[1][m, a, b]) == bool(live[1][m, a, b] and reached and leads)
    assert all(torch.equal(one, other) for one, other in zip(connected(found), found, strict=True))
    counts = node_counts(live)
    assert [count[0] for count in counts] == [3, 3]
    assert counts[1][1] == int(found[0][1].any(0).sum())


def test_bad_arguments_are_refused_in_one_line() -> None:
    model, x = KAN(2, 1), torch.rand(5, 2)
    for settings, message in (
        ({"node_threshold": -0.1}, "node_threshold must be at least 0"),
        ({"edge_threshold": float("nan")}, "edge_threshold must be at least 0"),
        ({"measure": "l2"}, "measure must be one of l1, std, attribution, got 'l2'"),
    ):
        with pytest.raises(ValueError, match=message):
            prune(model, x, **settings)
    with pytest.raises(ValueError, match="finite samples"):
        prune(model, x / 0.0)
    with pytest.raises(ValueError, match="at least one sample"):
        prune(model, x[:0])
    with pytest.raises(ValueError, match="expected input of shape"):
        prune(model, x[:, :1])
    with pytest.raises(ValueError, match="a network of edges such as KAN, got MLP"):
        prune(MLP(2, 1), x)
    with pytest.raises(ValueError, match="got MLP"):
        shapes(MLP(2, 1))
