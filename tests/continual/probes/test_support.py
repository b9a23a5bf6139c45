"""Support overlaps against counts by hand."""

import pytest
import torch

from continual.probes import Support, support_overlap
from kan.variants import ChebyshevKAN
from mlp_baselines import SplineMLP
from tasks import Curriculum, Task
from tests.continual.probes.models import DOUBLE, drawn, local_kan, mlp


def curriculum(*inputs: torch.Tensor) -> Curriculum:
    tasks = [
        Task(str(i), x, torch.zeros_like(x[..., :1]), x, torch.zeros_like(x[..., :1])) for i, x in enumerate(inputs)
    ]
    return Curriculum("by hand", tasks, (-1.0, 1.0))


def points(*rows) -> torch.Tensor:
    return torch.tensor([rows, rows], dtype=DOUBLE)


def test_shares_by_hand() -> None:
    #                      basis   1    2    3    4
    shares = torch.tensor([[[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.25, 0.0]]], dtype=DOUBLE)
    found = support_overlap(shares)
    assert found.alive[0].tolist() == [[1.0, 1 / 3], [1 / 3, 1.0]]
    assert found.weighted[0].tolist() == [[1.0, 0.5 / 2.25], [0.5 / 2.25, 1.0]]
    assert found.shared[0].tolist() == [[2 / 4, 1 / 4], [1 / 4, 2 / 4]]


def test_a_layer_by_hand() -> None:
    """G = 4, k = 1 on [-1, 1]: hats at -1, -0.5, 0, 0.5, 1; an input between two of them makes both alive."""
    model = local_kan(2, grid_size=4, spline_order=1)
    first = points([-0.75, -0.75], [-0.6, -0.25])  # axis 1: hats 0 1; axis 2: hats 0 1, 1 2
    second = points([-0.25, 0.75], [0.25, 0.8])  # axis 1: hats 1 2, 2 3; axis 2: hats 3 4
    found = Support().measure(model, curriculum(first, second), 0)
    # alive on the first: {0 1} {0 1 2}, on the second: {1 2 3} {3 4}; in common: basis 1 of axis 1; either: 9
    assert found["alive"][:, 0, 0, 1].tolist() == [1 / 9] * 2
    assert found["shared"][:, 0, 0, 1].tolist() == [1 / 10] * 2
    assert found["published"][:, 0, 1].tolist() == [1 / 10] * 2
    assert found["mean_published"].tolist() == [1 / 10] * 2
    # how often: axis 1 first (1 1 0 0 0), second (0 .5 1 .5 0); axis 2 first (.5 1 .5 0 0), second (0 0 0 1 1)
    assert found["weighted"][:, 0, 0, 1].tolist() == pytest.approx(
        [0.5 / (1 + 1 + 1 + 0.5 + 0.5 + 1 + 0.5 + 1 + 1)] * 2
    )


def test_the_published_overlap_is_the_largest_over_layers() -> None:
    model = local_kan(2, depth=2, width=3, grid_size=6, base="silu")
    x = [0.3 * drawn(2, 5, 2) - 0.6, 0.3 * drawn(2, 5, 2, seed=1) + 0.6]
    found = Support().measure(model, curriculum(*x), 1)
    shared = []
    for layer, (a, b) in enumerate(zip(model.activations(x[0])[:-1], model.activations(x[1])[:-1], strict=True)):
        alive = [(model.layer(layer).basis(each) != 0).any(dim=1) for each in (a, b)]
        shared.append((alive[0] & alive[1]).double().mean(dim=(1, 2)))
    assert torch.equal(found["shared"][:, :, 0, 1], torch.stack(shared, dim=1))
    assert torch.equal(found["published"][:, 0, 1], torch.maximum(*shared))


def test_bases_that_no_edge_uses_do_not_count() -> None:
    model = local_kan(2, 2, grid_size=4, spline_order=1)
    x = points([-0.75, 0.75])
    whole = Support().measure(model, curriculum(x, x), 0)["shared"]
    live = torch.ones(2, 2, 2, dtype=torch.bool)
    live[0, 0] = False  # both edges of the first input, of the first member
    live[1, 0, 0] = False  # one of them
    model.layer(0).set_mask(live)
    assert whole[:, 0, 0, 1].tolist() == [4 / 10] * 2
    assert Support().measure(model, curriculum(x, x), 0)["shared"][:, 0, 0, 1].tolist() == [2 / 10, 4 / 10]


def test_other_bases() -> None:
    x = [drawn(2, 4, 1) - 0.5, drawn(2, 4, 1, seed=1)]
    everywhere = ChebyshevKAN(1, 1, width=2, depth=2, members=2, dtype=DOUBLE)
    assert bool((Support().measure(everywhere, curriculum(*x), 0)["alive"] == 1.0).all())
    above = Support(threshold=1e9).measure(everywhere, curriculum(*x), 0)
    assert bool((above["shared"] == 0.0).all())
    assert bool(above["alive"].isnan().all())
    units = SplineMLP(1, 1, width=3, depth=3, members=2, dtype=DOUBLE)
    found = Support().measure(units, curriculum(*x), 0)["shared"]
    assert found.shape == (2, 2, 2, 2)
    hidden = [(units.units()[1].basis(units.pre_activations(each)[1]) != 0).any(dim=1) for each in x]
    assert torch.equal(found[:, 1, 0, 1], (hidden[0] & hidden[1]).double().mean(dim=(1, 2)))


@pytest.mark.parametrize("make", [mlp, lambda: SplineMLP(1, 1, depth=1, members=2, dtype=DOUBLE)])
def test_without_bases_it_is_undefined(make) -> None:
    found = Support().measure(make(), curriculum(drawn(2, 4, 1), drawn(2, 4, 1)), 0)
    assert found["published"].shape == (2, 2, 2)
    assert all(bool(torch.as_tensor(each).isnan().all()) for each in found.values())


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"probe.support.threshold must be at least 0"):
        Support(threshold=-0.1)
