"""The kinds of value a config holds: quantities by dimension, intensities, names. No JAX, no arrays."""

from __future__ import annotations

import math
import unicodedata
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from .errors import UnitError
from .units import Quantity, factor

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class FrozenDict(dict[_Key, _Value]):
    """A dict that does not change and can be hashed."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a checked config does not change")

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict[_Key, _Value]], tuple[dict[_Key, _Value]]]:
        return FrozenDict, (dict(self),)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


class FrozenTable(BaseModel):
    """A table of a config: its keys and no others, each value of its own type, unchanging."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
    )


def complain(message: str, hint: str | None = None) -> NoReturn:
    """Refuse a value in exsim's own words; `hint` is the way out."""
    # The template holds no user text: braces in a value must not be read as places to fill.
    raise PydanticCustomError("exsim", "{message}", {"message": message, "hint": hint})


def read_quantity(value: Any, example: str, wanted: str | None = None) -> Quantity:
    """Return a quantity from its text; refuse what has no unit. `wanted` is a unit of its dimension."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        complain(f"{shown(value)} is not a number with a unit", f'write it as text, e.g. "{example}"')
    if not isinstance(value, str):
        complain(f"{shown(value)} has no unit", f'write it as text with its unit, e.g. "{example}"')
    try:
        return Quantity.parse(value, example, wanted)
    except UnitError as error:
        complain(error.problems[0].message, error.problems[0].hint)


def shown(value: Any) -> str:
    """Return a value as TOML writes it, cut short."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, str):
        text = f'"{text[1:-1]}"'
    return text if len(text) <= 60 else text[:57] + "..."


def _quantity(example: str, *units: str, sign: Literal["any", "positive", "not negative"] = "any") -> Any:
    """Return the field type of a quantity whose dimension is that of one of `units`, if any are given."""

    def read(value: Any) -> Quantity:
        quantity = read_quantity(value, example, units[0] if units else None)
        if sign != "any" and (quantity.magnitude < 0 or (sign == "positive" and quantity.magnitude == 0)):
            complain(
                f'"{quantity}" is {"zero" if quantity.magnitude == 0 else "negative"}', f"it must be {sign}"
            )
        for unit in units:
            try:
                factor(quantity.unit, unit)
                return quantity
            except UnitError as error:
                complaint = error.problems[0]
        if units:
            complain(f'"{quantity}": {complaint.message}', f'write e.g. "{example}"')
        return quantity

    wanted = f", in {' or '.join(units)} or another unit of that dimension" if units else ""
    schema = {"type": "string", "description": f"a number with a unit{wanted}", "examples": [example]}
    return Annotated[
        Quantity, BeforeValidator(read), PlainSerializer(str, return_type=str), WithJsonSchema(schema)
    ]


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _number_or_text(value: Any) -> float | str:
    if isinstance(value, str):
        return _normalised(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        complain(f"{shown(value)} is not an intensity", 'write e.g. 0.8, "75 %HRR" or "moderate"')
    return _finite(value)


def _number_or_quantity(value: Any) -> float | Quantity:
    if isinstance(value, Quantity | str):
        return read_quantity(value, "50 L/h")
    if isinstance(value, bool) or not isinstance(value, int | float):
        complain(f"{shown(value)} is not a number", 'write e.g. "50 L/h", or 1.5 if it has no dimension')
    return _finite(value)


def _finite(value: int | float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        complain(f"{shown(value)} is not a finite number")
    return number


Text = Annotated[str, AfterValidator(_normalised)]
Time = _quantity("1.5 h", "h")
Duration = _quantity("60 min", "h", sign="positive")
Mass = _quantity("72 kg", "kg", sign="positive")
CarbohydrateRate = _quantity("60 g/h", "g/h", sign="not negative")
HeartRate = _quantity("150 beats/min", "1/min", sign="positive")
OxygenUptake = _quantity("55 mL/kg/min", "mL/kg/min", sign="positive")
Dose = _quantity("0.06 ng/kg", sign="not negative")
Rate = _quantity("8 ug/h", sign="not negative")
Level = _quantity("1.2 pg/mL", sign="positive")
MolarMass = _quantity("362.5 g/mol", "g/mol", sign="positive")

Intensity = Annotated[
    float | str,
    BeforeValidator(_number_or_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}],
            "examples": [0.8, "80 %VO2max", "75 %HRR", "150 beats/min", "40 %Wmax", "70 %1RM", "moderate"],
        }
    ),
]
ParameterValue = Annotated[
    Quantity | float,
    BeforeValidator(_number_or_quantity),
    PlainSerializer(lambda value: str(value) if isinstance(value, Quantity) else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "examples": ["50 L/h"]}]}),
]


def _whole(value: Any) -> Any:
    # A literal 1 would take true and 1.0 as well.
    if type(value) is not int:
        complain(f"{shown(value)} is not a whole number")
    return value


WHOLE = BeforeValidator(_whole)
