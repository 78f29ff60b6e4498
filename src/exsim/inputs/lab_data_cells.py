"""One cell of a table of measurements -> a number, a limit, a time, a unit; or what is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..errors import LabDataError, Problem, UnitError
from ..measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED, Kind
from ..units import Quantity, parse_unit
from .lab_data_text import cut

_LONGEST = 100
#: No conversion of a number below this leaves the range of floats.
_LARGEST = 1e100
_NUMBERS = {
    ".": re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"),
    ",": re.compile(r"[-+]?(?:[0-9]+,?[0-9]*|,[0-9]+)(?:[eE][-+]?[0-9]+)?"),
}
#: What stands for no measurement: what R, NumPy, spreadsheets and NONMEM write.
_MISSING = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "."})
#: What may be "below the limit" or "not done".
_UNCLEAR = frozenset({"nd", "n.d.", "n.d", "n/d", "none", "not detected", "-", "--", "neg", "negative"})
_BELOW = re.compile(
    r"(?:[<≤]=? *)?(?:ll?oq|ll?od)(?: */ *(?:2|sqrt ?\(?2\)?|√2))?|b(?:lq|ql|loq|lloq|ld|dl|lod)"
    r"|below (?:lloq|loq|lod|detection|limit|(?:the )?limit of (?:detection|quantification))",
    re.IGNORECASE,
)
_ABOVE = re.compile(r"(?:[>≥]=? *)?ulo[qd]|a(?:lq|ql|loq|uloq)", re.IGNORECASE)
_AFTER_END = re.compile(r"end *(?:([-+]) *(.*))?", re.IGNORECASE)
_DATE_OR_CLOCK = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}.*|[0-9]{1,2}:[0-9]{2}.*"
    r"|[0-9]{1,2} *[ap]\.?m\.?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(Z|[-+][0-9]{2}:?[0-9]{2})?"
)
_RELATIVE: dict[str, Kind] = {
    "fold": "fold", "fold change": "fold", "fold-change": "fold", "npx": "NPX",
    "au": "AU", "a.u.": "AU", "arbitrary units": "AU", "arbitrary unit": "AU",
}  # fmt: skip


def wrong(message: str, hint: str | None = None) -> LabDataError:
    """Return the error of a cell; its reader adds file, line and column."""
    return LabDataError(Problem(message, hint=hint))


# ---- numbers -----------------------------------------------------------------------------------------


def is_missing(text: str) -> bool:
    """Return whether a cell holds no measurement: blank, NA, NaN, null or a dot."""
    return text.lower() in _MISSING


def number(text: str, decimal: str = ".") -> float:
    """Read a finite number with that decimal sign. Raises LabDataError for anything else."""
    if len(text) > _LONGEST or not _NUMBERS[decimal].fullmatch(text):
        raise wrong(f'"{cut(text)}" is not a number', _number_hint(text[:_LONGEST], decimal))
    found = float(text.replace(",", "."))
    if not math.isfinite(found):
        raise wrong(f'"{cut(text)}" is not a finite number')
    if abs(found) > _LARGEST:
        raise wrong(f'"{cut(text)}" is too large')
    return found


def _number_hint(text: str, decimal: str) -> str:
    other = "," if decimal == "." else "."
    thousands = rf"[-+<>]?[0-9]{{1,3}}(?:[{other} '’_\u00a0\u202f][0-9]{{3}})+"
    if re.fullmatch(thousands, text) and text.count(other) == 1:
        whole, _, rest = text.partition(other)
        return f"write {whole}{rest} without a thousands separator, or {whole}{decimal}{rest}"
    if re.fullmatch(rf"{thousands}(?:[.,][0-9]*)?", text):
        return "write it without thousands separators"
    if re.fullmatch(rf"[-+<>]?[0-9]*[{other}][0-9]+(?:[eE][-+]?[0-9]+)?", text):
        if decimal == ",":
            return 'the decimal sign of the table is "," (decimal = ","): the two cannot be mixed'
        return 'write a decimal point, or set decimal = "," if the whole table has commas'
    if text.lower() in ("inf", "-inf", "infinity") or is_missing(text):
        return "leave the cell empty where there is no number"
    if re.search(r"±|\+/-|\+-", text):
        return "the mean goes into value, its spread into sd or sem"
    if text[:1] in ("−", "–"):
        return 'write the minus sign as "-"'
    if re.fullmatch(r"[-+<>]? ?[0-9.,oO]*[0-9][0-9.,oO]*", text):
        return "a letter O stands where a zero belongs"
    if re.match(r"[-+<>]? ?[0-9.,]+ *[^\W\d_%]|[-+<>]?[0-9.,]+ *%", text):
        return "the unit goes into a column of its own"
    return "leave the cell empty where there is no number"


def positive(text: str, decimal: str) -> float:
    """Read a number above 0."""
    found = number(text, decimal)
    if found <= 0:
        raise wrong(f"{cut(text)} is impossible: it must be more than 0", "leave the cell empty")
    return found


def count(text: str) -> int:
    """Read a number of people."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise wrong(f'"{cut(text)}" is not a number of people', "write a whole number, 1 or more")
    return int(text)


