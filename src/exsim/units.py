"""Quantities: a number with its unit, read from text at the edge, converted by Pint."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, cast

from .errors import Problem, UnitError, nearest

if TYPE_CHECKING:
    import pint

# A registry of the units that exercise immunology uses: small, so that it loads at once, and
# free of names that would turn a typing error into a quantity ("M" is not molar here, row 8).
_DEFINITIONS = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ- = μ-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
deci- = 1e-1 = d-
kilo- = 1e3 = k-
gram = [mass] = g
second = [time] = s = sec
meter = [length] = m = metre
mole = [substance] = mol
kelvin = [temperature] = K
minute = 60 * second = min
hour = 60 * minute = h = hr
day = 24 * hour = d
week = 7 * day
liter = 1e-3 * meter ** 3 = L = l = litre
percent = 0.01 = %
dimensionless_unit = 1
beat = [] = beats
bpm = beat / minute
newton = kilogram * meter / second ** 2 = N
joule = newton * meter = J
watt = joule / second = W
IU = [biological_activity]
"""

#: Units as a user may write them; shown where one is not known.
COMMON_UNITS = (
    "h", "min", "s", "d", "week", "kg", "g", "mg", "ug", "ng", "pg", "L", "mL", "dL", "mol", "mmol", "umol",
    "nmol", "pmol", "IU", "W", "beats", "bpm", "percent", "K", "m",
)  # fmt: skip

# What a unit that is not taken may have meant (row 8).
_AMBIGUOUS = {
    "M": 'M may be molar or the prefix mega: write "mol/L" for molar',
    "U": 'U may be an enzyme unit or an international unit: write "IU" for the latter',
    "mcg": 'write "ug" for microgram',
    "mn": 'write "min" for minute',
    "mo": 'write days, "d": a month has no fixed length',
    "month": 'write days, "d": a month has no fixed length',
    "y": 'write days, "d"',
    "C": "write kelvin, K",
    "cal": 'write "J"',
    "kcal": 'write "kJ"',
    "per": 'write "/", as in "ng/kg"',
    "lb": 'write kilograms, "kg": 1 lb is 0.4536 kg',
    "lbs": 'write kilograms, "kg": 1 lb is 0.4536 kg',
    "st": 'write kilograms, "kg": 1 st is 6.35 kg',
    "oz": 'write grams, "g": 1 oz is 28.35 g',
    "ft": 'write metres, "m": 1 ft is 0.3048 m',
    "inch": 'write metres, "m": 1 inch is 0.0254 m',
    "mile": 'write kilometres, "km": 1 mile is 1.609 km',
    "miles": 'write kilometres, "km": 1 mile is 1.609 km',
}

_DIMENSION_WORDS = {
    "h": "a time",
    "kg": "a mass",
    "m": "a length",
    "L": "a volume",
    "mol": "an amount of substance",
    "g/L": "a mass per volume",
    "mol/L": "an amount per volume",
    "1/h": "a rate (per time)",
    "g/h": "a mass per time",
    "mol/h": "an amount per time",
    "L/h": "a volume per time",
    "L/kg": "a volume per mass",
    "L/kg/h": "a volume per mass and time",
    "W": "a power",
    "IU": "a biological activity",
    "K": "a temperature",
    "dimensionless": "dimensionless (a plain number, or mass per mass)",
}

_MAX_TEXT = 200
_MAX_EXPONENT = 9


@cache
def registry() -> pint.UnitRegistry:
    """Return exsim's unit registry (Pint is imported when the first quantity is read)."""
    import pint

    # Fractions: "60 min" is 1 h, not 1.0000000000000002 h.
    units: pint.UnitRegistry = pint.UnitRegistry(None, cache_folder=None, non_int_type=Fraction)
    for line in _DEFINITIONS.strip().splitlines():
        units.define(line)
    return units


_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*((?:[^\W\d_]|[%(]|1\s*/).*)?", re.DOTALL)


@dataclass(frozen=True)
class Quantity:
    """A number with the unit that the user wrote, such as "3.43 h" or "8 ug/h"."""

    magnitude: float
    unit: str

    @classmethod
    def parse(cls, text: str, example: str = "60 min", wanted: str | None = None) -> Quantity:
        """Read "3.43 h". Raises UnitError for a bare number, an unknown unit or a number not finite.

        `example` is what the way out shows; with `wanted`, a unit, only units of its dimension are proposed.
        """
        shown = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
        match = _QUANTITY.fullmatch(text.rstrip()) if len(text) <= _MAX_TEXT else None
        if match is None:
            comma = re.match(r"\s*[-+]?[0-9]+,[0-9]", text) is not None
            hint = (
                f'write the decimal point as ".": "{text.replace(",", ".", 1)}"'
                if comma
                else f'write e.g. "{example}"'
            )
            raise UnitError(Problem(f'"{shown}" is not a number with a unit', hint=hint))
        magnitude, unit = float(match[1]), match[2] or ""
        if not unit:
            raise UnitError(
                Problem(f'"{text}" has no unit', hint=f'write it with its unit, e.g. "{example}"')
            )
        if not math.isfinite(magnitude):
            raise UnitError(Problem(f'"{text}" is not a finite number'))
        unit = unit.replace("μ", "µ")
        parse_unit(unit, wanted)
        return cls(magnitude, unit)

    def to(self, unit: str) -> float:
        """Return the number in another unit. Raises UnitError where the dimensions differ."""
        return float(Fraction(self.magnitude) * _exact_factor(self.unit, unit))

    def __str__(self) -> str:
        return f"{repr(self.magnitude).removesuffix('.0')} {self.unit}"


_TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d_]\w*|%)(?:(?:\s*(?:\^|\*\*)\s*)?(?P<power>[-+]?[0-9]+))?"
    r"|(?P<one>1)(?=\s*(?:/|$))|(?P<sign>[*·⋅/()]))\s*"
)


