"""Frozen parameters, PackNet and winning subnetworks: what stays to the last bit, and plain loops that do the same."""

import functools

import numpy as np
import pytest
import torch

from continual.adaptations import DomainExtension, GridSchedule
from continual.extension import Extension
from continual.models import trainable
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt
from continual.strategies import EWC, FineTune, FreezeVisited, PackNet, UpdateVisited, WinningSubnetworks
from continual.training.loop import train
from kan import KAN
from mlp_baselines import MLP, RBFLattice
from tasks.sampling import generators_from
from tests.continual.strategies.small import ADAM, DOUBLE, MAKERS, SGD, parameters, resumes, small, tasks_of

DECAYING = functools.partial(Adam, lr=0.01, weight_decay=0.1)
ALL = {
    "freeze": (FreezeVisited, KAN),
    "update": (UpdateVisited, KAN),
    "packnet, kan": (PackNet, KAN),
    "packnet, mlp": (PackNet, MLP),
    "wsn, kan": (WinningSubnetworks, KAN),
    "wsn, mlp": (WinningSubnetworks, MLP),
}
ONE = {"depth": 1, "width": 1, "grid_size": 24}


class Look(Extension):
    """Keeps the predictions of each task's test samples after it was learned, and after the last one."""

    def __init__(self, whole) -> None:
        self.whole, self.after = whole, []

    def task_done(self, index, rmse) -> None:
        self.after.append([self.whole.model(t.test_inputs).detach() for t in self.whole.curriculum.tasks])


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        ADAM,
        DECAYING,
        functools.partial(torch.optim.AdamW, lr=0.01),
        MAKERS["lbfgs"],
        SGD,
        functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=0.1),
    ],
    ids=["adam", "weight decay", "adamw", "lbfgs", "sgd", "momentum"],
)
@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_frozen_keeps_all_predictions_to_the_last_bit(make, reset, depth) -> None:
    sizes = {**ONE, "depth": depth, "width": depth}
    whole = small(FreezeVisited(reset_optimizer=reset), make=make, sizes=sizes, curriculum=apart)
    if make is MAKERS["lbfgs"] and not reset:
        with pytest.raises(ValueError, match="LBFGS that is kept would search along what they were"):
            train(whole)
        return
    look = Look(whole)
    object.__setattr__(whole, "observers", (look,))
    before = parameters(whole)
    train(whole)
    for t in range(3):
        assert torch.equal(look.after[-1][t], look.after[t + 1][t])
        assert not torch.equal(look.after[t + 1][t], look.after[t][t])
    assert (parameters(whole) != before).any(dim=1).all()


def apart(seeds):
    return tasks_of(seeds, width=0.5, samples=30)


def test_fine_tuning_does_not_keep_them() -> None:
    whole = small(FineTune(), make=DECAYING, sizes=ONE, curriculum=apart)
    look = Look(whole)
    object.__setattr__(whole, "observers", (look,))
    train(whole)
    assert not torch.equal(look.after[-1][0], look.after[1][0])


def test_a_threshold_leaves_free_what_is_rarely_visited() -> None:
    def frozen(threshold):
        strategy = FreezeVisited(threshold)
        train(small(strategy, sizes=ONE, curriculum=apart))
        return strategy._frozen.sum()

    counts = [int(frozen(threshold)) for threshold in (0.0, 0.2, [0.5])]
    assert counts[0] > counts[1] > counts[2] > 0


def plain_freeze(whole, member, make):
    """One member with its visited coefficients put back after each step, one layer of splines and a base."""
    layer = whole.model.layer(0)
    frozen = torch.zeros(layer.coefficients.shape[2], dtype=torch.bool)
    scales = [layer.base_weight, layer.spline_scale]
    for index, task in enumerate(whole.curriculum.tasks):
        optimizer = make(trainable(whole.model))
        for _ in range(whole.settings.steps):
            optimizer.zero_grad()
            (whole.model(task.train_inputs)[member] - task.train_targets[member]).square().mean().backward()
            kept = [p.detach().clone() for p in (layer.coefficients, *scales)]
            layer.coefficients.grad[:, 0, frozen] = 0.0
            if index:
                for p in scales:
                    p.grad.zero_()
            optimizer.step()
            with torch.no_grad():
                layer.coefficients[:, 0, frozen] = kept[0][:, 0, frozen]
                for p, old in zip(scales, kept[1:], strict=True):
                    p.copy_(old if index else p)
        frozen |= (layer.basis(task.train_inputs)[member, :, 0] != 0.0).any(dim=0)
    return parameters(whole)[member]


