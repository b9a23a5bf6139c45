"""Whole networks in one call: loss, gradients and steps of Adam against autograd through the dense reference."""

import copy

import pytest
import torch
from torch import Tensor

from continual.optimizers.adam import Adam
from continual.training.stepping import TrainingStep
from kan import KAN
from mlp_baselines import MLP

DOUBLE = torch.float64


def problem(sizes, members, batch, dtype, seed=0) -> tuple[Tensor, Tensor]:
    """Inputs inside the grid, beyond it, at knots and at both its ends; targets."""
    generator = torch.Generator().manual_seed(seed)
    x = 2.6 * torch.rand(members, batch, sizes[0], generator=generator, dtype=DOUBLE) - 1.3
    x[:, ::5] = (x[:, ::5] * 5).round() / 5
    x[:, 3::11] = x[:, 3::11].sign()
    y = torch.randn(members, batch, sizes[-1], generator=generator, dtype=DOUBLE)
    return x.to(dtype), y.to(dtype)


def network(sizes, **settings) -> KAN:
    torch.manual_seed(0)
    return KAN(sizes[0], sizes[-1], layer_sizes=sizes, **settings)


def dense(model: KAN) -> KAN:
    other = copy.deepcopy(model)
    for layer in other.each_layer():
        layer.engine = "dense"
    return other


CASES = [
    ([2, 5, 1], {"grid_size": 5}, 130),
    ([2, 5, 5, 1], {"grid_size": 3, "base": "zero"}, 64),
    ([1, 1], {"grid_size": 200}, 100),
    ([4, 4, 2, 1], {"grid_size": 20, "base": "identity"}, 70),
    ([3, 7, 2], {"grid_size": 45}, 1),
    ([1, 6, 3], {"grid_size": 29, "train_spline_scale": False}, 65),
    ([2, 3, 1], {"grid_size": 9, "train_base_weight": False}, 63),
    ([2, 16, 16, 1], {"grid_size": 8}, 100),
]


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize(("sizes", "settings", "batch"), CASES)
def test_loss_and_gradients_are_those_of_the_reference(sizes, settings, batch, uniform) -> None:
    model = network(sizes, members=3, dtype=DOUBLE, **settings)
    x, y = problem(sizes, 3, batch, DOUBLE)
    if not uniform:
        model.update_grid(x[:, :50] if batch > 50 else torch.rand(3, 50, sizes[0], dtype=DOUBLE))
    reference = dense(model)
    expected = (reference(x) - y).square().mean((1, 2))
    expected.sum().backward()
    losses = model.fitting().gradients(x, y)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=0)
    for (name, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-13)
            assert (ours.grad[theirs.grad == 0] == 0).all(), name


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_layers_by_themselves_have_the_same_bits(dtype) -> None:
    for sizes, settings, batch in CASES[:5]:
        model = network(sizes, members=2, dtype=dtype, **settings)
        x, y = problem(sizes, 2, batch, dtype)
        layered = copy.deepcopy(model)
        predictions = layered(x)
        predictions.backward((predictions.detach() - y) * (2.0 / y[0].numel()))
        model.fitting().gradients(x, y)
        for ours, theirs in zip(model.parameters(), layered.parameters(), strict=True):
            torch.testing.assert_close(
                ours.grad, theirs.grad, rtol=3e-6 if dtype == torch.float32 else 1e-14, atol=1e-7
            )


@pytest.mark.parametrize("activation", ["silu", "tanh", "relu"])
@pytest.mark.parametrize("sizes", [[2, 18, 18, 1], [1, 7, 3], [3, 2]])
def test_networks_of_affine_layers(sizes, activation) -> None:
    torch.manual_seed(0)
    model = MLP(sizes[0], sizes[-1], activation=activation, layer_sizes=sizes, members=3, dtype=DOUBLE)
    x, y = problem(sizes, 3, 70, DOUBLE)
    expected = (model(x) - y).square().mean((1, 2))
    theirs = torch.autograd.grad(expected.sum(), list(model.parameters()))
    losses = model.fitting().gradients(x, y)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=0)
    for parameter, gradient in zip(model.parameters(), theirs, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-13)


