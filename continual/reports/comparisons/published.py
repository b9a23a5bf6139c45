"""What others published beside what runs of this suite found: one table, each number with a verdict."""

__all__ = ["PUBLISHED", "Found", "Published", "compare_published", "read_published", "text_published"]

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

import numpy as np
import yaml

from continual.metrics import Summary, find_metric, summarize
from continual.records.record import Record
from continual.reports.numbers import format_interval, format_value
from continual.reports.tables import markdown_table

PUBLISHED = "published.yaml"
"""The numbers of others, beside this module: what each was measured on, and which run of ours is held against it."""

Verdict = Literal[
    "reproduced", "order of magnitude", "better", "contradicted", "can't tell", "can't be compared", "not run"
]

_SHARP = 0.1
"""Half width of our interval, in units of the number, above which it agrees with too much to have reproduced it."""

_NEAR = 0.1
"""How far a share or an R² may be off to be called near, and 10 the factor that errors may be off by."""


@dataclass(frozen=True)
class Published:
    """A number that was published.

    Args:
        source: who published it.
        setting: what was measured.
        value: the number.
        experiment: ours, whose runs are held against it.
        command: what makes them.
        where: what a run's sweep, or its `name`, has to be.
        metric: of ours; or `probe`, an array (M, T+1) of which the entry `at` is taken.
        factor: what ours is multiplied with, to be in the same units.
        statistic: of ours over the seeds.
        spread: standard deviation of the number, as published, or half its range.
        within: how far ours may be off besides its own interval; None for twice the spread.
        incomparable: why it can't be compared, where it can't.
        differs: what differs in our run.
    """

    source: str
    setting: str
    value: float
    experiment: str
    command: str
    where: Mapping[str, Any]
    metric: str | None = None
    probe: str | None = None
    at: int = -1
    factor: float = 1.0
    statistic: Literal["mean", "median"] = "mean"
    spread: float | None = None
    within: float | None = None
    incomparable: str | None = None
    differs: str = ""

    def __post_init__(self) -> None:
        if (self.metric is None) == (self.probe is None):
            raise ValueError(f"{self.source}, {self.setting}: needs a metric or a probe, not both")
        if self.metric is not None:
            find_metric(self.metric)

    @property
    def is_error(self) -> bool:
        """Whether it is an error, lower better and above 0, of which factors count, not differences."""
        return self.metric is None or find_metric(self.metric).kind == "error"


@dataclass(frozen=True)
class Found:
    """A published number and ours."""

    published: Published
    record: Record | None
    ours: Summary | None
    verdict: Verdict


def read_published(text: str | None = None) -> list[Published]:
    """The published numbers, of a YAML text or of the suite's own file.

    The text is a list of sources, each with `source`, `command`, `experiment`, and `numbers`, a list with the other
    fields of `Published`; what stands at the source holds for its numbers.

    Raises:
        ValueError: an entry that lacks something, or has what is not known.
    """
    if text is None:
        text = files(__package__).joinpath(PUBLISHED).read_text(encoding="utf-8")
    found = []
    for entry in yaml.safe_load(text):
        common = {key: value for key, value in entry.items() if key != "numbers"}
        for number in entry["numbers"]:
            try:
                found.append(Published(**{**common, **number}))
            except TypeError as error:
                raise ValueError(f"{common.get('source')}, {number.get('setting')}: {error}") from None
    return found


def compare_published(numbers: Iterable[Published], records: Sequence[Record]) -> list[Found]:
    """Each number with the run of ours that is held against it; the one of most seeds where there are several.

    Args:
        numbers: what was published.
        records: finished runs of any experiments.
    """
    found = []
    for each in numbers:
        own = [record for record in records if _belongs(record, each)]
        record = max(own, key=lambda record: (record.experiment == each.experiment, len(record.seeds)), default=None)
        ours = None if record is None else summarize(each.factor * _values(record, each))
        found.append(Found(each, record, ours, _verdict(each, ours)))
    return found


def _belongs(record: Record, each: Published) -> bool:
    if record.experiment not in (each.experiment, f"{each.experiment}_full"):
        return False
    if each.probe is not None and each.probe not in record.probes:
        return False
    known = {**record.sweep, "name": record.name}
    return all(known.get(key) == value for key, value in each.where.items())


def _values(record: Record, each: Published) -> np.ndarray:
    if each.probe is not None:
        return record.probes[each.probe][:, each.at]
    assert each.metric is not None
    return record.metrics[each.metric]


def _verdict(each: Published, ours: Summary | None) -> Verdict:
    """What the two numbers say about each other; in `text_published` in words."""
    if ours is None:
        return "not run"
    value = _central(each, ours)
    if not math.isfinite(value) or each.incomparable:
        return "can't be compared"
    half = float(ours.half_width)
    within = each.within if each.within is not None else 2.0 * (each.spread or 0.0)
    half = half if math.isfinite(half) else 0.0
    if abs(value - each.value) <= within + half:
        return "reproduced" if half <= max(within, _SHARP * abs(each.value)) else "can't tell"
    if not each.is_error:
        return "order of magnitude" if abs(value - each.value) <= _NEAR else "contradicted"
    ratio = value / each.value
    return "better" if ratio < 0.1 else "order of magnitude" if ratio <= 10.0 else "contradicted"


def _central(each: Published, ours: Summary) -> float:
    return float(ours.median if each.statistic == "median" else ours.mean)


_LEGEND = (
    "Ours: mean ± half width of the 95 % interval over seeds, or the median where it says so. **Reproduced**: within "
    "twice the published spread, or what the target file allows, and our interval. **Order of magnitude**: of an error "
    "within a factor of ten, of a share or an R² within 0.1. **Better**: an error of less than a tenth. "
    "**Contradicted**: neither. **Can't tell**: our interval holds the number, but is wider than that. "
    "Seconds are wall-clock time of all seeds of our run together, on the machine named."
)


def text_published(found: Sequence[Found]) -> str:
    """The table in Markdown, a section for each source."""
    lines = ["# Published numbers and ours", "", _LEGEND, ""]
    counts = {verdict: sum(each.verdict == verdict for each in found) for verdict in get_args(Verdict)}
    lines += [", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) + ".", ""]
    header = ["what", "published", "ours", "verdict", "seeds", "seconds", "commit", "what differs"]
    for source in dict.fromkeys(each.published.source for each in found):
        own = [each for each in found if each.published.source == source]
        lines += [f"## {source}", ""]
        for command in dict.fromkeys(each.published.command for each in own):
            lines.append(f"`{command}`")
        lines.append("")
        hardware = sorted({str(each.record.fields["device"]) for each in own if each.record is not None})
        if hardware:
            lines += [f"On {', '.join(hardware)}.", ""]
        lines += [markdown_table(header, [_cells(each) for each in own]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _cells(each: Found) -> list[str]:
    number, record = each.published, each.record
    spread = "" if number.spread is None else f" ± {format_value(number.spread, 1)}"
    theirs = f"{format_value(number.value, 3)}{spread}"
    why = "; ".join(text for text in (number.incomparable or "", number.differs) if text)
    if record is None or each.ours is None:
        return [number.setting, theirs, "–", each.verdict, "–", "–", "–", why]
    median = number.statistic == "median"
    ours = f"median {format_value(float(each.ours.median))}" if median else format_interval(each.ours)
    commit = str((record.fields.get("code") or {}).get("commit") or "–")[:8]
    seconds = format_value(record.seconds, 2)
    return [number.setting, theirs, ours, each.verdict, str(len(record.seeds)), seconds, commit, why]
