"""L-BFGS of a stack: every member takes the steps of `torch.optim.LBFGS` on that member alone."""

import copy
import inspect
import io
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.optim.lbfgs import _strong_wolfe

from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.line_search import FixedStep, Point, StrongWolfe, cubic_minimum

M = 5
F64 = torch.float64
ALL = slice(None)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads only slow tensors of this size down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=generator(seed))


def scales(low, high, members=M):
    return torch.logspace(low, high, members, dtype=F64)[:, None]


# A problem is (loss, start): loss(params, members) gives the losses of the members picked, start the parameters of all.


def rosenbrock(n):
    def loss(params, members=ALL):
        x = torch.cat([p.flatten(1) for p in params], 1)
        return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)

    x = normal(M, n) * scales(-1, 0.3)
    return loss, [x[:, :1], x[:, 1:].clone()]


def quadratic(n, condition=1e4, members=M, seed=0):
    q = torch.linalg.qr(normal(members, n, n, seed=seed))[0]
    values = torch.logspace(0, math.log10(condition), n, dtype=F64)
    matrix, center = q @ (values[:, None] * q.mT), normal(members, n, seed=seed + 1)

    def loss(params, members=ALL):
        x = params[0] - center[members]
        return 0.5 * torch.einsum("mi,mij,mj->m", x, matrix[members], x)

    return loss, [center + normal(members, n, seed=seed + 2) * scales(-2, 2, members)]


def network():
    inputs = torch.rand(M, 40, 2, dtype=F64, generator=generator()) * 2 - 1
    targets = torch.sin(3 * inputs[..., :1]) * inputs[..., 1:]

    def loss(params, members=ALL):
        hidden = torch.tanh(inputs[members] @ params[0] + params[1].unsqueeze(1))
        return (hidden @ params[2] + params[3][:, None, None] - targets[members]).square().mean((1, 2))

    shapes = (2, 6), (6,), (6, 1), ()
    return loss, [normal(M, *s, seed=k) * scales(-1, 0.5).view(M, *[1] * len(s)) for k, s in enumerate(shapes)]


def least_squares():
    inputs, targets = normal(M, 30, 12), normal(M, 30, seed=1)

    def loss(params, members=ALL):
        x = torch.cat([p.flatten(1) for p in params], 1)
        return (torch.einsum("mni,mi->mn", inputs[members], x) - targets[members]).square().mean(1)

    return loss, [normal(M, 2, 3, seed=2) * scales(-2, 1)[..., None], normal(M, 6, seed=3)]


def waves():
    """Curvature of both signs: some pairs are left out of the history."""

    def loss(params, members=ALL):
        return (torch.cos(params[0]) + 0.05 * params[0] ** 2).sum(1) / 4

    return loss, [normal(M, 6) * scales(-1, 1)]


PROBLEMS = {
    "rosenbrock2": rosenbrock(2),
    "rosenbrock10": rosenbrock(10),
    "quadratic4": quadratic(4),
    "quadratic20": quadratic(20),
    "network": network(),
    "least_squares": least_squares(),
    "waves": waves(),
}


class Run:
    """An optimizer with parameters of its own, that counts the calls of its closure."""

    def __init__(self, start, make, members=ALL, **options):
        self.members = members
        self.params = [p[members].detach().clone().requires_grad_() for p in start]
        self.optimizer = make(self.params, **options)
        self.calls = 0
        self.seen = []

    def step(self, loss):
        def closure():
            self.calls += 1
            self.optimizer.zero_grad()
            losses = loss(self.params, self.members)
            losses.sum().backward()
            self.seen.append(self.flat())
            return losses.detach()

        return self.optimizer.step(closure)

    def flat(self):
        return torch.cat([p.detach().reshape(len(p), -1) for p in self.params], 1)

    @property
    def state(self):
        return self.optimizer.state[self.params[0]]


def alone(start, **options):
    options.setdefault("line_search_fn", "strong_wolfe")
    return [Run(start, torch.optim.LBFGS, slice(m, m + 1), **options) for m in range(len(start[0]))]


_COUNTS_ALL = "max_ls=max_eval" in inspect.getsource(torch.optim.LBFGS.step)
"""Whether torch's own line search keeps to `max_eval`, which releases after 2.6 do."""


