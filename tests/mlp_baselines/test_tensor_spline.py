"""The tensor product of splines against scipy's, and that it forgets nothing where no sample comes."""

import functools
import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline, NdBSpline
from torch.utils._python_dispatch import TorchDispatchMode

from continual.optimizers import LBFGS, Adam
from kan import KAN
from kan.splines import extend_grid, uniform_grid
from mlp_baselines import TensorSpline

DOUBLE = torch.float64


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_is_scipys(inputs, order) -> None:
    model = TensorSpline(inputs, 2, 4, order, grid_range=(-1.0, 2.0), members=2, dtype=DOUBLE)
    knots = model.knots[0, 0].numpy()
    x = 3.0 * torch.rand(2, 60, inputs, dtype=DOUBLE) - 1.0
    grid = torch.tensor(knots[order : len(knots) - order])[:-1]
    x[:, : len(grid)] = grid[:, None]  # on knots too
    for m in range(2):
        coefficients = model.weights[m].detach().numpy().reshape([4 + order] * inputs + [2])
        expected = NdBSpline((knots,) * inputs, coefficients, order)(x[m].numpy())
        np.testing.assert_allclose(model(x)[m].detach().numpy(), expected, rtol=0, atol=1e-12)


def test_outside_the_grid_it_is_the_product_of_its_definition() -> None:
    model = TensorSpline(2, 1, 3, 3, dtype=DOUBLE)
    knots = model.knots[0, 0].numpy()
    elements = [BSpline.basis_element(knots[i : i + 5], extrapolate=False) for i in range(6)]
    x = 8.0 * torch.rand(300, 2, dtype=DOUBLE) - 4.0
    one, two = (np.stack([np.nan_to_num(each(x[:, i].numpy())) for each in elements], axis=1) for i in range(2))
    expected = np.einsum("bi,bj,ij->b", one, two, model.weights[0, :, 0].detach().numpy().reshape(6, 6))
    np.testing.assert_allclose(model(x)[0, :, 0].detach().numpy(), expected, rtol=0, atol=1e-12)
    assert float(model(torch.tensor([[0.0, 3.1], [-50.0, 0.0]], dtype=DOUBLE)).detach().abs().max()) == 0.0


def test_in_one_input_it_is_a_kan_of_one_layer() -> None:
    model = TensorSpline(1, 2, 7, members=2, dtype=DOUBLE)
    kan = KAN(1, 2, depth=1, grid_size=7, base="zero", members=2, dtype=DOUBLE, train_spline_scale=False)
    with torch.no_grad():
        kan.layer(0).coefficients.copy_(model.weights.unsqueeze(1))
        kan.layer(0).spline_scale.fill_(1.0)
    x = 3.0 * torch.rand(2, 50, 1, dtype=DOUBLE) - 1.5
    torch.testing.assert_close(model(x), kan(x), rtol=1e-13, atol=1e-13)


def test_what_it_computes_is_what_its_features_say() -> None:
    model = TensorSpline(3, 2, 3, 2, members=2, dtype=DOUBLE)
    x = 3.0 * torch.rand(2, 40, 3, dtype=DOUBLE) - 1.5
    torch.testing.assert_close(model(x), model.features(x) @ model.weights, rtol=1e-12, atol=1e-13)
    inside = 2.0 * torch.rand(2, 40, 3, dtype=DOUBLE) - 1.0
    torch.testing.assert_close(model.features(inside).sum(2), torch.ones(2, 40, dtype=DOUBLE), rtol=1e-13, atol=0)


def supported(inputs: int, grid_size: int, order: int, x: np.ndarray) -> np.ndarray:
    """Which products of splines have a sample inside their support, one by one."""
    knots = extend_grid(uniform_grid(-1.0, 1.0, grid_size, dtype=DOUBLE), order).numpy()
    found = []
    for place in itertools.product(range(grid_size + order), repeat=inputs):
        inside = [(knots[i] < x[:, a]) & (x[:, a] < knots[i + order + 1]) for a, i in enumerate(place)]
        found.append(bool(np.all(inside, axis=0).any()))
    return np.array(found)


@pytest.mark.parametrize(("inputs", "grid_size", "order"), [(1, 20, 3), (2, 9, 3), (3, 6, 2), (4, 4, 1)])
def test_coefficients_whose_support_no_sample_is_in_get_no_gradient(inputs, grid_size, order) -> None:
    model = TensorSpline(inputs, 1, grid_size, order, dtype=DOUBLE)
    x = -0.2 + 0.35 * torch.rand(25, inputs, dtype=DOUBLE)
    (1.0 + model(x)).square().sum().backward()
    reached = supported(inputs, grid_size, order, x.numpy())
    assert np.array_equal(model.weights.grad[0, :, 0].numpy() != 0.0, reached)
    assert 0 < reached.sum() < reached.size / 2


@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "make",
    [
        functools.partial(Adam, lr=0.05),
        functools.partial(torch.optim.SGD, lr=0.5, momentum=0.9),
        functools.partial(LBFGS, max_iter=5),
    ],
)
def test_it_forgets_nothing(inputs, make) -> None:
    """Tasks that share all coordinates but one: a model of one input at a time would mix them."""
    model = TensorSpline(inputs, 1, 8, 1, members=2, dtype=DOUBLE)
    first = 2.0 * torch.rand(2, 80, inputs, dtype=DOUBLE) - 1.0
    second = first.clone()
    first[..., 0], second[..., 0] = -0.6 - 0.4 * first[..., 0].abs(), 0.4 + 0.4 * second[..., 0].abs()
    before, weights = model(first).detach(), model.weights.detach().clone()
    optimizer = make(model.parameters())

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        errors = (model(second) - 2.0).square().mean(dim=(1, 2))
        errors.sum().backward()
        return errors

    start = loss().detach()
    for _ in range(10):
        optimizer.step(lambda: loss() if isinstance(optimizer, LBFGS | Adam) else loss().sum())
    assert bool((loss().detach() < 0.9 * start).all())
    assert torch.equal(model(first), before)
    moved = (model.weights != weights).any(dim=0)[:, 0].numpy()
    assert not moved[~supported(inputs, 8, 1, second.flatten(0, 1).numpy())].any()
    assert moved.any()


class NothingIsMade(TorchDispatchMode):
    """Lets no operation of torch happen."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} was called")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TensorSpline(5, 1, 1, 1), r"5 inputs .* 2\^5 an output, would take 0.128 kB; .* at most 4 inputs"),
        (lambda: TensorSpline(5, 1, 6), r"9\^5 an output, would take 236 kB; it is offered for at most 4 inputs"),
        (lambda: TensorSpline(6, 2, 20, members=10), r"23\^6 an output, would take 11.8 GB for 10 members"),
        (lambda: TensorSpline(4, 1, 200, members=10, dtype=DOUBLE), r"203\^4 an output, would take 136 GB for 10"),
        (lambda: TensorSpline(2, 1, 10**6), r"would take 4 TB, more than 2 GB: take a smaller grid_size"),
        (lambda: TensorSpline(100, 1), "would take .* TB"),
    ],
)
def test_too_large_ones_are_refused_with_their_memory_before_anything_is_made(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught, NothingIsMade():
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
