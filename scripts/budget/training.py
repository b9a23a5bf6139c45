"""Forgetting budgets of finished runs, which are built again from their own configs."""

__all__ = ["write_budget"]

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml

from continual.metrics import forgetting, summarize
from continual.probes import forgetting_budget
from continual.records.files import replace_file
from continual.records.record import read_record
from continual.reports.numbers import format_interval
from scripts.config.parts import build_parts


def write_budget(folder: Path) -> Iterator[str]:
    """Trains a run again with each part kept still, writes `budget.csv` beside its record, and says what came out.

    Args:
        folder: of a finished run.

    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a single task.
    """
    if not (folder / "record.json").is_file():
        raise FileNotFoundError(f"{folder} holds no finished run (no record.json)")
    record = read_record(folder)
    values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    torch.set_num_threads(int(values["threads"]))
    budget = forgetting_budget(build_parts(values).training)
    yield f"{record.name}: forgetting {format_interval(summarize(forgetting(budget.R)))}, of which due to"
    if not np.array_equal(budget.R, record.R, equal_nan=True):
        yield "  (trained again it is not the recorded run to the last bit: other code, versions or hardware)"
    rows = [(part.group, part.name, part.due, part.forgetting, part.learned) for part in budget.parts]
    empty = np.full(len(record.seeds), np.nan)
    rows += [(group, "left over", budget.left_over(group), empty, empty) for group in ("kinds", "layers")]
    for group, name, due, _, _ in rows:
        yield f"  {group:10}{name:24}{format_interval(summarize(due))}"
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["group", "part", "seed", "due", "forgetting_without", "learned_rmse_without"])
    for group, name, *numbers in rows:
        for seed, *each in zip(record.seeds, *numbers, strict=True):
            table.writerow([group, name, seed, *("" if np.isnan(v) else repr(float(v)) for v in each)])
    replace_file(folder / "budget.csv", text.getvalue().encode())
    yield str(folder / "budget.csv")
