"""Losses against torch's own and automatic derivatives, with and without columns that take no part."""

import pytest
import torch

from tasks import Curriculum, Task
from tasks.losses import LOSSES, CrossEntropy, MeanSquaredError

MASKS = [None, (0, 2, 3)]


def example(name: str, columns: tuple[int, ...] | None, members: int = 3, samples: int = 6, outputs: int = 5):
    """Predictions, and targets of a task with these columns, all of them random; without a seed."""
    predictions = 2.0 * torch.randn(members, samples, outputs, dtype=torch.float64)
    targets = torch.randn_like(predictions)
    own = list(range(outputs)) if columns is None else list(columns)
    if LOSSES[name].classifies:
        targets = torch.full_like(targets, torch.nan)
        targets[..., own] = torch.softmax(torch.randn(members, samples, len(own), dtype=torch.float64), dim=-1)
        targets[:, 0] = 0.0 * targets[:, 0]
        targets[:, 0, own[1]] = 1.0  # one-hot among the soft
    elif columns is not None:
        targets[..., [c for c in range(outputs) if c not in columns]] = torch.nan
    return predictions, targets, own


def plain(name: str, predictions: torch.Tensor, targets: torch.Tensor, own: list[int]) -> torch.Tensor:
    """The loss of one member, by torch's own function on the columns that take part."""
    f, y = predictions[..., own], targets[..., own]
    if LOSSES[name].classifies:
        return torch.nn.functional.cross_entropy(f, y)
    return torch.nn.functional.mse_loss(f, y)


@pytest.mark.parametrize("columns", MASKS)
@pytest.mark.parametrize("name", LOSSES)
def test_values_gradients_and_hessians_are_those_of_autograd(name, columns) -> None:
    predictions, targets, own = example(name, columns)
    loss = LOSSES[name](masked=columns is not None)
    values, gradient = loss(predictions.requires_grad_(), targets)
    assert not values.requires_grad
    assert not gradient.requires_grad
    graph = predictions.detach().clone().requires_grad_()
    terms = loss.differentiable(graph, targets)
    terms.sum().backward()
    assert torch.equal(terms, values)
    assert torch.equal(graph.grad, gradient)
    root, weight = loss.fisher_root(predictions.detach(), targets), loss.fisher_weight(targets)
    assert root.shape == (*predictions.shape, 5)
    assert weight.shape == (3,)
    for m in range(3):

        def one(f: torch.Tensor, m: int = m) -> torch.Tensor:
            return plain(name, f, targets[m], own)

        f = predictions[m].detach()
        torch.testing.assert_close(values[m], one(f), rtol=1e-12, atol=0)
        torch.testing.assert_close(gradient[m], torch.func.grad(one)(f), rtol=1e-10, atol=1e-15)
        hessian = torch.func.hessian(one)(f)  # (B, O, B, O), nothing between samples
        ours = weight[m] * root[m] @ root[m].mT
        for b in range(len(f)):
            torch.testing.assert_close(ours[b], hessian[b, :, b], rtol=1e-9, atol=1e-14)
    for m in range(3):  # alone as in the stack
        alone = loss(predictions[m : m + 1], targets[m : m + 1])
        torch.testing.assert_close(alone[0][0], values[m], rtol=1e-12, atol=0)
        torch.testing.assert_close(alone[1][0], gradient[m], rtol=1e-12, atol=0)


