"""Aggregates as rliable defines them, against plain loops and scipy."""

import numpy as np
import pytest
from scipy import stats

from continual.metrics.statistics import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    profile_band,
)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 10, 11])
def test_the_interquartile_mean_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert float(interquartile_mean(values)) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_along_axes() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 6, 7))
    np.testing.assert_allclose(interquartile_mean(scores, axis=1), stats.trim_mean(scores, 0.25, axis=1))
    by_hand = [stats.trim_mean(each, 0.25, axis=None) for each in scores]
    np.testing.assert_allclose(interquartile_mean(scores, axis=(-2, -1)), by_hand)
    scores[0, 0, 0] = np.nan
    assert np.isnan(interquartile_mean(scores, axis=(1, 2))).tolist() == [True, False, False, False, False]
    assert np.isnan(interquartile_mean([]))


def pairs_won(x: np.ndarray, y: np.ndarray, higher: bool) -> float:
    won = [[(a > b if higher else a < b) + 0.5 * (a == b) for a in x[:, t] for b in y[:, t]] for t in range(x.shape[1])]
    return float(np.mean(won))


@pytest.mark.parametrize("higher", [True, False])
def test_the_probability_of_improvement_counts_pairs(higher: bool) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.integers(5, size=(6, 3)).astype(float), generator.integers(1, 6, size=(4, 3)).astype(float)
    found = probability_of_improvement(x, y, higher, draws=500)
    assert found.estimate == pytest.approx(pairs_won(x, y, higher))
    u = [stats.mannwhitneyu(x[:, t], y[:, t]).statistic / 24 for t in range(3)]
    assert found.estimate == pytest.approx(np.mean(u) if higher else 1 - np.mean(u))
    assert found.low <= found.estimate <= found.high
    assert found.n == 4


def test_its_interval_is_that_of_a_plain_loop() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(8, 2)), generator.normal(0.5, size=(7, 2))
    found = probability_of_improvement(x, y, True, draws=4000)
    drawn = []
    for _ in range(2000):
        a = np.stack([generator.choice(x[:, t], 8) for t in range(2)], axis=1)
        b = np.stack([generator.choice(y[:, t], 7) for t in range(2)], axis=1)
        drawn.append((a[:, None] > b).mean() + (a[:, None] == b).mean() / 2)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)


def test_degenerate_runs_have_a_probability_all_the_same() -> None:
    assert probability_of_improvement([2.0, 2.0], [2.0, 2.0], True)[:3] == (0.5, 0.5, 0.5)
    assert probability_of_improvement([np.nan, np.nan], [1.0, np.inf], False).estimate == 0.25
    single = probability_of_improvement([1.0], [2.0], False)
    assert (single.estimate, single.reason) == (1.0, "an interval needs two runs of each")
    with pytest.raises(ValueError, match="the same tasks"):
        probability_of_improvement(np.ones((2, 2)), np.ones((2, 3)), True)
    with pytest.raises(ValueError, match="scores must have shape"):
        probability_of_improvement([], [1.0], True)


@pytest.mark.parametrize("higher", [True, False])
def test_profiles_count_runs_beyond_each_threshold(higher: bool) -> None:
    scores = np.random.default_rng(0).normal(size=(5, 4))
    scores[0, 0] = np.nan
    levels = np.linspace(-2, 2, 9)
    found = performance_profile(scores, levels, higher)
    expected = [np.sum(scores > tau if higher else scores < tau) / 20 for tau in levels]
    np.testing.assert_allclose(found, expected)
    low, high = profile_band(scores, levels, higher)
    assert (low <= found + 1e-12).all()
    assert (found <= high + 1e-12).all()
    assert np.isnan(profile_band(scores[:1], levels, higher)).all()


def test_the_optimality_gap() -> None:
    assert optimality_gap([[0.5, 2.0], [1.0, 0.0]], 1.0) == pytest.approx((0.5 + 0 + 0 + 1) / 4)
    assert optimality_gap([[0.5, 2.0], [1.0, 0.0]], 1.0, higher=False) == pytest.approx(1 / 4)
