"""Forgetting budgets of finished runs, which are built again from their own configs."""

__all__ = ["train_budget"]

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml

from continual.figures import forgetting_budgets, save
from continual.metrics import forgetting, summarize
from continual.probes import forgetting_budget
from continual.records.record import read_record
from continual.reports.budgets import write_budget
from continual.reports.numbers import format_interval
from scripts.config.parts import build_parts


def train_budget(folder: Path) -> Iterator[str]:
    """Trains a run again with each part kept still, and says what came out.

    Writes `budget.csv` and `budget.png` beside the run's record.

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
    for group, name, due in [
        *((part.group, part.name, part.due) for part in budget.parts),
        *((group, "left over", budget.left_over(group)) for group in ("kinds", "layers")),
    ]:
        yield f"  {group:10}{name:24}{format_interval(summarize(due))}"
    yield str(write_budget(folder, record.seeds, budget))
    yield str(save(forgetting_budgets([record]), folder, "budget")[0])
