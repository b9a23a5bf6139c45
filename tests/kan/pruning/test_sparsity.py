"""Sizes of edges, by two routes; the paper's penalty; nothing as large as all edges' values; members that never mix."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import kan.pruning.sizes as sparsity
from kan import KAN, KANLayer
from kan.edge_layer import EdgeLayer
from kan.edge_network import EdgeNetwork
from kan.pruning.sizes import edge_l1, edge_scores, edge_std
from kan.pruning.sparsity import SparsityPenalty, share_entropy
from kan.symbolic.edges import SymbolicEdges
from kan.symbolic.functions import find_function
from kan.variants import ChebyshevLayer, RBFLayer
from mlp_baselines import MLP

DOUBLE = torch.float64
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def spline_layer(outputs: int, masked: bool = True, **settings) -> KANLayer:
    layer = KANLayer(3, outputs, 4, members=2, dtype=DOUBLE, **settings)
    if masked:
        layer.set_mask(torch.rand(2, 3, outputs) > 0.3)
    return layer


def samples(members: int = 2, count: int = 50, features: int = 3) -> torch.Tensor:
    return (2.4 * torch.rand(members, count, features, dtype=DOUBLE) - 1.2).requires_grad_()


def plain_std(layer: EdgeLayer, x: torch.Tensor) -> torch.Tensor:
    values = torch.einsum("mbif,mifo->mbio", layer.edge_features(x), layer.edge_weights())
    if layer.symbolic is not None:
        values = values + layer.symbolic.edge_values(x, layer.mask)
    variance = values.var(dim=1, correction=0)
    return torch.where(variance > 0, variance.clamp(min=1e-300).sqrt(), 0.0)


def plain_l1(layer: EdgeLayer, x: torch.Tensor) -> torch.Tensor:
    return layer.edge_values(x).abs().mean(dim=1)


def gradients_of(sizes: torch.Tensor, layer: EdgeLayer, x: torch.Tensor) -> list[torch.Tensor]:
    direction = torch.rand(sizes.shape, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    return list(torch.autograd.grad((sizes * direction).sum(), [x, *layer.parameters()]))


def layers() -> list[EdgeLayer]:
    return [
        spline_layer(20),  # more edges an input than features: by the covariance
        spline_layer(20, base="zero"),
        spline_layer(2),  # fewer: by the values
        RBFLayer(3, 20, 5, members=2, dtype=DOUBLE),
        ChebyshevLayer(3, 20, 4, members=2, dtype=DOUBLE),
    ]


@pytest.mark.parametrize("piece", [sparsity.PIECE, 400])
@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize(("measured", "plain"), [(edge_std, plain_std), (edge_l1, plain_l1)])
def test_sizes_and_their_gradients_are_those_of_the_plain_computation(
    index, measured, plain, piece, monkeypatch
) -> None:
    monkeypatch.setattr(sparsity, "PIECE", piece)
    layer, x = layers()[index], samples()
    sizes, expected = measured(layer, x), plain(layer, x)
    torch.testing.assert_close(sizes, expected, **EXACT)
    for ours, theirs in zip(gradients_of(sizes, layer, x), gradients_of(expected, layer, x), strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_edges_with_formulas_have_the_size_of_their_formulas() -> None:
    layer, x = spline_layer(20), samples()
    layer.symbolic = SymbolicEdges(2, 3, 20, dtype=DOUBLE)
    fixed = torch.rand(2, 3, 20) > 0.5
    layer.symbolic.fix(fixed, find_function("sin"), torch.rand(2, 3, 20, 4, dtype=DOUBLE) + 0.5)
    sizes = edge_std(layer, x)
    torch.testing.assert_close(sizes, plain_std(layer, x), **EXACT)
    assert (sizes[fixed & layer.live_edges()] > 0).all()
    ours, theirs = (gradients_of(each, layer, x) for each in (sizes, plain_std(layer, x)))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


class Largest(TorchDispatchMode):
    """Notes the elements of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return out


def test_standard_deviations_never_hold_the_values_of_all_edges() -> None:
    layer, x = spline_layer(100, masked=False), samples(count=200)
    everything = 2 * 200 * 3 * 100
    with Largest() as largest:
        edge_std(layer, x).sum().backward()
    assert largest.elements < everything / 5
    with Largest() as largest:
        plain_std(layer, x).sum().backward()
    assert largest.elements >= everything  # which the other route does


