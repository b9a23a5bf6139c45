"""Published numbers beside ours: which run is held against which number, and what the verdicts mean."""

import numpy as np
import pytest

from continual.reports.comparisons import compare_published, read_published, text_published
from scripts.reproduced.__main__ import main
from tests.synthetic import write_run

TEXT = """
- source: Somebody
  command: python -m scripts.train +experiment=five_peaks
  experiment: five_peaks
  metric: final_rmse
  numbers:
    - {setting: first, value: %s, where: {name: one}}
"""


def verdict(record, value, **more) -> str:
    (number,) = read_published(TEXT % value)
    (found,) = compare_published([type(number)(**{**vars(number), **more})], [record])
    return found.verdict


@pytest.fixture
def record(tmp_path):
    return write_run(tmp_path / "one", name="one", keep=0.5)


def test_verdicts(record) -> None:
    ours = float(np.mean(record.metrics["final_rmse"]))
    assert verdict(record, ours) == "reproduced"
    assert verdict(record, 1.4 * ours, spread=0.3 * ours) == "reproduced"
    vars(record)["probes"] = {"online/loss": np.array([[1.0, 2.0], [1.0, 9.0]])}
    assert verdict(record, 3.0, metric=None, probe="online/loss") == "can't tell"
    assert verdict(record, 5.0 * ours) == "order of magnitude"
    assert verdict(record, ours / 5.0) == "order of magnitude"
    assert verdict(record, 50.0 * ours) == "better"
    assert verdict(record, ours / 50.0) == "contradicted"
    assert verdict(record, ours / 50.0, factor=0.02) == "reproduced"
    assert verdict(record, ours, incomparable="since") == "can't be compared"
    assert verdict(record, ours, where={"name": "another"}) == "not run"
    assert verdict(record, ours, experiment="elsewhere") == "not run"


def test_shares_are_compared_by_their_differences(record) -> None:
    ours, half = float(np.mean(record.metrics["final_r2"])), 0.05
    share = {"metric": "final_r2"}
    assert verdict(record, ours + 0.01, **share, within=half) == "reproduced"
    assert verdict(record, ours - 0.3, **share, within=0.0) == "contradicted"


def test_an_array_of_a_probe(record) -> None:
    vars(record)["probes"] = {"online/loss": np.array([[np.nan, 1.0, 2.0]] * 4)}
    probe = {"metric": None, "probe": "online/loss"}
    assert verdict(record, 1.0, **probe, at=1) == "reproduced"
    assert verdict(record, 2.0, **probe) == "reproduced"
    assert verdict(record, 30.0, **probe) == "better"


def test_the_full_form_counts_for_the_experiment(tmp_path) -> None:
    full = write_run(tmp_path / "full", name="one", experiment="five_peaks_full", keep=0.5)
    quick = write_run(tmp_path / "quick", name="one", keep=0.5)
    number = read_published(TEXT % 1.0)
    assert compare_published(number, [full])[0].record is full
    assert compare_published(number, [full, quick])[0].record is quick


def test_the_suites_own_file_names_experiments_and_settings_that_are_there() -> None:
    numbers = read_published()
    assert len(numbers) > 20
    assert len({(each.source, each.setting) for each in numbers}) == len(numbers)
    for each in numbers:
        assert each.command.startswith("python -m scripts.train +experiment=" + each.experiment)
        assert each.where, each.setting


def test_a_table_and_the_command_that_writes_it(tmp_path, record, monkeypatch, capsys) -> None:
    (number,) = read_published(TEXT % 1.0)
    text = text_published(compare_published([number], [record]))
    assert "## Somebody" in text
    assert "`python -m scripts.train +experiment=five_peaks`" in text
    assert "| first | 1.00 |" in text
    target = tmp_path / "table.md"
    monkeypatch.setattr("sys.argv", ["reproduced", str(tmp_path), f"output={target}"])
    main()
    assert capsys.readouterr().out.strip() == str(target)
    assert "not run" in target.read_text(encoding="utf-8")


def test_mistakes_in_the_file_are_named() -> None:
    with pytest.raises(ValueError, match=r"Somebody, first: .*unexpected keyword"):
        read_published(TEXT % "1.0, colour: red")
    with pytest.raises(ValueError, match="needs a metric or a probe"):
        read_published((TEXT % 1.0).replace("  metric: final_rmse\n", ""))
    with pytest.raises(ValueError, match="no such metric: final_mse"):
        read_published((TEXT % 1.0).replace("final_rmse", "final_mse"))
