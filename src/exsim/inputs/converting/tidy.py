"""Rows of a tidy table in the making: cells made plain, and all that `exsim check` would say of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...errors import LabDataError, Problem, UnitError
from ...measurements import BELOW_LIMIT, MEASURED
from ...sweep_targets import Analyte
from ..lab_data import COLUMNS, REQUIRED_COLUMNS
from ..lab_data_cells import is_missing, reading, scale
from ..lab_data_checks import check_repeats, check_times, value_warnings
from ..lab_data_rows import RowReader
from ..lab_data_text import Complaints
from .answers import Answers, simple
from .times import When

#: What the reader of tidy tables says, in the words of this command.
_WORDS = {
    'or set decimal = "," if the whole table has commas': "or give --decimal , if the whole table has commas",
    'the decimal sign of the table is "," (decimal = ","): the two cannot be mixed': (
        "--decimal , says that the table has commas: the two cannot be mixed"
    ),
    "give the time after the start in time_unit, or set clock to the date and time of time 0": (
        "write the time after the start, as a number"
    ),
    'write "-8 %", or set plasma_volume = "fraction" or "percent" for the column': 'write "-8 %"',
}
#: Rows of a sheet that sum up the others.
_SUMMARIES = ("mean", "average", "median", "sd", "std", "stdev", "sem", "total")
_NUMERIC = ("time", "value", "sd", "sem", "lloq")


@dataclass
class TidyRow:
    """One measurement: cells of the tidy table as text, and where in the source it stood."""

    line: int
    #: The column that the value stood in.
    column: str
    cells: dict[str, str]


@dataclass
class TidyRows:
    """The rows of a table in the making; notes what is wrong with the source, by line and column."""

    known: Mapping[str, Analyte]
    answers: Answers
    complaints: Complaints
    rows: list[TidyRow] = field(default_factory=list)
    #: Analytes without a unit, and what the options and the model's own units have to say.
    units: dict[str, str] = field(default_factory=dict)
    #: Lines that sum up others.
    _sums: set[int] = field(default_factory=set)

    def add(
        self,
        line: int,
        column: str,
        *,
        subject: str,
        condition: str,
        when: When | None,
        analyte: str | None,
        named: str,
        value: str,
        unit: str | None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Add a measurement; what is wrong with it, or has to be asked, is noted.

        `named` is the word of the table for the analyte, which is None where that is not known.
        """
        if line in self._sums:
            return
        if simple(subject) in _SUMMARIES:
            self._sums.add(line)
            hint = "take it out: means of groups go into a table of their own, with n and sem"
            self.complaints.add(line, None, f'"{subject}" looks like a row that sums up the others', hint)
            return
        word = analyte or named
        unit = unit or self._find("unit", analyte, named)
        if unit is None:
            what = analyte or (f'"{named}"' if named else "what was measured")
            write = f"{word}=UNIT" if word else "UNIT"
            self.answers.ask("unit", column, f"in which unit is {what}?", write)
        cells = {name: self._plain(name, text) for name, text in (more or {}).items()}
        limit = cells.get("lloq") or self._find("lloq", analyte, named) or ""
        if limit:
            cells["lloq"] = limit
        text = self._value(line, column, word, value, unit or "", limit)
        if text is None or when is None or unit is None or analyte is None:
            return
        self.units.setdefault(analyte, unit)
        self.rows.append(
            TidyRow(
                line,
                column,
                {
                    "subject": subject,
                    "condition": condition,
                    "time": when.time,
                    "time_unit": when.unit,
                    "analyte": analyte,
                    "value": text,
                    "unit": unit,
                    **cells,
                },
            )
        )

    def _find(self, option: Literal["unit", "lloq"], analyte: str | None, named: str) -> str | None:
        words = [word for word in (analyte, named) if word]
        own = [
            word
            for word in words
            if any(simple(word) == simple(key) for key in getattr(self.answers.options, option))
        ]
        return self.answers.find(option, (own or words or [""])[0])

    def _value(self, line: int, column: str, analyte: str, text: str, unit: str, limit: str) -> str | None:
        # As a tidy table has it: a point as decimal sign; a blank stays one.
        if is_missing(text):
            return ""
        try:
            found = reading(text, self.answers.options.decimal, unit.upper() == "NPX")
        except LabDataError as error:
            self.complain(line, column, error.problems[0])
            return None
        if found.censoring == BELOW_LIMIT and math.isnan(found.limit) and not limit:
            hint = f'give --lloq {analyte}=NUMBER, or write the limit into the cell: "<0.5"'
            self.complaints.add(line, column, f'"{text}" is below a limit that is not given', hint)
            return None
        return self._plain("value", text)

    def _plain(self, name: str, text: str) -> str:
        comma = self.answers.options.decimal == "," and name in _NUMERIC
        return text.replace(",", ".") if comma else text

    def complain(self, line: int, column: str | None, problem: Problem) -> None:
        """Note a complaint of one of the readers, in the words of this command."""
        hint = problem.hint or ""
        for said, here in _WORDS.items():
            hint = hint.replace(said, here)
        self.complaints.add(line, column, problem.message, hint or None)

    # ---- as `exsim check` will see it ----------------------------------------------------------------

    def check(self) -> list[str]:
        """Note all that `exsim check` would find wrong, by the lines of the source; return its warnings."""
        columns = self.columns()
        reader = RowReader(
            columns={name: place for place, name in enumerate(columns)},
            width=len(columns),
            known=self.known,
            decimal=".",
            sep=",",
            clock=None,
            plasma_volume=None,
            bouts=None,
            # What needs a molar mass is for the config to say: here any does.
            molar_masses=dict.fromkeys(self.known, 1.0),
            complaints=Complaints(self.complaints.file),
        )
        found = [reader.read(row.line, [row.cells.get(name, "") for name in columns]) for row in self.rows]
        kept = [row for row in found if row is not None]
        check_times(kept, None, True, reader.complaints)
        check_repeats(kept, None, reader.complaints)
        for problem in reader.complaints.problems():
            self.complain(problem.line or 1, problem.key, problem)
        if not kept and self.rows and not reader.complaints.total:
            self.complaints.add(self.rows[0].line, None, "no row holds a measurement")
        said = list(value_warnings(kept, {}))
        censored = sum(row.censoring != MEASURED for row in kept)
        if censored:
            said.append(f"{censored:,} value{'s' * (censored > 1)} known only to lie beyond a limit")
        blank = len(reader.missing)
        if blank:
            said.append(f"{blank:,} row{'s' * (blank > 1)} without a measurement kept blank")
        return [*said, *self._molar()]

    def _molar(self) -> list[str]:
        said = []
        for analyte, unit in self.units.items():
            wanted = self.known[analyte].unit if analyte in self.known else unit
            try:
                scale(unit, wanted, analyte, {})
            except (LabDataError, UnitError):
                said.append(
                    f"{analyte} is in {unit} and the model has {wanted}: give its molar mass in the "
                    "config, under [data.molar_mass]"
                )
        return said

    def columns(self) -> list[str]:
        """Return the columns of the table: those that must be there, and those that anything stands in."""
        more = [name for name in COLUMNS if name not in REQUIRED_COLUMNS]
        return [*REQUIRED_COLUMNS, *(n for n in more if any(row.cells.get(n) for row in self.rows))]

    def table(self) -> tuple[list[str], list[list[str | float]]]:
        """Return the columns and the rows, numbers as such."""
        columns = self.columns()
        return columns, [
            [
                _number(row.cells.get(name, "")) if name in _NUMERIC else row.cells.get(name, "")
                for name in columns
            ]
            for row in self.rows
        ]


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def listed_words(words: Sequence[str]) -> str:
    """Return words in quotes, separated by commas."""
    return ", ".join(f'"{word}"' for word in words)
