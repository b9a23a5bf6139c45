"""Figures show the numbers of the records: medians, cells, bands, colours, labels, and what is undefined."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from continual.figures import comparison, matrices, phases, ranking, run_summary, save, sweep, task_curves
from continual.figures.parts.cells import compact
from continual.figures.parts.scales import metric_scale, round_numbers
from continual.figures.parts.style import PALETTES, band, looks, model_styles, shades
from continual.figures.parts.surface import Surface
from continual.figures.parts.view import View
from continual.figures.phases import value_limits
from continual.metrics import CORE, METRICS, summarize
from continual.records.record import Record
from continual.reports.numbers import format_interval
from tests.synthetic import assert_no_word_is_cut_off, five_peaks, grid_depth, toy_functions, write_run


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A KAN, an MLP that runs off, a KAN that forgets, and an MLP of which one member diverges."""
    return five_peaks(tmp_path_factory.mktemp("five_peaks"), 4, members=5, tasks=3)


def texts(figure: Figure | Axes) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def line(axes: Axes, gid: str) -> mpl.lines.Line2D:
    (found,) = [each for each in axes.lines if each.get_gid() == gid]
    return found


def titled(figure: Figure, start: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title().replace("\n", " ").startswith(start))


def cells(axes: Axes) -> dict[tuple[int, int], str]:
    """Texts of a heat map by (row, column)."""
    places = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    return {place: text for place, text in places.items() if text}


def grid(axes: Axes) -> list[list[str]]:
    found = cells(axes)
    rows, columns = axes.images[0].get_array().shape
    return [[found[i, j] for j in range(columns)] for i in range(rows)]


# --- how members become numbers -------------------------------------------------------------------------------------


def test_band_is_quantiles_of_the_finite_members() -> None:
    values = np.random.default_rng(0).standard_normal((9, 4, 3))
    np.testing.assert_allclose(band(values), np.quantile(values, (0.1, 0.5, 0.9), axis=0))
    gaps = values.copy()
    gaps[2, 0], gaps[:, 1], gaps[4, 2, 1] = np.nan, np.nan, np.inf
    found = band(gaps)
    np.testing.assert_allclose(found[:, 0], np.quantile(np.delete(values[:, 0], 2, 0), (0.1, 0.5, 0.9), axis=0))
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, 2, 1], np.quantile(np.delete(values[:, 2, 1], 4), (0.1, 0.5, 0.9)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.1e-6, "4e-6"),
        (0.0098, "0.01"),
        (0.42, "0.42"),
        (11.6, "12"),
        (np.nan, "–"),
        (0.0, "0"),
        (-3e-7, "-3e-7"),
    ],
)
def test_compact_cells(value: float, text: str) -> None:
    assert compact(value) == text


def test_scales_tell_small_forgetting_from_none_and_state_where_they_are_linear() -> None:
    scale = metric_scale("forgetting", [-2e-7, 3e-6, 12.0], typical=[3e-6, 12.0])
    assert (scale.kind, scale.low, scale.high) == ("symlog", -2e-7, 12.0)
    assert scale.threshold == pytest.approx(1e-6)
    assert "positive = worse" in scale.label
    assert "linear within ±1e-6" in scale.label
    assert metric_scale("forgetting", [1e-30, 1.0]).threshold == pytest.approx(1e-8)
    assert metric_scale("final_rmse", [1e-6, 20.0, np.nan]).kind == "log"
    assert metric_scale("final_rmse", [0.0, 1.0]).kind == "symlog"  # a logarithm has no place for zero
    assert (metric_scale("retention", [0.3]).low, metric_scale("retention", [0.3]).high) == (0.0, 1.0)
    for nothing in ([], [np.nan], [0.0]):
        assert metric_scale("forgetting", nothing).high > metric_scale("forgetting", nothing).low


# --- colours --------------------------------------------------------------------------------------------------------