def test_the_fisher_matrix_is_the_mean_over_the_classes_that_the_model_expects() -> None:
    predictions, targets, _ = example("cross_entropy", (0, 2, 3))
    loss = CrossEntropy(masked=True)
    root, p = loss.fisher_root(predictions, targets), loss.estimate(predictions, targets)
    expected = torch.zeros_like(root)
    for label in (0, 2, 3):
        f = predictions.clone().requires_grad_()
        torch.log_softmax(f[..., [0, 2, 3]], dim=-1)[..., [0, 2, 3].index(label)].sum().backward()
        expected += p[..., label, None, None] * f.grad.unsqueeze(3) * f.grad.unsqueeze(2)
    torch.testing.assert_close(root @ root.mT, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_other_columns_take_no_part(name) -> None:
    predictions, targets, own = example(name, (0, 2, 3))
    loss = LOSSES[name](masked=True)
    others = [1, 4]
    values, gradient = loss(predictions, targets)
    assert not gradient[..., others].any()
    moved = predictions.clone()
    moved[..., others] = torch.tensor([torch.inf, torch.nan], dtype=torch.float64)
    again = loss(moved, targets)
    assert torch.equal(again[0], values)
    assert torch.equal(again[1], gradient)
    assert not loss.fisher_root(moved, targets)[..., others, :].nan_to_num(nan=0.0).any()
    estimate = loss.estimate(moved, targets)[..., own]
    assert torch.equal(estimate, loss.estimate(predictions, targets)[..., own])
    # samples with other masks, put together
    more = example(name, (1, 4))
    both = loss(torch.cat([predictions, more[0]], dim=1), torch.cat([targets, more[1]], dim=1))[1]
    assert not both[:, :6, others].any()
    assert not both[:, 6:, own].any()
    assert (both[:, 6:, others] != 0.0).all()


def test_accuracy_counts_the_columns_that_take_part() -> None:
    y = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    f = torch.tensor([[[1.0, 0.0, 5.0], [0.5, 0.5, 0.0]]])
    assert CrossEntropy().hits(f, y).tolist() == [[0.0, 0.0]]  # of equals the first
    y[..., 2] = torch.nan
    assert CrossEntropy(masked=True).hits(f, y).tolist() == [[1.0, 0.0]]
    f[0, 0, 0] = torch.nan
    assert CrossEntropy(masked=True).hits(f, y).isnan().tolist() == [[True, False]]
    assert MeanSquaredError().hits(f, y) is None


def test_float32_and_large_logits_stay_finite() -> None:
    f = torch.tensor([[[1e4, -1e4, 3e38]]])
    value, gradient = CrossEntropy()(f, torch.tensor([[[0.0, 0.0, 1.0]]]))
    assert value.tolist() == [0.0]
    assert not gradient.any()
    value, gradient = CrossEntropy(masked=True)(f, torch.tensor([[[0.0, 1.0, torch.nan]]]))
    assert value.tolist() == [2e4]
    assert gradient.tolist() == [[[1.0, -1.0, 0.0]]]


def classes(columns: tuple[int, ...] | None = None, outputs: int = 3, **other) -> Task:
    own = list(columns or range(outputs))
    y = torch.zeros(2, 4, outputs, dtype=torch.float64)
    y[:, torch.arange(4), [own[i % len(own)] for i in range(4)]] = 1.0
    x = torch.randn(2, 4, 1, dtype=torch.float64)
    return Task("t", x, y, x, y, x, y, **{"loss": "cross_entropy", "columns": columns, **other})


def test_tasks_carry_their_masks_in_their_targets() -> None:
    task = classes((2, 0))
    for name, targets in task.tensors().items():
        if name.endswith("targets"):
            assert targets[..., 1].isnan().all()
            assert not targets[..., [0, 2]].isnan().any()
            assert torch.equal(task.own(targets), targets[..., [2, 0]])
    moved = task.to(torch.float32)
    assert moved.columns == (2, 0)
    assert moved.loss == "cross_entropy"
    assert moved.train_targets is moved.to(torch.float32).train_targets  # nothing to be masked again
    assert Curriculum("c", [task, classes((0, 1))], (0.0, 1.0)).loss.masked
    assert not Curriculum("c", [classes()], (0.0, 1.0)).loss.masked


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: classes((-1, 0)), "columns of task 't' must be different ones of 0 to 2"),
        (lambda: classes((1, 1)), "must be different ones"),
        (lambda: classes(loss="hinge"), "loss of task 't' must be one of mean_squared_error, cross_entropy"),
        (lambda: classes(outputs=1), "at least 2 classes"),
        (lambda: Task("t", *[torch.full((1, 4, 2), 0.4)] * 4, loss="cross_entropy"), "sum 1"),
        (lambda: Curriculum("c", [classes(), classes(loss="mean_squared_error")], (0.0, 1.0)), "same loss"),
    ],
)
def test_what_is_no_classification_is_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
