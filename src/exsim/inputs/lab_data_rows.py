"""One row of a table of measurements -> Row in the units of the model; what was changed on the way."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import LabDataError, UnitError, did_you_mean
from ..measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from ..sweep_targets import Analyte
from .lab_data_cells import (
    Reading,
    Scale,
    count,
    is_missing,
    number,
    positive,
    reading,
    scale,
    time_in_hours,
    volume_change,
)
from .lab_data_checks import BoutSpan, Row
from .lab_data_text import Complaints, cut, listed

#: Names for which the nearest known one is looked up: each look takes time.
_MOST_HINTS = 60
_T = TypeVar("_T")


@dataclass
class RowReader:
    """Reads rows one by one; notes what is wrong, what is missing and what was changed."""

    #: Column -> its place in a row of `width` cells.
    columns: Mapping[str, int]
    width: int
    known: Mapping[str, Analyte]
    decimal: str
    sep: str
    clock: str | Mapping[tuple[str, str], str] | None
    plasma_volume: str | None
    bouts: Mapping[str, BoutSpan] | None
    molar_masses: Mapping[str, float]
    complaints: Complaints
    #: Analytes whose rows are left out.
    ignore: frozenset[str] = frozenset()
    #: Lines without a measurement, of numbers below their lloq, corrected by plasma volume.
    missing: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    uncorrected: list[int] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    _stripped: int = 0
    _composed: int = 0
    _texts: dict[str, str] = field(default_factory=dict)
    _scales: dict[tuple[str, str], Scale] = field(default_factory=dict)
    _hints: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, line: int, cells: list[str]) -> Row | None:
        """Return the row of a line; None where it is wrong or has no measurement."""
        if len(cells) != self.width:
            message = f"the row has {len(cells)} cells and the header {self.width}"
            hint = "put quotes around a cell that holds a comma"
            if self.sep == ",":
                hint += '; with decimal commas set sep = ";" or a tab and decimal = ","'
            self.complaints.add(line, None, message, hint if len(cells) > self.width else None)
            return None
        text = {name: self._cleaned(cells[place]) for name, place in self.columns.items()}
        if text["analyte"] in self.ignore:
            self.ignored[text["analyte"]] = self.ignored.get(text["analyte"], 0) + 1
            return None
        if is_missing(text["value"]):
            self.missing.append(line)
            return None
        before = self.complaints.total
        row = self._row(line, text)
        return row if self.complaints.total == before else None

    def _row(self, line: int, text: dict[str, str]) -> Row:
        for name in ("subject", "condition"):
            if not text[name]:
                self.complaints.add(line, name, f"the row has no {name}", _BLANK[name])
        if self.bouts is not None and text["condition"] and text["condition"] not in self.bouts:
            self._unknown(line, "condition", text["condition"], list(self.bouts))
        unit = self._unit(line, text["analyte"], text["unit"])
        signed = unit.kind == "NPX"
        measured = self._cell(line, "value", reading, text["value"], self.decimal, signed)
        measured = measured or Reading(math.nan)
        time_h, after_end = self._time(line, text)
        n = 0 if is_missing(text.get("n", "")) else self._cell(line, "n", count, text["n"])
        row = Row(
            line=line,
            subject=text["subject"],
            condition=text["condition"],
            analyte=text["analyte"],
            time_h=time_h,
            after_end=after_end,
            value=measured.value,
            kind=unit.kind,
            unit=unit.unit,
            written_unit=text["unit"],
            censoring=measured.censoring,
            limit=measured.limit,
            sd=self._number(line, "sd", text),
            sem=self._number(line, "sem", text),
            n=n or 0,
            lloq=self._number(line, "lloq", text, signed),
            batch=text.get("batch", ""),
            replicate=text.get("replicate", ""),
            source=text.get("source", ""),
            plasma_volume_change=self._change(line, text.get("plasma_volume_change", "")),
        )
        if row.sem > row.sd:
            message = f"the standard error, {row.sem:g}, is above the standard deviation, {row.sd:g}"
            self.complaints.add(line, "sem", message, "are the two columns exchanged?")
        self._censor(row)
        _convert(row, unit)
        return row

    # ---- cells ---------------------------------------------------------------------------------------

    def _cleaned(self, cell: str) -> str:
        # One string object for each text; blanks round it off, Unicode composed.
        known = self._texts.get(cell)
        if known is None:
            known = unicodedata.normalize("NFC", cell.strip())
            self._texts[cell] = self._texts.setdefault(known, known)
        if known != cell:
            stripped = cell.strip()
            self._stripped += stripped != cell
            self._composed += known != stripped
        return known

    def _cell(self, line: int, key: str, read: Callable[..., _T], *arguments: object) -> _T | None:
        try:
            return read(*arguments)
        except (LabDataError, UnitError) as error:
            problem = error.problems[0]
            self.complaints.add(line, key, problem.message, problem.hint)
            return None

    def _unknown(self, line: int, key: str, word: str, accepted: list[str]) -> None:
        if (key, word) not in self._hints and len(self._hints) < _MOST_HINTS:
            self._hints[key, word] = did_you_mean(word[:100], accepted)
        hint = self._hints.get((key, word), f"(accepted: {', '.join(sorted(accepted))})")
        self.complaints.add(line, key, f'unknown {key} "{cut(word)}"', hint)

    def _number(self, line: int, key: str, text: Mapping[str, str], signed: bool = False) -> float:
        if is_missing(text.get(key, "")):
            return math.nan
        return _or_nan(self._cell(line, key, number if signed else positive, text[key], self.decimal))

    def _time(self, line: int, text: Mapping[str, str]) -> tuple[float, bool]:
        zero = self.clock
        if isinstance(zero, Mapping):
            zero = zero.get((text["subject"], text["condition"]))
        arguments = (text["time"], text["time_unit"], self.decimal, zero, self.clock is not None)
        return self._cell(line, "time", time_in_hours, *arguments) or (math.nan, False)

    def _unit(self, line: int, analyte: str, unit: str) -> Scale:
        # Where analyte or unit is wrong, a scale that changes nothing: the row is not kept.
        if not analyte:
            self.complaints.add(line, "analyte", "the row has no analyte", _BLANK["analyte"])
        elif analyte not in self.known:
            self._unknown(line, "analyte", analyte, list(self.known))
        else:
            found = self._scales.get((analyte, unit))
            if found is None:
                wanted = self.known[analyte].unit
                found = self._cell(line, "unit", scale, unit, wanted, analyte, self.molar_masses)
            if found is not None:
                self._scales[analyte, unit] = found
                return found
        return Scale("level", "", "")

    def _change(self, line: int, text: str) -> float:
        if "plasma_volume_change" not in self.columns:
            return math.nan
        if is_missing(text):
            self.uncorrected.append(line)
            return math.nan
        self.corrected.append(line)
        key = "plasma_volume_change"
        return _or_nan(self._cell(line, key, volume_change, text, self.decimal, self.plasma_volume))

    # ---- limits, units, plasma volume ----------------------------------------------------------------

    def _censor(self, row: Row) -> None:
        # A number below the limit is an extrapolation or stands for one (half the limit): it is no value.
        given = not math.isnan(row.lloq)
        if row.censoring == MEASURED and row.value < row.lloq:
            row.value, row.censoring, row.limit = math.nan, BELOW_LIMIT, row.lloq
            self.moved.append(row.line)
        elif row.censoring == BELOW_LIMIT and math.isnan(row.limit):
            row.limit = row.lloq
            if not given:
                hint = 'give the limit in column lloq, or write it: "<0.5"'
                self.complaints.add(row.line, "value", "the value is below a limit that is not given", hint)
        elif row.censoring == BELOW_LIMIT and given and row.limit != row.lloq:
            message = f"the value is below {row.limit:g}, and lloq is {row.lloq:g}"
            self.complaints.add(row.line, "lloq", message, "give the limit of this sample in both, or once")
        elif row.censoring == ABOVE_LIMIT and given and row.limit <= row.lloq:
            message = f"the value is above {row.limit:g}, and lloq is {row.lloq:g}"
            self.complaints.add(row.line, "lloq", message, "the upper limit lies above the lower one")

    # ---- the record ----------------------------------------------------------------------------------

    def warnings(self) -> list[str]:
        """Return what was left out, and rows that a correction does not reach."""
        found = [f"{_count(rows)} of {analyte} left out, as asked" for analyte, rows in self.ignored.items()]
        unused = sorted(self.ignore - set(self.ignored))
        found += [f'no row is of "{name}", which is to be ignored' for name in unused]
        if self.missing:
            lines = listed(self.missing)
            found.append(f"{_rows(self.missing)} without a measurement left out ({lines})")
        if self.corrected and self.uncorrected:
            lines = listed(self.uncorrected)
            found.append(
                f"no plasma_volume_change on {lines}: these values are as measured, the others are not"
            )
        return found

    def repairs(self) -> list[str]:
        """Return what was changed in reading."""
        found = []
        if self._stripped:
            found.append(f"blanks round {self._stripped:,} cells taken off")
        if self._composed:
            found.append(f"Unicode of {self._composed:,} cells composed (NFC)")
        for (analyte, unit), item in self._scales.items():
            if item.molar_mass is not None:
                mass = f"{item.molar_mass:g} g/mol"
                found.append(f"{analyte}: {unit} read as {item.unit} by a molar mass of {mass}")
        if self.corrected:
            rows = _rows(self.corrected)
            found.append(f"{rows} corrected for haemoconcentration: value * (1 + plasma_volume_change)")
        return found


_BLANK = {
    "subject": 'write "group" for the mean of a group',
    "condition": "write the name of the condition, as in the config",
    "analyte": "write what was measured",
}


def _convert(row: Row, unit: Scale) -> None:
    # To the unit of the model, then to the plasma volume at rest.
    change = 0.0 if math.isnan(row.plasma_volume_change) else row.plasma_volume_change
    for name in ("value", "limit", "lloq", "sd", "sem"):
        converted = unit.apply(getattr(row, name))
        if row.kind != "NPX":
            converted *= 1 + change
        elif name in ("value", "limit", "lloq"):
            converted += math.log2(1 + change)
        setattr(row, name, converted)


def _rows(lines: list[int]) -> str:
    return _count(len(lines))


def _count(rows: int) -> str:
    return f"{rows:,} row{'s' if rows > 1 else ''}"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
