"""`python -m scripts.budget`: a finished run's budget as a table and a picture beside its record."""

import csv

import numpy as np
import pytest

from continual.metrics import forgetting
from continual.run import execute
from scripts.budget.training import train_budget
from tests.short_runs import short_run


def test_a_budget_stands_beside_its_record(tmp_path) -> None:
    record = execute(short_run(tmp_path / "run", ["model.grid_size=4", "model.width=2"]))
    said = list(train_budget(record.folder))
    assert said[0].startswith("short: forgetting ")
    assert not any("to the last bit" in line for line in said)  # trained again it is the recorded run
    assert [line.split()[0] for line in said[1:-2]] == ["training", *["kinds"] * 3, *["layers"] * 2, "kinds", "layers"]
    assert said[-2:] == [str(record.folder / "budget.csv"), str(record.folder / "budget.png")]
    assert (record.folder / "budget.png").stat().st_size > 5000
    with (record.folder / "budget.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for group in ("kinds", "layers"):
        due = np.zeros(2)
        for row in rows:
            if row["group"] in ("training", group):
                due[record.seeds.index(int(row["seed"]))] += float(row["due"])
        np.testing.assert_allclose(due, forgetting(record.R), rtol=0, atol=1e-12)


def test_what_is_no_finished_run_has_none(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        next(train_budget(tmp_path))
