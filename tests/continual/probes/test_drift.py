"""Drift: what moved between two boundaries, by hand."""

import pytest
import torch

from continual.probes import Drift
from continual.probes.drift import activation_movement
from tests.continual.probes.models import DOUBLE, Foreign, drawn, local_kan, mlp, training


def moved(model, change, learned=2, **arguments):
    """What the probe says of a change of a model in place."""
    whole = training(model=model)
    probe = Drift(**arguments)
    probe.check(whole)
    first = probe.measure(model, whole.curriculum, learned - 1)
    assert all(bool(torch.as_tensor(each).isnan().all()) for each in first.values())
    with torch.no_grad():
        change(model)
    return probe.measure(model, whole.curriculum, learned), whole.curriculum


def test_parameters_by_layer() -> None:
    def change(model) -> None:
        model.layer(1).coefficients[0, 0, :2] += 1.0  # 2 numbers of the first member
        model.layer(1).base_weight[1] *= 3.0

    model = local_kan(depth=2, width=3, base="silu", grid_size=4)
    layer = model.layer(1)  # 3 · (4 + 3) coefficients and 3 base weights are trained
    size = [each[1].norm().item() ** 2 for each in (layer.coefficients, layer.base_weight)]
    before = torch.cat([layer.coefficients.detach()[0].flatten(), layer.base_weight.detach()[0].flatten()]).norm()
    found, _ = moved(model, change)
    assert found["moved"].tolist() == [[0.0, 2 / 24], [0.0, 3 / 24]]
    assert found["mean_moved"].tolist() == [2 / 48, 3 / 48]
    assert found["norm"][0, 1].item() == pytest.approx(2**0.5 / before.item())
    assert found["norm"][1, 1].item() == pytest.approx((4 * size[1] / sum(size)) ** 0.5)


def test_rounding_is_no_movement() -> None:
    def change(model) -> None:
        model.weights[0] *= 1 + 2 * torch.finfo(DOUBLE).eps
        model.weights[1] *= 1 + 20 * torch.finfo(DOUBLE).eps

    found, _ = moved(mlp(depth=2), change)
    assert found["moved"][:, 0].tolist() == [0.0, 0.0]
    assert found["moved"][:, 1].tolist() == [6 / 7, 6 / 7]  # six weights and a bias


def test_activations_of_hidden_layers_and_of_the_output() -> None:
    def change(model) -> None:
        model.biases[1] += 0.5  # of a linear hidden layer, were there no tanh
        model.biases[2] += 0.25

    model = mlp()
    tasks = training(model=model).curriculum.tasks
    before = [model.activations(task.train_inputs)[1:] for task in tasks]
    found, _ = moved(model, change, learned=3, samples=None)
    after = [model.activations(task.train_inputs)[1:] for task in tasks]
    for j in range(3):
        for layer in range(3):
            old, new = before[j][layer], after[j][layer]
            spread = (old - old.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()
            expected = (new - old).square().mean((1, 2)).sqrt() / spread
            assert torch.allclose(found["activations"][:, layer, j], expected, rtol=0, atol=1e-12)
    assert bool((found["activations"][:, 0] == 0.0).all())
    earlier = found["activations"][:, :2, :2].mean(dim=(1, 2))  # two hidden layers, tasks 1 and 2
    assert torch.equal(found["earlier"], earlier)


def test_a_model_that_tells_nothing_of_its_layers() -> None:
    found, _ = moved(Foreign(), lambda model: model.last.mul_(2.0))
    assert found["moved"].tolist() == [[0.5], [0.5]]  # all of one layer
    assert found["activations"].shape == (2, 1, 3)
    assert bool((found["activations"] > 0.9).all())


def test_a_refined_grid_makes_its_layer_undefined() -> None:
    model = local_kan(depth=2, width=2)
    found, _ = moved(model, lambda model: model.layer(1).refine(40))
    assert found["moved"][:, 0].tolist() == [0.0, 0.0]
    assert bool(found["moved"][:, 1].isnan().all())
    assert bool(found["mean_moved"].isnan().all())
    assert bool((found["activations"] < 1e-9).all())


def test_activations_of_another_width_or_without_spread() -> None:
    assert bool(activation_movement(drawn(2, 4, 3), drawn(2, 4, 2)).isnan().all())
    assert bool(activation_movement(torch.ones(2, 4, 3), torch.zeros(2, 4, 3)).isnan().all())