# ---- what was measured -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A value, or the limit that it lies below or above; a limit that the cell does not give is NaN."""

    value: float
    censoring: int = MEASURED
    limit: float = math.nan


def reading(text: str, decimal: str, signed: bool = False) -> Reading:
    """Read "3.2", "<0.5", ">500", "BLQ" or "LOD/2"; a limit is above 0 unless values are `signed`.

    A word for a value below the limit, half a limit too, is that limit and no number. Raises
    LabDataError for what is none of these.
    """
    if len(text) <= _LONGEST:
        if _BELOW.fullmatch(text):
            return Reading(math.nan, BELOW_LIMIT)
        if _ABOVE.fullmatch(text):
            raise wrong(f'"{text}" gives no limit', 'write the upper limit, e.g. ">500"')
        if text.lower() in _UNCLEAR:
            hint = (
                "write BLQ, with the limit in lloq, if it was below; leave the cell empty if it was not done"
            )
            raise wrong(f'"{text}" may be below the limit or not measured', hint)
    if text[:1] in ("<", "≤", ">", "≥"):
        limit = number(text[1:].removeprefix("=").strip(), decimal)
        if limit <= 0 and not signed:
            raise wrong(f'"{cut(text)}" has no limit above 0', 'write the limit, e.g. "<0.5"')
        return Reading(math.nan, BELOW_LIMIT if text[0] in "<≤" else ABOVE_LIMIT, limit)
    return Reading(number(text, decimal))


def volume_change(text: str, decimal: str, unit: str | None) -> float:
    """Read a change of plasma volume as a fraction: "-8 %", or -0.08 where `unit` is "fraction".

    Raises LabDataError for a number that may be either, and for a change that no one has.
    """
    percent = text.endswith("%")
    found = number(text.removesuffix("%").rstrip(), decimal)
    if not percent and unit is None and found != 0:
        hint = 'write "-8 %", or set plasma_volume = "fraction" or "percent" for the column'
        raise wrong(f'"{cut(text)}" may be a fraction or in percent', hint)
    if percent and unit == "fraction":
        raise wrong(f'"{cut(text)}" is in percent, and plasma_volume = "fraction"', "write all rows alike")
    fraction = found / 100 if percent or unit == "percent" else found
    if not -0.5 < fraction < 1:
        hint = "a change lies above -50 % and below 100 %; a loss of plasma is negative"
        raise wrong(f'"{cut(text)}" is an impossible change of plasma volume', hint)
    return fraction


# ---- times -------------------------------------------------------------------------------------------


def time_in_hours(
    text: str, unit: str, decimal: str, zero: str | None, clock: bool = False
) -> tuple[float, bool]:
    """Read a time: hours, and whether they count from the end of the last bout ("end + 1.5").

    With `clock`, "2024-05-04T09:30+02:00" is read too, and counts from `zero`, a moment of the same
    form. Raises LabDataError or UnitError.
    """
    if _DATE_OR_CLOCK.fullmatch(text[:_LONGEST]):
        return _clock_hours(text, unit, zero, clock), False
    if not text:
        raise wrong("the row has no time", 'write hours after the start, or "end + 1.5" after the end')
    relative = _AFTER_END.fullmatch(text[:_LONGEST])
    offset = 0.0
    if relative is None or relative[1]:
        digits = text if relative is None else relative[2]
        if relative is not None and digits[:1] in ("-", "+"):
            raise wrong(f'"{cut(text)}" has two signs', 'write e.g. "end + 1.5" or "end - 0.5"')
        offset = number(digits, decimal)
    if not unit:
        raise wrong(f'the time "{cut(text)}" has no unit', 'write e.g. "h" or "min" into time_unit')
    hours = Quantity(offset, unit).to("h")
    return (-hours if relative is not None and relative[1] == "-" else hours), relative is not None