def assert_like_torch(losses, start, tolerance=1e-8, **options):
    """Step stack and members through the losses; all points, counts and losses must agree after each step."""
    stack, singles = Run(start, LBFGS, **options), alone(start, **options)
    size = stack.flat().abs().amax(1)
    budget = options.get("max_eval") or options.get("max_iter", 20) * 5 // 4
    for loss in losses:
        calls, before = stack.calls, [single.calls for single in singles]
        got = stack.step(loss)
        expected = torch.cat([single.step(loss) for single in singles])
        if not _COUNTS_ALL and max(single.calls - b for single, b in zip(singles, before, strict=True)) > budget + 1:
            pytest.skip("this torch gives every line search 25 evaluations, whatever is left of max_eval")
        torch.testing.assert_close(got, expected, rtol=10 * tolerance, atol=tolerance)
        own = [single.calls - b for single, b in zip(singles, before, strict=True)]
        assert stack.calls - calls == max(own)
        assert stack.state["func_evals"] == [single.state["func_evals"] for single in singles]
        assert stack.state["n_iter"] == [single.state.get("n_iter", 0) for single in singles]
        points = torch.cat([single.flat() for single in singles])
        error = (stack.flat() - points).abs().amax(1) / torch.maximum(size, points.abs().amax(1))
        assert error.max() < tolerance
    return stack


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    ("steps", "options"),
    [
        (1, {}),
        (5, {"max_iter": 4}),
        (5, {"max_iter": 4, "history_size": 3}),
        (2, {"max_iter": 10, "history_size": 1}),
        (5, {"max_iter": 1}),
        (4, {"max_iter": 30, "max_eval": 5}),
        (3, {"max_iter": 6, "max_eval": 1}),
        (2, {"max_iter": 10, "lr": 0.3}),
        (2, {"max_iter": 10, "lr": 30.0}),
    ],
    ids=str,
)
def test_first_twenty_iterations_equal_torch(name, steps, options):
    loss, start = PROBLEMS[name]
    assert_like_torch([loss] * steps, start, **options)


@pytest.mark.parametrize("name", ["rosenbrock10", "quadratic4", "network", "waves"])
@pytest.mark.parametrize(
    "options", [{"max_iter": 5}, {"max_iter": 8, "history_size": 2}, {"max_iter": 20, "max_eval": 6}]
)
def test_fixed_steps_equal_torch(name, options):
    loss, start = PROBLEMS[name]
    stack = assert_like_torch([loss] * 3, start, lr=1e-3, line_search_fn=None, **options)
    if name == "waves":
        assert any(pairs < count - 1 for pairs, count in zip(stack.state["pairs"], stack.state["n_iter"], strict=True))


@pytest.mark.parametrize("options", [{"max_iter": 5}, {"max_iter": 5, "history_size": 2}])
def test_equals_torch_when_the_loss_changes_between_steps(options):
    (first, start), (second, _) = quadratic(6, 50.0), quadratic(6, 50.0, seed=7)
    assert_like_torch([first, first, second, second, first], start, **options)


def test_equals_torch_where_the_curvature_is_too_small_for_the_history():
    loss, start = quadratic(4, 10.0, seed=3)
    center = start[0] - normal(M, 4, seed=5) * scales(-2, 2)
    stack = assert_like_torch(
        [loss] * 2,
        [center + normal(M, 4, seed=6) * 1e-5 * scales(-1, 1)],
        max_iter=4,
        tolerance_change=0.0,
        tolerance_grad=0.0,
    )
    assert min(stack.state["pairs"]) < max(stack.state["pairs"]) < 7


def test_equals_torch_with_other_tolerances():
    loss, start = PROBLEMS["quadratic20"]
    for options in (
        {"tolerance_grad": 1.0},
        {"tolerance_change": 1e-2},
        {"tolerance_change": 0.0, "tolerance_grad": 0.0},
    ):
        assert_like_torch([loss, loss], start, max_iter=10, **options)


def test_equals_torch_where_searches_end_at_an_earlier_point():
    """At a kink no step meets the conditions: the bracket shrinks to nothing around it."""
    center, weight = normal(M, 4), normal(M, 4, seed=1).abs() + 0.1

    def loss(params, members=ALL):
        x = params[0] - center[members]
        return (weight[members] * x.abs() + 0.1 * x**2).sum(1)

    start = [center + normal(M, 4, seed=2) * scales(0, 1.5)]
    assert_like_torch([loss] * 3, start, max_iter=6, max_eval=60, tolerance_change=1e-2)


def test_equals_torch_where_trial_steps_overflow():
    def loss(params, members=ALL):
        return torch.exp(params[0] ** 2).sum(1)

    assert_like_torch([loss] * 3, [normal(M, 2)], lr=1e3, max_iter=5)


