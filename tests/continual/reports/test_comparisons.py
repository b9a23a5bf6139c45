"""Tables of paired differences and ranks: numbers against the statistics, marks, and sweeps that can't be compared."""

import csv
from pathlib import Path

import numpy as np
import pytest

from continual.metrics import summarize
from continual.metrics.statistics import holm, paired_difference, rank_table
from continual.records.record import Record
from continual.reports.comparisons import (
    crossed,
    differences,
    ranks,
    text_differences,
    text_ranks,
    write_differences,
    write_ranks,
)
from continual.reports.numbers import format_interval
from tests.synthetic import five_peaks, toy_functions, write_run

KAN = "KAN G=200, L-BFGS"


@pytest.fixture(scope="module")
def five(tmp_path_factory) -> list[Record]:
    """Six models, of one a member diverged."""
    return five_peaks(tmp_path_factory.mktemp("five"), count=6, members=10)


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> list[Record]:
    """Three models on five curricula."""
    return toy_functions(tmp_path_factory.mktemp("toys"), functions=5, members=6, models=3)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_run_stands_against_the_reference(five: list[Record], tmp_path: Path) -> None:
    paths = write_differences(five, tmp_path, KAN, ("final_rmse", "retention"))
    lines = read(paths[1])
    assert len(lines) == 5 * 2
    by_hand = []
    for record in five[1:]:
        for metric, higher in (("final_rmse", False), ("retention", True)):
            own, other = (dict(zip(r.seeds, r.metrics[metric], strict=True)) for r in (record, five[0]))
            by_hand.append(paired_difference(own, other, higher))
    corrected = holm([each.sign_flip.p for each in by_hand])
    for line, found, p in zip(lines, by_hand, corrected, strict=True):
        assert float(line["difference"]) == found.student.estimate
        assert float(line["p_sign_flip"]) == found.sign_flip.p
        assert float(line["p_wilcoxon"]) == found.wilcoxon.p
        assert float(line["p_holm"]) == p
        assert float(line["bootstrap_low"]) == found.bootstrap.low
        assert (int(line["n"]), int(line["pairs"])) == (found.n, 10)
        assert line["differs"] == str(p <= 0.05).lower()
    diverged = [line for line in lines if line["run"].startswith("MLP tanh")]
    assert {line["n"] for line in diverged} == {"9"}
    assert {line["reason"] for line in diverged} == {"undefined on 1 of 10 seeds"}


def test_the_table_says_n_tests_and_what_does_not_differ(five: list[Record], tmp_path: Path) -> None:
    text = write_differences(five, tmp_path, KAN, ("final_rmse", "stability_gap"))[0].read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    own = format_interval(summarize(five[0].metrics["final_rmse"]))
    assert table[2].startswith(f"| {KAN} (reference) | 10 | {own} |")
    assert all("0 ± 0 ≈" in line for line in table[3:])  # the stability gap of all is zero
    assert not any("≈" in line.split("|")[3] for line in table[3:])
    assert "0 ± 0 ≈ (9/10)" in text
    assert "exact sign flips, with Holm's correction over the 10 tests of this table" in text
    assert "n = 9 to 10 pairs" in text
    assert "– in final RMSE, stability gap: diverged (MLP tanh 64×2, L-BFGS: 1 of 10 seeds)." in text


def test_too_few_seeds_for_so_many_tests_are_said_to_be(tmp_path: Path) -> None:
    few = five_peaks(tmp_path, count=3, members=4)
    text = text_differences(few, KAN)
    assert " ?" in text
    assert "≈ " not in text.partition("Δ: run")[0]
    assert "4 pairs can't tell, however large a difference is, in 4 tests at 0.05; that takes 8 seeds" in " ".join(
        text.split()
    )
    found = differences(crossed(few), KAN)
    assert {each.differs(0.05) for each in found} == {None}
    assert {each.differs(0.6) for each in found} == {True}


