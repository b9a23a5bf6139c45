"""The slowly changing stream: what changes when, its target against a loop, and that drawing goes on where it was."""

import pytest
import torch

from continual.extension import Settings, Training
from continual.probes import Online
from continual.strategies import FineTune
from continual.training.loop import train
from mlp_baselines import MLP
from tasks import slow_change
from tasks.sampling import generators_from
from tests.continual.strategies.small import SGD, resumes

SMALL = {"samples": 60, "snapshots": 3, "change_every": 10, "slow": 4, "fast": 2, "units": 7, "test_points": 5}


def made(seeds=(3, 4), **settings):
    draws = generators_from(seeds, "data")
    return slow_change(draws, **{**SMALL, **settings}), draws


def stream_of(curriculum, seeds=(3, 4), count=60):
    """All samples in order, (M, count, n) and (M, count, 1)."""
    draws = generators_from(seeds, "batches")
    pairs = [curriculum.stream(index / (count - 1), draws) for index in range(count)]
    return [torch.cat(each, dim=1) for each in zip(*pairs, strict=True)]


@pytest.mark.parametrize("inputs", ["bits", "continuous"])
def test_one_slow_input_changes_every_so_often(inputs) -> None:
    curriculum, _ = made(inputs=inputs)
    x, _ = stream_of(curriculum)
    assert x.shape == (2, 60, 6)
    assert ((x >= 0.0) & (x <= 1.0)).all()
    assert inputs == "continuous" or ((x == 0.0) | (x == 1.0)).all()
    changes = (x[:, 1:, :4] != x[:, :-1, :4]).sum(dim=2)
    assert changes[:, 9::10].eq(1).all()
    changes[:, 9::10] = 0
    assert changes.eq(0).all()
    fast = x[..., 4:]
    assert (fast[:, 1:] != fast[:, :-1]).any(dim=2).double().mean() > 0.5
    assert not torch.equal(x[0], x[1])


def test_the_target_is_the_formula() -> None:
    curriculum, _ = made(threshold=0.5)
    x, y = stream_of(curriculum)
    target = curriculum.stream.target
    for member in range(2):
        w, v = target.weights[member], target.outputs[member, :, 0]
        assert set(w.unique().tolist()) == set(v.unique().tolist()) == {-1.0, 1.0}
        for n in range(0, 60, 7):
            total = 0.0
            for i in range(7):
                # with the bias taken over to the other side, its sign and whether it is negative together give this
                side = float(target.thresholds[member, 0, i])
                negative = int((w[:, i] < 0).sum())
                assert side in (7 * 0.5 - negative - 1.0, 7 * 0.5 - negative - 1.0 + 1.0)
                total += float(v[i]) * (float(x[member, n].double() @ w[:, i]) > side)
            assert float(y[member, n]) == pytest.approx(total, abs=1e-5)


def test_snapshots_are_the_stream_where_they_are() -> None:
    curriculum, _ = made()
    x, _ = stream_of(curriculum)
    for index, task in enumerate(curriculum.tasks):
        slow = x[:, 20 * index + 19, :4]
        assert torch.equal(task.test_inputs[..., :4].float(), slow[:, None].expand(-1, 5, -1))
        torch.testing.assert_close(task.test_targets, curriculum.stream.target(task.test_inputs))
        assert not torch.equal(task.test_inputs, task.validation_inputs)


def test_a_member_alone_and_pieces(monkeypatch) -> None:
    both, _ = made((3, 4))
    alone, _ = made((4,))
    whole = stream_of(both)
    for ours, theirs in zip(whole, stream_of(alone, (4,)), strict=True):
        torch.testing.assert_close(ours[1:], theirs, rtol=0, atol=1e-6)
    draws = generators_from((3, 4), "batches")
    before = [g.get_state() for g in draws]
    later = both.stream(41 / 59, draws)  # out of order: nothing is drawn from the generators themselves
    assert torch.equal(later[0][:, 0], whole[0][:, 41])
    assert all(torch.equal(a, g.get_state()) for a, g in zip(before, draws, strict=True))


def training(probe: Online) -> Training:
    curriculum, _ = made()
    double = curriculum.to(torch.float64)
    model = MLP(6, 1, width=3, members=2, generators=generators_from((3, 4), "model"), dtype=torch.float64)
    settings = Settings(20, None, 20, 1e-9)
    return Training(model, double, SGD, FineTune(), settings, generators_from((3, 4), "batches"), observers=[probe])


def test_errors_before_learning_are_those_of_a_loop() -> None:
    probe = Online()
    train(training(probe))
    found = probe.arrays()["loss"]
    again = training(Online())
    x, y = (each.double() for each in stream_of(again.curriculum))
    model, losses = again.model, []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for n in range(60):
        errors = (model(x[:, n : n + 1]) - y[:, n : n + 1]).square().flatten(1).mean(dim=1)
        losses.append(errors.detach())
        optimizer.zero_grad()
        errors.sum().backward()
        optimizer.step()
    expected = torch.stack(losses, dim=1).unflatten(1, (3, 20)).mean(dim=2)
    assert found.shape == (2, 4)
    torch.testing.assert_close(torch.from_numpy(found[:, 1:]), expected, rtol=1e-9, atol=1e-12)


def test_goes_on_to_the_last_bit(tmp_path) -> None:
    probes = []

    def build() -> Training:
        probes.append(Online())
        return training(probes[-1])

    resumes(build, tmp_path, stops=((0, 7), (0, 33)))
    assert (probes[0].arrays()["loss"][:, 1:] == probes[-1].arrays()["loss"][:, 1:]).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": "digits"}, "inputs must be one of bits, continuous"),
        ({"samples": 61}, "samples must be a multiple of snapshots=3"),
        ({"slow": 0}, "slow must be at least 1"),
        ({"threshold": 2.0}, "threshold must be from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        made(**wrong)
