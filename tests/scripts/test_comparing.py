"""`python -m scripts.runs compare`: finished runs against one of them."""

import sys
from pathlib import Path

import pytest

from scripts.runs.__main__ import main
from tests.synthetic import five_peaks, toy_functions

KAN = "KAN G=200, L-BFGS"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    five_peaks(folder / "five", count=3, members=10)
    toy_functions(folder / "toys", functions=3, members=5, models=2)
    return folder


@pytest.fixture
def compare(monkeypatch, capsys):
    """What the command prints, and how it ends."""

    def run(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["runs", "compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return capsys.readouterr().out, end.value.code

    return run


def test_differences_are_printed_and_written(results, compare) -> None:
    folder = results / "five"
    said, status = compare(folder, "--reference", KAN, "--metrics", "final_rmse,avg_r2", "--output", "cmp")
    assert status == 0
    assert f"{KAN} (reference)" in said
    assert "Holm's correction over the 4 tests" in " ".join(said.split())
    assert said.splitlines()[-2:] == [str(folder / "cmp.md"), str(folder / "cmp.csv")]
    assert (folder / "cmp.csv").read_text().count("\n") == 5


def test_over_several_curricula_there_are_ranks(results, compare) -> None:
    said, status = compare(results / "toys", "--reference", KAN, "--over", "function", "--test", "wilcoxon")
    assert status == 0
    assert "function J0(20x):" in said
    assert "mean rank" in said
    assert "Wilcoxon's signed ranks" in " ".join(said.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--reference", "KAN"], "error: no run is called KAN; there are: KAN G=200, L-BFGS; MLP SiLU 64, Adam; "),
        (["--reference", KAN, "--metrics", "forgeting"], "error: no such metric: forgeting; there are "),
        (["--reference", KAN, "--over", "function"], "error: no run has an axis function; there are none"),
        (["--reference", KAN, "--what", "depth"], "error: no run has an axis depth; there are none"),
        (["--reference", KAN, "--where", "name=nobody"], "error: no finished run is in "),
    ],
)
def test_mistakes_are_one_line(results, compare, arguments, expected) -> None:
    said, status = compare(results / "five", *arguments)
    assert said == ""
    assert str(status).startswith(expected)
    assert "\n" not in str(status)