def _factors(text: str) -> dict[str, int]:
    """Return {unit name: power} of "mL/kg/min", "mL kg^-1 min-1" or "ng/(kg*h)"; ValueError if it is none."""
    powers: dict[str, int] = {}
    sign, outer_signs = 1, [1]
    position, expecting = 0, True
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or (token["one"] and position > 0):
            raise ValueError(text)
        position = token.end()
        symbol = token["sign"]
        if symbol == ")":
            if expecting or len(outer_signs) == 1:
                raise ValueError(text)
            outer_signs.pop()
            sign = 1
        elif symbol is not None and symbol != "(":
            if expecting:
                raise ValueError(text)
            sign, expecting = (-1 if symbol == "/" else 1), True
        else:
            if not expecting:
                sign = 1  # a blank multiplies
            if symbol == "(":
                outer_signs.append(outer_signs[-1] * sign)
                sign, expecting = 1, True
                continue
            power = int(token["power"] or 1)
            if abs(power) > _MAX_EXPONENT:
                raise ValueError(text)
            if token["name"] not in (None, "dimensionless"):
                powers[token["name"]] = powers.get(token["name"], 0) + power * sign * outer_signs[-1]
            expecting = False
    if expecting or len(outer_signs) > 1:
        raise ValueError(text)
    return powers


def _unknown(text: str, names: list[str], wanted: str | None) -> UnitError:
    # Part of a compound unit may have any dimension.
    proposed: tuple[str, ...] = COMMON_UNITS
    if wanted is not None and names == [text]:
        dimension = parse_unit(wanted).dimensionality
        proposed = tuple(unit for unit in COMMON_UNITS if parse_unit(unit).dimensionality == dimension)
    for name in names:
        molar = re.fullmatch(r"([fpnuµmk])M", name)
        hint = f'write "{molar[1]}mol/L" for molar' if molar else _AMBIGUOUS.get(name)
        if hint is not None:
            return UnitError(Problem(f'the unit "{name}" is ambiguous or not taken', hint=hint))
        if not _is_known(name):
            match = nearest(name, proposed)
            guess = f'Did you mean "{match}"?  ' if match else ""
            of = f' in "{text}"' if name != text else ""
            hint = f"{guess}(known: {', '.join(proposed)}, and with prefixes)" if proposed else None
            return UnitError(Problem(f'unknown unit "{name}"{of}', hint=hint))
    return UnitError(
        Problem(f'"{text}" is not a unit', hint='write e.g. "h", "pg/mL", "mL/kg/min" or "mL kg^-1 min^-1"')
    )


def _is_known(name: str) -> bool:
    return name.isascii() and bool(registry().parse_unit_name(name))


@lru_cache(maxsize=4096)
def parse_unit(text: str, wanted: str | None = None) -> pint.Unit:
    """Read a unit such as "pg/mL". Raises UnitError where it is not known.

    With `wanted`, a unit, the error proposes units of that dimension alone.
    """
    if len(text) > _MAX_TEXT:
        raise UnitError(Problem(f'"{text[:_MAX_TEXT]}..." is not a unit'))
    plain = text.replace("μ", "µ").replace("µ", "u")
    try:
        powers = _factors(plain)
    except ValueError as error:
        raise _unknown(text, [], wanted) from error
    names = ["percent" if name == "%" else name for name in powers]
    if any(name in _AMBIGUOUS or not _is_known(name) for name in names):
        raise _unknown(text, names, wanted)
    # Pint's own reader takes any arithmetic ("h**9**9**9"): it is given names and small powers only.
    terms = [f"{name} ** {power}" for name, power in zip(names, powers.values(), strict=True) if power]
    return registry().Unit(" * ".join(terms))


def is_unit(text: str) -> bool:
    """Say whether a unit can be read. A model may have one that cannot: "per_year" of an SBML file."""
    try:
        parse_unit(text)
    except UnitError:
        return False
    return True


def factor(unit: str, wanted: str) -> float:
    """Return the number that one `unit` is in `wanted`. Raises UnitError where dimensions differ."""
    return float(_exact_factor(unit, wanted))


@lru_cache(maxsize=4096)
def _exact_factor(unit: str, wanted: str) -> Fraction:
    found, target = parse_unit(unit), parse_unit(wanted)
    if found.dimensionality != target.dimensionality:
        raise UnitError(
            Problem(
                f'"{unit}" is {dimension_words(unit)}, but {dimension_words(wanted)} is wanted',
                hint=_wrong_dimension_hint(unit, wanted),
            )
        )
    return Fraction(registry().convert(Fraction(1), found, target))


def dimension_words(unit: str) -> str:
    """Return the dimension of a unit in words: "a time", "a mass per volume"."""
    dimension = parse_unit(unit).dimensionality
    for known, words in _DIMENSION_WORDS.items():
        if parse_unit(known).dimensionality == dimension:
            return words
    powers = sorted((name, int(cast(float, power))) for name, power in dimension.items())
    return " * ".join(name if power == 1 else f"{name}^{power}" for name, power in powers)


def _wrong_dimension_hint(unit: str, wanted: str) -> str:
    if unit == "m" and parse_unit(wanted).dimensionality == parse_unit("min").dimensionality:
        return 'm is metre; write "min" for minutes'
    return f'give it in a unit such as "{wanted}"'
