"""Doses and rates, absolute or per kg of body mass, in the unit that the model takes."""

from __future__ import annotations

from .errors import UnitError
from .units import Quantity, factor


def convert_dose(dose: Quantity, unit: str) -> tuple[float, int]:
    """Return (number, power): `number` times body mass in kg to `power` is the dose in `unit`.

    "0.06 ng/kg" given to a state in ng has power 1, "4 ng" given to one in ng/kg has power -1,
    and like to like has power 0. Raises UnitError where no power of the mass makes them fit.
    """
    complaint: UnitError | None = None
    for power, scaled in ((0, dose.unit), (1, f"{dose.unit}*kg"), (-1, f"{dose.unit}/kg")):
        try:
            return dose.magnitude * factor(scaled, unit), power
        except UnitError as error:
            complaint = complaint or error
    assert complaint is not None
    raise complaint
