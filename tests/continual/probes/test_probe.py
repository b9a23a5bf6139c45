"""Probes in a training: they change nothing, keep the member axis, and are resumed to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from continual.probes import Drift, Interference, Probe, Response, Support, probe_arrays, thinned
from continual.records.checkpoint import Checkpoint
from continual.run import execute
from continual.stopping import Stopped
from continual.strategies import FineTune
from continual.training.loop import train
from tests.continual.probes.models import Foreign, local_kan, mlp, training
from tests.short_runs import Ticked, short_run

FIXED = ("response/radii", "response/kinds")

MODELS = {
    "kan": lambda members: local_kan(members=members, depth=2, width=3, base="silu"),
    "mlp": lambda members: mlp(members=members),
}


def all_probes() -> list[Probe]:
    return [Response(samples=3, points=5), Interference(samples=4), Support(), Drift(samples=5)]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("make", ["adam", "lbfgs", "sgd"])
@pytest.mark.parametrize("reset", [True, False])
def test_training_is_the_same_to_the_last_bit(kind, make, reset) -> None:
    plain, probed = (training(MODELS[kind](2), make, strategy=FineTune(reset)) for _ in range(2))
    probed = replace(probed, observers=all_probes())
    torch.manual_seed(3)
    expected, before = train(plain), torch.get_rng_state()
    torch.manual_seed(3)
    found = train(probed)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(found.matrix(), expected.matrix())
    assert np.array_equal(np.stack(found.loss), np.stack(expected.loss), equal_nan=True)
    for ours, theirs in zip(probed.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(probed.generators, plain.generators, strict=True):
        assert torch.equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("make", [*MODELS.values(), lambda members: Foreign(members=members)])
@pytest.mark.parametrize("probe", all_probes(), ids=lambda probe: probe.name)
def test_nothing_of_the_model_is_touched(make, probe) -> None:
    model = make(2)
    whole = training(model)
    model.eval()
    gradients = [torch.randn_like(parameter) for parameter in model.parameters()]
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = gradient.clone() if parameter.requires_grad else None
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    probe.check(whole)
    for learned in range(2):
        probe.measure(model, whole.curriculum, learned)
    assert not model.training
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert not parameter.requires_grad or torch.equal(parameter.grad, gradient)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("after", [4, 6, 9, 13])  # in a task, and between two
def test_a_resumed_run_keeps_what_was_measured(tmp_path, kind, after) -> None:
    uninterrupted = training(MODELS[kind](2), observers=all_probes())
    train(uninterrupted)
    stops = iter(range(1, 100))
    first = training(MODELS[kind](2), observers=all_probes(), checkpoint=Checkpoint(tmp_path / "c.pt", "same"))
    with pytest.raises(Stopped):
        train(replace(first, stop=lambda: 2 if next(stops) >= after else None))
    second = training(MODELS[kind](2), observers=all_probes(), checkpoint=Checkpoint(tmp_path / "c.pt", "same"))
    train(second)
    expected, found = probe_arrays(uninterrupted.observers), probe_arrays(second.observers)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert np.array_equal(found[key], array, equal_nan=True), key
    assert all(array.shape[:2] == (2, 4) for key, array in found.items() if key not in FIXED)


@pytest.mark.parametrize("kind", MODELS)
def test_a_member_is_measured_as_it_would_be_alone(kind) -> None:
    together = training(MODELS[kind](2), observers=all_probes())
    train(together)
    alone = training(MODELS[kind](1), seeds=(0,), observers=all_probes())
    train(alone)
    for key, array in probe_arrays(alone.observers).items():
        if key not in FIXED:
            whole = probe_arrays(together.observers)[key]
            assert np.allclose(whole[:1], array, rtol=1e-8, atol=1e-9, equal_nan=True), key


def test_a_diverged_member_is_undefined_and_the_others_are_not() -> None:
    whole = training(MODELS["mlp"](2), observers=all_probes())
    first, second, third = whole.curriculum.tasks
    targets = second.train_targets.clone()
    targets[1] = torch.nan
    tasks = [first, replace(second, train_targets=targets), third]
    whole = replace(whole, curriculum=replace(whole.curriculum, tasks=tasks))
    train(whole)
    found = probe_arrays(whole.observers)
    assert np.isnan(found["interference/mean_overlap"][1, 2:]).all()
    assert np.isfinite(found["interference/mean_overlap"][0]).all()
    assert np.isfinite(found["interference/mean_overlap"][1, :2]).all()
    assert np.isfinite(found["drift/mean_moved"][0, 1:]).all()


PROBES = "probe=[response,interference,support,drift]"


@pytest.mark.parametrize("model", ["kan_local", "mlp"])
def test_the_record_holds_them(tmp_path, model) -> None:
    sizes = ["model.grid_size=4"] if model == "kan_local" else ["model.width=3"]
    plain = execute(short_run(tmp_path / "plain", [f"model={model}", *sizes]))
    probed = execute(short_run(tmp_path / "probed", [f"model={model}", *sizes, PROBES]))
    assert np.array_equal(probed.R, plain.R)
    assert plain.probes == {}
    assert plain.fields["probes"] == {}
    assert probed.probes["response/profile"].shape == (2, 3, 3, 32)
    assert probed.probes["interference/overlap"].shape == (2, 3, 2, 2)
    for name, values in probed.fields["probes"].items():
        read = np.array(values, dtype=np.float64)
        assert np.array_equal(
            read, np.where(np.isfinite(probed.probes[name]), probed.probes[name], np.nan), equal_nan=True
        )
    assert set(probed.fields["probes"]) >= {"interference/mean_overlap", "response/mean_half_radius", "drift/earlier"}


def test_a_run_that_was_stopped_writes_the_same_record(tmp_path) -> None:
    options = ["model.grid_size=4", "model.width=2", PROBES]
    expected = execute(short_run(tmp_path / "whole", options))

    def interrupt(task, step, losses) -> None:
        if (task, step) == (1, 2):
            raise KeyboardInterrupt

    run = short_run(tmp_path / "stopped", options)
    observers = (*run.training.observers, Ticked(interrupt))
    with pytest.raises(KeyboardInterrupt):
        execute(replace(run, training=replace(run.training, observers=observers)))
    assert (tmp_path / "stopped" / "checkpoint.pt").is_file()
    found = execute(short_run(tmp_path / "stopped", options))
    assert len(found.fields["sessions"]) == 2
    for name, array in expected.probes.items():
        assert np.array_equal(found.probes[name], array, equal_nan=True), name


class Wrong(Probe):
    """Gives what it is told to."""

    def __init__(self, give) -> None:
        super().__init__()
        self.give = give

    def measure(self, model, curriculum, learned):
        return self.give(model, learned)


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda model, learned: {"size": 1.0}, "must give 'size' with 2 members first"),
        (lambda model, learned: {"size": torch.ones(3)}, "must give 'size' with 2 members first"),
        (lambda model, learned: {"size": torch.ones(2, learned + 1)}, "of one shape at all boundaries"),
        (lambda model, learned: {f"size{learned}": torch.ones(2)}, "must give the same keys at all boundaries"),
    ],
)
def test_what_is_no_measurement_is_refused_by_name(give, message) -> None:
    with pytest.raises(ValueError, match=f"probe 'wrong' {message}" if "must" in message else message):
        train(training(observers=[Wrong(give)]))


def test_two_of_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two probes are called 'drift'"):
        train(training(observers=[Drift(), Drift()]))


@pytest.mark.parametrize(("count", "kept"), [(None, 10), (3, 3), (10, 10), (99, 10), (1, 1)])
def test_thinned(count, kept) -> None:
    data = torch.arange(20.0).view(2, 10, 1)
    found = thinned(data, count)
    assert found.shape == (2, kept, 1)
    assert found[0, 0] == 0.0
    if kept > 1:
        assert found[0, -1] == 9.0


@pytest.mark.parametrize("probe", [Response(samples=3), Interference(), Support(), Drift()], ids=lambda p: p.name)
def test_the_forecast_of_memory_holds_at_least_what_is_kept(probe) -> None:
    whole = training(local_kan(depth=2, width=3, base="silu"))
    found = probe.measure(whole.model, whole.curriculum, 0)
    boundaries = len(whole.curriculum) + 1
    kept = boundaries * sum(8 * torch.as_tensor(each).numel() for each in found.values())
    forecast = probe.memory(whole, 2)
    assert kept <= forecast < kept + 5e6
    assert probe.memory(whole, 200) > 50 * forecast  # in proportion, but for a piece at a time
    larger = training(local_kan(depth=2, width=3, base="silu", grid_size=500))
    assert probe.memory(larger, 2) > forecast


def test_a_probe_of_ones_own_needs_no_forecast() -> None:
    whole = training()
    assert Probe().memory(whole, 10) == 0.0
