"""When a sample was taken, as sheets write it ("pre", "2 h", "end+90min") -> time of a tidy table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import LabDataError, UnitError
from ...units import Quantity
from ..lab_data_cells import number, wrong
from .answers import Answers

_WORD = re.compile(
    r"(?P<end>end)?\s*(?:(?P<sign>[-+−–])\s*)?(?P<number>[0-9]+(?:[.,][0-9]+)?)?\s*(?P<unit>[A-Za-zµμ]*)",
    re.IGNORECASE,
)
#: Names of units of time that sheets have beside those of `exsim.units`.
_UNITS = {
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "min": "min", "mins": "min", "minute": "min",
    "minutes": "min", "s": "s", "sec": "s", "d": "d", "day": "d", "days": "d",
}  # fmt: skip


@dataclass(frozen=True)
class When:
    """A time as a tidy table has it."""

    time: str
    unit: str

    def __str__(self) -> str:
        return "end" if self.time == "end" else f"{self.time} {self.unit}"


@dataclass(frozen=True)
class _Word:
    # "end + 90 min" in its parts; the unit is None where none is written.
    after_end: bool
    offset: float | None
    unit: str | None


def time_unit(text: str) -> str | None:
    """Return the unit of time that a text names, or None."""
    return _UNITS.get(text.strip().lower().rstrip("."))


def _read(text: str) -> _Word | None:
    match = _WORD.fullmatch(text.strip())
    if match is None or (match["end"] is None and match["number"] is None):
        return None
    unit = time_unit(match["unit"]) if match["unit"] else None
    if (match["unit"] and unit is None) or (match["number"] is None and (match["sign"] or unit)):
        return None
    if match["end"] and match["number"] and not match["sign"]:
        return None
    offset = None
    if match["number"] is not None:
        offset = number(match["number"].replace(",", "."))
        offset = -offset if match["sign"] in ("-", "−", "–") else offset
    return _Word(match["end"] is not None, offset, unit)


def is_time(text: str) -> bool:
    """Return whether a word of a header is a time by itself: with its unit, or counted from the end."""
    word = _read(text)
    return word is not None and (word.after_end or word.unit is not None)


def find_time(label: str, column: str, answers: Answers) -> When | None:
    """Return the time that a word stands for; None where that has to be asked, which is noted."""
    said = answers.find("time", label)
    if said is not None:
        return _given(said, label, answers)
    word = _read(label)
    if word is None:
        answers.ask("time", column, f'when was "{label}"?', f"{label}=TIME")
        return None
    if not word.after_end and word.offset is not None:
        return _counted(word.offset, word.unit, label, column, answers)
    return _when(word, answers)


def _given(said: str, label: str, answers: Answers) -> When | None:
    word = _read(said)
    if word is None:
        hint = 'write e.g. "-0.5", "-30 min", "end" or "end + 90 min"'
        raise wrong(f'--time {label}={said}: "{said}" is not a time', hint)
    return _when(word, answers)


def _counted(
    offset: float, written_unit: str | None, label: str, column: str, answers: Answers
) -> When | None:
    # From where a plain "2 h" counts nobody can know: many sheets mean the end of exercise.
    options = answers.options
    unit = written_unit or _unit(answers)
    if options.time_from is None:
        question = f'does "{label}" count from the start or from the end of exercise?'
        answers.ask("time-from", column, question, "end", "--time-from start")
        return None
    if options.time_from == "end" and offset < 0:
        question = f'"{label}" is before the end: was it before the start of exercise?'
        answers.ask("time", column, question, f"{label}=TIME")
        return None
    return None if unit is None else written(options.time_from == "end", offset, unit)


def _when(word: _Word, answers: Answers) -> When | None:
    if word.offset is None:
        return When("end", "h")
    unit = word.unit or _unit(answers)
    return None if unit is None else written(word.after_end, word.offset, unit)


def written(after_end: bool, offset: float, unit: str) -> When:
    """Return a time after the start, or after the end, of exercise."""
    if not after_end:
        return When(f"{offset:.10g}", unit)
    return When(f"end {'-' if offset < 0 else '+'} {abs(offset):.10g}", unit) if offset else When("end", "h")


def _unit(answers: Answers) -> str | None:
    unit = answers.options.time_unit
    if unit is None:
        answers.ask("time-unit", None, "in which unit are the times?", "UNIT")
    return unit


def check_unit(answers: Answers) -> None:
    """Raise LabDataError where `--time-unit` is no unit of time."""
    unit = answers.options.time_unit
    if unit is None:
        return
    try:
        Quantity(1.0, unit).to("h")
    except UnitError as error:
        problem = error.problems[0]
        raise LabDataError(
            type(problem)(problem.message, f"--time-unit {unit}", hint=problem.hint)
        ) from error
