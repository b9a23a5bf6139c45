"""Figures of error against size: medians, bands, stuck seeds, guides, exponents, and what is not there."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from continual.figures import extension, pareto, scaling
from continual.figures.parts.style import looks
from continual.reports.stages import stages
from tests.synthetic import assert_no_word_is_cut_off, power_law, write_growing

GRIDS = (3, 5, 10, 20)
LM, LBFGS = "KAN, Levenberg–Marquardt", "KAN, L-BFGS"


def lines(axes, gid):
    return [each for each in axes.lines if each.get_gid() == gid]


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def mlps(folder, function="exp(sin(πx) + y²)", inputs=2, members=5):
    return [
        write_growing(
            folder / f"mlp{width}",
            power_law([width], -1, members, order=width),
            grids=None,
            layer_sizes=(inputs, width, 1),
            series="MLP tanh",
            function=function,
        )
        for width in (5, 20, 80)
    ]


@pytest.fixture
def records(tmp_path):
    """Two functions, two ways to train a KAN, one stuck seed, and MLPs of three widths."""
    stuck = power_law(GRIDS, -4, order=1)
    stuck[2] = 0.5
    one = {"function": "J0(20x)", "layer_sizes": (1, 1)}
    return [
        write_growing(tmp_path / "a", stuck, series=LM),
        write_growing(tmp_path / "b", power_law(GRIDS, -3, order=2), series=LBFGS, steps=200),
        *mlps(tmp_path),
        write_growing(tmp_path / "c", power_law(GRIDS, -4, order=3), series=LBFGS, **one),
    ]


def awkward(folder):
    """Lists of records that a figure must survive."""
    nothing = write_growing(folder / "nan", np.full((3, 4), np.nan))
    late = power_law(GRIDS, -4)
    late[0, 2:] = np.nan
    return {
        "none": [],
        "all diverged": [nothing],
        "one diverged late": [write_growing(folder / "late", late), nothing],
        "one seed": [write_growing(folder / "one", power_law(GRIDS, -4, members=1))],
        "one stage": [write_growing(folder / "stage", [[0.1], [0.2]], grids=(3,))],
        "no grids": mlps(folder)[:1],
        "exact": [write_growing(folder / "exact", [[0.0, 0.0, 0.0, 0.0]])],
    }


# --- scaling --------------------------------------------------------------------------------------------------------


def test_scaling_draws_medians_against_the_chosen_count(records) -> None:
    for count, sizes in (("intervals", [9, 15, 30, 60]), ("trainable", [24, 30, 45, 75])):
        figure = scaling(records, count=count)
        first, second = figure.axes
        assert [axes.get_title() for axes in figure.axes] == ["exp(sin(πx) + y²)", "J0(20x)"]
        (drawn,) = lines(first, LM)
        np.testing.assert_array_equal(drawn.get_xdata(), sizes)
        np.testing.assert_allclose(drawn.get_ydata(), [np.median(stage.rmse) for stage in stages(records[0])])
        (drawn,) = lines(first, "MLP tanh")
        assert drawn.get_xdata().tolist() == [21, 81, 321]
        (stuck,) = lines(first, "stuck")
        assert set(stuck.get_ydata()) == {0.5}
        assert not lines(second, "stuck")
    figure = scaling(records, measure="median")
    (drawn,) = lines(figure.axes[0], LM)
    np.testing.assert_allclose(drawn.get_ydata(), [np.median(stage.median) for stage in stages(records[0])])
    assert "median squared" in figure.axes[0].get_ylabel()


def test_scaling_keeps_the_colour_of_a_series_and_leaves_out_a_guide_that_is_no_other(records) -> None:
    first, second = scaling(records).axes
    assert lines(first, LBFGS)[0].get_color() == lines(second, LBFGS)[0].get_color()
    assert lines(first, LM)[0].get_color() != lines(first, LBFGS)[0].get_color()
    assert [len(lines(axes, "guide")) for axes in (first, second)] == [2, 1]
    for axes, powers in ((first, (-4, -2)), (second, (-4,))):
        for guide, power in zip(lines(axes, "guide"), powers, strict=True):
            x, y = np.log(guide.get_data())
            np.testing.assert_allclose(np.diff(y) / np.diff(x), power)


def test_scaling_says_the_exponents_of_what_grows(records) -> None:
    first = scaling(records).axes[0]
    said = {text.get_text(): to_hex(text.get_color()) for text in first.texts if text.get_gid() == "slope"}
    style = looks([("KAN", LM), ("KAN", LBFGS)])
    assert len(said) == 2
    assert {text.split(" ±")[0] for text in said} == {"slope −4.000", "slope −3.000"}
    assert [colour for text, colour in said.items() if "(4/5)" in text] == [style["KAN", LM].colour]


def test_scaling_refuses_what_does_not_exist(records) -> None:
    with pytest.raises(ValueError, match="count"):
        scaling(records, count="total")
    with pytest.raises(ValueError, match="measure"):
        scaling(records, measure="mean")


# --- extension ------------------------------------------------------------------------------------------------------


def test_extension_has_a_column_a_shape_and_overlays_series(records) -> None:
    kans = [records[0], records[1], records[5]]
    figure = extension(kans)
    above, other, middle, _, below, _ = figure.axes
    assert [axes.get_title() for axes in (above, other)] == ["exp(sin(πx) + y²), [2, 1, 1]", "J0(20x), [1, 1]"]
    assert [len(lines(axes, "test")) for axes in (above, other)] == [2, 1]
    # 20 and 200 steps a grid: the stages have the same width
    assert above.get_xlim() == (0, 4)
    assert [line.get_xdata()[0] for line in lines(above, "grid")] == [1, 2, 3]
    assert "stages" in above.get_xlabel()
    assert [line.get_xdata()[0] for line in lines(other, "grid")] == [20, 40, 60]
    assert [text.get_text() for text in other.texts] == ["G=3", "5", "10", "20"]
    for kind in ("rmse", "median"):
        (first, _) = lines(middle, kind)
        assert first.get_xdata().tolist() == list(GRIDS)
        expected = [np.median(getattr(stage, kind)) for stage in stages(records[0])]
        np.testing.assert_allclose(first.get_ydata(), expected)
    seconds = [stage.own_seconds / len(records[0].seeds) for stage in stages(records[0])]
    np.testing.assert_allclose(lines(below, "seconds")[0].get_ydata(), seconds)


def test_extension_marks_where_parameters_reach_the_numbers_to_learn(records) -> None:
    (mark,) = lines(extension(records[:1], samples=45).axes[1], "threshold")
    assert mark.get_xdata()[0] == 10  # 3 edges of G + 5 parameters
    for guide, power in zip(lines(extension(records[:1]).axes[1], "guide"), (-4, -3), strict=True):
        x, y = np.log(guide.get_data())
        assert np.diff(y)[0] / np.diff(x)[0] == pytest.approx(power)


def test_extension_puts_models_without_grids_into_the_upper_row_only(tmp_path) -> None:
    above, middle, below = extension(mlps(tmp_path)[:1]).axes
    assert len(lines(above, "test")) == 1
    assert not middle.lines
    assert [text.get_text() for text in below.texts] == ["no grids"]


# --- Pareto fronts --------------------------------------------------------------------------------------------------


def test_pareto_draws_all_points_and_the_front_of_each_group(tmp_path) -> None:
    up = power_law(GRIDS, -4)
    up[:, 3] = 1.0
    records = [write_growing(tmp_path / "a", up, group="large"), *mlps(tmp_path)]
    records.append(write_growing(tmp_path / "b", power_law(GRIDS, -2, order=5), layer_sizes=(2, 2, 1), group="large"))
    (axes,) = pareto(records).axes
    kan, mlp = lines(axes, "points")
    assert len(kan.get_xdata()) == 8
    assert mlp.get_xdata().tolist() == [21, 81, 321]
    front, other = lines(axes, "front")
    assert front.get_xdata().tolist() == [24, 30, 45]
    np.testing.assert_allclose(front.get_ydata(), np.median(up[:, :3], axis=0))
    assert front.get_color() != other.get_color()
    assert {"large", "MLP"} <= set(texts(pareto(records)))


def test_pareto_draws_published_levels_that_are_known(records) -> None:
    paper = {"J0(20x)": {"KAN": 2e-6, "MLP": None}, "xy": {"MLP": 0.1}}
    first, second = pareto(records, paper).axes
    assert not lines(first, "paper")
    (level,) = lines(second, "paper")
    assert level.get_ydata()[0] == 2e-6
    assert to_hex(level.get_color()) == to_hex(lines(second, "front")[0].get_color())
    assert second.get_ylim()[0] < 2e-6
    assert any(text == "best KAN, published" for text in texts(second.get_figure()))


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [scaling, extension, pareto])
def test_figures_survive_what_is_missing(tmp_path, draw) -> None:
    for found in awkward(tmp_path).values():
        draw(found).draw_without_rendering()
    assert any("no runs" in text for text in texts(draw([])))


@pytest.mark.parametrize("draw", [scaling, extension, pareto])
def test_no_word_is_cut_off_and_no_name_is_a_formula(tmp_path, records, draw) -> None:
    long = [
        write_growing(
            tmp_path / f"long{i}",
            power_law(GRIDS, -4, order=i),
            function="exp(½(sin π(x1²+x2²) + sin π(x3²+x4²))) $G$ \\frac_1^",
            series=f"KAN $G$ with a name that goes on and on, and on, number {i}",
            layer_sizes=(4, 4, 2, 1),
        )
        for i in range(3)
    ]
    before = dict(mpl.rcParams)
    for found in (records, long, records[:1]):
        figure = draw(found)
        assert_no_word_is_cut_off(figure)
    assert dict(mpl.rcParams) == before
    notes = " ".join(texts(figure)).replace("\n", " ")
    assert re.search(r"10–90 %", notes)
