"""Ranks over curricula: Demšar's own numbers, scipy's Friedman test, and tables that can't be tested."""

import numpy as np
import pytest
from scipy import stats

from continual.metrics.statistics import critical_difference, rank_table

# Demšar (2006), table 6: areas under the curve of C4.5 with and without tuned parameters on 14 data sets; in the last
# but one the third is printed as equal to the fourth and ranked before it
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
NAMES = ("C4.5", "+m", "+cf", "+m+cf")


def test_the_example_of_the_paper() -> None:
    found = rank_table(AUC, NAMES, higher=True)
    np.testing.assert_allclose(found.mean, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert 12 * 14 / 20 * ((found.mean**2).sum() - 25) == pytest.approx(9.28, abs=0.005)  # without regard to ties
    assert found.distance == pytest.approx(1.25, abs=0.005)
    assert rank_table(AUC, NAMES, higher=True, level=0.10).distance == pytest.approx(1.12, abs=0.005)
    assert [[NAMES[i] for i in group] for group in found.groups()] == [["+m+cf", "+m", "+cf", "C4.5"]]
    closer = rank_table(AUC, NAMES, higher=True, level=0.10)
    assert [[NAMES[i] for i in group] for group in closer.groups()] == [["+m+cf", "+m", "+cf"], ["+cf", "C4.5"]]


def test_friedman_is_scipys_with_ties_too() -> None:
    for scores in (AUC, np.random.default_rng(0).integers(3, size=(9, 5)).astype(float)):
        found = rank_table(scores, list("abcde")[: scores.shape[1]], higher=True)
        theirs = stats.friedmanchisquare(*scores.T)
        assert found.friedman == pytest.approx((theirs.statistic, theirs.pvalue))
        N, K = scores.shape
        F = (N - 1) * theirs.statistic / (N * (K - 1) - theirs.statistic)
        assert found.iman_davenport == pytest.approx((F, stats.f.sf(F, K - 1, (K - 1) * (N - 1))))


@pytest.mark.parametrize(("models", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)])
def test_quantiles_are_those_of_the_table(models: int, q: float) -> None:
    assert critical_difference(models, 6) / np.sqrt(models * (models + 1) / 36) == pytest.approx(q, abs=1.5e-3)


def test_of_errors_the_least_is_the_first_and_nothing_defined_the_last() -> None:
    found = rank_table([[1.0, 2.0, np.nan], [0.0, 0.0, 5.0], [np.inf, 1.0, np.nan]], "abc", higher=False)
    assert found.ranks.tolist() == [[1.0, 2.0, 3.0], [1.5, 1.5, 3.0], [2.5, 1.0, 2.5]]
    assert found.curricula == 3


def test_groups_are_the_largest_and_hold_none_that_differ() -> None:
    generator = np.random.default_rng(2)
    scores = generator.normal(size=(40, 6)) + np.array([0.0, 0.3, 0.6, 2.0, 2.2, 9.0])
    found = rank_table(scores, "abcdef", higher=False)
    groups = [set(group) for group in found.groups()]
    for i in range(6):
        for j in range(i):
            together = any({i, j} <= group for group in groups)
            assert together == (abs(found.mean[i] - found.mean[j]) < found.distance)
    assert not any(a < b for a in groups for b in groups)


@pytest.mark.parametrize(
    ("scores", "models", "reason"),
    [
        ([[1.0, 2.0]], "ab", "a test of ranks needs two curricula, there is one"),
        ([[1.0], [2.0]], "a", "ranks need two models"),
        ([[1.0, 1.0], [2.0, 2.0]], "ab", "all models are equal on all curricula"),
        ([[np.nan, np.nan], [np.nan, np.nan]], "ab", "all models are equal on all curricula"),
    ],
)
def test_what_can_not_be_tested_says_why(scores, models: str, reason: str) -> None:
    found = rank_table(scores, models, higher=True)
    assert found.reason == reason
    assert np.isnan(found.friedman).all()


def test_the_same_order_everywhere_has_no_p_by_f() -> None:
    found = rank_table([[1.0, 2.0, 3.0]] * 4, "abc", higher=True)
    assert found.friedman[0] == pytest.approx(8.0)
    assert found.iman_davenport[0] == np.inf
    assert np.isnan(found.iman_davenport[1])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="scores must have shape"):
        rank_table(np.ones((3, 2)), "abc", higher=True)
    with pytest.raises(ValueError, match="needs two models"):
        critical_difference(1, 3)
