"""Memories: a fair sample of what went by, steps that don't raise its loss, steps orthogonal to what is stored."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from continual.adaptations import GridSchedule
from continual.extension import Extension
from continual.models import trainable
from continual.records.checkpoint import Checkpoint
from continual.strategies import AGEM, OGD, FineTune, Independent, Joint, LwF, Replay
from continual.strategies.memory import Reservoir
from continual.strategies.memory.ogd import orthonormal
from continual.training.loop import train
from tasks.sampling import generators_from
from tests.continual.strategies.parts import DOUBLE, SGD, Break, InterruptionError, training


def test_a_reservoir_keeps_every_sample_with_the_same_probability() -> None:
    members, size, samples = 4000, 3, 12
    kept = Reservoir(size, generators_from(range(members), "reservoir"))
    stream = torch.arange(float(samples)).view(1, samples, 1).expand(members, -1, -1)
    for piece in stream.split([2, 5, 1, 4], dim=1):
        kept.add(piece, 10.0 * piece)
    inputs, targets = kept.draw(None)
    assert torch.equal(targets, 10.0 * inputs)
    assert all(len(set(row)) == size for row in inputs[..., 0].tolist())
    shares = torch.bincount(inputs.long().flatten(), minlength=samples) / members
    # of a binomial count, five standard deviations
    np.testing.assert_allclose(shares, size / samples, atol=5.0 * (0.25 * 0.75 / members) ** 0.5)


def test_a_reservoir_with_room_keeps_all_in_order_and_draws_without_replacement() -> None:
    kept = Reservoir(20, generators_from([0, 1], "reservoir"))
    stream = torch.arange(12.0).view(1, 12, 1).expand(2, -1, -1)
    for piece in stream.split(5, dim=1):
        kept.add(piece)
    assert torch.equal(kept.draw(None)[0], stream)
    assert torch.equal(kept.draw(12)[0], stream)
    for _ in range(20):
        (drawn,) = kept.draw(5)
        assert drawn.shape == (2, 5, 1)
        assert all(len(set(row)) == 5 for row in drawn[..., 0].tolist())


class Steps(Extension):
    """Keeps each step's gradient as it is used, and by how far it has moved the parameters."""

    def __init__(self) -> None:
        self.gradients_seen, self.moved = [], []

    def begin(self, session) -> None:
        self.model = session.model

    def gradients(self, model) -> None:
        self.before = self._flat(trainable(model))
        self.gradients_seen.append(self._flat([each.grad for each in trainable(model)]))

    def after_step(self, task, step, losses) -> None:
        self.moved.append(self._flat(trainable(self.model)) - self.before)

    def _flat(self, tensors):
        return torch.cat([each.detach().flatten(1) for each in tensors], dim=1)


@pytest.mark.parametrize(("kind", "data"), [("kan", "peaks"), ("mlp", "columns"), ("rbf", "peaks")])
def test_a_step_is_orthogonal_to_every_stored_gradient(kind, data) -> None:
    steps, stored = Steps(), []

    class Store(Extension):
        """The gradients of predictions on all samples that could be stored, one by one."""

        def after_task(self, moment) -> None:
            model, parameters = moment.model, trainable(moment.model)
            for number in range(moment.inputs.shape[1]):
                for output in range(moment.targets.shape[2]):
                    if not bool(moment.targets[0, number, output].isnan()):
                        value = model(moment.inputs)[:, number, output].sum()
                        grads = torch.autograd.grad(value, parameters, materialize_grads=True, allow_unused=True)
                        stored.append(torch.cat([each.flatten(1) for each in grads], dim=1))

    whole = training(OGD(samples=5), kind=kind, data=data, make=SGD, steps=3, observers=[Store(), steps])
    # so few samples that all are stored, and it is known which
    tasks = [
        replace(task, train_inputs=task.train_inputs[:, ::4], train_targets=task.train_targets[:, ::4])
        for task in whole.curriculum.tasks
    ]
    train(replace(whole, curriculum=replace(whole.curriculum, tasks=tasks)))
    per_task = len(stored) // 3
    assert per_task == (5 if data == "peaks" else 10)
    for task in (1, 2):
        vectors = torch.stack(stored[: task * per_task], dim=1)
        for step in steps.moved[3 * task : 3 * task + 3]:
            assert (step.norm(dim=1) > 1e-6).all()
            along = (vectors @ step.unsqueeze(2)).squeeze(2).abs()
            size = vectors.norm(dim=2) * step.norm(dim=1, keepdim=True)
            assert bool((along <= 1e-12 * size).all()), float((along / size).max())


