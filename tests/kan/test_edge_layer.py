"""What all networks of edges share: masks, selection of members and nodes, taking on the shapes of a state dict."""

import pytest
import torch

from kan import KAN, KANLayer
from kan.edge_network import EdgeNetwork

DOUBLE = torch.float64


def layer_with_mask() -> tuple[KANLayer, torch.Tensor]:
    layer = KANLayer(3, 4, 6, members=2, dtype=DOUBLE)
    live = torch.rand(2, 3, 4) > 0.4
    live[0, 0, 0] = False
    layer.set_mask(live)
    return layer, live


@pytest.mark.parametrize("base", ["silu", "zero"])
def test_layer_is_the_sum_of_its_edges_and_edges_are_linear_in_their_weights(base) -> None:
    layer = KANLayer(3, 4, 6, base=base, members=2, dtype=DOUBLE)
    layer.set_mask(torch.rand(2, 3, 4) > 0.4)
    x = 2.4 * torch.rand(2, 9, 3, dtype=DOUBLE) - 1.2
    torch.testing.assert_close(layer.edge_values(x).sum(2), layer(x), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(layer.edge_values(x[0]), layer.edge_values(x[:1].expand(2, -1, -1)))


def test_masked_edges_are_zero_and_so_are_their_gradients() -> None:
    layer, live = layer_with_mask()
    x = torch.rand(2, 9, 3, dtype=DOUBLE)
    assert (layer.edge_values(x).transpose(1, 2)[~live.unsqueeze(2).expand(-1, -1, 9, -1)] == 0).all()
    layer(x).square().sum().backward()
    assert (layer.coefficients.grad.transpose(2, 3)[~live] == 0).all()
    for gradient in (layer.spline_scale.grad, layer.base_weight.grad):
        assert (gradient[~live] == 0).all()
        assert (gradient[live] != 0).all()


def test_mask_goes_when_all_edges_live() -> None:
    layer, live = layer_with_mask()
    assert torch.equal(layer.live_edges(), live)
    assert "mask" in layer.state_dict()
    layer.set_mask(torch.ones_like(live))
    assert layer.mask is None
    with pytest.raises(ValueError, match=r"has shape \(2, 3, 4\)"):
        layer.set_mask(live[:1])


def test_a_member_taken_out_is_what_it_was_in_the_stack() -> None:
    model = KAN(2, 3, width=4, members=3, dtype=DOUBLE)
    model.layer(1).set_mask(torch.rand(3, 4, 3) > 0.3)
    x = torch.rand(3, 7, 2, dtype=DOUBLE)
    before = model(x)
    one = model.member(1)
    assert type(one) is KAN
    assert one.members == 1
    assert torch.equal(one(x[1:2])[0], before[1])
    with torch.no_grad():
        one.layer(0).coefficients.zero_()
    assert torch.equal(model(x), before)
    with pytest.raises(ValueError, match="member must be between 0 and 2, got 3"):
        model.member(3)


def test_nodes_can_be_taken_in_any_order_by_each_member() -> None:
    model = KAN(2, 1, width=4, members=2, dtype=DOUBLE)
    x = torch.rand(2, 7, 2, dtype=DOUBLE)
    order = torch.tensor([[3, 1, 0, 2], [2, 0, 1, 3]])
    same = model.rebuilt([model.layer(0).select([0, 1], outputs=order), model.layer(1).select([0, 1], inputs=order)])
    torch.testing.assert_close(same(x), model(x), rtol=1e-12, atol=1e-14)
    fewer = model.layer(0).select([1], outputs=order[1:, :2])
    assert fewer.out_features == 2
    torch.testing.assert_close(fewer(x[1:]), model.layer(0)(x)[1:, :, [2, 0]], rtol=1e-12, atol=1e-14)


def test_fit_to_takes_on_sizes_grids_and_masks_of_a_state_dict() -> None:
    saved = KAN(2, 1, width=3, grid_size=9, members=2, dtype=DOUBLE)
    saved.layer(0).set_mask(torch.tensor([[[True, False, True], [True, True, True]]]).expand(2, -1, -1))
    with torch.no_grad():
        saved.layer(1).knots[:, :, 5] += 0.01
    saved.layer(1).refresh()
    model = KAN(2, 1, width=5, grid_size=4, members=2, dtype=DOUBLE)
    model.fit_to(saved.state_dict())
    model.load_state_dict(saved.state_dict())
    x = torch.rand(2, 7, 2, dtype=DOUBLE)
    assert model.layer_sizes == [2, 3, 1]
    assert not model.layer(1).uniform
    assert torch.equal(model(x), saved(x))
    for other in (KAN(2, 1, depth=3, members=2), KAN(3, 1, members=2), KAN(2, 1, members=1)):
        with pytest.raises(ValueError, match="the state dict h"):
            other.fit_to(saved.state_dict())


def test_layers_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        EdgeNetwork([])
    with pytest.raises(ValueError, match="can't feed"):
        EdgeNetwork([KANLayer(2, 3), KANLayer(2, 1)])