def test_equals_torch_on_a_straight_line_until_the_evaluations_are_used_up():
    def loss(params, members=ALL):
        return params[0].sum(1)

    assert_like_torch([loss] * 2, [torch.zeros(M, 1, dtype=F64)], max_eval=6)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 6),
    members=st.integers(1, 4),
    seed=st.integers(0, 2**20),
    condition=st.floats(1.0, 300.0),
    history_size=st.integers(1, 5),
)
def test_random_quadratics_equal_torch(n, members, seed, condition, history_size):
    loss, start = quadratic(n, condition, members, seed)
    # comparisons of nearly equal numbers go either way close to the minimum, so members stop well before it
    assert_like_torch([loss] * 2, start, tolerance=1e-6, max_iter=4, history_size=history_size, tolerance_change=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_member_in_a_stack_equals_the_same_alone(name):
    loss, start = PROBLEMS[name]
    stack = Run(start, LBFGS, max_iter=12)
    singles = [Run(start, LBFGS, slice(m, m + 1), max_iter=12) for m in range(M)]
    for run in (stack, *singles):
        run.step(loss)
    torch.testing.assert_close(stack.flat(), torch.cat([single.flat() for single in singles]), rtol=1e-9, atol=1e-10)
    assert stack.calls == max(single.calls for single in singles)
    assert stack.state["func_evals"] == [single.calls for single in singles]


def test_finished_members_do_not_move_by_a_bit():
    loss, start = PROBLEMS["rosenbrock10"]
    start = [p.clone() for p in start]
    start[0][1], start[1][1] = 1.0, 1.0  # the minimum
    start[0][2], start[1][2] = 1.0, 1.0 + 1e-4
    start[1][1, 0] = -0.0
    start[1][1, 0] = 1.0
    run = Run(start, LBFGS, max_iter=40)
    run.step(loss)
    own = run.state["func_evals"]
    assert own[1] == 1
    assert own[1] < own[2] < max(own)
    final = run.flat()
    for m in range(M):
        for seen in run.seen[own[m] :]:
            assert torch.equal(seen[m], final[m])
    assert torch.equal(final[1], torch.ones(10, dtype=F64))


def test_sign_of_zero_survives_in_members_that_wait():
    center = torch.tensor([[0.0, -0.0], [3.0, -2.0]], dtype=F64)

    def loss(params, members=ALL):
        return ((params[0] - center) ** 4).sum(1)

    run = Run([torch.tensor([[0.0, -0.0], [1.0, 1.0]], dtype=F64)], LBFGS)
    run.step(loss)
    assert torch.equal(torch.signbit(run.flat()[0]), torch.tensor([False, True]))


class _Poison(torch.autograd.Function):
    """Identity whose gradient is NaN for one member."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        grad = grad.clone()
        grad[2] = math.nan
        return grad


@pytest.mark.parametrize("search", ["strong_wolfe", None])
@pytest.mark.parametrize("kind", ["nan", "inf", "-inf", "gradient"])
@pytest.mark.parametrize("begin", [1, 2, 3, 7])
def test_broken_member_stops_and_leaves_the_others_alone(search, kind, begin):
    loss, start = PROBLEMS["least_squares"]
    options = {"max_iter": 15, "line_search_fn": search, "lr": 1.0 if search else 1e-2}
    run, healthy = Run(start, LBFGS, **options), Run(start, LBFGS, **options)

    def broken(params, members=ALL):
        if run.calls < begin:
            return loss(params)
        if kind == "gradient":
            return loss([_Poison.apply(params[0]), params[1]])
        bad = torch.zeros(M, dtype=F64)
        bad[2] = float(kind)
        return loss(params) + bad

    run.step(broken)
    healthy.step(loss)
    others = [0, 1, 3, 4]
    torch.testing.assert_close(run.flat()[others], healthy.flat()[others], rtol=1e-9, atol=1e-10)
    assert [run.state["func_evals"][m] for m in others] == [healthy.state["func_evals"][m] for m in others]
    assert run.calls <= 25
    stopped = run.flat()[2]
    assert stopped.isfinite().all()
    assert math.isfinite(loss(run.params)[2].item())
    if begin == 1:
        assert torch.equal(stopped, torch.cat([p[2].flatten() for p in start]))
    elif search is None:
        assert torch.equal(stopped, run.seen[begin - 2][2])
    # it stays as it is while it is broken, and starts anew once it is not, as if it had never made a step

    def mended(params, members=ALL):
        return loss([-p for p in params], members)

    run.step(broken)
    assert torch.equal(run.flat()[2], stopped)
    anew = Run(run.params, LBFGS, **options)
    for _ in range(2):
        run.step(mended)
        anew.step(mended)
        torch.testing.assert_close(run.flat()[2], anew.flat()[2], rtol=1e-9, atol=1e-10)
    assert not torch.equal(run.flat()[2], stopped)
    assert all(t.isfinite().all() for name, t in run.state.items() if name in ("d", "g"))


def test_member_broken_for_ever_costs_no_evaluation_of_its_own():
    loss, start = PROBLEMS["least_squares"]
    run = Run([p * math.nan for p in start], LBFGS)
    got = run.step(loss)
    assert run.calls == 1
    assert got.isnan().all()


def test_infinite_loss_in_a_line_search_is_a_step_too_long():
    def walled(params, members=ALL):
        x = params[0].squeeze(1)
        return torch.where(x < 1.0, (x - 0.9) ** 2, math.inf)

    run = Run([torch.tensor([[-1.0], [0.0], [0.5]], dtype=F64)], LBFGS, lr=50.0)
    for _ in range(3):
        run.step(walled)
    torch.testing.assert_close(run.flat(), torch.full((3, 1), 0.9, dtype=F64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("search", ["strong_wolfe", None])
def test_converged_start_and_zero_gradient_stay(search):
    def loss(params, members=ALL):
        return (params[0] * torch.tensor([[0.0], [1.0], [1.0]], dtype=F64)).square().sum(1)

    start = torch.tensor([[1.0, 2.0], [0.0, 0.0], [1e-9, 0.0]], dtype=F64)
    run = Run([start], LBFGS, line_search_fn=search)
    run.step(loss)
    assert run.calls == 1
    assert torch.equal(run.flat(), start)
    assert run.state["n_iter"] == [0, 0, 0]


def test_parameter_without_gradient_stays():
    loss, start = PROBLEMS["least_squares"]
    unused = normal(M, 3)
    run, plain = Run([*start, unused], LBFGS), Run(start, LBFGS)
    run.step(lambda params, members=ALL: loss(params[:2]))
    plain.step(loss)
    assert torch.equal(run.params[2], unused)
    for p, q in zip(run.params[:2], plain.params, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-12)


def test_float32_reaches_the_minimum():
    inputs, targets = normal(M, 30, 4).float(), normal(M, 30, seed=1).float()

    def loss(params, members=ALL):
        return (torch.einsum("mni,mi->mn", inputs, params[0]) - targets).square().mean(1)

    run = Run([normal(M, 4).float() * 10], LBFGS)
    for _ in range(3):
        run.step(loss)
    assert run.flat().dtype == torch.float32
    best = torch.linalg.lstsq(inputs.double(), targets.double()).solution
    torch.testing.assert_close(run.flat().double(), best, rtol=1e-3, atol=1e-3)
    assert all(t.dtype == torch.float32 for t in run.state.values() if isinstance(t, Tensor))


def test_float32_falling_for_ever_ends_without_a_warning():
    run = Run([torch.zeros(2, 1)], LBFGS, max_eval=100)
    for _ in range(2):
        run.step(lambda params, members=ALL: -params[0].sum(1))
    assert run.flat().isfinite().all()
    assert run.calls < 250


@pytest.mark.parametrize(
    "options", [{"max_iter": 4}, {"max_iter": 4, "history_size": 3}, {"line_search_fn": None, "lr": 1e-3}]
)
def test_saved_state_continues_bit_for_bit(options):
    loss, start = PROBLEMS["network"]
    run = Run(start, LBFGS, **options)
    for _ in range(4):
        run.step(loss)
    file = io.BytesIO()
    torch.save(run.optimizer.state_dict(), file)
    file.seek(0)
    again = Run(run.params, LBFGS)
    again.optimizer.load_state_dict(torch.load(file, weights_only=True))
    twin_params, twin_optimizer = copy.deepcopy((run.params, run.optimizer))
    for _ in range(4):
        losses = run.step(loss)
        assert torch.equal(again.step(loss), losses)
        assert torch.equal(again.flat(), run.flat())
    assert again.state["n_iter"] == run.state["n_iter"]

    def closure():
        twin_optimizer.zero_grad()
        losses = loss(twin_params)
        losses.sum().backward()
        return losses.detach()

    for _ in range(4):
        twin_optimizer.step(closure)
    assert all(torch.equal(p, q) for p, q in zip(twin_params, run.params, strict=True))


def test_repeats_itself_bit_for_bit():
    loss, start = PROBLEMS["network"]
    one, two = Run(start, LBFGS), Run(start, LBFGS)
    for _ in range(3):
        assert torch.equal(one.step(loss), two.step(loss))
    assert torch.equal(one.flat(), two.flat())
    assert one.calls == two.calls


def test_returns_the_losses_before_the_step_even_from_reused_memory():
    loss, start = PROBLEMS["least_squares"]
    memory = torch.zeros(M, dtype=F64)
    params = [p.clone().requires_grad_() for p in start]
    optimizer = LBFGS(params)

    def closure():
        optimizer.zero_grad()
        losses = loss(params)
        losses.sum().backward()
        return memory.copy_(losses.detach())

    assert torch.equal(optimizer.step(closure), loss(start))


def test_settings_may_change_between_steps():
    loss, start = PROBLEMS["rosenbrock10"]
    run = Run(start, LBFGS, max_iter=3)
    run.step(loss)
    before = run.state["n_iter"].copy()
    run.optimizer.param_groups[0]["max_iter"] = 1
    run.step(loss)
    assert run.state["n_iter"] == [count + 1 for count in before]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lr": 0.0}, "lr"),
        ({"lr": math.nan}, "lr"),
        ({"lr": math.inf}, "lr"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_eval": 0}, "max_eval"),
        ({"history_size": 0}, "history_size"),
        ({"tolerance_grad": -1e-9}, "tolerance_grad"),
        ({"tolerance_change": math.nan}, "tolerance_change"),
        ({"line_search_fn": "armijo"}, "line_search_fn"),
    ],
)
def test_bad_settings_are_refused(options, match):
    with pytest.raises(ValueError, match=match) as error:
        LBFGS([torch.zeros(2, 3, requires_grad=True)], **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ([torch.zeros(2, 3), torch.zeros(3, 3)], "first axis"),
        ([torch.zeros(())], "first axis"),
        ([torch.zeros(0, 3)], "first axis"),
        ([torch.zeros(2, 3), torch.zeros(2, dtype=F64)], "dtype"),
        ([torch.zeros(2, 3, dtype=torch.complex64)], "dtype"),
        ([torch.zeros(2, 3, dtype=torch.bfloat16)], "dtype"),
        ([{"params": [torch.zeros(2)]}, {"params": [torch.zeros(2)]}], "one group"),
        ([], "empty"),
    ],
)
def test_bad_parameters_are_refused(params, match):
    with pytest.raises(ValueError, match=match):
        LBFGS(params)


@pytest.mark.parametrize("result", [torch.tensor(1.0), torch.zeros(3), torch.zeros(2, 1), 1.0, None])
def test_closure_must_return_the_losses_of_the_members(result):
    optimizer = LBFGS([torch.zeros(2, 3, requires_grad=True)])
    with pytest.raises(ValueError, match=r"closure must return .*\(2,\)"):
        optimizer.step(lambda: result)


# The line search by itself.


def search_along(f, search):
    """Evaluate a function (value, slope) where the search asks; returns the number of evaluations."""
    for count in range(1, 100):
        if search.observe(Point(search.step, *f(search.step), 0.0, 0.0, 0.0, 1.0)):
            return count
    raise AssertionError("search does not end")


class UnmatchedError(Exception):
    """Torch's search leaves the numbers: it divides by zero or steps to NaN."""


def steps_of_torch(answers, step, reach, budget):
    """Steps that torch's search tries when the evaluations come out as given, and the step it accepts."""
    steps = []

    def evaluate(x, t, d):
        if not math.isfinite(t):
            raise UnmatchedError
        steps.append(float(t))
        loss, slope = answers[(len(steps) - 1) % len(answers)]
        return loss, torch.tensor([slope / reach], dtype=F64)

    start = torch.tensor([-1.0 / reach], dtype=F64)
    d = torch.tensor([reach], dtype=F64)
    try:
        accepted = _strong_wolfe(evaluate, None, step, d, 0.0, start, start.dot(d), max_ls=budget)[2]
    except ZeroDivisionError:
        raise UnmatchedError from None
    return steps, float(accepted)


@settings(max_examples=300, deadline=None)
@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 3.0, -0.5, -1.0, -2.0, -4.0, 1e-3, -1e-3]),
            st.sampled_from([-2.0, -1.0, -0.95, 0.95, 2.0, 5.0, -0.5]),
        ),
        min_size=1,
        max_size=12,
    ),
    step=st.sampled_from([1e-3, 0.3, 1.0, 7.0]),
    reach=st.sampled_from([0.25, 1.0, 2.0**-20, 2.0**-30]),
    budget=st.integers(0, 14),
)
def test_search_tries_the_steps_of_torch_whatever_the_evaluations(answers, step, reach, budget):
    try:
        expected, accepted = steps_of_torch(answers, step, reach, budget)
    except UnmatchedError:
        assume(False)
    search = StrongWolfe(Point(0.0, 0.0, -1.0, 0.0, 0.0, 0.0, reach), step, budget)
    steps, ended = [], False
    while not ended:
        loss, slope = answers[len(steps) % len(answers)]
        steps.append(search.step)
        ended = search.observe(Point(search.step, loss, slope, 0.0, 0.0, 0.0, reach))
    assert steps == pytest.approx(expected, rel=1e-12)
    assert search.best.step == pytest.approx(accepted, rel=1e-12)


