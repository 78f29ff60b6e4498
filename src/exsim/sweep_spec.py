"""SweepSpec: the `[sweep]` table of a config, what varies between draws and what is kept of them. No JAX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    SkipValidation,
    Strict,
    WithJsonSchema,
    field_validator,
)

from .errors import did_you_mean
from .fields import FrozenDict, FrozenTable, ParameterValue, Text, complain, read_quantity, shown
from .moments import Moment
from .sweep_metrics import read_metric
from .units import Quantity

Design = Literal["sobol", "latin-hypercube", "random", "grid", "saltelli", "table", "posterior"]
Distribution = Literal["uniform", "loguniform", "normal", "lognormal"]

#: Draws that one sweep may have.
MAX_DRAWS = 10**9

#: What of each part of a protocol can be varied.
PROTOCOL_KEYS = {
    "bout": ("start", "duration", "intensity", "whole_body_intensity", "active_muscle"),
    "intake": ("carbohydrate", "start", "duration"),
    "infusion": ("rate", "start", "duration"),
    "bolus": ("dose", "time"),
}
SUBJECT_KEYS = ("body_mass", "muscle_glycogen")
_EXAMPLES = 'write e.g. "parameter.release_gain", "subject.body_mass", "protocol.bout.0.duration"'


@dataclass(frozen=True)
class TargetPath:
    """What a target names: `kind` parameter, subject, baseline, bout, intake, infusion or bolus.

    `key` is a parameter id, a property of the subject, an analyte, or a key of entry `index` of the protocol.
    """

    kind: str
    key: str
    index: int = 0

    @property
    def is_moment(self) -> bool:
        """True for a time that may count from the end of the last bout."""
        return self.kind in ("intake", "infusion", "bolus") and self.key in ("start", "time")


def read_target(text: str) -> TargetPath:
    """Return what a text such as "protocol.bout.0.duration" names. Raises a complaint for any other text."""
    table, _, rest = text.partition(".")
    if table == "parameter" and rest:
        return TargetPath("parameter", rest)
    if table == "subject":
        return _subject_path(text, rest)
    if table == "protocol":
        return _protocol_path(text, rest)
    hint = did_you_mean(table, ("parameter", "subject", "protocol")) if rest else _EXAMPLES
    if not rest and re.fullmatch(r"\w+", text):
        hint = f'write "parameter.{text}" for a parameter of the model'
    complain(f"{shown(text)} is not something that can vary", hint)


def _subject_path(text: str, rest: str) -> TargetPath:
    if rest.startswith("baseline.") and rest != "baseline.":
        return TargetPath("baseline", rest.removeprefix("baseline."))
    if rest in SUBJECT_KEYS:
        return TargetPath("subject", rest)
    known = [*(f"subject.{key}" for key in SUBJECT_KEYS), "subject.baseline.IL6"]
    complain(f"{shown(text)} is not something that can vary", did_you_mean(text, known))


def _protocol_path(text: str, rest: str) -> TargetPath:
    kind, _, entry = rest.partition(".")
    keys = PROTOCOL_KEYS.get(kind)
    if keys is None:
        known = [f"protocol.{name}" for name in PROTOCOL_KEYS]
        complain(f"{shown(text)} is not something that can vary", did_you_mean(f"protocol.{kind}", known))
    index, _, key = entry.partition(".")
    if not re.fullmatch(r"[0-9]{1,6}", index):
        hint = f'number the entry, the first is 0: "protocol.{kind}.0.{keys[0]}"'
        complain(f"{shown(text)} does not say which {kind}", hint)
    if key not in keys:
        complain(
            f"{shown(text)}: {shown(key)} of a {kind} is not something that can vary",
            did_you_mean(key, keys),
        )
    return TargetPath(kind, key, int(index))


def _checked_target(text: str) -> str:
    read_target(text)
    return text


_NUMBER_OR_TEXT = {"anyOf": [{"type": "number"}, {"type": "string", "examples": ["50 L/h"]}]}
_Serialized = PlainSerializer(lambda value: str(value) if isinstance(value, Quantity | Moment) else value)
#: A value of a target as a config writes it: with its unit; a number or "75 %HRR" for an intensity.
Value = Annotated[
    Quantity | Moment | float | str, SkipValidation, _Serialized, WithJsonSchema(_NUMBER_OR_TEXT)
]


class VarySpec(FrozenTable):
    """One quantity that differs from draw to draw, and how."""

    target: Annotated[Text, AfterValidator(_checked_target)]
    distribution: Distribution | None = Field(None, description="uniform where a range is given")
    range: tuple[Value, ...] | None = Field(None, description="lowest and highest value")
    points: int | None = Field(None, ge=2, le=MAX_DRAWS, description="grid: how many values in the range")
    values: tuple[Value, ...] | None = Field(None, description="grid: these values")
    median: Value | None = Field(None, description="of a lognormal; the config's own value where missing")
    mean: Value | None = Field(None, description="of a normal; the config's own value where missing")
    sd: ParameterValue | None = Field(
        None, description="lognormal: of the logarithm, a number; normal: with the unit of the target"
    )
    cv: float | None = Field(None, gt=0, le=100, description="standard deviation over mean, in place of sd")
    lower: Value | None = Field(None, description="no draw lies below")
    upper: Value | None = Field(None, description="no draw lies above")
    unit: Text | None = Field(None, description="table, posterior: the unit of the column in the file")

    @property
    def path(self) -> TargetPath:
        """What the target names."""
        return read_target(self.target)

    @field_validator("range", "values", mode="before")
    @classmethod
    def _read_values(cls, value: Any, info: Any) -> tuple[Any, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            complain(f"{shown(value)} is not an array", f'write e.g. {info.field_name} = ["0.5 h", "6 h"]')
        return tuple(read_value(item, _path_of(info)) for item in value)

    @field_validator("median", "mean", "lower", "upper", mode="before")
    @classmethod
    def _read_one(cls, value: Any, info: Any) -> Any:
        return None if value is None else read_value(value, _path_of(info))


def _path_of(info: Any) -> TargetPath | None:
    # A target that is wrong has its own complaint.
    text = info.data.get("target")
    return read_target(text) if text is not None else None


def read_value(value: Any, path: TargetPath | None) -> Quantity | Moment | float | str:
    """Return a value of a config for a target: with its unit, a time, or "75 %HRR" for an intensity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Quantity | Moment):
        complain(f"{shown(value)} is not a number or a text", 'write e.g. "50 L/h", or 1.5 without dimension')
    if path is not None and path.is_moment:
        return value if isinstance(value, Moment) else Moment.model_validate(value)
    if isinstance(value, str) and (path is None or (path.kind, path.key) == ("bout", "intensity")):
        return value.strip()
    if isinstance(value, str):
        return read_quantity(value, "50 L/h")
    if isinstance(value, Quantity | Moment):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if number - number != 0:
        complain(f"{shown(value)} is not a finite number")
    return number