def walked(model, x, y, optimizer, counts) -> tuple[list[Tensor], Tensor]:
    step = TrainingStep(model, optimizer)
    losses = []
    for count in counts:
        several = step.several(x, y, count) if count > 1 else None
        losses += [step(x, y)] if several is None else list(several)
    return [p.detach().clone() for p in model.parameters()], torch.stack(losses)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_steps_of_adam_are_torchs_and_several_are_as_many_single_ones(dtype) -> None:
    for sizes, settings, batch in CASES[:4]:
        start = network(sizes, members=3, dtype=dtype, **settings)
        x, y = problem(sizes, 3, batch, dtype)
        found = []
        for counts in ([1] * 12, [1, 4, 1, 6]):
            model = copy.deepcopy(start)
            found.append(walked(model, x, y, Adam(model.parameters(), lr=0.02), counts))
        assert torch.equal(found[0][1], found[1][1])
        assert all(torch.equal(a, b) for a, b in zip(found[0][0], found[1][0], strict=True))
        reference = dense(start)
        theirs = walked(reference, x, y, torch.optim.Adam(reference.parameters(), lr=0.02), [1] * 12)
        # float32: where a gradient is all rounding Adam moves by its sign
        close = {"rtol": 1e-9, "atol": 1e-11} if dtype == DOUBLE else {"rtol": 1e-3, "atol": 1e-4}
        torch.testing.assert_close(found[0][1], theirs[1], **close)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_the_update_is_torchs_to_the_last_bit(dtype) -> None:
    model = network([2, 5, 3, 1], members=3, dtype=dtype, grid_size=6)
    x, y = problem([2, 1], 3, 90, dtype)
    other, optimizer = copy.deepcopy(model), Adam(model.parameters(), lr=0.01)
    theirs = torch.optim.Adam(other.parameters(), lr=0.01, fused=True)
    step = TrainingStep(model, optimizer)
    for _ in range(6):
        other.load_state_dict(model.state_dict())
        other.fitting().gradients(x, y)
        theirs.step()
        step(x, y)
        pairs = list(zip(model.parameters(), other.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b in pairs)
        assert all(torch.equal(a.grad, b.grad) for a, b in pairs if b.requires_grad)


def test_a_member_is_the_same_alone() -> None:
    model = network([2, 5, 1], members=4, dtype=DOUBLE, grid_size=7)
    x, y = problem([2, 1], 4, 130, DOUBLE)
    one = model.member(2)
    both = model.fitting().gradients(x, y), one.fitting().gradients(x[2:3].clone(), y[2:3].clone())
    assert torch.equal(both[0][2:3], both[1])
    for ours, theirs in zip(one.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad[2:3])


@pytest.mark.parametrize("threads", [2, 3])
def test_same_bits_with_any_number_of_threads(threads) -> None:
    x, y = problem([2, 1], 5, 4000, DOUBLE)
    found, before = [], torch.get_num_threads()
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            model = network([2, 5, 1], members=5, dtype=DOUBLE, grid_size=7)
            found.append(walked(model, x, y, Adam(model.parameters()), [1, 3]))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(found[0][0], found[1][0], strict=True))


def test_nan_stays_in_its_sample_and_member() -> None:
    model = network([2, 5, 1], members=2, dtype=DOUBLE, grid_size=7)
    x, y = problem([2, 1], 2, 70, DOUBLE)
    x[1, 3, 0] = float("nan")
    losses = model.fitting().gradients(x, y)
    assert losses[0].isfinite()
    assert losses[1].isnan()
    assert all(p.grad[0].isfinite().all() for p in model.parameters())
    assert model(x)[1].isnan().sum() == 1


def masked(model):
    live = torch.ones(1, 2, 5, dtype=torch.bool)
    live[0, 0, 0] = False
    model.layer(0).set_mask(live)


def listened(model):
    model.layer(1).register_forward_hook(lambda *_: None)


@pytest.mark.parametrize("change", [masked, listened, lambda m: setattr(m.layer(0), "engine", "dense")])
def test_what_the_kernel_does_not_know_goes_through_autograd(change) -> None:
    model = network([2, 5, 1])
    x, y = problem([2, 1], 1, 30, torch.float32)
    assert model.fitting().gradients(x, y) is not None
    change(model)
    assert model.fitting().gradients(x, y) is None
    losses = TrainingStep(model, Adam(model.parameters()))(x, y)
    assert losses.isfinite().all()


def test_samples_that_do_not_fit_are_left_to_the_layers() -> None:
    model = network([2, 5, 1])
    fit, (x, y) = model.fitting(), problem([2, 1], 1, 30, torch.float32)
    for inputs, targets in ((x.double(), y), (x, y[:, :5]), (x[..., :1], y), (x[:, :0], y[:, :0]), (x[0], y)):
        assert fit.gradients(inputs, targets) is None


def test_members_may_share_their_samples() -> None:
    model = network([2, 5, 1], members=3, dtype=DOUBLE)
    x, y = problem([2, 1], 1, 70, DOUBLE)
    shared = model.fitting().gradients(x.expand(3, -1, -1), y.expand(3, -1, -1))
    assert shared is not None
    assert torch.equal(shared, model.fitting().gradients(x.repeat(3, 1, 1), y.repeat(3, 1, 1)))
