"""A table of another form -> the rows of a tidy one; everything that is wrong or not told, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import LabDataError, Problem, nearest
from ...sweep_targets import Analyte
from ..lab_data import REQUIRED_COLUMNS, SEPARATORS
from ..lab_data_text import Complaints, TableText, cut, read_table_text, table_rows
from .answers import Answers, ConvertOptions
from .nonmem import is_nonmem, read_nonmem
from .tidy import TidyRows
from .times import check_unit
from .wide import read_wide

#: Names of `--sep` that a shell takes without quotes.
NAMED_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


@dataclass(frozen=True)
class Converted:
    """A tidy table: its columns and rows, what was taken for what, and what is improbable or was left out."""

    columns: list[str]
    rows: list[list[str | float]]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    repairs: tuple[str, ...]

    def column(self, name: str) -> list[str | float]:
        """Return the cells of a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def convert_table(path: Path, known: Mapping[str, Analyte], options: ConvertOptions) -> Converted:
    """Read a NONMEM-style table or a wide sheet as a tidy table; nothing is written.

    `known` are the analytes of the model (`exsim.sweep_targets.measurable`). Raises LabDataError with every
    problem of the file, and with everything that it does not tell and the options do not say.
    """
    if path.suffix.lower() in _SHEETS:
        hint = "save the sheet as CSV (in UTF-8) and convert that"
        raise LabDataError(Problem("is a spreadsheet, not a text", str(path), hint=hint))
    table = read_table_text(path)
    answers = Answers(options)
    check_unit(answers)
    complaints = Complaints(str(path))
    lines = list(_rows(table, options.sep, path, complaints))
    if not lines:
        raise LabDataError(Problem("every cell is empty", str(path)))
    header_line, names = lines[0]
    names = [name.strip() for name in names]
    _refuse(path, header_line, names)
    rows = TidyRows(known, answers, complaints)
    read = read_nonmem if is_nonmem(names) else read_wide
    cells = [(line, dict(zip(names, row, strict=True))) for line, row in lines[1:] if len(row) == len(names)]
    said = read(rows, header_line, names, cells)
    problems = complaints.problems()
    # A table of which some rows are wrong already is not looked at as a whole.
    whole = not (problems or answers.has_questions or said.problems)
    warnings = rows.check() if whole else []
    problems = complaints.problems() + answers.problems(str(path), header_line) + said.problems
    unused = answers.unused(said.words)
    if not problems and not rows.rows:
        problems.append(Problem("the table holds no measurement", str(path)))
    if problems:
        # A word that is misspelt leaves its question open.
        raise LabDataError(problems + unused)
    warnings += [f"{problem.file}: {problem.message}" for problem in unused]
    columns, made = rows.table()
    return Converted(
        columns, made, tuple(said.notes), (*said.warnings, *warnings), table.repairs + tuple(said.repairs)
    )


def _rows(
    table: TableText, sep: str | None, path: Path, complaints: Complaints
) -> Iterator[tuple[int, list[str]]]:
    # (line, cells), the header first; ragged rows are noted.
    sep = NAMED_SEPARATORS.get(sep or "", sep) or ("\t" if path.suffix.lower() == ".tsv" else ",")
    if sep not in NAMED_SEPARATORS.values():
        hint = f"(accepted: {', '.join(NAMED_SEPARATORS)})"
        raise LabDataError(Problem(f'"{sep}" does not separate columns', f"--sep {sep}", hint=hint))
    width = None
    for line, cells in _words(table) if sep == " " else table_rows(table, sep):
        cells = [cell.strip() for cell in cells]
        if width is None:
            width = len(cells)
            _refuse_other_separator(path, line, cells, sep)
        if len(cells) != width:
            message = f"the row has {len(cells)} cells and the header {width}"
            complaints.add(line, None, message, "put quotes around a cell that holds a comma")
        yield line, cells


def _words(table: TableText) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(table.text.split("\n"), start=1):
        if text.strip():
            yield line, text.split()


def _refuse_other_separator(path: Path, line: int, cells: list[str], sep: str) -> None:
    if len(cells) > 1:
        return
    names = {sign: name for name, sign in NAMED_SEPARATORS.items()}
    for sign, words in {**SEPARATORS, " ": "blanks"}.items():
        if sign != sep and sign in cells[0]:
            hint = f"give --sep {names[sign]}"
            raise LabDataError(Problem(f"columns are separated by {words}", str(path), line, hint=hint))


def _refuse(path: Path, line: int, names: list[str]) -> None:
    problems = [
        Problem(f'column "{cut(name)}" is given twice', str(path), line, cut(name))
        for name in dict.fromkeys(names)
        if name and names.count(name) > 1
    ]
    tidy = set(names) & set(REQUIRED_COLUMNS)
    if {"analyte", "value"} <= tidy and len(tidy) >= 4:
        near = [name for name in REQUIRED_COLUMNS if name not in names and nearest(name, names)]
        hint = f"exsim check {path}" + (f" says what is wrong with it ({near[0]})" if near else "")
        problems.append(Problem("is a tidy table already", str(path), line, hint=hint))
    if problems:
        raise LabDataError(problems)
