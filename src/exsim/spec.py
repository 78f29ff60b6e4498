"""RunSpec: what the user said, checked and frozen. The one definition of a run config; no JAX, no arrays.

A field that has a dimension is a `Quantity`, so that the unit which the user wrote is kept;
`exsim.inputs.config` reads TOML into a RunSpec and adds file, line and nearest key to complaints. A config
for a fit is a `exsim.fit_spec.FitSpec`: both are a `ConfigSpec` and more.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from .fields import (
    WHOLE,
    CarbohydrateRate,
    Dose,
    Duration,
    FrozenDict,
    FrozenTable,
    HeartRate,
    Intensity,
    Level,
    Mass,
    OxygenUptake,
    ParameterValue,
    Rate,
    Text,
    Time,
)
from .moments import Moment
from .sweep_spec import SweepSpec
from .units import Quantity

SCHEMA_VERSION = 1

#: Talk-test words and the fraction of VO2max that each stands for: midpoints of the ACSM
#: classes light, moderate and vigorous as %VO2max (Garber 2011, Med Sci Sports Exerc 43:1334,
#: doi 10.1249/MSS.0b013e318213fefb: 37-45, 46-63, 64-90).
TALK_TEST_FRACTION_OF_VO2MAX = {"low": 0.41, "moderate": 0.545, "high": 0.77}

Modality = Literal["running", "cycling", "knee_extension", "resistance"]
Method = Literal["auto", "tsit5", "kvaerno5"]


class SubjectSpec(FrozenTable):
    """Who exercises. What is not given stays at the model's own value."""

    body_mass: Mass | None = None
    vo2max: OxygenUptake | None = Field(None, description='maximal oxygen uptake; needed for "75 %HRR"')
    resting_heart_rate: HeartRate | None = Field(None, description="needed for intensity as a heart rate")
    maximal_heart_rate: HeartRate | None = Field(None, description="needed for intensity as a heart rate")
    muscle_glycogen: float | None = Field(
        None, ge=0.0, le=2.0, description="muscle glycogen at the start, fraction of a full store"
    )
    baseline: Annotated[dict[Text, Level], AfterValidator(FrozenDict)] = Field(
        default_factory=FrozenDict,
        description="analyte: level at rest, as measured; resting production follows, so that rest is steady",
    )


class IntervalsSpec(FrozenTable):
    """Work and rest in turn inside one bout; it ends with the last work."""

    work: Duration
    rest: Duration
    repeats: int = Field(ge=1, le=10_000, description="how many times work is done")


class RepeatSpec(FrozenTable):
    """The same bout again: `times` bouts in all, one every `every` from start to start."""

    every: Duration
    times: int = Field(ge=2, le=10_000, description="number of bouts in all")


class BoutSpec(FrozenTable):
    """One bout of exercise. With `intervals`, their work and rest make up the duration."""

    start: Time
    duration: Duration | None = Field(None, description="left out where intervals are given")
    intensity: Intensity = Field(
        description='fraction of VO2max (0.8), "80 %VO2max", "75 %HRR", "150 beats/min", "40 %Wmax" (knee '
        'extension), "70 %1RM" (resistance), or a talk-test word: low, moderate, high'
    )
    modality: Modality = "running"
    intervals: IntervalsSpec | None = None
    repeat: RepeatSpec | None = None
    legs: Annotated[Literal[1, 2], WHOLE] = Field(2, description="knee extension: how many legs work")
    active_muscle: Mass | None = Field(
        None,
        description="working muscle of a person of the model's reference body mass, in place of the"
        " modality's own; like that, it is scaled with body mass",
    )
    whole_body_intensity: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="fraction of VO2max, in place of the modality's share of the intensity",
    )

    @property
    def total_duration_h(self) -> float:
        """Hours from the start to the last work of one bout, rests between intervals included."""
        if self.intervals is None:
            return 0.0 if self.duration is None else self.duration.to("h")
        work, rest = self.intervals.work.to("h"), self.intervals.rest.to("h")
        return self.intervals.repeats * work + (self.intervals.repeats - 1) * rest

    @property
    def end_h(self) -> float:
        """Hours after the start of the simulation at which the last repetition ends."""
        waits_h = 0.0 if self.repeat is None else (self.repeat.times - 1) * self.repeat.every.to("h")
        return self.start.to("h") + waits_h + self.total_duration_h


