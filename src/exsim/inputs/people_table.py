"""The table of people of a config (CSV, TSV): one row a person, a column for each property of theirs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import LabDataError, Problem, did_you_mean, nearest
from .config_checks import ConfigFindings
from .lab_data import SEPARATORS
from .lab_data_text import Complaints, cut, read_table_text, table_rows

if TYPE_CHECKING:
    from .config import LoadedFit

#: "body_mass [kg]": a name, and a unit for the reader.
_WITH_UNIT = re.compile(r"(.*?)\s*\[(.*)\]", re.DOTALL)
_AS_DATA = "the table is written as that of the measurements: sep and decimal under [data]"


@dataclass(frozen=True)
class People:
    """People and their properties as the table has them: cells are text, in the order of the file."""

    path: Path
    #: Subject -> the number of the row.
    rows: dict[str, int]
    #: Line in the file of each row, from 1.
    lines: tuple[int, ...]
    #: By the name of the column, without its unit: how the header writes it, and its cells.
    headings: dict[str, str]
    cells: dict[str, tuple[str, ...]]
    repairs: tuple[str, ...]
    #: Decimal sign of its numbers.
    decimal: Literal[".", ","] = "."

    def unit_of(self, name: str) -> str:
        """Return the unit in the heading of a column, "" where there is none."""
        found = _WITH_UNIT.fullmatch(self.headings[name])
        return found[2].strip() if found else ""


def read_people(found: ConfigFindings, config: LoadedFit, hashes: dict[str, str]) -> People | None:
    """Return the table of people that a config names; its hash goes into `hashes`.

    None, with all that is wrong noted, where it names none or the table cannot be used.
    """
    population = config.spec.population
    if population is None or population.subjects is None:
        return None
    path = config.path.parent / population.subjects
    if not path.exists():
        beside = sorted(item.name for suffix in ("csv", "tsv") for item in path.parent.glob(f"*.{suffix}"))
        match = nearest(path.name, beside)
        hint = f'Did you mean "{match}"?' if match else "the path is counted from the folder of the config"
        message = f'there is no table of people "{population.subjects}"'
        found.refuse(message, ("population", "subjects"), hint)
        return None
    sep = config.spec.data.sep or ("\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        people, sha256 = _read(path, sep)
    except LabDataError as error:
        found.problems += error.problems
        return None
    hashes[population.subjects] = sha256
    for index, item in enumerate(population.covariate):
        if item.name not in people.cells:
            message = f'{path} has no column "{item.name}"'
            hint = did_you_mean(item.name, list(people.cells))
            found.refuse(message, ("population", "covariate", index, "name"), hint)
    if not population.covariate:
        found.warn("no [[population.covariate]] takes anything from the table", ("population", "subjects"))
    return replace(people, decimal=config.spec.data.decimal)


def _read(path: Path, sep: str) -> tuple[People, str]:
    table = read_table_text(path)
    parts = table_rows(table, sep)
    headings = _header(path, next(parts), sep)
    complaints = Complaints(str(path))
    rows: dict[str, int] = {}
    lines: list[int] = []
    cells: list[list[str]] = []
    try:
        for line, texts in _checked_rows(parts, len(headings), complaints):
            name = texts[headings.index("subject")]
            if not name:
                complaints.add(
                    line, "subject", "the row has no subject", "write the name as in the measurements"
                )
            elif name in rows:
                message = f'subject "{cut(name)}" stands on line {lines[rows[name]]} already'
                complaints.add(line, "subject", message, "keep one of them")
            else:
                rows[name] = len(lines)
                lines.append(line)
                cells.append(texts)
    except LabDataError as error:
        # A quote that is not closed ends the reading: what was found before is said too.
        raise LabDataError([*complaints.problems(), *error.problems]) from error
    complaints.raise_if_any()
    if not rows:
        raise LabDataError(Problem("the table has a header and no rows", str(path)))
    columns = {_without_unit(name): place for place, name in enumerate(headings) if name}
    del columns["subject"]
    people = People(
        path,
        rows,
        tuple(lines),
        {name: headings[place] for name, place in columns.items()},
        {name: tuple(texts[place] for texts in cells) for name, place in columns.items()},
        table.repairs,
    )
    return people, table.sha256


def _checked_rows(
    parts: Iterator[tuple[int, list[str]]], width: int, complaints: Complaints
) -> Iterator[tuple[int, list[str]]]:
    for line, texts in parts:
        if complaints.full:
            return
        # A spreadsheet leaves out, or adds, blank cells at the end.
        texts = [*(_plain(text) for text in texts), *[""] * (width - len(texts))]
        if any(texts[width:]):
            message = f"{len(texts)} cells, and the header has {width}"
            complaints.add(line, None, message, f"is a decimal comma in it? {_AS_DATA}")
            continue
        yield line, texts[:width]


def _header(path: Path, header: tuple[int, list[str]], sep: str) -> list[str]:
    line, texts = header
    names = [_plain(text) for text in texts]
    if len(names) == 1:
        for other, words in SEPARATORS.items():
            if other in names[0] and other != sep:
                message = f"columns are separated by {words}"
                raise LabDataError(Problem(message, str(path), line, hint=_AS_DATA))
    problems = []
    times = Counter(_without_unit(name) for name in names if name)
    for name in sorted(name for name, count in times.items() if count > 1):
        message = f'column "{cut(name)}" is given twice'
        problems.append(Problem(message, str(path), line, cut(name), "keep one of them"))
    if "subject" not in names:
        match = nearest("subject", [name for name in names if len(name) <= 100])
        shown = cut(", ".join(names))
        hint = f'Did you mean "{cut(match)}"?' if match else f"(found: {shown})"
        problems.append(Problem('column "subject" is missing', str(path), line, "subject", hint))
    if problems:
        raise LabDataError(problems)
    return names


def _without_unit(name: str) -> str:
    found = _WITH_UNIT.fullmatch(name)
    return name if found is None or not found[1] else found[1]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())
