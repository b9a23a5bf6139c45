"""Models that change while they train: when, on which tasks, what it does to the optimizer, and resuming to the bit."""

import copy
import functools

import numpy as np
import pytest
import torch

from continual.adaptations import DomainExtension, GridSchedule, GridUpdate, Moment, Once
from continual.extension import Settings, Training
from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.records.checkpoint import Checkpoint
from continual.strategies import FineTune
from continual.training.loop import train
from kan import KAN
from kan.pruning import prune_in_place
from kan.pruning.sparsity import SparsityPenalty
from kan.symbolic import symbolify_in_place
from mlp_baselines import MLP
from tasks import gaussian_peaks, toy_regions
from tasks.sampling import generators_from
from tests.short_runs import Ticked

DOUBLE = torch.float64
SEEDS = [0, 1]
ADAM = functools.partial(Adam, lr=0.01)


def peaks(**options):
    options = {"peaks": 2, "points_per_task": 40, "test_points": 50, **options}
    return gaussian_peaks(generators_from(SEEDS, "data"), **options).to(DOUBLE)


def regions():
    toy = toy_regions(generators_from(SEEDS, "data"), regions=2, points_per_task=60, test_points=50)
    return toy.to(DOUBLE)


def kan(inputs=1, **options):
    options = {"depth": 1, "grid_size": 10, "base": "zero", **options}
    generators = generators_from(SEEDS, "model")
    return KAN(inputs, 1, members=len(SEEDS), generators=generators, dtype=DOUBLE, **options)


def learn(model, curriculum, adaptations=(), make=ADAM, reset=True, **options):
    settings = {"steps": 12, "evaluate_every": 4}
    settings.update({name: options.pop(name) for name in list(options) if name in Settings.__annotations__})
    return train(
        Training(
            model,
            curriculum,
            make,
            FineTune(reset_optimizer=reset),
            Settings(**settings),
            generators=generators_from(SEEDS, "batches"),
            adaptations=adaptations,
            **options,
        )
    )


def test_grid_update_acts_when_and_where_it_is_told() -> None:
    history = learn(kan(), peaks(), [GridUpdate(every=4, until=9, tasks=[2])])
    assert [step for step, _ in history.events] == [12, 16, 20]
    assert history.events[0][1].startswith("grid update from 40 samples, predictions moved by up to ")
    everywhere = learn(kan(), peaks(), [GridUpdate(every=5, until=12, tasks=None)])
    assert [step for step, _ in everywhere.events] == [0, 5, 10, 12, 17, 22]
    assert not learn(kan(), peaks(), [GridUpdate(tasks=[1])], steps=1).events[1:]


def test_grids_stay_across_a_task_boundary_unless_asked() -> None:
    model = kan()
    seen = []

    def look(trained, x):
        if trained is model:  # and not the copy that it is tried on
            seen.append(trained.layer(0).knots.clone())
        return "looked"

    learn(model, peaks(), [GridUpdate(every=4), Once(look, at=11), Once(look, at=11, tasks=[2])])
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], model.layer(0).knots)
    assert float(model.layer(0).grid_range[1]) == pytest.approx(0.0)  # where the first of the two peaks ends


@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=5)])
def test_grid_schedule_grows_the_grid_and_trains_all_of_it(make) -> None:
    model = kan(grid_size=3)
    history = learn(model, peaks(peaks=1), [GridSchedule(steps=4, sizes=[3, 6, 12])], make=make)
    assert next(event for event in history.events if "extension to 6 intervals" in event[1])[0] == 4
    assert len(history.events) == 2
    assert model.describe()["grid_size"] == 12
    assert history.parameters == [7, 7, 10, 16]  # 3 + 3 coefficients and a scale, and so on
    assert model.layer(0).coefficients.grad.shape == (2, 1, 15, 1)
    assert (model.layer(0).coefficients.grad != 0).sum() == 2 * 7  # all that reach the peak's samples


def test_nested_growth_changes_nothing_that_was_learned() -> None:
    """With a learning rate of next to nothing, growth is all that happens, and no evaluation sees it."""
    still = functools.partial(torch.optim.SGD, lr=1e-30)
    history = learn(kan(), peaks(), [GridSchedule(steps=5, sizes=[10, 20, 40, 80])], make=still)
    np.testing.assert_allclose(np.stack(history.rmse), history.rmse[0][None].repeat(7, 0), rtol=1e-12)


def test_domain_extension_lets_tasks_lie_outside_and_keeps_what_lies_inside() -> None:
    model = kan(grid_range=(-0.4, 0.0), grid_size=40, train_spline_scale=False)
    bessel = peaks(points_per_task=100)
    history = learn(model, bessel, [DomainExtension()], steps=300, evaluate_every=300)
    assert [step for step, _ in history.events] == [300]
    assert history.events[0][1] == "domain extension by 40 intervals"
    assert model.layer(0).grid_range == pytest.approx((-0.4, 0.4))
    R = history.matrix()
    assert (R[:, 1, 0] < 0.05).all()
    assert (R[:, 2, 1] < 0.05).all()
    narrow = learn(kan(grid_range=(-0.4, 0.0), grid_size=40), bessel, steps=300, evaluate_every=300)
    assert (narrow.matrix()[:, 2, 1] > 0.2).all()
    assert [share.tolist() for share in history.outside] == [[[0.0]] * 2, [[0.0]] * 2, [[0.0]] * 2]
    assert (narrow.outside[2] > 0.9).all()


