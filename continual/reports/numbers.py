"""Numbers as tables, figures and pages show them: in few characters, only as exact as they are; why some are none."""

__all__ = ["format_count", "format_interval", "format_value", "undefined_notes"]

import math
from collections import Counter
from collections.abc import Sequence

from continual.metrics import Summary, find_metric
from continual.records.record import Record
from continual.reports.wrapping import shorten_name


def format_value(value: float, digits: int = 2, smallest: int = -3) -> str:
    """A number in few characters: `4.1e-6`, `0.42`, `12`, and `–` for NaN.

    Args:
        value: the number.
        digits: significant digits, at least 1.
        smallest: power of ten below which the exponent is written.
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value) or value == 0:
        return "0" if value == 0 else f"{value}"
    rounded = f"{value:.{digits - 1}e}"
    mantissa, exponent = rounded.split("e")
    power = int(exponent)
    if smallest <= power < 5:
        return f"{float(rounded):.{max(digits - 1 - power, 0)}f}"
    return f"{mantissa}e{power}"


def _power(number: float, digits: int) -> int:
    """Power of ten of a number once it is rounded to so many significant digits."""
    return int(f"{number:.{digits - 1}e}".split("e")[1])


def format_interval(summary: Summary) -> str:
    """Mean and half width, the mean to the place of the half width: `4.1e-6 ± 2e-7`, `0.12 ± 0.03 (9/10)`, `–`.

    Of the mean there are at least two digits, for 65 ± 200 is not 100, and at most four.

    Args:
        summary: of one metric over the members, with scalar entries.
    """
    mean, half, defined = float(summary.mean), float(summary.half_width), int(summary.defined)
    if defined == 0:
        return "–"
    if math.isnan(half):
        text = format_value(mean)
    elif half == 0 or not math.isfinite(half) or mean == 0:
        text = f"{format_value(mean)} ± {format_value(half, 1)}"
    else:
        place = _power(half, 1)
        rounded = round(mean, -place)  # may carry into one more digit: 9.96 ± 0.1 is 10.0 ± 0.1
        power = _power(rounded or mean, 15)
        wanted = power - place + 1
        digits = min(max(wanted, 2), 4)
        mean = rounded if digits == wanted else mean
        text = f"{format_value(mean, digits)} ± {format_value(half, 1, smallest=-4 if power >= -3 else -3)}"
    return text if defined == summary.members else f"{text} ({defined}/{summary.members})"


def format_count(count: float | None) -> str:
    """A count in few characters: `406`, `120k`, `1.2M`; `–` for none."""
    if count is None:
        return "–"
    if count < 1e5:
        return f"{count:.0f}"
    power = next((p for p in (3, 6, 9) if count < 0.9995 * 10 ** (p + 3)), 12)
    return f"{count / 10**power:.3g}{ {3: 'k', 6: 'M', 9: 'G', 12: 'T'}[power] }"


_NAMED = 3  # runs that a note names


def undefined_notes(records: Sequence[Record], metrics: Sequence[str]) -> list[str]:
    """A sentence for each reason why one of these metrics is undefined, with the runs and members that it concerns.

    Args:
        records: finished runs.
        metrics: by name.

    Returns:
        Sentences such as "– in retention: a task was not learned (MLP: 3 of 10 seeds)."; none where all is defined.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for name in metrics:
            for why, lost in Counter(why for why in record.metrics.reasons(name) if why).items():
                part = f": {lost} of {len(record.seeds)} seeds" if lost < len(record.seeds) else ""
                found.setdefault((why, name), []).append(f"{shorten_name(record.name, 40)}{part}")
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, name), runs in found.items():
        merged.setdefault((why, tuple(runs)), []).append(find_metric(name).title)
    lines = []
    for (why, which), titles in merged.items():
        more = len(which) - _NAMED
        named = "; ".join([*which[:_NAMED], *([f"{more} more"] if more > 0 else [])])
        where = "all runs" if len(which) == len(records) > 1 and not any(" seeds" in run for run in which) else named
        lines.append(f"– in {', '.join(titles)}: {why} ({where}).")
    return lines
