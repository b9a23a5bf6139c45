"""Tables hold the metrics of the records: every digit in the CSV, the right digits for people."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from continual.metrics import METRICS, Summary, summarize
from continual.records.record import Record
from continual.reports.numbers import format_count, format_interval, format_value
from continual.reports.tables import rows, text_table, write_tables
from tests.synthetic import five_peaks, write_run


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return five_peaks(tmp_path_factory.mktemp("tables"), 12, members=10, tasks=3)


def summary(mean: float, half: float, defined: int = 10, members: int = 10) -> Summary:
    return Summary(np.array(mean), np.array(half), np.array(mean), np.array(defined), members)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.1e-6, "4.1e-6"),
        (0.4234, "0.42"),
        (12.34, "12"),
        (0.0996, "0.10"),
        (math.nan, "–"),
        (0.0, "0"),
        (1.0, "1.0"),
        (-3.21e-7, "-3.2e-7"),
        (1.2e7, "1.2e7"),
        (math.inf, "inf"),
    ],
)
def test_values(value: float, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (summary(4.13e-6, 2.2e-7), "4.1e-6 ± 2e-7"),
        (summary(0.4213, 0.0104), "0.42 ± 0.01"),
        (summary(0.1234, 0.031, defined=9), "0.12 ± 0.03 (9/10)"),
        (summary(math.nan, math.nan, defined=0), "–"),
        (summary(0.4213, math.nan, 1, 1), "0.42"),
        (summary(1.0, 0.0), "1.0 ± 0"),
        (summary(0.0, 0.02), "0 ± 0.02"),
        (summary(0.4, 2.2), "0.40 ± 2"),
        (summary(0.0062, 0.021), "0.0062 ± 0.02"),
        (summary(0.0004, 0.021), "4.0e-4 ± 0.02"),
        (summary(123.456, 0.0001), "123.5 ± 0.0001"),
        (summary(65.3, 171.0), "65 ± 200"),
        (summary(9.96, 0.098), "10.0 ± 0.1"),
        (summary(0.9755, 0.031), "0.98 ± 0.03"),
        (summary(0.9999964, 3e-6), "1.000 ± 3e-6"),
        (summary(-0.42, 0.03), "-0.42 ± 0.03"),
    ],
)
def test_intervals(given: Summary, text: str) -> None:
    assert format_interval(given) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(406, "406"), (99_999, "99999"), (123_456, "123k"), (999_800, "1M"), (1_234_567, "1.23M"), (None, "–")],
)
def test_counts(count: float | None, text: str) -> None:
    assert format_count(count) == text


def test_rows_summarise_every_metric(records: list[Record]) -> None:
    for row, record in zip(rows(records), records, strict=True):
        assert set(row.metrics) == set(METRICS)
        np.testing.assert_equal(row.metrics["final_rmse"], summarize(record.metrics["final_rmse"]))
    assert rows(records)[3].seeds == "10 (1 diverged)"


def test_the_text_table_fits_a_terminal_and_says_everything(records: list[Record]) -> None:
    table = text_table(records)
    lines = table.splitlines()
    assert max(map(len, lines)) <= 120
    assert "forgetting ↓" in table
    assert "retention ↑" in table
    assert "forgetting > 0 is worse" in " ".join(lines)
    assert "(9/10)" in table
    assert "(1 div.)" in table
    lost = next(line for line in lines if "19.5" in line)
    assert lost.count("–") == 4
    for record, row in zip(records, rows(records), strict=True):
        # a name that is wrapped still stands there whole, and its numbers on its first line
        first = next(i for i, line in enumerate(lines) if f" {record.seconds:.3g} " in line)
        value = format_interval(row.metrics["final_rmse"]).split(" (")[0]
        assert value in lines[first]
        end = next((i for i in range(first + 1, len(lines)) if lines[i][:1] not in (" ",)), len(lines))
        column = [line[: lines[first].index(str(record.trainable_parameters)) - 2].strip() for line in lines[first:end]]
        assert " ".join(column).split() == record.name.split()


def test_total_parameters_have_a_column_only_where_they_differ(tmp_path: Path) -> None:
    same = [write_run(tmp_path / "a", parameters=(10, 10), members=2)]
    assert " total" not in text_table(same).splitlines()[1]
    other = [*same, write_run(tmp_path / "b", parameters=(10, 20), members=2)]
    assert " total" in text_table(other).splitlines()[1]


def test_csv_has_every_digit_and_nothing_for_the_undefined(records: list[Record], tmp_path: Path) -> None:
    found, _ = write_tables(records, tmp_path)
    with found.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [line["model"] for line in read] == [record.name for record in records]
    for line, record in zip(read, records, strict=True):
        assert int(line["parameters"]) == record.trainable_parameters
        assert int(line["diverged"]) == record.diverged.sum()
        assert int(line["seeds"]) == 10
        for name, values in record.metrics.items():
            expected = summarize(values)
            assert int(line[f"{name}_defined"]) == expected.defined
            assert int(line[f"{name}_members"]) == expected.members
            for part in ("mean", "half_width", "median"):
                number = float(getattr(expected, part))
                text = line[f"{name}_{part}"]
                assert (text == "") if math.isnan(number) else (float(text) == number)


def test_csv_has_the_axes_of_the_sweep(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", sweep={"grid_size": 5}, members=1),
        write_run(tmp_path / "b", sweep={"depth": 2}, members=1, order=1),
    ]
    with write_tables(runs, tmp_path)[0].open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["sweep_grid_size"], first["sweep_depth"]) == ("5", "")
    assert (second["sweep_grid_size"], second["sweep_depth"]) == ("", "2")


def test_markdown_is_a_table(records: list[Record], tmp_path: Path) -> None:
    odd = write_run(tmp_path / "odd", name="a|b", members=1, order=50)
    _, found = write_tables([*records, odd], tmp_path)
    lines = found.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(records) + 1
    columns = {line.replace("\\|", "").count("|") for line in table}
    assert len(columns) == 1
    assert "learned RMSE ↓" in table[0]
    assert "a\\|b" in table[-1]


def test_nothing_is_a_table_too(tmp_path: Path) -> None:
    assert "model" in text_table([])
    assert all(path.is_file() for path in write_tables([], tmp_path))
