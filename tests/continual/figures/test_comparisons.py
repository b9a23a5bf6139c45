"""Figures of ranks and profiles: what is drawn where, and sweeps of which there is nothing to draw."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from continual.figures import critical_difference, performance_profiles
from continual.figures.parts.style import model_styles
from continual.metrics.statistics import performance_profile
from continual.reports.comparisons import crossed, ranks
from tests.synthetic import assert_no_word_is_cut_off, five_peaks, toy_functions, write_run

KAN = "KAN G=200, L-BFGS"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return toy_functions(tmp_path_factory.mktemp("toys"), functions=5, members=6, models=4)


def drawn(figure, gid):
    return [line for line in figure.axes[0].lines if line.get_gid() == gid]


def test_mean_ranks_with_the_critical_difference(toys) -> None:
    figure = critical_difference(toys, over=["function"])
    table = crossed(toys, over=["function"])
    found = ranks(table, "final_rmse")
    order = np.argsort(found.mean, kind="stable")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [table.names[k] for k in order]
    for line, bar, k in zip(drawn(figure, "mean"), drawn(figure, "bar"), order, strict=True):
        assert line.get_xdata()[0] == found.mean[k]
        assert np.diff(bar.get_xdata())[0] == pytest.approx(found.distance)
    assert len(drawn(figure, "group")) == len(found.groups())
    assert_no_word_is_cut_off(figure)


def test_profiles_are_those_of_the_statistics(toys) -> None:
    figure = performance_profiles(toys, "final_nrmse", over=["function"])
    table = crossed(toys, over=["function"])
    styles = model_styles(toys)
    for name in table.names:
        (line,) = drawn(figure, name)
        x, y = line.get_data()
        np.testing.assert_allclose(y, performance_profile(table.scores(name, "final_nrmse"), x, higher=False))
        assert to_hex(line.get_color()) == styles[name].colour
        assert (np.diff(y) >= 0).all()
    assert "6 seeds on 5 curricula (30 runs a line)" in " ".join(text.get_text() for text in figure.texts)
    assert_no_word_is_cut_off(figure)


@pytest.mark.parametrize("metric", ["retention", "forgetting", "bwt_r2", "stability_gap"])
def test_any_metric_has_a_profile(tmp_path, metric) -> None:
    assert len(performance_profiles(five_peaks(tmp_path, count=3), metric).axes[0].lines) >= 3


def test_what_can_not_be_tested_is_drawn_without_a_test(tmp_path) -> None:
    runs = five_peaks(tmp_path / "one", count=2, members=1)
    figure = critical_difference(runs)
    assert figure.axes[0].get_title() == "a test of ranks needs two curricula, there is one"
    assert drawn(figure, "bar") == []
    assert len(performance_profiles(runs).axes[0].lines) >= 2


def test_what_can_not_be_drawn_is_said(tmp_path, toys) -> None:
    lost = [write_run(tmp_path / name, name=name, diverged=range(4)) for name in ("a", "b")]
    assert "is undefined in all runs" in performance_profiles(lost).texts[0].get_text()
    alone = [*toys[:3], toys[7]]  # no curriculum has all of them
    for draw in (critical_difference, performance_profiles):
        for runs, options in (([], {}), (alone, {"over": ["function"]}), (toys, {"what": "nothing"})):
            assert "Nothing to draw" in draw(runs, **options).texts[0].get_text()
        with pytest.raises(ValueError, match="no such metric: accurate"):
            draw(toys, metric="accurate")
