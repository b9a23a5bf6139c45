"""Heat maps over axes that are no sizes: every cell's number is the mean of the runs that stand there."""

import numpy as np
import pytest

from continual.figures import heat_map
from continual.figures.parts.cells import compact
from tests.synthetic import assert_no_word_is_cut_off, write_run

STRATEGIES, MODELS, CURRICULA = ("fine-tuning", "replay, 50 samples", "EWC"), ("KAN, depth 2", "MLP, tanh"), ("a", "b")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heat")
    places = [(s, m, c) for s in STRATEGIES for m in MODELS for c in CURRICULA][:-1]  # one cell is empty
    return [
        write_run(
            folder / str(index),
            name=f"{model}, {curriculum}: {strategy}",
            keep=0.1 + 0.05 * index,
            sweep={"strategy": strategy, "series": model, "curriculum": curriculum},
        )
        for index, (strategy, model, curriculum) in enumerate(places)
    ]


@pytest.mark.parametrize("metric", ["final_rmse", "retention", "forgetting"])
def test_every_cell_says_the_mean_of_its_runs(runs, metric) -> None:
    figure = heat_map(runs, "strategy", "series", "curriculum", metric)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == list(CURRICULA)
    for axes, curriculum in zip(panels, CURRICULA, strict=True):
        found = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
        for i, strategy in enumerate(STRATEGIES):
            for j, model in enumerate(MODELS):
                own = [r for r in runs if list(r.sweep.values()) == [strategy, model, curriculum]]
                mean = own[0].metrics[metric].mean() if own else np.nan
                assert found[i, j] == compact(mean), (strategy, model, curriculum)
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(STRATEGIES)
    assert_no_word_is_cut_off(figure)


def test_without_panels_runs_of_a_cell_are_pooled(runs) -> None:
    figure = heat_map(runs, "strategy", "series")
    first = next(text.get_text() for axes in figure.axes for text in axes.texts if text.get_position() == (0, 0))
    own = [r for r in runs if r.sweep["strategy"] == STRATEGIES[0] and r.sweep["series"] == MODELS[0]]
    assert first == compact(np.concatenate([r.metrics["final_rmse"] for r in own]).mean())


def test_what_is_not_there_is_said(runs) -> None:
    with pytest.raises(ValueError, match="metric"):
        heat_map(runs, "strategy", "series", metric="final_rmsq")
    assert "Nothing to draw" in "".join(text.get_text() for text in heat_map(runs, "nothing", "series").texts)
