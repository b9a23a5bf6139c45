"""R² and the normalised RMSE: by hand, against a direct computation of samples, and of constant targets."""

import numpy as np
import pytest

from continual.metrics import avg_r2, bwt_r2, coefficient_of_determination, final_nrmse, final_r2, learned_r2, rmse

# R² of [[.,.,.], [.9,.,.], [.5,.8,.], [.2,.4,.7]] below the untrained row, for s = 2
R2 = np.array([[-3.0, -1.0, 0.0], [0.9, -1.0, 0.1], [0.5, 0.8, 0.2], [0.2, 0.4, 0.7]])
R, S = 2.0 * np.sqrt(1.0 - R2), np.full(3, 2.0)


def test_by_hand() -> None:
    np.testing.assert_allclose(coefficient_of_determination(R, S), R2, atol=1e-15)
    assert learned_r2(R, S) == pytest.approx((0.9 + 0.8 + 0.7) / 3)
    assert final_r2(R, S) == pytest.approx((0.2 + 0.4 + 0.7) / 3)
    assert avg_r2(R, S) == pytest.approx((0.9 + 0.5 + 0.8 + 0.2 + 0.4 + 0.7) / 6)
    assert bwt_r2(R, S) == pytest.approx(((0.5 - 0.9) + (0.2 - 0.9) + (0.4 - 0.8)) / 3)
    assert final_nrmse(R, S) == pytest.approx(np.sqrt(1 - R2[-1]).mean())


def test_r2_is_that_of_the_samples() -> None:
    """Pooled over outputs: 1 − squared errors over squares about each output's own mean."""
    generator = np.random.default_rng(0)
    y, prediction = generator.normal(size=(2, 50, 3))
    s = rmse(((y - y.mean(axis=0)) ** 2).sum(), y.size)
    error = rmse(((y - prediction) ** 2).sum(), y.size)
    expected = 1 - ((y - prediction) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum()
    assert coefficient_of_determination([[1.0], [error]], [s])[1, 0] == pytest.approx(expected)


def test_members_are_their_own_and_a_single_task_has_no_transfer() -> None:
    stack, s = np.stack([R, 2 * R]), np.stack([S, 2 * S])
    for metric in (avg_r2, bwt_r2, final_r2, learned_r2, final_nrmse):
        assert metric(stack, s) == pytest.approx([float(metric(R, S))] * 2)
    assert np.isnan(bwt_r2([[1.0], [0.5]], [1.0]))
    assert avg_r2([[1.0], [0.5]], [1.0]) == pytest.approx(0.75)


def test_of_constant_targets_nothing_is_explained() -> None:
    with np.errstate(all="raise"):
        assert np.isnan(final_r2(R, [2.0, 0.0, 2.0]))
        assert np.isnan(final_nrmse(R, [2.0, 0.0, 2.0]))