def moment(text: str) -> datetime:
    """Read a date and time with its zone, ISO 8601. Raises LabDataError for any other."""
    match = _ISO.fullmatch(text)
    example = 'write e.g. "2024-05-04T09:30+02:00"'
    if match is None:
        raise wrong(f'"{cut(text)}" is not a date and time as ISO 8601 has them', example)
    if match[1] is None:
        raise wrong(f'"{text}" has no zone', example)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong(f'"{text}" is no date and time: {error}', example) from error


def _clock_hours(text: str, unit: str, zero: str | None, clock: bool) -> float:
    if not clock:
        hint = "give the time after the start in time_unit, or set clock to the date and time of time 0"
        raise wrong(f'"{cut(text)}" is a date or a time of day', hint)
    if unit and unit.upper() not in ("ISO 8601", "ISO8601", "CLOCK"):
        hint = 'leave time_unit empty, or write "ISO 8601"'
        raise wrong(f'"{cut(text)}" is a date or a time of day, and time_unit is "{cut(unit)}"', hint)
    found = moment(text)
    if zero is None:
        raise wrong("the setting clock has no time 0 for this subject and condition", "add it")
    return (found - moment(zero)).total_seconds() / 3600


# ---- units -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """How values of one unit become values of the model: their kind, their unit, and the way there."""

    kind: Kind
    #: Unit of the converted value; the kind itself for relative values.
    unit: str
    written: str
    #: g/mol where an amount becomes a mass (`to_mass`) or a mass an amount.
    molar_mass: float | None = None
    to_mass: bool = False

    def apply(self, value: float) -> float:
        """Return a value, a spread or a limit in the unit of the model."""
        if self.kind != "level" or math.isnan(value) or self.written == self.unit:
            return value
        if self.molar_mass is None:
            return Quantity(value, self.written).to(self.unit)
        if self.to_mass:
            mass = Quantity(value, self.written).to("mol/L") * self.molar_mass
            return Quantity(mass, "g/L").to(self.unit)
        return Quantity(Quantity(value, self.written).to("g/L") / self.molar_mass, "mol/L").to(self.unit)


def scale(text: str, wanted: str, analyte: str, molar_masses: Mapping[str, float]) -> Scale:
    """Return how values in a unit become values in the model's unit of an analyte.

    "fold", "NPX" and "AU" are relative and stay as they are. An amount becomes a mass, or the reverse,
    only by the molar mass of the analyte (g/mol). Raises LabDataError or UnitError.
    """
    if not text:
        raise wrong(
            "the row has no unit", f'write e.g. "{wanted}", or "fold", "NPX", "AU" for relative values'
        )
    relative = _RELATIVE.get(text.lower())
    if relative is not None:
        return Scale(relative, relative, text)
    written = text.replace("μ", "µ")
    found, target = parse_unit(written), parse_unit(wanted)
    if found.dimensionality == target.dimensionality:
        return Scale("level", wanted, written)
    amount, mass = parse_unit("mol/L").dimensionality, parse_unit("g/L").dimensionality
    if {found.dimensionality, target.dimensionality} == {amount, mass}:
        if analyte in molar_masses:
            to_mass = found.dimensionality == amount
            return Scale("level", wanted, written, molar_masses[analyte], to_mass)
        hint = f'convert it to "{wanted}", or give the molar mass of {analyte} (molar_mass)'
        raise wrong(f'"{cut(text)}" becomes "{wanted}" only by a molar mass', hint)
    try:
        Quantity(1.0, written).to(wanted)
    except UnitError as error:
        hint = f'give it in a unit such as "{wanted}", or as "fold", "NPX" or "AU" if it is relative'
        raise wrong(error.problems[0].message, hint) from error
    raise AssertionError("units of two dimensions were converted")
