"""A table as NONMEM, Monolix and nlmixr2 have it, one row an event -> tidy rows, and the doses in words.

EVID 0 is an observation, 1 a dose, 2 another event, 3 a reset, 4 a reset and a dose; MDV 1 says that DV is
no datum. CENS 1: the value lies below DV (and above LIMIT); -1: above DV. So the documentation of NONMEM
and of rxode2 (nlmixr2.github.io/rxode2, Datasets) has it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import LabDataError
from ..lab_data_cells import is_missing, number, time_in_hours
from ..lab_data_text import listed
from .columns import check_named, condition_column, taken_along
from .doses import Dose, dose_warnings
from .headers import find_analyte
from .said import Said
from .tidy import TidyRows, listed_words
from .times import When, written

Cells = Mapping[str, str]

#: What a table calls the columns that are read here.
_NAMES = {
    "ID": ("ID",), "TIME": ("TIME",), "DV": ("DV", "Y"), "ANALYTE": ("ANALYTE", "DVNAME"),
    "DVID": ("DVID", "YTYPE"), "CMT": ("CMT", "ADM"), "EVID": ("EVID",), "MDV": ("MDV",), "AMT": ("AMT",),
    "RATE": ("RATE",), "DUR": ("DUR", "TINF"), "II": ("II",), "ADDL": ("ADDL",), "SS": ("SS",),
    "CENS": ("CENS", "BLQ", "BLOQ"), "LIMIT": ("LIMIT",), "UNIT": ("UNIT", "UNITS", "DVUNIT"), "C": ("C",),
}  # fmt: skip
_ALONG = ("sd", "sem", "lloq")
_RESETS = (3, 4)


def is_nonmem(names: Sequence[str]) -> bool:
    """Return whether a header is that of an event table: ID, TIME and DV."""
    found = _places(names)
    return {"ID", "TIME", "DV"} <= set(found)


def _places(names: Sequence[str]) -> dict[str, str]:
    plain = {name.lstrip("#@ ").upper(): name for name in names}
    return {
        role: next(plain[name] for name in spelled if name in plain)
        for role, spelled in _NAMES.items()
        if any(name in plain for name in spelled)
    }


def read_nonmem(rows: TidyRows, line: int, names: Sequence[str], cells: Sequence[tuple[int, Cells]]) -> Said:
    """Add every observation of an event table to `rows`; note what has to be asked, and the doses."""
    said = Said()
    check_named(names, rows.answers, said)
    condition = condition_column(names, rows.answers, rows.complaints.file, line, said)
    table = _Events(rows, _places(names), condition, taken_along(names, _ALONG))
    for number_of_line, row in cells:
        table.read(number_of_line, row)
    used = {*table.places.values(), *table.along.values(), condition}
    said.warnings += table.warnings()
    unread = [name for name in names if name and name not in used]
    if unread:
        said.warnings.append(f"not read: {listed_words(unread)}")
    said.notes += table.notes()
    words = [*table.analytes, *table.unknown]
    said.words |= {"analyte": words, "ignore": words}
    made = [name for name in table.analytes.values() if name]
    said.words |= {"unit": made, "lloq": made}
    return said


@dataclass
class _Events:
    """Reads rows one by one; remembers doses, what was left out, and which words name which analyte."""

    rows: TidyRows
    #: Role -> column, and column of a tidy table -> column.
    places: Mapping[str, str]
    condition: str | None
    along: Mapping[str, str]
    doses: dict[Dose, list[str]] = field(default_factory=dict)
    analytes: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    #: Lines that are no measurement: other events, MDV 1, comments; and of intervals cut at one end.
    others: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    intervals: list[int] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def read(self, line: int, row: Cells) -> None:
        cells = {role: row[name] for role, name in self.places.items()}
        if cells.get("C", "").upper() == "C" or cells["ID"].startswith("#"):
            self.comments.append(line)
            return
        subject = cells["ID"]
        condition = row[self.condition] if self.condition else self.rows.answers.options.condition or ""
        event = self._event(line, cells)
        if event is None:
            return
        if event in _RESETS and (subject, condition) in self._seen:
            self.rows.complaints.add(
                line,
                self.places.get("EVID"),
                f"EVID {event} begins a new occasion of the same person",
                "name the column that tells occasions apart with --condition-from, or convert one by one",
            )
            return
        self._seen.add((subject, condition))
        if event in (1, 4):
            self._dose(line, cells, subject)
        elif event != 0:
            self.others.append(line)
        elif not is_missing(cells.get("MDV", "")) and self._whole(line, "MDV", cells["MDV"]) == 1:
            self.missing.append(line)
        else:
            self._observation(line, row, cells, subject, condition)

    def _event(self, line: int, cells: Cells) -> int | None:
        if "EVID" not in self.places:
            amount = self._read(line, "AMT", cells.get("AMT", ""))
            return 1 if amount else 0
        if is_missing(cells["EVID"]):
            return 0
        event = self._whole(line, "EVID", cells["EVID"])
        if event is not None and event not in range(5):
            message = f"EVID {event} is not one that is known"
            self.rows.complaints.add(line, self.places["EVID"], message, "(accepted: 0, 1, 2, 3, 4)")
            return None
        return event

    def _whole(self, line: int, role: str, text: str) -> int | None:
        found = self._read(line, role, text)
        if found is not None and found != int(found):
            self.rows.complaints.add(line, self.places[role], f'"{text}" is not a whole number')
            return None
        return None if found is None else int(found)

    def _read(self, line: int, role: str, text: str) -> float | None:
        if is_missing(text):
            return None
        try:
            return number(text, self.rows.answers.options.decimal)
        except LabDataError as error:
            self.rows.complain(line, self.places[role], error.problems[0])
            return None

    # ---- a row each ----------------------------------------------------------------------------------

    def _observation(self, line: int, row: Cells, cells: Cells, subject: str, condition: str) -> None:
        word = self._word(line, cells)
        if word is None:
            return
        self.rows.add(
            line,
            self.places["DV"],
            subject=subject,
            condition=condition,
            when=self._time(line, cells["TIME"]),
            analyte=self._analyte(word),
            named=word,
            value=self._value(line, cells),
            unit=cells.get("UNIT") or None,
            more={tidy: "" if is_missing(row[name]) else row[name] for tidy, name in self.along.items()},
        )

    def _word(self, line: int, cells: Cells) -> str | None:
        # What tells the analyte: a name, the number of the observation, or the compartment; "" where
        # no column does. None where the row is not wanted, or says nothing.
        role = self._told_by
        if role is None:
            return ""
        word = cells[role].removesuffix(".0")
        if is_missing(word):
            self.rows.complaints.add(line, self.places[role], "the row does not say what was measured")
            return None
        if self.rows.answers.is_ignored(word):
            self.ignored[word] += 1
            return None
        return word

    @property
    def _told_by(self) -> str | None:
        return next((role for role in ("ANALYTE", "DVID", "CMT") if role in self.places), None)

    def _analyte(self, word: str) -> str | None:
        answers, column = self.rows.answers, self.places.get(self._told_by or "")
        found = find_analyte(word, self.rows.known, answers) if word else answers.find("analyte", "")
        if found is not None:
            self.analytes[word] = found
        elif not word:
            answers.ask("analyte", None, "no column says what was measured: what was it?", "NAME")
        else:
            self.unknown.append(word)
            question = f'which analyte is {column} "{word}"?'
            other = f"leave it out: --ignore {shlex.quote(word)}"
            answers.ask("analyte", column, question, f"{word}=NAME", other)
        return found

    def _time(self, line: int, text: str) -> When | None:
        options, column = self.rows.answers.options, self.places["TIME"]
        if options.time_unit is None:
            self.rows.answers.ask("time-unit", column, "in which unit are the times?", "UNIT")
        try:
            # Read as hours, whatever they are, so that nothing is converted.
            offset, after_end = time_in_hours("" if is_missing(text) else text, "h", options.decimal, None)
        except LabDataError as error:
            self.rows.complain(line, column, error.problems[0])
            return None
        if options.time_from == "end" and offset < 0:
            hint = "a time before the start cannot count from the end: leave --time-from out"
            self.rows.complaints.add(line, column, f"{text} lies before the end", hint)
            return None
        if options.time_unit is None:
            return None
        return written(after_end or options.time_from == "end", offset, options.time_unit)

    def _value(self, line: int, cells: Cells) -> str:
        value = cells["DV"]
        censored = self._whole(line, "CENS", cells.get("CENS", "")) or 0
        if not censored:
            return value
        if censored not in (-1, 1):
            column = self.places["CENS"]
            self.rows.complaints.add(line, column, f"CENS {censored} is not 0, 1 or -1")
            return ""
        limit, datum = self._read(line, "LIMIT", cells.get("LIMIT", "")), self._read(line, "DV", value)
        if censored == -1:
            return f">{value}"
        if limit is not None and limit > 0 and (not datum or limit > datum):
            # Below DV and above LIMIT cannot be: LIMIT is meant as the limit of quantification.
            self.limits.append(line)
            return f"<{cells['LIMIT']}"
        if limit is not None and limit > 0:
            self.intervals.append(line)
        return f"<{value}" if datum else "BLQ"

    def _dose(self, line: int, cells: Cells, subject: str) -> None:
        amount, time = (self._read(line, role, cells.get(role, "")) for role in ("AMT", "TIME"))
        if amount is None or time is None:
            column = self.places.get("AMT" if amount is None else "TIME")
            self.rows.complaints.add(line, column, "the dose has no amount or no time")
            return
        more = [
            self._read(line, role, cells.get(role, "")) or 0.0 for role in ("RATE", "DUR", "II", "ADDL", "SS")
        ]
        dose = Dose(cells.get("CMT", ""), time, amount, *more)
        self.doses.setdefault(dose, []).append(subject)

    # ---- what was found ------------------------------------------------------------------------------

    def notes(self) -> list[str]:
        """Return which word was taken for which analyte, and what the times count from."""
        notes = [f'"{word}" is {name}' for word, name in self.analytes.items() if word and word != name]
        if not self.rows.answers.options.time_from:
            notes.append("TIME counts from time 0 of the protocol")
        return notes

    def warnings(self) -> list[str]:
        """Return what was left out, and the doses."""
        left = {
            "no measurement (MDV 1)": self.missing,
            "another event (EVID 2 or 3)": self.others,
            "a comment": self.comments,
        }
        found = [f"left out as {what}: {listed(lines)}" for what, lines in left.items() if lines]
        found += [f'left out, as asked: {count:,} rows of "{word}"' for word, count in self.ignored.items()]
        if self.limits:
            found.append(f"CENS 1 with LIMIT above DV taken as below LIMIT: {listed(self.limits)}")
        if self.intervals:
            found.append(f"CENS 1 taken as below DV, the lower end LIMIT dropped: {listed(self.intervals)}")
        unit = self.rows.answers.options.time_unit or "h"
        return found + dose_warnings(self.doses, unit)
