"""Metrics against one axis of a sweep, maps of errors, and probes against forgetting: what is drawn where."""

import numpy as np
import pytest

from continual.figures import lines, maps, probe_against_forgetting
from continual.metrics import summarize
from continual.reports.correlation import rank_correlation, spearman
from tests.synthetic import assert_no_word_is_cut_off, write_run


def run(folder, series, dimension, layout=None, **options):
    sweep = {"series": series, "dimension": dimension, **({"layout": layout} if layout else {})}
    return write_run(
        folder / f"{series}-{dimension}-{layout}", name=f"{series} {dimension} {layout}", sweep=sweep, **options
    )


@pytest.fixture
def records(tmp_path):
    found = []
    for series, keep in (("KAN", 0.9), ("MLP", 0.3)):
        found.append(run(tmp_path, series, 1, family=series, keep=keep))
        found += [
            run(tmp_path, series, dimension, layout, family=series, keep=keep**dimension, noise=1e-3)
            for dimension in (2, 3, 6)
            for layout in ("diagonal", "line")
        ]
    return found


def test_every_run_stands_at_its_value_with_its_mean(records) -> None:
    figure = lines(records, "dimension", ["layout"], metrics=("retention", "learned_rmse"))
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes[:2]] == ["diagonal", "line"]
    by_name = {(r.sweep["series"], r.sweep["dimension"], r.sweep.get("layout")): r for r in records}
    for row, metric in enumerate(("retention", "learned_rmse")):
        for column, layout in enumerate(("diagonal", "line")):
            drawn = [line for line in figure.axes[2 * row + column].lines if line.get_marker() in ("None", "")]
            drawn = [line for line in drawn if len(line.get_xdata()) == 4]
            assert len(drawn) == 2
            for series, line in zip(("KAN", "MLP"), drawn, strict=True):
                own = [by_name[series, 1, None]] + [by_name[series, d, layout] for d in (2, 3, 6)]
                np.testing.assert_allclose(line.get_ydata(), [summarize(r.metrics[metric]).mean for r in own])
                np.testing.assert_allclose(line.get_xdata(), [1, 2, 3, 6], atol=0.2)  # beside each other
    assert_no_word_is_cut_off(figure)


def test_the_error_of_knowing_nothing_is_a_level(records) -> None:
    figure = lines(records, "dimension", ["layout"], metrics=("final_rmse",))
    for axes in figure.axes:
        [level] = [line for line in axes.lines if line.get_gid() == "baseline"]
        assert level.get_ydata()[0] == pytest.approx(np.mean([r.baseline.mean() for r in records]), rel=0.2)


def test_what_can_not_be_drawn_is_said(records) -> None:
    with pytest.raises(ValueError, match="no such metric: accuracy"):
        lines(records, "dimension", metrics=("accuracy",))
    for empty in (lines([], "dimension"), maps(records), probe_against_forgetting(records)):
        assert "Nothing to draw" in empty.texts[0].get_text()


def test_maps_have_a_row_a_run_and_a_column_a_task(tmp_path) -> None:
    found = [
        write_run(tmp_path / str(i), name=f"model {i}", tasks=3, view=False, surface=True, order=i) for i in range(2)
    ]
    figure = maps([*found, write_run(tmp_path / "line", name="of one input")])
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2 * (1 + 3)
    assert [axes.get_title() for axes in panels[:4]] == ["target", "after task 1", "after task 2", "after task 3"]
    assert any("Left out" in text.get_text() and "of one input" in text.get_text() for text in figure.texts)
    assert_no_word_is_cut_off(figure)


def test_models_on_several_curricula_are_drawn_as_a_whole() -> None:
    """Twelve runs of three models that agree within a model: as twelve independent ones the interval is too narrow."""
    generator = np.random.default_rng(0)
    x = [np.full(5, float(model)) + 0.01 * generator.normal(size=5) for model in range(3) for _ in range(4)]
    y = [np.full(5, float([0, 2, 1][model])) + 0.01 * generator.normal(size=5) for model in range(3) for _ in range(4)]
    groups = [model for model in range(3) for _ in range(4)]
    alone, together = rank_correlation(x, y), rank_correlation(x, y, groups)
    assert alone.rho == together.rho == spearman([each.mean() for each in x], [each.mean() for each in y])
    assert together.high - together.low > 1.3 * (alone.high - alone.low)
    assert together.models == 12
    with pytest.raises(ValueError, match="a group of each model, got 2 of 12"):
        rank_correlation(x, y, [0, 1])
