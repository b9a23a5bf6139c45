"""What can't work is refused in one line before any work, and what is held is known before."""

import functools

import pytest

from continual.adaptations import DomainExtension, GridUpdate
from continual.extension import hooks
from continual.models import trainable
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt, Staged
from continual.strategies import (
    AGEM,
    DERPP,
    L2,
    MAS,
    OGD,
    SI,
    ContinualBackprop,
    Cumulative,
    Independent,
    Joint,
    LwF,
    Replay,
    ShrinkPerturb,
)
from continual.training.loop import train
from tests.continual.strategies.parts import STRATEGIES, training

LINE_SEARCH = functools.partial(LBFGS, max_iter=2)
TWO = functools.partial(Staged, first=functools.partial(Adam, lr=0.01), then=LINE_SEARCH, switch_at=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Replay(size=-1), r"replay.size must be at least 0 samples, got -1"),
        (lambda: Replay(share=1.0), r"replay.share must be between 0 and 1, or null for the whole memory, got 1.0"),
        (lambda: AGEM(size=-2), r"agem.size must be at least 0 samples, got -2"),
        (lambda: AGEM(batch=0), r"agem.batch must be at least 1"),
        (lambda: DERPP(size=-1), r"derpp.size must be at least 0"),
        (lambda: DERPP(alpha=-0.1), r"derpp.alpha must be at least 0, got -0.1"),
        (lambda: DERPP(beta=-0.1), r"derpp.beta must be at least 0"),
        (lambda: DERPP(batch=0), r"derpp.batch must be at least 1"),
        (lambda: OGD(samples=-1), r"ogd.samples must be at least 0"),
        (lambda: SI(weight=-1.0), r"si.weight must be at least 0"),
        (lambda: SI(damping=0.0), r"si.damping must be positive"),
        (lambda: MAS(weight=-1.0), r"mas.weight must be at least 0"),
        (lambda: MAS(samples=0), r"mas.samples must be at least 1"),
        (lambda: LwF(weight=-1.0), r"lwf.weight must be at least 0"),
        (lambda: LwF(temperature=0.0), r"lwf.temperature must be positive"),
        (lambda: L2(weight=-1.0), r"l2.weight must be at least 0"),
        (lambda: L2(towards="here"), r"l2.towards must be one of zero, initial, last, got 'here'"),
        (lambda: ShrinkPerturb(shrink=1.1), r"shrink_perturb.shrink must be from 0 to 1"),
        (lambda: ShrinkPerturb(noise=-1.0), r"shrink_perturb.noise must be at least 0"),
        (lambda: ShrinkPerturb(every=0), r"shrink_perturb.every must be at least 1"),
        (lambda: ContinualBackprop(rate=2.0), r"continual_backprop.rate must be from 0 to 1"),
        (lambda: ContinualBackprop(decay=-0.1), r"continual_backprop.decay must be from 0 to 1"),
        (lambda: ContinualBackprop(maturity=0), r"continual_backprop.maturity must be at least 1"),
    ],
)
def test_numbers_out_of_range(make, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


REFUSED = [
    ("si", {"make": LINE_SEARCH}, "SI follows the gradient of each step, of which LBFGS takes several"),
    ("si", {"make": TWO}, "SI follows the gradient of each step, of which LBFGS takes several"),
    ("si", {"make": LevenbergMarquardt}, "LevenbergMarquardt solves for the squares of errors alone, and SI"),
    ("continual backprop", {"make": LINE_SEARCH}, "ContinualBackprop follows the gradient of each step"),
    ("continual backprop", {"make": LevenbergMarquardt}, "and ContinualBackprop"),
    ("continual backprop", {"kind": "kan"}, "ContinualBackprop replaces hidden units of affine layers"),
    ("continual backprop", {"kind": "rbf"}, "ContinualBackprop replaces hidden units of affine layers"),
    ("continual backprop", {"kind": "norm"}, "ContinualBackprop replaces hidden units of affine layers"),
    ("agem", {"make": LINE_SEARCH}, "AGEM changes gradients into what is none of the loss, along which LBFGS"),
    ("ogd", {"make": LINE_SEARCH}, "OGD changes gradients into what is none of the loss, along which LBFGS"),
    ("agem", {"make": LevenbergMarquardt}, "LevenbergMarquardt solves for the squares of errors alone, and AGEM"),
    ("lwf", {"make": LevenbergMarquardt}, "LevenbergMarquardt solves for the squares of errors alone, and LwF"),
    ("derpp", {"make": LevenbergMarquardt}, "LevenbergMarquardt solves for the squares of errors alone, and DERPP"),
]
REFUSED += [
    (name, {"data": "stream"}, r"has to be told where a task ends, and .* is a stream")
    for name in ("ogd", "si", "mas", "lwf", "l2 last")
]
REFUSED += [
    ("joint", {"data": "stream"}, "Joint chooses what a task trains on, and .* is a stream"),
    ("independent", {"data": "stream"}, "Independent has to be told where a task ends"),
]
REFUSED += [
    (name, {"kind": "kan", "adaptations": [DomainExtension()]}, "keeps numbers for each parameter, and DomainExtension")
    for name in ("ogd", "si", "mas", "l2 init", "l2 last")
]
REFUSED += [
    ("independent", {"kind": "kan", "adaptations": [DomainExtension()]}, "where DomainExtension has no meaning")
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_what_can_not_go_together(name, options, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        train(training(STRATEGIES[name](), **options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        ([Replay(), Cumulative()], "Replay keeps samples of earlier tasks, and Cumulative chooses"),
        ([Joint(), AGEM()], "AGEM keeps samples of earlier tasks, and Joint chooses"),
        ([Independent(), SI()], "Independent begins anew with each task, where SI has no meaning"),
        ([Joint(), Cumulative()], "both choose what a task trains on"),
        (Independent(reset_optimizer=False), "reset_optimizer must be true"),
        (ShrinkPerturb(every=None), "ShrinkPerturb has to be told where a task ends"),
    ],
)
def test_what_strategies_can_not_do_together(strategies, message) -> None:
    with pytest.raises(ValueError, match=message):
        train(training(strategies, data="stream" if "ShrinkPerturb" in message else "peaks"))


@pytest.mark.parametrize("name", ["ogd", "mas", "l2 last", "lwf", "replay"])
def test_what_changes_in_the_first_task_alone_does_no_harm(name) -> None:
    update = GridUpdate(every=2, until=4, tasks=[1])
    assert train(training(STRATEGIES[name](), kind="kan", adaptations=[update])).alive.all()
    with pytest.raises(ValueError, match="SI keeps numbers for each parameter, and GridUpdate"):
        train(training(SI(), kind="kan", adaptations=[update]))


@pytest.mark.parametrize("make", [LINE_SEARCH, LevenbergMarquardt])
@pytest.mark.parametrize("name", ["replay", "mas", "l2", "l2 init", "l2 last", "joint", "independent"])
def test_what_goes_with_every_optimizer(name, make) -> None:
    kind = "rbf" if make is LINE_SEARCH else "mlp"
    assert train(training(STRATEGIES[name](), kind=kind, make=make, steps=2)).alive.all()


def numbers(state) -> int:
    """Bytes of all tensors in a state that are no generator's."""
    if isinstance(state, dict):
        return sum(numbers(value) for key, value in state.items() if key != "generators")
    if isinstance(state, list | tuple):
        return sum(map(numbers, state))
    return state.numel() * state.element_size() if hasattr(state, "numel") else 0


@pytest.mark.parametrize("data", ["peaks", "columns"])
@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - {"joint", "shrink perturb", "continual backprop"}))
def test_what_is_held_is_said_before(name, data) -> None:
    whole = training(STRATEGIES[name](), (4, 7, 9), data=data)
    (ask,) = hooks([whole.strategy], "memory")
    said = ask(training(STRATEGIES[name](), (4,), data=data), 3)
    train(whole)
    held = numbers(whole.strategy.state_dict())
    vector = 8 * sum(each.numel() for each in trainable(whole.model))
    assert held <= said <= 2 * held + 10 * vector
