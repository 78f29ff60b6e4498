"""What only a whole table of measurements shows: rows given twice, names alike, a unit a factor off."""

from __future__ import annotations

import statistics
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ..measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED, Kind
from .lab_data_text import Complaints, listed

#: Start of the first bout and end of the last, in hours after time 0; None for a condition without one.
BoutSpan = tuple[float, float] | None

# Halfway to a factor of 1,000, on a log scale, outside the range of the model.
_FAR_FROM_MODEL = 30.0
# Between groups: more than any exerkine rises in a marathon.
_FAR_APART = 300.0
_GROUPINGS = ("batch", "written_unit", "condition", "subject")


@dataclass(slots=True)
class Row:
    """One measurement as read and converted, before the table becomes columns."""

    line: int
    subject: str
    condition: str
    analyte: str
    time_h: float
    after_end: bool
    value: float
    kind: Kind
    unit: str
    written_unit: str
    censoring: int
    limit: float
    sd: float
    sem: float
    n: int
    lloq: float
    batch: str
    replicate: str
    source: str
    plasma_volume_change: float
    baseline: bool = False


def check_times(
    rows: list[Row], bouts: Mapping[str, BoutSpan] | None, baseline: bool, complaints: Complaints
) -> None:
    """Mark the rows before the first bout as baseline, or complain of them where `baseline` is False."""
    for row in rows:
        span = (bouts or {}).get(row.condition)
        if bouts is not None and span is None and row.after_end:
            message = f'the time counts from the end of a bout, and "{row.condition}" has none'
            complaints.add(row.line, "time", message, "give it after time 0")
        start_h, end_h = span or (0.0, None)
        hours = _after_start(row, end_h)
        row.baseline = hours is not None and hours < start_h
        if row.baseline and not baseline:
            complaints.add(
                row.line,
                "time",
                "the time lies before the first bout, where the protocol is not at rest",
                "leave the row out, or let the protocol begin before it",
            )


def _after_start(row: Row, end_h: float | None) -> float | None:
    if not row.after_end:
        return row.time_h
    return None if end_h is None else row.time_h + end_h


def check_repeats(rows: list[Row], bouts: Mapping[str, BoutSpan] | None, complaints: Complaints) -> None:
    """Complain of rows with the same subject, condition, analyte, time and replicate."""
    first: dict[tuple[object, ...], int] = {}
    for row in rows:
        span = (bouts or {}).get(row.condition)
        hours = _after_start(row, None if span is None else span[1])
        # Times that differ by rounding are one time.
        when = ("end", round(row.time_h, 6)) if hours is None else ("start", round(hours, 6))
        key = (row.subject, row.condition, row.analyte, when, row.replicate)
        if key in first:
            replicate = f", replicate {row.replicate}" if row.replicate else ""
            message = f"{row.analyte} of {row.subject} at this time stands on line {first[key]}{replicate}"
            complaints.add(row.line, None, message, "number repeated measurements in a column replicate")
        first.setdefault(key, row.line)


def check_lognormal(rows: list[Row], lognormal: Collection[str], complaints: Complaints) -> None:
    """Complain of 0 and less where the noise of an analyte is log-normal; NPX is a logarithm already."""
    for row in rows:
        if row.analyte in lognormal and row.censoring == MEASURED and row.kind != "NPX" and row.value <= 0:
            complaints.add(
                row.line,
                "value",
                f"{row.analyte} is 0 or less, and its noise is log-normal",
                'write "<" and the limit of the assay if it was below, or take noise = "normal"',
            )


def value_warnings(rows: list[Row], typical: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """Yield what is improbable: levels below 0, subjects alike, values a factor of 1,000 off.

    `typical` is the range of the model by analyte, in its unit.
    """
    negative = [row.line for row in rows if row.kind != "NPX" and row.value < 0]
    if negative:
        yield f"a value is below 0 on {listed(negative)}"
    for names in _alike({row.subject for row in rows}):
        yield f"subjects {names} are taken as different people"
    levels: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "level" and row.value > 0:
            levels[row.analyte].append(row)
    for analyte, measured in levels.items():
        far = _far_from_model(analyte, measured, typical.get(analyte))
        yield from ([far] if far else _far_apart(analyte, measured))


def _alike(subjects: set[str]) -> list[str]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(subjects):
        plain = unicodedata.normalize("NFKC", name).casefold()
        groups[plain.lstrip("0") if plain.isdecimal() else plain].append(name)
    return [" and ".join(f'"{name}"' for name in names) for names in groups.values() if len(names) > 1]


def _far_from_model(analyte: str, rows: list[Row], span: tuple[float, float] | None) -> str | None:
    if span is None or not 0 < span[0] <= span[1]:
        return None
    median = statistics.median(row.value for row in rows)
    ratio = median / span[1] if median > span[1] else median / span[0]
    if 1 / _FAR_FROM_MODEL < ratio < _FAR_FROM_MODEL:
        return None
    nearest = "highest" if ratio > 1 else "lowest"
    return (
        f"the median of {analyte}, {median:.3g} {rows[0].unit}, is {ratio:.3g} times the {nearest} of the"
        f" model: is {rows[0].written_unit} its unit?"
    )


def _far_apart(analyte: str, rows: list[Row]) -> Iterator[str]:
    # One warning: what differs by batch often differs by subject too.
    for grouping in _GROUPINGS:
        groups: defaultdict[str, list[float]] = defaultdict(list)
        for row in rows:
            groups[getattr(row, grouping)].append(row.value)
        medians = sorted((statistics.median(values), name) for name, values in groups.items())
        for (low, lower), (high, higher) in pairwise(medians):
            if high >= _FAR_APART * low:
                word = grouping.removeprefix("written_")
                yield (
                    f'the median of {analyte} in {word} "{higher}" is {high / low:.3g} times that in'
                    f' {word} "{lower}": is a unit wrong (ng for pg)?'
                )
                return


def censoring_notes(rows: list[Row], moved: list[int]) -> Iterator[str]:
    """Yield how many values are known by a limit only; `moved` are lines of numbers below their lloq."""
    for side, word in ((BELOW_LIMIT, "below"), (ABOVE_LIMIT, "above")):
        count = sum(row.censoring == side for row in rows)
        if count:
            yield f"{count:,} value{'s' if count > 1 else ''} known only to lie {word} a limit"
    if moved:
        yield f"a number below its lloq is taken as below the lloq on {listed(moved)}"
