"""Paired differences: tests against enumeration and scipy, Holm by hand, and pairs that can't be compared."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from continual.metrics.statistics import holm, paired_difference, sign_flip_test, wilcoxon_test


def enumerated(d: np.ndarray) -> float:
    """P by a loop over all combinations of signs."""
    seen = abs(sum(d))
    means = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in product((-1, 1), repeat=len(d))]
    return sum(mean >= seen - 1e-9 for mean in means) / len(means)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10])
def test_all_signs_are_counted(n: int) -> None:
    for seed in range(4):
        d = np.random.default_rng(seed).normal(loc=0.5, size=n)
        assert sign_flip_test(d).p == pytest.approx(enumerated(d), abs=1e-15)
    whole = np.random.default_rng(9).integers(-3, 4, size=n).astype(float)  # with ties and zeros
    assert sign_flip_test(whole).p == pytest.approx(enumerated(whole), abs=1e-15)


def test_sign_flips_are_scipys() -> None:
    d = np.random.default_rng(1).normal(loc=0.4, size=9)
    theirs = stats.permutation_test(
        (d,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_test(d).p == pytest.approx(theirs.pvalue)


def test_twenty_pairs_are_exact_and_more_are_drawn() -> None:
    d = np.random.default_rng(0).normal(loc=0.45, size=21)
    exact, drawn = sign_flip_test(d[:20]), sign_flip_test(d)
    assert exact.method == "exact sign flips"
    assert exact.p * 2**20 == pytest.approx(round(exact.p * 2**20))
    assert drawn.method == "100000 random sign flips"
    assert drawn == sign_flip_test(d)
    exactly = np.concatenate([sign_sums(d[:20]) + d[20], sign_sums(d[:20]) - d[20]])
    assert drawn.p == pytest.approx((np.abs(exactly) >= abs(d.sum()) - 1e-12).mean(), abs=0.003)
    assert sign_flip_test(np.full(30, 1.0)).p == pytest.approx(1e-5, rel=0.01)  # never zero


def sign_sums(d: np.ndarray) -> np.ndarray:
    sums = np.zeros(1)
    for each in d:
        sums = np.concatenate([sums + each, sums - each])
    return sums


def test_a_difference_of_tiny_numbers_is_one() -> None:
    assert sign_flip_test(np.full(10, 1e-300)).p == pytest.approx(2**-9)


def test_wilcoxon_by_hand_and_as_in_scipy() -> None:
    assert wilcoxon_test([1.0, 2.0, 3.0, 4.0, 5.0]).p == pytest.approx(2 / 32)
    d = np.random.default_rng(5).normal(loc=0.3, size=12)
    found = wilcoxon_test(d)
    assert found.p == pytest.approx(enumerated(np.sign(d) * stats.rankdata(np.abs(d))))
    assert found.method.endswith("exact")
    tied = wilcoxon_test([0.0, 1.0, 1.0, 2.0, -1.0, 3.0, 2.0])
    assert tied.method.endswith("approximate")
    assert tied.n == 6
    assert wilcoxon_test([np.inf, 1.0, 2.0, -0.5]).p == wilcoxon_test([9.0, 1.0, 2.0, -0.5]).p


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([[0.5, 0.9], [np.nan, 0.4]]), [[1.0, 1.0], [np.nan, 1.0]])
    assert holm([]).shape == (0,)
    with pytest.raises(ValueError, match="p must be between 0 and 1"):
        holm([1.5])


def test_holm_never_lowers_and_keeps_the_order() -> None:
    p = np.random.default_rng(0).uniform(size=50)
    found = holm(p)
    assert (found >= p).all()
    assert (np.diff(found[np.argsort(p)]) >= 0).all()
    assert found.min() == pytest.approx(min(1.0, 50 * p.min()))


def test_a_comparison_by_hand() -> None:
    first = {0: 1.0, 1: 4.0, 2: 2.0, 7: 9.0}
    second = {2: 2.0, 1: 3.0, 0: 3.0, 8: 0.0}
    found = paired_difference(first, second, higher=False)
    assert (found.pairs, found.n, found.better, found.equal, found.worse) == (3, 3, 1, 1, 1)
    assert found.student.estimate == pytest.approx(-1 / 3)
    assert found.median == 0.0
    assert found.improvement.estimate == pytest.approx((3 + 1 + 1 + 0.5) / 9)
    other = paired_difference(first, second, higher=True)
    assert (other.better, other.worse) == (1, 1)
    assert other.improvement.estimate == pytest.approx(1 - found.improvement.estimate)


@pytest.mark.parametrize(
    ("first", "second", "n", "reason", "untested"),
    [
        ({0: 1.0}, {1: 1.0}, 0, "no seed in common", "no pair is defined"),
        ({0: np.nan, 1: np.nan}, {0: 1.0, 1: 1.0}, 0, "undefined on 2 of 2 seeds", "no pair is defined"),
        ({0: np.inf, 1: 2.0}, {0: np.inf, 1: 1.0}, 1, "undefined on 1 of 2 seeds", "with n = 1 no p is below 1"),
        ({0: np.inf, 1: 2.0}, {0: 1.0, 1: 1.0}, 2, "", "a difference is infinite: use ranks (test=wilcoxon)"),
        ({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}, 2, "", "all differences are zero"),
        ({0: 1.0, 1: 2.0}, {0: 0.0, 1: 3.0}, 2, "", "with n = 2 no p is below 0.5"),
    ],
)
def test_what_can_not_be_compared_says_why(first, second, n: int, reason: str, untested: str) -> None:
    found = paired_difference(first, second, higher=False)
    assert (found.n, found.reason, found.sign_flip.reason) == (n, reason, untested)
    assert np.isnan(found.sign_flip.p) or found.sign_flip.p == 1.0