@given(a=st.floats(-5, 5), b=st.floats(0.01, 5), w=st.floats(0.1, 8), step=st.floats(1e-3, 1e3))
def test_accepted_step_meets_the_strong_wolfe_conditions(a, b, w, step):
    def f(t):  # bounded below, with many minima
        return b * (t - 2) ** 2 + a * math.cos(w * t), 2 * b * (t - 2) - a * w * math.sin(w * t)

    start = Point(0.0, *f(0.0), 0.0, 0.0, 0.0, 1.0)
    search = StrongWolfe(start, step, budget=50)
    assert search_along(f, search) <= 51
    best = search.best
    assert best.loss <= start.loss + 1e-4 * best.step * start.slope
    assert abs(best.slope) <= 0.9 * abs(start.slope)


@given(center=st.floats(0.1, 0.9), width=st.floats(0.1, 10), height=st.floats(0.1, 10))
def test_cubic_minimum_is_exact_for_cubics(center, width, height):
    def f(t):  # a cubic with its minimum at `center` and its maximum at `center - width`
        u = t - center
        return height * (u**3 / 3 + width * u**2 / 2), height * (u**2 + width * u)

    a, b = (Point(t, *f(t), 0.0, 0.0, 0.0, 1.0) for t in (max(0.0, center - width / 2), 1.0))
    for ends in ((a, b), (b, a)):
        assert cubic_minimum(*ends, 0.0, 1.0) == pytest.approx(center, abs=1e-7)
    assert cubic_minimum(a, b, 0.95, 1.0) == 0.95


