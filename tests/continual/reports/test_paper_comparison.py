"""Ours beside the paper's: which stage is shown, what counts as good, and how it is written."""

import csv

import numpy as np
import pytest

from continual.reports.page import write_page
from continual.reports.paper_comparison import write_comparison
from tests.synthetic import write_growing

BEST = np.array([[1e-1, 2e-3], [1e-1, 1e-3], [1e-1, 9e-1]])  # median of the second stage: 2e-3


@pytest.fixture
def records(tmp_path):
    def run(name, errors, function, group, **settings):
        return write_growing(tmp_path / name, errors, function=function, series=name, group=group, **settings)

    return [
        run("coarse", BEST, "f", "KAN, L-BFGS", grids=(3, 5)),
        run("fine", np.full((3, 2), [0.3, 0.2]), "f", "KAN, other", grids=(3, 5)),
        run("mlp", np.full((3, 1), 1e-3), "f", "MLP", grids=None, layer_sizes=(2, 5, 1)),
        run("second", np.full((3, 2), [0.3, 0.2]), "g|h", "KAN, L-BFGS", grids=(3, 5)),
        run("lost", np.full((3, 1), np.nan), "g|h", "MLP", grids=None, layer_sizes=(2, 5, 1)),
    ]


COLUMNS = {"KAN": {"group": ["KAN, L-BFGS", "KAN, other"]}, "MLP": {"group": ["MLP"]}}


def test_the_best_stage_by_the_median_seed_stands_beside_the_paper(records, tmp_path) -> None:
    paper = {"f": {"KAN": 2.0e-3, "MLP": 9e-4}, "g|h": {"KAN": 0.19, "MLP": None}}
    found = write_comparison(records, tmp_path, columns=COLUMNS, paper=paper, pairs=[("KAN", "MLP")])
    text = found[0].read_text()
    first, second = text.splitlines()[2:4]
    assert first == "| f | 0.00200 | 0.0020* ([2,1,1] G=5, 30) | 9.00e-4 | 0.0010 ([2,5,1], 21) |"
    assert second == r"| g\|h | 0.190 | 0.20 ([2,1,1] G=5, 30) | – | – |"
    assert "KAN: as good as in the paper or better in 1 of 2 rows by the median seed, in 1 by the best." in text
    assert "MLP: as good as in the paper or better in 0 of 1 rows by the median seed, in 0 by the best." in text
    assert "KAN is below MLP in 0 of 1 rows; the ratio of their errors is 2.0 in the median row." in text
    assert text.rstrip().splitlines()[-1].startswith("5 runs, 15 networks, ")
    rows = list(csv.DictReader(found[1].read_text().splitlines()))
    assert [(row["function"], row["column"]) for row in rows] == [
        ("f", "KAN"),
        ("f", "MLP"),
        ("g|h", "KAN"),
        ("g|h", "MLP"),
    ]
    assert float(rows[0]["rmse_median"]) == pytest.approx(2e-3)
    assert float(rows[0]["rmse_lowest"]) == pytest.approx(1e-3)
    assert (rows[0]["grid_size"], rows[0]["run"], rows[1]["grid_size"], rows[3]["rmse_median"]) == (
        "5",
        "coarse",
        "",
        "",
    )
    page = write_page(tmp_path, records, "t", {}, {"paper": "Caption."}, "c", {"paper": found}).read_text()
    assert "<td>g|h</td>" in page
    assert "Caption." in page
    assert "KAN is below MLP" in page


def test_groups_are_the_columns_by_default_and_the_name_is_free(records, tmp_path) -> None:
    table, numbers = write_comparison(records, tmp_path, name="fair")
    assert (table.name, numbers.name) == ("fair.md", "fair.csv")
    assert table.read_text().splitlines()[0] == "| function | KAN, L-BFGS | KAN, other | MLP |"
    (empty, _) = write_comparison([], tmp_path)
    assert empty.read_text().startswith("| function |")
