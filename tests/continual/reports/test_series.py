"""Series of error against size: members by seed, parameters by two counts, and the order of functions."""

import dataclasses

import numpy as np
import pytest

from continual.models import edges
from continual.reports.series import all_series, function_of, series_of
from tests.synthetic import power_law, write_growing, write_run

GRIDS = (3, 5, 10, 20)


def test_a_run_that_grows_is_a_line_with_both_counts_of_its_parameters(tmp_path) -> None:
    errors = power_law(GRIDS, -4)
    record = write_growing(tmp_path, errors, grids=GRIDS, layer_sizes=(4, 2, 1))
    (series,) = all_series([record])
    assert edges(record.fields["model"]["layer_sizes"]) == 10
    np.testing.assert_array_equal(series.sizes("intervals"), [30, 50, 100, 200])
    np.testing.assert_array_equal(series.sizes("trainable"), [80, 100, 150, 250])
    np.testing.assert_allclose(series.errors, errors)
    assert (series.grows, series.order, series.in_features, series.family) == (True, 4, 4, "KAN")
    (typical,) = all_series([record], "median")
    np.testing.assert_allclose(typical.errors, errors / 3)


def test_runs_of_several_sizes_are_a_line_whose_members_are_seeds(tmp_path) -> None:
    wide = write_growing(tmp_path / "a", [[0.1], [0.2]], grids=None, layer_sizes=(2, 50, 1), series="MLP", seeds=[1, 2])
    slim = write_growing(tmp_path / "b", [[1.0], [2.0]], grids=None, layer_sizes=(2, 5, 1), series="MLP", seeds=[0, 1])
    (series,) = all_series([wide, slim])
    np.testing.assert_array_equal(series.trained, [21, 201])
    np.testing.assert_array_equal(series.sizes("intervals"), series.sizes("trainable"))
    np.testing.assert_array_equal(series.errors, [[1.0, np.nan], [2.0, 0.1], [np.nan, 0.2]])
    assert (series.grows, series.order) == (False, None)


def test_series_stand_together_by_function_in_the_order_of_the_runs(tmp_path) -> None:
    records = [
        write_growing(tmp_path / f"{i}", power_law(GRIDS, -4), function=function, series=series)
        for i, (function, series) in enumerate([("xy", "a"), ("x/y", "a"), ("xy", "b")])
    ]
    assert [(s.function, s.name) for s in all_series(records)] == [("xy", "a"), ("xy", "b"), ("x/y", "a")]


def test_a_run_without_a_sweep_is_named_by_itself(tmp_path) -> None:
    record = write_run(tmp_path / "bare", name="KAN")
    assert (function_of(record), series_of(record)) == ("KAN", "KAN")
    record = write_run(tmp_path / "some", name="KAN: xy", sweep={"function": "xy"})
    assert (function_of(record), series_of(record)) == ("xy", "KAN")


def test_unknown_measures_and_counts_are_refused(tmp_path) -> None:
    record = write_growing(tmp_path, power_law(GRIDS, -4))
    with pytest.raises(ValueError, match="rmse, median"):
        all_series([record], "mean")
    with pytest.raises(ValueError, match="intervals or trainable"):
        all_series([record])[0].sizes("all")


def test_shapes_of_kans_are_lines_of_their_own_and_only_kans_have_intervals_on_edges(tmp_path) -> None:
    records = [
        write_growing(tmp_path / str(i), power_law(GRIDS, -4), grids=GRIDS, layer_sizes=shape)
        for i, shape in enumerate([(2, 1, 1), (2, 5, 1)])
    ]
    assert [series.name for series in all_series(records)] == [
        f"{series_of(records[0])}, [2, 1, 1]",
        f"{series_of(records[0])}, [2, 5, 1]",
    ]
    other = dataclasses.replace(
        records[0], fields={**records[0].fields, "model": {**records[0].fields["model"], "family": "spline MLP"}}
    )
    (series,) = all_series([other])
    np.testing.assert_array_equal(series.sizes("intervals"), series.sizes("trainable"))
