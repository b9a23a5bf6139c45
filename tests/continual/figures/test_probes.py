"""Figures of probes: every number is where the record has it, and what is undefined or infinite is said."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from continual.figures import (
    drift_by_layer,
    forgetting_budgets,
    interference_matrices,
    probe_against_forgetting,
    probe_figures,
    response_profiles,
    support_by_layer,
)
from continual.metrics import summarize
from continual.probes import Budget, Part
from continual.records.files import UnusableFileError
from continual.reports.budgets import read_budget, write_budget
from tests.synthetic import assert_no_word_is_cut_off, write_run

M, T, L = 4, 3, 2


def probed(folder, index: int = 0, **arrays):
    """A run in whose record these arrays of probes stand."""
    name = f"model {index}"
    record = write_run(folder / str(index), name=name, members=M, tasks=T, order=index, keep=0.9 - 0.2 * index)
    vars(record)["probes"] = {key.replace("__", "/"): np.asarray(array) for key, array in arrays.items()}
    return record


def uniform(*shape: int, seed: int = 0, low: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, 1.0, shape)


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def cells(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def lines(axes) -> list[tuple[list[float], list[float]]]:
    """What error bars are around, x and y."""
    found = [each.lines[0] for each in axes.containers]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in found]


def test_interference_is_written_in_its_cells(tmp_path) -> None:
    cosine, overlap = uniform(M, T + 1, T, T, low=-1.0), uniform(M, T + 1, T, T, seed=1)
    overlap[0, -1, 0, 1] = overlap[:, 0, 2, 1] = np.nan
    overlap[:, 0, 1, 0] = 0.0
    record = probed(tmp_path, interference__cosine=cosine, interference__overlap=overlap)
    figure = interference_matrices([record, probed(tmp_path, 1)])
    first, last, before, after = (axes for axes in figure.axes if axes.images)
    for axes, values in ((first, cosine[:, 0]), (last, cosine[:, -1])):
        np.testing.assert_allclose([float(each) for each in cells(axes)], values.mean(axis=0).ravel(), atol=6e-3)
    written = cells(before)
    assert written[2 * T + 1] == "–"
    assert written[T] == "0"
    assert cells(after)[1].endswith("*")
    assert float(cells(after)[1][:-1]) == pytest.approx(overlap[1:, -1, 0, 1].mean(), rel=0.06)
    assert_no_word_is_cut_off(figure)
    assert "Nothing to draw" in words(interference_matrices([probed(tmp_path, 1)]))


def test_support_by_layer_is_the_mean_over_pairs(tmp_path) -> None:
    weighted = uniform(M, T + 1, L, T, T)
    without = probed(tmp_path, 1, support__weighted=np.full((M, T + 1, L, T, T), np.nan))
    figure = support_by_layer([probed(tmp_path, support__weighted=weighted), without])
    assert [axes.get_title() for axes in figure.axes] == ["untrained", "after the last task"]
    apart = ~np.eye(T, dtype=bool)
    for axes, boundary in zip(figure.axes, (0, -1), strict=True):
        ((x, y),) = lines(axes)
        np.testing.assert_allclose(x, [1, 2], atol=0.2)
        np.testing.assert_allclose(y, weighted[:, boundary][..., apart].mean(axis=(0, 2)))
    with pytest.raises(ValueError, match="kind must be one of weighted, alive, shared, got 'published'"):
        support_by_layer([without], kind="published")
    assert "Nothing to draw" in words(support_by_layer([without]))
    assert_no_word_is_cut_off(figure)


def test_drift_by_layer_is_of_later_tasks_and_earlier_inputs(tmp_path) -> None:
    moved, norm = uniform(M, T + 1, L, seed=1), uniform(M, T + 1, L, seed=2)
    activations = uniform(M, T + 1, L, T, seed=3)
    for each in (moved, norm, activations):
        each[:, 0] = np.nan
    arrays = {"drift__moved": moved, "drift__norm": norm, "drift__activations": activations}
    silent = {**arrays, "drift__activations": activations[:, :, 1:]}  # a model that tells only what it predicts
    figure = drift_by_layer([probed(tmp_path, **arrays), probed(tmp_path, 1, **silent)])
    expected = [moved[:, 2:].mean(axis=(0, 1)), norm[:, 2:].mean(axis=(0, 1))]
    pairs = [(2, 0), (3, 0), (3, 1)]  # after the second task its only predecessor, after the third both
    expected.append(np.mean([activations[:, boundary, :, task] for boundary, task in pairs], axis=(0, 1)))
    for axes, values in zip(figure.axes, expected, strict=True):
        np.testing.assert_allclose(lines(axes)[0][1], values)
    x, y = lines(figure.axes[2])[1]
    assert x == pytest.approx([2.0], abs=0.2)  # its only layer is the last
    assert y == pytest.approx(expected[2][1:])
    assert_no_word_is_cut_off(figure)
    assert "Nothing to draw" in words(drift_by_layer([]))


def test_infinite_radii_stand_at_the_edge_and_have_a_rank(tmp_path) -> None:
    radii = np.array([[0.1], [0.2], [0.4], [np.inf]]) * np.ones((4, T + 1))
    found = [probed(tmp_path, i, response__mean_half_radius=np.tile(radii[i], (M, 1))) for i in range(4)]
    vars(found[2])["probes"]["response/mean_half_radius"][1, 1] = np.inf  # one seed, at one boundary
    figure = probe_against_forgetting(found, probes=["response/mean_half_radius"])
    (axes,) = figure.axes
    places = [x[0] for x, _ in lines(axes)]
    assert places[:2] == pytest.approx([0.1, 0.2])
    assert places[2] == places[3] > 0.2
    assert [tick.get_text() for tick in axes.get_xticklabels()][-1] == "∞"
    assert axes.get_xticks()[-1] == pytest.approx(places[3])
    forgotten = [record.metrics["forgetting"].mean() for record in found]
    rho = spearmanr([1, 2, 3, 3], forgotten).statistic
    assert f"ρ = {rho:.2f}" in axes.get_title()
    assert "4 runs, 2 at ∞" in axes.get_title().replace("\n", " ")
    finite = probe_against_forgetting(found[:2], probes=["response/mean_half_radius"])
    assert "∞" not in [tick.get_text() for tick in finite.axes[0].get_xticklabels()]
    assert_no_word_is_cut_off(figure)


def budget_of(seed: int) -> Budget:
    parts = [("training", "stale optimizer state"), ("kinds", "coefficients"), ("kinds", "base_weight")]
    parts += [("layers", "layer 1"), ("layers", "layer 2")]
    numbers = uniform(len(parts), 3, M, seed=seed, low=-0.2)
    R = uniform(M, T + 1, T, seed=seed + 1)
    return Budget(R, [Part(*names, *each) for names, each in zip(parts, numbers, strict=True)])


def test_budgets_are_bars_that_add_up(tmp_path) -> None:
    record, budget = probed(tmp_path), budget_of(0)
    assert read_budget(record.folder) is None
    assert probe_figures([record]) == {}
    write_budget(record.folder, record.seeds, budget)
    assert probe_figures([record]) == {"budget": forgetting_budgets}
    figure = forgetting_budgets([record, probed(tmp_path, 1)])
    assert len(figure.axes) == 2
    for axes, group in zip(figure.axes, ("kinds", "layers"), strict=True):
        bars = {bar.get_gid(): bar for each in axes.containers for bar in getattr(each, "patches", [])}
        own = {part.name: part.due for part in budget.parts if part.group in ("training", group)}
        assert list(bars) == ["forgetting", *own, "left over"]
        for name, due in {**own, "left over": budget.left_over(group)}.items():
            assert bars[name].get_width() == pytest.approx(summarize(due).mean)
        assert bars["left over"].get_hatch()
        parts = sum(bar.get_width() for name, bar in bars.items() if name != "forgetting")
        assert bars["forgetting"].get_width() == pytest.approx(parts)
    assert_no_word_is_cut_off(figure)
    assert "Nothing to draw" in words(forgetting_budgets([]))


def test_a_budget_is_read_as_it_was_written(tmp_path) -> None:
    budget = budget_of(3)
    budget.parts[1].learned[2] = np.nan
    path = write_budget(tmp_path, range(M), budget)
    found = {(part.group, part.name): part for part in read_budget(tmp_path)}
    assert len(found) == len(budget.parts) + 2
    for part in budget.parts:
        for key in ("due", "forgetting", "learned"):
            np.testing.assert_array_equal(getattr(found[part.group, part.name], key), getattr(part, key))
    np.testing.assert_array_equal(found["kinds", "left over"].due, budget.left_over("kinds"))
    path.write_text(path.read_text().replace("coefficients,0,", "coefficients,0,what"))
    with pytest.raises(UnusableFileError, match=r"budget.csv is damaged; python -m scripts.budget"):
        read_budget(tmp_path)


def test_what_was_measured_is_drawn(tmp_path) -> None:
    radii = np.array([0.0, 0.1, 0.2])
    arrays = {
        "response__radii": radii,
        "response__kinds": np.array([0.0]),
        "response__profile": np.tile([1.0, 0.5, 0.1], (M, T + 1, 1, 1)),
    }
    record = probed(tmp_path, **arrays)
    assert probe_figures([record, probed(tmp_path, 1)]) == {"responses": response_profiles}
    assert probe_figures([probed(tmp_path, 2)]) == {}
