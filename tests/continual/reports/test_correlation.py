"""Rank correlation against SciPy, and its interval where the answer is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from continual.reports.correlation import rank_correlation, spearman


@pytest.mark.parametrize("count", [3, 10, 50])
@pytest.mark.parametrize("levels", [3, 1000])  # with many equal values and with few
def test_it_is_what_scipy_computes(count, levels) -> None:
    generator = np.random.default_rng(count + 1)
    x = generator.permutation(np.arange(count) % levels).astype(float)
    y = np.round(x + generator.normal(size=count) * levels / 4)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12, nan_ok=True)


def test_undefined_pairs_do_not_count() -> None:
    assert spearman([1.0, np.nan, 2.0, np.inf], [1.0, 5.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert np.isnan(spearman([1.0, 1.0], [1.0, 2.0]))
    assert np.isnan(spearman([1.0], [1.0]))


def test_the_interval_holds_the_value_and_is_of_models() -> None:
    generator = np.random.default_rng(0)
    x = [i + 0.01 * generator.normal(size=5) for i in range(12)]
    apart = rank_correlation(x, [2.0 * each for each in x])
    assert (apart.rho, apart.models) == (1.0, 12)
    assert apart.low == pytest.approx(1.0)
    noise = rank_correlation(x, [generator.normal(size=5) for _ in x])
    assert noise.low <= noise.rho <= noise.high
    assert noise.high - noise.low > 0.3
    assert rank_correlation([np.array([np.nan])], [np.array([1.0])]).models == 0
