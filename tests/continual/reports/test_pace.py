"""How fast runs were, and the figures of parameters and of time, from records whose numbers are known."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from continual.figures import parameter_count, runtime
from continual.figures.parameter_count import formulas
from continual.models import edges
from continual.reports.pace import seconds_per_step, seconds_to
from kan import KAN
from mlp_baselines import MLP
from tests.synthetic import assert_no_word_is_cut_off, write_run


def of(record, *, curves=None, sweep=None, **fields):
    """The record with other fields and curves, whole."""
    changed = replace(record, fields={**record.fields, "sweep": sweep or {}, **fields})
    if curves is not None:
        changed.__dict__["curves"] = curves
    return changed


@pytest.fixture
def blank(tmp_path):
    return write_run(tmp_path / "run", members=1, tasks=1, view=False)


def timed(record, along, rmse, *, step=None, sweep=None, **fields):
    """A run with those seconds and errors, (E,) and (M, E), evaluated every ten steps."""
    steps = 10 * np.arange(len(along)) if step is None else np.array(step)
    fields = {"seconds": {"total": 1.0, "train": along[-1], "along": along}, "seeds": list(range(len(rmse))), **fields}
    return of(record, curves={"step": steps, "rmse": np.array(rmse)[..., None]}, sweep=sweep, **fields)


def texts(figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def line(axes, gid):
    (found,) = [each for each in axes.lines if each.get_gid() == gid]
    return found


def test_a_step_is_the_median_stretch_without_the_first(blank) -> None:
    assert seconds_per_step(timed(blank, [0.0, 9.0, 9.2, 9.4, 12.0], [[1.0] * 5])) == pytest.approx(0.02)
    assert seconds_per_step(timed(blank, [0.0, 3.0], [[1.0] * 2])) == pytest.approx(0.3)  # the only one
    assert seconds_per_step(timed(blank, [0.0, 1.0, 1.0, 3.0], [[1.0] * 4], step=[0, 5, 5, 15])) == pytest.approx(0.2)
    assert np.isnan(seconds_per_step(timed(blank, [0.0], [[1.0]])))


def test_an_error_is_reached_when_the_median_member_is_below(blank) -> None:
    errors = [[1.0, 0.1, 0.1, 0.1], [1.0, 0.9, 0.4, 0.05], [1.0, np.nan, np.nan, np.nan]]
    record = timed(blank, [0.0, 1.0, 2.0, 3.0], [*errors[:2], [1.0, 0.9, 0.3, 0.2]])
    assert seconds_to(record, 0.35) == 2.0
    assert seconds_to(record, 0.2) == 3.0
    assert seconds_to(record, 0.01) is None
    assert seconds_to(timed(blank, [0.0, 1.0, 2.0, 3.0], errors[1:]), 0.2) is None


def place(width, depth, grid, order):
    return {"width": width, "depth": depth, "grid_size": grid, "spline_order": order}


def counted(record, model, sweep):
    total = sum(p.numel() for p in model.parameters()) // model.members
    return of(record, sweep=sweep, model=model.describe(), parameters={"trainable": total, "total": total})


def test_formulas_are_what_they_say(blank) -> None:
    sizes = [2, 5, 3, 1]
    assert edges(sizes) == 2 * 5 + 5 * 3 + 3
    kan = counted(blank, KAN(2, 1, layer_sizes=sizes, grid_size=4, spline_order=2, members=3), {})
    assert formulas(kan) == {"exact": kan.total_parameters, "order": 25 * 3 * 6, "leading": 25 * 3 * 4}
    mlp = counted(blank, MLP(2, 1, layer_sizes=sizes, members=3), {})
    assert formulas(mlp) == {"affine": mlp.total_parameters, "square": 75}


def test_parameter_count_varies_one_axis_at_a_time(blank) -> None:
    runs = []
    for width, depth, grid, order in [(4, 2, 5, 3), (8, 2, 5, 3), (4, 3, 5, 3), (4, 2, 9, 3), (4, 2, 5, 1)]:
        kan = KAN(2, 1, width=width, depth=depth, grid_size=grid, spline_order=order)
        runs.append(counted(blank, kan, place(width, depth, grid, order)))
    mlp = counted(blank, MLP(2, 1, width=4, depth=2), place(4, 2, 5, 3))
    mlp = of(mlp, sweep=mlp.sweep, model={**mlp.fields["model"], "family": "MLP"})
    figure = parameter_count([*runs, mlp])
    across, down, grids, orders = figure.axes
    for axes, other in zip((across, down, grids, orders), runs[1:], strict=True):
        drawn = line(axes, "KAN counted")
        assert sorted(drawn.get_ydata()) == sorted([runs[0].total_parameters, other.total_parameters])
        np.testing.assert_array_equal(drawn.get_ydata(), line(axes, "exact").get_ydata())
        assert list(line(axes, "MLP counted").get_ydata()) == [mlp.total_parameters]
    assert set(line(grids, "affine").get_xdata()) == {5, 9}
    assert list(line(across, "order").get_ydata()) == [16 * 2 * 8, 64 * 2 * 8]
    assert "exact: equal to the count in all 5 models" in texts(figure)
    share = 64 * 2 * 8 / runs[1].total_parameters  # the widest, [2,8,1], has 24 edges in place of 128
    assert f"to {share:.2g} times the count ([2,8,1] G=5 k=3, 240)" in texts(figure)
    assert "Nothing to draw" in texts(parameter_count([blank]))


def contest(record, contender, family, seconds, reach=None, members=1, grid=5):
    """A run of 20 steps at so many seconds a step, whose error falls below 0.1 after `reach` steps."""
    errors = [1.0 if reach is None or step < reach else 0.05 for step in (0, 10, 20)]
    return timed(
        record,
        [0.0, 10 * seconds, 20 * seconds],
        [errors] * members,
        sweep={
            "contender": contender,
            "optimizer": "Adam" if reach is None else "L-BFGS",
            "layer_sizes": [2, 5, 1],
            "grid_size": grid,
        },
        model={"family": family},
        parameters={"trainable": 15 * (grid + 5), "total": 15 * (grid + 5)},
    )


def test_runtime_shows_one_seed_and_its_ratio_to_the_mlp_of_equal_parameters(blank, tmp_path) -> None:
    runs = [
        contest(blank, "KAN", "KAN", 2e-3),
        contest(blank, "KAN", "KAN", 3e-3, grid=20),
        contest(blank, "dense KAN", "KAN", 2e-2),
        contest(blank, "MLP", "MLP", 1e-3),
        contest(blank, "MLP", "MLP", 6e-3, grid=20),
        contest(blank, "KAN", "KAN", 8e-3, members=4),
        contest(blank, "MLP", "MLP", 4e-3, members=4),
        contest(blank, "KAN", "KAN", 1e-2, reach=20, members=2),
        contest(blank, "MLP", "MLP", 1e-2, reach=99, members=2),
    ]
    table = tmp_path / "table.csv"
    figure = runtime(runs, thresholds=(0.1,), peers=str(table))  # no such file: no peers
    steps, reached, ratios = figure.axes
    np.testing.assert_allclose(line(steps, "KAN 1 2,5,1").get_xydata(), [[150, 2e-3], [375, 3e-3]])
    np.testing.assert_allclose(line(steps, "KAN 4 2,5,1").get_ydata(), [2e-3])
    np.testing.assert_allclose(line(reached, "KAN 2 2,5,1").get_ydata(), [0.1])
    assert len(line(reached, "MLP 2 2,5,1 not reached").get_xdata()) == 1
    np.testing.assert_allclose(line(ratios, "KAN 1 2,5,1").get_ydata(), [2.0, 0.5])
    np.testing.assert_allclose(line(ratios, "dense KAN 1 2,5,1").get_ydata(), [20.0])
    np.testing.assert_allclose(line(ratios, "KAN 4 2,5,1").get_ydata(), [2.0])
    assert line(ratios, "ratio 10").get_ydata()[0] == 10
    said = texts(figure)
    assert "not reached" in said
    assert "dense KAN, one seed: 20 to 20 (median 20), 1 of 1 above" in said
    assert "KAN 1 of 1, MLP 0 of 1" in said
    assert "Other implementations" not in said

    columns = ["hardware", "threads", "members", "layer_sizes", "grid_size", "stage", "contender", "parameters"]
    rows = [
        ["a machine", 1, 1, "2-5-1", 5, "step", "MLP", 149, 2.0],
        ["a machine", 1, 1, "2-5-1", 5, "step", "KAN", 150, 3.0],
        ["a machine", 1, 1, "2-5-1", 5, "step", "pykan", 210, 30.0],
        ["a machine", 1, 1, "2-5-1", 5, "forward", "pykan", 210, 7.0],
        ["a machine", 2, 1, "2-5-1", 5, "step", "pykan", 210, 7.0],
        ["another", 1, 1, "4-64-1", 5, "step", "pykan", 210, 7.0],
    ]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*columns, "median_ms"], *rows])
    figure = runtime(runs, thresholds=(0.1,), peers=str(table))
    assert "pykan 1 2,5,1" not in {drawn.get_gid() for drawn in figure.axes[0].lines}
    np.testing.assert_allclose(line(figure.axes[2], "pykan 1 2,5,1").get_ydata(), [15.0])
    assert "in ratios only, since the runs were made on another machine" in texts(figure)

    here = f"{runs[0].fields['device']}, AVX2; torch 2.9.1, Python 3.11.7"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*columns, "median_ms"], *([here, *row[1:]] for row in rows)])
    figure = runtime(runs, thresholds=(0.1,), peers=str(table))
    steps, _, ratios = figure.axes
    np.testing.assert_allclose(line(steps, "pykan 1 2,5,1").get_xydata(), [[210, 0.03]])
    np.testing.assert_allclose(line(ratios, "pykan 1 2,5,1").get_ydata(), [15.0])
    np.testing.assert_allclose(line(ratios, "KAN 1 2,5,1").get_ydata(), [2.0, 0.5])  # from the runs, not the table
    assert here in texts(figure)
    assert "another machine" not in texts(figure)


def test_no_word_of_either_figure_is_cut_off(blank) -> None:
    kan = counted(blank, KAN(2, 1, width=4), place(4, 2, 5, 3))
    for figure in (parameter_count([kan]), runtime([contest(blank, "KAN", "KAN", 2e-3)]), runtime([])):
        assert_no_word_is_cut_off(figure)
