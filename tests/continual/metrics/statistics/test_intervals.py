"""Intervals: Student's by hand, the bootstrap against scipy's, and what no interval can be made of."""

import numpy as np
import pytest
from scipy import stats

from continual.metrics.statistics import Interval, bootstrap_interval, interquartile_mean, student_interval


def test_students_interval_by_hand() -> None:
    found = student_interval([1.0, 2.0, 3.0, np.nan])
    assert found.n == 3
    assert (found.low, found.high) == pytest.approx(
        (2 - 4.302652729749464 / np.sqrt(3), 2 + 4.302652729749464 / 3**0.5)
    )


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("statistic", [np.mean, np.var], ids=["mean", "variance"])
def test_the_bootstrap_is_scipys(method: str, statistic) -> None:
    sample = np.random.default_rng(0).exponential(size=15)
    found = bootstrap_interval(sample, statistic, method=method, draws=40_000, seed=1)
    theirs = stats.bootstrap(
        (sample,), statistic, method=method, n_resamples=40_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    assert found.estimate == pytest.approx(statistic(sample))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-3)
    assert found.method.lower().startswith(method)


def test_draws_are_those_of_the_seed() -> None:
    sample = np.random.default_rng(3).normal(size=8)
    assert bootstrap_interval(sample, seed=4) == bootstrap_interval(sample, seed=4)
    assert bootstrap_interval(sample, seed=4) != bootstrap_interval(sample, seed=5)


def test_of_runs_and_tasks_runs_are_drawn_for_each_task() -> None:
    """A plain loop: each task's column by itself; tasks that differ do not widen the interval."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(6, 3)) + np.array([0.0, 100.0, 1000.0])
    found = bootstrap_interval(scores, draws=20_000)
    means = []
    for _ in range(5_000):
        columns = [generator.choice(scores[:, t], size=6) for t in range(3)]
        means.append(np.mean(columns))
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.04)
    assert found.n == 6
    wider = bootstrap_interval(scores, tasks=True)
    assert wider.high - wider.low > 100 * (found.high - found.low)


def test_the_interquartile_mean_has_an_interval_of_its_own() -> None:
    scores = np.random.default_rng(2).normal(size=(10, 4))
    scores[0] = 1e9  # a member that is stuck
    found = bootstrap_interval(scores, interquartile_mean, draws=2000)
    assert found.estimate == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))
    assert -1 < found.low < found.estimate < found.high < 1


def ends(found: Interval) -> tuple[bool, bool]:
    return bool(np.isfinite(found.low)), bool(np.isfinite(found.high))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no value is defined"),
        ([np.nan, np.nan], "no value is defined"),
        ([3.0], "an interval needs two values, there is one"),
        ([3.0, np.nan], "an interval needs two values, there is one"),
        ([1.0, np.inf, 2.0], "1 of 3 values is infinite"),
        ([-np.inf, np.inf], "2 of 2 values are infinite"),
    ],
)
def test_what_has_no_interval_says_why(values, reason: str) -> None:
    for found in (
        student_interval(values),
        bootstrap_interval(values),
        bootstrap_interval(values, method="percentile"),
    ):
        assert found.reason == reason
        assert ends(found) == (False, False)
        assert found.n == np.sum(~np.isnan(values))


def test_one_value_is_an_estimate_still() -> None:
    assert student_interval([3.0]).estimate == bootstrap_interval([3.0]).estimate == 3.0


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = bootstrap_interval([2.0, 2.0, 2.0])
    assert (found.estimate, found.low, found.high) == (2.0, 2.0, 2.0)
    assert found.reason == "all values are equal"
    assert student_interval([2.0, 2.0, 2.0])[:3] == (2.0, 2.0, 2.0)


def test_an_undefined_run_is_counted() -> None:
    found = bootstrap_interval(np.array([[1.0, 2.0], [np.nan, 1.0], [0.0, 3.0]]))
    assert found.reason == "undefined in 1 of 3 runs"
    assert np.isnan(found.estimate)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        bootstrap_interval([1.0, 2.0], level=1.0)
    with pytest.raises(ValueError, match="method must be bca or percentile"):
        bootstrap_interval([1.0, 2.0], method="basic")
    with pytest.raises(ValueError, match="a sample has one axis"):
        student_interval([[1.0, 2.0]])
