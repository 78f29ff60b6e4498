"""Units of an SBML model -> text that Pint and a physiologist read: "pg/mL", "ng/h/kg"."""

from __future__ import annotations

import math

import libsbml

from ..errors import UnitError
from ..units import factor

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", -2: "c", 0: "", 3: "k"}
_SYMBOLS = {
    "gram": "g", "kilogram": "g", "litre": "L", "liter": "L", "metre": "m", "meter": "m", "second": "s",
    "mole": "mol", "kelvin": "K", "newton": "N", "joule": "J", "watt": "W",
}  # fmt: skip
_TIMES = {60.0: "min", 3600.0: "h", 86400.0: "d", 604800.0: "week"}
#: The same unit as exercise immunology writes it.
_CUSTOMARY = {"ng/L": "pg/mL", "ug/L": "ng/mL"}


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-12)


def _symbol(unit: libsbml.Unit) -> str | None:
    """Return "ng" for 1e-9 gram, "h" for 3600 second; None where there is no such word."""
    kind = libsbml.UnitKind_toString(unit.getKind())
    size = unit.getMultiplier() * 10.0 ** unit.getScale()
    if kind not in _SYMBOLS:
        return None
    if kind == "kilogram":
        size *= 1e3
    if kind == "second":
        for seconds, word in _TIMES.items():
            if _same(size, seconds):
                return word
    for power, prefix in _PREFIXES.items():
        if _same(size, 10.0**power):
            return prefix + _SYMBOLS[kind]
    return None


def _power(symbol: str, exponent: float) -> str:
    return symbol if exponent == 1 else f"{symbol}^{exponent:g}"


def render_units(definition: libsbml.UnitDefinition | None) -> str | None:
    """Return a definition as text, "dimensionless" for an empty one, None where there are no words."""
    if definition is None:
        return "dimensionless"
    above: list[str] = []
    below: list[str] = []
    for unit in definition.getListOfUnits():
        exponent = unit.getExponentAsDouble()
        kind = libsbml.UnitKind_toString(unit.getKind())
        if exponent == 0 or kind in ("dimensionless", "item", "avogadro", "radian", "steradian"):
            if kind not in ("dimensionless", "item", "radian", "steradian") or not _same(
                unit.getMultiplier() * 10.0 ** unit.getScale(), 1.0
            ):
                return None
            continue
        symbol = _symbol(unit)
        if symbol is None:
            return None
        (above if exponent > 0 else below).append(_power(symbol, abs(exponent)))
    if not above and not below:
        return "dimensionless"
    text = "/".join(["*".join(above) or "1", *below])
    return _CUSTOMARY.get(text, text)


def _spelled_out(id: str) -> str | None:
    """Return "ng/h/kg" for the id `ng_per_h_per_kg`; None if the id is not written so."""
    above, *below = (f"1_{id}" if id.startswith("per_") else id).split("_per_")
    if not below:
        return None
    text = "/".join([above.replace("_", "*"), *(part.replace("_", "*") for part in below)])
    try:
        factor(text, text)
    except UnitError:
        return None
    return text


def unit_text(id: str, derived: libsbml.UnitDefinition | None) -> str:
    """Return the unit of an element as text.

    `id` is the unit that the element names ("" for none), `derived` what libsbml makes of it. The id
    itself is taken where it is spelled as a unit and says the same as its definition.
    """
    rendered = render_units(derived)
    spelled = _spelled_out(id)
    if spelled is not None and rendered is not None and _agree(spelled, rendered):
        return spelled
    if rendered is not None:
        return rendered
    return id or libsbml.UnitDefinition.printUnits(derived, True)


def _agree(a: str, b: str) -> bool:
    try:
        return _same(factor(a, b), 1.0)
    except UnitError:
        return False


def time_unit_in_hours(model: libsbml.Model) -> float | None:
    """Return one model time unit in hours; None where the model names none. ValueError if it is no time."""
    id = model.getTimeUnits()
    if not id:
        return None
    if id == "second":
        return 1.0 / 3600.0
    definition = model.getUnitDefinition(id)
    if definition is None or definition.getNumUnits() == 0:
        raise ValueError(id)
    seconds, power = 1.0, 0.0
    for unit in definition.getListOfUnits():
        kind = libsbml.UnitKind_toString(unit.getKind())
        if kind not in ("second", "dimensionless"):
            raise ValueError(id)
        exponent = unit.getExponentAsDouble()
        seconds *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
        power += exponent if kind == "second" else 0.0
    if power != 1:
        raise ValueError(id)
    # 15 digits: 3600 s is 1 h, not 0.9999999999999999 h.
    return float(f"{seconds / 3600.0:.15g}")
