"""What every strategy promises: members apart, resumption to the last bit, all models, nothing without a weight."""

import functools

import numpy as np
import pytest
import torch

from continual.optimizers import LBFGS
from continual.records.checkpoint import Checkpoint
from continual.strategies import (
    AGEM,
    DERPP,
    L2,
    MAS,
    OGD,
    SI,
    ContinualBackprop,
    Cumulative,
    FineTune,
    LwF,
    Replay,
    ShrinkPerturb,
)
from continual.training.loop import train
from tests.continual.strategies.parts import (
    ADAM,
    STRATEGIES,
    Break,
    InterruptionError,
    same,
    training,
)

BOUND = {"joint", "independent", "ogd", "si", "mas", "lwf", "l2 last"}
"""Those that a stream has no place for."""

CASES = [("continual backprop", "mlp")]
CASES += [(name, kind) for name in STRATEGIES for kind in ("kan", "rbf") if name != "continual backprop"]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_member_of_a_stack_is_the_seed_alone(name, kind) -> None:
    several = training(STRATEGIES[name](), (4, 7, 9), kind)
    alone = training(STRATEGIES[name](), (7,), kind)
    np.testing.assert_allclose(train(several).matrix()[1], train(alone).matrix()[0], rtol=1e-10)
    for many, one in zip(several.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(many[1], one[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - BOUND))
def test_a_member_of_a_stack_is_the_seed_alone_on_a_stream(name) -> None:
    several = training(STRATEGIES[name](), (4, 7, 9), data="stream")
    alone = training(STRATEGIES[name](), (7,), data="stream")
    np.testing.assert_allclose(train(several).matrix()[1], train(alone).matrix()[0], rtol=1e-10)


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - {"continual backprop"}))
@pytest.mark.parametrize("kind", ["chebyshev", "norm"])
def test_every_strategy_takes_every_model(name, kind) -> None:
    assert train(training(STRATEGIES[name](), (4,), kind, steps=3)).alive.all()


@pytest.mark.parametrize("kind", ["siren", "spline mlp"])
def test_units_of_other_mlps_begin_anew(kind) -> None:
    several = training(STRATEGIES["continual backprop"](), (4, 7, 9), kind)
    alone = training(STRATEGIES["continual backprop"](), (7,), kind)
    history = train(several)
    assert any("hidden units begin anew" in text for _, text in history.events)
    np.testing.assert_allclose(history.matrix()[1], train(alone).matrix()[0], rtol=1e-10)


def _resumed(tmp_path, strategy, stop, **options):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(training(strategy(), observers=[Break(stop)], checkpoint=Checkpoint(path), **options))
    whole = training(strategy(), checkpoint=Checkpoint(path), **options)
    return whole, train(whole)


@pytest.mark.parametrize("stop", [(0, 3), (1, 4), (2, 2)])
@pytest.mark.parametrize("name", STRATEGIES)
def test_an_interruption_changes_no_bit(tmp_path, name, stop) -> None:
    straight = training(STRATEGIES[name]())
    expected = train(straight)
    resumed, history = _resumed(tmp_path, STRATEGIES[name], stop)
    assert np.array_equal(history.matrix(), expected.matrix())
    assert np.array_equal(history.curves()["rmse"], expected.curves()["rmse"])
    assert same(resumed.model, straight.model)


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - BOUND))
def test_an_interruption_of_a_stream_changes_no_bit(tmp_path, name) -> None:
    straight = training(STRATEGIES[name](), data="stream")
    expected = train(straight)
    resumed, history = _resumed(tmp_path, STRATEGIES[name], (0, 9), data="stream")
    assert np.array_equal(history.matrix(), expected.matrix())
    assert same(resumed.model, straight.model)


@pytest.mark.parametrize("name", ["replay", "derpp", "mas", "lwf", "l2 last"])
def test_an_interruption_of_a_line_search_changes_no_bit(tmp_path, name) -> None:
    make = functools.partial(LBFGS, max_iter=3)
    straight = training(STRATEGIES[name](), kind="kan", make=make)
    expected = train(straight)
    resumed, history = _resumed(tmp_path, STRATEGIES[name], (1, 4), kind="kan", make=make)
    assert np.array_equal(history.matrix(), expected.matrix())
    assert same(resumed.model, straight.model)


NOTHING = {
    "replay": Replay(size=0),
    "derpp, no memory": DERPP(size=0),
    "derpp, no weight": DERPP(size=15, alpha=0.0, beta=0.0),
    "agem": AGEM(size=0),
    "ogd": OGD(samples=0),
    "si": SI(weight=0.0),
    "mas": MAS(weight=0.0, samples=3),
    "lwf": LwF(weight=0.0),
    "l2": L2(weight=0.0),
    "l2 init": L2(weight=0.0, towards="initial"),
    "l2 last": L2(weight=0.0, towards="last"),
    "shrink perturb": ShrinkPerturb(shrink=1.0, noise=0.0, every=1),
    "continual backprop": ContinualBackprop(rate=0.0),
}


@pytest.mark.parametrize("name", NOTHING)
def test_without_weight_it_is_fine_tuning_to_the_last_bit(name) -> None:
    ours, plain = training(NOTHING[name]), training(FineTune())
    assert np.array_equal(train(ours).matrix(), train(plain).matrix())
    assert same(ours.model, plain.model)


@pytest.mark.parametrize("name", STRATEGIES)
def test_with_weight_it_is_not_fine_tuning(name) -> None:
    ours, plain = training(STRATEGIES[name]()), training(FineTune())
    assert not np.array_equal(train(ours).matrix(), train(plain).matrix())


@pytest.mark.parametrize("data", ["peaks", "columns", "classes"])
@pytest.mark.parametrize("make", [ADAM, functools.partial(LBFGS, max_iter=3)])
def test_replay_of_everything_is_cumulative_to_the_last_bit(data, make) -> None:
    ours = training(Replay(size=60, share=None), make=make, data=data, batch_size=None)
    theirs = training(Cumulative(), make=make, data=data, batch_size=None)
    assert np.array_equal(train(ours).matrix(), train(theirs).matrix())
    assert same(ours.model, theirs.model)


@pytest.mark.parametrize(
    "names", [("replay", "si"), ("derpp", "mas"), ("agem", "l2"), ("lwf", "replay"), ("ogd", "shrink perturb")]
)
def test_strategies_go_together(tmp_path, names) -> None:
    def both(seeds, **options):
        return training([STRATEGIES[name]() for name in names], seeds, **options)

    straight = both((4, 7))
    expected = train(straight)
    np.testing.assert_allclose(expected.matrix()[1], train(both((7,))).matrix()[0], rtol=1e-10)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptionError):
        train(both((4, 7), observers=[Break((1, 4))], checkpoint=Checkpoint(path)))
    assert np.array_equal(train(both((4, 7), checkpoint=Checkpoint(path))).matrix(), expected.matrix())