def test_hidden_layers_are_looked_after_too() -> None:
    model = kan(2, depth=2, width=3, base="silu", grid_size=5)
    history = learn(model, regions(), [DomainExtension(every=2, margin=0.1)], make=functools.partial(Adam, lr=0.3))
    assert history.events
    assert (history.outside[-1][:, 1] <= narrow_outside()[:, 1]).all()


def narrow_outside() -> np.ndarray:
    model = kan(2, depth=2, width=3, base="silu", grid_size=5)
    return learn(model, regions(), make=functools.partial(Adam, lr=0.3)).outside[-1]


def test_penalty_is_part_of_the_loss_for_as_long_as_it_is_wanted() -> None:
    penalty, x = SparsityPenalty(0.5), regions().tasks[0].train_inputs

    def size(model):
        return float(penalty(model, x)[1].detach().sum())

    always, first, never = (kan(2, depth=2, width=3) for _ in range(3))
    learn(always, regions(), penalty=penalty, steps=40)
    history = learn(first, regions(), penalty=penalty, steps=40, penalty_steps=20)
    without = learn(never, regions(), steps=40)
    assert size(always) < 0.7 * size(first)
    assert size(always) < 0.7 * size(never)
    assert (history.loss[1] > without.loss[1]).all()
    assert (history.loss[6] < 0.7 * history.loss[5]).all()  # the first without the penalty


def steps_taken(model, optimizers):
    """Makes an optimizer that remembers itself."""

    def make(parameters):
        optimizer = Adam(parameters, lr=0.01)
        optimizers.append(optimizer)
        return optimizer

    return make


def test_the_optimizer_begins_anew_after_a_change_and_only_then() -> None:
    for adaptations, options, made in (
        ([], {}, 1),
        ([GridUpdate(every=4, until=12)], {}, 4),
        ([GridUpdate(every=4, until=12, reset_optimizer=False)], {}, 1),
        ([DomainExtension()], {}, 1),  # nothing lies outside, so nothing changes
        ([GridSchedule(steps=3, sizes=[10, 20, 30])], {}, 3),
        ([], {"penalty": SparsityPenalty(0.1), "penalty_steps": 6}, 4),  # on, off, on, off
    ):
        optimizers: list = []
        model = kan()
        learn(model, peaks(), adaptations, make=steps_taken(model, optimizers), reset=False, **options)
        assert len(optimizers) == made, adaptations


class StoppedError(Exception):
    """Ends training in the middle."""


@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=5)])
@pytest.mark.parametrize("stop_at", [3, 9, 15, 20])
def test_an_interrupted_run_goes_on_to_the_last_bit(tmp_path, make, stop_at) -> None:
    def parts():
        model = kan(2, depth=2, width=4, base="silu", grid_size=3)
        adaptations = [
            GridUpdate(every=2, until=5),
            GridSchedule(steps=6, sizes=[3, 6, 7], on_samples=True),
            Once(functools.partial(prune_in_place, node_threshold=0.05, edge_threshold=0.05), at=8),
            DomainExtension(every=3),
        ]
        return model, adaptations, SparsityPenalty(0.05)

    options = {"penalty_steps": 7, "checkpoint_seconds": 1e-9, "evaluate_every": 1, "make": make}
    whole, adaptations, penalty = parts()
    expected = learn(whole, regions(), adaptations, penalty=penalty, **options)

    model, adaptations, penalty = parts()
    count = 0

    def tick(task, step, losses):
        nonlocal count
        count += 1
        if count == stop_at:
            raise StoppedError

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        learn(
            model,
            regions(),
            adaptations,
            penalty=penalty,
            observers=[Ticked(tick)],
            checkpoint=Checkpoint(checkpoint),
            **options,
        )
    fresh, adaptations, penalty = parts()
    history = learn(fresh, regions(), adaptations, penalty=penalty, checkpoint=Checkpoint(checkpoint), **options)
    assert history.events == expected.events
    assert history.parameters == expected.parameters
    for name in ("rmse", "loss", "outside"):
        assert all(
            np.array_equal(a, b, equal_nan=True)
            for a, b in zip(getattr(history, name), getattr(expected, name), strict=True)
        ), name
    saved, again = whole.state_dict(), fresh.state_dict()
    assert saved.keys() == again.keys()
    assert all(torch.equal(saved[name], again[name]) for name in saved)