def test_places_have_a_reference_each(toys: list[Record], tmp_path: Path) -> None:
    paths = write_differences(toys, tmp_path, KAN, ("final_rmse",), over=["function"])
    lines = read(paths[1])
    assert len(lines) == 5 * 2
    assert lines[0]["on"] == "function J0(20x)"
    for line in lines:
        pair = [r for r in toys if r.sweep["function"] == line["on"].removeprefix("function ")]
        other = next(r for r in pair if r.name.startswith(line["run"]))
        expected = np.mean(other.metrics["final_rmse"] - pair[0].metrics["final_rmse"])
        assert float(line["difference"]) == pytest.approx(expected)
    assert max(map(len, text_differences(toys, KAN, over=["function"]).splitlines())) <= 120


def test_ranks_over_curricula_and_over_seeds(toys: list[Record], five: list[Record], tmp_path: Path) -> None:
    found = ranks(crossed(toys, over=["function"]), "final_rmse")
    scores = np.array([r.metrics["final_rmse"].mean() for r in toys]).reshape(5, 3)
    np.testing.assert_array_equal(found.ranks, rank_table(scores, found.models, higher=False).ranks)
    paths = write_ranks(toys, tmp_path, over=["function"])
    assert [float(line[KAN]) for line in read(paths[1])] == [*found.ranks[:, 0], found.mean[0]]
    assert "over N = 5 curricula, K = 3" in paths[0].read_text()
    by_seed = ranks(crossed(five), "final_rmse")
    assert by_seed.ranks.shape == (10, 6)
    assert by_seed.ranks[1].tolist()[3] == 6.0  # the member that diverged is the last on its seed
    assert "N = 10 seeds of one curriculum" in " ".join(text_ranks(five, "final_rmse").split())


def test_curricula_that_lack_a_run_are_left_out_of_ranks(toys: list[Record], tmp_path: Path) -> None:
    text = write_ranks(toys[:-1], tmp_path, over=["function"])[0].read_text()
    assert "N = 4 curricula" in text
    assert "1 of 5 curricula lack a run of some, and are left out." in text


def test_an_axis_is_compared_by_its_values(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{s}-{g}", name=f"{s} {g}", order=i, sweep={"strategy": s, "grid_size": g}, keep=keep)
        for i, (s, g, keep) in enumerate([("ewc", 5, 0.9), ("none", 5, 0.2), ("ewc", 9, 0.9), ("none", 9, 0.2)])
    ]
    table = crossed(runs, "strategy", ["grid_size"])
    assert (list(table.names), list(table.places)) == (["ewc", "none"], ["grid_size 5", "grid_size 9"])
    assert table.scores("ewc", "retention").shape == (4, 2)
    with pytest.raises(ValueError, match=r"ewc 5 and ewc 9 are both ewc; name the axes that tell them apart"):
        crossed(runs, "strategy")
    with pytest.raises(ValueError, match="no run has an axis strateg; there are strategy, grid_size"):
        crossed(runs, "strateg")


def test_a_part_of_a_sweep_has_a_report_all_the_same(five: list[Record], tmp_path: Path) -> None:
    """What is missing is said in the table, for the runs are done."""
    md, table = write_differences(five[1:], tmp_path, KAN)
    assert md.read_text().startswith(f"No differences: no run is called {KAN}; there are: MLP SiLU")
    assert read(table) == []
    for runs in ([], [five[0], five[0]]):
        assert write_ranks(runs, tmp_path)[0].read_text().startswith("No ranks: ")
    assert write_differences([five[0]], tmp_path, KAN)[0].read_text().count("|") > 0
    with pytest.raises(ValueError, match="no such metric: rmse"):
        write_differences(five, tmp_path, KAN, ["rmse"])
    with pytest.raises(ValueError, match="test must be sign_flip or wilcoxon"):
        write_differences(five, tmp_path, KAN, test="t")
    with pytest.raises(ValueError, match="no such metric: rmse"):
        write_ranks(five, tmp_path, "rmse")
