"""How much it takes to keep what was learned: the least amount by hand, and where there is none."""

import csv

import numpy as np
import pytest

from continual.reports.comparisons import needed, write_needed
from tests.synthetic import write_run

KEEP = {("KAN", 5): 0.6, ("KAN", 20): 0.97, ("KAN", 50): 0.999, ("MLP", 5): 0.2, ("MLP", 20): 0.3, ("MLP", 50): 0.4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("needed")
    return [
        write_run(
            folder / f"{series}{amount}",
            name=f"{series} {amount}",
            keep=keep,
            sweep={"series": series, "amount": amount},
        )
        for (series, amount), keep in reversed(KEEP.items())
    ]


def test_the_least_amount_is_found(runs) -> None:
    found = {each.where[0]: each for each in needed(runs, "amount", ["series"], keep=0.9)}
    means = {record.name: float(record.metrics["retention"].mean()) for record in runs}
    enough = [amount for amount in (5, 20, 50) if means[f"KAN {amount}"] >= 0.9]
    assert found["KAN"].amount == min(enough)
    assert 5 not in enough
    assert list(found["KAN"].tried) == [5.0, 20.0, 50.0]
    assert found["MLP"].amount is None
    assert found["MLP"].best.name == max((name for name in means if name[0] == "M"), key=lambda name: means[name])


def test_a_run_that_hardly_learned_keeps_nothing(tmp_path) -> None:
    record = write_run(tmp_path, name="blank", keep=1.0, noise=30.0, sweep={"amount": 1}, members=4)
    assert np.isnan(record.metrics["retention"]).sum() > 2
    [only] = needed([record], "amount", [])
    assert only.amount is None


def test_the_table_says_what_is_kept_and_learned(runs, tmp_path) -> None:
    page, numbers = write_needed([*runs, write_run(tmp_path / "bare")], tmp_path, "amount")
    text = page.read_text(encoding="utf-8")
    assert "none up to 50" in text
    with numbers.open(encoding="utf-8", newline="") as file:
        rows = {row["series"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"KAN", "MLP"}
    record = next(run for run in runs if run.name == f"KAN {float(rows['KAN']['amount']):g}")
    assert float(rows["KAN"]["retention_mean"]) == pytest.approx(record.metrics["retention"].mean(), rel=1e-12)
    assert rows["MLP"]["amount"] == ""
    assert rows["KAN"]["seeds"] == "4"