@pytest.mark.parametrize("measure", ["l1", "std"])
def test_memory_is_bounded_however_many_samples_there_are(measure, monkeypatch) -> None:
    monkeypatch.setattr(sparsity, "PIECE", 5000)
    layer = spline_layer(10)
    largest = []
    for count in (500, 2000):
        with Largest() as seen:
            sizes = {"l1": edge_l1, "std": edge_std}[measure](layer, torch.rand(2, count, 3, dtype=DOUBLE))
            sizes.sum().backward()
        largest.append(seen.elements)
    assert max(largest) < 2000 * 2 * 3 * 10 / 4


def test_constant_edges_have_no_deviation_and_no_gradient() -> None:
    layer = KANLayer(2, 20, 4, base="zero", dtype=DOUBLE)
    with torch.no_grad():
        layer.coefficients.zero_()
    sizes = edge_std(layer, samples(1, features=2))
    sizes.sum().backward()
    assert (sizes == 0).all()
    assert (layer.coefficients.grad == 0).all()
    with torch.no_grad():
        layer.coefficients[:, :, :, :10] = 3.0
    x = 2 * torch.rand(1, 50, 2, dtype=DOUBLE) - 1
    torch.testing.assert_close(edge_std(layer, x), torch.zeros(1, 2, 20, dtype=DOUBLE), rtol=0, atol=1e-7)
    torch.testing.assert_close(edge_l1(layer, x)[..., :10], torch.full((1, 2, 10), 3.0, dtype=DOUBLE))