def plain_packnet(whole, member, make, keep, prune_at):
    """One member with lists of owners; names say what is shared out."""
    model, named = whole.model, [(n, p) for n, p in whole.model.named_parameters() if p.requires_grad]
    owner = {n: torch.zeros_like(p[member], dtype=torch.int64) for n, p in named}
    for index, task in enumerate(whole.curriculum.tasks):
        dead = {n: torch.zeros_like(owner[n], dtype=torch.bool) for n, _ in named}
        optimizer = make([p for _, p in named])
        for step in range(whole.settings.steps):
            if step == int(prune_at * whole.settings.steps):
                for n, p in named:
                    if "weights" in n or "coefficients" in n:
                        free = [i for i, o in enumerate(owner[n].flatten().tolist()) if o == 0]
                        ranked = sorted(free, key=lambda i, p=p: -abs(float(p.detach()[member].flatten()[i])))
                        for i in ranked[round(keep * len(free)) :]:
                            dead[n].view(-1)[i] = True
                            p.data[member].view(-1)[i] = 0.0
                optimizer = make([p for _, p in named])
            optimizer.zero_grad()
            (model(task.train_inputs)[member] - task.train_targets[member]).square().mean().backward()
            before = [p.detach().clone() for _, p in named]
            for n, p in named:
                p.grad[member][(owner[n] > 0) | dead[n]] = 0.0
            optimizer.step()
            for (n, p), old in zip(named, before, strict=True):
                fixed = (owner[n] > 0) | dead[n]
                p.data[member][fixed] = old[member][fixed]
        for n, _ in named:
            owner[n][(owner[n] == 0) & ~dead[n]] = index + 1
    return parameters(whole)[member]


def plain_wsn(whole, member, make, keep, score_lr):
    """One member; scores with torch's own Adam, masks written out."""
    model, named = whole.model, [(n, p) for n, p in whole.model.named_parameters() if p.requires_grad]
    weights = {n: p[member].detach().clone() for n, p in named}
    used = {n: torch.zeros_like(w, dtype=torch.bool) for n, w in weights.items()}
    seed = whole.generators[member].initial_seed()
    for index, task in enumerate(whole.curriculum.tasks):
        (draw,) = generators_from([seed], f"wsn {index + 1}")
        flat = 0.01 * torch.rand(sum(w.numel() for w in weights.values()), generator=draw, dtype=DOUBLE)
        scores = {}
        for n, w in weights.items():
            scores[n], flat = torch.nn.Parameter(flat[: w.numel()].view(w.shape).clone()), flat[w.numel() :]
        choosing, optimizer = torch.optim.Adam(scores.values(), lr=score_lr), make([p for _, p in named])

        def masks(scores=scores):
            found = {}
            for n, s in scores.items():
                found[n] = torch.ones_like(s, dtype=torch.bool)
                if "weights" in n or "coefficients" in n:
                    least = s.detach().flatten().sort(descending=True).values[max(1, round(keep * s.numel())) - 1]
                    found[n] = s.detach() >= least
            return found

        for _ in range(whole.settings.steps):
            mask = masks()
            for n, p in named:
                p.data[member] = torch.where(mask[n], weights[n], 0.0)
            optimizer.zero_grad()
            (model(task.train_inputs)[member] - task.train_targets[member]).square().mean().backward()
            for n, p in named:
                scores[n].grad = p.grad[member] * weights[n]
                p.grad[member][~mask[n] | used[n]] = 0.0
            optimizer.step()
            for n, p in named:
                moved = mask[n] & ~used[n]
                weights[n][moved] = p.detach()[member][moved]
            choosing.step()
        mask = masks()
        for n, _ in named:
            used[n] |= mask[n]
    return torch.cat([torch.where(mask[n], weights[n], 0.0).flatten() for n, _ in named])


