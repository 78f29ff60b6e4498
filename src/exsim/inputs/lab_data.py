"""Measurements of a lab (CSV, TSV) -> LabData in the model's units, every complaint at once with its row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import LabDataError, Problem, nearest
from ..measurements import LabData
from ..sweep_targets import Analyte
from .lab_data_cells import moment
from .lab_data_checks import (
    BoutSpan,
    Row,
    censoring_notes,
    check_lognormal,
    check_repeats,
    check_times,
    value_warnings,
)
from .lab_data_rows import RowReader
from .lab_data_text import Complaints, TableText, cut, read_table_text, table_rows

REQUIRED_COLUMNS = ("subject", "condition", "time", "time_unit", "analyte", "value", "unit")
OPTIONAL_COLUMNS = ("sd", "sem", "n", "lloq", "batch", "replicate", "plasma_volume_change", "source")
COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
#: What may stand between columns, and its name.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

#: Names for which the nearest known one is looked up: each look takes time.
_MOST_HINTS = 60


def read_lab_data(
    path: Path,
    known: Mapping[str, Analyte],
    *,
    sep: str | None = None,
    decimal: Literal[".", ","] = ".",
    strict: bool = False,
    clock: str | Mapping[tuple[str, str], str] | None = None,
    plasma_volume: Literal["fraction", "percent"] | None = None,
    bouts: Mapping[str, BoutSpan] | None = None,
    baseline: bool = True,
    lognormal: Collection[str] = (),
    typical: Mapping[str, tuple[float, float]] | None = None,
    molar_mass: Mapping[str, float] | None = None,
    ignore: Collection[str] = (),
) -> LabData:
    """Read a table of measurements, one a row, and convert them to the units of the model.

    `known` are the analytes of the model (`exsim.sweep_targets.analytes`).

    How the table is written: `sep` between columns (a comma, in a .tsv a tab) and the `decimal` sign;
    `strict` refuses blank values; `clock` is the date and time of time 0 (ISO 8601 with a zone), one or
    by (subject, condition), for times given as such; `plasma_volume` says what its changes are where
    the cells do not. Rows of the analytes in `ignore` are left out, whatever they hold.

    What it is held against: `bouts`, start of the first and end of the last in hours by condition (None
    for none); rows before the first are `baseline`, or refused where nothing there is at rest; the
    analytes whose noise is `lognormal`; the `typical` range of an analyte and its `molar_mass` (g/mol).

    Raises LabDataError with every problem of the file.
    """
    path = Path(path)
    sep = ("\t" if path.suffix.lower() == ".tsv" else ",") if sep is None else sep
    _check_settings(path, sep, decimal, clock)
    table = read_table_text(path)
    complaints = Complaints(str(path))
    parts = table_rows(table, sep)
    header = next(parts)
    columns, warnings = _read_header(path, header, sep)
    reader = RowReader(
        columns=columns,
        width=len(header[1]),
        known=known,
        decimal=decimal,
        sep=sep,
        clock=clock,
        plasma_volume=plasma_volume,
        bouts=bouts,
        molar_masses=molar_mass or {},
        ignore=frozenset(ignore),
        complaints=complaints,
    )
    rows = _read_rows(reader, parts)
    check_times(rows, bouts, baseline, complaints)
    check_repeats(rows, bouts, complaints)
    check_lognormal(rows, lognormal, complaints)
    if strict:
        for line in reader.missing:
            complaints.add(line, "value", "there is no measurement", "leave the row out, or unset strict")
    complaints.raise_if_any()
    if not rows:
        message = "the table has a header and no rows"
        if reader.missing or reader.ignored:
            message = "no row holds a measurement"
        raise LabDataError(Problem(message, str(path)))
    warnings += reader.warnings()
    warnings += [*censoring_notes(rows, reader.moved), *value_warnings(rows, typical or {})]
    return _as_columns(table, rows, warnings, reader.repairs())


def _check_settings(
    path: Path, sep: str, decimal: str, clock: str | Mapping[tuple[str, str], str] | None
) -> None:
    problems = []
    if sep not in SEPARATORS:
        choices = ", ".join(repr(item) for item in SEPARATORS)
        problems.append(Problem(f"sep is {sep!r}", str(path), key="sep", hint=f"(accepted: {choices})"))
    if decimal not in (".", ","):
        hint = '(accepted: ".", ",")'
        problems.append(Problem(f"decimal is {decimal!r}", str(path), key="decimal", hint=hint))
    elif sep == decimal:
        hint = 'with decimal commas columns are separated by sep = ";" or a tab'
        problems.append(Problem("sep and decimal are both a comma", str(path), key="sep", hint=hint))
    for text in [clock] if isinstance(clock, str) else (clock or {}).values():
        try:
            moment(text)
        except LabDataError as error:
            found = error.problems[0]
            problems.append(Problem(f"clock: {found.message}", str(path), key="clock", hint=found.hint))
    if problems:
        raise LabDataError(problems)


def _read_header(path: Path, header: tuple[int, list[str]], sep: str) -> tuple[dict[str, int], list[str]]:
    # Column that is known -> place, and a warning for each other one.
    line, cells = header
    names = [cell.strip() for cell in cells]

    def problem(message: str, key: str | None = None, hint: str | None = None) -> Problem:
        return Problem(message, str(path), line, key, hint)

    if len(names) == 1:
        for other, words in SEPARATORS.items():
            if other in names[0] and other != sep:
                hint = f"set sep = {other!r}, or separate them by {SEPARATORS[sep]}"
                raise LabDataError(problem(f"columns are separated by {words}", hint=hint))
    if not set(names) & set(REQUIRED_COLUMNS):
        message = "the first line names none of the columns of a table of measurements"
        raise LabDataError(problem(message, hint=f"needed: {', '.join(REQUIRED_COLUMNS)}"))
    unknown = [name for name in names if name and name not in COLUMNS]
    short = [name for name in unknown if len(name) <= 100][:_MOST_HINTS]
    problems = []
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        problems.append(problem(f'column "{cut(name)}" is given twice', cut(name)))
    for name in REQUIRED_COLUMNS:
        if name not in names:
            match = nearest(name, short)
            found = cut(", ".join(names))
            hint = f'Did you mean "{cut(match)}"?' if match else f"(found: {found})"
            problems.append(problem(f'column "{name}" is missing', name, hint))
    if problems:
        raise LabDataError(problems)
    warnings = []
    for name in unknown[:_MOST_HINTS]:
        match = nearest(name[:100], [item for item in OPTIONAL_COLUMNS if item not in names])
        guess = f': did you mean "{match}"?' if match else ""
        warnings.append(f'column "{cut(name)}" is not known and was not read{guess}')
    if len(unknown) > _MOST_HINTS:
        warnings.append(f"and {len(unknown) - _MOST_HINTS:,} more columns that are not known")
    if "" in names:
        warnings.append("a column without a name was not read")
    return {name: names.index(name) for name in COLUMNS if name in names}, warnings


def _read_rows(reader: RowReader, parts: Iterator[tuple[int, list[str]]]) -> list[Row]:
    rows = []
    try:
        for line, cells in parts:
            row = reader.read(line, cells)
            if row is not None:
                rows.append(row)
            if reader.complaints.full:
                break
    except LabDataError as error:
        # A quote that is not closed ends the reading: what was found before is said too.
        raise LabDataError([*reader.complaints.problems(), *error.problems]) from error
    return rows


def _as_columns(table: TableText, rows: list[Row], warnings: list[str], repairs: list[str]) -> LabData:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(getattr(row, name) for row in rows)

    def numbers(name: str, dtype: type = np.float64) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows], dtype=dtype)

    return LabData(
        path=table.path,
        sha256=table.sha256,
        subject=texts("subject"),
        condition=texts("condition"),
        analyte=texts("analyte"),
        time_h=numbers("time_h"),
        after_end=numbers("after_end", np.bool_),
        value=numbers("value"),
        kind=tuple(row.kind for row in rows),
        unit=texts("unit"),
        censoring=numbers("censoring", np.int64),
        limit=numbers("limit"),
        sd=numbers("sd"),
        sem=numbers("sem"),
        n=numbers("n", np.int64),
        lloq=numbers("lloq"),
        batch=texts("batch"),
        replicate=texts("replicate"),
        source=texts("source"),
        plasma_volume_change=numbers("plasma_volume_change"),
        baseline=numbers("baseline", np.bool_),
        line=numbers("line", np.int64),
        warnings=tuple(f"{table.path}: {text}" for text in warnings),
        repairs=(*table.repairs, *(f"{table.path}: {text}" for text in repairs)),
    )
