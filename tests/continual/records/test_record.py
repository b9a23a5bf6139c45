"""Run records: written last and whole, read back as they were, refused where they are no records."""

import json

import numpy as np
import pytest

from continual.records.files import replace_file
from continual.records.record import is_done, read_record, write_record


def fields(**more):
    R = np.array([[[1.0, 1.0], [0.1, 1.0], [0.3, 0.2]], [[1.0, 1.0], [np.nan, np.nan], [np.nan, np.nan]]])
    base = {
        "status": "done",
        "experiment": "test",
        "name": "KAN",
        "model": {"family": "KAN"},
        "sweep": {"depth": 2},
        "seeds": [0, 1],
        "diverged": np.array([False, True]),
        "task_names": ["a", "b"],
        "parameters": {"trainable": 203, "total": 204},
        "seconds": {"total": 1.5, "train": 1.0},
        "R": R,
        "baseline_rmse": np.full((2, 2), 0.5),
    }
    return {**base, **more}


def test_round_trip(tmp_path) -> None:
    curves = {"step": np.arange(3), "rmse": np.random.default_rng(0).random((2, 3, 2))}
    record = write_record(tmp_path / "run", fields(), curves)
    assert is_done(tmp_path / "run")
    np.testing.assert_array_equal(record.R, fields()["R"])
    assert record.diverged.tolist() == [False, True]
    assert record.metrics["forgetting"][0] == pytest.approx(0.2)
    assert np.isnan(record.metrics["forgetting"][1])
    assert (record.name, record.family, record.trainable_parameters, record.total_parameters) == (
        "KAN",
        "KAN",
        203,
        204,
    )
    for name, values in curves.items():
        np.testing.assert_array_equal(record.curves[name], values)


def test_not_finite_is_null_in_plain_json(tmp_path) -> None:
    write_record(tmp_path, fields(note=float("inf")), {})
    text = (tmp_path / "record.json").read_text()
    parsed = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert parsed["R"][1][1] == [None, None]
    assert parsed["note"] is None


def test_a_failed_write_leaves_the_old_file_and_no_record(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial) -> None:
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fail)
    assert path.read_text() == "old"
    with pytest.raises(TypeError):
        write_record(tmp_path / "run", fields(bad=object()), {})
    assert not is_done(tmp_path / "run")


def test_damaged_and_foreign_records_are_refused_in_one_line(tmp_path) -> None:
    for content, message in (
        ("{", "is no run record"),
        ("[]", "is no run record"),
        ('{"format": 99}', "has format 99"),
    ):
        (tmp_path / "record.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            read_record(tmp_path)
