"""What models became: shapes and formulas in records, table, page and figure."""

import json

import matplotlib.image
import numpy as np
import pytest

from continual.figures import networks
from continual.reports.page import write_page
from continual.reports.structure import Structure, cells, outcome, phrase, structures, write_structures
from tests.synthetic import write_run


def changed(folder, name="xy", members=3, **model):
    """A record of a run that was pruned; ten seeds of one task."""
    record = write_run(folder, name=name, members=members)
    path = record.folder / "record.json"
    fields = json.loads(path.read_text())
    fields["events"] = [{"step": 20, "text": "pruned from [2, 5, 1] | said"}, {"step": 40, "text": "grid extension"}]
    fields["model"].update(model)
    path.write_text(json.dumps(fields))
    return type(record)(record.folder, fields)


def test_shapes_and_formulas_are_counted_the_most_frequent_first(tmp_path) -> None:
    record = changed(tmp_path / "a", shapes=[[2, 2, 1], [2, 1, 1], [2, 1, 1]], formulas=[["x1"], ["x2"], ["x2"]])
    structure = Structure.of(record)
    assert structure.shapes == [("[2, 1, 1]", 2), ("[2, 2, 1]", 1)]
    assert structure.formulas == [("x2", 2), ("x1", 1)]
    final = record.metrics["final_rmse"]
    assert structure.rmse == (pytest.approx(float(np.median(final))), pytest.approx(float(final.max())))
    assert cells(structure)[1:3] == ["[2, 1, 1] × 2, [2, 2, 1]", "x2 × 2, x1"]


def test_runs_that_nothing_changed_are_left_out(tmp_path) -> None:
    plain, pruned = write_run(tmp_path / "plain", name="plain"), changed(tmp_path / "pruned", name="pruned")
    assert [structure.record.name for structure in structures([plain, pruned])] == ["pruned"]
    assert write_structures([plain], tmp_path) is None
    assert not (tmp_path / "structure.md").exists()
    text = write_structures([plain, pruned], tmp_path).read_text()
    assert len(text.splitlines()) == 3
    assert r"step 20: pruned from [2, 5, 1] \| said; step 40: grid extension" in text
    assert "What models became" in write_page(tmp_path, [plain, pruned], "t", {}, {}, "c").read_text()
    assert "What models became" not in write_page(tmp_path, [plain], "t", {}, {}, "c").read_text()


def test_of_what_is_equally_frequent_the_better_comes_first(tmp_path) -> None:
    names = [["a"], ["b"], ["c"]]
    record = changed(tmp_path / "a", formulas=names)
    order = np.argsort(record.metrics["final_rmse"])
    assert [text for text, _ in Structure.of(record).formulas] == [names[m][0] for m in order]


def test_formulas_are_said_at_the_end_of_a_run(tmp_path) -> None:
    assert outcome(write_run(tmp_path / "plain")) == ""
    assert outcome(changed(tmp_path / "moved")) == ""
    pruned = changed(tmp_path / "pruned", shapes=[[2, 1, 1]] * 3, formulas=[["x1"], ["x2", "sin(x1)"], ["x1"]])
    assert outcome(pruned).splitlines() == [
        "shape at the end: [2, 1, 1] × 3",
        "formula: x1 (2 of 3 seeds)",
        "formula: x2; sin(x1) (1 of 3 seeds)",
    ]
    many = changed(tmp_path / "many", members=4, formulas=[["x1"], ["x2"], ["x3"], ["x4"]])
    assert len(outcome(many).splitlines()) == 4
    assert outcome(many).splitlines()[-1] == f"1 more: model.formulas in {many.folder / 'record.json'}"


def test_a_phrase_says_how_much_it_leaves_out() -> None:
    assert phrase([]) == "–"
    assert phrase([("a", 3), ("b", 1), ("c", 1)], most=2) == "a × 3, b, 1 more"


def portrait(live):
    arrays = {}
    for index, edges in enumerate(live):
        edges = np.array(edges, dtype=bool)[None].repeat(3, 0)
        arrays |= {f"edge_live_{index}": edges, f"edge_l1_{index}": edges.astype(np.float32)}
    return arrays


def test_networks_shows_the_best_seed_before_and_after(tmp_path) -> None:
    record = changed(tmp_path / "a", formulas=[["x1"], ["x2"], ["x3"]])
    before, after = portrait([np.ones((2, 5)), np.ones((5, 1))]), portrait([[[1, 0], [1, 0]], [[1], [1]]])
    curves = {f"portrait_0/{k}": v for k, v in before.items()} | {f"portrait/{k}": v for k, v in after.items()}
    object.__setattr__(record, "curves", {**record.curves, **curves})
    drawn = []

    def draw(rows):
        drawn.extend(rows)
        return networks([], lambda rows: None)

    networks([record, write_run(tmp_path / "b", name="no portrait")], draw)
    ((first, second),) = drawn
    best = int(np.argmin(record.metrics["final_rmse"]))
    assert first[0] == "xy\n[2, 5, 1]"
    assert second[0].startswith(f"x{best + 1}\n[2, 1, 1], test RMSE ")  # the second node has no input left
    assert (first[2], second[2]) == (best, best)
    assert set(second[1]) == set(after)
    drawn.clear()
    networks([record] * 3, draw, across=2)
    assert [len(row) for row in drawn] == [4, 2]
    drawn.clear()
    networks([record], draw, only=["another"])
    assert not drawn


def test_networks_says_when_there_is_nothing_to_draw(tmp_path) -> None:
    figure = networks([write_run(tmp_path / "a", name="a")], lambda rows: None)
    figure.savefig(tmp_path / "nothing.png")
    assert matplotlib.image.imread(tmp_path / "nothing.png").size