class IntakeSpec(FrozenTable):
    """Carbohydrate taken at a constant rate."""

    carbohydrate: CarbohydrateRate
    start: Moment
    duration: Duration


class InfusionSpec(FrozenTable):
    """A constant infusion of a target that the model offers."""

    target: Text
    rate: Rate = Field(description="per time, absolute or per kg of body mass")
    start: Moment
    duration: Duration


class BolusSpec(FrozenTable):
    """A dose given at once, absolute or per kg of body mass."""

    target: Text
    dose: Dose
    time: Moment


class ProtocolSpec(FrozenTable):
    """All that is done to the subject."""

    bout: Annotated[tuple[BoutSpec, ...], Strict(False)] = ()
    intake: Annotated[tuple[IntakeSpec, ...], Strict(False)] = ()
    infusion: Annotated[tuple[InfusionSpec, ...], Strict(False)] = ()
    bolus: Annotated[tuple[BolusSpec, ...], Strict(False)] = ()

    @property
    def end_h(self) -> float:
        """Hours after the start at which the last bout ends (0 without a bout)."""
        return max((bout.end_h for bout in self.bout), default=0.0)


class OutputSpec(FrozenTable):
    """When to look: from 0 to `until` in steps of `every`, or at `times`."""

    until: Duration = Field(description="end of the simulation")
    every: Duration = Quantity(2.0, "min")
    times: Annotated[tuple[Moment, ...], Strict(False)] | None = Field(
        None, description="these times in place of every"
    )
    sort: bool = Field(False, description="allow times in any order")

    @property
    def output_points(self) -> float:
        """Number of output times of the grid from 0 to `until` in steps of `every`."""
        return math.floor(min(self.until.to("h") / self.every.to("h"), 1e300) * (1 + 1e-12)) + 1.0


class SolverSpec(FrozenTable):
    """How to integrate. `auto` is Tsit5, and Kvaerno5 where Tsit5 runs out of its step budget."""

    method: Method = "auto"
    rtol: float = Field(1e-6, ge=1e-14, le=1e-2, description="relative tolerance")
    atol: float = Field(1e-9, ge=1e-14, le=1e-2, description="absolute tolerance, in units of each state")
    max_steps: int = Field(100_000, ge=1, le=100_000_000)
    precision: Literal["float64", "float32"] = "float64"


class ConfigSpec(FrozenTable):
    """What every config says: the model, who it is, what is done, and how it is solved."""

    schema_version: Annotated[Literal[1], WHOLE] = Field(
        alias="schema", description="version of this form: 1"
    )
    model: str = Field(
        min_length=1,
        description="name of a shipped model, or the path of a model folder or file relative to the config",
    )
    label: Text | None = Field(None, description="name of the run in figures; the name of the file otherwise")
    subject: SubjectSpec = SubjectSpec()
    parameter: Annotated[dict[Text, ParameterValue], AfterValidator(FrozenDict)] = Field(
        default_factory=FrozenDict, description="values that replace the model's own, by parameter id"
    )
    protocol: ProtocolSpec = ProtocolSpec()
    initial_state: Literal["rest", "steady"] = Field(
        "rest",
        description="rest: as the model file starts; steady: where the model settles with nothing done",
    )
    solver: SolverSpec = SolverSpec()
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="recorded with the run; drawn where it is missing"
    )


class RunSpec(ConfigSpec):
    """A run configuration of exsim."""

    output: OutputSpec
    sweep: SweepSpec | None = Field(None, description="the same run for many draws: what varies and how")