def test_entropy_of_shares() -> None:
    sizes = torch.tensor(
        [[[2.0, 2.0], [2.0, 2.0]], [[0.0, 5.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [3.0, 0.0]]],
        dtype=DOUBLE,
        requires_grad=True,
    )
    entropy = share_entropy(sizes)
    mixed = -sum(p * math.log(p) for p in (1 / 6, 2 / 6, 3 / 6))
    torch.testing.assert_close(entropy, torch.tensor([math.log(4), 0.0, 0.0, mixed], dtype=DOUBLE))
    entropy.sum().backward()
    assert sizes.grad.isfinite().all()
    assert (sizes.grad[2] == 0).all()
    torch.testing.assert_close(share_entropy(7.0 * sizes), entropy)
    positive = torch.rand(2, 3, 2, dtype=DOUBLE).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(share_entropy, positive)


@pytest.mark.parametrize("measure", ["l1", "std"])
def test_penalty_is_the_papers_sum_and_predictions_are_the_networks(measure) -> None:
    model = KAN(2, 3, width=4, depth=3, members=2, dtype=DOUBLE)
    x = 2 * torch.rand(2, 30, 2, dtype=DOUBLE) - 1
    predictions, penalty = SparsityPenalty(0.3, 2.0, 0.7, measure)(model, x)
    assert torch.equal(predictions, model(x))
    for member in range(2):
        total = 0.0
        for layer, inputs in zip(model.each_layer(), model.activations(x)[:-1], strict=True):
            values = layer.edge_values(inputs)[member].detach()
            sizes = values.abs().mean(0) if measure == "l1" else values.std(0, correction=0)
            shares = sizes / sizes.sum()
            total += 2.0 * float(sizes.sum()) - 0.7 * float((shares * shares.log()).sum())
        assert penalty[member].item() == pytest.approx(0.3 * total, rel=1e-12)


@pytest.mark.parametrize("measure", ["l1", "std"])
def test_masked_edges_and_dead_layers_have_no_part_in_the_penalty(measure) -> None:
    model = KAN(2, 1, width=3, members=1, dtype=DOUBLE)
    x = torch.rand(20, 2, dtype=DOUBLE)
    live = torch.tensor([[[True, False, False], [False, False, False]]])
    model.layer(0).set_mask(live)
    model.layer(1).set_mask(torch.zeros(1, 3, 1, dtype=torch.bool))
    _, penalty = SparsityPenalty(1.0, measure=measure)(model, x)
    penalty.sum().backward()
    only = {"l1": plain_l1, "std": plain_std}[measure](model.layer(0), x.expand(1, -1, -1))[0, 0, 0]
    torch.testing.assert_close(penalty[0], only)
    for layer, alive in ((model.layer(0), live), (model.layer(1), torch.zeros(1, 3, 1, dtype=torch.bool))):
        for gradient in (layer.spline_scale.grad, layer.base_weight.grad):
            assert gradient.isfinite().all()
            assert (gradient[~alive] == 0).all()
    assert (model.layer(0).spline_scale.grad[live] != 0).all()


@pytest.mark.parametrize("measure", ["l1", "std"])
def test_a_member_is_penalised_as_it_would_be_alone(measure) -> None:
    model = KAN(2, 1, width=12, grid_size=3, members=3, dtype=DOUBLE)
    x = 2 * torch.rand(3, 40, 2, dtype=DOUBLE) - 1
    penalty = SparsityPenalty(0.1, measure=measure)
    penalties = penalty(model, x)[1]
    penalties.sum().backward()
    for member in range(3):
        alone = model.member(member)
        one = penalty(alone, x[member : member + 1])[1]
        one.sum().backward()
        torch.testing.assert_close(one[0], penalties[member], **EXACT)
        for ours, theirs in zip(alone.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(ours.grad[0], theirs.grad[member], **EXACT)


def test_scores_are_plain_statistics_of_the_edges() -> None:
    model = KAN(2, 2, width=3, members=2, dtype=DOUBLE)
    x = 2 * torch.rand(2, 30, 2, dtype=DOUBLE) - 1
    scores = edge_scores(model, x)
    for layer, inputs, score in zip(model.each_layer(), model.activations(x)[:-1], scores, strict=True):
        values = layer.edge_values(inputs)
        torch.testing.assert_close(score.l1, values.abs().mean(1), **EXACT)
        torch.testing.assert_close(score.std, values.std(1, correction=0), **EXACT)
        torch.testing.assert_close(score.mean, values.mean(1), **EXACT)
        assert not any(each.requires_grad for each in score)


def test_attribution_follows_the_outputs_back() -> None:
    model = KAN(2, 1, width=3, members=1, dtype=DOUBLE)
    x = 2 * torch.rand(30, 2, dtype=DOUBLE) - 1
    first, second = edge_scores(model, x)
    hidden, output = (each[0].std(0, correction=0) for each in model.activations(x)[1:])
    torch.testing.assert_close(second.attribution[0, :, 0], second.std[0, :, 0] / output[0], **EXACT)
    by_hand = first.std[0] * second.attribution[0, :, 0] / hidden
    torch.testing.assert_close(first.attribution[0], by_hand, **EXACT)


def test_attribution_does_not_depend_on_the_scale_of_hidden_nodes() -> None:
    grid = torch.linspace(-4, 4, 9, dtype=DOUBLE)
    first = KANLayer(2, 3, base="zero", dtype=DOUBLE)
    second, smaller = (KANLayer(3, 1, grid=grid / size, base="zero", dtype=DOUBLE) for size in (1.0, 100.0))
    model = EdgeNetwork([first, second])
    scaled = model.rebuilt([first.select([0]), smaller])
    with torch.no_grad():
        smaller.coefficients.copy_(second.coefficients)
        scaled.layer(0).get_parameter("coefficients").div_(100.0)
    x = 2 * torch.rand(30, 2, dtype=DOUBLE) - 1
    for before, after in zip(edge_scores(model, x), edge_scores(scaled, x), strict=True):
        torch.testing.assert_close(after.attribution, before.attribution, rtol=1e-10, atol=1e-12)
    assert float(edge_scores(scaled, x)[0].std.max()) < 0.02 * float(edge_scores(model, x)[0].std.max())


def test_constant_nodes_attribute_nothing() -> None:
    model = KAN(2, 1, width=2, base="zero", dtype=DOUBLE)
    with torch.no_grad():
        model.layer(0).coefficients[..., 0] = 0.0
    first, second = edge_scores(model, torch.rand(30, 2, dtype=DOUBLE))
    assert (first.attribution[..., 0] == 0).all()
    assert float(second.attribution[0, 0]) < 1e-12  # constant up to rounding
    assert all(each.isfinite().all() for score in (first, second) for each in score)


def test_bad_arguments_are_refused_in_one_line() -> None:
    for settings, message in (
        ({"weight": -1.0}, "weight of the sparsity penalty must be at least 0"),
        ({"weight": 1.0, "l1": float("nan")}, "l1 of the sparsity penalty"),
        ({"weight": 1.0, "entropy": float("inf")}, "entropy of the sparsity penalty"),
        ({"weight": 1.0, "measure": "l2"}, "measure must be one of l1, std, got 'l2'"),
    ):
        with pytest.raises(ValueError, match=message):
            SparsityPenalty(**settings)
    penalty = SparsityPenalty(1.0)
    with pytest.raises(ValueError, match="at least one sample"):
        penalty(KAN(2, 1), torch.rand(0, 2))
    with pytest.raises(ValueError, match="expected input of shape"):
        penalty(KAN(2, 1), torch.rand(5, 3))
    with pytest.raises(ValueError, match="a network of edges such as KAN, got MLP"):
        penalty(MLP(2, 1), torch.rand(5, 2))