def test_a_basis_is_orthonormal_whatever_it_is_made_of() -> None:
    vectors = torch.randn(3, 6, 8, dtype=DOUBLE)
    vectors[:, 3] = 2.0 * vectors[:, 1]  # adds nothing
    vectors[1, 4] = 0.0
    basis = orthonormal(vectors[:, 2:], orthonormal(vectors[:, :2], vectors[:, :0]))
    sizes = basis.norm(dim=2)
    assert sizes.round(decimals=12).unique().tolist() == [0.0, 1.0]
    assert sizes.sum(dim=1).round().tolist() == [5.0, 4.0, 5.0]
    products = basis @ basis.mT - torch.diag_embed(sizes)
    assert float(products.abs().max()) < 1e-14
    rest = vectors - vectors @ basis.mT @ basis
    assert float(rest.abs().max()) < 1e-13


def test_where_nothing_is_left_of_a_gradient_there_is_no_step() -> None:
    steps = Steps()
    whole = training(OGD(samples=20), kind="rbf", make=SGD, steps=4, observers=[steps])
    parameters = sum(each[0].numel() for each in trainable(whole.model))
    train(whole)
    stored = (whole.strategy.state_dict()["basis"].norm(dim=2) > 0.5).sum(dim=1)
    assert (stored <= parameters).all()
    lengths = torch.stack([each.norm(dim=1) for each in steps.gradients_seen])
    full = stored == parameters
    assert full.any()
    assert bool((lengths[-1, full] == 0.0).all())


@pytest.mark.parametrize(("kind", "data"), [("kan", "peaks"), ("mlp", "classes"), ("mlp", "stream")])
def test_a_step_of_agem_does_not_raise_the_loss_of_the_memory_to_first_order(kind, data) -> None:
    products, opposed = [], []

    class Reference(Extension):
        """Before and after the projection, the product with the memory's gradient."""

        def __init__(self, strategy, into) -> None:
            self.strategy, self.into = strategy, into

        def gradients(self, model) -> None:
            remembered = self.strategy._remembered
            if remembered:
                loss = self.strategy.session.loss.differentiable(model(remembered[0]), remembered[1])
                grads = torch.autograd.grad(loss.sum(), trainable(model), materialize_grads=True, allow_unused=True)
                pairs = zip(grads, trainable(model), strict=True)
                dots = torch.stack([(g * p.grad).flatten(1).sum(1) for g, p in pairs]).sum(0)
                self.into.append(dots / torch.stack([g.square().flatten(1).sum(1) for g in grads]).sum(0))

    strategy = AGEM(size=15, batch=8)
    before, after = Reference(strategy, opposed), Reference(strategy, products)
    whole = training([before, strategy], kind=kind, data=data, make=SGD, steps=12, observers=[after])
    train(whole)
    assert float(torch.stack(opposed).min()) < -1e-3  # there was something to do
    assert float(torch.stack(products).min()) > -1e-12
    kept = torch.stack(opposed) >= 0.0
    assert torch.equal(torch.stack(products)[kept], torch.stack(opposed)[kept])


def test_independent_models_are_those_of_their_tasks_alone() -> None:
    make = functools.partial(torch.optim.SGD, lr=0.05)
    matrix = train(training(Independent(), make=make, batch_size=None)).matrix()
    for index in range(3):
        whole = training(FineTune(), make=make, batch_size=None)
        only = replace(whole.curriculum, tasks=[whole.curriculum.tasks[index]])
        alone = train(replace(whole, curriculum=only)).matrix()
        assert np.array_equal(matrix[:, index + 1 :, index], np.repeat(alone[:, 1:, 0], 3 - index, axis=1))
        assert np.array_equal(matrix[:, : index + 1, index], np.repeat(alone[:, :1, 0], index + 1, axis=1))


def test_joint_trains_on_everything_from_the_start() -> None:
    sizes = []

    class Look(Extension):
        def step_data(self, inputs, targets):
            sizes.append(inputs.shape[1])
            return inputs, targets

    train(training(Joint(), batch_size=None, observers=[Look()]))
    assert sizes == [60] * 18


def test_replay_holds_what_was_learned() -> None:
    def kept(strategy) -> float:
        matrix = train(training(strategy, kind="kan", steps=80, batch_size=None)).matrix()
        return float(matrix[:, -1].mean())

    joint, replay, nothing = kept(Joint()), kept(Replay(size=30)), kept(FineTune())
    assert joint < replay < 0.5 * nothing


def test_lwf_keeps_a_model_that_has_grown(tmp_path) -> None:
    def whole(**options):
        return training(LwF(), kind="kan", adaptations=[GridSchedule(4, [6, 8, 10])], **options)

    expected = train(whole()).matrix()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(whole(observers=[Break((1, 4))], checkpoint=Checkpoint(path)))
    assert np.array_equal(train(whole(checkpoint=Checkpoint(path))).matrix(), expected)
