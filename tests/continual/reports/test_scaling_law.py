"""The exponents that are put into errors come out of the fit, and what follows no law is left out and counted."""

import csv

import numpy as np
import pytest

from continual.reports.scaling_law import exponents, fit_scaling, stuck_members, write_scaling
from continual.reports.series import all_series
from tests.synthetic import power_law, write_growing

GRIDS = (3, 5, 10, 20, 50)


def fit(folder, errors, **settings):
    (series,) = all_series([write_growing(folder, errors, grids=GRIDS)])
    return fit_scaling(series, **settings)


def test_exponents_are_those_of_polyfit_up_to_the_smallest_error() -> None:
    sizes = np.array([3.0, 5.0, 10.0, 20.0])
    errors = np.exp(np.random.default_rng(0).standard_normal((4, 4))) * sizes**-6.0
    errors[1, 3] = 1.0
    errors[2, 1] = np.nan
    errors[3, 1:] = np.nan
    found = exponents(sizes, errors)
    x, y = np.log10(sizes), np.log10(errors)
    assert found[0] == pytest.approx(np.polyfit(x, y[0], 1)[0])
    assert found[1] == pytest.approx(np.polyfit(x[:3], y[1, :3], 1)[0])
    assert found[2] == pytest.approx(np.polyfit(x[[0, 2, 3]], y[2, [0, 2, 3]], 1)[0])
    assert np.isnan(found[3])


def test_a_power_law_of_intervals_is_found_beside_the_steeper_one_of_all_parameters(tmp_path) -> None:
    found = fit(tmp_path, power_law(GRIDS, -4))
    summary = found.exponent("intervals")
    assert float(summary.mean) == pytest.approx(-4)
    assert float(summary.half_width) == pytest.approx(0, abs=1e-9)
    sizes = 3 * (np.array(GRIDS[1:]) + 5.0)
    steeper = np.polyfit(np.log10(sizes), -4 * np.log10(GRIDS[1:]), 1)[0]
    assert float(found.exponent("trainable").mean) == pytest.approx(steeper)
    assert found.series.trained[found.best_index] == 3 * 55
    assert found.best == pytest.approx(float(np.median(power_law(GRIDS, -4)[:, -1])))


def test_coarse_grids_and_what_follows_the_smallest_error_do_not_count(tmp_path) -> None:
    errors = power_law(GRIDS, -4)
    errors[:, 0] *= 1e-4
    errors[:, 4] = 1.0
    found = fit(tmp_path, errors)
    assert np.isnan(found.slopes["intervals"]).all()  # the smallest error is at G = 3, below where the fit begins
    errors[:, 0] *= 1e5
    found = fit(tmp_path / "again", errors)
    assert float(found.exponent("intervals").mean) == pytest.approx(-4)
    assert float(fit(tmp_path / "all", errors, fit_from=3).exponent("intervals").mean) < -4.2
    assert found.series.grids[found.best_index] == 20


def test_stuck_and_diverged_members_are_counted_and_left_out(tmp_path) -> None:
    errors = power_law(GRIDS, -4, members=5)
    errors[1] = 0.6
    errors[3] = np.nan
    found = fit(tmp_path, errors)
    assert found.stuck.tolist() == [False, True, False, True, False]
    summary = found.exponent("intervals")
    assert (int(summary.defined), summary.members) == (3, 5)
    assert float(summary.mean) == pytest.approx(-4)
    assert float(fit(tmp_path / "lax", errors, stuck=1e9).exponent("intervals").mean) > -4
    assert stuck_members(np.full((2, 3), np.nan)).all()
    assert not stuck_members(np.array([[1.0, np.nan], [np.nan, 29.0]])).any()


def test_models_without_grids_are_fitted_over_their_runs(tmp_path) -> None:
    widths = (5, 10, 20)
    records = [
        write_growing(
            tmp_path / f"{w}",
            power_law([4 * w + 1], -1.5, members=3, spread=0.0),
            grids=None,
            layer_sizes=(2, w, 1),
            series="MLP",
        )
        for w in widths
    ]
    (series,) = all_series(records)
    for count in ("intervals", "trainable"):
        assert float(fit_scaling(series).exponent(count).mean) == pytest.approx(-1.5)


def test_the_table_has_a_row_a_series_and_dashes_for_the_undefined(tmp_path) -> None:
    errors = power_law(GRIDS, -4)
    errors[2] = 0.5
    records = [
        write_growing(tmp_path / "a", errors, grids=GRIDS),
        write_growing(tmp_path / "b", [[0.1], [0.2]], grids=None, layer_sizes=(2, 5, 1), series="MLP"),
        write_growing(tmp_path / "c", np.full((2, 5), np.nan), grids=GRIDS, function="|x|"),
    ]
    paths = write_scaling(records, tmp_path, measure="median", fit_from=5)
    assert [path.name for path in paths] == ["scaling.csv", "scaling.md"]
    rows = list(csv.DictReader(paths[0].read_text(encoding="utf-8").splitlines()))
    assert [(row["series"], row["stuck"], row["members"]) for row in rows] == [
        ("KAN, Levenberg–Marquardt", "1", "5"),
        ("MLP", "0", "2"),
        ("KAN, Levenberg–Marquardt", "2", "2"),
    ]
    assert float(rows[0]["exponent_intervals_mean"]) == pytest.approx(-4)
    assert (rows[0]["theory"], rows[0]["best_parameters"], rows[0]["best_grid_size"]) == ("-4", "165", "50")
    assert (rows[1]["theory"], rows[1]["exponent_trainable_mean"], rows[1]["best_grid_size"]) == ("", "", "")
    assert float(rows[1]["best"]) == pytest.approx(0.05)
    assert (rows[2]["best"], rows[2]["best_parameters"]) == ("", "")
    text = paths[1].read_text(encoding="utf-8").splitlines()
    assert "| 1 of 5 |" in text[2]
    assert "| – | – | – | 0.050 | 21 | 0 of 2 |" in text[3]
    assert text[4].startswith(r"| \|x\| |")
    assert "root of the median squared test error" in text[-1]
    assert write_scaling([], tmp_path) == []
