"""RunSpec: what the user said, checked and frozen. The one definition of a config; no JAX, no arrays.

A field that has a dimension is a `Quantity`, so that the unit which the user wrote is kept;
`exsim.inputs.config` reads TOML into a RunSpec and adds file, line and nearest key to complaints.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from .errors import UnitError
from .units import Quantity, factor

#: Talk-test words and the fraction of VO2max that each stands for: midpoints of the ACSM
#: classes light, moderate and vigorous as %VO2max (Garber 2011, Med Sci Sports Exerc 43:1334,
#: doi 10.1249/MSS.0b013e318213fefb, table 2: 37-45, 46-63, 64-90).
TALK_TEST_FRACTION_OF_VO2MAX = {"low": 0.41, "moderate": 0.55, "high": 0.77}

Modality = Literal["running", "cycling", "knee_extension", "resistance"]
Method = Literal["auto", "tsit5", "kvaerno5"]


def _quantity(*units: str) -> Any:
    """Return the field type of a quantity whose dimension is that of one of `units`."""

    def read(value: Any) -> Quantity:
        if isinstance(value, Quantity):
            quantity = value
        elif isinstance(value, str):
            try:
                quantity = Quantity.parse(value)
            except UnitError as error:
                raise ValueError(str(error)) from error
        else:
            raise ValueError(f'{value!r} has no unit; write it as text, e.g. "{value} {units[0]}"')
        complaints = []
        for unit in units:
            try:
                factor(quantity.unit, unit)
                return quantity
            except UnitError as error:
                complaints.append(str(error))
        raise ValueError(complaints[0])

    schema = {"type": "string", "description": f"a number with a unit, e.g. in {' or '.join(units)}"}
    return Annotated[
        Quantity,
        BeforeValidator(read),
        PlainSerializer(str, return_type=str),
        WithJsonSchema(schema),
    ]


Duration = _quantity("h")
Mass = _quantity("kg")
CarbohydrateRate = _quantity("g/h")
HeartRate = _quantity("1/min")
OxygenUptake = _quantity("mL/kg/min")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Moment(_Spec):
    """A time: hours after the start of the simulation, or after the end of the last bout."""

    offset: Duration
    after_end: bool = False


class SubjectSpec(_Spec):
    """Who exercises. What is not given stays at the model's own value."""

    body_mass: Mass | None = None
    vo2max: OxygenUptake | None = None
    resting_heart_rate: HeartRate | None = None
    maximal_heart_rate: HeartRate | None = None
    #: Muscle glycogen at the start, fraction of a full store.
    muscle_glycogen: float | None = Field(default=None, ge=0.0, le=2.0)
    #: analyte -> level at rest, as measured: resting production follows, so that rest is steady.
    baseline: dict[str, Quantity] = Field(default_factory=dict)


class IntervalsSpec(_Spec):
    """Work and rest in turn, `repeats` times, inside one bout."""

    work: Duration
    rest: Duration
    repeats: int = Field(ge=1, le=10_000)


class RepeatSpec(_Spec):
    """The same bout again, `times` bouts in all, one every `every` from start to start."""

    every: Duration
    times: int = Field(ge=2, le=10_000)


class BoutSpec(_Spec):
    """One bout of exercise. With `intervals`, their work and rest make up the duration."""

    start: Duration
    duration: Duration | None = None
    #: Fraction of VO2max (0.8), "80 %VO2max", "75 %HRR", "40 %Wmax", "70 %1RM", or a talk-test word.
    intensity: float | str
    modality: Modality = "running"
    intervals: IntervalsSpec | None = None
    repeat: RepeatSpec | None = None
    #: Knee extension: how many legs work.
    legs: Literal[1, 2] = 2
    #: Mass of the working muscle in place of the model's own for the modality.
    active_muscle: Mass | None = None
    #: Fraction of VO2max in place of the modality's share of the local intensity.
    whole_body_intensity: float | None = Field(default=None, ge=0.0, le=1.0)


class IntakeSpec(_Spec):
    """Carbohydrate taken at a constant rate."""

    carbohydrate: CarbohydrateRate
    start: Moment
    duration: Duration


class InfusionSpec(_Spec):
    """A constant infusion of a target that the model offers."""

    target: str
    rate: Quantity
    start: Moment
    duration: Duration


class BolusSpec(_Spec):
    """A dose given at once, absolute or per kg of body mass."""

    target: str
    dose: Quantity
    time: Moment


class ProtocolSpec(_Spec):
    """All that is done to the subject."""

    bout: tuple[BoutSpec, ...] = ()
    intake: tuple[IntakeSpec, ...] = ()
    infusion: tuple[InfusionSpec, ...] = ()
    bolus: tuple[BolusSpec, ...] = ()


class OutputSpec(_Spec):
    """When to look: from 0 to `until` in steps of `every`, or at `times`."""

    until: Duration
    every: Duration = Quantity(2.0, "min")
    times: tuple[Duration, ...] | None = None
    #: Allow `times` in any order.
    sort: bool = False


class SolverSpec(_Spec):
    """How to integrate. `auto` is Tsit5, and Kvaerno5 where Tsit5 runs out of its step budget."""

    method: Method = "auto"
    rtol: float = Field(default=1e-6, ge=1e-14, le=1e-2)
    #: In units of each state.
    atol: float = Field(default=1e-9, ge=1e-14, le=1e-2)
    max_steps: int = Field(default=100_000, ge=1, le=100_000_000)
    precision: Literal["float64", "float32"] = "float64"


class RunSpec(_Spec):
    """A whole run configuration."""

    schema_version: Literal[1] = Field(alias="schema")
    #: Name of a shipped model, or the path of a model folder or file relative to the config.
    model: str
    subject: SubjectSpec = SubjectSpec()
    #: Values that replace the model's own, by parameter id.
    parameter: dict[str, Quantity | float] = Field(default_factory=dict)
    protocol: ProtocolSpec = ProtocolSpec()
    initial_state: Literal["rest"] = "rest"
    output: OutputSpec
    solver: SolverSpec = SolverSpec()
    #: Recorded with the run; drawn where it is missing.
    seed: int | None = Field(default=None, ge=0, lt=2**63)