class CorrelationSpec(FrozenTable):
    """Two targets that vary together: the correlation of their normal scores (a Gaussian copula)."""

    between: Annotated[tuple[Text, Text], Strict(False)] = Field(
        description="two targets under [[sweep.vary]]"
    )
    coefficient: float = Field(gt=-1.0, lt=1.0)

    @field_validator("between", mode="before")
    @classmethod
    def _two(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) != 2:
            hint = 'write e.g. between = ["parameter.CL_IL6", "parameter.V_IL6"]'
            complain(f"a correlation is between two targets, found {len(value)}", hint)
        return value


def _checked_metric(text: str) -> str:
    read_metric(text)
    return text.strip()


Metric = Annotated[Text, AfterValidator(_checked_metric)]


class SweepSpec(FrozenTable):
    """The same run for many draws: what varies, by which design, and what is kept of every draw."""

    draws: int | None = Field(
        None, ge=1, le=MAX_DRAWS, description="how many; base draws N for saltelli; not for grid and table"
    )
    design: Design = "sobol"
    seed: int | None = Field(None, ge=0, lt=2**63, description="in place of the config's seed")
    file: Text | None = Field(None, description="table, posterior: the draws, relative to the config")
    vary: Annotated[tuple[VarySpec, ...], Strict(False)] = ()
    correlation: Annotated[tuple[CorrelationSpec, ...], Strict(False)] = ()
    metrics: Annotated[
        dict[Text, Annotated[tuple[Metric, ...], Strict(False)]], AfterValidator(FrozenDict)
    ] = Field(default_factory=FrozenDict, description="analyte: what is kept of its curve, in words")
    bands: Annotated[tuple[Text, ...], Strict(False)] = Field(
        (), description="analytes whose percentiles over time are kept"
    )
    trajectories: Annotated[tuple[Text, ...], Strict(False)] = Field(
        (), description="analytes whose whole curves are kept"
    )
    stepping: Literal["auto", "shared", "own"] = Field(
        "auto", description="steps shared by draws side by side, or own for each; auto tries"
    )
    engine: Literal["threads", "dask"] = "threads"
    workers: int | None = Field(None, ge=1, le=100_000, description="threads or Dask workers")