def test_cubic_minimum_of_what_is_no_cubic():
    def point(t, loss, slope):
        return Point(t, loss, slope, 0.0, 0.0, 0.0, 1.0)

    assert cubic_minimum(point(0.0, 0.0, -1.0), point(1.0, math.inf, math.nan), 0.0, 1.0) == 0.5
    assert cubic_minimum(point(0.0, 0.0, -1.0), point(1.0, math.inf, 2.0), 0.0, 1.0) == 0.5
    assert cubic_minimum(point(1.0, 0.0, -1.0), point(1.0, 0.0, -1.0), 1.0, 3.0) == 2.0
    assert cubic_minimum(point(0.0, 0.0, -1.0), point(1.0, -1.0, -1.0), 1.01, 10.0) == 10.0  # straight down
    assert cubic_minimum(point(0.0, 0.0, 1.0), point(1.0, 1.0, 1.0), 0.1, 1.0) == 0.1  # straight up
    assert cubic_minimum(point(0.0, 0.0, 0.0), point(1.0, 0.0, 0.0), 0.0, 1.0) == 0.5  # flat


def test_search_keeps_to_its_budget_and_never_gets_worse():
    def f(t):
        return math.exp(-t), -math.exp(-t)

    start = Point(0.0, *f(0.0), 0.0, 0.0, 0.0, 1.0)
    for budget in (0, 1, 3):
        search = StrongWolfe(start, 1e-6, budget=budget)
        assert search_along(f, search) == budget + 1
        assert search.best.loss < start.loss
    uphill = StrongWolfe(start, 1.0, budget=0)
    assert uphill.observe(Point(1.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    assert uphill.best is start


def test_fixed_step_accepts_anything():
    start, worse = Point(0.0, 1.0, -1.0, 0.0, 0.0, 0.0, 1.0), Point(0.5, 9.0, 3.0, 0.0, 0.0, 0.0, 1.0)
    search = FixedStep(start, 0.5)
    assert search.observe(worse)
    assert search.best is worse
