"""An affine layer into splines: against its parts, its sizes in a published study, and what strategies make of it."""

import pytest
import torch

from continual.models import columns_of, parameter_counts
from continual.strategies.layout import layout_of
from kan import KAN
from mlp_baselines import LinearKAN

DOUBLE = torch.float64


@pytest.mark.parametrize(
    ("hidden", "grid_size", "spline_order", "count"), [(123, 15, 3, 93_972), (117, 12, 3, 77_454), (120, 12, 1, 71_280)]
)
def test_sizes_of_the_study(hidden, grid_size, spline_order, count) -> None:
    model = LinearKAN(83, 34, width=hidden, grid_size=grid_size, spline_order=spline_order)
    assert parameter_counts(model) == {"trainable": count, "total": count}
    assert model.describe()["layer_sizes"] == [83, hidden, 34]
    assert model.flops() == 2 * 83 * hidden + model.head.flops()


def test_is_an_affine_map_and_then_a_kan() -> None:
    model = LinearKAN(3, 2, layer_sizes=[3, 4, 5, 2], grid_size=6, members=2, dtype=DOUBLE)
    same = KAN(4, 2, layer_sizes=[4, 5, 2], grid_size=6, grid_range=(-1.0, 1.0), members=2, dtype=DOUBLE)
    same.load_state_dict(model.head.state_dict())
    x = torch.randn(2, 9, 3, dtype=DOUBLE)
    hidden = torch.einsum("mbi,mij->mbj", x, model.weight) + model.bias
    torch.testing.assert_close(model(x), same(hidden), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.outside(x), same.outside(hidden))
    assert [each.shape for each in model.basis_values(x)] == [(2, 9, 4, 9), (2, 9, 5, 9)]
    assert model.weight.abs().max() <= 3**-0.5
    torch.testing.assert_close(model(x[0]), model(x[0].expand(2, -1, -1)))


def test_members_start_from_their_own_generators() -> None:
    def made(*seeds):
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        return LinearKAN(3, 2, members=len(seeds), generators=draws, dtype=DOUBLE)

    both, alone = made(3, 4), made(4)
    for ours, theirs in zip(both.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours[1:], theirs)


def test_the_affine_layer_is_a_layer_of_its_own() -> None:
    model = LinearKAN(3, 2, width=4, depth=3)
    sizes = [len(layer) for layer in layout_of(model).layers()]
    assert len(sizes) == 3
    assert sizes[0] == 3 * 4 + 4
    assert sum(sizes) == columns_of(model)


def test_one_layer_is_too_few() -> None:
    with pytest.raises(ValueError, match="depth must be at least 2, an affine layer and one of splines, got 1"):
        LinearKAN(3, 2, depth=1)
