"""A training step against plain autograd of the mean squared error, and CUDA graphs against ordinary steps."""

import functools

import pytest
import torch

from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.training.stepping import TrainingStep
from kan import KAN
from mlp_baselines import MLP
from tasks.losses import CrossEntropy, MeanSquaredError

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
OPTIMIZERS = [
    functools.partial(Adam, lr=0.01),
    functools.partial(torch.optim.SGD, lr=0.1, momentum=0.5, fused=True),
    functools.partial(torch.optim.AdamW, lr=0.01),
]


def data(device="cpu", dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = 2.0 * torch.rand(3, 20, 2, generator=generator, dtype=torch.float64) - 1.0
    return x.to(device, dtype), torch.stack([x.prod(-1), x.sum(-1)], dim=-1).to(device, dtype)


def models(build, device="cpu", dtype=torch.float64) -> tuple[torch.nn.Module, torch.nn.Module]:
    first, second = (build(2, 2, members=3, dtype=dtype, device=torch.device(device)) for _ in range(2))
    second.load_state_dict(first.state_dict())
    return first, second


@pytest.mark.parametrize("build", [KAN, MLP])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_steps_are_those_of_the_mean_squared_error(build, make) -> None:
    x, y = data()
    ours, plain = models(build)
    step, optimizer = TrainingStep(ours, make(ours.parameters())), make(plain.parameters())
    for _ in range(10):
        losses = step(x, y)
        optimizer.zero_grad()
        expected = (plain(x) - y).square().mean(dim=(1, 2))
        expected.sum().backward()
        optimizer.step()
        assert losses.shape == (3,)
        assert not losses.requires_grad
        torch.testing.assert_close(losses, expected.detach(), rtol=1e-10, atol=0)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize("make", [OPTIMIZERS[0], LBFGS])
@pytest.mark.parametrize("columns", [None, (0, 2)])
def test_steps_are_those_of_the_cross_entropy(columns, make) -> None:
    x, _ = data()
    own = list(columns or range(4))
    y = torch.full((3, 20, 4), torch.nan, dtype=torch.float64)
    y[..., own] = torch.softmax(torch.randn(3, 20, len(own), dtype=torch.float64), dim=-1)
    ours, plain = (KAN(2, 4, members=3, dtype=torch.float64) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    step = TrainingStep(ours, make(ours.parameters()), loss=CrossEntropy(masked=columns is not None))
    optimizer = make(plain.parameters())

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = torch.log_softmax(plain(x)[..., own], dim=-1)
        found = -(y[..., own] * logits).sum(dim=-1).mean(dim=1)
        found.sum().backward()
        return found.detach()

    for _ in range(3):
        torch.testing.assert_close(step(x, y), optimizer.step(closure), rtol=1e-8, atol=0)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


def test_levenberg_marquardt_refuses_classes_and_masks() -> None:
    model = MLP(2, 2, members=3, dtype=torch.float64)
    for loss, kind in (
        (CrossEntropy(), "cross-entropy of classes"),
        (MeanSquaredError(masked=True), "columns of their"),
    ):
        with pytest.raises(ValueError, match=f"squares of all errors, .* {kind}.*: use another optimizer"):
            TrainingStep(model, LevenbergMarquardt(model.parameters()), loss=loss)


def test_frozen_parameters_stay_and_get_no_gradient() -> None:
    x, y = data()
    model = KAN(2, 2, members=3, train_spline_scale=False, dtype=torch.float64)
    before = [layer.spline_scale.clone() for layer in model.layers]
    step = TrainingStep(model, Adam([p for p in model.parameters() if p.requires_grad]))
    for _ in range(3):
        step(x, y)
    for layer, scale in zip(model.layers, before, strict=True):
        assert torch.equal(layer.spline_scale, scale)
        assert layer.spline_scale.grad is None


def test_parameters_that_join_later_and_empty_batches() -> None:
    x, y = data()
    model = KAN(2, 2, members=3, dtype=torch.float64)
    first, *others = model.parameters()
    optimizer = torch.optim.SGD([first], lr=0.0)
    step = TrainingStep(model, optimizer)
    optimizer.add_param_group({"params": others})
    gradients = []
    for _ in range(2):
        step(x, y)
        gradients.append(others[0].grad.clone())
    assert torch.equal(*gradients)
    assert step(x[:, :0], y[:, :0]).isnan().all()


def test_lbfgs_takes_the_same_closure() -> None:
    x, y = data()
    model = KAN(2, 2, members=3, dtype=torch.float64)
    step = TrainingStep(model, LBFGS(model.parameters()))
    losses = [step(x, y) for _ in range(3)]
    assert (losses[2] < losses[0]).all()


@needs_cuda
@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(masked=True), MeanSquaredError(masked=True)])
def test_graphs_change_nothing_under_other_losses(loss) -> None:
    x, _ = data("cuda")
    y = torch.softmax(torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64), dim=-1)
    if loss.masked:
        y[:, ::2, 0], y[:, ::2, 1] = torch.nan, 1.0
    graphs, plain = models(KAN, "cuda")
    optimizers = [Adam(model.parameters(), lr=0.01) for model in (graphs, plain)]
    first = TrainingStep(graphs, optimizers[0], loss=loss)
    second = TrainingStep(plain, optimizers[1], loss=loss, graphs=False)
    for _ in range(8):
        torch.testing.assert_close(first(x, y.cuda()), second(x, y.cuda()), rtol=1e-9, atol=0)
    assert first._graph is not None


@needs_cuda
@pytest.mark.parametrize("build", [KAN, MLP])
@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_graphs_change_nothing(build, make, dtype) -> None:
    x, y = data("cuda", dtype)
    graphs, plain = models(build, "cuda", dtype)
    steps = TrainingStep(graphs, make(graphs.parameters())), TrainingStep(plain, make(plain.parameters()), graphs=False)
    for index in range(12):
        inputs = x if index < 8 else x.flip(1)[:, :10]  # other data, other shapes
        targets = y if index < 8 else y.flip(1)[:, :10]
        first, second = (step(inputs, targets) for step in steps)
        torch.testing.assert_close(first, second, rtol=1e-5, atol=0)
    assert steps[0]._graph is not None
    for a, b in zip(graphs.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
