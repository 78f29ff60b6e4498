"""Published evidence (CSV) -> EvidenceTable, every complaint at once with its row."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import EvidenceError, Problem, did_you_mean, nearest
from ..evidence_case import USES, EvidenceCase, EvidenceTable
from .shipped import shipped_folder

REQUIRED_COLUMNS = ("id", "config", "analyte", "quantity", "value", "unit", "use")
OPTIONAL_COLUMNS = ("study", "doi", "compare_config", "time_h", "low", "high", "n", "tag", "note")
COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
_NUMBER_COLUMNS = ("time_h", "value", "low", "high")
_TEXT_COLUMNS = tuple(name for name in COLUMNS if name not in (*_NUMBER_COLUMNS, "n"))

#: Evidence is typed by hand: a larger file is something else.
SIZE_LIMIT_BYTES = 10_000_000

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_evidence(path: Path) -> EvidenceTable:
    """Read a table of evidence. Raises EvidenceError with every problem of the file.

    A name in `config` or `compare_config` is a path relative to the table, else NAME.toml beside
    it, else a shipped config. A name that stands for no file is left for the scores to say.
    """
    content, repairs = _read_text(path)
    rows = _read_rows(path, content)
    header, *body = rows
    problems = _header_problems(path, header[1])
    if problems:
        raise EvidenceError(problems)
    columns = {name.strip(): place for place, name in enumerate(header[1])}
    found = [_read_row(path, columns, line, cells, problems) for line, cells in body]
    cases = [case for case in found if case is not None]
    problems += _repeated_ids(path, cases)
    if not body:
        problems.append(Problem("the table has a header and no rows", file=str(path)))
    if problems:
        raise EvidenceError(problems)
    extra = [name for name in columns if name not in COLUMNS]
    return EvidenceTable(
        cases=tuple(cases),
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        warnings=tuple(f'{path}: column "{name}" is not known and was not read' for name in extra),
        repairs=tuple(repairs),
    )


def _read_text(path: Path) -> tuple[str, list[str]]:
    # The text with LF line ends and without a byte-order mark, and what was repaired.
    def refuse(message: str, hint: str | None = None) -> EvidenceError:
        return EvidenceError(Problem(message, file=str(path), hint=hint))

    try:
        raw = path.read_bytes() if path.stat().st_size <= SIZE_LIMIT_BYTES else None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from error
    if raw is None:
        raise refuse(f"larger than {SIZE_LIMIT_BYTES:,} bytes", "a table of evidence is a few hundred rows")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse("written in UTF-16", "save it as CSV in UTF-8")
    repairs = []
    if raw.startswith(b"\xef\xbb\xbf"):
        repairs.append(f"{path}: byte-order mark taken off")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(
            f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8; it looks like Latin-1",
            "save it as CSV in UTF-8",
        ) from error
    if "\0" in text:
        raise refuse("holds NUL characters: it is not a text file")
    if "\r" in text:
        repairs.append(f"{path}: line ends made the same")
    return text.replace("\r\n", "\n").replace("\r", "\n"), repairs


def _read_rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    # (line, cells) of every row that is not blank, the header first.
    if not text.strip():
        raise EvidenceError(Problem("the file is empty", file=str(path), hint=_header_hint()))
    reader = csv.reader(io.StringIO(text), strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        message = "a quote is opened and never closed" if "end of data" in str(error) else str(error)
        raise EvidenceError(Problem(f"not CSV: {message}", file=str(path), line=line)) from error
    return rows


def _header_hint() -> str:
    return "the first line names the columns: " + ",".join(COLUMNS)


def _header_problems(path: Path, names: list[str]) -> list[Problem]:
    stripped = [name.strip() for name in names]
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            return [Problem(f"columns are separated by {word}", file=str(path), line=1, hint="use commas")]
    repeated = sorted({name for name in stripped if stripped.count(name) > 1})
    problems = [
        Problem(f'column "{name}" is given twice', file=str(path), line=1, key=name) for name in repeated
    ]
    if not set(stripped) & set(REQUIRED_COLUMNS):
        message = "this is no table of evidence: its first line names none of the columns"
        return [Problem(message, file=str(path), line=1, hint=f"needed: {', '.join(REQUIRED_COLUMNS)}")]
    unknown = [name for name in stripped if name and name not in COLUMNS]
    for name in REQUIRED_COLUMNS:
        if name not in stripped:
            match = nearest(name, unknown)
            hint = f'Did you mean "{match}"?' if match else f"(found: {', '.join(stripped)})"
            problems.append(
                Problem(f'column "{name}" is missing', file=str(path), line=1, key=name, hint=hint)
            )
    return problems


def _repeated_ids(path: Path, cases: list[EvidenceCase]) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for case in cases:
        if case.id in first:
            message = f'id "{case.id}" stands on line {first[case.id]} already'
            problems.append(Problem(message, file=str(path), line=case.line, key="id"))
        first.setdefault(case.id, case.line)
    return problems


def _read_row(
    path: Path, columns: dict[str, int], line: int, cells: list[str], problems: list[Problem]
) -> EvidenceCase | None:
    # The case of a row, or None where the row is wrong; what is wrong goes to `problems`.
    before = len(problems)

    def complain(key: str, message: str, hint: str | None = None) -> None:
        problems.append(Problem(message, file=str(path), line=line, key=key or None, hint=hint))

    if len(cells) != len(columns):
        message = f"the row has {len(cells)} cells and the header {len(columns)}"
        complain("", message, "put quotes around a cell that holds a comma")
        return None
    row = {name: cells[place].strip() for name, place in columns.items()}
    texts: dict[str, Any] = {name: row.get(name, "") for name in _TEXT_COLUMNS}
    numbers: dict[str, Any] = {name: _number(row, name, complain) for name in _NUMBER_COLUMNS}
    case = EvidenceCase(
        **texts,
        **numbers,
        line=line,
        n=_count(row.get("n", ""), complain),
        config_path=_config_path(path.parent, texts["config"]),
        compare_path=_config_path(path.parent, texts["compare_config"]),
    )
    _check(case, complain)
    return case if len(problems) == before else None


def _config_path(folder: Path, name: str) -> Path | None:
    if not name:
        return None
    beside = folder / (name if name.endswith(".toml") else f"{name}.toml")
    try:
        if beside.is_file():
            return beside
    except OSError:
        # A name that no file system takes stands for no file.
        return None
    shipped = shipped_folder("configs") / "simulate" / f"{name}.toml"
    return shipped if _PLAIN_NAME.fullmatch(name) and shipped.is_file() else None


def _check(case: EvidenceCase, complain: Callable[..., None]) -> None:
    if not case.id:
        complain("id", "the row has no id")
    if case.use not in USES:
        complain("use", f'use "{case.use}" is not known', did_you_mean(case.use, USES))
    if (case.low is None) != (case.high is None):
        complain("low" if case.low is None else "high", "an interval needs both low and high")
    elif case.low is not None and case.high is not None and case.low > case.high:
        complain("low", f"low {case.low:g} is above high {case.high:g}")
    if case.use in ("calibrate", "predict"):
        for name in ("config", "analyte", "quantity"):
            if not getattr(case, name):
                complain(name, f"a row to {case.use} on needs a value in column {name}")


def _number(row: dict[str, str], name: str, complain: Callable[..., None]) -> float | None:
    text = row.get(name, "")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        complain(name, f'"{text}" is not a number', _number_hint(text))
        return None
    if not math.isfinite(float(text)):
        complain(name, f'"{text}" is not a finite number')
        return None
    return float(text)


def _number_hint(text: str) -> str:
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return "write it without thousands separators"
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        return "write a decimal point, not a comma"
    if re.match(r"[-+]?[\d.]+\s*[A-Za-zµ%]", text):
        return 'the unit goes into the column "unit"'
    return "leave the cell empty where there is no number"


def _count(text: str, complain: Callable[..., None]) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        complain("n", f'"{text}" is not a number of people')
        return None
    return int(text)
