"""Rank correlation against SciPy, and its interval where the answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from continual.reports.correlation import probe_numbers, probe_values, rank_correlation, spearman


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


def test_infinite_means_tie_at_the_highest_rank() -> None:
    x = [np.array([1.0, 1.0]), np.array([2.0, 2.5]), np.array([3.0, np.inf]), np.array([np.inf, np.inf])]
    y = [np.array([0.1, 0.2]), np.array([0.5, 0.3]), np.array([0.6, 0.7]), np.array([0.9, 0.8])]
    found = rank_correlation(x, y)
    assert found.rho == pytest.approx(spearmanr([1.0, 2.25, 9.0, 9.0], [0.15, 0.4, 0.65, 0.85]).statistic)
    assert (found.models, found.infinite) == (4, 2)
    assert rank_correlation(x[:2], y[:2]).infinite == 0
    assert found.low <= found.rho <= found.high


def _probed(values, tasks: int) -> SimpleNamespace:
    values = np.asarray(values, dtype=float)
    R = np.zeros((len(values), tasks + 1, tasks))
    return SimpleNamespace(name="model", R=R, probes={"size/total": values, "size/by_layer": np.zeros((2, 4, 3))})


def test_what_a_probe_says_is_its_mean_over_the_boundaries_that_have_something_to_forget() -> None:
    record = _probed([[100.0, 1.0, 3.0, 100.0], [100.0, np.nan, 5.0, 100.0], [0.0, np.nan, np.nan, 0.0]], 3)
    np.testing.assert_array_equal(probe_values(record, "size/total"), [2.0, 5.0, np.nan])
    never = _probed([[1.0, np.inf, 2.0, 3.0], [np.inf, 1.0, 2.0, np.inf]], 3)
    np.testing.assert_array_equal(probe_values(never, "size/total"), [np.inf, 1.5])
    alone = _probed([[100.0, 7.0], [100.0, np.nan]], 1)  # the only boundary there is
    np.testing.assert_array_equal(probe_values(alone, "size/total"), [7.0, np.nan])
    with pytest.raises(ValueError, match=r"model has no probe value 'size/by_layer'; there are size/total$"):
        probe_values(record, "size/by_layer")
    with pytest.raises(ValueError, match="none: it was run without probes"):
        probe_values(SimpleNamespace(name="model", R=record.R, probes={}), "size/total")


def test_directions_of_a_probe_are_numbers_of_their_own() -> None:
    half = np.arange(18.0).reshape(3, 3, 2)
    probes = {"response/kinds": np.array([2, 0]), "response/half_radius": half}
    record = SimpleNamespace(name="KAN", probes=probes, R=np.zeros((3, 3, 2)))
    numbers = probe_numbers(record)
    np.testing.assert_array_equal(numbers["response/half_radius/random"], half[..., 0])
    np.testing.assert_array_equal(numbers["response/half_radius/diagonal"], half[..., 1])
    np.testing.assert_array_equal(probe_values(record, "response/half_radius/diagonal"), half[:, 1, 1])
    with pytest.raises(ValueError, match="no probe value 'response/half_radius/axis'"):
        probe_values(record, "response/half_radius/axis")
