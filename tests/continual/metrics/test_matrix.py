"""Metrics against values computed by hand."""

import numpy as np
import pytest

from continual.metrics import (
    all_metrics,
    backward_transfer,
    final_rmse,
    forgetting,
    forward_transfer,
    learned_rmse,
    retention,
    rmse,
    summarize,
)

R = np.array(
    [
        [1.0, 2.0, 3.0],  # untrained
        [0.1, 1.5, 2.5],  # after task 1
        [0.3, 0.2, 2.0],  # after task 2
        [0.6, 0.1, 0.4],  # after task 3
    ]
)


def test_hand_computed() -> None:
    assert final_rmse(R) == pytest.approx((0.6 + 0.1 + 0.4) / 3)
    assert learned_rmse(R) == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    assert forgetting(R) == pytest.approx(((0.6 - 0.1) + (0.1 - 0.2)) / 2)
    assert backward_transfer(R) == pytest.approx(((0.1 - 0.6) + (0.2 - 0.1)) / 2)
    assert forward_transfer(R) == pytest.approx(((2.0 - 1.5) + (3.0 - 2.0)) / 2)
    # task 1: (1 - 0.6) / (1 - 0.1); task 2 even improved, which counts as 1
    assert retention(R, [1.0, 1.0, 1.0]) == pytest.approx((0.4 / 0.9 + 1.0) / 2)


def test_forgetting_counts_from_the_best_and_not_from_the_first() -> None:
    matrix = np.array([[9.0, 9.0, 9.0], [0.5, 9.0, 9.0], [0.2, 0.3, 9.0], [0.4, 0.3, 0.1]])
    assert forgetting(matrix) == pytest.approx(((0.4 - 0.2) + 0.0) / 2)
    assert backward_transfer(matrix) == pytest.approx(((0.5 - 0.4) + 0.0) / 2)


def test_leading_axes_stay() -> None:
    stack = np.stack([R, 2 * R])
    for value in all_metrics(stack, np.ones((2, 3))).values():
        assert value.shape == (2,)
    np.testing.assert_allclose(forgetting(stack), [0.2, 0.4])


def test_undefined_is_nan_and_never_zero() -> None:
    single = np.array([[1.0], [0.1]])
    for metric in (forgetting, backward_transfer, forward_transfer):
        assert np.isnan(metric(single))
    assert np.isnan(retention(single, [1.0]))
    assert np.isnan(retention(R, [0.05, 1.0, 1.0]))  # task 1 was never below the baseline
    assert not np.isnan(retention(R, [1.0, 1.0, 0.05]))  # the last task does not enter
    broken = R.copy()
    broken[3] = np.nan
    assert all(np.isnan(value) for name, value in all_metrics(broken, [1, 1, 1]).items() if name != "forward_transfer")


def test_retention_is_clipped() -> None:
    worse = R.copy()
    worse[3, :2] = 50.0
    assert retention(worse, [1.0, 1.0, 1.0]) == 0.0


def test_rmse_is_pooled() -> None:
    assert rmse(8.0, 2) == 2.0
    assert np.isnan(rmse(np.inf, 2))
    assert np.isnan(rmse(np.nan, 2))
    assert np.isnan(rmse(0.0, 0))


def test_summary_by_hand() -> None:
    summary = summarize([1.0, 2.0, 3.0, 6.0])
    assert summary.mean == pytest.approx(3.0)
    deviation = np.sqrt((4 + 1 + 0 + 9) / 3)
    assert summary.half_width == pytest.approx(3.182446305 * deviation / 2)  # t for 3 degrees of freedom
    assert summary.median == pytest.approx(2.5)
    assert (summary.defined, summary.members) == (4, 4)


def test_summary_counts_what_is_undefined() -> None:
    values = np.array([[1.0, np.nan, np.nan], [3.0, np.nan, 2.0], [np.nan, np.nan, 4.0]])
    summary = summarize(values)
    np.testing.assert_array_equal(summary.defined, [2, 0, 2])
    np.testing.assert_allclose(summary.mean, [2.0, np.nan, 3.0])
    np.testing.assert_allclose(summary.median, [2.0, np.nan, 3.0])
    assert np.isnan(summarize([1.0]).half_width)
    assert summarize([1.0]).mean == 1.0


@pytest.mark.parametrize("shape", [(3, 3), (4,), (1, 0)])
def test_wrong_shapes_are_refused(shape) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        final_rmse(np.zeros(shape))