def test_a_model_has_one_colour_in_all_figures(records: list[Record]) -> None:
    styles = model_styles(records)
    assert len({style.colour for style in styles.values()}) == len(records)
    by_phase, by_matrix, by_curve = phases(records), matrices(records), task_curves(records)
    for row, record in enumerate(records, start=1):
        colour = styles[record.name].colour
        assert to_hex(line(by_phase.axes[3 * row], "median").get_color()) == colour
        assert to_hex(titled(by_matrix, record.name).title.get_color()) == colour
        assert to_hex(titled(by_curve, record.name).title.get_color()) == colour
        means = [each for each in by_matrix.axes[-1].lines if each.get_gid() == "mean"]
        assert to_hex(means[row - 1].get_color()) == colour
    one = run_summary(records[2], among=records)
    assert to_hex(line(one.axes[0], "median").get_color()) == styles[records[2].name].colour


def test_families_keep_their_hues_and_never_share_a_colour(tmp_path: Path) -> None:
    many = [
        replace(record, fields={**record.fields, "name": f"{family} {i}", "model": {"family": family}})
        for record in [write_run(tmp_path, members=1, tasks=1, view=False)]
        for family in ("KAN", "MLP", "RBF", "Table")
        for i in range(10)
    ]
    styles = model_styles(many)
    assert len({style.colour for style in styles.values()}) == len(many)
    alone = model_styles([record for record in many if record.family == "KAN"])
    assert all(styles[name] == style for name, style in alone.items())
    pale, dark = shades(["KAN"], 2)["KAN"]
    assert sum(mpl.colors.to_rgb(pale)) > sum(mpl.colors.to_rgb(dark))


def seen(colour: str) -> np.ndarray:
    """A colour in OKLab, where 2 is barely seen: with all cones, and without those for red or green, (3, 3).

    Simulations of colour blindness after Machado et al. (2009).
    """
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    eyes = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
    cones = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    axes = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    return np.stack([100 * np.array(axes) @ np.cbrt(np.array(cones) @ np.clip(eye @ linear, 0, 1)) for eye in eyes])


def test_ten_families_in_one_figure_stay_apart() -> None:
    families = [*PALETTES, "somebody's"]
    assert len(families) == 10
    styles = [looks([(family, family) for family in families])[family, family] for family in families]
    colours = {family: seen(style.colour) for family, style in zip(families, styles, strict=True)}
    for one, other in combinations(PALETTES, 2):
        apart = np.linalg.norm(colours[one] - colours[other], axis=1).min()
        assert apart > 10.0, (one, other, apart)
    assert len({style.marker for style in styles}) == 9  # KANs and MLPs alone share one, and are blue and red
    assert len({colour for palette in PALETTES.values() for colour in palette}) == sum(map(len, PALETTES.values()))
    assert min(len(set(shades(families, 3)[family])) for family in families) == 3


def test_families_that_nobody_knows_are_not_confused() -> None:
    names = [(f"family {i}", "model") for i in range(8)]
    assert len({style.colour for style in looks(names).values()}) == 8


# --- phases ---------------------------------------------------------------------------------------------------------


def test_phases_shows_medians_data_and_labels(records: list[Record]) -> None:
    figure = phases(records)
    T = 3
    assert len(figure.axes) == (1 + len(records)) * T
    for i in range(T):
        assert figure.axes[i].get_title() == f"phase {i + 1}: {records[0].task_names[i]}"
        np.testing.assert_allclose(line(figure.axes[i], "target").get_ydata(), records[0].curves["view_targets"][:, 0])
    for row, record in enumerate(records, start=1):
        for i in range(T):
            axes = figure.axes[row * T + i]
            predictions = record.curves["predictions"][:, i + 1, :, 0]
            median = np.median(predictions[np.isfinite(predictions).all(axis=1)], axis=0)
            low, high = axes.get_ylim()
            inside = (median > low) & (median < high)
            np.testing.assert_allclose(line(axes, "median").get_ydata()[inside], median[inside])
            marks = line(axes, "training data")
            np.testing.assert_allclose(marks.get_xdata(), record.curves["train_inputs"][0, i, ::2])
    shown = texts(figure)
    for record in records:
        assert any(record.name in text.replace("\n", " ") for text in shown)
        final = format_interval(summarize(record.metrics["final_rmse"])).replace(" (", "\n(")
        assert any(f"final RMSE\n{final}" in text for text in shown)
    assert any("1 of 5 diverged" in text for text in shown)
    assert any("10–90 %" in text for text in shown)


