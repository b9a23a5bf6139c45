"""Forgetting budgets beside the records of their runs: how `budget.csv` is written and read."""

__all__ = ["read_budget", "write_budget"]

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from continual.probes import Budget, Part
from continual.records.files import UnusableFileError, replace_file

FILE = "budget.csv"
LEFT_OVER = "left over"
HEADER = ["group", "part", "seed", "due", "forgetting_without", "learned_rmse_without"]


def write_budget(folder: Path, seeds: Sequence[int], budget: Budget) -> Path:
    """Writes `budget.csv` into a run's folder: of each part and seed what is due to it, and what its parts leave over.

    Args:
        folder: of the run.
        seeds: one a member.
        budget: its parts.

    Returns:
        The file.
    """
    empty = np.full(len(seeds), np.nan)
    parts = list(budget.parts)
    parts += [Part(group, LEFT_OVER, budget.left_over(group), empty, empty) for group in ("kinds", "layers")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    for part in parts:
        for seed, *each in zip(seeds, part.due, part.forgetting, part.learned, strict=True):
            table.writerow([part.group, part.name, seed, *("" if np.isnan(v) else repr(float(v)) for v in each)])
    replace_file(folder / FILE, text.getvalue().encode())
    return folder / FILE


def read_budget(folder: Path) -> list[Part] | None:
    """The parts of a run's budget, what is left over among them; None where there is none.

    Args:
        folder: of the run.

    Raises:
        UnusableFileError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found: dict[tuple[str, str], list[list[float]]] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                numbers = [float(row[name]) if row[name] else np.nan for name in HEADER[3:]]
                found.setdefault((row["group"], row["part"]), []).append(numbers)
        return [Part(group, name, *np.array(rows).T) for (group, name), rows in found.items()]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UnusableFileError(f"{path} is damaged; python -m scripts.budget {folder} makes it again") from error
