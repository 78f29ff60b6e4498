"""FitSpec: a config for `exsim fit`, and `exsim sample`: what was measured, simulated and is free. No JAX."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Strict,
    Tag,
    WithJsonSchema,
    field_validator,
)

from .choices import BatchMode, Family, Optimiser, ScaleName
from .fields import (
    Duration,
    FrozenDict,
    FrozenTable,
    MolarMass,
    ParameterValue,
    Text,
    complain,
    read_quantity,
    shown,
)
from .free_names import FreeName, free_path
from .noise_sd import FEWEST_DEGREES, MOST_DEGREES
from .sample_spec import PopulationSpec, SampleSpec
from .spec import ConfigSpec, SubjectSpec
from .sweep_spec import TargetPath, Value, read_value
from .units import Quantity

PriorName = Literal["normal", "lognormal", "uniform", "loguniform", "none"]

#: Top-level tables of which any makes a config one for a fit.
FIT_TABLES = ("data", "condition", "observable", "fit")


# ---- what was measured -------------------------------------------------------------------------------


class ClockSpec(FrozenTable):
    """Date and time at which time 0 of the protocol was, for one subject, one condition, or all."""

    zero: Text = Field(description='ISO 8601 with a zone, "2024-05-04T09:00+02:00"')
    subject: Text | None = Field(None, description="whose; everybody's where missing")
    condition: Text | None = Field(None, description="of which condition; of all where missing")


def _clocks(value: Any) -> Any:
    # A text alone is the clock of all.
    return [{"zero": value}] if isinstance(value, str) else value


class DataSpec(FrozenTable):
    """The table of measurements and how it is written; or a table of published evidence."""

    file: Text | None = Field(None, description="table of measurements, relative to the config")
    sep: Literal[",", ";", "\t", "|"] | None = Field(None, description="what stands between columns")
    decimal: Literal[".", ","] = Field(".", description="decimal sign of the table")
    strict: bool = Field(False, description="refuse rows without a measurement")
    clock: Annotated[tuple[ClockSpec, ...], Strict(False), BeforeValidator(_clocks)] = Field(
        (), description="date and time of time 0, where the table has dates or times of day"
    )
    plasma_volume: Literal["fraction", "percent"] | None = Field(
        None, description="what changes of plasma volume without a sign are"
    )
    baseline: bool = Field(True, description="rows before the first bout are at rest; false refuses them")
    molar_mass: Annotated[dict[Text, MolarMass], AfterValidator(FrozenDict)] = Field(
        default_factory=FrozenDict, description="by analyte, where amounts are to become masses"
    )
    ignore: Annotated[tuple[Text, ...], Strict(False)] = Field((), description="analytes that are left out")
    evidence: Text | None = Field(None, description="table of evidence in place of file")
    use: Annotated[tuple[Literal["calibrate", "predict"], ...], Strict(False)] = Field(
        ("calibrate",), description="evidence: rows of these uses"
    )
    sd: float = Field(
        0.3, gt=0, le=10, description="evidence: sd of the logarithm where the table gives no interval"
    )


class ConditionSpec(FrozenTable):
    """What was done in one condition of the data."""

    name: Text = Field(min_length=1, description="as in the column condition of the data")
    protocol: Text | None = Field(
        None,
        description="run config, a path or the name of a shipped one; the file's own protocol where missing",
    )
    parameter: Annotated[dict[Text, ParameterValue], AfterValidator(FrozenDict)] = Field(
        default_factory=FrozenDict, description="values that hold in this condition, by parameter id"
    )
    subject: SubjectSpec = SubjectSpec()


# ---- noise -------------------------------------------------------------------------------------------


class EstimatedSpec(FrozenTable):
    """A number of the noise that is estimated, and its bounds."""

    lower: ParameterValue = Field(description="above 0: noise that runs to 0 explains anything")
    upper: ParameterValue
    start: ParameterValue | None = Field(None, description="halfway on the logarithm where missing")


_SD_HINT = 'write e.g. 0.2, "3 pg/mL", "data", or { lower = 0.02, upper = 2.0 }'


def _noise_number(value: Any) -> Quantity | float | str:
    if value == "data":
        return "data"
    if isinstance(value, str | Quantity):
        return read_quantity(value, "3 pg/mL")
    if isinstance(value, bool) or not isinstance(value, int | float):
        complain(f"{shown(value)} is not a number", _SD_HINT)
    if not abs(value) < 1e300:
        complain(f"{shown(value)} is not a finite number")
    return float(value)


def _is_table(value: Any) -> str:
    return "<estimated>" if isinstance(value, dict | EstimatedSpec) else "<given>"


_Given = Annotated[
    Quantity | float | str,
    BeforeValidator(_noise_number),
    PlainSerializer(lambda value: str(value) if isinstance(value, Quantity) else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "examples": ["3 pg/mL", "data"]}]}),
]
#: A number of the noise: known, "data", or estimated between bounds.
NoiseNumber = Annotated[
    Annotated[EstimatedSpec, Tag("<estimated>")] | Annotated[_Given, Tag("<given>")], Discriminator(_is_table)
]


class ObservableSpec(FrozenTable):
    """One analyte of the data: what it is in the model, and how far a measurement may lie from it."""

    analyte: Text = Field(min_length=1, description="as in the data")
    formula: Text | None = Field(
        None, max_length=2000, description="of states, rules and parameters; the model's own where missing"
    )
    unit: Text | None = Field(None, description="of the formula")
    noise: Family
    sd: NoiseNumber = Field(
        description="lognormal: of the natural logarithm, a number; others: with the unit of the analyte;"
        ' "data": as the table gives it; or estimated: { lower = 0.02, upper = 2.0 }'
    )
    proportional: NoiseNumber | None = Field(None, description="additive_proportional: share of the value")
    degrees: float | None = Field(
        None, ge=FEWEST_DEGREES, le=MOST_DEGREES, description="student_t: degrees of freedom, 4 where missing"
    )
    batch: BatchMode | None = Field(
        None, description="relative data: what every plate, kit or lab has of its own"
    )


# ---- what is free ------------------------------------------------------------------------------------


class FitParameterSpec(FrozenTable):
    """What is said of one free quantity beyond the model's card."""

    name: FreeName = Field(description="one of fit.free")
    scale: ScaleName | None = Field(None, description="log where start and lower bound are above 0")
    lower: Value | None = None
    upper: Value | None = None
    start: Value | None = Field(None, description="first start; the config's or the model's value")
    prior: PriorName | None = Field(None, description="the card's where missing; none is flat")
    median: Value | None = Field(None, description="of a lognormal; the config's or the model's value")
    mean: Value | None = Field(None, description="of a normal; the config's or the model's value")
    sd: ParameterValue | None = Field(
        None, description="lognormal: of the logarithm, a number; normal: with the unit"
    )
    cv: float | None = Field(None, gt=0, le=100, description="standard deviation over mean, in place of sd")
    per: Literal["condition", "subject"] | None = Field(
        None, description="one number for each condition or subject; one for all where missing"
    )

    @property
    def path(self) -> TargetPath:
        """What the name stands for."""
        return free_path(self.name)

    @field_validator("lower", "upper", "start", "median", "mean", mode="before")
    @classmethod
    def _read_one(cls, value: Any, info: Any) -> Any:
        name = info.data.get("name")
        path = None if name is None else free_path(name)
        return None if value is None else read_value(value, path)


