"""Adam against torch's own, bit for bit."""

import copy
import subprocess
import sys

import pytest
import torch

from continual.optimizers.adam import Adam


def parameters(dtype=torch.float32) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(3, n, generator=generator, dtype=dtype)) for n in (1, 70, 5)]


def walk(optimizer, params, steps, generator, missing=()) -> None:
    for step in range(steps):
        for index, parameter in enumerate(params):
            parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            if (step, index) in missing:
                parameter.grad = None
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"lr": 0.3, "betas": [0.5, 0.9], "eps": 1e-3, "weight_decay": 0.1}])
@pytest.mark.parametrize("missing", [(), ((0, 1), (4, 2), (5, 0))])
def test_steps_of_torch(dtype, options, missing) -> None:
    ours, theirs = parameters(dtype), parameters(dtype)
    walk(Adam(ours, **options), ours, 20, torch.Generator().manual_seed(1), missing)
    options = {**options, "betas": tuple(options.get("betas", (0.9, 0.999)))}
    theirs_optimizer = torch.optim.Adam(theirs, fused=True, **options)
    walk(theirs_optimizer, theirs, 20, torch.Generator().manual_seed(1), missing)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_goes_on_from_its_state_and_from_torchs() -> None:
    whole = parameters()
    walk(Adam(whole), whole, 9, torch.Generator().manual_seed(2))
    for first, then in ((Adam, Adam), (torch.optim.Adam, Adam), (Adam, torch.optim.Adam)):
        generator = torch.Generator().manual_seed(2)
        halves = parameters()
        options = {"fused": True} if first is torch.optim.Adam else {}
        start = first(halves, **options)
        walk(start, halves, 4, generator)
        state = copy.deepcopy(start.state_dict())
        onward = then(halves, **({"fused": True} if then is torch.optim.Adam else {}))
        onward.load_state_dict(state)
        walk(onward, halves, 5, generator)
        assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_follows_the_learning_rate_hooks_and_new_groups() -> None:
    ours, theirs = parameters(), parameters()
    pair = Adam(ours[:2]), torch.optim.Adam(theirs[:2], fused=True)
    for optimizer, params in zip(pair, (ours, theirs), strict=True):
        generator = torch.Generator().manual_seed(3)
        walk(optimizer, params[:2], 3, generator)
        optimizer.param_groups[0]["lr"] = 0.2
        walk(optimizer, params[:2], 3, generator)
        seen = []
        handle = optimizer.register_step_post_hook(lambda *_, seen=seen: seen.append(1))
        walk(optimizer, params[:2], 2, generator)
        handle.remove()
        assert len(seen) == 2
        optimizer.add_param_group({"params": params[2:], "lr": 0.5})
        walk(optimizer, params, 3, generator)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda o, _: o.state.clear(),
        lambda o, params: o.state[params[0]].update(exp_avg=torch.zeros_like(params[0])),
        lambda o, params: o.param_groups[0].update(params=params[:2]),
        lambda o, _: o.param_groups[0].update(maximize=True),
        lambda o, _: setattr(o, "found_inf", torch.tensor(1.0)),
        lambda o, _: setattr(o, "grad_scale", torch.tensor(8.0)),
    ],
)
def test_follows_whatever_is_changed_between_steps(change) -> None:
    ours, theirs = parameters(), parameters()
    for optimizer, params in ((Adam(ours), ours), (torch.optim.Adam(theirs, fused=True), theirs)):
        generator = torch.Generator().manual_seed(4)
        walk(optimizer, params, 3, generator)
        change(optimizer, params)
        walk(optimizer, params, 3, generator)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_loads_the_settings_of_others() -> None:
    for options in ({"amsgrad": True, "fused": True}, {"maximize": True, "fused": True}, {"foreach": True}):
        ours, theirs = parameters(), parameters()
        first = torch.optim.Adam(theirs, **options)
        walk(first, theirs, 3, torch.Generator().manual_seed(5))
        with torch.no_grad():
            for a, b in zip(ours, theirs, strict=True):
                a.copy_(b)
        then = Adam(ours)
        then.load_state_dict(copy.deepcopy(first.state_dict()))
        for optimizer, params in ((then, ours), (first, theirs)):
            walk(optimizer, params, 3, torch.Generator().manual_seed(6))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_copies_go_on_alike() -> None:
    params = parameters()
    optimizer = Adam(params)
    walk(optimizer, params, 3, torch.Generator().manual_seed(7))
    other = copy.deepcopy(optimizer)
    others = other.param_groups[0]["params"]
    walk(optimizer, params, 3, torch.Generator().manual_seed(8))
    walk(other, others, 3, torch.Generator().manual_seed(8))
    assert all(torch.equal(a, b) for a, b in zip(params, others, strict=True))


def test_closure_runs_with_gradients_and_its_result_comes_back() -> None:
    params = parameters()
    optimizer = Adam(params)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        losses = sum(p.square().sum(dim=1) for p in params)
        losses.sum().backward()
        return losses.detach()

    with torch.no_grad():
        results = [optimizer.step(closure) for _ in range(3)]
    assert all(r.shape == (3,) for r in results)
    assert results[2].sum() < results[0].sum()


@pytest.mark.parametrize("options", [{"lr": -1.0}, {"betas": (1.0, 0.9)}, {"eps": -1.0}])
def test_bad_settings(options) -> None:
    with pytest.raises(ValueError, match="Invalid"):
        Adam(parameters(), **options)


def test_hooks_run_once_whether_or_not_torch_made_an_adam_before() -> None:
    code = """
import torch
from continual.optimizers.adam import Adam
p = torch.nn.Parameter(torch.ones(1, 3))
optimizer, seen = Adam([p]), []
optimizer.register_step_pre_hook(lambda *_: seen.append(1))
for _ in range(3):
    p.grad = torch.ones(1, 3)
    optimizer.step()
torch.optim.Adam([p])
optimizer.step()
assert len(seen) == 4, seen
"""
    subprocess.run([sys.executable, "-c", code], check=True)
