"""A wide sheet, one row a person (or a person and a time), one column a measurement -> tidy rows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import LabDataError
from .answers import simple
from .columns import check_named, condition_column, subject_column, taken_along
from .headers import Header, read_header, read_unknown, split_unit
from .said import Said
from .tidy import TidyRows, listed_words
from .times import When, find_time, time_unit

_TIME_COLUMNS = ("time", "timepoint", "t", "sampling", "sample time")

Cells = Mapping[str, str]


def read_wide(rows: TidyRows, line: int, names: Sequence[str], cells: Sequence[tuple[int, Cells]]) -> Said:
    """Add every measurement of a wide sheet to `rows`; note what has to be asked."""
    answers, said = rows.answers, Said()
    check_named(names, answers, said)
    subject = subject_column(names, answers)
    condition = condition_column(names, answers, rows.complaints.file, line, said)
    along = taken_along(names)
    clock = next((name for name in names if _is_clock(name)), None)
    taken = {subject, condition, clock, *along.values()}
    others = [name for name in names if name and name not in taken]
    if clock is not None and any(_has_label(name, rows) for name in others):
        # The columns have their times already: this one is of something else.
        others.insert(0, clock)
        clock = None
    headers = _headers(rows, others, line, said)
    if clock is None:
        headers = [header if header.label else replace(header, label=header.text) for header in headers]
    whens = {header.text: _when_of(header, rows, line) for header in headers if clock is None}
    for number, row in cells:
        when = None if clock is None else _when_in_cell(row[clock], clock, number, rows)
        for header in headers:
            rows.add(
                number,
                header.text,
                subject=row[subject] if subject else "",
                condition=row[condition] if condition else answers.options.condition or "",
                when=when if clock is not None else whens[header.text],
                analyte=header.analyte,
                named=header.named,
                value=row[header.text],
                unit=header.unit,
                more={tidy: row[name] for tidy, name in along.items()},
            )
    said.notes += _notes(headers, whens)
    said.words |= {
        "analyte": [header.named for header in headers],
        "ignore": [header.named for header in headers],
        "time": [header.label for header in headers] or [row[clock] for _, row in cells if clock],
        "unit": [header.analyte or "" for header in headers],
        "lloq": [header.analyte or "" for header in headers],
    }
    return said


def _is_clock(name: str) -> bool:
    plain, _ = split_unit(name)
    words = plain.replace("_", " ").split()
    # "Time (h)" has its unit moved to the end: "Time h".
    if len(words) > 1 and time_unit(words[-1]):
        words = words[:-1]
    return simple(" ".join(words)) in map(simple, _TIME_COLUMNS)


def _clock_unit(name: str) -> str | None:
    plain, _ = split_unit(name)
    return time_unit(plain.replace("_", " ").split()[-1])


def _has_label(name: str, rows: TidyRows) -> bool:
    header = read_header(name, rows.known, rows.answers)
    return header is not None and bool(header.label)


def _headers(rows: TidyRows, names: Sequence[str], line: int, said: Said) -> list[Header]:
    # Columns of measurements. What is none is named in a warning; what may be one is asked about.
    answers = rows.answers
    found = {name: read_header(name, rows.known, answers) for name in names}
    labels = [header.label for header in found.values() if header] + [*answers.options.time]
    headers, unread, ignored = [], [], []
    for name, header in found.items():
        header = header or read_unknown(name, labels)
        if header is None:
            unread.append(name)
        elif header.ignored:
            ignored.append(name)
        else:
            if header.analyte is None:
                question = f'"{header.named}" is no analyte of the model: which is it?'
                other = f"leave it out: --ignore {shlex.quote(header.named)}"
                answers.ask("analyte", name, question, f"{header.named}=NAME", other)
            headers.append(header)
    if ignored:
        said.warnings.append(f"left out, as asked: {listed_words(ignored)}")
    if unread:
        said.warnings.append(f"not read: {listed_words(unread)}")
    if not headers:
        accepted = ", ".join(sorted(rows.known))
        hint = f"a header holds an analyte and a time: IL6_pre, IL-6 (pg/mL) 2 h (analytes: {accepted})"
        rows.complaints.add(line, None, "no column is a measurement that can be told by its header", hint)
    return headers


def _when_of(header: Header, rows: TidyRows, line: int) -> When | None:
    try:
        return find_time(header.label, header.text, rows.answers)
    except LabDataError as error:
        rows.complain(line, header.text, error.problems[0])
        return None


def _when_in_cell(text: str, column: str, line: int, rows: TidyRows) -> When | None:
    unit = _clock_unit(column)
    bare = text.replace(",", ".") if rows.answers.options.decimal == "," else text
    try:
        if not text:
            rows.complaints.add(line, column, "the row has no time", None)
            return None
        # A number alone has the unit of the header.
        label = f"{bare} {unit}" if unit and _is_number(bare) and not _is_said(text, rows) else bare
        return find_time(label, column, rows.answers)
    except LabDataError as error:
        rows.complain(line, column, error.problems[0])
        return None


def _is_said(text: str, rows: TidyRows) -> bool:
    return any(simple(text) == simple(key) for key in rows.answers.options.time)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _notes(headers: Sequence[Header], whens: Mapping[str, When | None]) -> list[str]:
    named = {header.named: header.analyte for header in headers if header.analyte != header.named}
    notes = [f'"{name}" is {analyte}' for name, analyte in named.items() if analyte]
    times = {header.label: whens.get(header.text) for header in headers}
    return notes + [f'"{label}" is {when}' for label, when in times.items() if label and when is not None]