def _flag_or_names(value: Any) -> str:
    return "<flag>" if isinstance(value, bool) else "<names>"


Profiled = Annotated[
    Annotated[bool, Tag("<flag>")] | Annotated[tuple[Text, ...], Strict(False), Tag("<names>")],
    Discriminator(_flag_or_names),
]


class FitSettings(FrozenTable):
    """What is estimated, and how it is searched for."""

    free: Annotated[tuple[FreeName, ...], Strict(False)] = Field(
        description='parameter ids, or what a sweep can vary: "protocol.bout.0.duration"'
    )
    parameter: Annotated[tuple[FitParameterSpec, ...], Strict(False)] = ()
    starts: int = Field(64, ge=1, le=100_000, description="how many starts; the first is the nominal")
    draw_starts: Literal["latin-hypercube", "prior"] = "latin-hypercube"
    optimiser: Optimiser = "hybrid"
    iterations: int = Field(200, ge=1, le=1_000_000, description="at most, of each start")
    budget: Duration | None = Field(None, description="of time; what is found by then is reported")
    seed: int | None = Field(None, ge=0, lt=2**63, description="in place of the config's seed")
    profile: Profiled = Field(True, description="profile likelihood of all, of these, or of none")
    study_sd: float | None = Field(
        None, gt=0, le=1, description="each batch or study has a factor of its own, this sd of its logarithm"
    )


class FitSpec(ConfigSpec):
    """A config for a fit, or for sampling what a fit would maximise."""

    data: DataSpec
    condition: Annotated[tuple[ConditionSpec, ...], Strict(False)] = ()
    observable: Annotated[tuple[ObservableSpec, ...], Strict(False)] = ()
    fit: FitSettings
    sample: SampleSpec | None = Field(None, description="exsim sample: how; exsim fit passes it over")
    population: PopulationSpec | None = Field(None, description="how people differ")
