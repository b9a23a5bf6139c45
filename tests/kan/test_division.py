"""Intervals divided where samples are: the same function, narrow there, and as they were elsewhere."""

import pytest
import torch

from kan import KAN
from kan.layer import KANLayer

DOUBLE = torch.float64


def grid(layer):
    return layer.knots[..., layer.spline_order : -layer.spline_order]


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_divided_grids_hold_the_same_function(order, dtype) -> None:
    layer = KANLayer(2, 3, grid_size=5, spline_order=order, members=3, dtype=dtype)
    x = (2.0 * torch.rand(3, 400, 2, dtype=DOUBLE) - 1.0).to(dtype)
    before, knots = layer(x), layer.knots.clone()
    some = torch.stack([-0.9 + 0.5 * m + 0.1 * torch.rand(20, 2, dtype=DOUBLE) for m in range(3)]).to(dtype)
    added = layer.divide(some, 0.05)
    assert added > 0
    tolerance = 1e-12 if dtype == DOUBLE else 1e-5
    torch.testing.assert_close(layer(x), before, rtol=0, atol=tolerance)
    assert layer.grid_size == 5 + added
    assert layer.divide(some, 0.05) == 0
    for m in range(3):
        for i in range(2):
            points = grid(layer)[m, i]
            place = torch.searchsorted(points, some[m, :, i].contiguous(), right=True)
            widths = points.diff()
            assert widths[place - 1].max() <= 0.05 * (1 + 1e-4)
            assert torch.isin(knots[m, i], layer.knots[m, i]).all()
            inside = points[points <= 1.0 + 1e-6].diff()
            assert ((inside > 0.39) | (inside < 0.051)).all()
            assert (inside > 0.39).sum() >= 3


def test_members_are_divided_as_they_would_be_alone() -> None:
    model = KAN(1, 1, depth=1, grid_size=4, members=2, dtype=DOUBLE)
    x = torch.stack([torch.full((5, 1), -0.7, dtype=DOUBLE), torch.linspace(-1, 1, 5, dtype=DOUBLE)[:, None]])
    alone = model.member(0)
    assert alone.divide(x[:1], 0.1) == 4
    assert model.divide(x, 0.1) == 16
    torch.testing.assert_close(model.layer(0).knots[0, 0, : 4 + 4 + 4], alone.layer(0).knots[0, 0, :12])


def test_nothing_outside_the_grid_is_divided_and_bad_input_is_refused() -> None:
    layer = KANLayer(1, 1, grid_size=4, members=1, dtype=DOUBLE)
    assert layer.divide(torch.tensor([[1.5], [-3.0]], dtype=DOUBLE), 0.1) == 0
    with pytest.raises(ValueError, match="width must be positive"):
        layer.divide(torch.zeros(1, 1, dtype=DOUBLE), 0.0)
    with pytest.raises(ValueError, match="at finite inputs only"):
        layer.divide(torch.full((1, 1), torch.nan, dtype=DOUBLE), 0.1)
    with pytest.raises(ValueError, match="takes 49999 intervals more, and at most 1000"):
        layer.divide(torch.zeros(1, 1, dtype=DOUBLE), 1e-5)