@pytest.mark.parametrize(
    ("strategy", "plain", "model", "make"),
    [
        (FreezeVisited(), plain_freeze, KAN, DECAYING),
        (PackNet(0.4, 0.6), functools.partial(plain_packnet, keep=0.4, prune_at=0.6), KAN, ADAM),
        (PackNet(0.5, 0.3), functools.partial(plain_packnet, keep=0.5, prune_at=0.3), MLP, SGD),
        (WinningSubnetworks(0.4, 1e-2), functools.partial(plain_wsn, keep=0.4, score_lr=1e-2), KAN, ADAM),
        (WinningSubnetworks(0.5, 1e-3), functools.partial(plain_wsn, keep=0.5, score_lr=1e-3), MLP, SGD),
    ],
    ids=["freeze", "packnet, kan", "packnet, mlp", "wsn, kan", "wsn, mlp"],
)
def test_equals_a_plain_loop(strategy, plain, model, make) -> None:
    sizes = ONE if plain is plain_freeze else {}
    ours = small(strategy, make=make, steps=50, model=model, sizes=sizes)
    train(ours)
    for member in range(2):
        theirs = small(FineTune(), make=make, steps=50, model=model, sizes=sizes)
        expected = plain(theirs, member, make)
        torch.testing.assert_close(parameters(ours)[member], expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(
    ("kind", "model"), [ALL[name] for name in ALL if "," in name], ids=[n for n in ALL if "," in n]
)
@pytest.mark.parametrize("make", [DECAYING, SGD])
def test_tasks_with_their_own_weights_are_kept_to_the_last_bit(kind, model, make) -> None:
    whole = small(kind(), make=make, model=model, steps=8, sizes={"width": 16} if model is MLP else {})
    history = train(whole)
    matrix = history.matrix()
    for t in range(3):
        assert np.array_equal(matrix[:, t + 1, t], matrix[:, 3, t])
        assert (matrix[:, t + 1, t] != matrix[:, t, t]).all()


@pytest.mark.parametrize(("kind", "model"), ALL.values(), ids=ALL)
def test_members_are_alone(kind, model) -> None:
    def end(seeds):
        whole = small(kind(), seeds, model=model)
        return train(whole).matrix(), parameters(whole)

    several, alone = end((4, 7, 9)), end((7,))
    np.testing.assert_allclose(several[0][1], alone[0][0], rtol=1e-10)
    torch.testing.assert_close(several[1][1], alone[1][0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kind", "model"), ALL.values(), ids=ALL)
@pytest.mark.parametrize("reset", [True, False])
def test_goes_on_to_the_last_bit(tmp_path, kind, model, reset) -> None:
    resumes(lambda: small(kind(reset_optimizer=reset), make=DECAYING, model=model, batch_size=5), tmp_path)


@pytest.mark.parametrize("kind", [FreezeVisited, UpdateVisited])
def test_a_domain_that_grows_leaves_frozen_what_was(tmp_path, kind) -> None:
    def build():
        sizes = {**ONE, "grid_range": (-1.0, -0.5), "grid_size": 8, "base": "zero", "train_spline_scale": False}
        return small(kind(), make=DECAYING, sizes=sizes, adaptations=[DomainExtension()], curriculum=apart)

    whole = build()
    look = Look(whole)
    object.__setattr__(whole, "observers", (look,))
    train(whole)
    assert whole.model.layer(0).grid_size > 20
    for t in range(3):
        torch.testing.assert_close(look.after[-1][t], look.after[t + 1][t], rtol=1e-13, atol=1e-15)
    resumes(build, tmp_path, stops=((1, 3), (2, 1)))


@pytest.mark.parametrize("reset", [True, False])
def test_only_what_is_visited_moves(reset) -> None:
    whole = small(UpdateVisited(reset), make=DECAYING, sizes={**ONE, "base": "zero", "train_spline_scale": False})
    kept = []

    class Before(Extension):
        def before_task(self, moment) -> None:
            kept.append(parameters(whole))

    object.__setattr__(whole, "observers", (Before(),))
    train(whole)
    for t, task in enumerate(whole.curriculum.tasks):
        alive = (whole.model.layer(0).basis(task.train_inputs) != 0.0).any(dim=1).flatten(1)
        before, after = kept[t], kept[t + 1] if t < 2 else parameters(whole)
        assert torch.equal(before[~alive], after[~alive])
        assert (before[alive] != after[alive]).all()


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (FreezeVisited(), {"model": MLP}, "the first task visits every parameter of MLP"),
        (FreezeVisited(), {"model": RBFLattice}, "the first task visits every parameter of RBFLattice"),
        (FreezeVisited([0.0, 0.1, 0.2]), {}, "threshold has 3 numbers for 2 layers"),
        (FreezeVisited(), {"make": LevenbergMarquardt}, "FreezeVisited changes the loss or its gradients"),
        (UpdateVisited(), {"adaptations": [GridSchedule(3, [6, 12])]}, "GridSchedule gives them another meaning"),
        (PackNet(), {"adaptations": [DomainExtension()]}, "PackNet keeps parameters, and DomainExtension changes"),
        (PackNet(), {"steps": 1}, "PackNet prunes within a task"),
        (WinningSubnetworks(), {"make": LBFGS}, "use optimizer=adam or optimizer=sgd"),
        (WinningSubnetworks(), {"adaptations": [DomainExtension()]}, "keeps parameters, and DomainExtension"),
        ([PackNet(), WinningSubnetworks()], {}, "both say what predicts a task"),
    ],
)
def test_what_can_not_work_is_refused(strategy, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        train(small(strategy, **options))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FreezeVisited(1.0), "threshold must be from 0 to below 1"),
        (lambda: FreezeVisited(tolerance=-1.0), "tolerance must be at least 0"),
        (lambda: PackNet(0.0), "keep must be above 0"),
        (lambda: PackNet(prune_at=1.0), "prune_at must lie between 0 and 1"),
        (lambda: WinningSubnetworks(1.1), "keep must be above 0"),
        (lambda: WinningSubnetworks(score_lr=0.0), "score_lr must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_goes_with_a_penalty() -> None:
    whole = small([EWC(), FreezeVisited()], sizes=ONE, curriculum=apart)
    look = Look(whole)
    object.__setattr__(whole, "observers", (look,))
    train(whole)
    assert torch.equal(look.after[-1][0], look.after[1][0])