def test_pruning_in_training_makes_the_network_smaller() -> None:
    model = kan(2, depth=2, width=4)
    with torch.no_grad():
        for layer in model.layers:
            layer.coefficients[:, 2:] *= 0.0
    model.layer(1).coefficients.data[:, :2] += 1.0
    before = sum(p.numel() for p in model.parameters())
    text = prune_in_place(model, regions().tasks[0].train_inputs, edge_threshold=0.0)
    assert text.startswith("pruned from [2, 4, 1] to [2, 2, 1] × 2, predictions moved by ")
    assert sum(p.numel() for p in model.parameters()) < before
    text = prune_in_place(model, regions().tasks[0].train_inputs, node_threshold=0.0, edge_threshold=0.0)
    assert text == "nothing to prune from [2, 2, 1] × 2: all edges and nodes are above the thresholds"


REFUSED = [
    (GridUpdate(), MLP(1, 1, members=2, dtype=DOUBLE), "needs a model with grids"),
    (GridSchedule(), MLP(1, 1, members=2, dtype=DOUBLE), "needs a model with grids"),
    (DomainExtension(), MLP(1, 1, members=2, dtype=DOUBLE), "needs a model with grids"),
    (GridUpdate(tasks=[3]), None, "names tasks \\[3\\], but there are tasks 1 to 2"),
    (GridUpdate(tasks=[0]), None, "names tasks \\[0\\]"),
    (GridSchedule(steps=4, sizes=[3, 6]), None, "must begin with model.grid_size=10, got \\[3, 6\\]"),
    (GridSchedule(steps=12, sizes=[10, 20, 40]), None, "reaches size 40 after 24 steps, but there are only 24"),
    (Once(prune_in_place, at=12), None, "at=12 is never reached with training.steps=12"),
]


@pytest.mark.parametrize(("adaptation", "model", "message"), REFUSED)
def test_what_can_not_work_is_refused_before_any_work(adaptation, model, message) -> None:
    model = kan() if model is None else model
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=message) as caught:
        learn(model, peaks(), [adaptation])
    assert "\n" not in str(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GridUpdate(every=0), "every must be at least 1"),
        (lambda: GridUpdate(grid_eps=2.0), "grid_eps must be between"),
        (lambda: GridUpdate(margin=-1.0), "margin must be at least 0"),
        (lambda: GridSchedule(sizes=[5, 5]), "sizes must increase"),
        (lambda: GridSchedule(steps=0), "steps must be at least 1"),
        (lambda: DomainExtension(every=0), "every must be at least 1"),
        (lambda: DomainExtension(margin=-0.1), "margin must be at least 0"),
        (lambda: Once(prune_in_place, at=-1), "at must be at least 0"),
        (lambda: Settings(3, penalty_steps=0), "penalty_steps must be at least 1"),
    ],
)
def test_bad_settings_are_refused_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_adaptation_returns_nothing_where_nothing_is_due() -> None:
    model = kan()
    task = peaks().tasks[0]
    moment = Moment(model, 1, 3, 3, task.train_inputs, task.train_targets)
    assert GridUpdate(every=2).before_step(moment) is None
    assert GridSchedule(steps=2, sizes=[10, 20]).before_step(moment) is None
    assert DomainExtension().before_step(moment) is None


def test_inputs_outside_the_grid_are_counted_where_they_are() -> None:
    model = kan(2, depth=2, width=3, grid_size=5, grid_range=(-0.5, 0.5))
    x = torch.tensor([[0.0, 0.2], [0.6, 0.2], [0.6, -0.9], [0.5, -0.5]], dtype=DOUBLE)
    shares = model.outside(x)
    assert shares.shape == (2, 2)
    assert shares[:, 0].tolist() == [3 / 8, 3 / 8]  # an end of the grid belongs to it
    hidden = model.layer(0)(x)
    expected = ((hidden < -0.5) | (hidden > 0.5)).double().mean(dim=(1, 2))
    torch.testing.assert_close(shares[:, 1], expected)


def test_settings_of_an_operation_are_looked_at_before_any_work() -> None:
    for operation, message in (
        (functools.partial(symbolify_in_place, library=["foo"]), "foo"),
        (functools.partial(symbolify_in_place, weight=-1.0), "weight"),
        (functools.partial(symbolify_in_place, r2_threshold=2.0), "r2_threshold must be between"),
        (functools.partial(prune_in_place, node_threshold=-1.0), "node_threshold"),
    ):
        model = kan(2, depth=2, width=2)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ValueError, match=message):
            learn(model, regions(), [Once(operation, at=5)])
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_formulas_and_records_survive_a_member_that_diverged() -> None:
    model = kan(2, depth=2, width=2, base="silu")
    model.layer(0).coefficients.data[1] = float("nan")
    text = symbolify_in_place(model, regions().tasks[0].train_inputs, ["x", "x^2", "sin"], r2_threshold=0.0)
    assert text.startswith("formulas for 6 of ")
    model.layer(0).symbolic.affine.data[0, 0, 0, 0] = float("nan")
    model.layer(1).symbolic.affine.data[0, 0, 0, 1] = float("inf")
    described = model.describe()
    assert len(described["formulas"]) == 2
    assert "nan" in described["formulas"][0][0]
