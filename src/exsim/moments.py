"""A time of a protocol: after the start of the simulation, or counted from the end of the last bout."""

from __future__ import annotations

import re
from typing import Any

from pydantic import model_serializer, model_validator

from .fields import FrozenTable, Time, complain, read_quantity
from .units import Quantity

_AFTER_END = re.compile(r"\s*end\s*(?:([-+])\s*(\S.*))?", re.DOTALL)


class Moment(FrozenTable):
    """A time: after the start of the simulation ("1.5 h"), or counted from the end of the last bout.

    The text "end + 1.5 h" is 1.5 h after the end of the last bout, "end - 0.5 h" half an hour before it.
    """

    offset: Time
    after_end: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, Moment | dict):
            return value
        relative = _AFTER_END.fullmatch(value) if isinstance(value, str) and len(value) < 200 else None
        if relative is None:
            return {"offset": value}
        if relative[1] is None:
            return {"offset": Quantity(0.0, "h"), "after_end": True}
        offset = read_quantity(relative[2], "1.5 h")
        if offset.magnitude < 0:
            complain(f'"{value}" has two signs', 'write e.g. "end + 1.5 h" or "end - 0.5 h"')
        if offset.magnitude == 0:
            offset = Quantity(0.0, "h")
        signed = -offset.magnitude if relative[1] == "-" else offset.magnitude
        return {"offset": Quantity(signed, offset.unit), "after_end": True}

    @model_serializer
    def _text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if not self.after_end:
            return str(self.offset)
        if self.offset.magnitude == 0:
            return "end"
        sign, size = "+-"[self.offset.magnitude < 0], abs(self.offset.magnitude)
        return f"end {sign} {Quantity(size, self.offset.unit)}"

    def hours(self, end_h: float) -> float:
        """Return the time in hours after the start, the last bout ending at `end_h`."""
        return self.offset.to("h") + (end_h if self.after_end else 0.0)

    def to(self, unit: str) -> float:
        """Return the time in a unit. Raises ValueError if it counts from the end of the last bout."""
        if self.after_end:
            raise ValueError(f'"{self}" counts from the end of the last bout: use hours(end_h)')
        return self.offset.to(unit)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe the text that a config holds."""
        return {
            "type": "string",
            "description": "a time after the start, or from the end of the last bout",
            "examples": ["1.5 h", "end + 1.5 h", "end - 0.5 h", "end"],
        }