def test_phases_limits_are_those_of_the_target_and_leaving_them_is_marked(records: list[Record]) -> None:
    figure = phases(records)
    limits = {axes.get_ylim() for axes in figure.axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert -1 < low < 0 < 1 < high < 2
    for row, record in enumerate(records, start=1):
        for i in range(3):
            axes = figure.axes[3 * row + i]
            median = np.nanmedian(record.curves["predictions"][:, i + 1, :, 0], axis=0)
            beyond = bool((median > high).any()) + bool((median < low).any())
            assert len([each for each in axes.lines if each.get_gid() == "exit"]) == beyond
            said = {text.get_text() for text in axes.texts}
            assert len(said) == beyond
            if (median > high).any():
                assert any(float(text) == pytest.approx(median.max(), rel=0.06) for text in said)


def test_phases_without_views(tmp_path: Path, records: list[Record]) -> None:
    flat = write_run(tmp_path / "flat", name="two inputs", view=False, order=9)
    figure = phases([records[0], flat])
    assert len(figure.axes) == 6
    assert any("Left out" in text and "two inputs" in text for text in texts(figure))
    for nothing in ([flat], []):
        empty = phases(nothing)
        assert not empty.axes
        assert len(texts(empty)) == 1


def test_phases_of_one_seed_has_no_band_and_of_none_alive_says_so(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", members=1)
    assert not phases([one]).axes[3].collections
    lost = write_run(tmp_path / "lost", diverged=range(4), order=1)
    figure = phases([lost])
    assert figure.axes[3].collections  # the first phase was still drawn
    assert "all seeds diverged" in texts(figure.axes[5])


def test_a_random_order_of_tasks_is_not_averaged_over(records: list[Record]) -> None:
    record = records[0]
    curves = dict(record.curves)
    curves["train_inputs"] = curves["train_inputs"].copy()
    curves["train_inputs"][1] = curves["train_inputs"][1, ::-1]
    shuffled = replace(record)
    shuffled.__dict__["curves"] = curves
    view = View.of(shuffled)
    assert view is not None
    assert len(view.predictions) == 1
    assert any("only seed 0" in note for note in view.notes)
    assert value_limits([view])[1] > 1


# --- matrices -------------------------------------------------------------------------------------------------------


def test_matrices_writes_the_medians_and_the_undefined(records: list[Record], tmp_path: Path) -> None:
    lost = write_run(tmp_path, name="lost", family="MLP", diverged=range(4), order=7)
    figure = matrices([*records, lost])
    for record in records:
        with np.errstate(invalid="ignore"):
            median = np.nanmedian(record.R, axis=0)
        assert grid(titled(figure, record.name)) == [[compact(value) for value in row] for row in median]
    assert grid(titled(figure, "lost"))[-1] == ["–"] * 3
    shared = {(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in figure.axes if axes.images}
    assert len(shared) == 1
    first = titled(figure, records[0].name)
    assert first.get_ylabel() == "after task"
    assert first.get_xlabel() == "RMSE on task"
    assert "1 of 5 diverged" in titled(figure, records[3].name).get_xlabel()


def test_matrices_shows_means_intervals_and_every_member(records: list[Record]) -> None:
    figure = matrices(records)
    for metric, axes in zip(("forgetting", "learned_rmse", "final_rmse"), figure.axes[-3:], strict=True):
        assert axes.get_xlabel().startswith(METRICS[metric])
        by_gid = {gid: [each for each in axes.lines if each.get_gid() == gid] for gid in ("mean", "median", "interval")}
        dots = [each for each in axes.lines if each.get_gid() == "members"]
        for i, record in enumerate(records):
            summary = summarize(record.metrics[metric])
            assert by_gid["mean"][i].get_xdata()[0] == pytest.approx(float(summary.mean))
            assert by_gid["median"][i].get_xdata()[0] == pytest.approx(float(summary.median))
            np.testing.assert_allclose(dots[i].get_xdata(), record.metrics[metric])
            low, high = axes.get_xlim()
            ends = np.clip([summary.mean - summary.half_width, summary.mean + summary.half_width], low, high)
            np.testing.assert_allclose(by_gid["interval"][i].get_xdata(), ends)
        assert "4/5" in texts(axes)
    assert "positive = worse" in figure.axes[-3].get_xlabel()


def test_one_seed_has_no_interval_and_one_task_no_forgetting(tmp_path: Path) -> None:
    figure = matrices([write_run(tmp_path, members=1, tasks=1)])
    forgetting, learned, _ = figure.axes[-3:]
    assert texts(forgetting).count("–") == 1
    assert not [each for each in learned.lines if each.get_gid() == "interval"]
    assert [each for each in learned.lines if each.get_gid() == "mean"]


# --- curves ---------------------------------------------------------------------------------------------------------


def test_task_curves_shows_the_median_of_every_task(records: list[Record]) -> None:
    figure = task_curves(records)
    assert len(figure.axes) == len(records)
    for axes, record in zip(figure.axes, records, strict=True):
        assert axes.get_yscale() == "log"
        for j in range(3):
            drawn = line(axes, f"task {j + 1}")
            np.testing.assert_allclose(drawn.get_xdata(), record.curves["step"])
            np.testing.assert_allclose(drawn.get_ydata(), np.nanmedian(record.curves["rmse"][:, :, j], axis=0))
        upright = [each.get_xdata()[0] for each in axes.lines if len(set(each.get_xdata())) == 1]
        assert set(record.curves["boundaries"][:-1]) <= set(upright)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == f"task 1: {records[0].task_names[0]}"


# --- sweep and comparison -------------------------------------------------------------------------------------------


def test_sweep_places_every_run_and_leaves_gaps_for_the_missing(tmp_path: Path) -> None:
    runs = grid_depth(tmp_path, (5, 50), (1, 2), missing=[("KAN", 50, 2)])
    runs.append(write_run(tmp_path / "none", name="RBF", family="RBF", order=90, view=False, sweep={"depth": 2}))
    figure = sweep(runs)
    written = grid(titled(figure, f"KAN: {METRICS['forgetting']}"))
    for i, depth in enumerate((1, 2)):
        for j, size in enumerate((5, 50)):
            found = [r for r in runs if r.family == "KAN" and r.sweep == {"grid_size": size, "depth": depth}]
            expected = compact(float(summarize(found[0].metrics["forgetting"]).mean)) if found else "–"
            assert written[i][j] == expected
    other = grid(titled(figure, f"RBF: {METRICS['final_rmse']}"))
    assert other[0] == ["–"] * 3
    assert other[1] == ["–", "–", compact(float(runs[-1].metrics["final_rmse"].mean()))]
    maps = [axes for axes in figure.axes if axes.get_title().endswith(METRICS["final_rmse"])]
    assert len({(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in maps}) == 1
    against_grid = [axes for axes in figure.axes if axes.get_xlabel() == "grid size" and not axes.images]
    against_count = [axes for axes in figure.axes if axes.get_xlabel() == "trainable parameters"]
    assert len(against_grid) == len(against_count) == 3
    mlp = line(against_grid[2], "MLP 1")
    own = [r for r in runs if r.family == "MLP" and r.sweep["depth"] == 1]
    np.testing.assert_allclose(mlp.get_xdata(), [5, 50])
    np.testing.assert_allclose(mlp.get_ydata(), [r.metrics["final_rmse"].mean() for r in own])
    np.testing.assert_allclose(line(against_count[2], "MLP 1").get_xdata(), [r.trainable_parameters for r in own])


def test_sweep_takes_words_and_pools_what_shares_a_place(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{i}", name=word, order=i, view=False, keep=0.5, sweep={"optimizer": word})
        for i, word in enumerate(["sgd", "adam", "adam"])
    ]
    figure = sweep(runs, ("optimizer", "strategy"), ("retention",))
    both = np.concatenate([runs[1].metrics["retention"], runs[2].metrics["retention"]])
    expected = [compact(float(runs[0].metrics["retention"].mean())), compact(float(both.mean()))]
    assert grid(titled(figure, "KAN")) == [expected]
    with pytest.raises(ValueError, match="no such metric: accuracy"):
        sweep(runs, metrics=("accuracy",))


AXES: dict[str, tuple[list[tuple[str, dict[str, Any]]], list[str]]] = {
    "what varies, in its order": (
        [("KAN", {"width": 5, "lr": lr, "depth": depth}) for lr in (0.1, 0.2) for depth in (1, 2)],
        ["lr", "depth"],
    ),
    "one varies": ([("KAN", {"lr": lr}) for lr in (0.1, 0.2)], ["lr", "grid size"]),
    "one varies, one was set": ([("KAN", {"width": 5, "lr": lr}) for lr in (0.1, 0.2)], ["lr", "width"]),
    "models that are families": (
        [(model.upper(), {"model": model, "lr": lr, "depth": 1}) for model in ("kan", "mlp") for lr in (0.1, 0.2)],
        ["lr", "depth"],
    ),
    "models of one family": (
        [("KAN", {"model": model, "lr": lr}) for model in ("kan", "kan_local") for lr in (0.1, 0.2)],
        ["lr", "model"],
    ),
    "none": ([("KAN", {})], ["grid size", "depth"]),
}


@pytest.mark.parametrize("name", AXES)
def test_a_heat_map_finds_its_axes(tmp_path: Path, name: str) -> None:
    runs = [
        write_run(tmp_path / f"{i}", name=f"{i}", family=family, order=i, view=False, sweep=values)
        for i, (family, values) in enumerate(AXES[name][0])
    ]
    maps = [axes for axes in sweep(runs).axes if axes.images]
    across = {axes.get_xlabel() for axes in maps} - {""}
    down = {axes.get_ylabel() for axes in maps} - {""}
    assert [*across, *down] == AXES[name][1]


def test_a_heat_map_says_what_it_pools(tmp_path: Path) -> None:
    values = [{"lr": lr, "depth": depth, "seed_of": word} for lr in (1, 2) for depth in (1, 2) for word in ("a", "b")]
    runs = [write_run(tmp_path / f"{i}", order=i, view=False, sweep=each) for i, each in enumerate(values)]
    written = " ".join(text for text in texts(sweep(runs)))
    assert "Runs at one place that differ in seed of are pooled." in " ".join(written.split())
    assert "pooled" not in " ".join(texts(sweep(runs[::2])))


def test_comparison_groups_by_function(tmp_path: Path) -> None:
    runs = toy_functions(tmp_path, functions=2, models=2)
    figure = comparison(runs)
    errors, kept, forgotten = figure.axes
    for gid, metric in (("learned", "learned_rmse"), ("final", "final_rmse")):
        drawn = [each for each in errors.lines if each.get_gid() == gid]
        expected = [float(summarize(record.metrics[metric]).mean) for record in runs]
        np.testing.assert_allclose([each.get_xdata()[0] for each in drawn], expected)
        colours = [to_hex(each.get_color()) for each in drawn]
        assert colours == [model_styles(runs)[record.name].colour for record in runs]
        assert colours[:2] == colours[2:]  # the same two models on another function
    assert kept.get_xlabel().startswith(METRICS["retention"])
    assert forgotten.get_xlabel().startswith(METRICS["forgetting"])
    assert {"J0(20x)", "exp(sin(πx) + y²)"} <= set(texts(figure))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "KAN G=200, L-BFGS",
        "MLP SiLU 64, Adam",
    ]
    twice = comparison(runs[:3], ("curriculum", "function"))
    assert "slices · J0(20x)" in texts(twice)
    assert "–" in texts(twice.axes[0])  # the fourth run is missing


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_ranking_puts_what_forgets_least_on_top_and_the_undefined_last(records: list[Record], tmp_path: Path) -> None:
    lost = write_run(tmp_path, name="lost", family="MLP", members=5, diverged=range(5), order=7)
    runs = [lost, *records]
    means = {record.name: float(summarize(record.metrics["forgetting"]).mean) for record in records}
    order = [*sorted(means, key=means.__getitem__), "lost"]
    assert order[:4] != [record.name for record in records]
    figure = ranking(runs)
    forgotten, errors, kept = figure.axes
    named = {text.get_text(): text.xy[1] for text in forgotten.texts}
    assert [named[name] for name in order] == list(range(5))
    by_name = {record.name: record for record in runs}
    drawn = [each for each in forgotten.lines if each.get_gid() == "mean"]
    np.testing.assert_allclose([each.get_xdata()[0] for each in drawn], sorted(means.values()))
    styles = model_styles(runs)
    assert [to_hex(each.get_color()) for each in drawn] == [styles[name].colour for name in order[:4]]
    top, bottom = sorted(forgotten.get_ylim())
    assert forgotten.get_ylim() == errors.get_ylim() == kept.get_ylim() == (bottom, top)
    for gid, metric in (("learned", "learned_rmse"), ("final", "final_rmse")):
        found = [each.get_xdata()[0] for each in errors.lines if each.get_gid() == gid]
        expected = [float(summarize(by_name[name].metrics[metric]).mean) for name in order]
        np.testing.assert_allclose(found, [value for value in expected if np.isfinite(value)])
    means_kept = [float(summarize(by_name[name].metrics["retention"]).mean) for name in order]
    found = [each.get_xdata()[0] for each in kept.lines if each.get_gid() == "mean"]
    np.testing.assert_allclose(found, [value for value in means_kept if np.isfinite(value)])
    said = texts(forgotten)
    for name in order[:4]:
        interval = format_interval(summarize(by_name[name].metrics["forgetting"]))
        assert any(text.startswith(f"{interval} · ") for text in said)
    assert any(text.startswith("– · ") and text.endswith("5 of 5 diverged") for text in said)
    assert {"4/5", "–"} <= set(said)


def test_ranking_draws_what_predicting_the_mean_costs_if_that_is_one_number(tmp_path: Path) -> None:
    same = five_peaks(tmp_path / "same", 2, tasks=3)
    errors = ranking(same).axes[1]
    place = line(errors, "baseline").get_xdata()[0]
    assert place == pytest.approx(same[0].baseline.mean())
    assert errors.get_xlim()[0] < place < errors.get_xlim()[1]
    other = write_run(tmp_path / "other", tasks=5, order=9)
    assert not [each for each in ranking([*same, other]).axes[1].lines if each.get_gid() == "baseline"]
    assert len(texts(ranking([]))) == 1


# --- one run, files, and the figures as a whole ----------------------------------------------------------------------


def test_run_summary_holds_everything(records: list[Record], tmp_path: Path) -> None:
    figure = run_summary(records[3])
    assert len(figure.axes) == 3 + 3  # phases; matrix, its scale, curves
    said = texts(figure)
    assert {METRICS[name] for name in CORE} <= set(said)
    assert any("1 of 5 diverged" in text for text in said)
    assert len(run_summary(write_run(tmp_path, view=False, tasks=12)).axes) == 3


def test_figures_are_files_with_the_same_bytes_each_time(records: list[Record], tmp_path: Path) -> None:
    first = save(matrices(records[:1]), tmp_path / "a", "figure")
    second = save(matrices(records[:1]), tmp_path / "b", "figure")
    assert [path.name for path in first] == ["figure.png", "figure.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert not re.search(rb"CreationDate", first[1].read_bytes())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["figure.pdf", "figure.png"]


def test_figures_leave_the_settings_of_their_caller_alone(records: list[Record]) -> None:
    before = dict(mpl.rcParams)
    matrices(records[:1])
    phases(records[:1])
    assert dict(mpl.rcParams) == before


def test_one_task_has_neither_matrix_nor_metrics_of_forgetting(tmp_path: Path) -> None:
    figure = run_summary(write_run(tmp_path, tasks=1, members=3))
    texts = [text.get_text() for text in figure.texts]
    assert "final RMSE ↓" in texts
    assert not {"learned RMSE ↓", "forgetting ↓", "retention ↑"} & set(texts)
    assert "after task" not in {axes.get_ylabel() for axes in figure.axes}


def test_errors_of_two_inputs_are_maps(tmp_path: Path) -> None:
    record = write_run(tmp_path, tasks=3, members=3, view=False, surface=True)
    surface = Surface.of(record)
    assert surface is not None
    assert surface.target.shape == (9, 9)
    x, y = record.curves["surface_inputs"].T
    np.testing.assert_array_equal(surface.target.ravel(), record.curves["surface_targets"][:, 0])
    assert (x[1] - x[0] > 0, y[1] - y[0]) == (True, 0.0)
    errors = np.abs(record.curves["predictions"][:, 1:, :, 0] - record.curves["surface_targets"][:, 0])
    np.testing.assert_allclose(surface.errors.reshape(3, -1), np.median(errors, axis=0))
    assert Surface.of(write_run(tmp_path / "flat")) is None
    titles = [axes.get_title() for axes in run_summary(record).axes]
    assert titles[:4] == ["target", "error after phase 1", "error after phase 2", "error after phase 3"]


def test_axes_of_a_few_round_numbers() -> None:
    for low, high, count in (
        (0.02, 2.0, 5),
        (1e-4, 0.5, 5),
        (0.11, 0.19, 5),
        (3e-9, 40.0, 6),
        (0.9, 1.1, 4),
        (1, 10, 3),
    ):
        places = round_numbers(low, high, count)
        assert places == sorted(places)
        assert 2 <= len(places) <= count + 2
        assert low * 0.999 <= places[0]
        assert places[-1] <= high * 1.001
        assert np.log10(high / places[-1]) < 0.5 * np.log10(high / low)  # not all at one end
        assert np.log10(places[0] / low) < 0.5 * np.log10(high / low)


def test_names_are_no_formulas(tmp_path: Path) -> None:
    record = write_run(tmp_path, name="KAN $G$ \\frac_1^", members=2, tasks=2)
    for draw in (phases, matrices, task_curves, comparison, ranking, run_summary):
        figure = draw(record) if draw is run_summary else draw([record])
        figure.draw_without_rendering()


def test_no_word_is_cut_off(tmp_path: Path) -> None:
    dozen = five_peaks(tmp_path / "peaks", 12, members=3, tasks=2)
    figures = [draw(dozen) for draw in (phases, matrices, task_curves, ranking)]
    figures += [
        run_summary(dozen[4]),
        run_summary(write_run(tmp_path / "surface", tasks=3, members=2, view=False, surface=True)),
        run_summary(write_run(tmp_path / "alone", tasks=1, members=2, view=False, surface=True)),
        sweep(grid_depth(tmp_path / "sweep", (5, 50), (1, 2))),
        comparison(toy_functions(tmp_path / "toy", functions=4, models=3, members=2)),
    ]
    for figure in figures:
        assert_no_word_is_cut_off(figure)
