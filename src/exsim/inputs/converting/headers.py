"""The header of a column of a wide sheet -> what it holds: "IL-6 (pg/mL) 2 h", "IL6_pre", "pre_IL6"."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...errors import UnitError
from ...sweep_targets import Analyte
from ...units import parse_unit
from .answers import Answers, simple
from .times import is_time, time_unit

_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_BETWEEN = " _.-–;:/|,"
#: Other names of what a model may have by one (HGNC has them as aliases), as `simple` writes them.
_ALSO = {"tnf": ("tnfalpha", "tnfa"), "il1ra": ("il1rn",), "stnfr1": ("stnfri",)}
_RELATIVE = ("fold", "npx", "au", "a.u.")


@dataclass(frozen=True)
class Header:
    """A column: of which analyte, when, and in which unit; None for what the header does not say."""

    text: str
    #: As the header has it, and the model's name of it (None where it is not known).
    named: str
    analyte: str | None
    label: str
    unit: str | None
    ignored: bool = False


def find_analyte(word: str, known: Mapping[str, Analyte], answers: Answers) -> str | None:
    """Return the model's name of an analyte: as was said, or by its own name or label; else None."""
    plain = simple(word)
    if not plain:
        return None
    if any(simple(key) == plain for key in answers.options.analyte):
        return answers.find("analyte", word)
    for name, analyte in known.items():
        if plain in (simple(name), simple(analyte.label), *_ALSO.get(simple(name), ())):
            return name
    return None


def read_header(text: str, known: Mapping[str, Analyte], answers: Answers) -> Header | None:
    """Return what a header says where it names an analyte of the model, or one that is ignored; else None."""
    plain, unit = split_unit(text)
    found = [
        Header(text, named, analyte, label, unit, ignored)
        for named, label in _splits(plain)
        for analyte, ignored in [(find_analyte(named, known, answers), answers.is_ignored(named))]
        if analyte is not None or ignored
    ]
    # "IL-1-RA" before "IL-1": the longest name that is one.
    return max(found, key=lambda header: len(simple(header.named)), default=None)


def read_unknown(text: str, labels: Collection[str]) -> Header | None:
    """Return the header of a measurement of something unknown: it has a unit, or a word for a time."""
    plain, unit = split_unit(text)
    known = {simple(label) for label in labels if label}
    for named, label in _splits(plain):
        if named and label and (simple(label) in known or is_time(label)):
            return Header(text, named, None, label, unit)
    if unit is not None and _is_concentration(unit):
        return Header(text, plain, None, "", unit)
    return None


def split_unit(text: str) -> tuple[str, str | None]:
    """Return a header without the unit in its brackets, and that unit."""
    unit = None
    plain = text
    for match in _BRACKETS.finditer(text):
        inside = match[1].strip()
        if time_unit(inside):
            # "IL-6 2 (h)": it belongs to the time.
            plain = plain.replace(match[0], f" {inside} ")
        elif unit is None and is_unit(inside):
            unit = inside
            plain = plain.replace(match[0], " ")
    return re.sub(r"\s+", " ", plain).strip(), unit


def is_unit(text: str) -> bool:
    """Return whether a text is a unit of a measurement."""
    if text.lower() in _RELATIVE:
        return True
    try:
        parse_unit(text.replace("μ", "µ"))
    except UnitError:
        return False
    return bool(text)


def _is_concentration(unit: str) -> bool:
    if unit.lower() in _RELATIVE:
        return True
    kinds = {parse_unit(name).dimensionality for name in ("g/L", "mol/L")}
    return parse_unit(unit.replace("μ", "µ")).dimensionality in kinds


def _splits(text: str) -> list[tuple[str, str]]:
    # (name, word for the time), name first and time first.
    found = [(text, "")]
    for place, sign in enumerate(text):
        if sign not in _BETWEEN:
            continue
        before, after = text[:place], text[place + 1 :]
        # A dash parts "IL6-2h" and "IL6 - pre"; it is in a name in "TNF-alpha", and a sign in "IL6 -2h".
        label = re.sub(r"^[\s_.;:/|,]*(?:[-–]\s+)?", "", after).strip()
        if sign not in "-–" or before[-1:].isspace() or is_time(label):
            found.append((before.strip(_BETWEEN), label))
        if sign not in "-–":
            found.append((after.strip(_BETWEEN), before.strip()))
    return [(name, label) for name, label in found if name]
