"""Quantities: a number with its unit, read from text at the edge, converted by Pint."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .errors import Problem, UnitError

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
newton = kilogram * meter / second ** 2 = N
joule = newton * meter = J
watt = joule / second = W
IU = [biological_activity]
"""


@cache
def registry() -> pint.UnitRegistry:
    """Return exsim's unit registry (Pint is imported when the first quantity is read)."""
    import pint

    units = pint.UnitRegistry(None, cache_folder=None)
    for line in _DEFINITIONS.strip().splitlines():
        units.define(line)
    return units


_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")


@dataclass(frozen=True)
class Quantity:
    """A number with the unit that the user wrote, such as "3.43 h" or "8 ug/h"."""

    magnitude: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Read "3.43 h". Raises UnitError for a bare number, an unknown unit or a number not finite."""
        match = _QUANTITY.fullmatch(text.replace("μ", "µ"))
        if match is None:
            raise UnitError(Problem(f'"{text}" is not a number with a unit', hint='write e.g. "60 min"'))
        magnitude, unit = float(match[1]), match[2] or ""
        if not unit:
            raise UnitError(Problem(f'"{text}" has no unit', hint='write e.g. "60 min" or "8 ug/h"'))
        if not math.isfinite(magnitude):
            raise UnitError(Problem(f'"{text}" is not a finite number'))
        parse_unit(unit)
        return cls(magnitude, unit)

    def to(self, unit: str) -> float:
        """Return the number in another unit. Raises UnitError where the dimensions differ."""
        return self.magnitude * factor(self.unit, unit)

    def __str__(self) -> str:
        return f"{self.magnitude!r} {self.unit}"


@cache
def parse_unit(text: str) -> pint.Unit:
    """Read a unit such as "pg/mL". Raises UnitError where it is not known."""
    import pint

    if text == "dimensionless":
        return registry().Unit("")
    try:
        return registry().Unit(text.replace("μ", "µ").replace("%", "percent"))
    except (pint.PintError, ValueError, TypeError, AttributeError) as error:
        raise UnitError(
            Problem(f'unknown unit "{text}"', hint="known: h, min, s, d, kg, g, mg, ug, ng, pg, L, mL, W, ...")
        ) from error


@cache
def factor(unit: str, wanted: str) -> float:
    """Return the number that one `unit` is in `wanted`. Raises UnitError where dimensions differ."""
    found, target = parse_unit(unit), parse_unit(wanted)
    if found.dimensionality != target.dimensionality:
        raise UnitError(
            Problem(
                f'"{unit}" is {found.dimensionality or "dimensionless"},'
                f' but {target.dimensionality or "dimensionless"} is wanted',
                hint=f'give it in "{wanted}"',
            )
        )
    # 15 digits: "3 ng/mL" is 3000 pg/mL, not 3000.0000000000005.
    return float(f"{registry().convert(1.0, found, target):.15g}")
